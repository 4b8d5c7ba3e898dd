//! Certificates of users and of hosts, signed by the stock `ssh-keygen`.

use keyway_testkit::key_files::{self, Holder, certify};
use keyway_testkit::parallel::for_each;
use keyway_testkit::ssh::current_user;
use keyway_testkit::{Client, Server};

use crate::{PAIRS, check, check_for, expect};

fn authority() -> String {
    key_files::public_line(Holder::Authority, "ssh-ed25519")
}

#[test]
fn user_certificates() {
    let user = current_user();
    let folder = tempfile::tempdir().unwrap();
    let kinds: Vec<_> = key_files::kinds().collect();
    let keys: Vec<_> = kinds
        .iter()
        .map(|kind| certify(folder.path(), Holder::Stranger, kind, &user, &[]))
        .collect();
    for pair in PAIRS {
        let server = Server::new(pair.1).authorized(&[]);
        let trusted = server.folder().join("authority.pub");
        std::fs::write(&trusted, authority() + "\n").unwrap();
        let server = server.config(format!("TrustedUserCAKeys {}", trusted.display())).start();
        for_each(&format!("{pair:?} user certificate"), &keys, |key| {
            let run = Client::new(pair.0, &server).key(key).command("echo in").run();
            expect(&run, 0, "in\n")
        });
        // The same key without its certificate is a stranger's.
        let run = Client::new(pair.0, &server)
            .key(&key_files::private(Holder::Stranger, "ssh-ed25519"))
            .command("true")
            .run();
        assert_eq!(run.code(), Some(255), "{run}");
    }
}

#[test]
fn user_certificates_that_must_not_do() {
    let user = current_user();
    for pair in PAIRS {
        let server =
            Server::new(pair.1).authorized(&[format!("cert-authority {}", authority())]).start();
        for (principals, more, fits) in [
            (user.as_str(), &[][..], true),
            ("somebody-else", &[][..], false),
            (user.as_str(), &["-V", "20010101:20020101"][..], false),
            (user.as_str(), &["-V", "20900101:20910101"][..], false),
            (user.as_str(), &["-O", "source-address=127.0.0.0/8"][..], true),
            (user.as_str(), &["-O", "source-address=192.0.2.0/24"][..], false),
            // A certificate for hosts says nothing about users.
            (user.as_str(), &["-h"][..], false),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let key = certify(folder.path(), Holder::Stranger, "ssh-ed25519", principals, more);
            let run = Client::new(pair.0, &server).key(&key).command("echo in").run();
            let (code, text) = if fits { (0, "in\n") } else { (255, "") };
            check_for(&(pair, principals, more), &run, code, text);
        }
        let folder = tempfile::tempdir().unwrap();
        let key = certify(
            folder.path(),
            Holder::Stranger,
            "ssh-ed25519",
            &user,
            &["-O", "force-command=echo forced"],
        );
        let run = Client::new(pair.0, &server).key(&key).command("id").run();
        check(&run, 0, "forced\n");
    }
}

#[test]
fn host_certificates() {
    let kinds: Vec<_> = key_files::kinds().collect();
    for pair in PAIRS {
        for_each(&format!("{pair:?} host certificate"), &kinds, |kind| {
            let server = Server::new(pair.1).host_keys(&[]);
            let key = certify(server.folder(), Holder::Host, kind, "127.0.0.1", &[]);
            let certificate = format!("{}-cert.pub", key.display());
            let server = server
                .config(format!("HostKey {}", key.display()))
                .config(format!("HostCertificate {certificate}"))
                .start();
            let trusted = format!("@cert-authority [127.0.0.1]:* {}\n", authority());
            let run = Client::to_port(pair.0, server.port, &server.user)
                .known_hosts(&trusted)
                .command("echo vouched for")
                .run();
            expect(&run, 0, "vouched for\n")?;
            // Another authority vouches for nothing.
            let other = key_files::public_line(Holder::Authority, "ecdsa-sha2-nistp256");
            let run = Client::to_port(pair.0, server.port, &server.user)
                .known_hosts(&format!("@cert-authority [127.0.0.1]:* {other}\n"))
                .command("true")
                .run();
            expect(&run, 255, "")
        });
    }
}
