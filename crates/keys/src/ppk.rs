//! PuTTY's key files, versions 2 and 3. PuTTY manual, appendix C.

mod derivation;
mod lines;

use std::fmt::Write as _;

use crypto::hash::{HashAlgorithm, hmac};
use crypto::sign::{SecretKey, SecretParts};
use crypto::symmetric::crypt_key_file;
use wire::{Reader, Writer};
use zeroize::Zeroizing;

use self::derivation::{SALT_BYTES, derive, derive_v2, mac_hash, plain_keys};
use self::lines::Lines;
use crate::base64;
use crate::error::{Error, PrivateKeyError, printable};
use crate::pem::put_lines;
use crate::pkcs::hexadecimal;
use crate::public::{KeyData, PublicKey};

pub use self::derivation::{PpkDerivation, PpkFlavour};

/// What every file begins with.
pub(crate) const MAGIC: &str = "PuTTY-User-Key-File-";
/// Characters in a line.
const WIDTH: usize = 64;

/// How a new file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PpkFormat {
    /// PuTTY up to 0.74: SHA-1 throughout, and a passphrase that is quickly guessed.
    V2,
    /// PuTTY 0.75 and later.
    V3(PpkDerivation),
}

impl Default for PpkFormat {
    fn default() -> Self {
        Self::V3(PpkDerivation::default())
    }
}

/// A file taken apart, not yet decrypted.
pub(crate) struct Ppk {
    version: u32,
    algorithm: String,
    encryption: &'static str,
    pub(crate) comment: String,
    pub(crate) public: PublicKey,
    derivation: Option<(PpkDerivation, Vec<u8>)>,
    private: Zeroizing<Vec<u8>>,
    mac: Vec<u8>,
}

impl Ppk {
    pub(crate) fn parse(text: &str) -> Result<Self, PrivateKeyError> {
        let mut lines = Lines(text);
        let (first, algorithm) = lines.header()?;
        let version = match first.strip_prefix(MAGIC) {
            Some("2") => 2,
            Some("3") => 3,
            Some(_) => return Err(PrivateKeyError::Unsupported("a PuTTY key of another version")),
            None => return Err(PrivateKeyError::NotAKey),
        };
        if algorithm == "ssh-dss" {
            return Err(Error::Dsa.into());
        }
        let encryption = match lines.value("Encryption")? {
            "none" => "none",
            "aes256-cbc" => "aes256-cbc",
            other => return Err(PrivateKeyError::UnknownCipher(printable(other.as_bytes()))),
        };
        let comment = lines.value("Comment")?.to_owned();
        let public = PublicKey::from_blob(&lines.block("Public-Lines")?)?;
        if public.algorithm() != algorithm {
            return Err(PrivateKeyError::Mismatch);
        }
        let derivation = match encryption {
            "aes256-cbc" if version == 3 => Some(lines.derivation()?),
            _ => None,
        };
        let private = lines.block("Private-Lines")?;
        let mac = hexadecimal(lines.value("Private-MAC")?)
            .ok_or(PrivateKeyError::Damaged("the MAC is not hexadecimal"))?;
        let algorithm = algorithm.to_owned();
        Ok(Self { version, algorithm, encryption, comment, public, derivation, private, mac })
    }

    pub(crate) fn open(
        self,
        passphrase: Option<&[u8]>,
    ) -> Result<(PublicKey, String, SecretKey), PrivateKeyError> {
        let encrypted = self.encryption != "none";
        let keys = match (encrypted, passphrase) {
            (false, _) => plain_keys(self.version),
            (true, None) => return Err(PrivateKeyError::PassphraseNeeded),
            (true, Some(passphrase)) => match &self.derivation {
                Some((derivation, salt)) => derive(derivation, salt, passphrase)?,
                None => derive_v2(passphrase),
            },
        };
        let plain = if encrypted {
            if !self.private.len().is_multiple_of(16) {
                return Err(PrivateKeyError::Damaged("the private part has an odd length"));
            }
            crypt_key_file("aes256-cbc", &keys.cipher, &keys.iv, &self.private, false)?
        } else {
            self.private
        };
        let hash = mac_hash(self.version);
        let fields =
            mac_fields(&self.algorithm, self.encryption, &self.comment, self.public.blob(), &plain);
        if !crypto::constant_time::equal(hmac(hash, &keys.mac, &[&fields]).as_ref(), &self.mac) {
            return Err(if encrypted {
                PrivateKeyError::WrongPassphrase
            } else {
                PrivateKeyError::Damaged("its MAC is wrong")
            });
        }
        let secret = decode_private(self.public.data(), &plain)?;
        Ok((self.public, self.comment, secret))
    }
}

/// Writes the whole file; an empty passphrase is none.
pub(crate) fn write(
    public: &PublicKey,
    comment: &str,
    secret: &SecretKey,
    passphrase: Option<&[u8]>,
    format: PpkFormat,
) -> Result<Zeroizing<String>, Error> {
    let passphrase = passphrase.filter(|passphrase| !passphrase.is_empty());
    let version = match format {
        PpkFormat::V2 => 2,
        PpkFormat::V3(_) => 3,
    };
    // One line is one line.
    let comment: String =
        comment.chars().map(|c| if c == '\n' || c == '\r' { ' ' } else { c }).collect();
    let algorithm = public.algorithm();
    let encryption = if passphrase.is_some() { "aes256-cbc" } else { "none" };
    let mut private = encode_private(secret)?;
    let mut text = Zeroizing::new(String::with_capacity(8192));
    put(
        &mut text,
        format_args!(
            "{MAGIC}{version}: {algorithm}\nEncryption: {encryption}\nComment: {comment}\n"
        ),
    );
    put_block(&mut text, "Public-Lines", public.blob());
    let keys = match (passphrase, format) {
        (None, _) => plain_keys(version),
        (Some(passphrase), PpkFormat::V2) => derive_v2(passphrase),
        (Some(passphrase), PpkFormat::V3(derivation)) => {
            let mut salt = [0; SALT_BYTES];
            crypto::random::fill(&mut salt);
            put(
                &mut text,
                format_args!(
                    "Key-Derivation: {}\nArgon2-Memory: {}\nArgon2-Passes: {}\n\
                 Argon2-Parallelism: {}\nArgon2-Salt: {}\n",
                    derivation.flavour.name(),
                    derivation.memory_kib,
                    derivation.passes,
                    derivation.parallelism,
                    hex(&salt)
                ),
            );
            derive(&derivation, &salt, passphrase)
                .map_err(|_| Error::InvalidKey("the Argon2 parameters are out of range"))?
        }
    };
    if passphrase.is_some() {
        // Padded with its own hash, so that the padding tells nothing.
        let padding = private.len().next_multiple_of(16) - private.len();
        let digest = HashAlgorithm::Sha1.digest(&[&private]);
        private.extend(digest.as_ref().iter().take(padding));
    }
    let fields = mac_fields(algorithm, encryption, &comment, public.blob(), &private);
    let mac = hmac(mac_hash(version), &keys.mac, &[&fields]);
    if passphrase.is_some() {
        private = crypt_key_file("aes256-cbc", &keys.cipher, &keys.iv, &private, true)?;
    }
    put_block(&mut text, "Private-Lines", &private);
    put(&mut text, format_args!("Private-MAC: {}\n", hex(mac.as_ref())));
    Ok(text)
}

/// Appends without a copy beside.
fn put(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = text.write_fmt(arguments);
}

fn put_block(text: &mut String, name: &str, bytes: &[u8]) {
    let encoded = Zeroizing::new(base64::encode(bytes));
    put(text, format_args!("{name}: {}\n", encoded.len().div_ceil(WIDTH)));
    put_lines(text, &encoded, WIDTH);
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, octet| {
        put(&mut text, format_args!("{octet:02x}"));
        text
    })
}

fn mac_fields(
    algorithm: &str,
    encryption: &str,
    comment: &str,
    public: &[u8],
    private: &[u8],
) -> Zeroizing<Vec<u8>> {
    let len = algorithm.len() + encryption.len() + comment.len() + public.len() + private.len();
    let mut fields = Zeroizing::new(Vec::with_capacity(len + 20));
    for field in [algorithm.as_bytes(), encryption.as_bytes(), comment.as_bytes(), public, private]
    {
        fields.put_string(field);
    }
    fields
}

fn decode_private(public: &KeyData, plain: &[u8]) -> Result<SecretKey, PrivateKeyError> {
    let mut reader = Reader::new(plain);
    let secret = match public {
        KeyData::Rsa { e, n } => {
            let (d, p, q, iqmp) =
                (reader.mpint()?, reader.mpint()?, reader.mpint()?, reader.mpint()?);
            SecretKey::rsa_from_parts(
                n,
                e,
                d.magnitude(),
                iqmp.magnitude(),
                p.magnitude(),
                q.magnitude(),
            )
        }
        KeyData::Ecdsa { curve, point } => {
            SecretKey::ecdsa_from_scalar(*curve, reader.mpint()?.magnitude(), point)
        }
        KeyData::Ed25519 { public } => {
            let seed = reader
                .string()?
                .try_into()
                .map_err(|_| PrivateKeyError::Damaged("private key length"))?;
            let secret = SecretKey::ed25519_from_seed(seed)?;
            if !matches!(secret.public(), crypto::sign::PublicParts::Ed25519(own) if own == *public)
            {
                return Err(PrivateKeyError::Mismatch);
            }
            Ok(secret)
        }
        KeyData::SkEd25519 { .. } | KeyData::SkEcdsa { .. } => {
            return Err(PrivateKeyError::Unsupported("a PuTTY key of a security key"));
        }
    };
    secret.map_err(|_| PrivateKeyError::Mismatch)
}

fn encode_private(secret: &SecretKey) -> Result<Zeroizing<Vec<u8>>, Error> {
    let mut out = Zeroizing::new(Vec::with_capacity(16 * 1024));
    match secret.parts()? {
        SecretParts::Rsa { d, iqmp, p, q } => {
            for number in [d, p, q, iqmp] {
                out.put_mpint(&number);
            }
        }
        SecretParts::Ecdsa(scalar) => out.put_mpint(&scalar),
        SecretParts::Ed25519(seed) => out.put_string(&*seed),
    }
    Ok(out)
}

#[cfg(test)]
mod tests;
