//! Getting in: keys, passwords, what is said when it fails, and what is remembered.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use keyway_testkit::Implementation::OpenSsh;
use keyway_testkit::account::Account;
use keyway_testkit::key_files::{self, Holder};
use keyway_testkit::process::{DEADLINE, run};
use keyway_testkit::{Server, not_run};

use crate::User;
use crate::keygen_with;
use crate::terminal::Terminal;

const ED25519: &[&str] = &["ssh-ed25519"];

#[test]
fn every_kind_of_key_and_the_exit_status() {
    let server = Server::new(OpenSsh).start();
    let user = User::knowing(&server, ED25519);
    for kind in key_files::kinds() {
        let key = key_files::private(Holder::User, kind);
        let finished =
            run(user.ssh_with_key(&key, &[]).arg("echo out; echo err >&2; exit 7"), b"", DEADLINE);
        assert_eq!(finished.code(), Some(7), "{finished}");
        assert_eq!((finished.text().as_str(), finished.stderr.as_str()), ("out\n", "err\n"));
    }
}

#[test]
fn a_refusal_says_what_was_tried() {
    let server = Server::new(OpenSsh).start();
    let user = User::knowing(&server, ED25519);
    let stranger = key_files::private(Holder::Stranger, "ssh-ed25519");
    let mut command = user.ssh_with_key(&stranger, &["-o", "BatchMode=yes"]);
    let finished = run(command.arg("true"), b"", DEADLINE);
    assert_eq!(finished.code(), Some(255));
    let shown = stranger.display();
    assert!(finished.stderr.contains(&format!("key {shown} (ED25519 SHA256:")), "{finished}");
    assert!(finished.stderr.contains("offered, refused by the server"), "{finished}");
    let last = finished.stderr.trim_end().lines().last().unwrap_or_default();
    let start = format!("{}@127.0.0.1: Permission denied (publickey", user.name);
    assert!(last.starts_with(&start), "{finished}");
}

#[test]
fn a_key_that_others_may_read_is_not_used() {
    let server = Server::new(OpenSsh).start();
    let user = User::knowing(&server, ED25519);
    let key = user.path("key");
    fs::copy(key_files::private(Holder::User, "ssh-ed25519"), &key).expect("copy");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).expect("chmod");
    let mut command = user.ssh_with_key(&key, &["-o", "BatchMode=yes"]);
    let finished = run(command.arg("true"), b"", DEADLINE);
    assert_eq!(finished.code(), Some(255));
    assert!(finished.stderr.contains("WARNING: UNPROTECTED PRIVATE KEY FILE!"), "{finished}");
    assert!(finished.stderr.contains("chmod 600"), "{finished}");
}

#[test]
fn a_passphrase_is_asked_three_times() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let key = folder.path().join("key");
    keygen_with(&key, "right");
    let public = fs::read_to_string(key.with_extension("pub")).expect("public key");
    let server = Server::new(OpenSsh).authorized(&[public]).start();
    let user = User::knowing(&server, ED25519);

    let question = format!("Enter passphrase for key '{}': ", key.display());
    let mut terminal = Terminal::start(user.ssh_with_key(&key, &[]).arg("echo in"));
    for answer in ["wrong\n", "right\n"] {
        terminal.expect(&question);
        terminal.type_keys(answer);
    }
    let (code, seen) = terminal.finish();
    assert_eq!(code, 0, "{seen}");
    assert!(seen.contains("in\r\n") && !seen.contains("right"), "{seen}");

    // The right key is remembered, and still asks for its passphrase before it signs.
    assert!(user.read("known_hosts.keyway").contains(" key=SHA256:"));
    let mut options = vec!["-o", "PasswordAuthentication=no"];
    options.extend(["-o", "KbdInteractiveAuthentication=no"]);
    let mut terminal = Terminal::start(user.ssh_with_key(&key, &options).arg("true"));
    for _ in 0..3 {
        terminal.expect(&question);
        terminal.type_keys("wrong\n");
    }
    let (code, seen) = terminal.finish();
    assert_eq!(code, 255, "{seen}");
    assert!(seen.contains("the passphrase was wrong"), "{seen}");
    assert!(seen.contains("Permission denied (publickey"), "{seen}");
}

#[test]
fn passwords() {
    let account = match Account::create("cli") {
        Ok(account) => account,
        Err(reason) => return not_run("passwords", &reason),
    };
    let server = Server::new(OpenSsh)
        .config("UsePAM no")
        .config("PasswordAuthentication yes")
        .authorized(&[])
        .start();
    let mut user = User::knowing(&server, ED25519);
    user.name.clone_from(&account.name);
    let question = format!("{}@127.0.0.1's password: ", account.name);
    let password = format!("{}\n", account.password);

    let mut terminal = Terminal::start(user.ssh(&[]).arg("id -un"));
    terminal.expect(&question);
    terminal.type_keys("wrong\n");
    terminal.expect("Permission denied, please try again.");
    terminal.expect(&question);
    terminal.type_keys(&password);
    let (code, seen) = terminal.finish();
    assert_eq!(code, 0, "{seen}");
    assert!(seen.ends_with(&format!("{}\r\n", account.name)), "{seen}");
    assert!(!seen.contains(&account.password));

    // Ctrl-C gives the terminal back as it was and ends like any program.
    let mut terminal = Terminal::start(user.ssh(&[]).arg("true"));
    terminal.expect(&question);
    terminal.type_keys("half\x03");
    assert_eq!(terminal.finish().0, 130);

    let finished = user.run(&["-o", "BatchMode=yes"], "true");
    assert!(finished.stderr.contains("password: not tried, BatchMode"), "{finished}");
}

#[test]
fn a_known_host_is_logged_in_to_in_one_go() {
    let server = Server::new(OpenSsh).start();
    let kinds: Vec<&str> = key_files::kinds().collect();
    let user = User::knowing(&server, &kinds);
    let first = user.run(&["-v"], "exit 3");
    assert_eq!(first.code(), Some(3), "{first}");
    assert!(first.stderr.contains("debug1: Authentications that can continue: "), "{first}");
    assert!(first.stderr.contains("debug1: Server accepts key: "), "{first}");

    let memory = user.path("known_hosts.keyway");
    let mode = fs::metadata(&memory).expect("the memory file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let before = user.read("known_hosts.keyway");

    let second = user.run(&["-v"], "exit 3");
    assert_eq!(second.code(), Some(3), "{second}");
    assert!(second.stderr.contains("debug1: pipelined login"), "{second}");
    assert!(!second.stderr.contains("Authentications that can continue"), "{second}");
    assert_eq!(user.read("known_hosts.keyway"), before, "nothing new, nothing written");

    // The host key that the server lists first, for the guess to be right.
    let listed = before.split(" host-key=").nth(1).and_then(|rest| rest.split(' ').next());
    let used = format!("debug1: kex: host key algorithm: {}\r", listed.unwrap_or("none"));
    assert!(second.stderr.contains(&used), "{second}");
}

#[test]
fn a_wrong_memory_costs_nothing() {
    let server = Server::new(OpenSsh).start();
    let kinds: Vec<&str> = key_files::kinds().collect();
    let user = User::knowing(&server, &kinds);
    assert_eq!(user.run(&[], "exit 3").code(), Some(3));
    let right = user.read("known_hosts.keyway");
    let spoilt = |name: &str, value: &str| {
        let fields = right.trim().split(' ').map(|field| match field.split_once('=') {
            Some((one, _)) if one == name => format!("{name}={value}"),
            _ => field.to_owned(),
        });
        fields.collect::<Vec<_>>().join(" ") + "\n"
    };
    let stranger = key_files::private(Holder::Stranger, "ssh-ed25519");
    let text = keyway_keys_fingerprint(&stranger);
    for wrong in [
        spoilt("kex", "curve25519-sha256"),
        spoilt("host-key", "ecdsa-sha2-nistp521"),
        spoilt("key", "SHA256:nonsense"),
        spoilt("sign", "ssh-rsa"),
        "garbage\n\u{0}\n".to_owned(),
        // A key the server does not take, signed with at once and with the session behind it.
        spoilt("key", &text),
    ] {
        user.write("known_hosts.keyway", &wrong);
        let mut command = user.ssh(&["-i", stranger.to_str().unwrap_or_default()]);
        let finished = run(command.arg("cat; exit 5"), b"through", DEADLINE);
        assert_eq!(
            (finished.code(), finished.text().as_str()),
            (Some(5), "through"),
            "{wrong}\n{finished}"
        );
    }
}

fn keyway_keys_fingerprint(private: &std::path::Path) -> String {
    let mut command = crate::keyway("ssh-keygen");
    let listed = run(command.arg("-lf").arg(private.with_extension("pub")), b"", DEADLINE);
    listed.text().split(' ').nth(1).unwrap_or_default().to_owned()
}

#[test]
fn nothing_is_remembered_without_known_hosts() {
    let server = Server::new(OpenSsh).start();
    let user = User::new(&server);
    let options = ["-o", "UserKnownHostsFile=/dev/null", "-o", "StrictHostKeyChecking=no"];
    assert_eq!(user.run(&options, "exit 3").code(), Some(3));
    assert_eq!(fs::read_dir(user.folder.path()).expect("folder").count(), 0);
}

#[test]
fn a_key_and_a_password_together() {
    let account = match Account::create("cli2") {
        Ok(account) => account,
        Err(reason) => return not_run("a_key_and_a_password_together", &reason),
    };
    let server = Server::new(OpenSsh)
        .config("UsePAM no")
        .config("AuthenticationMethods publickey,password")
        .start();
    let mut user = User::knowing(&server, ED25519);
    user.name.clone_from(&account.name);
    // Twice: the second time the key is signed with at once, and the session asked for early.
    for _ in 0..2 {
        let mut terminal = Terminal::start(user.ssh(&["-v"]).arg("id -un"));
        terminal.expect("Authenticated using \"publickey\" with partial success.");
        terminal.expect("'s password: ");
        terminal.type_keys(&format!("{}\n", account.password));
        let (code, seen) = terminal.finish();
        assert_eq!(code, 0, "{seen}");
        assert!(seen.contains(&format!("{}\r\n", account.name)), "{seen}");
    }
}
