//! Servers and clients that take OpenSSH's flags and files: OpenSSH's own and
//! ours.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use tempfile::TempDir;

use crate::key_files::{self, Holder};
use crate::process::{DEADLINE, Finished, Running, run};
use crate::program::Implementation;

/// The name of whoever runs the tests.
pub fn current_user() -> String {
    let name = run(Command::new("id").arg("-un"), b"", DEADLINE);
    assert!(name.success(), "{name}");
    name.text().trim().to_owned()
}

/// A port nobody listened on a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .unwrap_or_else(|error| panic!("no free port on 127.0.0.1: {error}"))
        .port()
}

/// A `sshd` to be started.
pub struct Server {
    implementation: Implementation,
    lines: Vec<String>,
    host_keys: Vec<String>,
    authorized: Vec<String>,
    folder: TempDir,
}

impl Server {
    /// One that lets `Holder::User`'s keys of every kind in, with host keys of
    /// every kind.
    pub fn new(implementation: Implementation) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("keyway-sshd-")
            .tempdir()
            .unwrap_or_else(|error| panic!("no temporary folder: {error}"));
        // A server reads authorized_keys as the user who logs in.
        set_mode(folder.path(), 0o755);
        Self {
            implementation,
            lines: Vec::new(),
            host_keys: key_files::kinds().map(str::to_owned).collect(),
            authorized: key_files::kinds()
                .map(|kind| key_files::public_line(Holder::User, kind))
                .collect(),
            folder,
        }
    }

    /// A line for sshd_config. The first line for a keyword wins, and these
    /// come before the fixture's own.
    #[must_use]
    pub fn config(mut self, line: impl Into<String>) -> Self {
        self.lines.push(line.into());
        self
    }

    /// Only these types of host keys.
    #[must_use]
    pub fn host_keys(mut self, kinds: &[&str]) -> Self {
        self.host_keys = kinds.iter().map(|kind| (*kind).to_owned()).collect();
        self
    }

    /// These lines instead of the user's keys.
    #[must_use]
    pub fn authorized(mut self, lines: &[String]) -> Self {
        self.authorized = lines.to_vec();
        self
    }

    /// Its folder, to put files in that configuration lines name.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes its files and starts it.
    ///
    /// # Panics
    /// When it does not listen soon.
    pub fn start(self) -> StartedServer {
        let mut reason = String::new();
        // Another process may take the port between our look and the start.
        for _ in 0..3 {
            let port = free_port();
            match self.start_at(port) {
                Ok(process) => {
                    let known_hosts = key_files::known_hosts(port, &self.host_keys);
                    write(&self.folder.path().join("known_hosts"), &known_hosts);
                    return StartedServer {
                        port,
                        user: current_user(),
                        process,
                        known_hosts,
                        folder: self.folder,
                    };
                }
                Err(error) => reason = error,
            }
            if !reason.contains("in use") {
                break;
            }
        }
        panic!("no server: {reason}");
    }

    fn start_at(&self, port: u16) -> Result<Running, String> {
        let folder = self.folder.path();
        let authorized = folder.join("authorized_keys");
        write(&authorized, &(self.authorized.join("\n") + "\n"));
        set_mode(&authorized, 0o644);

        let mut lines = self.lines.clone();
        lines.push(format!("Port {port}"));
        lines.push("ListenAddress 127.0.0.1".into());
        for kind in &self.host_keys {
            let from = key_files::private(Holder::Host, kind);
            lines.push(format!("HostKey {}", from.display()));
        }
        lines.push(format!("AuthorizedKeysFile {}", authorized.display()));
        // Temporary folders have other modes than a home, and tests run as
        // root where they may.
        lines.push("StrictModes no".into());
        lines.push("PermitRootLogin yes".into());
        lines.push("PidFile none".into());
        lines.push("MaxStartups 1000".into());
        // bash reads ~/.bashrc when its parent is sshd and it is the first
        // shell; what somebody has in there may take long and print things.
        if !lines.iter().any(|line| line.starts_with("SetEnv")) {
            lines.push("SetEnv SHLVL=2".into());
        }
        // Stock's DEBUG levels write into the terminals of sessions.
        lines.push("LogLevel VERBOSE".into());
        // Tests fail to log in on purpose, all from one address.
        if has_penalties(self.implementation) {
            lines.push("PerSourcePenalties no".into());
        }
        let config = folder.join("sshd_config");
        write(&config, &(lines.join("\n") + "\n"));

        let mut command = Command::new(self.implementation.tool("sshd"));
        command.args(["-D", "-e", "-f"]).arg(&config);
        command.env_remove("SSH_AUTH_SOCK");
        let mut process = Running::start(&mut command, &folder.join("sshd.log"));
        process.wait_for_log(Duration::from_secs(20), |log| {
            log.contains("Server listening on").then_some(())
        })?;
        Ok(process)
    }
}

/// Whether this `sshd` punishes addresses that fail: OpenSSH has since 9.8.
fn has_penalties(implementation: Implementation) -> bool {
    static OURS: OnceLock<bool> = OnceLock::new();
    static THEIRS: OnceLock<bool> = OnceLock::new();
    let known = if implementation == Implementation::Ours { &OURS } else { &THEIRS };
    *known.get_or_init(|| {
        let key = key_files::private(Holder::Host, "ssh-ed25519");
        let mut command = Command::new(implementation.tool("sshd"));
        command.args(["-T", "-f", "/dev/null", "-o"]).arg(format!("HostKey={}", key.display()));
        let shown = run(&mut command, b"", DEADLINE);
        shown.text().to_lowercase().contains("persourcepenalties")
    })
}

/// A `sshd` that listens. Ends when dropped.
pub struct StartedServer {
    /// On 127.0.0.1.
    pub port: u16,
    /// Who logs in, unless a client says otherwise.
    pub user: String,
    /// The listening process.
    pub process: Running,
    known_hosts: String,
    folder: TempDir,
}

impl StartedServer {
    /// Lines for known_hosts, with the right name and every host key.
    ///
    /// The file `known_hosts` in its folder has them too.
    pub fn known_hosts(&self) -> String {
        self.known_hosts.clone()
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// A `ssh` command to be run.
pub struct Client {
    command: Command,
    folder: TempDir,
    known_hosts: PathBuf,
    destination: String,
    remote: Option<String>,
    deadline: Duration,
}

impl Client {
    /// Logs in to `server`, whose host keys it knows, with the user's ed25519
    /// key; asks nobody anything.
    pub fn new(implementation: Implementation, server: &StartedServer) -> Self {
        let mut client = Self::to_port(implementation, server.port, &server.user);
        client.set_known_hosts(&server.known_hosts());
        client
    }

    /// The same to any port of 127.0.0.1, with an empty known_hosts file.
    pub fn to_port(implementation: Implementation, port: u16, user: &str) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("keyway-ssh-")
            .tempdir()
            .unwrap_or_else(|error| panic!("no temporary folder: {error}"));
        let known_hosts = folder.path().join("known_hosts");
        write(&known_hosts, "");
        let mut command = Command::new(implementation.tool("ssh"));
        command.env_remove("SSH_AUTH_SOCK").env_remove("SSH_ASKPASS");
        command.args(["-F", "none", "-p", &port.to_string(), "-l", user]);
        Self {
            command,
            folder,
            known_hosts,
            destination: "127.0.0.1".into(),
            remote: None,
            deadline: DEADLINE,
        }
    }

    /// Replaces the known_hosts file.
    pub fn set_known_hosts(&mut self, text: &str) {
        write(&self.known_hosts, text);
    }

    /// Another known_hosts file.
    #[must_use]
    pub fn known_hosts(mut self, text: &str) -> Self {
        self.set_known_hosts(text);
        self
    }

    /// A file that outlives this client, with whatever the client keeps beside
    /// it for the next login.
    #[must_use]
    pub fn known_hosts_file(mut self, path: &Path) -> Self {
        path.clone_into(&mut self.known_hosts);
        self
    }

    /// The known_hosts file as it stands.
    pub fn known_hosts_now(&self) -> String {
        fs::read_to_string(&self.known_hosts).unwrap_or_default()
    }

    /// `-o KEYWORD=VALUE`. The first value for a keyword wins, and these come
    /// before the fixture's own.
    #[must_use]
    pub fn option(mut self, option: impl AsRef<str>) -> Self {
        self.command.arg("-o").arg(option.as_ref());
        self
    }

    /// A flag.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    /// Only this private key file.
    #[must_use]
    pub fn key(self, path: &Path) -> Self {
        self.option(format!("IdentityFile={}", path.display()))
    }

    /// Changes the environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// What the server's shell is to run.
    #[must_use]
    pub fn command(mut self, remote: &str) -> Self {
        self.remote = Some(remote.to_owned());
        self
    }

    /// Answers every question with `answer`, through an askpass program.
    ///
    /// The questions end up in the file `questions` of the client's folder.
    #[must_use]
    pub fn answering(mut self, answer: &str) -> Self {
        let program = self.folder.path().join("askpass");
        let questions = self.folder.path().join("questions");
        write(
            &program,
            &format!(
                "#!/bin/sh\nprintf '%s\\n' \"$1\" >>'{}'\nprintf '%s\\n' \"$TEST_ANSWER\"\n",
                questions.display()
            ),
        );
        set_mode(&program, 0o700);
        self.command
            .env("SSH_ASKPASS", &program)
            .env("SSH_ASKPASS_REQUIRE", "force")
            .env("DISPLAY", "none")
            .env("TEST_ANSWER", answer);
        self.option("BatchMode=no")
    }

    /// What was asked so far, where `answering` was used.
    pub fn questions(&self) -> String {
        fs::read_to_string(self.folder.path().join("questions")).unwrap_or_default()
    }

    /// How long it may take.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// The command, complete, for a caller that starts it itself.
    pub fn finish(&mut self) -> &mut Command {
        let key = key_files::private(Holder::User, "ssh-ed25519");
        for option in [
            format!("UserKnownHostsFile={}", self.known_hosts.display()),
            "GlobalKnownHostsFile=none".to_owned(),
            "StrictHostKeyChecking=yes".to_owned(),
            "BatchMode=yes".to_owned(),
            "IdentitiesOnly=yes".to_owned(),
            "UpdateHostKeys=no".to_owned(),
        ] {
            self.command.arg("-o").arg(option);
        }
        let has_key = self
            .command
            .get_args()
            .any(|argument| argument.to_string_lossy().starts_with("IdentityFile="));
        if !has_key {
            self.command.arg("-o").arg(format!("IdentityFile={}", key.display()));
        }
        self.command.arg(&self.destination);
        if let Some(remote) = self.remote.take() {
            self.command.arg(remote);
        }
        &mut self.command
    }

    /// Runs it with nothing on standard input.
    pub fn run(&mut self) -> Finished {
        self.run_with(b"")
    }

    /// Runs it with `input` on standard input.
    pub fn run_with(&mut self, input: &[u8]) -> Finished {
        let deadline = self.deadline;
        run(self.finish(), input, deadline)
    }
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}
