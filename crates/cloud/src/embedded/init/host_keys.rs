//! The server's host keys: made at its first boot, shown on its console at every boot.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use keys::{FingerprintHash, KeyKind, PrivateKey, PublicKey};

const FOLDER: &str = "/etc/ssh";
/// In the order in which they are made and offered.
const KINDS: [(&str, KeyKind); 2] = [("ed25519", KeyKind::Ed25519), ("ecdsa", KeyKind::Ecdsa)];
/// RSA takes a second or more of a processor, which many servers made at once would take from those
/// who wait for them, and only clients of before 2011 have nothing else. Where the tenant or an image
/// makes one, it is offered from the next start on.
const OTHERS_KIND: &str = "rsa";

fn path(name: &str) -> String {
    format!("{FOLDER}/ssh_host_{name}_key")
}

/// Makes those that are missing.
pub(super) fn make_missing(host: &str) -> io::Result<()> {
    std::fs::create_dir_all(FOLDER)?;
    for (name, kind) in KINDS {
        if Path::new(&path(name)).exists() {
            mend_public_half(name);
        } else {
            make(name, kind, host)?;
        }
    }
    Ok(())
}

/// Writes what the machine may have lost when it went down right after [`make`].
fn mend_public_half(name: &str) {
    let path = path(name);
    let public = format!("{path}.pub");
    if std::fs::metadata(&public).is_ok_and(|about| about.len() > 0) {
        return;
    }
    // A private half that cannot be read is the tenant's own affair.
    let Ok(text) = std::fs::read(&path) else { return };
    if let Ok(key) = PrivateKey::parse(&text, None) {
        let _ = write(&public, 0o644, public_line(&key).as_bytes());
    }
}

fn names() -> impl Iterator<Item = &'static str> {
    KINDS.iter().map(|(name, _)| *name).chain([OTHERS_KIND])
}

/// The private keys that are there.
pub(super) fn paths() -> impl Iterator<Item = String> {
    names().map(path).filter(|path| Path::new(path).exists())
}

/// Only the private half is waited for, which takes as long as all else that is done here: the public
/// one follows from it.
fn make(name: &str, kind: KeyKind, host: &str) -> io::Result<()> {
    let key =
        PrivateKey::generate(kind, None, &format!("root@{host}")).map_err(io::Error::other)?;
    let text = key.to_openssh(None, 0).map_err(io::Error::other)?;
    let path = path(name);
    let next = format!("{path}.next");
    write(&next, 0o600, text.as_bytes())?.sync_all()?;
    std::fs::rename(next, &path)?;
    write(&format!("{path}.pub"), 0o644, public_line(&key).as_bytes())?;
    Ok(())
}

fn public_line(key: &PrivateKey) -> String {
    format!("{}\n", key.public().to_line(key.comment()))
}

fn write(path: &str, mode: u32, bytes: &[u8]) -> io::Result<File> {
    let _ = std::fs::remove_file(path);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(bytes)?;
    Ok(file)
}

/// Prints fingerprints and keys on the console, in the words that cloud-init uses: programs look
/// for them.
pub(super) fn announce(host: &str) {
    let lines: Vec<String> = names()
        .filter_map(|name| std::fs::read_to_string(format!("{}.pub", path(name))).ok())
        .collect();
    let mut text = String::from("\r\n-----BEGIN SSH HOST KEY FINGERPRINTS-----\r\n");
    for line in &lines {
        if let Ok((key, comment)) = PublicKey::from_line(line.trim()) {
            let _ = write!(
                text,
                "{} {} {comment} ({})\r\n",
                key.bits(),
                key.fingerprint(FingerprintHash::Sha256),
                key.type_label()
            );
        }
    }
    text.push_str(
        "-----END SSH HOST KEY FINGERPRINTS-----\r\n-----BEGIN SSH HOST KEY KEYS-----\r\n",
    );
    for line in &lines {
        text.push_str(line.trim());
        text.push_str("\r\n");
    }
    text.push_str("-----END SSH HOST KEY KEYS-----\r\n");
    let _ = write!(text, "\r\n{host} is up\r\n");
    let _ = io::stdout().write_all(text.as_bytes());
}
