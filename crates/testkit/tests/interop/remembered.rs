//! A client that remembers what a host took last time must lose nothing when
//! the host takes something else.
//!
//! All servers here are reached through one relay, so to the client they are
//! one host that changes.

use keyway_testkit::Implementation::{self, OpenSsh, Ours};
use keyway_testkit::key_files::{self, Holder};
use keyway_testkit::relay::Relay;
use keyway_testkit::{Client, Server, StartedServer};

use crate::{check, check_for};

const SERVERS: [Implementation; 2] = [OpenSsh, Ours];

/// A host at a relay's port, logged in to twice, so that it is remembered.
struct Host {
    relay: Relay,
    _first: StartedServer,
    folder: tempfile::TempDir,
    user: String,
}

impl Host {
    fn new(implementation: Implementation) -> Self {
        let server = Server::new(implementation).start();
        let relay = Relay::start(server.port);
        let folder = tempfile::tempdir().unwrap();
        let known: String =
            key_files::kinds().map(|kind| key_files::known_hosts(relay.port, &[kind])).collect();
        std::fs::write(folder.path().join("known_hosts"), known).unwrap();
        let user = server.user.clone();
        let host = Self { relay, _first: server, folder, user };
        for turn in 0..3 {
            let run = host.client().command("cat; exit 3").run_with(b"text");
            check_for(&(implementation, turn), &run, 3, "text");
        }
        host
    }

    fn client(&self) -> Client {
        let two = key_files::private(Holder::User, "ecdsa-sha2-nistp256");
        Client::to_port(Ours, self.relay.port, &self.user)
            .known_hosts_file(&self.folder.path().join("known_hosts"))
            .key(&key_files::private(Holder::User, "ssh-ed25519"))
            .key(&two)
    }

    /// It is another from now on.
    fn becomes(&self, server: Server) -> StartedServer {
        let server = server.start();
        self.relay.redirect(server.port);
        server
    }
}

#[test]
fn other_key_exchange() {
    for implementation in SERVERS {
        let host = Host::new(implementation);
        let _server = host.becomes(
            Server::new(implementation)
                .config("KexAlgorithms ecdh-sha2-nistp256")
                .config("Ciphers aes256-ctr"),
        );
        for _ in 0..2 {
            let run = host.client().command("cat; exit 3").run_with(b"text");
            check_for(&implementation, &run, 3, "text");
        }
    }
}

#[test]
fn other_host_key_algorithm() {
    for implementation in SERVERS {
        let host = Host::new(implementation);
        let _server = host.becomes(Server::new(implementation).host_keys(&["ssh-rsa"]));
        let run = host.client().command("cat; exit 3").run_with(b"text");
        check_for(&implementation, &run, 3, "text");
    }
}

#[test]
fn key_not_accepted_any_more() {
    for implementation in SERVERS {
        let host = Host::new(implementation);
        let line = key_files::public_line(Holder::User, "ecdsa-sha2-nistp256");
        let server = host.becomes(Server::new(implementation).authorized(&[line]));
        for _ in 0..2 {
            let run = host.client().command("cat; exit 3").run_with(b"text");
            check_for(&implementation, &run, 3, "text");
        }
        drop(server);
        let _server = host.becomes(Server::new(implementation).authorized(&[]));
        let run = host.client().command("true").run();
        check(&run, 255, "");
        assert!(run.stderr.contains("Permission denied"), "{run}");
    }
}

#[test]
fn changed_host_key_is_still_an_alarm() {
    for implementation in SERVERS {
        let host = Host::new(implementation);
        let _server = host.becomes(Server::new(implementation).host_keys(&["ssh-ed25519"]));
        let other = key_files::public_words(Holder::Stranger, "ssh-ed25519");
        let line = format!("[127.0.0.1]:{} {other}\n", host.relay.port);
        std::fs::write(host.folder.path().join("known_hosts"), line).unwrap();
        let run = host.client().command("true").run();
        check(&run, 255, "");
        assert!(run.stderr.contains("REMOTE HOST IDENTIFICATION HAS CHANGED"), "{run}");
    }
}

#[test]
fn other_software() {
    let host = Host::new(OpenSsh);
    for implementation in [Ours, OpenSsh, Ours] {
        let _server = host.becomes(Server::new(implementation));
        for _ in 0..2 {
            let run = host.client().command("cat; exit 3").run_with(b"text");
            check_for(&implementation, &run, 3, "text");
        }
    }
}

/// The session that was asked for early is refused once the login is over.
#[test]
fn sessions_refused() {
    for implementation in SERVERS {
        let host = Host::new(implementation);
        let _server = host.becomes(Server::new(implementation).config("MaxSessions 0"));
        let run = host.client().command("echo in").run();
        check_for(&implementation, &run, 255, "");
        assert!(!run.stderr.trim().is_empty(), "{run}");
    }
}

/// A terminal, its environment and a forced command, all asked for early.
#[test]
fn whole_sessions() {
    for implementation in SERVERS {
        let host = Host::new(implementation);
        let run = host.client().arg("-tt").command("tty >/dev/null && echo terminal; exit 4").run();
        assert_eq!((run.code(), run.text().trim_end()), (Some(4), "terminal"), "{run}");
        let _server = host.becomes(Server::new(implementation).config("ForceCommand echo forced"));
        let run = host.client().command("echo mine").run();
        check_for(&implementation, &run, 0, "forced\n");
    }
}
