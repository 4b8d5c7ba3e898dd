//! Keys in files.

use std::path::Path;

use keys::{KeyType, PrivateKey, PrivateKeyError, PublicKey};
use zeroize::Zeroizing;

use super::Identity;
use crate::messages::{debug, debug2, error, info};
use crate::ui::prompt::{self, Place};
use crate::{files, key_files, text};

/// Largest public key file that is read.
const PUBLIC_FILE_BYTES_MAX: u64 = 1 << 20;

pub(super) fn push_file(list: &mut Vec<Identity>, name: &str, explicit: bool) {
    let path = Path::new(name);
    let public = public_of(path);
    debug!("identity file {name} type {}", type_number(public.as_ref()));
    if public.is_some() || path.exists() || explicit {
        list.push(Identity::new(name.to_owned(), public, Some(path.to_owned()), explicit));
    }
    let mut certificate = path.as_os_str().to_owned();
    certificate.push("-cert");
    push_certificate(list, Path::new(&certificate), Some(path), explicit);
}

pub(super) fn push_certificate(
    list: &mut Vec<Identity>,
    path: &Path,
    private: Option<&Path>,
    explicit: bool,
) {
    let public = public_of(path).filter(|public| public.certificate().is_some());
    debug!("identity file {} type {}", path.display(), type_number(public.as_ref()));
    let Some(public) = public else { return };
    if public.certificate().is_some_and(|c| c.kind != keys::CertificateKind::User) {
        debug!("ignoring {}: not a user certificate", path.display());
        return;
    }
    let private = private.map(Path::to_owned);
    list.push(Identity::new(path.display().to_string(), Some(public), private, explicit));
}

/// The public half: the file itself, `.pub` beside it, or inside the private key.
pub fn public_of(path: &Path) -> Option<PublicKey> {
    let limit = PUBLIC_FILE_BYTES_MAX;
    let own = files::read_limited(path, limit).ok().map(Zeroizing::new);
    let first_line = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        let line = text.lines().find(|line| !line.trim().is_empty() && !line.starts_with('#'))?;
        Some(PublicKey::from_line(line).ok()?.0)
    };
    if let Some(key) = own.as_ref().and_then(|bytes| first_line(bytes)) {
        return Some(key);
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(".pub");
    if let Ok(bytes) = files::read_limited(Path::new(&beside), limit)
        && let Some(key) = first_line(&bytes)
    {
        return Some(key);
    }
    own.and_then(|bytes| keys::public_of_private_file(&bytes).ok().flatten())
}

/// Reads a private key, asking for its passphrase where it has one.
pub(super) fn read_private(
    identity: &Identity,
    prompts: u32,
    batch_mode: bool,
) -> Result<PrivateKey, String> {
    let path = identity.file.as_ref().ok_or("its private key is not at hand")?;
    let shown = path.display();
    if let Some(warning) = key_files::too_open(path) {
        for line in warning.lines() {
            error!("{line}");
        }
        error!("Load key \"{shown}\": bad permissions");
        return Err("others can read the file (chmod 600 it)".to_owned());
    }
    let limit = keys::limits::PRIVATE_FILE_BYTES as u64;
    let bytes = match files::read_limited(path, limit) {
        Ok(bytes) => Zeroizing::new(bytes),
        Err(source) => {
            let why = text::reason(&source);
            if identity.explicit {
                info!("no such identity: {shown}: {why}");
            } else {
                debug!("no such identity: {shown}: {why}");
            }
            return Err(format!("cannot be read: {why}"));
        }
    };
    match PrivateKey::parse(&bytes, None) {
        Ok(private) => return Ok(private),
        Err(PrivateKeyError::PassphraseNeeded) => {}
        Err(problem) => {
            error!("Load key \"{shown}\": {problem}");
            return Err(problem.to_string());
        }
    }
    if batch_mode {
        return Err("it needs its passphrase, and BatchMode forbids asking".to_owned());
    }
    let question = format!("Enter passphrase for key '{shown}': ");
    for _ in 0..prompts {
        let passphrase = prompt::secret(&question, Place::Terminal).unwrap_or_default();
        if passphrase.is_empty() {
            debug2!("no passphrase given, try next key");
            return Err("no passphrase was given".to_owned());
        }
        match PrivateKey::parse(&bytes, Some(passphrase.as_bytes())) {
            Ok(private) => return Ok(private),
            Err(PrivateKeyError::WrongPassphrase) => {
                debug2!("bad passphrase given, try again...");
            }
            Err(problem) => {
                error!("Load key \"{shown}\": {problem}");
                return Err(problem.to_string());
            }
        }
    }
    Err("the passphrase was wrong".to_owned())
}

/// OpenSSH's number of a key type, which its `-v` prints.
fn type_number(key: Option<&PublicKey>) -> i32 {
    let Some(key) = key else { return -1 };
    let plain = match key.key_type() {
        KeyType::Rsa => 0,
        KeyType::EcdsaNistP256 | KeyType::EcdsaNistP384 | KeyType::EcdsaNistP521 => 2,
        KeyType::Ed25519 => 3,
        KeyType::SkEcdsa => 10,
        KeyType::SkEd25519 => 12,
    };
    match (key.certificate().is_some(), plain) {
        (false, plain) => plain,
        (true, 0) => 4,
        (true, 2) => 6,
        (true, 3) => 7,
        (true, plain) => plain + 1,
    }
}
