//! PuTTY's key files, versions 2 and 3. PuTTY manual, appendix C.

use std::fmt::Write as _;

use argon2::{Algorithm, Argon2, Params, Version};
use crypto::hash::{HashAlgorithm, hmac};
use crypto::sign::{SecretKey, SecretParts};
use crypto::symmetric::crypt_key_file;
use wire::{Reader, Writer};
use zeroize::Zeroizing;

use crate::error::{Error, PrivateKeyError, printable};
use crate::pem::put_lines;
use crate::pkcs::hexadecimal;
use crate::public::{KeyData, PublicKey};
use crate::{base64, limits};

/// What every file begins with.
pub(crate) const MAGIC: &str = "PuTTY-User-Key-File-";
/// Characters in a line.
const WIDTH: usize = 64;
/// Of the salt that is written.
const SALT_BYTES: usize = 16;

/// How a new file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PpkFormat {
    /// PuTTY up to 0.74: SHA-1 throughout, and a passphrase that is quickly guessed.
    V2,
    /// PuTTY 0.75 and later.
    V3(PpkDerivation),
}

/// How version 3 makes a key of a passphrase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PpkDerivation {
    /// Which Argon2.
    pub flavour: PpkFlavour,
    /// Memory it fills, in KiB.
    pub memory_kib: u32,
    /// How often it goes over it.
    pub passes: u32,
    /// How many lanes it has.
    pub parallelism: u32,
}

/// The kinds of Argon2. RFC 9106.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PpkFlavour {
    /// Both of the others in one.
    Argon2id,
    /// Independent of the passphrase in what memory it touches.
    Argon2i,
    /// Dependent on it.
    Argon2d,
}

impl PpkFlavour {
    const ALL: [Self; 3] = [Self::Argon2id, Self::Argon2i, Self::Argon2d];

    /// By the name in the file, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|flavour| flavour.name().eq_ignore_ascii_case(name))
    }

    /// As it stands in the file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Argon2id => "Argon2id",
            Self::Argon2i => "Argon2i",
            Self::Argon2d => "Argon2d",
        }
    }

    fn algorithm(self) -> Algorithm {
        match self {
            Self::Argon2id => Algorithm::Argon2id,
            Self::Argon2i => Algorithm::Argon2i,
            Self::Argon2d => Algorithm::Argon2d,
        }
    }
}

impl Default for PpkDerivation {
    /// PuTTY's memory, and about as many passes as it takes in its tenth of a second.
    fn default() -> Self {
        Self { flavour: PpkFlavour::Argon2id, memory_kib: 8192, passes: 13, parallelism: 1 }
    }
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

/// Keys for decryption and for the MAC; empty without encryption.
#[derive(Default)]
struct Keys {
    cipher: Zeroizing<Vec<u8>>,
    iv: Zeroizing<Vec<u8>>,
    mac: Zeroizing<Vec<u8>>,
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

fn mac_hash(version: u32) -> HashAlgorithm {
    if version == 2 { HashAlgorithm::Sha1 } else { HashAlgorithm::Sha256 }
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

fn plain_keys(version: u32) -> Keys {
    if version == 2 { Keys { mac: v2_mac_key(b""), ..Keys::default() } } else { Keys::default() }
}

fn v2_mac_key(passphrase: &[u8]) -> Zeroizing<Vec<u8>> {
    let digest = HashAlgorithm::Sha1.digest(&[b"putty-private-key-file-mac-key", passphrase]);
    Zeroizing::new(digest.as_ref().to_vec())
}

fn derive_v2(passphrase: &[u8]) -> Keys {
    let mut cipher = Zeroizing::new(Vec::with_capacity(40));
    for counter in [0u32, 1] {
        let digest = HashAlgorithm::Sha1.digest(&[&counter.to_be_bytes(), passphrase]);
        cipher.extend_from_slice(digest.as_ref());
    }
    cipher.truncate(32);
    Keys { cipher, iv: Zeroizing::new(vec![0; 16]), mac: v2_mac_key(passphrase) }
}

fn derive(
    derivation: &PpkDerivation,
    salt: &[u8],
    passphrase: &[u8],
) -> Result<Keys, PrivateKeyError> {
    let bad = || PrivateKeyError::Damaged("the Argon2 parameters are out of range");
    if derivation.memory_kib > limits::ARGON2_MEMORY_KIB
        || u64::from(derivation.passes) * u64::from(derivation.memory_kib) > limits::ARGON2_WORK_KIB
    {
        return Err(bad());
    }
    let params =
        Params::new(derivation.memory_kib, derivation.passes, derivation.parallelism, Some(80))
            .map_err(|_| bad())?;
    let argon2 = Argon2::new(derivation.flavour.algorithm(), Version::V0x13, params);
    let mut key = Zeroizing::new([0; 80]);
    argon2.hash_password_into(passphrase, salt, &mut *key).map_err(|_| bad())?;
    Ok(Keys {
        cipher: Zeroizing::new(key[..32].to_vec()),
        iv: Zeroizing::new(key[32..48].to_vec()),
        mac: Zeroizing::new(key[48..].to_vec()),
    })
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

/// Takes lines off the front. Line ends are of Unix, Windows or old Macs.
struct Lines<'a>(&'a str);

impl<'a> Lines<'a> {
    fn next(&mut self) -> Result<&'a str, PrivateKeyError> {
        if self.0.is_empty() {
            return Err(PrivateKeyError::Truncated);
        }
        let end = self.0.find(['\r', '\n']).unwrap_or(self.0.len());
        let (line, rest) = self.0.split_at(end);
        self.0 = rest.strip_prefix("\r\n").or_else(|| rest.get(1..)).unwrap_or_default();
        Ok(line)
    }

    fn header(&mut self) -> Result<(&'a str, &'a str), PrivateKeyError> {
        let line = self.next()?;
        line.split_once(": ")
            .or_else(|| line.strip_suffix(':').map(|name| (name, "")))
            .ok_or(PrivateKeyError::Damaged("a header is malformed"))
    }

    fn value(&mut self, name: &str) -> Result<&'a str, PrivateKeyError> {
        match self.header()? {
            (found, value) if found == name => Ok(value),
            _ => Err(PrivateKeyError::Damaged("a header is missing")),
        }
    }

    fn number(&mut self, name: &str) -> Result<u32, PrivateKeyError> {
        let value = self.value(name)?;
        value.parse().map_err(|_| PrivateKeyError::Damaged("a number is malformed"))
    }

    fn block(&mut self, name: &str) -> Result<Zeroizing<Vec<u8>>, PrivateKeyError> {
        let count = self.number(name)?;
        let mut joined = Zeroizing::new(String::with_capacity(self.0.len()));
        for _ in 0..count {
            joined.push_str(self.next()?.trim_end());
        }
        base64::decode(joined.as_bytes())
            .map(Zeroizing::new)
            .ok_or(PrivateKeyError::Damaged("the text is not base64"))
    }

    fn derivation(&mut self) -> Result<(PpkDerivation, Vec<u8>), PrivateKeyError> {
        let name = self.value("Key-Derivation")?;
        let flavour = PpkFlavour::from_name(name)
            .ok_or_else(|| PrivateKeyError::UnknownDerivation(printable(name.as_bytes())))?;
        let derivation = PpkDerivation {
            flavour,
            memory_kib: self.number("Argon2-Memory")?,
            passes: self.number("Argon2-Passes")?,
            parallelism: self.number("Argon2-Parallelism")?,
        };
        let salt = hexadecimal(self.value("Argon2-Salt")?)
            .ok_or(PrivateKeyError::Damaged("the salt is not hexadecimal"))?;
        Ok((derivation, salt))
    }
}

#[cfg(test)]
mod tests;
