//! Reading keys from files, with OpenSSH's words for what goes wrong.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use keys::{PrivateFileFormat, PrivateKey, PrivateKeyError, PublicKey, limits};
use zeroize::Zeroizing;

use super::options::is_stdin;
use super::{Failure, Options};
use crate::files;
use crate::text::reason;
use crate::ui::prompt::{self, Place};

/// Largest file of public keys that is read; an authorized_keys file of a big server fits.
pub const KEYS_FILE_BYTES_MAX: u64 = 64 << 20;

/// A private key out of its file.
pub struct Loaded {
    /// The key.
    pub key: PrivateKey,
    /// What opened it; empty where nothing was needed.
    pub passphrase: Zeroizing<String>,
    /// What the file is written in.
    pub format: PrivateFileFormat,
}

/// Reads a private key, asking for its passphrase where it needs one that `-P` does not give.
pub fn private(options: &Options, path: &Path) -> Result<Loaded, Failure> {
    let question = format!("Enter passphrase for \"{}\": ", path.display());
    private_asking(options, path, &question, "Load key")
}

/// The same with another question, and other words in front of the file's name in errors.
pub fn private_asking(
    options: &Options,
    path: &Path,
    question: &str,
    doing: &str,
) -> Result<Loaded, Failure> {
    let shown = path.display();
    let failed = |problem: &dyn std::fmt::Display| -> Failure {
        match doing {
            "Load key" | "Cannot load private key" => {
                format!("{doing} \"{shown}\": {problem}").into()
            }
            _ => format!("{doing} {shown}: {problem}").into(),
        }
    };
    if let Some(warning) = crate::key_files::too_open(path) {
        eprintln!("{warning}");
        return Err(failed(&format_args!(
            "bad permissions\nTo keep others out of it: chmod 600 '{shown}'"
        )));
    }
    let bytes = files::read_limited(path, limits::PRIVATE_FILE_BYTES as u64)
        .map_err(|source| failed(&reason(&source)))?;
    let bytes = Zeroizing::new(bytes);
    let format = keys::private_file_format(&bytes).map_err(|problem| failed(&problem))?;
    match PrivateKey::parse(&bytes, None) {
        Ok(key) => return Ok(Loaded { key, passphrase: Zeroizing::default(), format }),
        Err(PrivateKeyError::PassphraseNeeded) => {}
        Err(problem) => return Err(failed(&problem)),
    }
    let passphrase = match &options.passphrase {
        Some(passphrase) => passphrase.clone(),
        None => prompt::secret(question, Place::StandardInput).unwrap_or_default(),
    };
    let key = PrivateKey::parse(&bytes, Some(passphrase.as_bytes()))
        .map_err(|problem| failed(&problem))?;
    Ok(Loaded { key, passphrase, format })
}

/// Reads a public key and its comment: from a public file, from a private file that shows it, or
/// from the `.pub` beside.
pub fn public(path: &Path) -> Result<(PublicKey, String), String> {
    let bytes = match files::read_limited(path, KEYS_FILE_BYTES_MAX) {
        Ok(bytes) => Zeroizing::new(bytes),
        // A key whose private half is elsewhere.
        Err(source) => return beside(path).ok_or_else(|| reason(&source)),
    };
    if let Some(found) = first_line(&bytes) {
        return Ok(found);
    }
    if let Ok((key, comment)) = PublicKey::from_rfc4716(&String::from_utf8_lossy(&bytes)) {
        return Ok((key, comment));
    }
    match keys::public_of_private_file(&bytes) {
        Ok(Some(public)) => {
            let comment = beside(path)
                .filter(|(key, _)| key.plain() == public.plain())
                .map(|(_, comment)| comment)
                .filter(|comment| !comment.is_empty())
                .or_else(|| Some(PrivateKey::parse(&bytes, None).ok()?.comment().to_owned()));
            Ok((public, comment.unwrap_or_default()))
        }
        Ok(None) => beside(path)
            .or_else(|| {
                Some((PrivateKey::parse(&bytes, None).ok()?.public().clone(), String::new()))
            })
            .ok_or_else(|| PrivateKeyError::PassphraseNeeded.to_string()),
        Err(PrivateKeyError::NotAKey | PrivateKeyError::IsPublicKey) => {
            beside(path).ok_or_else(|| "invalid format".to_owned())
        }
        Err(problem) => beside(path).ok_or_else(|| problem.to_string()),
    }
}

/// The key in the `.pub` beside a private key file.
pub fn beside(path: &Path) -> Option<(PublicKey, String)> {
    first_line(&files::read_limited(&super::public_path(path), 1 << 20).ok()?)
}

fn first_line(bytes: &[u8]) -> Option<(PublicKey, String)> {
    let text = std::str::from_utf8(bytes).ok()?;
    if text.trim_start().starts_with("-----BEGIN") {
        return None;
    }
    text.lines()
        .filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'))
        .find_map(|line| PublicKey::from_line(line).ok())
}

/// The whole of a file, or of standard input for `-`, and the name to show for it.
pub fn bytes(path: &Path, limit: u64) -> Result<Vec<u8>, String> {
    if is_stdin(path) {
        stdin(limit)
    } else {
        files::read_limited(path, limit).map_err(|e| reason(&e))
    }
}

/// All of standard input.
pub fn stdin(limit: u64) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    io::stdin().take(limit + 1).read_to_end(&mut bytes).map_err(|source| reason(&source))?;
    if bytes.len() as u64 > limit {
        return Err(reason(&io::ErrorKind::FileTooLarge.into()));
    }
    Ok(bytes)
}

/// The private file that belongs to a path that may name the public one.
pub fn private_path_of(path: &Path) -> PathBuf {
    let text = path.to_string_lossy();
    for ending in ["-cert.pub", ".pub"] {
        if let Some(stem) = text.strip_suffix(ending) {
            return PathBuf::from(stem.to_owned());
        }
    }
    path.to_owned()
}
