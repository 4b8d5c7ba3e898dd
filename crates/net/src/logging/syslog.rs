//! The system's log, by its socket.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::sync::RwLock;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{LogLevel, escape};

/// `SyslogFacility`: the name and the code of syslog(3), shifted into place.
static FACILITIES: &[(&str, u8)] = &[
    ("DAEMON", 3 << 3),
    ("USER", 1 << 3),
    ("AUTH", 4 << 3),
    ("AUTHPRIV", 10 << 3),
    ("LOCAL0", 16 << 3),
    ("LOCAL1", 17 << 3),
    ("LOCAL2", 18 << 3),
    ("LOCAL3", 19 << 3),
    ("LOCAL4", 20 << 3),
    ("LOCAL5", 21 << 3),
    ("LOCAL6", 22 << 3),
    ("LOCAL7", 23 << 3),
];

/// One of the system log's facilities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facility(u8);

impl Facility {
    /// `AUTH`, the default.
    pub const AUTH: Self = Self(4 << 3);

    /// The facility of that name, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        let row = FACILITIES.iter().find(|row| row.0.eq_ignore_ascii_case(name));
        row.map(|row| Self(row.1))
    }
}

/// Where the system's log listens.
const SYSLOG_PATHS: [&str; 2] = ["/dev/log", "/var/run/syslog"];

/// A log that has no room for a line for longer than this is stuck.
const SYSLOG_PATIENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 500_000_000 };

/// A connection to the system's log.
pub struct Syslog {
    facility: Facility,
    tag: String,
    socket: RwLock<Option<UnixDatagram>>,
    /// It took no line the last time: nobody waits for it again until it does.
    is_stuck: AtomicBool,
}

impl Syslog {
    /// Opens the connection, before a change of the root directory would hide it. Where nothing listens, lines are lost
    /// until something does.
    pub fn open(facility: Facility, program: &str) -> Self {
        let mut tag = String::new();
        escape(program, b"", &mut tag);
        Self { facility, tag, socket: RwLock::new(connect()), is_stuck: AtomicBool::new(false) }
    }

    /// The same connection for another program and facility; it is there after a change of the root directory, too.
    #[must_use]
    pub fn again(&self, facility: Facility, program: &str) -> Self {
        let socket = self.socket.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let socket = socket.as_ref().and_then(|socket| socket.try_clone().ok());
        let mut tag = String::new();
        escape(program, b"", &mut tag);
        Self { facility, tag, socket: RwLock::new(socket), is_stuck: AtomicBool::new(false) }
    }

    pub(super) fn send(&self, level: LogLevel, message: &str) {
        let datagram = self.datagram(level, message);
        let sent = |socket: &RwLock<Option<UnixDatagram>>| {
            let socket = socket.read().unwrap_or_else(std::sync::PoisonError::into_inner);
            socket.as_ref().is_some_and(|socket| self.send_in_time(socket, datagram.as_bytes()))
        };
        if sent(&self.socket) {
            return;
        }
        // The log was started after us, or again.
        let socket = connect();
        if socket.is_some() {
            *self.socket.write().unwrap_or_else(std::sync::PoisonError::into_inner) = socket;
            sent(&self.socket);
        }
    }

    /// Sends a line to a log that may not read. Whether there is no need for another connection:
    /// a line that it has no room for is lost, as the server must go on.
    fn send_in_time(&self, socket: &UnixDatagram, datagram: &[u8]) -> bool {
        let try_once = || match socket.send(datagram) {
            Ok(_) => Some(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            Err(_) => Some(false),
        };
        let first = try_once();
        let done = if first.is_none() && !self.is_stuck.load(Ordering::Relaxed) {
            // Room is told of through the receiver's queue.
            let _ = poll(&mut [PollFd::new(socket, PollFlags::OUT)], Some(&SYSLOG_PATIENCE));
            try_once()
        } else {
            first
        };
        self.is_stuck.store(done.is_none(), Ordering::Relaxed);
        done.unwrap_or(true)
    }

    /// Without a time stamp, which every receiver on the same machine sets itself.
    fn datagram(&self, level: LogLevel, message: &str) -> String {
        let priority = self.facility.0 | level.severity();
        let mut text = format!("<{priority}>{}[{}]: ", self.tag, std::process::id());
        text.push_str(level.prefix());
        escape(message, b"", &mut text);
        text
    }
}

fn connect() -> Option<UnixDatagram> {
    let socket = UnixDatagram::unbound().ok()?;
    socket.set_nonblocking(true).ok()?;
    SYSLOG_PATHS.iter().find(|path| socket.connect(path).is_ok())?;
    Some(socket)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logging::LogLevel::{Debug1, Error, Info};

    #[test]
    fn facilities() {
        assert_eq!(Facility::from_name("auth"), Some(Facility::AUTH));
        assert_eq!(Facility::from_name("AUTHPRIV"), Some(Facility(80)));
    }

    #[test]
    fn datagrams() {
        let syslog = Syslog {
            facility: Facility::AUTH,
            tag: "sshd".into(),
            socket: RwLock::new(None),
            is_stuck: AtomicBool::new(false),
        };
        let pid = std::process::id();
        assert_eq!(syslog.datagram(Info, "a\nb"), format!("<38>sshd[{pid}]: a\\012b"));
        assert_eq!(syslog.datagram(Error, "x"), format!("<35>sshd[{pid}]: error: x"));
        assert_eq!(syslog.datagram(Debug1, "x"), format!("<39>sshd[{pid}]: debug1: x"));
    }

    #[test]
    fn a_log_that_does_not_read_keeps_nobody_waiting() {
        let (ours, theirs) = UnixDatagram::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let syslog = Syslog {
            facility: Facility::AUTH,
            tag: "sshd".into(),
            socket: RwLock::new(Some(ours)),
            is_stuck: AtomicBool::new(false),
        };
        let started = std::time::Instant::now();
        for _ in 0..3000 {
            syslog.send(Info, "line");
        }
        assert!(started.elapsed() < std::time::Duration::from_secs(5));
        assert!(syslog.is_stuck.load(Ordering::Relaxed));
        // Once it reads again, lines arrive again.
        let mut room = [0; 100];
        theirs.set_nonblocking(true).unwrap();
        while theirs.recv(&mut room).is_ok() {}
        syslog.send(Info, "after");
        let count = theirs.recv(&mut room).unwrap();
        assert!(room[..count].ends_with(b"after"));
        assert!(!syslog.is_stuck.load(Ordering::Relaxed));
    }
}
