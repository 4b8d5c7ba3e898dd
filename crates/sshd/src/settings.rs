//! The configuration as it was read once, and how it reaches the monitors.
//!
//! The listener reads the files, and seals what it read, with the host keys,
//! in memory that every monitor is given. So a file that is changed or broken
//! later matters to nobody until the listener is told to read it again.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use config::files::{Contents, Files, RealFiles};
use rustix::fs::{MemfdFlags, SealFlags};
use wire::Reader;
use zeroize::Zeroizing;

use crate::requests::encoding::{Field, record};
use crate::requests::{Bytes, Group, SecretBytes};

/// The most that a sealed file may hold: far more than any sane configuration.
const SEALED_BYTES: u64 = 16 * 1024 * 1024;

record! {
    /// All that a monitor needs and must not read for itself.
    pub(crate) struct Sealed {
        /// The configuration file.
        config_file: Option<PathBuf>,
        /// Lines from the command line, which go before the file.
        options: Vec<String>,
        /// All files that were read, or could not be.
        files: Vec<RecordedFile>,
        /// All folders that were listed.
        folders: Vec<RecordedFolder>,
        /// The private host keys, as OpenSSH key files without a passphrase.
        host_keys: Vec<SecretBytes>,
        /// The host certificates, as blobs.
        host_certificates: Vec<Bytes>,
        /// Groups for Diffie-Hellman group exchange.
        groups: Vec<Group>,
        /// How often `-d` was given.
        debug: u8,
        /// `-q`.
        quiet: bool,
    }
}

record! {
    /// A file as it was.
    pub(crate) struct RecordedFile {
        /// Its name.
        path: PathBuf,
        /// Its contents; nothing when it could not be read.
        bytes: Option<Bytes>,
        /// Who owned it.
        owner: u32,
        /// Its permissions.
        mode: u32,
    }
}

record! {
    /// A folder as it was.
    pub(crate) struct RecordedFolder {
        /// Its name.
        path: PathBuf,
        /// The names in it.
        names: Vec<String>,
    }
}

impl Sealed {
    /// Into memory that nobody can change any more.
    pub(crate) fn seal(&self) -> io::Result<OwnedFd> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(64 * 1024));
        self.put(&mut bytes);
        let memory = rustix::fs::memfd_create(
            c"sshd-settings",
            MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING,
        )?;
        let mut file = File::from(memory);
        file.write_all(&bytes)?;
        rustix::fs::fcntl_add_seals(
            &file,
            SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL,
        )?;
        Ok(file.into())
    }

    /// Out of what [`Self::seal`] made.
    pub(crate) fn open(memory: OwnedFd) -> io::Result<Sealed> {
        let mut file = File::from(memory);
        let length = file.metadata()?.len();
        if length > SEALED_BYTES {
            return Err(io::Error::other("the sealed settings are too large"));
        }
        let mut bytes = Zeroizing::new(vec![0; length as usize]);
        // Every monitor has the same open file, and with it the same position.
        use std::os::unix::fs::FileExt;
        file.rewind()?;
        file.read_exact_at(&mut bytes, 0)?;
        let mut reader = Reader::new(&bytes);
        let sealed = Sealed::take(&mut reader).and_then(|sealed| reader.finish().map(|()| sealed));
        sealed.map_err(|error| io::Error::other(format!("the sealed settings: {error}")))
    }
}

/// The real file system, remembering what was read.
#[derive(Default)]
pub(crate) struct RecordingFiles {
    files: RefCell<BTreeMap<PathBuf, Option<Contents>>>,
    folders: RefCell<BTreeMap<PathBuf, Vec<String>>>,
}

impl RecordingFiles {
    /// What was read.
    pub(crate) fn into_records(self) -> (Vec<RecordedFile>, Vec<RecordedFolder>) {
        let files = self.files.into_inner().into_iter().map(|(path, contents)| {
            let (owner, mode) = contents.as_ref().map_or((0, 0), |c| (c.owner, c.mode));
            RecordedFile { path, bytes: contents.map(|c| Bytes(c.bytes)), owner, mode }
        });
        let folders = self.folders.into_inner().into_iter();
        (
            files.collect(),
            folders.map(|(path, names)| RecordedFolder { path, names }).collect(),
        )
    }
}

impl Files for RecordingFiles {
    fn read(&self, path: &Path) -> io::Result<Contents> {
        let contents = RealFiles.read(path);
        let kept = contents.as_ref().ok().cloned();
        self.files.borrow_mut().insert(path.to_owned(), kept);
        contents
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let names = RealFiles.list(folder)?;
        self.folders.borrow_mut().insert(folder.to_owned(), names.clone());
        Ok(names)
    }

    fn exists(&self, path: &Path) -> bool {
        RealFiles.exists(path)
    }
}

/// What was remembered, instead of the file system.
pub(crate) struct RecordedFiles<'a>(pub(crate) &'a Sealed);

impl Files for RecordedFiles<'_> {
    fn read(&self, path: &Path) -> io::Result<Contents> {
        let recorded = self.0.files.iter().find(|file| file.path == path);
        match recorded {
            Some(RecordedFile { bytes: Some(bytes), owner, mode, .. }) => {
                Ok(Contents { bytes: bytes.0.clone(), owner: *owner, mode: *mode })
            }
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let recorded = self.0.folders.iter().find(|recorded| recorded.path == folder);
        recorded.map(|folder| folder.names.clone()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn exists(&self, path: &Path) -> bool {
        self.0.files.iter().any(|file| file.path == path && file.bytes.is_some())
            || self.0.folders.iter().any(|folder| folder.path == path)
    }
}

/// Reads a file of the administrator's that may be missing, up to `limit` bytes.
pub(crate) fn read_limited(path: &Path, limit: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    let file = File::open(path)?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(file.metadata()?.len().min(limit) as usize));
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A second descriptor of the same thing.
pub(crate) fn duplicate(descriptor: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    Ok(rustix::io::fcntl_dupfd_cloexec(descriptor, 3)?)
}

/// A descriptor of standard input or output under a number of its own.
pub(crate) fn duplicate_of(stream: impl AsFd) -> io::Result<OwnedFd> {
    duplicate(stream.as_fd())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_cannot_be_changed_and_comes_out_again() {
        let sealed = Sealed {
            config_file: Some("/etc/ssh/sshd_config".into()),
            options: vec!["Port 2222".into()],
            files: vec![RecordedFile {
                path: "/etc/ssh/sshd_config".into(),
                bytes: Some(Bytes(b"UsePAM no\n".to_vec())),
                owner: 0,
                mode: 0o644,
            }],
            folders: Vec::new(),
            host_keys: vec![SecretBytes(Zeroizing::new(b"secret".to_vec()))],
            host_certificates: Vec::new(),
            groups: Vec::new(),
            debug: 0,
            quiet: false,
        };
        let memory = sealed.seal().unwrap();
        let copy = duplicate(memory.as_fd()).unwrap();
        assert!(File::from(copy).write_all(b"x").is_err());
        let opened = Sealed::open(memory).unwrap();
        let files = RecordedFiles(&opened);
        let contents = files.read(Path::new("/etc/ssh/sshd_config")).unwrap();
        assert_eq!(contents.bytes, b"UsePAM no\n");
        assert!(files.read(Path::new("/etc/passwd")).is_err());
        assert_eq!(*opened.host_keys[0].0, b"secret");
    }
}
