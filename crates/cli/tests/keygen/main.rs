//! `ssh-keygen` and `puttygen`, against the machine's OpenSSH, PuTTY, OpenSSL and Dropbear, in
//! both directions.

#![expect(clippy::expect_used, reason = "in a test a fixture that fails should end it")]

mod certificates;
mod formats;
mod prompts;
mod putty;
mod revocation;
mod signatures;
#[path = "../tools/terminal.rs"]
mod terminal;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use keyway_testkit::Finished;
use keyway_testkit::process::{DEADLINE, run};
use tempfile::TempDir;

/// The types of keys, and flags that make small ones.
const KINDS: &[(&str, &[&str])] = &[
    ("ed25519", &["-t", "ed25519"]),
    ("ecdsa256", &["-t", "ecdsa", "-b", "256"]),
    ("ecdsa384", &["-t", "ecdsa", "-b", "384"]),
    ("ecdsa521", &["-t", "ecdsa", "-b", "521"]),
    ("rsa", &["-t", "rsa", "-b", "2048"]),
];

/// A folder to work in, gone afterwards.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("temporary folder"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect(name);
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o600)).expect(name);
    }

    fn mode(&self, name: &str) -> u32 {
        fs::metadata(self.path(name)).expect(name).permissions().mode() & 0o777
    }

    /// The names in it, in order.
    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.0.path())
            .expect("list")
            .map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    /// Runs a program here.
    fn run(&self, program: &str, words: &[&str], input: &str) -> Finished {
        let mut command = match program {
            "ours" => keyway("ssh-keygen"),
            "our-puttygen" => keyway("puttygen"),
            other => Command::new(other),
        };
        command.args(words).current_dir(self.0.path());
        command.env_remove("SSH_AUTH_SOCK").env_remove("DISPLAY").env("TZ", "UTC");
        run(&mut command, input.as_bytes(), DEADLINE)
    }

    /// The same, and it must work.
    fn good(&self, program: &str, words: &[&str]) -> String {
        let finished = self.run(program, words, "");
        assert!(finished.success(), "{finished}");
        finished.text()
    }

    /// The same with words in one line.
    fn line(&self, program: &str, line: &str) -> String {
        self.good(program, &line.split(' ').collect::<Vec<_>>())
    }
}

/// The program under test, as one of its tools.
fn keyway(tool: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keyway"));
    command.arg(tool);
    command
}

/// The first two words of a public key's line.
fn words(line: &str) -> String {
    line.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
}

/// Whether a program is on this machine; says so where it is not.
fn has(program: &str, test: &str) -> bool {
    let there = keyway_testkit::program::find(program).is_some();
    if !there {
        keyway_testkit::not_run(test, &format!("no {program} on this machine"));
    }
    there
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path that is text")
}
