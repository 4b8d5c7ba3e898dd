//! A machine of its own for a script: name spaces, and the files of a server and of its user.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::key_files::{self, Holder};
use crate::process::run;
use crate::program::find;
use crate::{Implementation, not_run};

/// Files for a script that runs in name spaces of its own.
pub struct Island {
    folder: TempDir,
}

impl Island {
    /// Whether there can be one where these programs are needed, too; says so where not.
    pub fn is_possible(test: &str, programs: &[&str]) -> bool {
        let why = if !rustix::process::geteuid().is_root() {
            "name spaces are root's"
        } else if let Some(program) =
            ["ip", "nc", "unshare"].iter().chain(programs).find(|program| find(program).is_none())
        {
            program
        } else if !run(Command::new("unshare").args(["-n", "true"]), b"", Duration::from_secs(10))
            .success()
        {
            "no right to name spaces"
        } else {
            return true;
        };
        not_run(test, why);
        false
    }

    /// With `authorized_keys` for the user's key, `known_hosts` for the host's under these names,
    /// and `sshd_config` with the files' places before these lines.
    ///
    /// # Panics
    /// When a file cannot be written.
    pub fn new(host_names: &str, config: &str) -> Self {
        let folder =
            tempfile::tempdir().unwrap_or_else(|error| panic!("temporary folder: {error}"));
        let island = Island { folder };
        let user = key_files::public_line(Holder::User, "ssh-ed25519");
        island.write("authorized_keys", &user);
        let host = key_files::public_line(Holder::Host, "ssh-ed25519");
        island.write("known_hosts", &format!("{host_names} {host}\n"));
        let places = format!(
            "HostKey {}\nAuthorizedKeysFile {}\nStrictModes no\n",
            key_files::private(Holder::Host, "ssh-ed25519").display(),
            island.folder().join("authorized_keys").display(),
        );
        island.write("sshd_config", &(places + config));
        island
    }

    /// Where its files are.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes another file.
    ///
    /// # Panics
    /// When that fails.
    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder().join(name), text)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
    }

    /// Runs a script of bash there. Its arguments: the folder, our program, the server's, the
    /// user's key, and what else is given.
    pub fn run(
        &self,
        script: &str,
        our_program: &str,
        server: Implementation,
        more: &[&OsStr],
        deadline: Duration,
    ) -> String {
        let mut command = Command::new("unshare");
        command.args(["-m", "-p", "-n", "-i", "-f", "--kill-child", "--mount-proc", "bash", "-c"]);
        command.args([script, "island"]).arg(self.folder()).arg(our_program);
        command.arg(server.tool("sshd")).arg(key_files::private(Holder::User, "ssh-ed25519"));
        command.args(more).env_remove("SSH_AUTH_SOCK");
        run(&mut command, b"", deadline).to_string()
    }
}
