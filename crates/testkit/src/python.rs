//! paramiko and asyncssh, through the small programs in `peers/`.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::key_files::{self, Holder};
use crate::process::Running;
use crate::program::peers;
use crate::ssh::StartedServer;

/// Which library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Library {
    /// <https://www.paramiko.org>
    Paramiko,
    /// <https://asyncssh.readthedocs.io>
    AsyncSsh,
}

impl Library {
    fn script(self, role: &str) -> PathBuf {
        let name = match self {
            Self::Paramiko => "paramiko",
            Self::AsyncSsh => "asyncssh",
        };
        script(&format!("{name}_{role}.py"))
    }
}

/// One of the peers' programs.
pub fn script(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("peers").join(name)
}

/// The interpreter with the libraries.
///
/// # Errors
/// Before `scripts/install-test-peers.sh` made it.
pub fn interpreter() -> Result<PathBuf, String> {
    let venv = peers().join("venv");
    if venv.join("installed.txt").exists() {
        Ok(venv.join("bin/python"))
    } else {
        Err("no paramiko and asyncssh here: run scripts/install-test-peers.sh".into())
    }
}

/// A client that runs `command` on `server` and passes its exit code on.
///
/// `options` are lists by name: `kex`, `cipher`, `mac`, `hostkey`.
///
/// # Errors
/// Without the libraries.
pub fn client(
    library: Library,
    server: &StartedServer,
    user_kind: &str,
    options: &[(&str, &str)],
    command: &str,
) -> Result<Command, String> {
    let mut run = Command::new(interpreter()?);
    run.arg(library.script("client"))
        .args(["--port", &server.port.to_string(), "--user", &server.user])
        .arg("--key")
        .arg(key_files::private(Holder::User, user_kind))
        .arg("--known-hosts")
        .arg(server.folder().join("known_hosts"))
        .env_remove("SSH_AUTH_SOCK");
    for (name, value) in options {
        run.arg(format!("--{name}")).arg(value);
    }
    run.arg(command);
    Ok(run)
}

/// A client that uses files in a folder of `server`'s, and says `used` when all was as it should be.
///
/// # Errors
/// Without the libraries.
pub fn files(
    library: Library,
    server: &StartedServer,
    folder: &std::path::Path,
) -> Result<Command, String> {
    let mut run = Command::new(interpreter()?);
    run.arg(library.script("sftp"))
        .args(["--port", &server.port.to_string(), "--user", &server.user])
        .arg("--key")
        .arg(key_files::private(Holder::User, "ssh-ed25519"))
        .arg("--known-hosts")
        .arg(server.folder().join("known_hosts"))
        .arg(folder)
        .env_remove("SSH_AUTH_SOCK");
    Ok(run)
}

/// A server of one of the libraries. Ends when dropped.
pub struct PythonServer {
    /// On 127.0.0.1.
    pub port: u16,
    /// The process.
    pub process: Running,
    kinds: Vec<String>,
    _folder: TempDir,
}

impl PythonServer {
    /// Starts it; it lets the user's keys in, and the password `open sesame`
    /// both as password and as answer.
    ///
    /// # Errors
    /// Without the libraries, or when it does not listen.
    pub fn start(
        library: Library,
        host_kinds: &[&str],
        options: &[(&str, &str)],
    ) -> Result<Self, String> {
        let folder = tempfile::Builder::new()
            .prefix("keyway-python-")
            .tempdir()
            .map_err(|error| error.to_string())?;
        let authorized = folder.path().join("authorized_keys");
        let lines: Vec<String> =
            key_files::kinds().map(|kind| key_files::public_line(Holder::User, kind)).collect();
        std::fs::write(&authorized, lines.join("\n") + "\n").map_err(|error| error.to_string())?;
        let mut command = Command::new(interpreter()?);
        command.arg("-u").arg(library.script("server")).arg("--authorized").arg(authorized);
        for kind in host_kinds {
            command.arg("--host-key").arg(key_files::private(Holder::Host, kind));
        }
        for (name, value) in options {
            command.arg(format!("--{name}")).arg(value);
        }
        let mut process = Running::start(&mut command, &folder.path().join("log"));
        let port = process.wait_for_log(Duration::from_secs(30), |log| {
            log.lines()
                .find_map(|line| line.strip_prefix("listening "))
                .and_then(|port| port.trim().parse().ok())
        })?;
        Ok(Self {
            port,
            process,
            kinds: host_kinds.iter().map(|kind| (*kind).to_owned()).collect(),
            _folder: folder,
        })
    }

    /// Lines for known_hosts.
    pub fn known_hosts(&self) -> String {
        key_files::known_hosts(self.port, &self.kinds)
    }
}
