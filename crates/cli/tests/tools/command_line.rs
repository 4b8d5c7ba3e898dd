//! What needs no server: version, queries, configuration, refusals, links.

use std::fs;
use std::process::Command;

use keyway_testkit::Implementation::Ours;
use keyway_testkit::Server;
use keyway_testkit::process::{DEADLINE, run};

use crate::{User, keyway};

fn ssh(words: &[&str]) -> keyway_testkit::Finished {
    run(keyway("ssh").args(words), b"", DEADLINE)
}

#[test]
fn version_and_usage() {
    let version = ssh(&["-V"]);
    assert_eq!(version.code(), Some(0), "{version}");
    assert!(version.stderr.starts_with("Keyway_"), "{version}");
    let usage = ssh(&[]);
    assert_eq!(usage.code(), Some(255));
    assert!(usage.stderr.starts_with("usage: ssh "), "{usage}");
}

#[test]
fn queries() {
    for (what, name) in [
        ("cipher", "chacha20-poly1305@openssh.com"),
        ("cipher-auth", "aes256-gcm@openssh.com"),
        ("mac", "hmac-sha2-256-etm@openssh.com"),
        ("kex", "mlkem768x25519-sha256"),
        ("key", "ssh-ed25519"),
        ("key-plain", "ssh-rsa"),
        ("sig", "rsa-sha2-512"),
        ("HostKeyAlgorithms", "ssh-ed25519-cert-v01@openssh.com"),
        ("protocol-version", "2"),
    ] {
        let answer = ssh(&["-Q", what]);
        assert!(answer.success() && answer.text().lines().any(|line| line == name), "{answer}");
    }
    assert_eq!(ssh(&["-Q", "nonsense"]).code(), Some(255));
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let mut shell = Command::new("sh");
    let program = env!("CARGO_BIN_EXE_keyway");
    shell.args(["-c", &format!("'{program}' ssh -Q help | true; '{program}' ssh -G h | true")]);
    let finished = run(&mut shell, b"", DEADLINE);
    assert_eq!(finished.stderr, "", "{finished}");
}

#[test]
fn printed_configuration() {
    let printed = ssh(&["-G", "-F", "none", "-p", "2222", "me@example.org"]);
    let text = printed.text();
    for line in ["host example.org", "user me", "port 2222"] {
        assert!(text.lines().any(|one| one == line), "{printed}");
    }
}

#[test]
fn the_first_user_wins() {
    for (words, user) in [
        (["-l", "a", "b@h", "-o", "user=c"], "user a"),
        (["b@h", "-o", "user=c", "-l", "a"], "user b"),
        (["-o", "user=c", "b@h", "-l", "a"], "user c"),
    ] {
        let mut all = vec!["-G", "-F", "none"];
        all.extend(words);
        let printed = ssh(&all);
        assert!(printed.text().lines().any(|line| line == user), "{printed}");
    }
}

#[test]
fn what_is_missing_is_said_by_name() {
    for (words, said) in [
        (["-K", "-n", "h"], "option -K (GSSAPI)"),
        (["-L", "1:h", "h"], "Bad local forwarding specification '1:h'"),
        (["-R", "x:h:1", "h"], "Bad remote forwarding specification 'x:h:1'"),
        (["-D", "0", "h"], "Bad dynamic forwarding specification '0'"),
        (["-c", "rot13", "h"], "Unknown cipher type 'rot13'"),
        (["-p", "x", "h"], "Bad port 'x'"),
        (["-o", "Nonsense=1", "h"], "Bad configuration option: nonsense"),
    ] {
        let refused = ssh(&words);
        assert_eq!(refused.code(), Some(255), "{refused}");
        assert!(refused.stderr.contains(said), "{refused}");
    }
    let tool = run(&mut keyway("frobnicate"), b"", DEADLINE);
    assert_eq!(tool.code(), Some(2), "{tool}");
    assert!(tool.stderr.contains("no tool \"frobnicate\""), "{tool}");
}

#[test]
fn connections_that_fail() {
    let refused = ssh(&["-F", "none", "-p", "1", "127.0.0.1", "true"]);
    assert_eq!(refused.code(), Some(255));
    let familiar = "ssh: connect to host 127.0.0.1 port 1: Connection refused\r\n";
    assert!(refused.stderr.contains(familiar), "{refused}");
    assert!(refused.stderr.contains("ssh doctor 127.0.0.1"), "{refused}");
    let batch = ssh(&["-F", "none", "-o", "BatchMode=yes", "-p", "1", "127.0.0.1", "true"]);
    assert_eq!(batch.stderr, familiar, "{batch}");
    let unknown = ssh(&["-F", "none", "nowhere.invalid", "true"]);
    assert!(
        unknown.stderr.contains("\nssh: Could not resolve hostname nowhere.invalid: "),
        "{unknown}"
    );
}

#[test]
fn links_are_made_and_work() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let made = run(keyway("links").arg(folder.path()), b"", DEADLINE);
    assert!(made.success(), "{made}");
    let link = folder.path().join("ssh");
    assert!(link.is_symlink());
    let version = run(Command::new(&link).arg("-V"), b"", DEADLINE);
    assert!(version.stderr.starts_with("Keyway_"), "{version}");

    // Again is fine; what is not ours is left alone.
    assert!(run(keyway("links").arg(folder.path()), b"", DEADLINE).success());
    fs::remove_file(&link).expect("remove");
    fs::write(&link, "somebody's own").expect("write");
    assert!(!run(keyway("links").arg(folder.path()), b"", DEADLINE).success());
    assert_eq!(fs::read_to_string(&link).expect("read"), "somebody's own");
}

/// Also from the server's process that may not write anywhere itself.
#[test]
fn places_in_the_source_are_logged_whatever_the_level() {
    let mut server =
        Server::new(Ours).config("LogVerbose gate.rs:* login.rs:*::monitor::*").start();
    let user = User::knowing(&server, &["ssh-ed25519"]);
    let finished = user.run(&["-o", "LogVerbose=!mux*,host_keys.rs:*"], "echo in");
    assert_eq!(finished.text(), "in\n", "{finished}");
    let own = |line: &&str| line.starts_with("debug1: host_keys.rs:cli::ssh::host_keys():");
    assert!(finished.stderr.contains(": Server host key: ssh-ed25519 SHA256:"), "{finished}");
    assert!(finished.stderr.lines().all(|line| own(&line)), "{finished}");

    let lines = [
        ("debug1: gate.rs:sshd::gate():", ": Remote protocol version: "),
        ("debug1: login.rs:sshd::monitor::login():", ": User child is on pid "),
    ];
    let is_there = |log: &str| {
        let has = |(place, text): &(&str, &str)| {
            log.lines().any(|line| line.starts_with(place) && line.contains(text))
        };
        lines.iter().all(has).then_some(())
    };
    let seen = server.process.wait_for_log(DEADLINE, is_there);
    let log = server.process.log();
    let is_chosen = |line: &str| lines.iter().any(|(place, _)| line.starts_with(place));
    let mut debug = log.lines().filter(|line| line.contains("debug"));
    assert!(seen.is_ok() && debug.all(is_chosen), "{log}");
}
