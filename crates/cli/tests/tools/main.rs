//! The tools as a user calls them: the built program against the machine's own OpenSSH.

#![expect(clippy::expect_used, reason = "in a test a fixture that fails should end it")]

mod ansible;
mod callers;
mod command_line;
mod completions;
mod dnssec;
mod editor;
mod explain;
mod forwards;
mod host_keys;
mod hostile;
mod idle;
mod keygen;
mod keyscan;
mod keystrokes;
mod login;
mod manual;
mod mux;
mod network;
mod origins;
mod session;
mod stalls;
mod terminal;
mod trust;
mod tunnel;
mod vouch;
mod x11;

use std::fs;
use std::path::Path;
use std::process::Command;

use keyway_testkit::StartedServer;
use keyway_testkit::key_files::{self, Holder};
use keyway_testkit::process::{DEADLINE, Finished, run};
use tempfile::TempDir;

/// The program under test, as one of its tools.
fn keyway(tool: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keyway"));
    command.arg(tool);
    for name in ["SSH_AUTH_SOCK", "SSH_ASKPASS", "SSH_ASKPASS_REQUIRE", "DISPLAY"] {
        command.env_remove(name);
    }
    command
}

/// Files of a user who is nobody on this machine, and `ssh` commands that use them.
struct User {
    folder: TempDir,
    port: u16,
    name: String,
}

impl User {
    /// Knows nothing about the server yet.
    fn new(server: &StartedServer) -> Self {
        let folder = tempfile::tempdir().expect("temporary folder");
        User { folder, port: server.port, name: server.user.clone() }
    }

    /// Knows the server's keys of these kinds.
    fn knowing(server: &StartedServer, kinds: &[&str]) -> Self {
        let user = User::new(server);
        user.write("known_hosts", &key_files::known_hosts(server.port, kinds));
        user
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("write a file");
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// `ssh OPTIONS... 127.0.0.1`, with the user's ed25519 key; the caller adds the command.
    fn ssh(&self, options: &[&str]) -> Command {
        self.ssh_with_key(&key_files::private(Holder::User, "ssh-ed25519"), options)
    }

    fn ssh_with_key(&self, key: &Path, options: &[&str]) -> Command {
        let mut command = keyway("ssh");
        command.args(["-F", "none", "-p", &self.port.to_string(), "-l", &self.name]);
        command.args(options);
        for option in [
            format!("UserKnownHostsFile={}", self.path("known_hosts").display()),
            "GlobalKnownHostsFile=/dev/null".to_owned(),
            "IdentitiesOnly=yes".to_owned(),
            format!("IdentityFile={}", key.display()),
        ] {
            command.arg("-o").arg(option);
        }
        command.arg("127.0.0.1");
        command
    }

    /// Runs a command there with nothing on standard input.
    fn run(&self, options: &[&str], command: &str) -> Finished {
        run(self.ssh(options).arg(command), b"", DEADLINE)
    }
}

/// Makes an ed25519 key pair with a passphrase.
fn keygen_with(path: &Path, passphrase: &str) {
    let mut command = keyway("ssh-keygen");
    command.args(["-q", "-t", "ed25519", "-N", passphrase, "-f"]).arg(path);
    let made = run(&mut command, b"", DEADLINE);
    assert!(made.success(), "{made}");
}
