//! Where log lines go: the one sink behind the `log` crate for `ssh` and `sshd`.
//!
//! OpenSSH has eight levels and `log` five, so three of ours ride on a target:
//!
//! | OpenSSH | written with | as |
//! |---|---|---|
//! | FATAL | [`fatal!`](crate::fatal) | `Error`, target [`FATAL`] |
//! | ERROR | `log::error!` | `Error` |
//! | INFO | `log::info!`, `log::warn!` | `Info`, `Warn` |
//! | VERBOSE | [`verbose!`](crate::verbose) | `Info`, target [`VERBOSE`] |
//! | DEBUG1 | `log::debug!` | `Debug` |
//! | DEBUG2 | [`debug2!`](crate::debug2) | `Trace`, target [`DEBUG2`] |
//! | DEBUG3 | `log::trace!` | `Trace` |
//!
//! Lines may hold what a peer chose; control characters are escaped before they reach a terminal or a log file.

mod level;
mod syslog;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::fmt::{self, Write as _};
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::RwLock;
use std::sync::atomic::{AtomicU8, Ordering};

pub use log;

use crate::places;

/// Target of a message after which the program ends.
pub const FATAL: &str = "fatal";
/// Target of a message of level VERBOSE.
pub const VERBOSE: &str = "verbose";
/// Target of a message of level DEBUG2.
pub const DEBUG2: &str = "debug2";

/// The longest message, in bytes before escaping.
const MESSAGE_BYTES_MAX: usize = 4096;

/// Logs a message after which the program ends.
#[macro_export]
macro_rules! fatal {
    ($($message:tt)+) => {
        $crate::logging::log::error!(target: $crate::logging::FATAL, $($message)+)
    };
}

/// Logs a message of level VERBOSE.
#[macro_export]
macro_rules! verbose {
    ($($message:tt)+) => {
        $crate::logging::log::info!(target: $crate::logging::VERBOSE, $($message)+)
    };
}

/// Logs a message of level DEBUG2.
#[macro_export]
macro_rules! debug2 {
    ($($message:tt)+) => {
        $crate::logging::log::trace!(target: $crate::logging::DEBUG2, $($message)+)
    };
}

use self::level::LEVELS;
use LogLevel::{Error, Info, Quiet};

pub use self::level::LogLevel;
pub use self::syslog::{Facility, Syslog};

/// Takes log lines unescaped, to hand them to another process that writes them.
pub type Handler = Box<dyn Fn(LogLevel, &str) + Send + Sync>;

/// Where lines go.
pub enum Destination {
    /// Standard error.
    Stderr,
    /// A file (`-E`).
    File(File),
    /// The system's log.
    Syslog(Syslog),
    /// Another process; for one that has no files of its own.
    Handler(Handler),
}

/// Makes this the program's log. Called again, as after reading the configuration, it changes level and destination.
pub fn init(level: LogLevel, destination: Destination) {
    set_destination(destination);
    set_level(level);
    // Fails the second time, when it has the same logger already.
    let _ = log::set_logger(&SINK);
}

/// Changes how much is logged, as after reading the configuration.
pub fn set_level(level: LogLevel) {
    SINK.level.store(level as u8, Ordering::Relaxed);
    renew_filter();
}

/// What the `log` crate lets through: places that are always logged need all of it.
pub(crate) fn renew_filter() {
    let level = SINK.level.load(Ordering::Relaxed);
    let filter = LEVELS.iter().find(|row| row.0 as u8 == level).map(|row| row.0.filter());
    log::set_max_level(match filter {
        Some(filter) if !places::are_set() => filter,
        _ => log::LevelFilter::Trace,
    });
}

/// Writes a message of that level from that place in the source, if either is wanted. For messages
/// that do not come through the `log` crate.
pub fn write_from(level: LogLevel, file: &str, line: u32, message: &fmt::Arguments<'_>) {
    match places::chosen(file, line) {
        Some(place) => SINK.write_always(level, &place, message),
        None if SINK.wants(level) => SINK.write(level, &message.to_string()),
        None => {}
    }
}

/// Changes where lines go.
pub fn set_destination(destination: Destination) {
    // A poisoned lock guards nothing that could be half done.
    *SINK.destination.write().unwrap_or_else(std::sync::PoisonError::into_inner) = destination;
}

/// Writes a line of that level, for lines that another process handed over.
pub fn write(level: LogLevel, message: &str) {
    if SINK.wants(level) {
        SINK.write(level, message);
    }
}

/// A log of its own beside the program's, with its own level and destination.
pub struct Separate(Sink);

impl Separate {
    /// Lines up to that level go there.
    pub fn new(level: LogLevel, destination: Destination) -> Self {
        let level = AtomicU8::new(level as u8);
        Self(Sink { level, destination: RwLock::new(destination) })
    }

    /// Whether lines of that level are written.
    pub fn wants(&self, level: LogLevel) -> bool {
        self.0.wants(level)
    }

    /// Writes a line.
    pub fn write(&self, level: LogLevel, message: &str) {
        if self.0.wants(level) {
            self.0.write(level, message);
        }
    }
}

static SINK: Sink =
    Sink { level: AtomicU8::new(Info as u8), destination: RwLock::new(Destination::Stderr) };

struct Sink {
    level: AtomicU8,
    destination: RwLock<Destination>,
}

impl Sink {
    fn wants(&self, level: LogLevel) -> bool {
        level as u8 <= self.level.load(Ordering::Relaxed)
    }

    /// A message of a place that `LogVerbose` names.
    fn write_always(&self, level: LogLevel, place: &str, message: &fmt::Arguments<'_>) {
        self.write(Quiet, &format!("{}{place}: {message}", level.prefix()));
    }

    fn write(&self, level: LogLevel, message: &str) {
        let mut end = message.len().min(MESSAGE_BYTES_MAX);
        while !message.is_char_boundary(end) {
            end -= 1;
        }
        let message = &message[..end];
        let destination =
            self.destination.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        // There is nowhere to tell that a log line could not be written.
        match &*destination {
            Destination::Stderr => write_all(io::stderr().as_fd(), &line(level, message)),
            Destination::File(file) => write_all(file.as_fd(), &line(level, message)),
            Destination::Syslog(syslog) => syslog.send(level, message),
            Destination::Handler(handler) => handler(level, message),
        }
    }
}

impl log::Log for Sink {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        self.wants(LogLevel::of(metadata)) || places::are_set()
    }

    fn log(&self, record: &log::Record<'_>) {
        let level = LogLevel::of(record.metadata());
        let place = places::chosen(record.file().unwrap_or(""), record.line().unwrap_or(0));
        if let Some(place) = place {
            return self.write_always(level, &place, record.args());
        }
        if !self.wants(level) {
            return;
        }
        match record.args().as_str() {
            Some(message) => self.write(level, message),
            None => self.write(level, &record.args().to_string()),
        }
    }

    fn flush(&self) {
        let _ = io::stderr().flush();
    }
}

/// A line for a terminal or a file. The carriage return is for terminals in raw mode.
fn line(level: LogLevel, message: &str) -> String {
    let prefix = if level <= Error { "" } else { level.prefix() };
    let mut line = String::with_capacity(prefix.len() + message.len() + 2);
    line.push_str(prefix);
    escape(message, b"\t\n", &mut line);
    line.push_str("\r\n");
    line
}

/// Appends `text` with everything that is not printable ASCII as `\ooo`, but for the bytes in `keep`; a backslash is
/// doubled, so that nothing else looks like an escape.
pub fn escape(text: &str, keep: &[u8], to: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'\\' => to.push_str("\\\\"),
            b' '..=b'~' => to.push(char::from(byte)),
            _ if byte.is_ascii() && keep.contains(&byte) => to.push(char::from(byte)),
            // Writing to a string cannot fail.
            _ => drop(write!(to, "\\{byte:03o}")),
        }
    }
}

/// Writes the whole line, waiting a little where a descriptor was made non-blocking by others.
fn write_all(to: BorrowedFd<'_>, line: &str) {
    let mut rest = line.as_bytes();
    while !rest.is_empty() {
        match rustix::io::write(to, rest) {
            Ok(written) => rest = rest.get(written..).unwrap_or_default(),
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => {
                let second = Timespec { tv_sec: 1, tv_nsec: 0 };
                match poll(&mut [PollFd::new(&to, PollFlags::OUT)], Some(&second)) {
                    Ok(0) | Err(_) => return,
                    Ok(_) => {}
                }
            }
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::LogLevel::{Debug1, Debug2, Debug3, Error, Fatal, Info, Quiet, Verbose};
    use super::*;
    use std::sync::{Arc, Mutex};

    fn escaped(text: &str) -> String {
        let mut to = String::new();
        escape(text, b"", &mut to);
        to
    }

    #[test]
    fn escapes() {
        assert_eq!(escaped("plain ~text"), "plain ~text");
        assert_eq!(escaped("\u{1b}[31m\n\t\r\u{7f}"), "\\033[31m\\012\\011\\015\\177");
        assert_eq!(escaped("é\\033"), "\\303\\251\\\\033");
        assert_eq!(line(Info, "a\tb\u{7}"), "a\tb\\007\r\n");
    }

    #[test]
    fn prefixes() {
        assert_eq!(line(Debug2, "x"), "debug2: x\r\n");
        assert_eq!(line(Error, "x"), "x\r\n");
        assert_eq!(line(Verbose, "x"), "x\r\n");
    }

    #[test]
    fn names() {
        assert_eq!(LogLevel::from_name("debug"), Some(Debug1));
        assert_eq!(LogLevel::from_name("LOUD"), None);
        assert_eq!(Debug1.name(), "DEBUG1");
        assert_eq!(LogLevel::from_verbosity(9), Debug3);
    }

    #[test]
    fn levels_through_the_log_crate() {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&lines);
        let handler: Handler =
            Box::new(move |level, message| into.lock().unwrap().push((level, message.to_owned())));
        init(Debug2, Destination::Handler(handler));
        crate::fatal!("f{}", 1);
        log::error!("e");
        log::warn!("w");
        log::info!("i");
        crate::verbose!("v");
        log::debug!("d1");
        crate::debug2!("d2");
        log::trace!("d3");
        set_level(Info);
        crate::verbose!("not now");
        log::debug!("not now");
        write(Error, "handed over");
        write(Debug1, "not now");
        set_level(Quiet);
        crate::fatal!("not now");
        let expected = [
            (Fatal, "f1"),
            (Error, "e"),
            (Info, "w"),
            (Info, "i"),
            (Verbose, "v"),
            (Debug1, "d1"),
            (Debug2, "d2"),
            (Error, "handed over"),
        ];
        let lines = lines.lock().unwrap();
        let lines: Vec<_> = lines.iter().map(|(level, text)| (*level, text.as_str())).collect();
        assert_eq!(lines, expected);
    }

    #[test]
    fn whole_lines_into_a_file() {
        let (mut reader, writer) = std::io::pipe().unwrap();
        write_all(writer.as_fd(), &line(Debug1, "one"));
        drop(writer);
        let mut text = String::new();
        std::io::Read::read_to_string(&mut reader, &mut text).unwrap();
        assert_eq!(text, "debug1: one\r\n");
    }
}
