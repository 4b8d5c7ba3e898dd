//! Writing keys to files: never half, never readable by others.

use std::io;
use std::path::Path;

use keys::{PpkFormat, PrivateFileFormat, PrivateKey, PublicKey, limits};
use zeroize::Zeroizing;

use super::{Failure, Options};
use crate::files;
use crate::sys::signals;
use crate::text::reason;

/// Shortest passphrase that OpenSSL's formats take.
const PEM_PASSPHRASE_MIN: usize = 5;

/// What `-m` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `RFC4716`: public keys so, private ones in OpenSSH's own format.
    Rfc4716,
    /// `PKCS8`
    Pkcs8,
    /// `PEM`
    Pem,
    /// PuTTY's, in which a file stays when it is changed.
    Ppk,
}

impl Format {
    /// By the name that `-m` takes, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        match name.to_ascii_uppercase().as_str() {
            "RFC4716" | "SSH2" => Some(Self::Rfc4716),
            "PKCS8" => Some(Self::Pkcs8),
            "PEM" => Some(Self::Pem),
            _ => None,
        }
    }
}

/// The text of a private key file, as `-m`, `-a` and `-Z` say, or as the file was that it
/// replaces.
pub fn private_text(
    options: &Options,
    key: &PrivateKey,
    passphrase: &str,
    before: Option<PrivateFileFormat>,
) -> Result<Zeroizing<String>, Failure> {
    let secret = (!passphrase.is_empty()).then_some(passphrase.as_bytes());
    let was_ppk = before == Some(PrivateFileFormat::Ppk);
    let format = options.format.or(was_ppk.then_some(Format::Ppk));
    let failed = |problem: keys::Error| -> Failure {
        format!("the key cannot be written: {problem}").into()
    };
    let text = match format {
        Some(Format::Pem | Format::Pkcs8) if is_short(secret) => {
            return Err("passphrase is too short (minimum five characters)".into());
        }
        Some(Format::Pem) => key.to_pem(secret).map_err(failed)?,
        // Ed25519 has a form in PKCS#8, but OpenSSH would not read it back.
        Some(Format::Pkcs8) if key.to_pem(None).map_err(failed)?.is_none() => None,
        Some(Format::Pkcs8) => key.to_pkcs8(secret).map_err(failed)?,
        Some(Format::Ppk) => Some(key.to_ppk(secret, PpkFormat::default()).map_err(failed)?),
        Some(Format::Rfc4716) | None => None,
    };
    if let Some(text) = text {
        return Ok(text);
    }
    let rounds = options.rounds.unwrap_or(limits::BCRYPT_ROUNDS_DEFAULT);
    match &options.cipher {
        None => key.to_openssh(secret, rounds),
        Some(cipher) => key.to_openssh_with(secret, rounds, cipher),
    }
    .map_err(failed)
}

/// Says that a key was not saved.
pub fn failed(path: &Path, failure: Failure) -> Failure {
    match failure {
        Failure::Fatal(why) => {
            eprintln!("Saving key \"{}\" failed: {why}", path.display());
            Failure::Code(1)
        }
        other => other,
    }
}

fn is_short(secret: Option<&[u8]>) -> bool {
    secret.is_some_and(|secret| secret.len() < PEM_PASSPHRASE_MIN)
}

/// Writes a new private key file. Whatever modes or links an old file of that name had are not
/// for the new key.
pub fn new_private(path: &Path, text: &str) -> io::Result<()> {
    let _held = signals::hold();
    files::replace_as(path, text.as_bytes(), 0o600)
}

/// Writes a changed private key file where the old one is.
pub fn changed_private(path: &Path, text: &str) -> Result<(), Failure> {
    let _held = signals::hold();
    files::replace(path, text.as_bytes(), 0o600).map_err(|source| {
        eprintln!("Saving key \"{}\" failed: {}", path.display(), reason(&source));
        Failure::Code(1)
    })
}

/// Writes a public key file or a certificate.
pub fn public(path: &Path, key: &PublicKey, comment: &str) -> Result<(), Failure> {
    let _held = signals::hold();
    let line = format!("{}\n", key.to_line(comment));
    files::replace_as(path, line.as_bytes(), 0o644).map_err(|source| {
        format!("Unable to save public key to {}: {}", path.display(), reason(&source)).into()
    })
}
