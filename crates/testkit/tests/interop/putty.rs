//! PuTTY's `plink` into our server.

use keyway_testkit::Implementation::{OpenSsh, Ours};
use keyway_testkit::dropbear::{plink, putty_session};
use keyway_testkit::key_files;
use keyway_testkit::parallel::for_each;
use keyway_testkit::process::{DEADLINE, run};
use keyway_testkit::program::find;
use keyway_testkit::{Server, not_run};

use crate::{check_for, expect};

/// PuTTY puts an algorithm first by the name of its family; the rest of its
/// list follows, so these say what is preferred.
const SETTINGS: [(&str, &str); 8] = [
    ("KEX", "ntru-curve25519,WARN,ecdh"),
    ("KEX", "ecdh,WARN,dh-gex-sha1"),
    ("KEX", "dh-gex-sha1,WARN,ecdh"),
    ("KEX", "dh-group14-sha1,WARN,ecdh"),
    ("Cipher", "aesgcm,WARN,aes"),
    ("Cipher", "aes,WARN,chacha20"),
    ("Cipher", "chacha20,WARN,aes"),
    ("Compression", "1"),
];

#[test]
fn their_client_our_server() {
    if find("plink").is_none() || find("puttygen").is_none() {
        return not_run("putty::their_client_our_server", "no plink and puttygen here");
    }
    let home = tempfile::tempdir().unwrap();
    let text = "line\n".repeat(50_000);
    for implementation in [OpenSsh, Ours] {
        let server = Server::new(implementation).start();
        for kind in key_files::kinds() {
            let mut command = plink(&server, home.path(), kind, "ssh-ed25519").unwrap();
            command.args(["127.0.0.1", "cat; exit 6"]);
            check_for(
                &(implementation, kind),
                &run(&mut command, text.as_bytes(), DEADLINE),
                6,
                &text,
            );
        }
        let cases: Vec<_> = SETTINGS.iter().enumerate().collect();
        for_each("plink", &cases, |(number, (name, value))| {
            let session = format!("case{number}");
            let port = server.port.to_string();
            putty_session(
                home.path(),
                &session,
                &[
                    ("HostName", "127.0.0.1"),
                    ("Protocol", "ssh"),
                    ("PortNumber", &port),
                    (name, value),
                ],
            );
            let mut command = plink(&server, home.path(), "ssh-ed25519", "ssh-ed25519")?;
            command.args(["-load", &session, "cat; exit 6"]);
            expect(&run(&mut command, text.as_bytes(), DEADLINE), 6, &text)
        });
    }
}

#[test]
fn refused_key() {
    if find("plink").is_none() || find("puttygen").is_none() {
        return not_run("putty::refused_key", "no plink and puttygen here");
    }
    let home = tempfile::tempdir().unwrap();
    let server = Server::new(Ours)
        .config("PasswordAuthentication no")
        .config("KbdInteractiveAuthentication no")
        .authorized(&[])
        .start();
    let mut command = plink(&server, home.path(), "ssh-ed25519", "ssh-ed25519").unwrap();
    command.args(["127.0.0.1", "true"]);
    let run = run(&mut command, b"", DEADLINE);
    assert_eq!(run.code(), Some(1), "{run}");
    assert!(run.stderr.contains("No supported authentication methods"), "{run}");
}
