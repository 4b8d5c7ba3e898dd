//! AES-GCM (RFC 5647 as OpenSSH uses it) and chacha20-poly1305@openssh.com.

use aws_lc_rs::aead::chacha20_poly1305_openssh as chacha;
use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

use super::{Keys, LENGTH_LEN, Opener, Sealer, split_tag};
use crate::Error;

const TAG_LEN: usize = 16;
const GCM_BLOCK_LEN: usize = 16;
const CHACHA_BLOCK_LEN: usize = 8;

/// AES-GCM in one direction. The length field is authenticated in the clear.
pub(super) struct Gcm {
    key: LessSafeKey,
    /// RFC 5647 §7.1: four fixed bytes and an invocation counter, from the
    /// initial IV. The counter goes on by one per packet, so no nonce repeats
    /// before 2^64 packets, and the transport takes new keys long before that.
    fixed: [u8; 4],
    counter: u64,
}

impl Gcm {
    pub(super) fn new(keys: &Keys<'_>) -> Result<Self, Error> {
        let algorithm = match keys.key.len() {
            16 => &AES_128_GCM,
            32 => &AES_256_GCM,
            _ => return Err(Error::BadLength),
        };
        let key = UnboundKey::new(algorithm, keys.key).map_err(|_| Error::BadLength)?;
        let (fixed, counter) = keys.iv.split_first_chunk::<4>().ok_or(Error::BadLength)?;
        let counter = <[u8; 8]>::try_from(counter).map_err(|_| Error::BadLength)?;
        Ok(Self { key: LessSafeKey::new(key), fixed: *fixed, counter: u64::from_be_bytes(counter) })
    }

    fn next_nonce(&mut self) -> Nonce {
        let mut nonce = [0; 12];
        nonce[..4].copy_from_slice(&self.fixed);
        nonce[4..].copy_from_slice(&self.counter.to_be_bytes());
        self.counter = self.counter.wrapping_add(1);
        Nonce::assume_unique_for_key(nonce)
    }
}

fn split_length(packet: &mut [u8]) -> Result<([u8; LENGTH_LEN], &mut [u8]), Error> {
    let (length, rest) = packet.split_first_chunk_mut().ok_or(Error::BadLength)?;
    Ok((*length, rest))
}

impl Sealer for Gcm {
    fn block_len(&self) -> usize {
        GCM_BLOCK_LEN
    }

    fn length_is_aligned(&self) -> bool {
        false
    }

    fn tag_len(&self) -> usize {
        TAG_LEN
    }

    fn seal(&mut self, _sequence_number: u32, packet: &mut [u8]) -> Result<(), Error> {
        let (sealed, tag_room) = split_tag(packet, TAG_LEN)?;
        let (length, plain) = split_length(sealed)?;
        let nonce = self.next_nonce();
        self.key
            .seal_in_place_scatter(nonce, Aad::from(length), plain, &[], tag_room)
            .map_err(|_| Error::Internal)
    }
}

impl Opener for Gcm {
    fn block_len(&self) -> usize {
        GCM_BLOCK_LEN
    }

    fn length_is_aligned(&self) -> bool {
        false
    }

    fn tag_len(&self) -> usize {
        TAG_LEN
    }

    fn head_len(&self) -> usize {
        LENGTH_LEN
    }

    fn open_length(&mut self, _sequence_number: u32, head: &mut [u8]) -> Result<u32, Error> {
        let head = <[u8; LENGTH_LEN]>::try_from(&*head).map_err(|_| Error::BadLength)?;
        Ok(u32::from_be_bytes(head))
    }

    fn open(&mut self, _sequence_number: u32, packet: &mut [u8]) -> Result<(), Error> {
        split_tag(packet, TAG_LEN)?;
        let (length, sealed) = split_length(packet)?;
        let nonce = self.next_nonce();
        self.key
            .open_in_place(nonce, Aad::from(length), sealed)
            .map(|_| ())
            .map_err(|_| Error::Authentication)
    }
}

fn chacha_key(keys: &Keys<'_>) -> Result<Zeroizing<[u8; chacha::KEY_LEN]>, Error> {
    Ok(Zeroizing::new(keys.key.try_into().map_err(|_| Error::BadLength)?))
}

/// The first half of the key encrypts the packet, the second half the length;
/// the tag covers both ciphertexts.
pub(super) struct ChaChaSealer {
    key: chacha::SealingKey,
}

impl ChaChaSealer {
    pub(super) fn new(keys: &Keys<'_>) -> Result<Self, Error> {
        Ok(Self { key: chacha::SealingKey::new(&*chacha_key(keys)?) })
    }
}

impl Sealer for ChaChaSealer {
    fn block_len(&self) -> usize {
        CHACHA_BLOCK_LEN
    }

    fn length_is_aligned(&self) -> bool {
        false
    }

    fn tag_len(&self) -> usize {
        TAG_LEN
    }

    fn seal(&mut self, sequence_number: u32, packet: &mut [u8]) -> Result<(), Error> {
        let (plain, tag) = split_tag(packet, TAG_LEN)?;
        let tag = tag.try_into().map_err(|_| Error::BadLength)?;
        self.key.seal_in_place(sequence_number, plain, tag);
        Ok(())
    }
}

pub(super) struct ChaChaOpener {
    key: chacha::OpeningKey,
}

impl ChaChaOpener {
    pub(super) fn new(keys: &Keys<'_>) -> Result<Self, Error> {
        Ok(Self { key: chacha::OpeningKey::new(&*chacha_key(keys)?) })
    }
}

impl Opener for ChaChaOpener {
    fn block_len(&self) -> usize {
        CHACHA_BLOCK_LEN
    }

    fn length_is_aligned(&self) -> bool {
        false
    }

    fn tag_len(&self) -> usize {
        TAG_LEN
    }

    fn head_len(&self) -> usize {
        LENGTH_LEN
    }

    fn open_length(&mut self, sequence_number: u32, head: &mut [u8]) -> Result<u32, Error> {
        let head = <[u8; LENGTH_LEN]>::try_from(&*head).map_err(|_| Error::BadLength)?;
        Ok(u32::from_be_bytes(self.key.decrypt_packet_length(sequence_number, head)))
    }

    fn open(&mut self, sequence_number: u32, packet: &mut [u8]) -> Result<(), Error> {
        let (sealed, tag) = split_tag(packet, TAG_LEN)?;
        let tag = <&[u8; TAG_LEN]>::try_from(&*tag).map_err(|_| Error::BadLength)?;
        self.key
            .open_in_place(sequence_number, sealed, tag)
            .map(|_| ())
            .map_err(|_| Error::Authentication)
    }
}
