//! Asks the user, in a process of its own, whether a key may be used.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::messages::{debug, error};
use crate::ui::{askpass, clean};

/// A question that is being asked.
pub struct Question {
    /// The client whose request it is about.
    pub client: u64,
    program: Child,
    stdout: ChildStdout,
    answer: Vec<u8>,
    /// The program has closed its output.
    at_end: bool,
}

/// The longest answer that can mean yes, and a line end.
const ANSWER_BYTES: usize = 16;

impl Question {
    /// Starts asking; nothing when there is no way to ask.
    pub fn ask(client: u64, question: &str) -> Option<Self> {
        if !askpass::policy().allowed {
            error!(
                "cannot ask for consent: there is no display, and SSH_ASKPASS_REQUIRE is not set"
            );
            return None;
        }
        let path = askpass::program();
        match Self::start(client, &mut Command::new(&path), question) {
            Ok(question) => Some(question),
            Err(source) => {
                let path = path.to_string_lossy();
                error!("ssh_askpass: exec({path}): {}", crate::text::reason(&source));
                None
            }
        }
    }

    fn start(client: u64, command: &mut Command, question: &str) -> io::Result<Self> {
        command
            .arg(clean::visible_lines(question))
            .env("SSH_ASKPASS_PROMPT", "confirm")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut program = command.spawn()?;
        let stdout = program.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        rustix::io::ioctl_fionbio(&stdout, true)?;
        Ok(Question { client, program, stdout, answer: Vec::new(), at_end: false })
    }

    /// Its output, to be watched while there may be more.
    pub fn output(&self) -> Option<BorrowedFd<'_>> {
        (!self.at_end).then(|| self.stdout.as_fd())
    }

    /// Looks whether the answer is there, without waiting. It is once the program has ended.
    pub fn poll(&mut self) -> Option<bool> {
        self.read();
        match self.program.try_wait() {
            Ok(None) => None,
            Ok(Some(status)) => {
                self.read();
                debug!("ssh_askpass: {status}");
                Some(status.success() && is_yes(&self.answer))
            }
            Err(source) => {
                error!("ssh_askpass: wait: {}", crate::text::reason(&source));
                Some(false)
            }
        }
    }

    fn read(&mut self) {
        let mut bytes = [0; 256];
        while !self.at_end {
            match self.stdout.read(&mut bytes) {
                Ok(0) => self.at_end = true,
                Ok(count) => {
                    let room = (ANSWER_BYTES + 1).saturating_sub(self.answer.len());
                    self.answer.extend(bytes.iter().take(count).take(room));
                }
                Err(source) if source.kind() == io::ErrorKind::Interrupted => {}
                Err(source) if source.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => self.at_end = true,
            }
        }
    }
}

/// The window closes with whoever asked.
impl Drop for Question {
    fn drop(&mut self) {
        if matches!(self.program.try_wait(), Ok(None)) {
            // It may have ended just now.
            let _ = self.program.kill();
            let _ = self.program.wait();
        }
    }
}

/// An empty line is what a window gives whose one button was pressed.
fn is_yes(answer: &[u8]) -> bool {
    let line = answer.split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
    line.is_empty() || line.eq_ignore_ascii_case(b"yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_yes() {
        for yes in ["", "\n", "yes", "YES\n", "yes\r\nno"] {
            assert!(is_yes(yes.as_bytes()), "{yes:?}");
        }
        for no in ["no", "y\n", "yes!", " ", "yes please and thank you"] {
            assert!(!is_yes(no.as_bytes()), "{no:?}");
        }
    }
}
