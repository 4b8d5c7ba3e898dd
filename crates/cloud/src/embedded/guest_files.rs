//! Files inside a server, read and written from outside. The tenant can put anything anywhere at
//! any moment: every path is resolved by the kernel inside the server's root, links are never
//! followed, and only regular files of a sensible size are read.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use keys::PublicKey;
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, ResolveFlags, Uid};

use super::volume;

/// A host key's public half.
const PUBLIC_KEY_MAX: u64 = 16 * 1024;
/// `authorized_keys`: thousands of keys.
const AUTHORIZED_KEYS_MAX: u64 = 4 * 1024 * 1024;
const FOLDER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
const HOST_KEYS: [&str; 3] = ["ed25519", "ecdsa", "rsa"];
const SSH_FOLDER: &str = "root/.ssh";
const AUTHORIZED_KEYS: &str = "authorized_keys";

/// A server's root, to resolve paths in.
pub(super) struct GuestRoot {
    root: OwnedFd,
    /// The disk's own file system, which stays mounted for as long as this is there.
    _volume: Option<OwnedFd>,
    /// What root inside is outside; `None` for the caller.
    owner: Option<u32>,
}

impl GuestRoot {
    /// Of a folder, or of a process (`/proc/PID/root`).
    pub(super) fn open(path: &Path, owner: Option<u32>) -> io::Result<Self> {
        let root = rustix::fs::open(path, FOLDER, Mode::empty())?;
        Ok(Self { root, _volume: None, owner })
    }

    /// Of a disk that no server has mounted: its own changes to the image.
    pub(super) fn of_disk(disk: &Path, owner: Option<u32>) -> io::Result<Self> {
        let Some(file) = volume::of(disk) else { return Self::open(&disk.join("upper"), owner) };
        let volume = volume::mount(&file)?;
        let root = rustix::fs::openat(&volume, "upper", FOLDER, Mode::empty())?;
        Ok(Self { root, _volume: Some(volume), owner })
    }

    fn at(&self, path: &str, flags: OFlags, mode: u32) -> rustix::io::Result<OwnedFd> {
        rustix::fs::openat2(
            &self.root,
            path,
            flags | OFlags::CLOEXEC | OFlags::NONBLOCK,
            Mode::from_raw_mode(mode),
            ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS,
        )
    }

    fn read(&self, path: &str, limit: u64) -> io::Result<Vec<u8>> {
        let file = self.at(path, OFlags::RDONLY, 0)?;
        let about = rustix::fs::fstat(&file)?;
        if FileType::from_raw_mode(about.st_mode) != FileType::RegularFile {
            return Err(io::Error::other("it is not a regular file"));
        }
        let mut bytes = Vec::new();
        File::from(file).take(limit + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limit {
            return Err(io::Error::other("it is too large"));
        }
        Ok(bytes)
    }

    /// The host keys that are there and are keys.
    pub(super) fn host_keys(&self) -> Vec<PublicKey> {
        HOST_KEYS
            .iter()
            .filter_map(|name| {
                let bytes =
                    self.read(&format!("etc/ssh/ssh_host_{name}_key.pub"), PUBLIC_KEY_MAX).ok()?;
                let text = String::from_utf8(bytes).ok()?;
                PublicKey::from_line(text.lines().next()?.trim()).ok().map(|(key, _)| key)
            })
            .collect()
    }

    /// Root's `authorized_keys`; empty when there is none.
    pub(super) fn authorized_keys(&self) -> io::Result<String> {
        match self.read(&format!("{SSH_FOLDER}/{AUTHORIZED_KEYS}"), AUTHORIZED_KEYS_MAX) {
            Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            Err(error) => Err(error),
        }
    }

    /// Replaces root's `authorized_keys`, whole or not at all, with the modes that sshd wants.
    pub(super) fn set_authorized_keys(&self, text: &str) -> io::Result<()> {
        let home = self.at("root", OFlags::RDONLY | OFlags::DIRECTORY, 0)?;
        match rustix::fs::mkdirat(&home, ".ssh", Mode::from_raw_mode(0o700)) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        let folder = self.at(SSH_FOLDER, OFlags::RDONLY | OFlags::DIRECTORY, 0)?;
        self.own(folder.as_fd())?;
        rustix::fs::fchmod(&folder, Mode::from_raw_mode(0o700))?;
        let next = format!(".authorized_keys.{}", uuid::Uuid::new_v4().simple());
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&folder, &next, flags, Mode::from_raw_mode(0o600))?;
        let written = (|| {
            self.own(file.as_fd())?;
            rustix::fs::fchmod(&file, Mode::from_raw_mode(0o600))?;
            let mut file = File::from(file);
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            rustix::fs::renameat(&folder, &next, &folder, AUTHORIZED_KEYS)?;
            Ok(())
        })();
        if written.is_err() {
            let _ = rustix::fs::unlinkat(&folder, &next, AtFlags::empty());
        }
        written
    }

    fn own(&self, file: std::os::fd::BorrowedFd<'_>) -> io::Result<()> {
        if let Some(owner) = self.owner {
            rustix::fs::fchown(file, Some(Uid::from_raw(owner)), Some(Gid::from_raw(owner)))?;
        }
        Ok(())
    }
}

/// The root that a process sees.
pub(super) fn process_root(pid: u32) -> std::path::PathBuf {
    std::path::PathBuf::from(format!("/proc/{pid}/root"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn guest() -> (tempfile::TempDir, GuestRoot) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("root")).unwrap();
        let root = GuestRoot::open(folder.path(), None).unwrap();
        (folder, root)
    }

    #[test]
    fn authorized_keys_are_written_with_their_modes() {
        let (folder, root) = guest();
        assert_eq!(root.authorized_keys().unwrap(), "");
        root.set_authorized_keys("one\n").unwrap();
        root.set_authorized_keys("two\n").unwrap();
        assert_eq!(root.authorized_keys().unwrap(), "two\n");
        let mode = |path: &str| {
            std::fs::metadata(folder.path().join(path)).unwrap().permissions().mode() & 0o7777
        };
        assert_eq!(mode("root/.ssh"), 0o700);
        assert_eq!(mode("root/.ssh/authorized_keys"), 0o600);
        assert_eq!(std::fs::read_dir(folder.path().join("root/.ssh")).unwrap().count(), 1);
    }

    #[test]
    fn links_are_never_followed() {
        let (folder, root) = guest();
        let outside = tempfile::tempdir().unwrap();
        let victim = outside.path().join("authorized_keys");
        std::fs::write(&victim, "the machine's own\n").unwrap();
        symlink(outside.path(), folder.path().join("root/.ssh")).unwrap();
        assert!(root.authorized_keys().is_err());
        assert!(root.set_authorized_keys("mine\n").is_err());
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "the machine's own\n");

        std::fs::remove_file(folder.path().join("root/.ssh")).unwrap();
        std::fs::create_dir(folder.path().join("root/.ssh")).unwrap();
        symlink(&victim, folder.path().join("root/.ssh/authorized_keys")).unwrap();
        assert!(root.authorized_keys().is_err());
        // The link itself is replaced.
        root.set_authorized_keys("mine\n").unwrap();
        assert_eq!(root.authorized_keys().unwrap(), "mine\n");
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "the machine's own\n");
    }

    #[test]
    fn what_is_no_file_is_not_read() {
        let (folder, root) = guest();
        std::fs::create_dir_all(folder.path().join("etc/ssh")).unwrap();
        let path = folder.path().join("etc/ssh/ssh_host_ed25519_key.pub");
        rustix::fs::mknodat(rustix::fs::CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o600), 0)
            .unwrap();
        // A pipe without a writer would make a plain read wait for ever.
        assert!(root.host_keys().is_empty());
    }
}
