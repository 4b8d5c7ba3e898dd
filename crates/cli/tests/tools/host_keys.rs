//! The question at first contact, the alarms, and what is written to known_hosts.

use keyway_testkit::Implementation::OpenSsh;
use keyway_testkit::Server;
use keyway_testkit::key_files::{self, Holder};
use keyway_testkit::process::{DEADLINE, run};
use keyway_testkit::python::{Library, PythonServer};

use crate::terminal::Terminal;
use crate::{User, keyway};

const QUESTION: &str = "Are you sure you want to continue connecting (yes/no/[fingerprint])? ";

fn fingerprint(holder: Holder, kind: &str) -> String {
    let file = key_files::private(holder, kind).with_extension("pub");
    let listed = run(keyway("ssh-keygen").arg("-lf").arg(file), b"", DEADLINE);
    listed.text().split(' ').nth(1).unwrap_or_default().to_owned()
}

#[test]
fn the_first_contact() {
    let server = Server::new(OpenSsh).host_keys(&["ssh-ed25519"]).start();
    let user = User::new(&server);
    let host = format!("[127.0.0.1]:{}", server.port);
    let shown = fingerprint(Holder::Host, "ssh-ed25519");

    let mut terminal = Terminal::start(user.ssh(&[]).arg("echo in"));
    terminal.expect(&format!("The authenticity of host '{host} ({host})' can't be established."));
    terminal.expect(&format!("ED25519 key fingerprint is {shown}."));
    terminal.expect("This key is not known by any other names.");
    terminal.expect(QUESTION);
    terminal.type_keys("perhaps\n");
    terminal.expect("Please type 'yes', 'no' or the fingerprint: ");
    terminal.type_keys("no\n");
    let (code, seen) = terminal.finish();
    assert_eq!(code, 255, "{seen}");
    assert!(seen.contains("Host key verification failed."), "{seen}");
    assert_eq!(user.read("known_hosts"), "");

    // The fingerprint is an answer too, and a file without its last line end is no problem.
    user.write("known_hosts", "# mine");
    let mut terminal = Terminal::start(user.ssh(&[]).arg("echo in"));
    terminal.expect(QUESTION);
    terminal.type_keys(&format!("{shown}\n"));
    terminal.expect(&format!(
        "Warning: Permanently added '{host}' (ED25519) to the list of known hosts."
    ));
    assert_eq!(terminal.finish().0, 0);
    let expected = format!("# mine\n{}", server.known_hosts());
    assert_eq!(user.read("known_hosts"), expected);

    // The same key under another name.
    let mut terminal = Terminal::start(user.ssh(&["-o", "HostKeyAlias=twin"]).arg("true"));
    terminal.expect("This host key is known by the following other names/addresses:");
    terminal.expect(&format!("known_hosts:2: {host}"));
    terminal.expect(QUESTION);
    terminal.type_keys("no\n");
    assert_eq!(terminal.finish().0, 255);
}

#[test]
fn a_changed_key_without_checking_takes_no_password() {
    let server = Server::new(OpenSsh).host_keys(&["ssh-ed25519"]).start();
    let user = User::new(&server);
    let other = key_files::public_words(Holder::Stranger, "ssh-ed25519");
    user.write("known_hosts", &format!("[127.0.0.1]:{} {other}\n", server.port));
    let finished = user.run(&["-o", "StrictHostKeyChecking=no"], "echo in");
    assert_eq!(finished.text(), "in\n", "{finished}");
    for said in [
        "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\r\n",
        "known_hosts:1\r\n",
        "ssh-keygen -f \"",
        "Password authentication is disabled to avoid man-in-the-middle attacks.\r\n",
        "Keyboard-interactive authentication is disabled to avoid man-in-the-middle attacks.\r\n",
    ] {
        assert!(finished.stderr.contains(said), "{said}: {finished}");
    }
    assert_eq!(user.read("known_hosts.keyway"), "", "a distrusted host is not remembered");

    // Without a key that works there is nothing left to send.
    let stranger = key_files::private(Holder::Stranger, "ssh-ed25519");
    let mut command = user.ssh_with_key(&stranger, &["-o", "StrictHostKeyChecking=no"]);
    let finished = run(command.arg("true"), b"", DEADLINE);
    assert!(finished.stderr.contains("password: not tried, the host key changed"), "{finished}");
}

#[test]
fn names_are_hashed_on_request() {
    let server = Server::new(OpenSsh).start();
    let user = User::new(&server);
    let options = ["-v", "-o", "StrictHostKeyChecking=accept-new", "-o", "HashKnownHosts=yes"];
    assert_eq!(user.run(&options, "exit 3").code(), Some(3));
    let second = user.run(&options, "exit 3");
    assert!(second.stderr.contains("pipelined login"), "{second}");
    for file in ["known_hosts", "known_hosts.keyway"] {
        let text = user.read(file);
        assert!(text.starts_with('|') && !text.contains("127.0.0.1"), "{file}: {text}");
    }
}

#[test]
fn a_revoked_key_is_refused() {
    let server = Server::new(OpenSsh).host_keys(&["ssh-ed25519"]).start();
    let user = User::knowing(&server, &["ssh-ed25519"]);
    let revoked = key_files::public_words(Holder::Host, "ssh-ed25519");
    let known = user.read("known_hosts");
    user.write("known_hosts", &format!("{known}@revoked * {revoked}\n"));
    let finished = user.run(&[], "true");
    assert_eq!(finished.code(), Some(255));
    assert!(finished.stderr.contains("REVOKED HOST KEY DETECTED"), "{finished}");
}

#[test]
fn other_keys_are_learned_and_old_ones_forgotten() {
    let server = Server::new(OpenSsh).start();
    let user = User::knowing(&server, &["ssh-ed25519"]);
    let stale = key_files::public_words(Holder::Stranger, "ecdsa-sha2-nistp256");
    let known = user.read("known_hosts");
    user.write("known_hosts", &format!("{known}[127.0.0.1]:{} {stale}\n", server.port));
    let finished = user.run(&["-v", "-o", "UpdateHostKeys=yes"], "true");
    assert!(finished.success(), "{finished}");
    let text = user.read("known_hosts");
    assert!(!text.contains(&stale), "{text}");
    let mut lines: Vec<&str> = text.lines().collect();
    let all = server.known_hosts();
    let mut expected: Vec<&str> = all.lines().collect();
    lines.sort_unstable();
    expected.sort_unstable();
    assert_eq!(lines, expected);
}

#[test]
fn a_list_of_revoked_keys_is_heeded() {
    let server = Server::new(OpenSsh).host_keys(&["ssh-ed25519"]).start();
    let user = User::knowing(&server, &["ssh-ed25519"]);
    let file = user.path("revoked");
    let option = format!("RevokedHostKeys={}", file.display());
    user.write("revoked", &key_files::public_words(Holder::Stranger, "ssh-ed25519"));
    let finished = user.run(&["-o", &option], "true");
    assert!(finished.success(), "{finished}");
    for text in [key_files::public_words(Holder::Host, "ssh-ed25519"), "SSHKRL\n\0...".to_owned()] {
        user.write("revoked", &text);
        let finished = user.run(&["-o", &option], "true");
        assert_eq!(finished.code(), Some(255), "{finished}");
    }
    std::fs::remove_file(file).expect("remove");
    assert_eq!(user.run(&["-o", &option], "true").code(), Some(255));
}

#[test]
fn a_server_that_announces_no_key_makes_none_forgotten() {
    let options = [("announce", "nothing")];
    let server = match PythonServer::start(Library::Paramiko, &["ssh-ed25519"], &options) {
        Ok(server) => server,
        Err(why) => return println!("not run: {why}"),
    };
    let folder = tempfile::tempdir().expect("temporary folder");
    let user = User { folder, port: server.port, name: "anybody".to_owned() };
    let known = server.known_hosts();
    user.write("known_hosts", &known);
    let finished = user.run(&["-v", "-o", "UpdateHostKeys=yes"], "echo in");
    assert_eq!(finished.text(), "in\n", "{finished}");
    assert!(finished.stderr.contains("the key in use is not among them"), "{finished}");
    assert_eq!(user.read("known_hosts"), known);
}

#[test]
fn what_is_remembered_of_a_host_is_not_used_once_it_is_distrusted() {
    let server = Server::new(OpenSsh).host_keys(&["ssh-ed25519"]).start();
    let user = User::knowing(&server, &["ssh-ed25519"]);
    for _ in 0..2 {
        let finished = user.run(&[], "echo in");
        assert_eq!(finished.text(), "in\n", "{finished}");
    }
    let remembered = user.read("known_hosts.keyway");
    assert!(remembered.contains("early"), "{remembered}");
    let other = key_files::public_words(Holder::Stranger, "ssh-ed25519");
    user.write("known_hosts", &format!("[127.0.0.1]:{} {other}\n", server.port));
    let finished = user.run(&["-vv", "-o", "StrictHostKeyChecking=no"], "echo in");
    assert_eq!(finished.text(), "in\n", "{finished}");
    assert!(finished.stderr.contains("REMOTE HOST IDENTIFICATION HAS CHANGED"), "{finished}");
    assert_eq!(user.read("known_hosts.keyway"), remembered, "nothing new is remembered");
}
