//! The doctor against faults that are made for real: each has to be named, and nothing else.
//!
//! Where what is found is made, with OpenSSH's server and with ours unless one is named:
//!
//! | fault | findings | test |
//! | --- | --- | --- |
//! | name without an address | `name-unknown`, `name-service` | `ports::a_name_without_an_address` |
//! | no route, dropped, refused, reset | `no-route`, `host-unreachable`, `port-dropped`, `connection-refused`, `connection-reset` | `network`, `ports::nobody_silence_and_closed_doors` |
//! | wrong port | `wrong-port` | `ports::other_services`, `network` |
//! | firewall on this machine | `local-firewall` | `network` (nftables, iptables) |
//! | overloaded, `MaxStartups`, penalties | `server-silent`, `max-startups`, `penalty` (ours) | `ports::a_full_server`, `a_stopped_server`, `a_punished_address` |
//! | path MTU, DSCP | `path-mtu`, `dscp` | `network` |
//! | lines before the ident | `ident-noise` | `ports::lines_before_the_ident` (OpenSSH) |
//! | algorithms | `no-common-algorithm` | `host_keys::all_classes_without_a_common_algorithm` |
//! | host keys and certificates | `host-key-*`, `host-certificate-*` | `host_keys` |
//! | proxies and jumps | `proxy-failed`, `jump-failed` | `ports::a_proxy_that_ends` |
//! | keys, their files, too many of them | `keys-refused`, `key-file-*`, `passphrase-needed`, `too-many-keys` | `keys` |
//! | agents | `agent-*` | `keys::agents` |
//! | methods | `password-only`, `keys-only`, `keys-switched-off`, `second-factor` | `keys::what_the_server_takes` |
//! | certificates of users | `user-certificate-*` | `logins` |
//! | accounts, from the client | `account-refused`, `keys-refused`, `shell-ends` | `logins::accounts_that_may_not_log_in` |
//! | forced commands | `forced-command` | `logins::commands_in_the_place_of_a_shell` |
//! | forwards, sessions | `forward-*`, `session-refused` | `forwards` |
//! | slow parts | `slow-*` | `slow`, `logins` (the shell) |
//! | `/etc/nologin`, with PAM and without | `nologin` | `waits` |
//! | a slow way (a link with a delay) | `slow-network` | `waits` |
//! | `LoginGraceTime`, while an agent asks | `login-grace-time` | `waits` |
//! | the server's machine | all of `sshd doctor` | `premises`, `network` (its firewall) |

#![expect(clippy::expect_used, reason = "in a test a fixture that fails should end it")]

mod forwards;
mod host_keys;
mod keys;
mod logins;
mod network;
mod ports;
mod premises;
mod report;
mod slow;
mod waits;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use keyway_testkit::StartedServer;
use keyway_testkit::key_files::{self, Holder};
use keyway_testkit::process::{Finished, run};
use serde_json::Value;
use tempfile::TempDir;

/// Every examination ends by then, also on a machine with much else to do.
const DEADLINE: Duration = Duration::from_secs(60);

/// The program under test, as one of its tools, without the tester's agent.
fn keyway(tool: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keyway"));
    command.arg(tool);
    for name in ["SSH_AUTH_SOCK", "SSH_ASKPASS", "SSH_ASKPASS_REQUIRE", "DISPLAY"] {
        command.env_remove(name);
    }
    command
}

/// What an examination found.
struct Diagnosis {
    names: Vec<String>,
    document: Value,
    finished: Finished,
}

impl Diagnosis {
    fn of(command: &mut Command) -> Self {
        let finished = run(command, b"", DEADLINE);
        let document: Value = serde_json::from_str(&finished.text()).unwrap_or_default();
        let findings = document["findings"].as_array().cloned().unwrap_or_default();
        let name = |one: &Value| one["name"].as_str().unwrap_or_default().to_owned();
        Diagnosis { names: findings.iter().map(name).collect(), document, finished }
    }

    /// Exactly this cause.
    #[track_caller]
    fn is(self, name: &str) -> Self {
        assert_eq!(self.names, [name], "{}", self.finished);
        assert_eq!(self.finished.code(), Some(1), "{}", self.finished);
        self
    }

    #[track_caller]
    fn found_sound(self) -> Self {
        assert!(self.names.is_empty() && self.finished.code() == Some(0), "{}", self.finished);
        self
    }

    /// Nothing wrong, and this to know.
    #[track_caller]
    fn notes(self, name: &str) -> Self {
        assert_eq!(self.names, [name], "{}", self.finished);
        assert_eq!(self.finished.code(), Some(0), "{}", self.finished);
        self
    }

    /// The first finding, as text.
    fn text(&self) -> String {
        self.document["findings"][0].to_string()
    }

    #[track_caller]
    fn mentions(self, text: &str) -> Self {
        assert!(self.text().contains(text), "{text}: {}", self.finished);
        self
    }
}

/// Files of a user who is nobody on this machine.
struct User {
    folder: TempDir,
}

impl User {
    fn new() -> Self {
        User { folder: tempfile::tempdir().expect("temporary folder") }
    }

    /// Knows the server's ed25519 key.
    fn knowing(server: &StartedServer) -> Self {
        let user = User::new();
        user.write("known_hosts", &key_files::known_hosts(server.port, &["ssh-ed25519"]), 0o600);
        user
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str, mode: u32) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).expect("write a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("chmod");
        path
    }

    /// `ssh doctor --json OPTIONS... 127.0.0.1` on a port, with these keys and nobody to ask.
    fn command(&self, port: u16, keys: &[&Path], options: &[&str]) -> Command {
        let mut command = keyway("ssh");
        command.args(["doctor", "--json", "-F", "none", "-p", &port.to_string()]);
        for option in options {
            command.args(["-o", option]);
        }
        for option in [
            format!("UserKnownHostsFile={}", self.path("known_hosts").display()),
            "GlobalKnownHostsFile=none".to_owned(),
            "BatchMode=yes".to_owned(),
        ] {
            command.arg("-o").arg(option);
        }
        for key in keys {
            command.arg("-i").arg(key);
        }
        // Otherwise the standard files of whoever runs the tests.
        if keys.is_empty() {
            command.args(["-o", "IdentityFile=none"]);
        }
        command.arg("127.0.0.1");
        command
    }

    fn examine(&self, port: u16, keys: &[&Path], options: &[&str]) -> Diagnosis {
        Diagnosis::of(&mut self.command(port, keys, options))
    }

    /// The key that the fixture's servers take, as a file of this user's.
    fn own_key(&self, mode: u32) -> PathBuf {
        let text = fs::read_to_string(right_key()).expect("the user's key");
        let public = fs::read_to_string(right_key().with_extension("pub")).unwrap_or_default();
        if !public.is_empty() {
            self.write("key.pub", &public, 0o644);
        }
        self.write("key", &text, mode)
    }
}

/// The key that the fixture's servers take.
fn right_key() -> PathBuf {
    key_files::private(Holder::User, "ssh-ed25519")
}

/// One that they do not.
fn wrong_key() -> PathBuf {
    key_files::private(Holder::Stranger, "ssh-ed25519")
}

/// Runs a tool that has to work.
#[track_caller]
fn done(command: &mut Command) -> String {
    let finished = run(command, b"", DEADLINE);
    assert!(finished.success(), "{finished}");
    finished.text()
}
