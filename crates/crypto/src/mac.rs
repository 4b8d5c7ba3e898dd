//! Message authentication codes of packets. RFC 4253 §6.4.

use aws_lc_rs::hmac;

use crate::{Error, constant_time};

/// A MAC, as negotiated for one direction beside a cipher that needs one.
#[derive(Debug)]
pub struct MacAlgorithm {
    /// The name that is negotiated.
    pub name: &'static str,
    /// The length of its key.
    pub key_len: usize,
    /// The length of what it appends to each packet.
    pub tag_len: usize,
    /// Whether it covers the encrypted packet and leaves the length in the
    /// clear, rather than the plain packet.
    pub etm: bool,
    hash: fn() -> hmac::Algorithm,
}

impl MacAlgorithm {
    pub(crate) fn key(&self, key: &[u8]) -> Result<MacKey, Error> {
        if key.len() != self.key_len {
            return Err(Error::BadLength);
        }
        Ok(MacKey { key: hmac::Key::new((self.hash)(), key), tag_len: self.tag_len })
    }
}

pub(crate) static HMAC_SHA2_256_ETM: MacAlgorithm =
    hmac_sha2_256("hmac-sha2-256-etm@openssh.com", true);
pub(crate) static HMAC_SHA2_512_ETM: MacAlgorithm =
    hmac_sha2_512("hmac-sha2-512-etm@openssh.com", true);
pub(crate) static HMAC_SHA2_256: MacAlgorithm = hmac_sha2_256("hmac-sha2-256", false);
pub(crate) static HMAC_SHA2_512: MacAlgorithm = hmac_sha2_512("hmac-sha2-512", false);
pub(crate) static HMAC_SHA1_ETM: MacAlgorithm = hmac_sha1("hmac-sha1-etm@openssh.com", true);
pub(crate) static HMAC_SHA1: MacAlgorithm = hmac_sha1("hmac-sha1", false);

const fn hmac_sha2_256(name: &'static str, etm: bool) -> MacAlgorithm {
    MacAlgorithm { name, key_len: 32, tag_len: 32, etm, hash: || hmac::HMAC_SHA256 }
}

const fn hmac_sha2_512(name: &'static str, etm: bool) -> MacAlgorithm {
    MacAlgorithm { name, key_len: 64, tag_len: 64, etm, hash: || hmac::HMAC_SHA512 }
}

const fn hmac_sha1(name: &'static str, etm: bool) -> MacAlgorithm {
    let hash = || hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY;
    MacAlgorithm { name, key_len: 20, tag_len: 20, etm, hash }
}

/// A key with its inner and outer hash states computed once.
pub(crate) struct MacKey {
    key: hmac::Key,
    pub(crate) tag_len: usize,
}

impl MacKey {
    /// Writes MAC(`sequence_number` ‖ `packet`) into `tag`.
    pub(crate) fn sign(&self, sequence_number: u32, packet: &[u8], tag: &mut [u8]) {
        tag.copy_from_slice(self.compute(sequence_number, packet).as_ref());
    }

    /// Compares in constant time.
    pub(crate) fn verify(
        &self,
        sequence_number: u32,
        packet: &[u8],
        tag: &[u8],
    ) -> Result<(), Error> {
        if constant_time::equal(self.compute(sequence_number, packet).as_ref(), tag) {
            Ok(())
        } else {
            Err(Error::Authentication)
        }
    }

    fn compute(&self, sequence_number: u32, packet: &[u8]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(&sequence_number.to_be_bytes());
        context.update(packet);
        context.sign()
    }
}
