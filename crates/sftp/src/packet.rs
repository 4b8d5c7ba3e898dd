//! Packets in and out of byte streams. draft-02 §3: a length, a type, and what the type has.

use wire::{Reader, Writer};

use crate::Error;
use crate::limits::PACKET_BYTES;

/// The length field.
const LENGTH_BYTES: usize = 4;

/// Room for two of the longest packets: one being handled, one arriving behind it.
const INPUT_BYTES: usize = 2 * (PACKET_BYTES + LENGTH_BYTES);

/// Bytes that arrived, until they are whole packets.
pub(crate) struct Input {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Input {
    pub(crate) fn new() -> Self {
        // Fresh zeros cost nothing until they are written to.
        Self { bytes: vec![0; INPUT_BYTES], start: 0, end: 0 }
    }

    /// Where to put what arrives. Never empty once [`Self::next`] has nothing more.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.bytes.len() - self.start < PACKET_BYTES + LENGTH_BYTES {
            // The packet that has begun may not fit behind its start.
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        self.bytes.get_mut(self.end..).unwrap_or_default()
    }

    /// So many bytes were put into the room.
    pub(crate) fn received(&mut self, count: usize) {
        self.end = (self.end + count).min(self.bytes.len());
    }

    /// The next whole packet, without its length field.
    pub(crate) fn next(&mut self) -> Result<Option<&[u8]>, Error> {
        let waiting = self.bytes.get(self.start..self.end).unwrap_or_default();
        let Ok(length) = Reader::new(waiting).u32() else { return Ok(None) };
        if length == 0 || length as usize > PACKET_BYTES {
            return Err(Error::PacketLength(length));
        }
        let whole = LENGTH_BYTES + length as usize;
        let Some(packet) = waiting.get(LENGTH_BYTES..whole) else { return Ok(None) };
        self.start += whole;
        Ok(Some(packet))
    }

    /// Whether a part of a packet is waiting for its rest.
    pub(crate) fn is_inside_packet(&self) -> bool {
        self.start != self.end
    }
}

/// Packets that wait to be sent. Its memory is kept and written to again.
#[derive(Default)]
pub(crate) struct Output {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

/// A packet that has been begun.
#[must_use]
pub(crate) struct Begun(usize);

impl Output {
    /// All that waits.
    pub(crate) fn waiting(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    /// So many bytes of it have been sent.
    pub(crate) fn sent(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    pub(crate) fn begin(&mut self, kind: u8) -> Begun {
        if self.start > PACKET_BYTES {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        let begun = Begun(self.end);
        self.put_u32(0);
        self.put_u8(kind);
        begun
    }

    /// How long the packet is by now, without its length field.
    pub(crate) fn length(&self, begun: &Begun) -> usize {
        (self.end - begun.0).saturating_sub(LENGTH_BYTES)
    }

    pub(crate) fn finish(&mut self, begun: Begun) {
        let length = self.length(&begun) as u32;
        self.set_u32(begun.0, length);
    }

    /// Takes the packet back.
    pub(crate) fn cancel(&mut self, begun: Begun) {
        self.end = begun.0;
    }

    /// A place for a number that is not known yet.
    pub(crate) fn place_u32(&mut self) -> usize {
        let place = self.end;
        self.put_u32(0);
        place
    }

    pub(crate) fn set_u32(&mut self, place: usize, value: u32) {
        if let Some(field) = self.bytes.get_mut(place..place + 4) {
            field.copy_from_slice(&value.to_be_bytes());
        }
    }

    /// Bytes to be filled by somebody else; [`Self::filled`] says how many were.
    pub(crate) fn room(&mut self, count: usize) -> &mut [u8] {
        self.reserve(count);
        self.bytes.get_mut(self.end..self.end + count).unwrap_or_default()
    }

    /// So many bytes of the room count.
    pub(crate) fn filled(&mut self, count: usize) {
        self.end = (self.end + count).min(self.bytes.len());
    }

    fn reserve(&mut self, count: usize) {
        let needed = self.end + count;
        if self.bytes.len() < needed {
            self.bytes.resize(needed.next_power_of_two().max(4096), 0);
        }
    }
}

impl Writer for Output {
    fn put_bytes(&mut self, bytes: &[u8]) {
        self.room(bytes.len()).copy_from_slice(bytes);
        self.filled(bytes.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_cut_anywhere() {
        let mut output = Output::default();
        for size in [0usize, 1, 1000, PACKET_BYTES - 1] {
            let begun = output.begin(9);
            output.room(size).fill(7);
            output.filled(size);
            output.finish(begun);
        }
        for step in [1usize, 3, 4097, 200_000] {
            let mut input = Input::new();
            let mut sizes = Vec::new();
            let mut rest = output.waiting();
            while !rest.is_empty() {
                let room = input.room();
                let count = step.min(room.len()).min(rest.len());
                assert!(count > 0);
                room[..count].copy_from_slice(&rest[..count]);
                input.received(count);
                rest = &rest[count..];
                while let Some(packet) = input.next().unwrap() {
                    sizes.push(packet.len() - 1);
                }
            }
            assert_eq!(sizes, [0, 1, 1000, PACKET_BYTES - 1]);
            assert!(!input.is_inside_packet());
        }
    }

    #[test]
    fn lengths_have_limits() {
        for length in [0, PACKET_BYTES as u32 + 1, u32::MAX] {
            let mut input = Input::new();
            input.room()[..4].copy_from_slice(&length.to_be_bytes());
            input.received(4);
            assert_eq!(input.next().unwrap_err(), Error::PacketLength(length));
        }
    }
}
