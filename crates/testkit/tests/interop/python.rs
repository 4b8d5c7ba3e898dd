//! paramiko and asyncssh, as clients of ours and as servers for ours.

use keyway_testkit::Implementation::{self, OpenSsh, Ours};
use keyway_testkit::key_files::{self, Holder};
use keyway_testkit::parallel::for_each;
use keyway_testkit::process::{DEADLINE, run};
use keyway_testkit::python::{Library, PythonServer, client, interpreter};
use keyway_testkit::{Client, Server, not_run};

use crate::{check_for, expect};

/// What a library has that our `ssh -Q` lists too: option name, then names.
const ALGORITHMS: [(Library, &str, &[&str]); 6] = [
    (
        Library::AsyncSsh,
        "kex",
        &[
            "curve25519-sha256",
            "ecdh-sha2-nistp256",
            "ecdh-sha2-nistp384",
            "ecdh-sha2-nistp521",
            "diffie-hellman-group14-sha256",
            "diffie-hellman-group16-sha512",
            "diffie-hellman-group-exchange-sha256",
        ],
    ),
    (
        Library::AsyncSsh,
        "cipher",
        &[
            "aes128-ctr",
            "aes256-ctr",
            "aes128-gcm@openssh.com",
            "aes256-gcm@openssh.com",
            "chacha20-poly1305@openssh.com",
        ],
    ),
    (
        Library::AsyncSsh,
        "mac",
        &[
            "hmac-sha2-256",
            "hmac-sha2-512",
            "hmac-sha2-256-etm@openssh.com",
            "hmac-sha2-512-etm@openssh.com",
        ],
    ),
    (
        Library::Paramiko,
        "kex",
        &[
            "curve25519-sha256@libssh.org",
            "ecdh-sha2-nistp256",
            "ecdh-sha2-nistp384",
            "ecdh-sha2-nistp521",
            "diffie-hellman-group14-sha256",
            "diffie-hellman-group16-sha512",
            "diffie-hellman-group-exchange-sha256",
        ],
    ),
    (Library::Paramiko, "cipher", &["aes128-ctr", "aes256-ctr", "aes256-gcm@openssh.com"]),
    (
        Library::Paramiko,
        "mac",
        &[
            "hmac-sha2-256",
            "hmac-sha2-512",
            "hmac-sha2-256-etm@openssh.com",
            "hmac-sha2-512-etm@openssh.com",
        ],
    ),
];

fn missing(test: &str) -> bool {
    match interpreter() {
        Ok(_) => false,
        Err(reason) => {
            not_run(test, &reason);
            true
        }
    }
}

fn text() -> String {
    "line\n".repeat(50_000)
}

/// One option at a time; a MAC only matters beside a cipher without its own.
fn cases(library: Library) -> Vec<Vec<(&'static str, &'static str)>> {
    let mut cases = Vec::new();
    for (whose, option, names) in ALGORITHMS {
        if whose != library {
            continue;
        }
        for name in names {
            let mut case = vec![(option, *name)];
            if option == "mac" {
                case.push(("cipher", "aes128-ctr"));
            }
            cases.push(case);
        }
    }
    cases
}

fn their_client(library: Library, implementation: Implementation) {
    let server = Server::new(implementation).start();
    for_each(&format!("{library:?} to {implementation:?}"), &cases(library), |case| {
        let mut command = client(library, &server, "ssh-ed25519", case, "cat; exit 6")?;
        expect(&run(&mut command, text().as_bytes(), DEADLINE), 6, &text())
            .map_err(|error| format!("{case:?}: {error}"))
    });
    let kinds: Vec<_> = key_files::kinds().collect();
    for_each("user keys", &kinds, |kind| {
        let mut command = client(library, &server, kind, &[], "echo in")?;
        expect(&run(&mut command, b"", DEADLINE), 0, "in\n")
    });
    let hosts = [
        "ssh-ed25519",
        "ecdsa-sha2-nistp256",
        "ecdsa-sha2-nistp384",
        "ecdsa-sha2-nistp521",
        "rsa-sha2-256",
        "rsa-sha2-512",
    ];
    for_each("host keys", &hosts, |name| {
        let options = [("hostkey", *name)];
        let mut command = client(library, &server, "ssh-ed25519", &options, "echo in")?;
        expect(&run(&mut command, b"", DEADLINE), 0, "in\n")
    });
}

#[test]
fn asyncssh_client() {
    if !missing("asyncssh_client") {
        their_client(Library::AsyncSsh, OpenSsh);
        their_client(Library::AsyncSsh, Ours);
    }
}

#[test]
fn paramiko_client() {
    if !missing("paramiko_client") {
        their_client(Library::Paramiko, OpenSsh);
        their_client(Library::Paramiko, Ours);
    }
}

fn option_name(option: &str) -> &'static str {
    match option {
        "kex" => "KexAlgorithms",
        "cipher" => "Ciphers",
        _ => "MACs",
    }
}

fn their_server(library: Library, implementation: Implementation) {
    let hosts = ["ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"];
    let server = PythonServer::start(library, &hosts, &[]).unwrap();
    let new = || {
        Client::to_port(implementation, server.port, "tester").known_hosts(&server.known_hosts())
    };
    let mut cases = cases(library);
    if library == Library::Paramiko {
        // Its server only has group exchange with a file of groups.
        cases.retain(|case| !case[0].1.contains("group-exchange"));
    }
    for_each(&format!("{implementation:?} to {library:?}"), &cases, |case| {
        let mut client = new().command("cat; exit 6");
        for (option, name) in case {
            client = client.option(format!("{}={name}", option_name(option)));
        }
        expect(&client.run_with(text().as_bytes()), 6, &text())
    });
    // Again and again from one client, which may remember what was taken.
    let folder = tempfile::tempdir().unwrap();
    let known_hosts = folder.path().join("known_hosts");
    std::fs::write(&known_hosts, server.known_hosts()).unwrap();
    for turn in 0..3 {
        let mut client = new().known_hosts_file(&known_hosts).command("cat; exit 6");
        check_for(&turn, &client.run_with(b"text"), 6, "text");
    }
    let kinds: Vec<_> = key_files::kinds().collect();
    for_each("user keys", &kinds, |kind| {
        let key = key_files::private(Holder::User, kind);
        expect(&new().key(&key).command("echo in").run(), 0, "in\n")
    });
    for_each("host keys", &["ssh-ed25519", "ecdsa-sha2-nistp256", "rsa-sha2-512"], |name| {
        let mut client = new().option(format!("HostKeyAlgorithms={name}")).command("echo in");
        expect(&client.run(), 0, "in\n")
    });
    for_each("questions", &["password", "keyboard-interactive"], |method| {
        let mut client = new()
            .option(format!("PreferredAuthentications={method}"))
            .answering("open sesame")
            .command("echo in");
        expect(&client.run(), 0, "in\n")?;
        let mut client = new()
            .option(format!("PreferredAuthentications={method}"))
            .option("NumberOfPasswordPrompts=1")
            .answering("close sesame")
            .command("echo in");
        expect(&client.run(), 255, "")
    });
}

#[test]
fn asyncssh_server() {
    if !missing("asyncssh_server") {
        their_server(Library::AsyncSsh, OpenSsh);
        their_server(Library::AsyncSsh, Ours);
    }
}

#[test]
fn paramiko_server() {
    if !missing("paramiko_server") {
        their_server(Library::Paramiko, OpenSsh);
        their_server(Library::Paramiko, Ours);
    }
}
