//! The configuration as it was read once, and how it reaches the monitors.
//!
//! The listener reads the files, and seals what it read, with the host keys,
//! in memory that every monitor is given. So a file that is changed or broken
//! later matters to nobody until the listener is told to read it again.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

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
        /// The files as they were read, as [`config::Snapshot::encode`] has them.
        snapshot: Bytes,
        /// The private host keys, as OpenSSH key files without a passphrase.
        host_keys: Vec<SecretBytes>,
        /// Public halves of those that an agent holds, as blobs, and where it listens.
        agent_keys: Vec<Bytes>,
        agent: Option<PathBuf>,
        /// The host certificates, as blobs.
        host_certificates: Vec<Bytes>,
        /// Groups for Diffie-Hellman group exchange.
        groups: Vec<Group>,
    }
}

impl Sealed {
    /// Into memory that nobody can change any more.
    pub(crate) fn seal(&self) -> io::Result<OwnedFd> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(64 * 1024));
        self.put(&mut bytes);
        crate::sys::files::seal(&bytes)
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

/// Reads a file of the administrator's that may be missing, up to `limit` bytes.
pub(crate) fn read_limited(path: &Path, limit: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    let file = File::open(path)?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(file.metadata()?.len().min(limit) as usize));
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn what_was_sealed_cannot_be_changed_and_comes_out_again() {
        let sealed = Sealed {
            config_file: Some("/etc/ssh/sshd_config".into()),
            options: vec!["Port 2222".into()],
            snapshot: Bytes(b"files".to_vec()),
            host_keys: vec![SecretBytes(Zeroizing::new(b"secret".to_vec()))],
            agent_keys: Vec::new(),
            agent: None,
            host_certificates: Vec::new(),
            groups: Vec::new(),
        };
        let memory = sealed.seal().unwrap();
        let copy = memory.try_clone().unwrap();
        assert!(File::from(copy).write_all(b"x").is_err());
        let opened = Sealed::open(memory).unwrap();
        assert_eq!(opened.snapshot.0, b"files");
        assert_eq!(*opened.host_keys[0].0, b"secret");
    }
}
