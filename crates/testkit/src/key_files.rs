//! Key pairs and certificates, all made by the machine's own `ssh-keygen`, so
//! that our reading of the formats is not checked against our writing.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::process::{DEADLINE, run};
use crate::program::{find, peers};

/// Name of the file, and the arguments that make it.
const KINDS: &[(&str, &[&str])] = &[
    ("ssh-ed25519", &["-t", "ed25519"]),
    ("ecdsa-sha2-nistp256", &["-t", "ecdsa", "-b", "256"]),
    ("ecdsa-sha2-nistp384", &["-t", "ecdsa", "-b", "384"]),
    ("ecdsa-sha2-nistp521", &["-t", "ecdsa", "-b", "521"]),
    ("ssh-rsa", &["-t", "rsa", "-b", "3072"]),
];

/// The key types there are files of.
pub fn kinds() -> impl Iterator<Item = &'static str> {
    KINDS.iter().map(|(name, _)| *name)
}

/// Who has the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// A user whom every fixture server lets in.
    User,
    /// A user whom none lets in.
    Stranger,
    /// A host.
    Host,
    /// A certificate authority.
    Authority,
}

/// The private key file of `holder`; the public one is beside it.
pub fn private(holder: Holder, kind: &str) -> PathBuf {
    let folder = match holder {
        Holder::User => "user",
        Holder::Stranger => "stranger",
        Holder::Host => "host",
        Holder::Authority => "authority",
    };
    all().join(folder).join(kind)
}

/// The one line of the public key file.
///
/// # Panics
/// When there is no such key.
pub fn public_line(holder: Holder, kind: &str) -> String {
    let path = private(holder, kind).with_extension("pub");
    read(&path).trim().to_owned()
}

/// Type and base64 only.
pub fn public_words(holder: Holder, kind: &str) -> String {
    let line = public_line(holder, kind);
    line.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

/// Lines for known_hosts: the host's keys of these kinds at a port of
/// 127.0.0.1.
pub fn known_hosts<K: AsRef<str>>(port: u16, kinds: &[K]) -> String {
    let mut lines = String::new();
    for kind in kinds {
        let words = public_words(Holder::Host, kind.as_ref());
        let _ = writeln!(lines, "[127.0.0.1]:{port} {words}");
    }
    lines
}

/// Signs a copy of `holder`'s key in `folder` with the ed25519 authority, and
/// gives the private key's path there; the certificate is `KEY-cert.pub`.
///
/// # Panics
/// When `ssh-keygen` refuses.
pub fn certify(
    folder: &Path,
    holder: Holder,
    kind: &str,
    principals: &str,
    more: &[&str],
) -> PathBuf {
    let key = folder.join(format!("{kind}-certified"));
    let from = private(holder, kind);
    copy(&from, &key);
    copy(&from.with_extension("pub"), &key.with_extension("pub"));
    let mut command = Command::new(keygen());
    command
        .args(["-q", "-s"])
        .arg(private(Holder::Authority, "ssh-ed25519"))
        .args(["-I", "test", "-n", principals]);
    if holder == Holder::Host {
        command.arg("-h");
    }
    command.args(more).arg(key.with_extension("pub"));
    let signed = run(&mut command, b"", DEADLINE);
    assert!(signed.success(), "{signed}");
    key
}

fn keygen() -> PathBuf {
    find("ssh-keygen").unwrap_or_else(|| panic!("no ssh-keygen of OpenSSH on this machine"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn copy(from: &Path, to: &Path) {
    fs::copy(from, to).unwrap_or_else(|error| panic!("{}: {error}", to.display()));
}

/// All keys, made by the first test of the first run and kept below target/.
fn all() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = peers().join("keys");
        if folder.is_dir() {
            return folder;
        }
        // Another test process may be doing the same: the first rename wins.
        let making = tempfile::Builder::new()
            .prefix("keys-")
            .tempdir_in(peers())
            .unwrap_or_else(|error| panic!("{}: {error}", peers().display()));
        for holder in ["user", "stranger", "host", "authority"] {
            let sub = making.path().join(holder);
            fs::create_dir(&sub).unwrap_or_else(|error| panic!("{}: {error}", sub.display()));
            for (name, arguments) in KINDS {
                let mut command = Command::new(keygen());
                command
                    .args(["-q", "-N", "", "-C", holder])
                    .args(*arguments)
                    .arg("-f")
                    .arg(sub.join(name));
                let made = run(&mut command, b"", DEADLINE);
                assert!(made.success(), "{made}");
            }
        }
        let _ = fs::rename(making.path(), &folder);
        assert!(folder.is_dir(), "could not make {}", folder.display());
        folder
    })
}
