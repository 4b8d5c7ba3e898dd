//! `ssh-agent`, `ssh-add` and `ssh-copy-id` as their users call them, with the machine's own
//! OpenSSH at the other end.

#![expect(clippy::expect_used, reason = "in a test a fixture that fails should end it")]

mod clients;
mod copy_id;
mod forwarded;
mod life;
mod restrict;
mod robust;
#[path = "../tools/terminal.rs"]
mod terminal;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use keyway_testkit::Running;
use keyway_testkit::process::{DEADLINE, Finished, run};
use net::agent::AgentClient;
use tempfile::TempDir;

/// The program under test, as one of its tools.
fn keyway(tool: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keyway"));
    command.arg(tool);
    clean(&mut command);
    command
}

/// The machine's own tool.
fn stock(tool: &str) -> Command {
    let mut command = Command::new(tool);
    clean(&mut command);
    command
}

fn clean(command: &mut Command) {
    for name in ["SSH_AUTH_SOCK", "SSH_AGENT_PID", "SSH_ASKPASS", "SSH_ASKPASS_REQUIRE", "DISPLAY"]
    {
        command.env_remove(name);
    }
}

/// An agent of ours in the foreground, with a home of its own.
struct Agent {
    folder: TempDir,
    process: Running,
}

impl Agent {
    fn start() -> Self {
        Self::with(|_, _| {})
    }

    /// The machine's own agent instead.
    fn of_openssh() -> Self {
        let folder = tempfile::tempdir().expect("temporary folder");
        let mut command = stock("ssh-agent");
        command.arg("-D").arg("-a").arg(folder.path().join("socket"));
        let process = Running::start(&mut command, &folder.path().join("log"));
        let agent = Agent { folder, process };
        wait_for_socket(&agent.socket());
        agent
    }

    /// `prepare` changes the command before it starts; it also gets the agent's folder.
    fn with(prepare: impl FnOnce(&mut Command, &Path)) -> Self {
        let folder = tempfile::tempdir().expect("temporary folder");
        let mut command = keyway("ssh-agent");
        command.arg("-D").arg("-a").arg(folder.path().join("socket"));
        command.env("HOME", folder.path());
        prepare(&mut command, folder.path());
        let process = Running::start(&mut command, &folder.path().join("log"));
        let agent = Agent { folder, process };
        wait_for_socket(&agent.socket());
        agent
    }

    fn socket(&self) -> PathBuf {
        self.path("socket")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn client(&self) -> AgentClient {
        AgentClient::connect(&self.socket(), Duration::from_secs(20)).expect("connect")
    }

    /// A tool that uses this agent.
    fn tool(&self, mut command: Command) -> Command {
        command.env("SSH_AUTH_SOCK", self.socket()).current_dir(self.folder.path());
        command
    }

    fn run(&self, command: Command, words: &[&str]) -> Finished {
        run(self.tool(command).args(words), b"", DEADLINE)
    }

    fn ssh_add(&self, words: &[&str]) -> Finished {
        self.run(keyway("ssh-add"), words)
    }

    /// A new key pair, with a passphrase perhaps.
    fn make_key(&self, name: &str, passphrase: &str) -> PathBuf {
        let path = self.path(name);
        make_key(&path, passphrase);
        path
    }
}

fn make_key(path: &Path, passphrase: &str) {
    let mut command = keyway("ssh-keygen");
    command.args(["-q", "-t", "ed25519", "-N", passphrase, "-C", "made here", "-f"]).arg(path);
    let made = run(&mut command, b"", DEADLINE);
    assert!(made.success(), "{made}");
}

/// Whether the machine has an OpenSSH to test against; says so where it has none.
fn has_openssh(test: &str) -> bool {
    let missing = ["ssh", "sshd", "ssh-add", "ssh-agent", "ssh-keygen"]
        .into_iter()
        .find(|tool| keyway_testkit::program::find(tool).is_none());
    if let Some(tool) = missing {
        keyway_testkit::not_run(test, &format!("no {tool} of OpenSSH on this machine"));
    }
    missing.is_none()
}

fn wait_for_socket(path: &Path) {
    wait_for(|| std::os::unix::net::UnixStream::connect(path).is_ok());
}

/// Waits until something has come about.
fn wait_for(mut happened: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(20);
    while !happened() {
        assert!(Instant::now() < until, "it has not come about");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A program for `SSH_ASKPASS`.
fn write_askpass(path: &Path, script: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, format!("#!/bin/sh\n{script}\n")).expect("write a file");
    let executable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(path, executable).expect("chmod");
}
