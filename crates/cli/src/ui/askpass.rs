//! Asking through a program of the user's (`SSH_ASKPASS`) where there is no terminal.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::process::{Command, Stdio};

use zeroize::Zeroizing;

use crate::messages::{debug, error};

/// What `ssh-askpass` is called when nobody chose another.
const DEFAULT_PROGRAM: &str = "/usr/bin/ssh-askpass";

/// Longest answer taken from the program; OpenSSH takes 1024 bytes.
const ANSWER_BYTES: u64 = 1024;

/// What the environment says about askpass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Use it even though a terminal is there.
    pub required: bool,
    /// It may be used at all.
    pub allowed: bool,
}

/// Reads `SSH_ASKPASS_REQUIRE` and whether there is a display.
pub fn policy() -> Policy {
    let has_display = ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| env::var_os(name).is_some());
    let require = env::var_os("SSH_ASKPASS_REQUIRE").unwrap_or_default();
    if require.eq_ignore_ascii_case("force") {
        return Policy { required: true, allowed: true };
    }
    if require.eq_ignore_ascii_case("prefer") {
        return Policy { required: has_display, allowed: has_display };
    }
    if require.eq_ignore_ascii_case("never") {
        return Policy { required: false, allowed: false };
    }
    Policy { required: false, allowed: has_display }
}

/// The program that asks.
pub fn program() -> OsString {
    env::var_os("SSH_ASKPASS")
        .filter(|program| !program.is_empty())
        .unwrap_or_else(|| DEFAULT_PROGRAM.into())
}

/// Runs the program with the question; nothing when it failed or the user cancelled.
pub fn ask(question: &str, hint: Option<&str>) -> Option<Zeroizing<String>> {
    let program = program();
    let mut command = Command::new(&program);
    command.arg(super::clean::visible_lines(question)).stdin(Stdio::null()).stdout(Stdio::piped());
    if let Some(hint) = hint {
        command.env("SSH_ASKPASS_PROMPT", hint);
    }
    match answer_of(&mut command) {
        Ok(answer) => answer,
        Err(source) => {
            error!("ssh_askpass: exec({}): {}", display(&program), crate::text::reason(&source));
            None
        }
    }
}

fn answer_of(command: &mut Command) -> std::io::Result<Option<Zeroizing<String>>> {
    let mut child = command.spawn()?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(ANSWER_BYTES as usize));
    if let Some(stdout) = child.stdout.take() {
        stdout.take(ANSWER_BYTES).read_to_end(&mut bytes)?;
    }
    let status = child.wait()?;
    if !status.success() {
        debug!("ssh_askpass: {status}");
        return Ok(None);
    }
    let end = bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n')).unwrap_or(bytes.len());
    Ok(Some(Zeroizing::new(String::from_utf8_lossy(&bytes[..end]).into_owned())))
}

fn display(text: &OsStr) -> std::borrow::Cow<'_, str> {
    text.to_string_lossy()
}
