//! CTR (RFC 4344 §4) and CBC (RFC 4253 §6.3) with a MAC, in both orders.

use super::{Keys, LENGTH_LEN, split_tag};
use crate::Error;
use crate::mac::{MacAlgorithm, MacKey};
use crate::sys::{BlockCipher, CipherContext, Direction};

/// What both directions have: a running cipher, whose counter or last block
/// carries on from packet to packet, and a MAC.
struct Half {
    cipher: CipherContext,
    mac: MacKey,
    etm: bool,
    block_len: usize,
}

impl Half {
    fn new(
        direction: Direction,
        cipher: BlockCipher,
        block_len: usize,
        mac: &MacAlgorithm,
        keys: &Keys<'_>,
    ) -> Result<Self, Error> {
        let cipher = CipherContext::new(cipher, keys.key, keys.iv, direction)?;
        Ok(Self { cipher, mac: mac.key(keys.mac_key)?, etm: mac.etm, block_len })
    }

    /// The first encrypted byte: with -etm the length stays in the clear.
    fn encrypted_from(&self) -> usize {
        if self.etm { LENGTH_LEN } else { 0 }
    }

    /// Padding fills whole blocks; a packet that does not would put a stream
    /// cipher out of step.
    fn check_blocks(&self, encrypted: &[u8]) -> Result<(), Error> {
        if encrypted.is_empty() || !encrypted.len().is_multiple_of(self.block_len) {
            return Err(Error::BadLength);
        }
        Ok(())
    }
}

pub(super) struct Sealer {
    half: Half,
}

impl Sealer {
    pub(super) fn new(
        cipher: BlockCipher,
        block_len: usize,
        mac: &MacAlgorithm,
        keys: &Keys<'_>,
    ) -> Result<Self, Error> {
        Ok(Self { half: Half::new(Direction::Encrypt, cipher, block_len, mac, keys)? })
    }
}

impl super::Sealer for Sealer {
    fn block_len(&self) -> usize {
        self.half.block_len
    }

    fn length_is_aligned(&self) -> bool {
        !self.half.etm
    }

    fn tag_len(&self) -> usize {
        self.half.mac.tag_len
    }

    fn seal(&mut self, sequence_number: u32, packet: &mut [u8]) -> Result<(), Error> {
        let half = &mut self.half;
        let (packet, tag) = split_tag(packet, half.mac.tag_len)?;
        let encrypted_from = half.encrypted_from();
        half.check_blocks(&packet[encrypted_from..])?;
        if !half.etm {
            half.mac.sign(sequence_number, packet, tag);
        }
        half.cipher.apply(&mut packet[encrypted_from..])?;
        if half.etm {
            half.mac.sign(sequence_number, packet, tag);
        }
        Ok(())
    }
}

pub(super) struct Opener {
    half: Half,
}

impl Opener {
    pub(super) fn new(
        cipher: BlockCipher,
        block_len: usize,
        mac: &MacAlgorithm,
        keys: &Keys<'_>,
    ) -> Result<Self, Error> {
        Ok(Self { half: Half::new(Direction::Decrypt, cipher, block_len, mac, keys)? })
    }
}

impl super::Opener for Opener {
    fn block_len(&self) -> usize {
        self.half.block_len
    }

    fn length_is_aligned(&self) -> bool {
        !self.half.etm
    }

    fn tag_len(&self) -> usize {
        self.half.mac.tag_len
    }

    fn head_len(&self) -> usize {
        if self.half.etm { LENGTH_LEN } else { self.half.block_len }
    }

    fn open_length(&mut self, _sequence_number: u32, head: &mut [u8]) -> Result<u32, Error> {
        if head.len() != self.head_len() {
            return Err(Error::BadLength);
        }
        if !self.half.etm {
            self.half.cipher.apply(head)?;
        }
        let length = head.first_chunk().ok_or(Error::BadLength)?;
        Ok(u32::from_be_bytes(*length))
    }

    fn open(&mut self, sequence_number: u32, packet: &mut [u8]) -> Result<(), Error> {
        let half = &mut self.half;
        let (packet, tag) = split_tag(packet, half.mac.tag_len)?;
        half.check_blocks(&packet[half.encrypted_from()..])?;
        if half.etm {
            half.mac.verify(sequence_number, packet, tag)?;
            return half.cipher.apply(&mut packet[LENGTH_LEN..]);
        }
        // The head is plain already; a packet of one block is all head.
        half.cipher.apply(&mut packet[half.block_len..])?;
        half.mac.verify(sequence_number, packet, tag)
    }
}
