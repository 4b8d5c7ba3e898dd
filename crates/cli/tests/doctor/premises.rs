//! `sshd doctor`: faults of a server's machine.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use keyway_testkit::Implementation::{OpenSsh, Ours};
use keyway_testkit::account::Account;
use keyway_testkit::key_files::{self, Holder};
use keyway_testkit::process::run;
use keyway_testkit::ssh::free_port;
use keyway_testkit::{Server, not_run};
use tempfile::TempDir;

use crate::{DEADLINE, Diagnosis, done, keyway};

/// A server's files, and a port that is held as if a server ran.
struct Machine {
    folder: TempDir,
    server: keyway_testkit::StartedServer,
}

impl Machine {
    fn new() -> Self {
        let server = Server::new(OpenSsh).start();
        Machine { folder: tempfile::tempdir().expect("temporary folder"), server }
    }

    fn write(&self, name: &str, text: &str, mode: u32) -> std::path::PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).expect("write a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("chmod");
        path
    }

    /// A configuration whose port somebody serves, with more lines before.
    fn configuration(&self, lines: &str) -> std::path::PathBuf {
        let key = key_files::private(Holder::Host, "ssh-ed25519");
        let port = self.server.port;
        let text = format!(
            "{lines}\nPort {port}\nHostKey {}\nKbdInteractiveAuthentication no\nPermitRootLogin yes\n",
            key.display()
        );
        self.write("sshd_config", &text, 0o644)
    }

    fn examine(&self, lines: &str, words: &[&str]) -> Diagnosis {
        examine(&self.configuration(lines), words)
    }
}

fn examine(configuration: &Path, words: &[&str]) -> Diagnosis {
    let mut command = keyway("sshd");
    Diagnosis::of(command.args(["doctor", "--json", "-f"]).arg(configuration).args(words))
}

#[test]
fn configurations_ports_and_host_keys() {
    let machine = Machine::new();
    machine.examine("", &[]).found_sound();
    machine.examine("PasswordAuthentification no", &[]).is("server-configuration");
    let text = |port: u16, key: &Path| {
        format!("Port {port}\nHostKey {}\nKbdInteractiveAuthentication no\n", key.display())
    };
    let key = key_files::private(Holder::Host, "ssh-ed25519");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = listener.local_addr().expect("its address").port();
    examine(&machine.write("c", &text(taken, &key), 0o644), &[]).is("port-in-use");
    examine(&machine.write("c", &text(free_port(), &key), 0o644), &[]).is("sshd-not-running");
    let port = machine.server.port;
    let open = machine.write("open", &fs::read_to_string(&key).expect("the host key"), 0o644);
    examine(&machine.write("c", &text(port, &open), 0o644), &[])
        .is("host-key-permissions")
        .mentions(&format!("chmod 600 {}", open.display()));
    let missing = machine.folder.path().join("missing");
    examine(&machine.write("c", &text(port, &missing), 0o644), &[]).is("host-key-missing");
}

#[test]
fn passwords_that_are_not_off() {
    let machine = Machine::new();
    let first = machine.write("50-cloud.conf", "PasswordAuthentication yes\n", 0o644);
    let lines = format!("Include {}\nPasswordAuthentication no", first.display());
    machine.examine(&lines, &[]).is("passwords-still-on").mentions("50-cloud.conf:1");
    machine
        .examine("UsePAM yes\nPasswordAuthentication no\nKbdInteractiveAuthentication yes", &[])
        .is("passwords-through-pam");
    machine.examine("PasswordAuthentication no", &[]).found_sound();
}

#[test]
fn our_own_server_is_a_server() {
    let server = Server::new(Ours).start();
    let configuration = server.folder().join("sshd_config");
    examine(&configuration, &["-o", "KbdInteractiveAuthentication=no"]).found_sound();
}

#[test]
fn authorized_keys_and_the_folders_above() {
    let test = "authorized_keys_and_the_folders_above";
    let account = match Account::create("doctor") {
        Ok(account) => account,
        Err(reason) => return not_run(test, &reason),
    };
    let machine = Machine::new();
    let user = account.name.as_str();
    let home = done(Command::new("getent").args(["passwd", user]));
    let home = home.split(':').nth(5).unwrap_or_default().to_owned();
    let own_home = machine.folder.path().join("home");
    let folder = if Path::new(&home).is_dir() { Path::new(&home).to_owned() } else { own_home };
    if !folder.is_dir() {
        done(Command::new("install").args(["-d", "-m", "755", "-o", user]).arg(&folder));
        done(Command::new("usermod").arg("-d").arg(&folder).arg(user));
    }
    fs::set_permissions(machine.folder.path(), fs::Permissions::from_mode(0o755)).expect("chmod");
    let ssh = folder.join(".ssh");
    done(Command::new("install").args(["-d", "-m", "700", "-o", user]).arg(&ssh));
    let file = ssh.join("authorized_keys");
    fs::write(&file, key_files::public_line(Holder::User, "ssh-ed25519") + "\n").expect("write");
    done(Command::new("chown").arg(user).arg(&file));
    let right =
        machine.write("right.pub", &key_files::public_line(Holder::User, "ssh-ed25519"), 0o644);
    let wrong =
        machine.write("wrong.pub", &key_files::public_line(Holder::Stranger, "ssh-ed25519"), 0o644);
    let (right, wrong) = (right.display().to_string(), wrong.display().to_string());
    let examine = |key: &str| machine.examine("", &["--user", user, "--key", key]);
    examine(&right).found_sound();
    examine(&wrong).is("key-not-authorized");
    let mode = |path: &Path, mode: u32| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("chmod");
    };
    mode(&ssh, 0o770);
    examine(&right).is("authorized-keys-modes").mentions(&format!("chmod 0750 {}", ssh.display()));
    mode(&ssh, 0o700);
    mode(&file, 0o666);
    examine(&right).is("authorized-keys-modes").mentions(&format!("chmod 0644 {}", file.display()));
    mode(&file, 0o600);
    done(Command::new("chown").arg("daemon").arg(&file));
    let found = examine(&right);
    assert!(found.names.contains(&"authorized-keys-modes".to_owned()), "{}", found.finished);
    done(Command::new("chown").arg(user).arg(&file));

    states_of_the_account(&machine, user, &folder);
    // The next test of this name finds no folder of another account.
    let _ = fs::remove_dir_all(&ssh);
}

fn states_of_the_account(machine: &Machine, user: &str, home: &Path) {
    let change = |words: &[&str]| done(Command::new("usermod").args(words).arg(user));
    let examine = || machine.examine("", &["--user", user]);
    let hash = fs::read_to_string("/etc/shadow").unwrap_or_default();
    let start = format!("{user}:");
    let hash = hash.lines().find(|line| line.starts_with(&start)).unwrap_or_default();
    let hash = hash.split(':').nth(1).unwrap_or("*").to_owned();
    change(&["-p", "!"]);
    examine().is("account-locked").mentions("usermod -p '*'");
    change(&["-p", &hash]);
    change(&["-e", "2001-01-01"]);
    examine().is("account-expired").mentions("chage -E -1");
    change(&["-e", ""]);
    change(&["-s", "/no/such/shell"]);
    examine().is("shell-missing");
    change(&["-s", "/usr/bin/env"]);
    examine().is("shell-not-listed");
    change(&["-s", "/bin/sh"]);
    machine.examine(&format!("DenyUsers {user}"), &["--user", user]).is("user-not-allowed");
    change(&["-d", "/no/such/home"]);
    examine().is("home-missing");
    change(&["-d", &home.display().to_string()]);
    examine().found_sound();
    machine.examine("", &["--user", "nobody-at-all"]).is("account-unknown");
    assert!(run(Command::new("id").arg(user), b"", DEADLINE).success());
}
