//! Keys from a passphrase, by either version.

use argon2::{Algorithm, Argon2, Params, Version};
use crypto::hash::HashAlgorithm;
use zeroize::Zeroizing;

use crate::error::PrivateKeyError;
use crate::limits;

/// Of the salt that is written.
pub(super) const SALT_BYTES: usize = 16;

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
    pub(super) const ALL: [Self; 3] = [Self::Argon2id, Self::Argon2i, Self::Argon2d];

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

/// Keys for decryption and for the MAC; empty without encryption.
#[derive(Default)]
pub(super) struct Keys {
    pub(super) cipher: Zeroizing<Vec<u8>>,
    pub(super) iv: Zeroizing<Vec<u8>>,
    pub(super) mac: Zeroizing<Vec<u8>>,
}

pub(super) fn mac_hash(version: u32) -> HashAlgorithm {
    if version == 2 { HashAlgorithm::Sha1 } else { HashAlgorithm::Sha256 }
}

pub(super) fn plain_keys(version: u32) -> Keys {
    if version == 2 { Keys { mac: v2_mac_key(b""), ..Keys::default() } } else { Keys::default() }
}

fn v2_mac_key(passphrase: &[u8]) -> Zeroizing<Vec<u8>> {
    let digest = HashAlgorithm::Sha1.digest(&[b"putty-private-key-file-mac-key", passphrase]);
    Zeroizing::new(digest.as_ref().to_vec())
}

pub(super) fn derive_v2(passphrase: &[u8]) -> Keys {
    let mut cipher = Zeroizing::new(Vec::with_capacity(40));
    for counter in [0u32, 1] {
        let digest = HashAlgorithm::Sha1.digest(&[&counter.to_be_bytes(), passphrase]);
        cipher.extend_from_slice(digest.as_ref());
    }
    cipher.truncate(32);
    Keys { cipher, iv: Zeroizing::new(vec![0; 16]), mac: v2_mac_key(passphrase) }
}

pub(super) fn derive(
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
