//! A private key's file: whether it is there, may be read, and is a key.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use keys::{PrivateKey, PrivateKeyError, PublicKey};
use zeroize::Zeroizing;

use crate::limits;

/// A file that should hold a private key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFile {
    /// Where.
    pub path: PathBuf,
    /// What it is like.
    pub state: State,
}

/// What a file is like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// A key that can sign.
    Fine,
    /// A key that needs its passphrase first.
    Locked,
    /// It is not there.
    Missing,
    /// It is there and cannot be read.
    Unreadable(String),
    /// Others may read it: its mode.
    TooOpen(u32),
    /// It is a public key.
    Public,
    /// It is not a key, or damaged.
    NotAKey(String),
    /// The public key beside it, in this file, belongs to another one.
    OtherPublic(PathBuf),
}

/// Looks at one.
pub fn look(path: &Path) -> KeyFile {
    KeyFile { path: path.to_owned(), state: state(path) }
}

fn state(path: &Path) -> State {
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return State::Missing,
        Err(error) => return State::Unreadable(super::reach::reason(&error)),
    };
    if !metadata.is_file() {
        return State::NotAKey("it is not a regular file".to_owned());
    }
    let bytes = match read(path) {
        Ok(bytes) => bytes,
        Err(error) => return State::Unreadable(super::reach::reason(&error)),
    };
    let parsed = PrivateKey::parse(&bytes, None);
    if matches!(parsed, Err(PrivateKeyError::IsPublicKey)) || first_public(&bytes).is_some() {
        return State::Public;
    }
    let mode = metadata.mode() & 0o777;
    if metadata.uid() == rustix::process::getuid().as_raw() && mode & 0o077 != 0 {
        return State::TooOpen(mode);
    }
    match parsed {
        Ok(private) => {
            let beside = beside(path);
            let other = read(&beside).ok().and_then(|bytes| first_public(&bytes));
            match other {
                Some(other) if other.plain() != private.public().plain() => {
                    State::OtherPublic(beside)
                }
                _ => State::Fine,
            }
        }
        Err(PrivateKeyError::PassphraseNeeded) => State::Locked,
        Err(problem) => State::NotAKey(problem.to_string()),
    }
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".pub");
    PathBuf::from(name)
}

fn first_public(bytes: &[u8]) -> Option<PublicKey> {
    let text = std::str::from_utf8(bytes).ok()?;
    let line = text.lines().find(|line| !line.trim().is_empty() && !line.starts_with('#'))?;
    Some(PublicKey::from_line(line).ok()?.0)
}

fn read(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::new());
    File::open(path)?.take(limits::KEY_FILE_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn states_of_files() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str, mode: u32| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            look(&path).state
        };
        let generate = || PrivateKey::generate(keys::KeyKind::Ed25519, None, "c").unwrap();
        let key = generate();
        let open = key.to_openssh(None, 1).unwrap();
        assert_eq!(put("fine", &open, 0o600), State::Fine);
        assert_eq!(put("open", &open, 0o640), State::TooOpen(0o640));
        assert_eq!(put("locked", &key.to_openssh(Some(b"x"), 1).unwrap(), 0o600), State::Locked);
        let line = key.public().to_line("c");
        assert_eq!(put("public", &line, 0o644), State::Public);
        assert!(matches!(put("text", "hello", 0o600), State::NotAKey(_)));
        put("fine.pub", &generate().public().to_line(""), 0o644);
        let other = look(&folder.path().join("fine")).state;
        assert_eq!(other, State::OtherPublic(folder.path().join("fine.pub")));
        assert_eq!(look(&folder.path().join("none")).state, State::Missing);
    }
}
