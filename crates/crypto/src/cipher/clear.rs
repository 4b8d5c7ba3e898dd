//! Before the first NEWKEYS: no cipher and no MAC. RFC 4253 §6.

use super::{LENGTH_LEN, Opener, Sealer};
use crate::Error;

/// Sends packets as they are.
pub fn clear_sealer() -> Box<dyn Sealer> {
    Box::new(Clear)
}

/// Takes packets as they are.
pub fn clear_opener() -> Box<dyn Opener> {
    Box::new(Clear)
}

struct Clear;

impl Sealer for Clear {
    fn block_len(&self) -> usize {
        8
    }

    fn length_is_aligned(&self) -> bool {
        true
    }

    fn tag_len(&self) -> usize {
        0
    }

    fn seal(&mut self, _sequence_number: u32, packet: &mut [u8]) -> Result<(), Error> {
        if packet.len() < LENGTH_LEN { Err(Error::BadLength) } else { Ok(()) }
    }
}

impl Opener for Clear {
    fn block_len(&self) -> usize {
        8
    }

    fn length_is_aligned(&self) -> bool {
        true
    }

    fn tag_len(&self) -> usize {
        0
    }

    fn head_len(&self) -> usize {
        LENGTH_LEN
    }

    fn open_length(&mut self, _sequence_number: u32, head: &mut [u8]) -> Result<u32, Error> {
        let head = <[u8; LENGTH_LEN]>::try_from(&*head).map_err(|_| Error::BadLength)?;
        Ok(u32::from_be_bytes(head))
    }

    fn open(&mut self, _sequence_number: u32, packet: &mut [u8]) -> Result<(), Error> {
        if packet.len() < LENGTH_LEN { Err(Error::BadLength) } else { Ok(()) }
    }
}
