//! Which form a file of a private key has, and what can be read of it without its passphrase.

use crate::error::PrivateKeyError;
use crate::openssh_key::{self, Envelope};
use crate::pem::Pem;
use crate::ppk::{self, Ppk};
use crate::public::PublicKey;
use crate::{algorithms, limits};

/// The public half of a private key file, as far as it can be had without the
/// passphrase: openssh-key-v1 and PPK carry it in the clear, PEM files do not.
///
/// # Errors
/// As [`PrivateKey::parse`](crate::PrivateKey::parse), as far as it gets.
pub fn public_of_private_file(text: &[u8]) -> Result<Option<PublicKey>, PrivateKeyError> {
    if let Some(text) = ppk_text(text)? {
        return Ok(Some(Ppk::parse(text)?.public));
    }
    let pem = armour_of(text)?;
    if pem.label == openssh_key::LABEL {
        Ok(Some(Envelope::parse(&pem.body)?.public))
    } else {
        Ok(None)
    }
}

/// The comment of a private key file where it stands in the clear although the key may be
/// encrypted, as in PuTTY's files.
pub fn comment_of_private_file(text: &[u8]) -> Option<String> {
    Some(Ppk::parse(ppk_text(text).ok()??).ok()?.comment)
}

/// What a private key file is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrivateFileFormat {
    /// openssh-key-v1.
    OpenSsh,
    /// PKCS#1 or SEC 1 in PEM.
    Pem,
    /// PKCS#8 in PEM.
    Pkcs8,
    /// PuTTY's.
    Ppk,
}

/// What a private key file is written in.
///
/// # Errors
/// As [`PrivateKey::parse`](crate::PrivateKey::parse), for what is no private key file at all.
pub fn private_file_format(text: &[u8]) -> Result<PrivateFileFormat, PrivateKeyError> {
    if ppk_text(text)?.is_some() {
        return Ok(PrivateFileFormat::Ppk);
    }
    Ok(match armour_of(text)?.label {
        openssh_key::LABEL => PrivateFileFormat::OpenSsh,
        "PRIVATE KEY" | "ENCRYPTED PRIVATE KEY" => PrivateFileFormat::Pkcs8,
        _ => PrivateFileFormat::Pem,
    })
}

/// The text of a PuTTY key file; `None` for anything else.
pub(super) fn ppk_text(text: &[u8]) -> Result<Option<&str>, PrivateKeyError> {
    if text.len() > limits::PRIVATE_FILE_BYTES {
        return Err(PrivateKeyError::TooLarge);
    }
    let text = std::str::from_utf8(text).map_err(|_| PrivateKeyError::NotAKey)?;
    let text = text.trim_start_matches('\u{feff}').trim_start();
    Ok(text.starts_with(ppk::MAGIC).then_some(text))
}

/// Recognises what people give instead of a private key.
pub(super) fn armour_of(text: &[u8]) -> Result<Pem<'_>, PrivateKeyError> {
    if text.len() > limits::PRIVATE_FILE_BYTES {
        return Err(PrivateKeyError::TooLarge);
    }
    let text = std::str::from_utf8(text).map_err(|_| PrivateKeyError::NotAKey)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let start = text.trim_start();
    let first_word = start.split_whitespace().next().unwrap_or_default();
    if start.starts_with("---- BEGIN SSH2 PUBLIC KEY ----")
        || algorithms::key_algorithm(first_word).is_some()
        || first_word == "ssh-dss"
    {
        return Err(PrivateKeyError::IsPublicKey);
    }
    let pem = Pem::parse(text)?;
    if pem.label.ends_with("PUBLIC KEY") {
        return Err(PrivateKeyError::IsPublicKey);
    }
    Ok(pem)
}
