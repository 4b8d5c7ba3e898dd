//! Dropbear's server and client, and PuTTY's `plink`.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::key_files::{self, Holder};
use crate::process::{DEADLINE, Running, run};
use crate::program::find;
use crate::ssh::{StartedServer, current_user, free_port};

/// A key file in Dropbear's own format, converted into `folder`.
///
/// # Errors
/// Without `dropbearconvert`.
pub fn key(folder: &Path, holder: Holder, kind: &str) -> Result<PathBuf, String> {
    let convert = find("dropbearconvert").ok_or("no dropbearconvert here")?;
    let to = folder.join(format!("dropbear-{kind}"));
    let from = key_files::private(holder, kind);
    let done =
        run(Command::new(convert).args(["openssh", "dropbear"]).arg(from).arg(&to), b"", DEADLINE);
    if done.success() { Ok(to) } else { Err(format!("{done}")) }
}

/// Dropbear's server. Ends when dropped.
pub struct DropbearServer {
    /// On 127.0.0.1.
    pub port: u16,
    /// The listening process.
    pub process: Running,
    kinds: Vec<&'static str>,
    _folder: TempDir,
}

impl DropbearServer {
    /// Starts it with host keys of the kinds it knows.
    ///
    /// It only reads `~/.ssh/authorized_keys`, which a test must not touch:
    /// `home` is a folder to serve as that, given through `-D` where this
    /// version has it, else an account's real home.
    ///
    /// # Errors
    /// With the reason why it cannot run here.
    pub fn start(kinds: &[&'static str]) -> Result<Self, String> {
        let program = find("dropbear").ok_or("no dropbear here")?;
        let folder = tempfile::Builder::new()
            .prefix("keyway-dropbear-")
            .tempdir()
            .map_err(|error| error.to_string())?;
        let port = free_port();
        let mut command = Command::new(program);
        command
            .args(["-F", "-E", "-p"])
            .arg(format!("127.0.0.1:{port}"))
            .arg("-P")
            .arg(folder.path().join("pid"));
        for kind in kinds {
            command.arg("-r").arg(key(folder.path(), Holder::Host, kind)?);
        }
        let mut process = Running::start(&mut command, &folder.path().join("log"));
        process.wait_for_log(Duration::from_secs(10), |_| {
            std::net::TcpStream::connect(("127.0.0.1", port)).ok().map(|_| ())
        })?;
        Ok(Self { port, process, kinds: kinds.to_vec(), _folder: folder })
    }

    /// Lines for known_hosts.
    pub fn known_hosts(&self) -> String {
        key_files::known_hosts(self.port, &self.kinds)
    }
}

/// `dbclient` to `server`, whatever its host key.
///
/// # Errors
/// Without dbclient.
pub fn dbclient(server: &StartedServer, key: &Path) -> Result<Command, String> {
    let mut command = Command::new(find("dbclient").ok_or("no dbclient here")?);
    command.arg("-y").arg("-y").arg("-i").arg(key).args([
        "-p",
        &server.port.to_string(),
        "-l",
        &server.user,
    ]);
    Ok(command)
}

/// `plink` to `server`, which it knows by its host key of `host_kind`.
///
/// `home` keeps PuTTY's settings away from the user's own.
///
/// # Errors
/// Without plink or puttygen.
pub fn plink(
    server: &StartedServer,
    home: &Path,
    kind: &str,
    host_kind: &str,
) -> Result<Command, String> {
    let program = find("plink").ok_or("no plink here")?;
    let puttygen = find("puttygen").ok_or("no puttygen here")?;
    let ppk = home.join(format!("{kind}.ppk"));
    if !ppk.exists() {
        let made = run(
            Command::new(puttygen)
                .arg(key_files::private(Holder::User, kind))
                .args(["-O", "private", "-o"])
                .arg(&ppk),
            b"",
            DEADLINE,
        );
        if !made.success() {
            return Err(format!("{made}"));
        }
    }
    let host_key = key_files::public_words(Holder::Host, host_kind);
    let host_key = host_key.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut command = Command::new(program);
    command
        .env("HOME", home)
        .env("PUTTYDIR", home)
        .env_remove("SSH_AUTH_SOCK")
        .args(["-ssh", "-batch", "-noagent", "-noshare", "-hostkey", &host_key])
        .arg("-i")
        .arg(&ppk)
        .args(["-P", &server.port.to_string(), "-l", &server.user]);
    Ok(command)
}

/// Writes a PuTTY session file that `plink -load NAME` finds in `home`.
///
/// # Panics
/// When it cannot be written.
pub fn putty_session(home: &Path, name: &str, settings: &[(&str, &str)]) {
    let folder = home.join("sessions");
    let mut text = String::new();
    for (key, value) in settings {
        let _ = writeln!(text, "{key}={value}");
    }
    fs::create_dir_all(&folder)
        .and_then(|()| fs::write(folder.join(name), text))
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
}

/// Puts the user's public keys where Dropbear's server looks for them, for a
/// home that belongs to nobody else.
///
/// # Errors
/// When the files cannot be written.
pub fn authorize(home: &Path, owner: &str) -> Result<(), String> {
    let folder = home.join(".ssh");
    let lines: Vec<String> =
        key_files::kinds().map(|kind| key_files::public_line(Holder::User, kind)).collect();
    fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    fs::write(folder.join("authorized_keys"), lines.join("\n") + "\n")
        .map_err(|error| error.to_string())?;
    if owner != current_user() {
        let done = run(Command::new("chown").arg("-R").arg(owner).arg(&folder), b"", DEADLINE);
        if !done.success() {
            return Err(format!("{done}"));
        }
    }
    Ok(())
}
