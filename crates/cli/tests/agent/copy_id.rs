//! `ssh-copy-id` to a real account on a stock server.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;

use keyway_testkit::account::Account;
use keyway_testkit::process::{DEADLINE, Finished, run};
use keyway_testkit::{Implementation, Server, StartedServer, not_run};
use tempfile::TempDir;

use crate::terminal::Terminal;
use crate::{has_openssh, keyway, make_key};

/// Someone with a new key, who knows the server.
struct User {
    folder: TempDir,
    words: Vec<String>,
}

impl User {
    fn new(server: &StartedServer, account: &str) -> Self {
        let folder = tempfile::tempdir().expect("temporary folder");
        make_key(&folder.path().join("key"), "");
        fs::write(folder.path().join("known_hosts"), server.known_hosts()).expect("write");
        let known = folder.path().join("known_hosts").display().to_string();
        let words = ["-F", "none", "-p", &server.port.to_string(), "-o"]
            .map(str::to_owned)
            .into_iter()
            .chain([format!("UserKnownHostsFile={known}"), format!("{account}@127.0.0.1")])
            .collect();
        User { folder, words }
    }

    fn key(&self) -> PathBuf {
        self.folder.path().join("key")
    }

    fn command(&self, options: &[&str]) -> std::process::Command {
        let mut command = keyway("ssh-copy-id");
        command.env("HOME", self.folder.path()).args(options).arg("-i").arg(self.key());
        command.args(&self.words);
        command
    }

    fn run(&self, options: &[&str]) -> Finished {
        run(&mut self.command(options), b"", DEADLINE)
    }
}

#[test]
fn with_a_password_and_again_without() {
    if !has_openssh("with_a_password_and_again_without") {
        return;
    }
    let account = match Account::create("copy") {
        Ok(account) => account,
        Err(reason) => return not_run("with_a_password_and_again_without", &reason),
    };
    let server = Server::new(Implementation::OpenSsh)
        .config("AuthorizedKeysFile .ssh/authorized_keys")
        .config("UsePAM no")
        .config("PasswordAuthentication yes")
        .start();
    let user = User::new(&server, &account.name);
    let mut terminal = Terminal::start(&user.command(&[]));
    terminal.expect("password: ");
    terminal.type_keys(&format!("{}\n", account.password));
    terminal.expect("made the folder .ssh");
    terminal.expect("Number of key(s) added: 1");
    terminal.expect("Now try logging into the machine, with: ssh ");
    terminal.expect("Checked: logging in with the key works.");
    let (code, text) = terminal.finish();
    assert_eq!(code, 0, "{text}");

    let file = PathBuf::from(format!("/home/{}/.ssh/authorized_keys", account.name));
    let public = fs::read_to_string(user.key().with_extension("pub")).expect("public key");
    assert_eq!(fs::read_to_string(&file).expect("authorized_keys"), public);
    let mode =
        |path: &std::path::Path| fs::metadata(path).expect("mode").permissions().mode() & 0o777;
    assert_eq!(mode(&file), 0o600);

    // The key is there now, so no password is needed; the mode is mended.
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("chmod");
    let identity = format!("IdentityFile={}", user.key().display());
    let again = user.run(&["-o", &identity]);
    assert!(again.success() && again.stderr.contains("All keys were skipped"), "{again}");
    assert!(again.stderr.contains("set the mode of .ssh/authorized_keys to 600"), "{again}");
    assert_eq!(mode(&file), 0o600);
    assert_eq!(fs::read_to_string(&file).expect("authorized_keys"), public);
}

/// The server gives nobody a shell.
fn by_sftp_alone(implementation: Implementation, tag: &str) {
    let account = match Account::create(tag) {
        Ok(account) => account,
        Err(reason) => return not_run("by_sftp_alone", &reason),
    };
    let server = Server::new(implementation)
        .config("AuthorizedKeysFile .ssh/authorized_keys")
        .config("UsePAM no")
        .config("PasswordAuthentication yes")
        .config("Subsystem sftp internal-sftp")
        .config("ForceCommand internal-sftp")
        .start();
    let user = User::new(&server, &account.name);
    let mut terminal = Terminal::start(&user.command(&["-s"]));
    terminal.expect("password: ");
    terminal.type_keys(&format!("{}\n", account.password));
    terminal.expect("made the folder .ssh");
    terminal.expect("Number of key(s) added: 1");
    terminal.expect("Now try logging into the machine, with: sftp ");
    terminal.expect("Checked: logging in with the key works.");
    let (code, text) = terminal.finish();
    assert_eq!(code, 0, "{text}");

    let folder = PathBuf::from(format!("/home/{}/.ssh", account.name));
    let file = folder.join("authorized_keys");
    let mode =
        |path: &std::path::Path| fs::metadata(path).expect("mode").permissions().mode() & 0o777;
    let public = fs::read_to_string(user.key().with_extension("pub")).expect("public key");
    assert_eq!(fs::read_to_string(&file).expect("authorized_keys"), public);
    assert_eq!((mode(&file), mode(&folder)), (0o600, 0o700));

    // Not twice; modes are mended.
    let identity = format!("IdentityFile={}", user.key().display());
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("chmod");
    let again = user.run(&["-s", "-o", &identity]);
    assert!(again.success() && again.stderr.contains("All keys were skipped"), "{again}");
    assert!(again.stderr.contains("set the mode of .ssh/authorized_keys to 600"), "{again}");
    assert_eq!(mode(&file), 0o600);

    // Another key behind a last line that has no end, through a link.
    let owner = fs::metadata(&folder).expect("folder").uid();
    fs::write(folder.join("real"), public.trim_end()).expect("write");
    std::os::unix::fs::chown(folder.join("real"), Some(owner), None).expect("chown");
    fs::remove_file(&file).expect("remove");
    std::os::unix::fs::symlink("real", &file).expect("link");
    let other = user.folder.path().join("other");
    make_key(&other, "");
    let mut command = keyway("ssh-copy-id");
    command.env("HOME", user.folder.path()).args(["-s", "-o", &identity, "-i"]).arg(&other);
    let dry = run(command.args(&user.words).arg("-n"), b"", DEADLINE);
    assert!(dry.text().contains("Would have added the following key(s):"), "{dry}");
    assert_eq!(fs::read_to_string(&file).expect("authorized_keys"), public.trim_end());
    let mut command = keyway("ssh-copy-id");
    command.env("HOME", user.folder.path()).args(["-s", "-o", &identity, "-i"]).arg(&other);
    let added = run(command.args(&user.words), b"", DEADLINE);
    assert!(added.success(), "{added}");
    let second = fs::read_to_string(other.with_extension("pub")).expect("public key");
    assert_eq!(fs::read_to_string(&file).expect("authorized_keys"), format!("{public}{second}"));
    assert!(fs::symlink_metadata(&file).expect("link").is_symlink());
    assert_eq!(fs::read_dir(&folder).expect("folder").count(), 2);
}

#[test]
fn by_sftp_alone_to_a_stock_server() {
    if !has_openssh("by_sftp_alone_to_a_stock_server") {
        return;
    }
    by_sftp_alone(Implementation::OpenSsh, "sftp1");
}

#[test]
fn by_sftp_alone_to_ours() {
    if !has_openssh("by_sftp_alone_to_ours") {
        return;
    }
    by_sftp_alone(Implementation::Ours, "sftp2");
}

#[test]
fn what_cannot_be_done_is_said() {
    if !has_openssh("what_cannot_be_done_is_said") {
        return;
    }
    let server = Server::new(Implementation::OpenSsh).start();
    let user = User::new(&server, &server.user);
    let sftp = user.run(&["-s", "-o", "BatchMode=yes"]);
    assert!(sftp.code() == Some(1) && sftp.stderr.contains("nothing was changed"), "{sftp}");
    let refused = user.run(&["-o", "BatchMode=yes"]);
    assert!(refused.code() == Some(1) && refused.stderr.contains("could not log in"), "{refused}");
    fs::remove_file(user.key().with_extension("pub")).expect("remove");
    fs::remove_file(user.key()).expect("remove");
    let missing = user.run(&[]);
    assert!(missing.stderr.contains("failed to open ID file '"), "{missing}");
    let help = run(keyway("ssh-copy-id").arg("-h"), b"", DEADLINE);
    assert!(help.success() && help.text().starts_with("Usage: ssh-copy-id"), "{help}");
}

#[test]
fn into_a_file_of_ones_choice() {
    if !has_openssh("into_a_file_of_ones_choice") {
        return;
    }
    let server = Server::new(Implementation::OpenSsh).start();
    let user = User::new(&server, &server.user);
    let known =
        keyway_testkit::key_files::private(keyway_testkit::key_files::Holder::User, "ssh-rsa");
    let identity = format!("IdentityFile={}", known.display());
    let target = server.folder().join("authorized_keys");
    let target = target.to_str().expect("a path");
    let before = fs::read_to_string(target).expect("keys");
    let dry = user.run(&["-n", "-o", &identity, "-t", target]);
    assert!(dry.text().contains("Would have added the following key(s):"), "{dry}");
    assert_eq!(fs::read_to_string(target).expect("keys"), before);
    let copied = user.run(&["-o", &identity, "-t", target]);
    assert!(copied.success() && copied.text().contains("Number of key(s) added: 1"), "{copied}");
    let public = fs::read_to_string(user.key().with_extension("pub")).expect("public key");
    assert_eq!(fs::read_to_string(target).expect("keys"), format!("{before}{public}"));
}
