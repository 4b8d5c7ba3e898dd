//! Host keys, host certificates and algorithms.

use std::path::Path;

use keyway_testkit::Implementation::{OpenSsh, Ours};
use keyway_testkit::Server;
use keyway_testkit::key_files::{self, Holder};

use crate::{User, done, keyway, right_key, wrong_key};

#[test]
fn host_keys_that_are_not_the_known_one() {
    for implementation in [OpenSsh, Ours] {
        let server = Server::new(implementation).host_keys(&["ssh-ed25519"]).start();
        let user = User::new();
        let port = server.port;
        let keys = &[right_key()];
        let keys: Vec<&Path> = keys.iter().map(std::path::PathBuf::as_path).collect();
        user.examine(port, &keys, &[]).is("host-key-unknown");
        user.examine(port, &keys, &["StrictHostKeyChecking=accept-new"]).found_sound();

        let stranger = key_files::public_line(Holder::Stranger, "ssh-ed25519");
        user.write("known_hosts", &format!("[127.0.0.1]:{port} {stranger}\n"), 0o600);
        user.examine(port, &keys, &[])
            .is("host-key-changed")
            .mentions(&format!("-R '[127.0.0.1]:{port}'"));

        let own = key_files::public_line(Holder::Host, "ssh-ed25519");
        user.write("known_hosts", &format!("@revoked * {own}\n"), 0o600);
        user.examine(port, &keys, &[]).is("host-key-revoked");
        let list = user.write("revoked", &format!("{own}\n"), 0o600);
        user.write("known_hosts", &format!("[127.0.0.1]:{port} {own}\n"), 0o600);
        let option = format!("RevokedHostKeys={}", list.display());
        user.examine(port, &keys, &[&option]).is("host-key-revoked");
    }
}

#[test]
fn host_certificates() {
    let cases = [
        ("127.0.0.1", "+1d", ""),
        ("127.0.0.1", "20200101:20200102", "host-certificate-expired"),
        ("127.0.0.1", "20980101:20990101", "host-certificate-not-yet-valid"),
        ("elsewhere", "+1d", "host-certificate-other-name"),
    ];
    for (name, validity, expected) in cases {
        let user = User::new();
        let host = key_files::public_line(Holder::Host, "ssh-ed25519");
        user.write("host.pub", &host, 0o644);
        let mut sign = keyway("ssh-keygen");
        sign.args(["-q", "-h", "-I", "test", "-n", name, "-V", validity, "-s"]).arg(wrong_key());
        done(sign.arg(user.path("host.pub")));
        let certificate = format!("HostCertificate {}", user.path("host-cert.pub").display());
        let authority = key_files::public_line(Holder::Stranger, "ssh-ed25519");
        user.write("known_hosts", &format!("@cert-authority * {authority}\n"), 0o600);
        for implementation in [OpenSsh, Ours] {
            let server = Server::new(implementation)
                .host_keys(&["ssh-ed25519"])
                .config(&certificate)
                .start();
            let found = user.examine(server.port, &[&right_key()], &[]);
            if expected.is_empty() {
                found.found_sound()
            } else {
                found.is(expected)
            };
        }
    }
}

#[test]
fn all_classes_without_a_common_algorithm() {
    for implementation in [OpenSsh, Ours] {
        let server = Server::new(implementation)
            .config("KexAlgorithms diffie-hellman-group14-sha1")
            .config("Ciphers aes128-cbc")
            .config("MACs hmac-sha1")
            .start();
        let user = User::knowing(&server);
        let options =
            &["KexAlgorithms=curve25519-sha256", "Ciphers=aes128-ctr", "MACs=hmac-sha2-256"];
        user.examine(server.port, &[&right_key()], options)
            .is("no-common-algorithm")
            .mentions("KexAlgorithms +diffie-hellman-group14-sha1")
            .mentions("Ciphers +aes128-cbc")
            .mentions("MACs +hmac-sha1");
    }
}
