//! The binary packet protocol. RFC 4253 §6.

use crypto::cipher::{Opener, Sealer};

use crate::error::{Error, Misbehaved};
use crate::limits;
use crate::transport::buffer::{Input, Output};
use std::ops::Range;

/// `packet_length` and `padding_length`.
pub const HEADER_BYTES: usize = 5;
const LENGTH_BYTES: usize = 4;
const MIN_PADDING: usize = 4;

/// Opens packets where they lie in the input buffer.
pub struct Receiver {
    opener: Box<dyn Opener>,
    /// The next packet's number. RFC 4253 §6.4.
    pub sequence_number: u32,
    /// The whole length of the packet that is arriving, once known.
    arriving: Option<usize>,
    /// The next packet is opened already.
    opened: Option<Opened>,
    /// Packets have neither padding nor a size to fill.
    bare: bool,
}

/// A packet that was opened and still lies at the front of the input.
#[derive(Clone, Copy)]
struct Opened {
    whole: usize,
    payload_end: usize,
    sequence_number: u32,
}

impl Receiver {
    /// Without encryption.
    pub fn clear() -> Self {
        Self {
            opener: crypto::cipher::clear_opener(),
            sequence_number: 0,
            arriving: None,
            opened: None,
            bare: false,
        }
    }

    /// Without encryption and padding, as between processes that share a
    /// connection. OpenSSH's PROTOCOL.mux §9.
    pub fn bare() -> Self {
        Self { bare: true, ..Self::clear() }
    }

    /// Takes new keys into use.
    pub fn rekey(&mut self, opener: Box<dyn Opener>, reset_sequence: bool) {
        self.opener = opener;
        if reset_sequence {
            self.sequence_number = 0;
        }
    }

    /// How many bytes must be there before [`Self::next`] can succeed.
    pub fn wanted(&self) -> usize {
        self.arriving.unwrap_or_else(|| self.opener.head_len())
    }

    /// Takes the next packet if all of it is there: where its payload lies,
    /// and its sequence number.
    ///
    /// # Errors
    /// When the length, padding or MAC is wrong.
    pub fn next(&mut self, input: &mut Input) -> Result<Option<(Range<usize>, u32)>, Error> {
        if !self.open(input)? {
            return Ok(None);
        }
        Ok(self.opened.take().map(|opened| {
            let taken = input.take(opened.whole);
            let payload = taken.start + HEADER_BYTES..taken.start + opened.payload_end;
            (payload, opened.sequence_number)
        }))
    }

    /// The payload that [`Self::next`] would give, left where it is.
    ///
    /// # Errors
    /// As [`Self::next`].
    pub fn peek<'a>(&mut self, input: &'a mut Input) -> Result<Option<&'a [u8]>, Error> {
        if !self.open(input)? {
            return Ok(None);
        }
        let end = self.opened.map_or(HEADER_BYTES, |opened| opened.payload_end);
        Ok(input.unread().get(HEADER_BYTES..end))
    }

    /// Opens the packet at the front, once; whether all of it is there.
    fn open(&mut self, input: &mut Input) -> Result<bool, Error> {
        if self.opened.is_some() {
            return Ok(true);
        }
        let whole = if let Some(whole) = self.arriving {
            whole
        } else {
            let head_len = self.opener.head_len();
            if input.len() < head_len {
                return Ok(false);
            }
            let head = &mut input.unread()[..head_len];
            let length = self
                .opener
                .open_length(self.sequence_number, head)
                .map_err(|_| Misbehaved::CorruptedMac)?;
            let whole = self.check_length(length)?;
            self.arriving = Some(whole);
            whole
        };
        if input.len() < whole {
            return Ok(false);
        }
        let packet = &mut input.unread()[..whole];
        self.opener.open(self.sequence_number, packet).map_err(|_| Misbehaved::CorruptedMac)?;
        self.arriving = None;
        let sequence_number = self.sequence_number;
        self.sequence_number = sequence_number.wrapping_add(1);
        let padding = usize::from(packet[LENGTH_BYTES]);
        let end = whole - self.opener.tag_len();
        let payload_end = end.checked_sub(padding).filter(|end| *end >= HEADER_BYTES);
        let Some(payload_end) = payload_end.filter(|_| self.bare || padding >= MIN_PADDING) else {
            return Err(Misbehaved::PaddingLength.into());
        };
        if payload_end == HEADER_BYTES {
            return Err(Misbehaved::EmptyPayload.into());
        }
        self.opened = Some(Opened { whole, payload_end, sequence_number });
        Ok(true)
    }

    /// The whole length of a packet of this `packet_length`, checked before
    /// a byte is allocated for it.
    fn check_length(&self, length: u32) -> Result<usize, Error> {
        let size = length as usize;
        if self.bare {
            if !(2..=limits::PACKET_BYTES).contains(&size) {
                return Err(Misbehaved::PacketLength(length).into());
            }
            return Ok(LENGTH_BYTES + size);
        }
        let multiple = self.opener.block_len().max(8);
        let aligned = if self.opener.length_is_aligned() { size + LENGTH_BYTES } else { size };
        if !(1 + MIN_PADDING..=limits::PACKET_BYTES).contains(&size) || aligned % multiple != 0 {
            return Err(Misbehaved::PacketLength(length).into());
        }
        Ok(LENGTH_BYTES + size + self.opener.tag_len())
    }
}

/// Frames and seals payloads where they lie in the output buffer.
pub struct Sender {
    sealer: Box<dyn Sealer>,
    bare: bool,
    /// The next packet's number. RFC 4253 §6.4.
    pub sequence_number: u32,
}

impl Sender {
    /// Without encryption.
    pub fn clear() -> Self {
        Self { sealer: crypto::cipher::clear_sealer(), bare: false, sequence_number: 0 }
    }

    /// As [`Receiver::bare`].
    pub fn bare() -> Self {
        Self { bare: true, ..Self::clear() }
    }

    /// Takes new keys into use.
    pub fn rekey(&mut self, sealer: Box<dyn Sealer>, reset_sequence: bool) {
        self.sealer = sealer;
        if reset_sequence {
            self.sequence_number = 0;
        }
    }

    /// How long the packet of a payload is, and how much of it is padding.
    pub fn lengths(&self, payload: usize) -> (usize, usize) {
        if self.bare {
            return (HEADER_BYTES + payload, 0);
        }
        let multiple = self.sealer.block_len().max(8);
        let counted = if self.sealer.length_is_aligned() {
            HEADER_BYTES
        } else {
            HEADER_BYTES - LENGTH_BYTES
        } + payload;
        let mut padding = multiple - counted % multiple;
        if padding < MIN_PADDING {
            padding += multiple;
        }
        (HEADER_BYTES + payload + padding + self.sealer.tag_len(), padding)
    }

    /// Frames and seals the payload that lies behind room for the header.
    /// `packet` is as long as [`Self::lengths`] says.
    ///
    /// # Errors
    /// When the cipher fails, which none of ours does.
    pub fn seal(&mut self, packet: &mut [u8], padding: usize) -> Result<(), Error> {
        let end = packet.len() - self.sealer.tag_len();
        packet[..LENGTH_BYTES].copy_from_slice(&((end - LENGTH_BYTES) as u32).to_be_bytes());
        packet[LENGTH_BYTES] = padding as u8;
        crypto::random::fill(&mut packet[end - padding..end]);
        self.sealer.seal(self.sequence_number, packet).map_err(|_| Misbehaved::CorruptedMac)?;
        self.sequence_number = self.sequence_number.wrapping_add(1);
        Ok(())
    }

    /// Appends the packet of `payload`; gives its length.
    ///
    /// # Errors
    /// As [`Self::seal`].
    pub fn append(&mut self, output: &mut Output, payload: &[u8]) -> Result<usize, Error> {
        let (length, padding) = self.lengths(payload.len());
        let packet = output.reserve(length);
        packet[HEADER_BYTES..HEADER_BYTES + payload.len()].copy_from_slice(payload);
        self.seal(packet, padding)?;
        output.commit(length);
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(bytes: &[u8]) -> Input {
        let mut input = Input::default();
        input.room(bytes.len())[..bytes.len()].copy_from_slice(bytes);
        input.filled(bytes.len());
        input
    }

    #[test]
    fn a_clear_packet_there_and_back() {
        let mut output = Output::default();
        Sender::clear().append(&mut output, b"hello").unwrap();
        assert_eq!(output.len() % 8, 0);
        let mut input = input(output.pending());
        let (payload, number) = Receiver::clear().next(&mut input).unwrap().unwrap();
        assert_eq!((input.taken(payload), number), (&b"hello"[..], 0));
    }

    #[test]
    fn a_bare_packet_there_and_back() {
        let mut output = Output::default();
        Sender::bare().append(&mut output, b"hello").unwrap();
        assert_eq!(output.pending(), b"\0\0\0\x06\0hello");
        let mut there = input(output.pending());
        let (payload, _) = Receiver::bare().next(&mut there).unwrap().unwrap();
        assert_eq!(there.taken(payload), b"hello");
        for length in [0u32, 1, limits::PACKET_BYTES as u32 + 1] {
            let mut bytes = [0; 16];
            bytes[..4].copy_from_slice(&length.to_be_bytes());
            let end = Receiver::bare().next(&mut input(&bytes));
            assert_eq!(end, Err(Error::Misbehaved(Misbehaved::PacketLength(length))));
        }
        let mut padded = input(b"\0\0\0\x02\x02x");
        assert!(Receiver::bare().next(&mut padded).is_err());
    }

    #[test]
    fn packet_length() {
        for length in [0u32, 4, 13, 0xffff_ffff, limits::PACKET_BYTES as u32 + 4] {
            let mut bytes = [0; 64];
            bytes[..4].copy_from_slice(&length.to_be_bytes());
            let end = Receiver::clear().next(&mut input(&bytes));
            assert_eq!(end, Err(Error::Misbehaved(Misbehaved::PacketLength(length))));
        }
    }

    #[test]
    fn padding_length() {
        for padding in [0, 3, 12, 255] {
            let mut bytes = [0; 16];
            bytes[3] = 12;
            bytes[4] = padding;
            let end = Receiver::clear().next(&mut input(&bytes));
            assert_eq!(end, Err(Error::Misbehaved(Misbehaved::PaddingLength)));
        }
    }

    #[test]
    fn empty_payload() {
        let mut bytes = [0; 16];
        bytes[3] = 12;
        bytes[4] = 11;
        let end = Receiver::clear().next(&mut input(&bytes));
        assert_eq!(end, Err(Error::Misbehaved(Misbehaved::EmptyPayload)));
    }
}
