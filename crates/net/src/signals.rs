//! Signals as readable bytes: handlers write to a pipe that the loop watches.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;

use crate::{open, sys};

/// A signal that can be caught.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Signal {
    /// A child changed its state: SIGCHLD.
    Child,
    /// Go on after a stop: SIGCONT.
    Continue,
    /// The terminal hung up: SIGHUP.
    Hangup,
    /// An interrupt from the keyboard: SIGINT.
    Interrupt,
    /// A quit from the keyboard: SIGQUIT.
    Quit,
    /// SIGTERM.
    Terminate,
    /// SIGUSR1.
    User1,
    /// SIGUSR2.
    User2,
    /// The terminal's size changed: SIGWINCH.
    WindowChange,
}

/// Every signal with its number.
const NUMBERS: &[(Signal, libc::c_int)] = &[
    (Signal::Child, libc::SIGCHLD),
    (Signal::Continue, libc::SIGCONT),
    (Signal::Hangup, libc::SIGHUP),
    (Signal::Interrupt, libc::SIGINT),
    (Signal::Quit, libc::SIGQUIT),
    (Signal::Terminate, libc::SIGTERM),
    (Signal::User1, libc::SIGUSR1),
    (Signal::User2, libc::SIGUSR2),
    (Signal::WindowChange, libc::SIGWINCH),
];

impl Signal {
    /// Its number on this system.
    pub fn number(self) -> i32 {
        NUMBERS.iter().find(|(signal, _)| *signal == self).map_or(0, |(_, number)| *number)
    }

    /// Whether the process was started with it ignored, as by `nohup`; then it
    /// should not be caught.
    pub fn is_ignored(self) -> bool {
        sys::is_ignored(self.number())
    }
}

/// The signals that were caught. One a process, as handlers are.
///
/// Watch it as readable with [`Link::watch`](crate::Link::watch) and ask
/// [`Signals::pending`] when it is.
#[derive(Debug)]
pub struct Signals {
    reader: OwnedFd,
}

impl Signals {
    /// Catches these signals from now on.
    ///
    /// # Errors
    /// `AlreadyExists` when there is one already; those of `pipe` and
    /// `sigaction`.
    pub fn new(signals: &[Signal]) -> io::Result<Self> {
        let (reader, writer) = open::nonblocking_pipe()?;
        sys::set_signal_pipe(writer)?;
        let caught = Self { reader };
        signals.iter().try_for_each(|signal| caught.also(*signal))?;
        Ok(caught)
    }

    /// Catches one more.
    ///
    /// # Errors
    /// Those of `sigaction`.
    pub fn also(&self, signal: Signal) -> io::Result<()> {
        sys::catch_signal(signal.number())
    }

    /// What was caught since the last call, each once, in no order.
    pub fn pending(&mut self) -> Vec<Signal> {
        let mut signals = Vec::new();
        let mut bytes = [0; 64];
        loop {
            let count = match rustix::io::read(&self.reader, &mut bytes) {
                Ok(0) | Err(Errno::AGAIN) => return signals,
                Ok(count) => count,
                Err(Errno::INTR) => continue,
                Err(error) => {
                    log::debug!("reading signals: {error}");
                    return signals;
                }
            };
            for byte in bytes.get(..count).unwrap_or_default() {
                let known = NUMBERS.iter().find(|(_, number)| *number == i32::from(*byte));
                if let Some((signal, _)) = known
                    && !signals.contains(signal)
                {
                    signals.push(*signal);
                }
            }
        }
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::{Signal as Raw, getpid, kill_process};

    #[test]
    fn caught_signals_are_told_once() {
        let mut signals = Signals::new(&[Signal::User1, Signal::WindowChange]).unwrap();
        assert!(Signals::new(&[]).is_err());
        assert!(!Signal::User1.is_ignored());
        for _ in 0..3 {
            kill_process(getpid(), Raw::USR1).unwrap();
        }
        // Another thread of the test may be the one that is interrupted.
        let mut polled = [rustix::event::PollFd::new(&signals, rustix::event::PollFlags::IN)];
        rustix::event::poll(&mut polled, None).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(50));
        assert_eq!(signals.pending(), [Signal::User1]);
        assert!(signals.pending().is_empty());
    }
}
