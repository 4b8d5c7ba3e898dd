//! Other programs' formats: `-e` and `-i`.

use std::fs;
use std::process::ExitCode;

use keys::{PrivateKey, PublicKey};
use zeroize::Zeroizing;

use super::save::Format;
use super::{Failure, Options, load};
use crate::text::reason;

/// Largest file that is imported.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Longest comment of an exported key: with its name a line of RFC 4716 has 72 characters.
const COMMENT_BYTES_MAX: usize = 60;

/// `-e`: prints the public half in another format.
pub fn export(options: &Options) -> Result<ExitCode, Failure> {
    let path = options.file_or_ask("Enter file in which the key is")?;
    fs::metadata(&path)
        .map_err(|source| format!("ssh-keygen: {}: {}", path.display(), reason(&source)))?;
    let key = match load::public(&path) {
        Ok((key, _)) => key,
        Err(_) => load::private(options, &path)?.key.public().clone(),
    };
    print!("{}", exported(options, &key)?);
    Ok(ExitCode::SUCCESS)
}

/// A public key in the format that `-m` names.
pub fn exported(options: &Options, key: &PublicKey) -> Result<String, Failure> {
    let text = match options.format.unwrap_or(Format::Rfc4716) {
        Format::Pem => key.to_pkcs1().or_else(|| elliptic(key)),
        Format::Pkcs8 => {
            key.to_spki().filter(|_| key.to_pkcs1().is_some()).or_else(|| elliptic(key))
        }
        Format::Rfc4716 | Format::Ppk => Some(key.to_rfc4716(&export_comment(key), 70)),
    };
    let function = match options.format {
        Some(Format::Pem) => "do_convert_to_pem",
        _ => "do_convert_to_pkcs8",
    };
    text.ok_or_else(|| format!("{function}: unsupported key type {}", key.type_label()).into())
}

/// OpenSSH exports no Ed25519 keys to OpenSSL.
fn elliptic(key: &PublicKey) -> Option<String> {
    matches!(key.data(), keys::KeyData::Ecdsa { .. }).then(|| key.to_spki()).flatten()
}

fn export_comment(key: &PublicKey) -> String {
    let who = super::default_comment();
    let mut comment =
        format!("{}-bit {}, converted by {who} from OpenSSH", key.bits(), key.type_label());
    let mut end = COMMENT_BYTES_MAX.min(comment.len());
    while !comment.is_char_boundary(end) {
        end -= 1;
    }
    comment.truncate(end);
    comment
}

/// `-i`: prints a key in another format as OpenSSH has it.
pub fn import(options: &Options) -> Result<ExitCode, Failure> {
    let path = options.file_or_ask("Enter file in which the key is")?;
    let shown = path.display();
    let bytes = load::bytes(&path, FILE_BYTES_MAX).map_err(|why| format!("{shown}: {why}"))?;
    let bytes = Zeroizing::new(bytes);
    let text = String::from_utf8(bytes.to_vec())
        .map(Zeroizing::new)
        .map_err(|_| format!("{shown}: it is not text"))?;
    let failed = |problem: &dyn std::fmt::Display| Failure::Fatal(format!("{shown}: {problem}"));
    match options.format {
        Some(Format::Pem | Format::Pkcs8) => {
            let key = PublicKey::from_pem(&text).map_err(|problem| failed(&problem))?;
            println!("{}", key.to_line(""));
        }
        Some(Format::Rfc4716 | Format::Ppk) | None => print_foreign(&text, &failed, options)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// RFC 4716's public keys, ssh.com's private ones, and PuTTY's, whichever it is.
fn print_foreign(
    text: &str,
    failed: &dyn Fn(&dyn std::fmt::Display) -> Failure,
    options: &Options,
) -> Result<(), Failure> {
    if text.contains("---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----") {
        let key = PrivateKey::from_ssh_com(text).map_err(|problem| failed(&problem))?;
        let pem = key.to_pem(None).map_err(|problem| failed(&problem))?;
        print!("{}", pem.ok_or_else(|| failed(&"its algorithm is not known"))?.as_str());
    } else if text.trim_start().starts_with("PuTTY-User-Key-File-") {
        let passphrase = options.passphrase.as_ref().map(|passphrase| passphrase.as_bytes());
        let key =
            PrivateKey::parse(text.as_bytes(), passphrase).map_err(|problem| failed(&problem))?;
        print!("{}", save_plain(options, &key)?.as_str());
    } else {
        let (key, _) = PublicKey::from_rfc4716(text).map_err(|problem| failed(&problem))?;
        println!("{}", key.to_line(""));
    }
    Ok(())
}

/// In OpenSSH's format with the passphrase of `-N`.
fn save_plain(options: &Options, key: &PrivateKey) -> Result<Zeroizing<String>, Failure> {
    let new = options.new_passphrase.as_ref().map_or("", |new| new.as_str());
    super::save::private_text(options, key, new, None)
}
