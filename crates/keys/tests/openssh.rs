//! What we write, read by the OpenSSH on this machine. Where there is none,
//! the fixtures beside the code have to do.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "the helpers of tests fail by panicking too")]

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use keyway_keys as keys;

use keys::agent::{self, Constraint, Request, Response};
use keys::known_hosts::{HostName, new_lines};
use keys::{Certificate, CertificateKind, FingerprintHash, KeyKind, PrivateKey, VerifyOptions};

const KINDS: [(KeyKind, Option<u32>); 5] = [
    (KeyKind::Ed25519, None),
    (KeyKind::Ecdsa, Some(256)),
    (KeyKind::Ecdsa, Some(384)),
    (KeyKind::Ecdsa, Some(521)),
    (KeyKind::Rsa, Some(2048)),
];

/// `None` where the tool is not installed.
fn run(tool: &str, arguments: &[&str]) -> Option<(bool, String)> {
    let output = Command::new(tool).args(arguments).stdin(Stdio::null()).output().ok()?;
    let text = [output.stdout, output.stderr].concat();
    Some((output.status.success(), String::from_utf8_lossy(&text).into_owned()))
}

fn write_private(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

fn certificate(ca: &PrivateKey, key: &PrivateKey) -> keys::PublicKey {
    Certificate {
        serial: 9,
        kind: CertificateKind::User,
        key_id: "the id".into(),
        principals: vec!["alice".into(), "bob".into()],
        valid_after: 0,
        valid_before: u64::MAX,
        critical_options: Vec::new(),
        extensions: vec![("permit-pty".into(), Vec::new())],
        signature_key: ca.public().clone(),
        signature_algorithm: ca.public().signature_algorithms()[0],
    }
    .issue_with(key.public(), ca)
    .unwrap()
}

#[test]
fn private_files() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key");
    for (kind, bits) in KINDS {
        let key = PrivateKey::generate(kind, bits, "a comment").unwrap();
        for passphrase in ["", "correct horse"] {
            let text = key.to_openssh(Some(passphrase.as_bytes()), 2).unwrap();
            write_private(&path, &text);
            let arguments = ["-y", "-P", passphrase, "-f", path.to_str().unwrap()];
            let Some((ok, printed)) = run("ssh-keygen", &arguments) else { return };
            assert!(ok, "{printed}");
            assert_eq!(printed.trim_end(), key.public().to_line("a comment"));
        }
    }
}

#[test]
fn certificates_and_fingerprints() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("cert.pub");
    for (kind, bits) in KINDS {
        let ca = PrivateKey::generate(kind, bits, "").unwrap();
        for (kind, bits) in KINDS {
            let key = PrivateKey::generate(kind, bits, "").unwrap();
            let certificate = certificate(&ca, &key);
            fs::write(&path, certificate.to_line("c") + "\n").unwrap();
            let path = path.to_str().unwrap();
            let Some((ok, printed)) = run("ssh-keygen", &["-L", "-f", path]) else { return };
            assert!(ok, "{printed}");
            for part in ["the id", "Serial: 9", "alice", "bob", "permit-pty", "forever"] {
                assert!(printed.contains(part), "{part}: {printed}");
            }
            let (_, printed) = run("ssh-keygen", &["-lv", "-f", path]).unwrap();
            assert!(printed.contains(&certificate.fingerprint(FingerprintHash::Sha256)));
            assert!(printed.contains(&certificate.randomart(FingerprintHash::Sha256)));
        }
    }
}

#[test]
fn known_hosts() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("known_hosts");
    let key = PrivateKey::generate(KeyKind::Ed25519, None, "").unwrap();
    let hosts = [HostName::new("a.example.org", 22), HostName::new("b.example.org", 2222)];
    for hashed in [false, true] {
        fs::write(&path, new_lines(&hosts, key.public(), "c", hashed)).unwrap();
        for host in &hosts {
            let arguments = ["-F", host.as_str(), "-f", path.to_str().unwrap()];
            let Some((ok, printed)) = run("ssh-keygen", &arguments) else { return };
            assert!(ok && printed.contains("found"), "{host}: {printed}");
        }
    }
}

/// Ends with the test, whatever its outcome.
struct Agent(Child);

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn ask(stream: &mut UnixStream, request: &Request) -> Response {
    stream.write_all(&request.encode().unwrap()).unwrap();
    let mut buffer = Vec::new();
    loop {
        if let Some((message, taken)) = agent::take_frame(&buffer).unwrap() {
            assert_eq!(taken, buffer.len());
            return Response::decode(message).unwrap();
        }
        let mut chunk = [0; 4096];
        let count = stream.read(&mut chunk).unwrap();
        assert_ne!(count, 0, "the agent hung up");
        buffer.extend_from_slice(&chunk[..count]);
    }
}

#[test]
fn the_agent() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("agent");
    let started = Command::new("ssh-agent")
        .args(["-D", "-a", socket.to_str().unwrap()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(child) = started else { return };
    let _agent = Agent(child);
    let mut stream = (0..500)
        .find_map(|_| {
            std::thread::sleep(Duration::from_millis(10));
            UnixStream::connect(&socket).ok()
        })
        .unwrap();
    let ca = PrivateKey::generate(KeyKind::Ed25519, None, "").unwrap();
    for (kind, bits) in KINDS {
        for with_certificate in [false, true] {
            let mut key = PrivateKey::generate(kind, bits, "in the agent").unwrap();
            if with_certificate {
                let certificate = certificate(&ca, &key);
                key = key.with_certificate(certificate).unwrap();
            }
            let public = key.public().clone();
            let constraints =
                if with_certificate { vec![Constraint::Lifetime(600)] } else { Vec::new() };
            let add = Request::AddIdentity { key: Box::new(key), constraints };
            assert_eq!(ask(&mut stream, &add), Response::Success);

            let listed = ask(&mut stream, &Request::RequestIdentities);
            let Response::Identities(identities) = listed else { panic!("{listed:?}") };
            assert_eq!(identities.len(), 1);
            assert_eq!(identities[0].key().unwrap(), public);
            assert_eq!(identities[0].comment, "in the agent");

            for algorithm in public.signature_algorithms() {
                let sign = Request::Sign {
                    key_blob: public.blob().to_vec(),
                    data: b"message".to_vec(),
                    flags: agent::flags_for(algorithm),
                };
                let answer = ask(&mut stream, &sign);
                let Response::Signature(signature) = answer else { panic!("{answer:?}") };
                let options = VerifyOptions::default();
                public.verify(algorithm, b"message", &signature, &options).unwrap();
                let chosen = agent::signature_algorithm(&public, agent::flags_for(algorithm));
                assert_eq!(chosen, *algorithm);
            }
            assert_eq!(ask(&mut stream, &Request::RemoveAllIdentities), Response::Success);
        }
    }
    let host = PrivateKey::generate(KeyKind::Ed25519, None, "").unwrap();
    let bind = agent::SessionBind {
        host_key: host.public().clone(),
        session_id: vec![1; 32],
        signature: host.sign("ssh-ed25519", &[1; 32]).unwrap(),
        is_forwarding: false,
    };
    assert_eq!(ask(&mut stream, &bind.to_request()), Response::Success);
}
