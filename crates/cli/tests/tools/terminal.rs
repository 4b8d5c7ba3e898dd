//! A person at a terminal.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use keyway_testkit::process::wait;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// How long to wait for anything; test machines are slow.
const PATIENCE: Duration = Duration::from_secs(30);

/// A program on a terminal of its own.
pub struct Terminal {
    master: File,
    child: Child,
    seen: String,
    /// How much of `seen` has been waited for.
    read_to: usize,
}

impl Terminal {
    /// Starts the program with the terminal as its controlling one.
    pub fn start(command: &Command) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pty");
        grantpt(&master).expect("grantpt");
        unlockpt(&master).expect("unlockpt");
        let name = ptsname(&master, Vec::new()).expect("ptsname");
        let slave: OwnedFd = File::options()
            .read(true)
            .write(true)
            .open(name.to_str().expect("a path"))
            .expect("the terminal")
            .into();
        let stdio = || Stdio::from(slave.try_clone().expect("dup"));
        let mut setsid = Command::new("setsid");
        // Whoever runs the tests in the background has interrupts ignored; a user has not.
        setsid.args(["--ctty", "--wait", "env", "--default-signal=INT,QUIT,TSTP"]);
        setsid.arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => setsid.env(name, value),
                None => setsid.env_remove(name),
            };
        }
        setsid.env("TERM", "xterm");
        let child =
            setsid.stdin(stdio()).stdout(stdio()).stderr(stdio()).spawn().expect("setsid starts");
        Terminal { master: master.into(), child, seen: String::new(), read_to: 0 }
    }

    /// Waits until `text` has appeared behind all that was waited for before.
    pub fn expect(&mut self, text: &str) {
        let until = Instant::now() + PATIENCE;
        while !self.seen[self.read_to..].contains(text) {
            assert!(self.read_more(until), "waited for {text:?}, saw:\n{}", self.seen);
        }
        let at = self.seen[self.read_to..].find(text).unwrap_or_default();
        self.read_to += at + text.len();
    }

    pub fn type_keys(&mut self, keys: &str) {
        self.master.write_all(keys.as_bytes()).expect("type");
    }

    /// Waits for the end and gives the exit code (or 128 and the signal) and everything seen.
    pub fn finish(mut self) -> (i32, String) {
        let until = Instant::now() + PATIENCE;
        while self.read_more(until) {}
        let Some(status) = wait(&mut self.child, until) else {
            let _ = self.child.kill();
            panic!("still running; saw:\n{}", self.seen);
        };
        let code = status.code().or(status.signal().map(|signal| 128 + signal));
        (code.unwrap_or(-1), self.seen)
    }

    /// False at the end, or when nothing came in time.
    fn read_more(&mut self, until: Instant) -> bool {
        let left = until.saturating_duration_since(Instant::now());
        let timeout = Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: 0 };
        let mut fds = [PollFd::new(&self.master, PollFlags::IN)];
        if poll(&mut fds, Some(&timeout)).unwrap_or(0) == 0 {
            return false;
        }
        let mut buffer = [0; 4096];
        match self.master.read(&mut buffer) {
            Ok(0) | Err(_) => false,
            Ok(count) => {
                self.seen.push_str(&String::from_utf8_lossy(&buffer[..count]));
                true
            }
        }
    }
}
