//! Which of the programs that are to run do, and which have ended.

use std::time::Instant;

use rustix::process::{Pid, Signal, WaitOptions};

use super::RESPAWN;

/// A program that the first process starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Process {
    /// Our sshd.
    Sshd,
    /// The login on the console.
    Console,
    /// cloud-init.
    FirstBoot,
}

impl Process {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Sshd => "sshd",
            Self::Console => "console login",
            Self::FirstBoot => "cloud-init",
        }
    }

    fn runs_always(self) -> bool {
        matches!(self, Self::Sshd | Self::Console)
    }
}

/// All of them.
#[derive(Default)]
pub(super) struct Processes {
    running: Vec<(Process, Pid)>,
    waiting: Vec<(Process, Instant)>,
    finished: Vec<Process>,
}

impl Processes {
    pub(super) fn started(&mut self, process: Process, id: u32) {
        if let Some(pid) = i32::try_from(id).ok().and_then(Pid::from_raw) {
            self.running.push((process, pid));
        }
    }

    /// Collects everybody who has ended, orphans too. `false` when nobody is left.
    pub(super) fn collect(&mut self) -> bool {
        loop {
            let pid = match rustix::process::wait(WaitOptions::NOHANG) {
                Ok(Some((pid, _))) => pid,
                Ok(None) => return true,
                Err(rustix::io::Errno::INTR) => continue,
                Err(_) => return false,
            };
            if let Some(at) = self.running.iter().position(|(_, running)| *running == pid) {
                let (process, _) = self.running.swap_remove(at);
                if process.runs_always() {
                    self.later(process, Instant::now() + RESPAWN);
                } else {
                    self.finished.push(process);
                }
            }
        }
    }

    pub(super) fn later(&mut self, process: Process, at: Instant) {
        self.waiting.push((process, at));
    }

    pub(super) fn next_start(&self) -> Option<Instant> {
        self.waiting.iter().map(|(_, at)| *at).min()
    }

    /// Takes those whose time has come.
    pub(super) fn due(&mut self, now: Instant) -> Vec<Process> {
        let (due, later) = self.waiting.drain(..).partition(|(_, at)| *at <= now);
        self.waiting = later;
        Vec::into_iter(due).map(|(process, _)| process).collect()
    }

    pub(super) fn take_finished(&mut self, process: Process) -> bool {
        let before = self.finished.len();
        self.finished.retain(|finished| *finished != process);
        self.finished.len() < before
    }

    pub(super) fn signal(&self, process: Process, signal: Signal) {
        for (_, pid) in self.running.iter().filter(|(running, _)| *running == process) {
            let _ = rustix::process::kill_process(*pid, signal);
        }
    }
}
