//! Asks the user, in a process of its own, whether a key may be used, or for the PIN that it wants.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::process::{Child, ChildStdout, Command, Stdio};

use zeroize::Zeroizing;

use crate::messages::{debug, error};
use crate::ui::{askpass, clean};

/// A question that is being asked.
pub struct Question {
    /// The client whose request it is about.
    pub client: u64,
    program: Child,
    stdout: ChildStdout,
    answer: Zeroizing<Vec<u8>>,
    /// The program has closed its output.
    at_end: bool,
}

/// Longest answer taken, as by the other tools.
const ANSWER_BYTES: usize = 1024;

/// What is wanted of the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Yes or no.
    Consent,
    /// A line that is not shown.
    Secret,
}

/// How far a question is.
pub enum Poll {
    /// The user has not answered.
    Pending,
    /// The user has cancelled, or could not be asked.
    No,
    /// The user has answered.
    Said(Answer),
}

/// What the user said, by not cancelling.
pub struct Answer(Zeroizing<Vec<u8>>);

impl Answer {
    /// The line that was typed.
    fn line(&self) -> &[u8] {
        self.0.split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default()
    }

    /// Whether it means yes. An empty line is what a window gives whose one button was pressed.
    pub fn is_yes(&self) -> bool {
        self.line().is_empty() || self.line().eq_ignore_ascii_case(b"yes")
    }

    /// The line as text.
    pub fn text(&self) -> Zeroizing<String> {
        Zeroizing::new(String::from_utf8_lossy(self.line()).into_owned())
    }
}

impl Question {
    /// Starts asking; nothing when there is no way to ask.
    pub fn ask(client: u64, question: &str, wanted: Wanted) -> Option<Self> {
        if !askpass::policy().allowed {
            error!("cannot ask the user: there is no display, and SSH_ASKPASS_REQUIRE is not set");
            return None;
        }
        let path = askpass::program();
        match Self::start(client, &mut Command::new(&path), question, wanted) {
            Ok(question) => Some(question),
            Err(source) => {
                let path = path.to_string_lossy();
                error!("ssh_askpass: exec({path}): {}", crate::text::reason(&source));
                None
            }
        }
    }

    fn start(
        client: u64,
        command: &mut Command,
        question: &str,
        wanted: Wanted,
    ) -> io::Result<Self> {
        if wanted == Wanted::Consent {
            command.env("SSH_ASKPASS_PROMPT", "confirm");
        }
        command
            .arg(clean::visible_lines(question))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut program = command.spawn()?;
        let stdout = program.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        rustix::io::ioctl_fionbio(&stdout, true)?;
        let answer = Zeroizing::new(Vec::with_capacity(ANSWER_BYTES));
        Ok(Question { client, program, stdout, answer, at_end: false })
    }

    /// Its output, to be watched while there may be more.
    pub fn output(&self) -> Option<BorrowedFd<'_>> {
        (!self.at_end).then(|| self.stdout.as_fd())
    }

    /// Looks whether the answer is there, without waiting. It is once the program has ended.
    pub fn poll(&mut self) -> Poll {
        self.read();
        match self.program.try_wait() {
            Ok(None) => Poll::Pending,
            Ok(Some(status)) => {
                self.read();
                debug!("ssh_askpass: {status}");
                if status.success() { Poll::Said(Answer(self.answer.clone())) } else { Poll::No }
            }
            Err(source) => {
                error!("ssh_askpass: wait: {}", crate::text::reason(&source));
                Poll::No
            }
        }
    }

    fn read(&mut self) {
        let mut bytes = Zeroizing::new([0; 256]);
        while !self.at_end {
            match self.stdout.read(&mut *bytes) {
                Ok(0) => self.at_end = true,
                Ok(count) => {
                    let room = ANSWER_BYTES.saturating_sub(self.answer.len());
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

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &str) -> Answer {
        Answer(Zeroizing::new(text.as_bytes().to_vec()))
    }

    #[test]
    fn what_means_yes() {
        for yes in ["", "\n", "yes", "YES\n", "yes\r\nno"] {
            assert!(answer(yes).is_yes(), "{yes:?}");
        }
        for no in ["no", "y\n", "yes!", " ", "yes please and thank you"] {
            assert!(!answer(no).is_yes(), "{no:?}");
        }
    }
}
