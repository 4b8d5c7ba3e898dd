//! Telling about keys: `-l`, `-B` and `-y`.

use std::path::Path;
use std::process::ExitCode;

use keys::{FingerprintHash, PrivateKey, PrivateKeyError, PublicKey};
use zeroize::Zeroizing;

use super::load::{self, KEYS_FILE_BYTES_MAX, beside};
use super::options::is_stdin;
use super::{Failure, Options};
use crate::messages::debug;
use crate::ui::clean;

/// `-l` and `-B`: every key in a file of keys, or the key of a private key file.
pub fn fingerprints(options: &Options) -> Result<ExitCode, Failure> {
    let path = options.file_or_ask("Enter file in which the key is")?;
    let shown = if is_stdin(&path) { "(stdin)".to_owned() } else { path.display().to_string() };
    let bytes = load::bytes(&path, KEYS_FILE_BYTES_MAX)
        .map_err(|why| format!("ssh-keygen: {shown}: {why}"))?;
    let bytes = Zeroizing::new(bytes);
    if is_private(&bytes) {
        let (public, comment) = public_of(&path, &bytes)?;
        print_one(options, &public, &comment);
        return Ok(ExitCode::SUCCESS);
    }
    let text = String::from_utf8_lossy(&bytes);
    let mut found = false;
    for line in text.lines() {
        if let Some((key, comment)) = key_in_line(line) {
            print_one(options, &key, &comment);
            found = true;
        }
    }
    if !found && let Some((key, comment)) = foreign(&text) {
        print_one(options, &key, &comment);
        found = true;
    }
    if !found {
        return Err(format!("{shown} is not a public key file.").into());
    }
    Ok(ExitCode::SUCCESS)
}

/// A public key of RFC 4716 or in PEM.
fn foreign(text: &str) -> Option<(PublicKey, String)> {
    PublicKey::from_rfc4716(text)
        .ok()
        .or_else(|| Some((PublicKey::from_pem(text).ok()?, String::new())))
}

/// `-y`: the public line of a private key file.
pub fn public_half(options: &Options) -> Result<ExitCode, Failure> {
    let path = options.file_or_ask("Enter file in which the key is")?;
    std::fs::metadata(&path)
        .map_err(|source| format!("{}: {}", path.display(), crate::text::reason(&source)))?;
    let key = load::private(options, &path)?.key;
    println!("{}", key.public().plain().to_line(&clean::visible(key.comment())));
    Ok(ExitCode::SUCCESS)
}

/// Prints `bits fingerprint comment (TYPE)`, and the picture at `-v`.
pub fn print_one(options: &Options, key: &PublicKey, comment: &str) {
    let comment = if comment.is_empty() { "no comment" } else { comment };
    if options.bubble_babble {
        let (bits, label, text) = (key.bits(), key.type_label(), key.bubble_babble());
        println!("{bits} {text} {} ({label})", clean::visible(comment));
        if options.verbose > 0 {
            println!("{}", key.randomart(options.hash));
        }
        return;
    }
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
    String::from_utf8_lossy(start).lines().map(str::trim_start).any(|line| {
        line.starts_with("-----BEGIN ") && line.contains("PRIVATE KEY")
            || line.starts_with("PuTTY-User-Key-File-")
    })
}

/// The public half, from the file itself where it stands in the clear, else from `.pub` beside it.
fn public_of(path: &Path, bytes: &[u8]) -> Result<(PublicKey, String), Failure> {
    let failed = |problem: PrivateKeyError| {
        Failure::Fatal(format!("Load key \"{}\": {problem}", path.display()))
    };
    if let Some(public) = keys::public_of_private_file(bytes).map_err(failed)? {
        let comment = beside(path)
            .filter(|(key, _)| key.plain() == public.plain())
            .map_or_else(|| comment_inside(bytes), |(_, comment)| comment);
        return Ok((public, comment));
    }
    if let Some(found) = beside(path) {
        return Ok(found);
    }
    let key = PrivateKey::parse(bytes, None).map_err(failed)?;
    Ok((key.public().clone(), key.comment().to_owned()))
}

/// The comment in a key file, as far as it is not encrypted.
fn comment_inside(bytes: &[u8]) -> String {
    keys::comment_of_private_file(bytes)
        .or_else(|| Some(PrivateKey::parse(bytes, None).ok()?.comment().to_owned()))
        .unwrap_or_default()
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
