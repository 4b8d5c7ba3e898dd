//! Telling about keys: `-l` and `-y`.

use std::io::{self, Read};
use std::path::Path;
use std::process::ExitCode;

use keys::{FingerprintHash, PrivateKey, PrivateKeyError, PublicKey};

use super::generate::public_path;
use super::{Failure, Options};
use crate::files;
use crate::messages::debug;
use crate::ui::clean;
use crate::ui::prompt::{self, Place};

/// Largest file of public keys that is read; an authorized_keys file of a big server fits.
const KEYS_FILE_BYTES_MAX: u64 = 64 << 20;

/// `-l`: every key in a file of keys, or the key of a private key file.
pub fn fingerprints(options: &Options) -> Result<ExitCode, Failure> {
    let path = options.file_or_ask("Enter file in which the key is")?;
    let bytes = if path == Path::new("-") {
        let mut bytes = Vec::new();
        io::stdin()
            .take(KEYS_FILE_BYTES_MAX)
            .read_to_end(&mut bytes)
            .map_err(|source| format!("-: {}", crate::text::reason(&source)))?;
        bytes
    } else {
        files::read_limited(&path, KEYS_FILE_BYTES_MAX)
            .map_err(|source| format!("{}: {}", path.display(), crate::text::reason(&source)))?
    };
    if is_private(&bytes) {
        let (public, comment) = public_of(&path, &bytes)?;
        print_one(options, &public, &comment);
        return Ok(ExitCode::SUCCESS);
    }
    let mut found = false;
    for line in String::from_utf8_lossy(&bytes).lines() {
        if let Some((key, comment)) = key_in_line(line) {
            print_one(options, &key, &comment);
            found = true;
        }
    }
    if !found {
        return Err(format!("{} is not a public key file.", path.display()));
    }
    Ok(ExitCode::SUCCESS)
}

/// `-y`: the public line of a private key file.
pub fn public_half(options: &Options) -> Result<ExitCode, Failure> {
    let path = options.file_or_ask("Enter file in which the key is")?;
    check_permissions(&path)?;
    let bytes =
        files::read_limited(&path, keys::limits::PRIVATE_FILE_BYTES as u64).map_err(|source| {
            format!("Load key \"{}\": {}", path.display(), crate::text::reason(&source))
        })?;
    let bytes = zeroize::Zeroizing::new(bytes);
    let key = match PrivateKey::parse(&bytes, None) {
        Err(PrivateKeyError::PassphraseNeeded) => {
            let passphrase = match &options.passphrase {
                Some(passphrase) => passphrase.clone(),
                None => prompt::secret(
                    &format!("Enter passphrase for \"{}\": ", path.display()),
                    Place::StandardInput,
                )
                .unwrap_or_default(),
            };
            PrivateKey::parse(&bytes, Some(passphrase.as_bytes()))
        }
        other => other,
    }
    .map_err(|problem| format!("Load key \"{}\": {problem}", path.display()))?;
    let comment = match key.comment() {
        "" => comment_beside(&path, key.public()).unwrap_or_default(),
        comment => comment.to_owned(),
    };
    println!("{}", key.public().to_line(&clean::visible(&comment)));
    Ok(ExitCode::SUCCESS)
}

/// Prints `bits fingerprint comment (TYPE)`, and the picture at `-v`.
pub fn print_one(options: &Options, key: &PublicKey, comment: &str) {
    let comment = if comment.is_empty() { "no comment" } else { comment };
    println!("{}", one_line(key, comment, options.hash));
    if options.verbose > 0 {
        println!("{}", key.randomart(options.hash));
    }
}

fn one_line(key: &PublicKey, comment: &str, hash: FingerprintHash) -> String {
    let fingerprint = key.fingerprint(hash);
    format!("{} {fingerprint} {} ({})", key.bits(), clean::visible(comment), key.type_label())
}

fn is_private(bytes: &[u8]) -> bool {
    let start = &bytes[..bytes.len().min(4096)];
    String::from_utf8_lossy(start)
        .lines()
        .any(|line| line.trim_start().starts_with("-----BEGIN ") && line.contains("PRIVATE KEY"))
}

/// The public half, from the file itself where it stands in the clear, else from `.pub` beside it.
fn public_of(path: &Path, bytes: &[u8]) -> Result<(PublicKey, String), Failure> {
    let failed = |problem: PrivateKeyError| format!("Load key \"{}\": {problem}", path.display());
    if let Some(public) = keys::public_of_private_file(bytes).map_err(failed)? {
        let comment = comment_beside(path, &public).unwrap_or_else(|| comment_inside(bytes));
        return Ok((public, comment));
    }
    if let Some(found) = line_beside(path) {
        return Ok(found);
    }
    let key = PrivateKey::parse(bytes, None).map_err(failed)?;
    Ok((key.public().clone(), key.comment().to_owned()))
}

/// The comment of a key file that is not encrypted.
fn comment_inside(bytes: &[u8]) -> String {
    PrivateKey::parse(bytes, None).map(|key| key.comment().to_owned()).unwrap_or_default()
}

fn line_beside(path: &Path) -> Option<(PublicKey, String)> {
    let bytes = files::read_limited(&public_path(path), 1 << 20).ok()?;
    PublicKey::from_line(String::from_utf8_lossy(&bytes).lines().next()?).ok()
}

fn comment_beside(path: &Path, key: &PublicKey) -> Option<String> {
    line_beside(path)
        .filter(|(beside, _)| beside.plain() == key.plain())
        .map(|(_, comment)| comment)
}

/// Refuses a private key that others may read, with OpenSSH's warning.
pub fn check_permissions(path: &Path) -> Result<(), Failure> {
    match crate::key_files::too_open(path) {
        None => Ok(()),
        Some(warning) => {
            eprintln!("{warning}");
            Err(format!("Load key \"{}\": bad permissions", path.display()))
        }
    }
}

/// The key in a line of any file of keys: behind the options of authorized_keys or the names and
/// marker of known_hosts. Without a comment, what stands before the key is one.
fn key_in_line(line: &str) -> Option<(PublicKey, String)> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    if let Ok(found) = PublicKey::from_line(line) {
        return Some(found);
    }
    let mut rest = line;
    // The marker and the names, or the options.
    for _ in 0..2 {
        let end = end_of_word(rest);
        let before = &line[..line.len() - rest.len() + end];
        rest = rest.get(end..).unwrap_or_default().trim_start();
        if let Ok((key, comment)) = PublicKey::from_line(rest) {
            let comment = if comment.is_empty() { before.to_owned() } else { comment };
            return Some((key, comment));
        }
    }
    debug!("not a public key: {line}");
    None
}

/// Where the first word ends; blanks in quotes belong to it.
fn end_of_word(text: &str) -> usize {
    let (mut quoted, mut escaped) = (false, false);
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            b' ' | b'\t' if !quoted => return index,
            b'"' if !escaped => quoted = !quoted,
            _ => {}
        }
        escaped = byte == b'\\' && !escaped;
    }
    text.len()
}
