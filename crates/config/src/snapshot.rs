//! A configuration's files held in memory, to give to another process.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use crate::files::{Contents, Files};

/// Files as they were when they were read first.
///
/// A server reads its files once; the processes it starts read the snapshot, so that a file which
/// changes or breaks in between means nothing to them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Every file that was read, by its name.
    pub files: BTreeMap<PathBuf, Vec<u8>>,
    /// Every folder that was listed.
    pub folders: BTreeMap<PathBuf, Vec<String>>,
}

impl Snapshot {
    /// What to send: counts and lengths as four big-endian bytes, then the bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        number(&mut out, self.files.len());
        for (path, bytes) in &self.files {
            string(&mut out, path.as_os_str().as_encoded_bytes());
            string(&mut out, bytes);
        }
        number(&mut out, self.folders.len());
        for (path, names) in &self.folders {
            string(&mut out, path.as_os_str().as_encoded_bytes());
            number(&mut out, names.len());
            for name in names {
                string(&mut out, name.as_bytes());
            }
        }
        out
    }

    /// The reverse of [`Snapshot::encode`]; nothing if it is not such a text.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        let mut snapshot = Snapshot::default();
        for _ in 0..take_number(&mut rest)? {
            let path = take_path(&mut rest)?;
            snapshot.files.insert(path, take(&mut rest)?.to_vec());
        }
        for _ in 0..take_number(&mut rest)? {
            let path = take_path(&mut rest)?;
            let mut names = Vec::new();
            for _ in 0..take_number(&mut rest)? {
                names.push(String::from_utf8(take(&mut rest)?.to_vec()).ok()?);
            }
            snapshot.folders.insert(path, names);
        }
        rest.is_empty().then_some(snapshot)
    }
}

fn number(out: &mut Vec<u8>, value: usize) {
    // A configuration of 4 GiB is none.
    out.extend_from_slice(&u32::try_from(value).unwrap_or(u32::MAX).to_be_bytes());
}

fn string(out: &mut Vec<u8>, bytes: &[u8]) {
    number(out, bytes.len());
    out.extend_from_slice(bytes);
}

fn take_number(rest: &mut &[u8]) -> Option<usize> {
    let (head, tail) = rest.split_first_chunk::<4>()?;
    *rest = tail;
    usize::try_from(u32::from_be_bytes(*head)).ok()
}

fn take<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = take_number(rest)?;
    let (head, tail) = rest.split_at_checked(length)?;
    *rest = tail;
    Some(head)
}

fn take_path(rest: &mut &[u8]) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    Some(PathBuf::from(std::ffi::OsStr::from_bytes(take(rest)?)))
}

impl Files for Snapshot {
    fn read(&self, path: &Path) -> io::Result<Contents> {
        match self.files.get(path) {
            Some(bytes) => Ok(Contents { bytes: bytes.clone(), owner: 0, mode: 0o600 }),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        self.folders.get(folder).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn exists(&self, path: &Path) -> bool {
        self.files.contains_key(path) || self.folders.contains_key(path)
    }
}

/// Reads through to other files and keeps what it saw.
pub struct Recorder<'a> {
    files: &'a dyn Files,
    seen: RefCell<Snapshot>,
}

impl<'a> Recorder<'a> {
    /// Starts with nothing seen.
    pub fn new(files: &'a dyn Files) -> Self {
        Recorder { files, seen: RefCell::default() }
    }

    /// What was seen.
    pub fn into_snapshot(self) -> Snapshot {
        self.seen.into_inner()
    }
}

impl Files for Recorder<'_> {
    fn read(&self, path: &Path) -> io::Result<Contents> {
        let contents = self.files.read(path)?;
        self.seen.borrow_mut().files.insert(path.to_owned(), contents.bytes.clone());
        Ok(contents)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let names = self.files.list(folder)?;
        self.seen.borrow_mut().folders.insert(folder.to_owned(), names.clone());
        Ok(names)
    }

    fn exists(&self, path: &Path) -> bool {
        self.files.exists(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comes_back_as_it_was() {
        let mut snapshot = Snapshot::default();
        snapshot.files.insert("/etc/a".into(), b"Port 22\n".to_vec());
        snapshot.folders.insert("/etc/d".into(), vec!["x.conf".into(), "y.conf".into()]);
        let bytes = snapshot.encode();
        assert_eq!(Snapshot::decode(&bytes), Some(snapshot));
        for length in 0..bytes.len() {
            assert_eq!(Snapshot::decode(&bytes[..length]), None);
        }
    }
}
