//! Dropbear: `dbclient` into our server, our client into `dropbear`.

use std::process::Command;

use keyway_testkit::Implementation::{OpenSsh, Ours};
use keyway_testkit::account::Account;
use keyway_testkit::dropbear::{DropbearServer, authorize, dbclient, key};
use keyway_testkit::key_files::{self, Holder};
use keyway_testkit::parallel::for_each;
use keyway_testkit::process::{DEADLINE, run};
use keyway_testkit::{Client, Server, not_run};

use crate::{check, expect};

const KINDS: [&str; 5] =
    ["ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa"];

#[test]
fn their_client_our_server() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::new(Ours).config("MACs +hmac-sha1").start();
    let mut cases = Vec::new();
    for kind in KINDS {
        match key(folder.path(), Holder::User, kind) {
            Ok(key) => cases.push((key, "aes128-ctr", "hmac-sha2-256")),
            Err(reason) => return not_run("dropbear::their_client_our_server", &reason),
        }
    }
    let first = cases[0].0.clone();
    for cipher in ["chacha20-poly1305@openssh.com", "aes128-ctr", "aes256-ctr"] {
        for mac in ["hmac-sha1", "hmac-sha2-256"] {
            cases.push((first.clone(), cipher, mac));
        }
    }
    for_each("dbclient", &cases, |(key, cipher, mac)| {
        let client = dbclient(&server, key)?;
        // Into a file: with a pipe that is full for a moment, dbclient 2022.83 sometimes never
        // ends, whoever's the server is.
        let file = tempfile::NamedTempFile::new_in(folder.path()).map_err(|e| e.to_string())?;
        let mut command = Command::new("sh");
        command.args(["-c", r#"file=$1; shift; exec "$@" >"$file""#, "sh"]).arg(file.path());
        command.arg(client.get_program()).args(client.get_args());
        command.args(["-c", cipher, "-m", mac, "127.0.0.1", "cat; exit 6"]);
        let text = "line\n".repeat(50_000);
        expect(&run(&mut command, text.as_bytes(), DEADLINE), 6, "")?;
        let came = std::fs::read_to_string(file.path()).map_err(|e| e.to_string())?;
        if came == text { Ok(()) } else { Err(format!("{} bytes came back", came.len())) }
    });
}

#[test]
fn our_client_their_server() {
    // Its only place for keys is a home, and a test keeps out of real ones.
    let account = match Account::create("db") {
        Ok(account) => account,
        Err(reason) => return not_run("dropbear::our_client_their_server", &reason),
    };
    authorize(format!("/home/{}", account.name).as_ref(), &account.name).unwrap();
    let server = match DropbearServer::start(&["ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"]) {
        Ok(server) => server,
        Err(reason) => return not_run("dropbear::our_client_their_server", &reason),
    };
    for implementation in [OpenSsh, Ours] {
        let mut cases: Vec<Vec<String>> = Vec::new();
        for kex in [
            "curve25519-sha256",
            "curve25519-sha256@libssh.org",
            "ecdh-sha2-nistp256",
            "ecdh-sha2-nistp384",
            "ecdh-sha2-nistp521",
            "diffie-hellman-group14-sha256",
        ] {
            cases.push(vec![format!("KexAlgorithms={kex}")]);
        }
        for cipher in ["chacha20-poly1305@openssh.com", "aes128-ctr", "aes256-ctr"] {
            cases.push(vec![format!("Ciphers={cipher}")]);
        }
        cases.push(vec!["MACs=hmac-sha2-256".into(), "Ciphers=aes128-ctr".into()]);
        for host in ["ssh-ed25519", "ecdsa-sha2-nistp256", "rsa-sha2-256"] {
            cases.push(vec![format!("HostKeyAlgorithms={host}")]);
        }
        for kind in KINDS {
            let key = key_files::private(Holder::User, kind);
            cases.push(vec![format!("IdentityFile={}", key.display())]);
        }
        for_each(&format!("{implementation:?} to dropbear"), &cases, |options| {
            let mut client = Client::to_port(implementation, server.port, &account.name)
                .known_hosts(&server.known_hosts())
                .command("cat; exit 6");
            for option in options {
                client = client.option(option);
            }
            let text = "line\n".repeat(50_000);
            expect(&client.run_with(text.as_bytes()), 6, &text)
        });
        let run = Client::to_port(implementation, server.port, &account.name)
            .known_hosts(&server.known_hosts())
            .option("PreferredAuthentications=password")
            .answering(&account.password)
            .command("echo by password")
            .run();
        check(&run, 0, "by password\n");
    }
}
