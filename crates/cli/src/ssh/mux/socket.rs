//! Where a shared connection is found: the socket's place, how it is made, and how it is tried.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use crypto::hash::HashAlgorithm;
use rustix::fs::Mode;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType};

use crate::messages::debug;
use crate::ssh::paths;
use crate::text;

/// `sun_path` and its end.
const PATH_BYTES: usize = if cfg!(target_os = "linux") { 108 } else { 104 };
/// What is put behind the place while the socket is made.
const SUFFIX_BYTES: usize = 9;
/// How many clients the system keeps until they are accepted; OpenSSH's number.
const BACKLOG: i32 = 64;

/// The path to use for a configured one: itself, or a short one where the system's limit would
/// cut it. Both sides come to the same.
pub fn place(configured: &Path) -> PathBuf {
    if configured.as_os_str().as_bytes().len() < PATH_BYTES {
        return configured.to_owned();
    }
    let digest = HashAlgorithm::Sha256.digest(&[configured.as_os_str().as_bytes()]);
    let name = text::hex(digest.as_ref().get(..16).unwrap_or_default());
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").filter(|path| !path.is_empty());
    let short = match runtime {
        Some(directory) => Path::new(&directory).join(format!("ssh-{name}")),
        None => paths::expand_tilde(&format!("~/.ssh/mux-{name}")),
    };
    debug!(
        "ControlPath {} is longer than the {} bytes a socket may have; using {}",
        configured.display(),
        PATH_BYTES - 1,
        short.display()
    );
    short
}

/// Connects to whoever listens there, without waiting for it.
///
/// # Errors
/// `NotFound`: nothing is there. `ConnectionRefused`: nobody listens any more. `WouldBlock`: it
/// has not accepted anybody for long.
pub fn connect(path: &Path) -> io::Result<UnixStream> {
    let address = SocketAddrUnix::new(path)?;
    let socket = net::open::nonblocking_socket(AddressFamily::UNIX, SocketType::STREAM)?;
    rustix::net::connect(&socket, &address)?;
    Ok(socket.into())
}

/// A socket that is listened on, and its file, which goes with it.
#[derive(Debug)]
pub struct Listener {
    /// Accepts clients; it does not wait.
    pub socket: UnixListener,
    path: PathBuf,
    /// Device and file number: another's file of that name stays.
    identity: Option<(u64, u64)>,
}

impl Listener {
    /// Listens at a place where nothing is yet. Nobody else may connect, and whoever finds the
    /// file finds somebody listening: it is made beside the place and linked there when ready.
    ///
    /// # Errors
    /// `AlreadyExists`: something is there.
    pub fn new(path: &Path) -> io::Result<Self> {
        let beside = beside(path);
        let socket = listen(&beside)?;
        let linked = std::fs::hard_link(&beside, path);
        let identity = identity(&beside);
        // Whether it went does not matter for what was linked.
        let _ = std::fs::remove_file(&beside);
        linked.map(|()| Listener { socket, path: path.to_owned(), identity })
    }

    /// The same, where a dead socket may be: it is replaced in one step.
    ///
    /// # Errors
    /// Those of the system.
    pub fn replacing(path: &Path) -> io::Result<Self> {
        let beside = beside(path);
        let socket = listen(&beside)?;
        let identity = identity(&beside);
        if let Err(source) = std::fs::rename(&beside, path) {
            let _ = std::fs::remove_file(&beside);
            return Err(source);
        }
        Ok(Listener { socket, path: path.to_owned(), identity })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if self.identity.is_some() && identity(&self.path) == self.identity {
            // Another may have removed it.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// A name of our own in the same directory, no longer than the system allows.
fn beside(path: &Path) -> PathBuf {
    let mut random = [0; 4];
    crypto::random::fill(&mut random);
    let random = text::hex(&random);
    let mut name = path.as_os_str().to_owned();
    if name.len() + SUFFIX_BYTES < PATH_BYTES {
        name.push(format!(".{random}"));
        return name.into();
    }
    path.with_file_name(random)
}

fn listen(path: &Path) -> io::Result<UnixListener> {
    let address = SocketAddrUnix::new(path)?;
    let socket = net::open::nonblocking_socket(AddressFamily::UNIX, SocketType::STREAM)?;
    // No other thread makes files at this time.
    let before = rustix::process::umask(Mode::from_bits_retain(0o177));
    let bound = rustix::net::bind(&socket, &address);
    rustix::process::umask(before);
    bound?;
    if let Err(source) = rustix::net::listen(&socket, BACKLOG) {
        let _ = std::fs::remove_file(path);
        return Err(source.into());
    }
    Ok(socket.into())
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    std::fs::symlink_metadata(path).ok().map(|data| (data.dev(), data.ino()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn only_one_listens() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("control");
        let missing = connect(&path).expect_err("nothing");
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
        let first = Listener::new(&path).expect("first");
        let mode = std::fs::metadata(&path).expect("metadata").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let second = Listener::new(&path).expect_err("second");
        assert_eq!(second.kind(), io::ErrorKind::AlreadyExists);
        assert!(connect(&path).is_ok());
        drop(first);
        assert_eq!(std::fs::read_dir(directory.path()).expect("list").count(), 0);
    }

    #[test]
    fn a_dead_one_is_replaced() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("control");
        drop(UnixListener::bind(&path).expect("bind"));
        assert_eq!(connect(&path).expect_err("dead").kind(), io::ErrorKind::ConnectionRefused);
        let first = Listener::replacing(&path).expect("first");
        let second = Listener::replacing(&path).expect("second");
        drop(first);
        assert!(connect(&path).is_ok(), "the first must leave the second's file");
        drop(second);
        assert!(!path.exists());
    }

    #[test]
    fn long_paths_are_shortened() {
        let directory = tempfile::tempdir().expect("directory");
        let fits = directory.path().join("x".repeat(107 - 1 - directory.path().as_os_str().len()));
        assert_eq!(place(&fits), fits);
        // The name beside it has to be short.
        drop(Listener::new(&fits).expect("a path of the greatest length"));
        let long = directory.path().join("y".repeat(200));
        assert!(place(&long).as_os_str().len() < PATH_BYTES);
        assert_eq!(place(&long), place(&long));
        assert_ne!(place(&long), place(&directory.path().join("z".repeat(200))));
    }
}
