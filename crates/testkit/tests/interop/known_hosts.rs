//! Whether the host is the one it was: what is asked, written and refused.

use std::process::Command;

use keyway_testkit::key_files::{self, Holder};
use keyway_testkit::process::{DEADLINE, run};
use keyway_testkit::program::find;
use keyway_testkit::{Client, Server, not_run};

use crate::{PAIRS, check};

fn fingerprint(kind: &str) -> Option<String> {
    let mut command = Command::new(find("ssh-keygen")?);
    command.arg("-lf").arg(key_files::private(Holder::Host, kind).with_extension("pub"));
    let run = run(&mut command, b"", DEADLINE);
    run.text().split(' ').nth(1).map(str::to_owned)
}

#[test]
fn changed_host_key() {
    let other = key_files::public_words(Holder::Stranger, "ssh-ed25519");
    for pair in PAIRS {
        let server = Server::new(pair.1).host_keys(&["ssh-ed25519"]).start();
        let line = format!("[127.0.0.1]:{} {other}\n", server.port);
        for strict in ["yes", "accept-new", "ask"] {
            let mut client = Client::new(pair.0, &server)
                .option(format!("StrictHostKeyChecking={strict}"))
                .known_hosts(&line)
                .command("echo in");
            let run = client.run();
            check(&run, 255, "");
            assert!(
                run.stderr.contains("REMOTE HOST IDENTIFICATION HAS CHANGED")
                    && run.stderr.contains("Host key verification failed."),
                "{run}"
            );
            assert_eq!(client.known_hosts_now(), line);
        }
    }
}

#[test]
fn unknown_host_key() {
    for pair in PAIRS {
        let server = Server::new(pair.1).host_keys(&["ssh-ed25519"]).start();
        let run = Client::new(pair.0, &server).known_hosts("").command("echo in").run();
        check(&run, 255, "");
        assert!(run.stderr.contains("Host key verification failed."), "{run}");

        let mut client = Client::new(pair.0, &server)
            .known_hosts("")
            .option("StrictHostKeyChecking=accept-new")
            .command("echo in");
        check(&client.run(), 0, "in\n");
        assert_eq!(client.known_hosts_now().trim(), server.known_hosts().trim());
    }
}

#[test]
fn question() {
    let Some(right) = fingerprint("ssh-ed25519") else {
        return not_run("known_hosts::question", "no ssh-keygen here");
    };
    for pair in PAIRS {
        let server = Server::new(pair.1).host_keys(&["ssh-ed25519"]).start();
        for (answer, fits) in [(right.as_str(), true), ("yes", true), ("no", false)] {
            let mut client = Client::new(pair.0, &server)
                .known_hosts("")
                .option("StrictHostKeyChecking=ask")
                .answering(answer)
                .command("echo in");
            let run = client.run();
            assert!(client.questions().contains(&right), "{run}");
            if fits {
                check(&run, 0, "in\n");
                assert_eq!(client.known_hosts_now().trim(), server.known_hosts().trim());
            } else {
                check(&run, 255, "");
                assert_eq!(client.known_hosts_now(), "");
            }
        }
    }
}

#[test]
fn revoked_host_key() {
    let words = key_files::public_words(Holder::Host, "ssh-ed25519");
    for pair in PAIRS {
        let server = Server::new(pair.1).host_keys(&["ssh-ed25519"]).start();
        let run = Client::new(pair.0, &server)
            .known_hosts(&format!("{}@revoked * {words}\n", server.known_hosts()))
            .command("echo in")
            .run();
        check(&run, 255, "");
        assert!(run.stderr.contains("revoked"), "{run}");
    }
}

/// Names hashed by the stock `ssh-keygen -H`, and ours hashed for stock.
#[test]
fn hashed_names() {
    let Some(keygen) = find("ssh-keygen") else {
        return not_run("known_hosts::hashed_names", "no ssh-keygen here");
    };
    for pair in PAIRS {
        let server = Server::new(pair.1).start();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("known_hosts");
        std::fs::write(&file, server.known_hosts()).unwrap();
        let mut command = Command::new(&keygen);
        command.arg("-H").arg("-f").arg(&file);
        let hashed = run(&mut command, b"", DEADLINE);
        assert!(hashed.success(), "{hashed}");
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.starts_with("|1|"), "{text}");
        let run = Client::new(pair.0, &server).known_hosts(&text).command("echo in").run();
        check(&run, 0, "in\n");

        let mut first = Client::new(pair.0, &server)
            .known_hosts("")
            .option("HashKnownHosts=yes")
            .option("StrictHostKeyChecking=accept-new")
            .command("echo in");
        check(&first.run(), 0, "in\n");
        let text = first.known_hosts_now();
        assert!(text.starts_with("|1|"), "{text}");
        let run = Client::new(keyway_testkit::Implementation::OpenSsh, &server)
            .known_hosts(&text)
            .command("echo in")
            .run();
        check(&run, 0, "in\n");
    }
}
