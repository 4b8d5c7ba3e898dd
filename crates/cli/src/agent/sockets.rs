//! Where the agent listens, and what dead agents have left there.

use std::ffi::OsString;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crypto::hash::HashAlgorithm;
use rustix::fs::Mode;

use crate::messages::{debug, error};

/// Letters of names that mean nothing.
const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/// Length of a meaningless name.
const NAME_LENGTH: usize = 10;

/// Younger sockets are let be: their agent may not listen yet.
const STALE_AGE: Duration = Duration::from_secs(60 * 60);

/// A socket that is listened on.
pub struct Listening {
    /// Where clients come in.
    pub listener: UnixListener,
    /// Its path.
    pub path: PathBuf,
    /// The folder made for it alone.
    folder: Option<PathBuf>,
}

impl Listening {
    /// At a path the user chose (`-a`). The socket of an agent that is gone is replaced.
    ///
    /// # Errors
    /// The system's.
    pub fn at(path: &Path) -> io::Result<Self> {
        let bound = match bind(path) {
            Err(problem) if problem.kind() == io::ErrorKind::AddrInUse && is_dead(path) => {
                fs::remove_file(path)?;
                bind(path)
            }
            other => other,
        };
        Ok(Listening { listener: bound?, path: path.to_owned(), folder: None })
    }

    /// Under `~/.ssh/agent`, by a name that tells this machine's sockets from others' where the
    /// home folder is shared.
    ///
    /// # Errors
    /// The system's; the path may be too long for a socket.
    pub fn at_home() -> io::Result<Self> {
        let folder = home_folder()?;
        for folder in folder.ancestors().take(2).collect::<Vec<_>>().into_iter().rev() {
            make_folder(folder)?;
        }
        let mut tries = 0;
        loop {
            let name = format!("s.{}.agent.{}", host_name_hash(), random_name(NAME_LENGTH));
            match Self::at(&folder.join(name)) {
                Err(problem) if problem.kind() == io::ErrorKind::AddrInUse && tries < 8 => {
                    tries += 1;
                }
                other => return other,
            }
        }
    }

    /// In a new folder under `/tmp` (`-T`).
    ///
    /// # Errors
    /// The system's.
    pub fn in_temporary_folder() -> io::Result<Self> {
        let base = std::env::var_os("TMPDIR").filter(|path| !path.is_empty());
        let base = PathBuf::from(base.unwrap_or_else(|| "/tmp".into()));
        let folder = base.join(format!("ssh-{}", random_name(12)));
        DirBuilder::new().mode(0o700).create(&folder)?;
        let path = folder.join(format!("agent.{}", std::process::id()));
        let bound = bind(&path).inspect_err(|_| {
            // The first error is the one to report.
            let _ = fs::remove_dir(&folder);
        });
        Ok(Listening { listener: bound?, path, folder: Some(folder) })
    }

    /// Takes the files away.
    pub fn remove(path: &Path, folder: Option<&Path>) {
        debug!("cleanup: removing {}", path.display());
        // Someone else may have tidied up.
        let _ = fs::remove_file(path);
        if let Some(folder) = folder {
            let _ = fs::remove_dir(folder);
        }
    }

    /// The parts: the listener, its path, the folder made for it.
    pub fn into_parts(self) -> (UnixListener, PathBuf, Option<PathBuf>) {
        (self.listener, self.path, self.folder)
    }
}

/// Removes the sockets under `~/.ssh/agent` behind which no agent is any more. Those of machines
/// by other names only with `of_all_hosts`: their agents cannot be asked from here.
pub fn remove_dead(of_all_hosts: bool) {
    let Ok(folder) = home_folder() else { return };
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(source) => {
            if source.kind() != io::ErrorKind::NotFound {
                error!("{}: {}", folder.display(), crate::text::reason(&source));
            }
            return;
        }
    };
    let prefix = format!("s.{}.", host_name_hash());
    for entry in entries.flatten() {
        let path = entry.path();
        let is_ours = of_all_hosts || entry.file_name().as_bytes().starts_with(prefix.as_bytes());
        if is_ours && is_old(&path) && is_dead(&path) {
            debug!("cleanup stale socket {}", path.display());
            // Another agent may be tidying up too.
            let _ = fs::remove_file(&path);
        }
    }
}

fn is_old(path: &Path) -> bool {
    let modified = fs::symlink_metadata(path).and_then(|metadata| metadata.modified());
    modified.is_ok_and(|modified| {
        SystemTime::now().duration_since(modified).is_ok_and(|age| age >= STALE_AGE)
    })
}

/// A socket of ours that nobody listens on. Anything else that stands there is alive.
fn is_dead(path: &Path) -> bool {
    let Ok(metadata) = fs::symlink_metadata(path) else { return false };
    if !metadata.file_type().is_socket() || metadata.uid() != rustix::process::getuid().as_raw() {
        return false;
    }
    // A full queue of a living agent would say that too, with another error.
    UnixStream::connect(path)
        .is_err_and(|problem| problem.kind() == io::ErrorKind::ConnectionRefused)
}

/// The socket is for its owner from its first moment.
fn bind(path: &Path) -> io::Result<UnixListener> {
    let before = rustix::process::umask(Mode::from_raw_mode(0o177));
    let bound = UnixListener::bind(path);
    rustix::process::umask(before);
    bound
}

fn make_folder(folder: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => {
            debug!("created directory {}", folder.display());
            Ok(())
        }
        Err(source) if source.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(source) => Err(source),
    }
}

/// `~/.ssh/agent`.
fn home_folder() -> io::Result<PathBuf> {
    let home = super::program::home().ok_or_else(|| io::Error::other("no home folder"))?;
    Ok(home.join(".ssh/agent"))
}

/// As OpenSSH makes it, so that its agents and ours tidy up after each other.
fn host_name_hash() -> String {
    let name = rustix::system::uname();
    let digest = HashAlgorithm::Sha512.digest(&[name.nodename().to_bytes()]);
    digest.as_ref().iter().take(NAME_LENGTH).map(|byte| letter(*byte)).collect()
}

fn random_name(length: usize) -> String {
    // Of 256 values 248 are evenly spread over the 62 letters.
    let usable = u8::MAX - u8::MAX % LETTERS.len() as u8;
    let mut name = String::with_capacity(length);
    while name.len() < length {
        let mut byte = [0];
        crypto::random::fill(&mut byte);
        if byte[0] < usable {
            name.push(letter(byte[0]));
        }
    }
    name
}

fn letter(byte: u8) -> char {
    LETTERS.get(usize::from(byte) % LETTERS.len()).map_or('a', |letter| char::from(*letter))
}

/// A socket's path for a shell: quoted where it needs to be.
pub fn quoted(path: &Path) -> OsString {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-+=:,@%".contains(byte);
    let bytes = path.as_os_str().as_bytes();
    if bytes.iter().all(plain) {
        return path.as_os_str().to_owned();
    }
    let mut text = OsString::from("'");
    for (index, part) in bytes.split(|byte| *byte == b'\'').enumerate() {
        if index > 0 {
            text.push("'\\''");
        }
        text.push(std::ffi::OsStr::from_bytes(part));
    }
    text.push("'");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let name = random_name(10);
        assert!(name.len() == 10 && name.bytes().all(|byte| LETTERS.contains(&byte)), "{name}");
        assert_ne!(name, random_name(10));
        assert_eq!(host_name_hash().len(), 10);
        assert_eq!(
            quoted(Path::new("/home/me/.ssh/agent/s.a.agent.b")),
            "/home/me/.ssh/agent/s.a.agent.b"
        );
        assert_eq!(quoted(Path::new("/a b/it's")), r"'/a b/it'\''s'");
    }

    #[test]
    fn only_dead_sockets_are_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let first = Listening::at(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert!(Listening::at(&path).is_err());
        drop(first);
        drop(Listening::at(&path).unwrap());
        let file = folder.path().join("file");
        fs::write(&file, "mine").unwrap();
        assert!(Listening::at(&file).is_err());
        assert_eq!(fs::read(&file).unwrap(), b"mine");
    }
}
