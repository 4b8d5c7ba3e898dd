//! Telling the user that something waits for them, for as long as it does.

use std::io::{self, IsTerminal};
use std::process::{Child, Command, Stdio};

use super::{askpass, clean};
use crate::messages::{debug, error};

/// A notice that is being shown.
pub struct Notice {
    /// The window, where there is one; else the notice is on the terminal.
    window: Option<Child>,
    is_written: bool,
}

impl Notice {
    /// Shows a text: on the terminal that standard error is, else in a window of askpass's.
    ///
    /// `in_window` leaves the terminal alone.
    pub fn show(text: &str, in_window: bool) -> Self {
        let text = clean::visible_lines(text);
        if !in_window && io::stderr().is_terminal() {
            eprintln!("{text}");
            return Notice { window: None, is_written: true };
        }
        if !askpass::policy().allowed {
            debug!("nobody can be told: {text}");
            return Notice { window: None, is_written: false };
        }
        let program = askpass::program();
        let mut command = Command::new(&program);
        command.arg(&text).env("SSH_ASKPASS_PROMPT", "none");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let window = command.spawn();
        if let Err(source) = &window {
            let program = program.to_string_lossy();
            error!("ssh_askpass: exec({program}): {}", crate::text::reason(source));
        }
        Notice { window: window.ok(), is_written: false }
    }

    /// What it was about has happened.
    pub fn done(self, text: &str) {
        if self.is_written {
            eprintln!("{text}");
        }
    }
}

/// The window closes with what it was about.
impl Drop for Notice {
    fn drop(&mut self) {
        if let Some(window) = &mut self.window {
            // The user may have closed it.
            let _ = window.kill();
            let _ = window.wait();
        }
    }
}
