//! One session channel: its terminal, what runs on it, and how that ended. RFC 4254 §6.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::Child;

use rustix::process::{Pid, Signal};

use super::sftp::SftpThread;
use super::x11::Display;
use crate::pty::Pty;
use crate::requests::Ending;

/// The signals that RFC 4254 §6.10 names.
static SIGNALS: [(&str, Signal); 13] = [
    ("ABRT", Signal::ABORT),
    ("ALRM", Signal::ALARM),
    ("FPE", Signal::FPE),
    ("HUP", Signal::HUP),
    ("ILL", Signal::ILL),
    ("INT", Signal::INT),
    ("KILL", Signal::KILL),
    ("PIPE", Signal::PIPE),
    ("QUIT", Signal::QUIT),
    ("SEGV", Signal::SEGV),
    ("TERM", Signal::TERM),
    ("USR1", Signal::USR1),
    ("USR2", Signal::USR2),
];
/// Those of them that a client may send.
const SENDABLE: [&str; 7] = ["HUP", "INT", "KILL", "QUIT", "TERM", "USR1", "USR2"];

/// One session channel.
#[derive(Default)]
pub(super) struct Slot {
    /// Variables that the client set.
    pub(super) requested: Vec<(String, String)>,
    pub(super) terminal: Option<Pty>,
    pub(super) term: String,
    pub(super) program: Option<Program>,
    /// The program's standard error, kept open until the gate was told how it ended: a client
    /// that sees the end of the output first closes the channel and never hears of it.
    pub(super) held: Option<OwnedFd>,
    /// Of X11 forwarding.
    pub(super) display: Option<Display>,
    pub(super) started: bool,
    /// A client may not send signals to what the administrator chose to run.
    pub(super) forced: bool,
    closed: bool,
}

/// What runs.
pub(super) enum Program {
    /// A process.
    Process {
        /// It leads a session of its own.
        child: Child,
        /// Becomes readable when it ends.
        ending: OwnedFd,
    },
    /// A thread of this process.
    Sftp(SftpThread),
}

impl Slot {
    /// Becomes readable when the program ends.
    pub(super) fn ending(&self) -> Option<BorrowedFd<'_>> {
        self.program.as_ref().map(|program| match program {
            Program::Process { ending, .. } => ending.as_fd(),
            Program::Sftp(thread) => thread.ending(),
        })
    }

    pub(super) fn terminal(&self) -> Option<&Pty> {
        self.terminal.as_ref()
    }

    pub(super) fn take_terminal(&mut self) -> Option<Pty> {
        self.terminal.take()
    }

    /// Lets the output end.
    pub(super) fn release_output(&mut self) {
        self.held = None;
    }

    pub(super) fn may_have_terminal(&self) -> bool {
        self.terminal.is_none() && !self.started
    }

    pub(super) fn may_have_display(&self) -> bool {
        self.display.is_none() && !self.started
    }

    pub(super) fn set_terminal(&mut self, terminal: Pty, term: String) {
        self.terminal = Some(terminal);
        self.term = term;
    }

    pub(super) fn is_running(&self) -> bool {
        self.program.is_some()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    pub(super) fn close(&mut self) {
        self.closed = true;
        self.display = None;
        self.terminal = None;
        self.held = None;
    }

    /// How the program ended, once.
    pub(super) fn ended(&mut self) -> Option<Ending> {
        let status = match self.program.as_mut()? {
            Program::Process { child, .. } => child.try_wait().ok()??,
            Program::Sftp(thread) => {
                let status = thread.status();
                self.program = None;
                return Some(Ending::Status { status });
            }
        };
        self.program = None;
        Some(match (status.code(), status.signal()) {
            (_, Some(signal)) => Ending::Signal {
                name: SIGNALS
                    .iter()
                    .find(|(_, known)| known.as_raw() == signal)
                    .map_or_else(|| format!("SIG{signal}@openssh.com"), |(name, _)| (*name).into()),
                core_dumped: status.core_dumped(),
            },
            (code, None) => Ending::Status { status: code.unwrap_or(255).cast_unsigned() },
        })
    }

    /// RFC 4254 §6.9.
    pub(super) fn signal(&self, name: &str) -> bool {
        if self.forced || !SENDABLE.contains(&name) {
            return false;
        }
        let Some((_, signal)) = SIGNALS.iter().find(|(known, _)| *known == name) else {
            return false;
        };
        self.send(*signal)
    }

    /// Tells the program that nobody is there any more.
    pub(super) fn hang_up(&mut self) {
        if let Some(terminal) = &self.terminal {
            // The shell's own group is not always the one in front.
            let _ = crate::sys::process::hang_up_foreground(terminal.master.as_fd());
        }
        self.send(Signal::HUP);
    }

    fn send(&self, signal: Signal) -> bool {
        // An SFTP server ends with its input.
        let Some(Program::Process { child, .. }) = &self.program else { return false };
        // It leads a session, and so a group, of its own; it has not been waited for, so
        // the number is its own still.
        let group = Pid::from_raw(child.id().cast_signed());
        group.is_some_and(|group| rustix::process::kill_process_group(group, signal).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn signals_that_may_be_sent_have_numbers() {
        for name in SENDABLE {
            assert!(SIGNALS.iter().any(|(known, _)| *known == name), "{name}");
        }
    }

    #[test]
    fn an_end_by_a_signal_is_told_by_name() {
        let child = Command::new("/bin/sh").args(["-c", "kill -TERM $$"]).spawn().unwrap();
        let pid = Pid::from_raw(child.id().cast_signed()).unwrap();
        let ending = net::open::process(pid).unwrap();
        let program = Some(Program::Process { child, ending });
        let mut slot = Slot { program, ..Slot::default() };
        let descriptor = slot.ending().unwrap();
        let mut waited =
            [rustix::event::PollFd::from_borrowed_fd(descriptor, rustix::event::PollFlags::IN)];
        rustix::event::poll(&mut waited, None).unwrap();
        let expected = Ending::Signal { name: "TERM".into(), core_dumped: false };
        assert_eq!(slot.ended(), Some(expected));
        assert!(!slot.is_running());
    }
}
