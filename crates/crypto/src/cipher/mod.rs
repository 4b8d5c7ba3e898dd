//! Packet protection: a cipher and its MAC, or an AEAD, for one direction.
//!
//! Whole packets are sealed and opened where they lie, without allocating.

mod aead;
mod block;
mod clear;

use crate::Error;
use crate::mac::MacAlgorithm;
use crate::sys::BlockCipher;

pub use clear::{clear_opener, clear_sealer};

/// A cipher, as negotiated for one direction.
#[derive(Debug)]
pub struct CipherAlgorithm {
    /// The name that is negotiated.
    pub name: &'static str,
    /// The length of its key.
    pub key_len: usize,
    /// The length of its initial IV; 0 when the sequence number serves.
    pub iv_len: usize,
    /// What the encrypted part of a packet must be a multiple of.
    pub block_len: usize,
    /// The length of its own tag; 0 unless it is an AEAD.
    pub tag_len: usize,
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    AesGcm,
    ChaCha20Poly1305,
    Block(BlockCipher),
}

/// The keys of one direction, as derived by [`kdf`](crate::kdf). RFC 4253 §7.2.
#[derive(Clone, Copy)]
pub struct Keys<'a> {
    /// The encryption key, of the cipher's `key_len`.
    pub key: &'a [u8],
    /// The initial IV, of the cipher's `iv_len`.
    pub iv: &'a [u8],
    /// The integrity key, of the MAC's `key_len`; unused by an AEAD.
    pub mac_key: &'a [u8],
}

impl CipherAlgorithm {
    /// Whether it authenticates by itself, so that no MAC is negotiated.
    pub fn is_aead(&self) -> bool {
        self.tag_len != 0
    }

    /// The sending half. `mac` is ignored by an AEAD.
    ///
    /// # Errors
    /// [`Error::BadLength`] when a key is not of the length the algorithms
    /// state, [`Error::InvalidKey`] when a MAC is needed and missing.
    pub fn sealer(
        &self,
        mac: Option<&MacAlgorithm>,
        keys: &Keys<'_>,
    ) -> Result<Box<dyn Sealer>, Error> {
        self.check(keys)?;
        Ok(match self.kind {
            Kind::AesGcm => Box::new(aead::Gcm::new(keys)?),
            Kind::ChaCha20Poly1305 => Box::new(aead::ChaChaSealer::new(keys)?),
            Kind::Block(cipher) => {
                let mac = mac.ok_or(Error::InvalidKey)?;
                let block_len = self.block_len;
                Box::new(block::Sealer::new(cipher, block_len, mac, keys)?)
            }
        })
    }

    /// The receiving half. `mac` is ignored by an AEAD.
    ///
    /// # Errors
    /// As [`CipherAlgorithm::sealer`].
    pub fn opener(
        &self,
        mac: Option<&MacAlgorithm>,
        keys: &Keys<'_>,
    ) -> Result<Box<dyn Opener>, Error> {
        self.check(keys)?;
        Ok(match self.kind {
            Kind::AesGcm => Box::new(aead::Gcm::new(keys)?),
            Kind::ChaCha20Poly1305 => Box::new(aead::ChaChaOpener::new(keys)?),
            Kind::Block(cipher) => {
                let mac = mac.ok_or(Error::InvalidKey)?;
                let block_len = self.block_len;
                Box::new(block::Opener::new(cipher, block_len, mac, keys)?)
            }
        })
    }

    pub(crate) fn block_cipher(&self) -> Option<BlockCipher> {
        match self.kind {
            Kind::Block(cipher) => Some(cipher),
            Kind::AesGcm | Kind::ChaCha20Poly1305 => None,
        }
    }

    fn check(&self, keys: &Keys<'_>) -> Result<(), Error> {
        if keys.key.len() != self.key_len || keys.iv.len() != self.iv_len {
            return Err(Error::BadLength);
        }
        Ok(())
    }
}

/// Protects the packets that are sent.
pub trait Sealer: Send {
    /// A packet's length must be a multiple of the larger of 8 and this. RFC
    /// 4253 §6.
    fn block_len(&self) -> usize;

    /// Whether the four bytes of `packet_length` count into that multiple:
    /// false where they are not encrypted with the rest.
    fn length_is_aligned(&self) -> bool;

    /// The bytes that [`Sealer::seal`] fills behind the padding.
    fn tag_len(&self) -> usize;

    /// Seals a packet in place.
    ///
    /// `packet` is `packet_length` (4 bytes) ‖ `padding_length` ‖ payload ‖
    /// padding ‖ room of [`tag_len`](Sealer::tag_len) bytes.
    ///
    /// # Errors
    /// [`Error::BadLength`] when `packet` is too short or not aligned,
    /// [`Error::Internal`] when the library fails.
    fn seal(&mut self, sequence_number: u32, packet: &mut [u8]) -> Result<(), Error>;
}

/// Checks and reveals the packets that are received.
pub trait Opener: Send {
    /// As [`Sealer::block_len`].
    fn block_len(&self) -> usize;

    /// As [`Sealer::length_is_aligned`].
    fn length_is_aligned(&self) -> bool;

    /// The bytes behind the padding.
    fn tag_len(&self) -> usize;

    /// How many bytes must be there before the length can be told: 4, or a
    /// block where the length is encrypted with the rest.
    fn head_len(&self) -> usize;

    /// `packet_length`, from the first [`head_len`](Opener::head_len) bytes.
    /// Called once per packet, as it may decrypt `head` in place. The length is
    /// not yet authenticated.
    ///
    /// # Errors
    /// [`Error::BadLength`] when `head` is of another length.
    fn open_length(&mut self, sequence_number: u32, head: &mut [u8]) -> Result<u32, Error>;

    /// Opens the whole packet, from the length field to the tag, after
    /// [`open_length`](Opener::open_length) has seen its head. Afterwards all
    /// but the length and the tag is plain.
    ///
    /// # Errors
    /// [`Error::Authentication`] when the tag is wrong; the contents of
    /// `packet` are then of no use. [`Error::BadLength`] when it is too short
    /// or not aligned.
    fn open(&mut self, sequence_number: u32, packet: &mut [u8]) -> Result<(), Error>;
}

/// Splits a packet into what is sealed and its tag.
fn split_tag(packet: &mut [u8], tag_len: usize) -> Result<(&mut [u8], &mut [u8]), Error> {
    let sealed_len = packet.len().checked_sub(tag_len).ok_or(Error::BadLength)?;
    if sealed_len < LENGTH_LEN {
        return Err(Error::BadLength);
    }
    Ok(packet.split_at_mut(sealed_len))
}

/// The size of the `packet_length` field.
const LENGTH_LEN: usize = 4;

pub(crate) static AES128_GCM: CipherAlgorithm = gcm("aes128-gcm@openssh.com", 16);
pub(crate) static AES256_GCM: CipherAlgorithm = gcm("aes256-gcm@openssh.com", 32);
pub(crate) static CHACHA20_POLY1305: CipherAlgorithm = CipherAlgorithm {
    name: "chacha20-poly1305@openssh.com",
    key_len: 64,
    iv_len: 0,
    block_len: 8,
    tag_len: 16,
    kind: Kind::ChaCha20Poly1305,
};
pub(crate) static AES128_CTR: CipherAlgorithm = aes("aes128-ctr", 16, BlockCipher::Aes128Ctr);
pub(crate) static AES192_CTR: CipherAlgorithm = aes("aes192-ctr", 24, BlockCipher::Aes192Ctr);
pub(crate) static AES256_CTR: CipherAlgorithm = aes("aes256-ctr", 32, BlockCipher::Aes256Ctr);
pub(crate) static AES128_CBC: CipherAlgorithm = aes("aes128-cbc", 16, BlockCipher::Aes128Cbc);
pub(crate) static AES192_CBC: CipherAlgorithm = aes("aes192-cbc", 24, BlockCipher::Aes192Cbc);
pub(crate) static AES256_CBC: CipherAlgorithm = aes("aes256-cbc", 32, BlockCipher::Aes256Cbc);
pub(crate) static TRIPLE_DES_CBC: CipherAlgorithm = CipherAlgorithm {
    name: "3des-cbc",
    key_len: 24,
    iv_len: 8,
    block_len: 8,
    tag_len: 0,
    kind: Kind::Block(BlockCipher::TripleDesCbc),
};

const fn gcm(name: &'static str, key_len: usize) -> CipherAlgorithm {
    CipherAlgorithm { name, key_len, iv_len: 12, block_len: 16, tag_len: 16, kind: Kind::AesGcm }
}

const fn aes(name: &'static str, key_len: usize, cipher: BlockCipher) -> CipherAlgorithm {
    let kind = Kind::Block(cipher);
    CipherAlgorithm { name, key_len, iv_len: 16, block_len: 16, tag_len: 0, kind }
}

#[cfg(test)]
mod tests;
