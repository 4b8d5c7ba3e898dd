//! What `ssh-keyscan` prints, held against OpenSSH's for the same servers.

use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant};

use keyway_testkit::Implementation::{OpenSsh, Ours};
use keyway_testkit::Server;
use keyway_testkit::process::{DEADLINE, run};

use crate::keyway;

fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines
}

#[test]
fn the_same_lines_as_openssh() {
    for implementation in [OpenSsh, Ours] {
        let server = Server::new(implementation).start();
        let port = server.port.to_string();
        for (options, list) in [
            (&["127.0.0.1"][..], ""),
            (&["-D", "127.0.0.0/31"], ""),
            (&["-t", "rsa,ED25519", "127.0.0.1,LocalHost"], ""),
            (&["-c", "127.0.0.1"], ""),
            (&["-4", "-f", "-"], "127.0.0.1 Name,other # more\n# nothing\n"),
            (&["-t", "ecdsa", "-T", "1m", "127.0.0.1 two names"], ""),
        ] {
            let theirs = Command::new("/usr/bin/ssh-keyscan")
                .args(["-p", &port])
                .args(options)
                .pipe_run(list);
            let ours = keyway("ssh-keyscan").args(["-p", &port]).args(options).pipe_run(list);
            assert_eq!(sorted(&ours.text()), sorted(&theirs.text()), "{options:?}: {ours}");
            assert_eq!(ours.code(), theirs.code(), "{options:?}");
            assert_eq!(sorted(&ours.stderr), sorted(&theirs.stderr), "{options:?}");
        }
    }
}

/// `run` for a command under construction.
trait PipeRun {
    fn pipe_run(&mut self, input: &str) -> keyway_testkit::Finished;
}

impl PipeRun for Command {
    fn pipe_run(&mut self, input: &str) -> keyway_testkit::Finished {
        run(self, input.as_bytes(), DEADLINE)
    }
}

#[test]
fn hashed_names_are_found_again() {
    let server = Server::new(OpenSsh).host_keys(&["ssh-ed25519"]).start();
    let folder = tempfile::tempdir().expect("temporary folder");
    let port = server.port.to_string();
    let scanned = keyway("ssh-keyscan").args(["-Hq", "-p", &port, "127.0.0.1"]).pipe_run("");
    assert_eq!((scanned.text().lines().count(), scanned.stderr.as_str()), (1, ""), "{scanned}");
    let file = folder.path().join("known_hosts");
    std::fs::write(&file, scanned.text()).expect("write a file");
    let name = format!("[127.0.0.1]:{port}");
    let found = run(
        Command::new("/usr/bin/ssh-keygen").args(["-F", &name, "-f"]).arg(&file),
        b"",
        DEADLINE,
    );
    assert!(found.success(), "{found}");
}

#[test]
fn dead_hosts_delay_nobody() {
    let server = Server::new(OpenSsh).host_keys(&["ssh-ed25519"]).start();
    // It takes connections and says nothing.
    let silent = TcpListener::bind(("127.0.0.9", server.port)).expect("another address");
    let mut command = keyway("ssh-keyscan");
    command.args(["-q", "-T", "4", "-t", "ed25519", "-p", &server.port.to_string()]);
    command.args(vec!["127.0.0.9"; 60]);
    // A silent one has another name, which is asked for in its place.
    command.args(["127.0.0.9,127.0.0.1", "127.0.0.1"]);
    let began = Instant::now();
    let scanned = command.pipe_run("");
    assert_eq!(scanned.text().lines().count(), 3, "{scanned}");
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    drop(silent);
}

#[test]
fn nobody_there() {
    let port = keyway_testkit::ssh::free_port().to_string();
    let scanned = keyway("ssh-keyscan").args(["-p", &port, "127.0.0.1"]).pipe_run("");
    assert_eq!((scanned.code(), scanned.text().as_str()), (Some(1), ""), "{scanned}");
    assert_eq!(scanned.stderr, "");
}
