//! Keys in hardware: the middleware library, the PKCS#11 token and the authenticator are others'
//! or speak others' protocols, and the machine's own OpenSSH is at the other end.

#![expect(clippy::expect_used, reason = "in a test a fixture that fails should end it")]

mod authenticator;
mod fido;
mod middleware;
mod tokens;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;
use std::time::{Duration, Instant};

use keyway_testkit::process::{DEADLINE, Finished, run};
use keyway_testkit::{Running, not_run};
use tempfile::TempDir;

/// A folder with an environment: what programs run here know, and nothing of the user's.
struct Place {
    folder: Rc<TempDir>,
    variables: Vec<(String, String)>,
}

impl Place {
    fn new() -> Self {
        let folder = Rc::new(tempfile::tempdir().expect("temporary folder"));
        let place = Place { folder, variables: Vec::new() };
        // Says the PIN to whoever asks, and notes the questions.
        place.write(
            "askpass",
            "#!/bin/sh\necho \"$SSH_ASKPASS_PROMPT: $1\" >> \"$ASKED\"\necho 1234\n",
        );
        fs::set_permissions(place.path("askpass"), fs::Permissions::from_mode(0o755))
            .expect("chmod");
        let (askpass, asked) = (place.text("askpass"), place.text("asked"));
        place
            .with("SSH_ASKPASS", &askpass)
            .with("SSH_ASKPASS_REQUIRE", "force")
            .with("ASKED", &asked)
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect(name);
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o600)).expect(name);
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// A tool of ours (`our ssh-add`) or of the machine (`ssh-add`), with this environment.
    fn command(&self, tool: &str) -> Command {
        let mut command = match tool.strip_prefix("our ") {
            Some(tool) => {
                let mut command = Command::new(env!("CARGO_BIN_EXE_keyway"));
                command.arg(tool);
                command
            }
            None => Command::new(tool),
        };
        command.current_dir(self.folder.path());
        for name in ["SSH_AUTH_SOCK", "SSH_AGENT_PID", "SSH_SK_PROVIDER", "DISPLAY"] {
            command.env_remove(name);
        }
        command.envs(self.variables.iter().cloned());
        command
    }

    fn run(&self, tool: &str, words: &[&str]) -> Finished {
        run(self.command(tool).args(words), b"", DEADLINE)
    }

    /// The same, and it must work.
    fn good(&self, tool: &str, words: &[&str]) -> String {
        let finished = self.run(tool, words);
        assert!(finished.success(), "{finished}");
        finished.text()
    }

    /// An agent, and the same place with it.
    fn with_agent(&self, tool: &str, words: &[&str]) -> (Self, Running) {
        // Each agent has a socket of its own in the folder.
        let socket = self.text(&format!("{}-{}.socket", tool.len(), words.len()));
        let _ = fs::remove_file(&socket);
        let mut command = self.command(tool);
        command.args(["-D", "-a", &socket]).args(words);
        let agent = Running::start(&mut command, &self.path("agent.log"));
        let until = Instant::now() + Duration::from_secs(20);
        while std::os::unix::net::UnixStream::connect(&socket).is_err() {
            assert!(Instant::now() < until, "no agent: {}", agent.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        let place = Place { folder: self.folder.clone(), variables: self.variables.clone() };
        (place.with("SSH_AUTH_SOCK", &socket), agent)
    }

    /// Both `ssh-keygen` find the signature over `message` good.
    fn check_signature(&self, kind: &str) {
        for verifier in ["ssh-keygen", "our ssh-keygen"] {
            let mut command = self.command(verifier);
            command.args(["-Y", "check-novalidate", "-n", "file", "-s", "message.sig"]);
            let checked = run(&mut command, b"what is signed\n", DEADLINE);
            assert!(checked.success(), "{kind}: {checked}");
        }
        fs::remove_file(self.path("message.sig")).expect("a signature");
    }
}

/// The first of these files that is there, on a machine with OpenSSH; says so where none is.
fn first_of(test: &str, what: &str, paths: &[&str]) -> Option<String> {
    for tool in ["ssh", "sshd", "ssh-add", "ssh-agent", "ssh-keygen"] {
        if keyway_testkit::program::find(tool).is_none() {
            not_run(test, &format!("no {tool} of OpenSSH on this machine"));
            return None;
        }
    }
    let found = paths.iter().find(|path| Path::new(path).exists());
    if found.is_none() {
        not_run(test, &format!("no {what} on this machine"));
    }
    found.map(|path| (*path).to_owned())
}
