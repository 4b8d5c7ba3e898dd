//! One login for every algorithm that both sides list, with each pair of
//! client and server.

use std::fmt::Write;

use keyway_testkit::Implementation::{self, OpenSsh, Ours};
use keyway_testkit::key_files::{self, Holder};
use keyway_testkit::parallel::for_each;
use keyway_testkit::program::supported_by_both;
use keyway_testkit::{Client, Server, StartedServer};

use crate::{PAIRS, check};

/// What both ends of `pair` list under `ssh -Q kind`.
fn common(pair: (Implementation, Implementation), kind: &str) -> Vec<String> {
    if pair == (Ours, Ours) { Ours.supported(kind) } else { supported_by_both(kind) }
}

/// A server that takes everything it knows, the old algorithms too.
fn generous(pair: (Implementation, Implementation)) -> Server {
    let signatures: Vec<String> =
        common(pair, "key-sig").into_iter().filter(|name| !name.contains("sk-")).collect();
    Server::new(pair.1)
        .config(format!("KexAlgorithms {}", common(pair, "kex").join(",")))
        .config(format!("Ciphers {}", common(pair, "cipher").join(",")))
        .config(format!("MACs {}", common(pair, "mac").join(",")))
        .config(format!("HostKeyAlgorithms {}", signatures.join(",")))
        .config(format!("PubkeyAcceptedAlgorithms {}", signatures.join(",")))
}

/// Logs in with `options` and has 300,000 bytes echoed, so that many packets
/// of several sizes go both ways.
fn echo(client: Implementation, server: &StartedServer, options: &[String]) -> Result<(), String> {
    let mut text = String::new();
    for number in 0..30_000 {
        let _ = writeln!(text, "{number:09}");
    }
    let mut command = Client::new(client, server).command("cat; exit 3");
    for option in options {
        command = command.option(option);
    }
    let run = command.run_with(text.as_bytes());
    if run.code() == Some(3) && run.stdout == text.as_bytes() {
        return Ok(());
    }
    let at = run.stdout.iter().zip(text.as_bytes()).position(|(a, b)| a != b);
    Err(format!(
        "{} of {} bytes came back, first difference {at:?}; code {:?}\n{}\n{}",
        run.stdout.len(),
        text.len(),
        run.code(),
        run.line,
        run.stderr
    ))
}

#[test]
fn every_key_exchange() {
    for pair in PAIRS {
        let server = generous(pair).start();
        for_each(&format!("{pair:?} kex"), &common(pair, "kex"), |name| {
            echo(pair.0, &server, &[format!("KexAlgorithms={name}")])
        });
    }
}

#[test]
fn every_cipher_with_several_macs() {
    for pair in PAIRS {
        let server = generous(pair).start();
        let macs = common(pair, "mac");
        let mut cases = Vec::new();
        for cipher in common(pair, "cipher") {
            if cipher.contains("gcm") || cipher.contains("poly1305") {
                cases.push((cipher, "hmac-sha2-256".to_owned()));
                continue;
            }
            // Both orders of encryption and MAC, and another length of tag.
            for mac in ["hmac-sha2-256", "hmac-sha2-512-etm@openssh.com", "hmac-sha1"] {
                if macs.iter().any(|name| name == mac) {
                    cases.push((cipher.clone(), mac.to_owned()));
                }
            }
        }
        for_each(&format!("{pair:?} cipher"), &cases, |(cipher, mac)| {
            echo(pair.0, &server, &[format!("Ciphers={cipher}"), format!("MACs={mac}")])
        });
    }
}

#[test]
fn every_mac() {
    for pair in PAIRS {
        let server = generous(pair).start();
        for_each(&format!("{pair:?} mac"), &common(pair, "mac"), |name| {
            echo(pair.0, &server, &["Ciphers=aes128-ctr".to_owned(), format!("MACs={name}")])
        });
    }
}

#[test]
fn compression() {
    for pair in PAIRS {
        let server = generous(pair).config("Compression yes").start();
        for_each(&format!("{pair:?} compression"), &["yes", "no"], |value| {
            echo(pair.0, &server, &[format!("Compression={value}")])
        });
    }
}

/// Signature algorithms for which the fixtures have a key, with its kind.
fn signatures(pair: (Implementation, Implementation)) -> Vec<(String, &'static str)> {
    common(pair, "key-sig")
        .into_iter()
        .filter_map(|name| {
            let kind = match name.as_str() {
                "rsa-sha2-256" | "rsa-sha2-512" => "ssh-rsa",
                other => key_files::kinds().find(|kind| *kind == other)?,
            };
            Some((name, kind))
        })
        .collect()
}

#[test]
fn every_host_key_algorithm() {
    for pair in PAIRS {
        let server = generous(pair).start();
        for_each(&format!("{pair:?} host key"), &signatures(pair), |(name, _)| {
            echo(pair.0, &server, &[format!("HostKeyAlgorithms={name}")])
        });
    }
}

#[test]
fn every_user_key_algorithm() {
    for pair in PAIRS {
        let server = generous(pair).start();
        for_each(&format!("{pair:?} user key"), &signatures(pair), |(name, kind)| {
            let key = key_files::private(Holder::User, kind);
            echo(
                pair.0,
                &server,
                &[
                    format!("PubkeyAcceptedAlgorithms={name}"),
                    format!("IdentityFile={}", key.display()),
                ],
            )
        });
    }
}

/// What both sides of a first connection have in common must be enough with
/// no options at all.
#[test]
fn defaults_fit() {
    for pair in PAIRS {
        let server = Server::new(pair.1).start();
        let run = Client::new(pair.0, &server).command("echo fine").run();
        check(&run, 0, "fine\n");
    }
}

#[test]
fn nothing_in_common_is_explained() {
    for pair in PAIRS {
        let server = Server::new(pair.1).config("KexAlgorithms curve25519-sha256").start();
        let run = Client::new(pair.0, &server)
            .option("KexAlgorithms=ecdh-sha2-nistp256")
            .command("true")
            .run();
        assert_eq!(run.code(), Some(255), "{run}");
        assert!(
            run.stderr.contains("no matching key exchange method found")
                && run.stderr.contains("curve25519-sha256"),
            "{pair:?} {run}"
        );
    }
}

/// The fixtures themselves: stock against stock has to pass, or the other
/// tests say nothing.
#[test]
fn fixtures_are_sound() {
    let server = Server::new(OpenSsh).start();
    echo(OpenSsh, &server, &[]).unwrap();
    for kind in key_files::kinds() {
        let run = Client::new(OpenSsh, &server)
            .key(&key_files::private(Holder::User, kind))
            .command("echo fine")
            .run();
        check(&run, 0, "fine\n");
    }
}
