//! Data into packets, straight from where they are read. RFC 4254 §5.2.

use std::io::IoSliceMut;

use wire::Writer;

use crate::channel::channel::Channel;
use crate::connection::Connection;
use crate::error::Error;
use crate::event::{ChannelId, Stream};
use crate::limits;
use crate::message::table::{self, Phase};
use crate::role::Role;
use crate::transport::packet::HEADER_BYTES;

/// How many packets one [`Connection::send_vectored`] fills.
const SLOTS: usize = 8;

impl<R: Role> Connection<R> {
    /// How many bytes [`Self::send`] would take now.
    pub fn room(&self, channel: ChannelId) -> usize {
        let Some(state) = self.channels.get(channel) else { return 0 };
        let closed = !state.open || state.sent_eof || state.sent_close;
        let full = self.output.len() >= limits::OUTPUT_DATA_BYTES;
        if closed || full || self.must_hold() || self.phase != Phase::Connection || self.is_ended()
        {
            return 0;
        }
        state.remote_window.left().min(packet_bytes(state)).min(limits::OUTPUT_DATA_BYTES)
    }

    /// Lets `fill` write into the packet that is being built, at most
    /// [`Self::room`] bytes, and sends what it says it wrote.
    ///
    /// # Errors
    /// [`Misuse::UnknownChannel`](crate::Misuse::UnknownChannel) once the channel is closed. What
    /// `fill` fails with comes back inside, and nothing is sent.
    pub fn send<E>(
        &mut self,
        channel: ChannelId,
        stream: Stream,
        fill: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) -> Result<Result<usize, E>, Error> {
        self.send_slots(channel, stream, 1, |slots| match slots {
            [slot, ..] => fill(slot),
            [] => Ok(0),
        })
    }

    /// Like [`Self::send`], into several packets at once, so that one
    /// `readv` fills them all. Bytes go into the slots in order.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub fn send_vectored<E>(
        &mut self,
        channel: ChannelId,
        stream: Stream,
        fill: impl FnOnce(&mut [IoSliceMut<'_>]) -> Result<usize, E>,
    ) -> Result<Result<usize, E>, Error> {
        self.send_slots(channel, stream, SLOTS, fill)
    }

    fn send_slots<E>(
        &mut self,
        channel: ChannelId,
        stream: Stream,
        most: usize,
        fill: impl FnOnce(&mut [IoSliceMut<'_>]) -> Result<usize, E>,
    ) -> Result<Result<usize, E>, Error> {
        let first = self.room(channel);
        let state = self.sendable(channel)?;
        let (remote, chunk) = (state.remote, packet_bytes(state));
        let window = state.remote_window.left();
        if first == 0 {
            return Ok(Ok(0));
        }
        // Only whole packets stand side by side; what remains goes alone.
        let count = (window / chunk).clamp(1, most);
        let chunk = chunk.min(window);
        let mut head = Vec::with_capacity(13);
        match stream {
            Stream::Data => {
                head.put_u8(table::CHANNEL_DATA);
                head.put_u32(remote);
            }
            Stream::Stderr => {
                head.put_u8(table::CHANNEL_EXTENDED_DATA);
                head.put_u32(remote);
                head.put_u32(1);
            }
        }
        let prefix = head.len() + 4;
        let (whole, _) = self.sender.lengths(prefix + chunk);
        let filled = if self.compressor.is_some() {
            self.send_compressed(&mut head, chunk, fill)?
        } else {
            let area = self.output.reserve(count * whole);
            let mut slots: Vec<IoSliceMut<'_>> = area
                .chunks_exact_mut(whole)
                .map(|packet| {
                    let begin = HEADER_BYTES + prefix;
                    IoSliceMut::new(&mut packet[begin..begin + chunk])
                })
                .collect();
            let filled = match fill(&mut slots) {
                Ok(filled) => filled.min(count * chunk),
                Err(error) => return Ok(Err(error)),
            };
            let mut left = filled;
            while left > 0 {
                let length = left.min(chunk);
                let (packet_len, padding) = self.sender.lengths(prefix + length);
                let packet = self.output.reserve(packet_len);
                packet[HEADER_BYTES..HEADER_BYTES + head.len()].copy_from_slice(&head);
                packet[HEADER_BYTES + head.len()..HEADER_BYTES + prefix]
                    .copy_from_slice(&(length as u32).to_be_bytes());
                self.sender.seal(packet, padding)?;
                self.output.commit(packet_len);
                self.count_sent(packet_len);
                left -= length;
            }
            Ok(filled)
        };
        let Ok(filled) = filled else { return Ok(filled) };
        self.channels.ours(channel)?.remote_window.sent(filled);
        self.rekey_if_due()?;
        Ok(Ok(filled))
    }

    fn send_compressed<E>(
        &mut self,
        head: &mut Vec<u8>,
        chunk: usize,
        fill: impl FnOnce(&mut [IoSliceMut<'_>]) -> Result<usize, E>,
    ) -> Result<Result<usize, E>, Error> {
        let mut data = vec![0; chunk];
        let filled = match fill(&mut [IoSliceMut::new(&mut data)]) {
            Ok(filled) => filled.min(chunk),
            Err(error) => return Ok(Err(error)),
        };
        if filled > 0 {
            head.put_string(&data[..filled]);
            self.send_now(head)?;
        }
        Ok(Ok(filled))
    }
}

/// Data that go into one packet for this channel.
fn packet_bytes(channel: &Channel) -> usize {
    // A remote that takes nothing in a packet would hang us; one byte does not.
    channel.remote_packet.clamp(1, limits::CHANNEL_PACKET_BYTES) as usize
}
