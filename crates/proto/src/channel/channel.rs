//! The channels of a connection and what state each is in.

use std::time::Instant;

use crate::channel::window::{LocalWindow, RemoteWindow};
use crate::error::{Error, Misbehaved, Misuse};
use crate::event::{ChannelId, Stream};
use crate::limits;
use crate::message::table;

/// One channel.
pub struct Channel {
    /// What it is for: [`ChannelOpen::kind`](crate::ChannelOpen::kind).
    pub kind: &'static str,
    /// The remote's number for it; a guess while `early`.
    pub remote: u32,
    /// Whether both ends know it. Requests may be sent before, data not.
    pub open: bool,
    /// The remote asked for it and the application has not answered.
    pub proposed: bool,
    /// Opened before authentication finished.
    pub early: bool,
    /// What the remote may send.
    pub local_window: LocalWindow,
    /// What we may send.
    pub remote_window: RemoteWindow,
    /// What the remote takes in one packet.
    pub remote_packet: u32,
    /// EOF was sent.
    pub sent_eof: bool,
    /// CLOSE was sent.
    pub sent_close: bool,
    /// EOF came.
    pub received_eof: bool,
    /// When we opened or confirmed it, until the remote's first word about it.
    pub greeted: Option<Instant>,
    /// Our requests that await an answer.
    pub asked: usize,
    /// The remote's requests that await an answer.
    pub unanswered: usize,
}

impl Channel {
    /// A channel of ours that the remote has not confirmed.
    pub fn asked(kind: &'static str, local_window: LocalWindow) -> Self {
        Self {
            kind,
            remote: 0,
            open: false,
            proposed: false,
            early: false,
            local_window,
            remote_window: RemoteWindow::default(),
            remote_packet: 0,
            sent_eof: false,
            sent_close: false,
            received_eof: false,
            greeted: None,
            asked: 0,
            unanswered: 0,
        }
    }

    /// Both ends know it now.
    pub fn opened(&mut self, remote: u32, window: u32, packet: u32) {
        self.remote = remote;
        self.open = true;
        self.remote_window = RemoteWindow::new(window);
        self.remote_packet = packet;
    }
}

/// The channels by our numbers. The lowest free number is taken next, as
/// peers that guess it expect.
#[derive(Default)]
pub struct Channels {
    slots: Vec<Option<Box<Channel>>>,
    count: usize,
}

impl Channels {
    /// Takes a channel in, unless there are too many.
    pub fn add(&mut self, channel: Channel) -> Option<ChannelId> {
        if self.count >= limits::CHANNELS {
            return None;
        }
        self.count += 1;
        let channel = Some(Box::new(channel));
        if let Some(index) = self.slots.iter().position(Option::is_none) {
            self.slots[index] = channel;
            return Some(ChannelId(index as u32));
        }
        self.slots.push(channel);
        Some(ChannelId(self.slots.len() as u32 - 1))
    }

    /// Frees a number.
    pub fn remove(&mut self, id: ChannelId) -> Option<Box<Channel>> {
        let removed = self.slots.get_mut(id.0 as usize)?.take();
        self.count -= usize::from(removed.is_some());
        while matches!(self.slots.last(), Some(None)) {
            self.slots.pop();
        }
        removed
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (ChannelId, &Channel)> {
        let numbered = self.slots.iter().zip(0..);
        numbered.filter_map(|(slot, number)| Some((ChannelId(number), slot.as_deref()?)))
    }

    /// A channel by number.
    pub fn get(&self, id: ChannelId) -> Option<&Channel> {
        self.slots.get(id.0 as usize)?.as_deref()
    }

    /// A channel that our caller names.
    pub fn ours(&mut self, id: ChannelId) -> Result<&mut Channel, Error> {
        self.slots
            .get_mut(id.0 as usize)
            .and_then(Option::as_deref_mut)
            .ok_or_else(|| Misuse::UnknownChannel.into())
    }

    /// A channel that the remote names.
    pub fn theirs(&mut self, number: u32) -> Result<&mut Channel, Error> {
        self.slots
            .get_mut(number as usize)
            .and_then(Option::as_deref_mut)
            .ok_or_else(|| Misbehaved::UnknownChannel(number).into())
    }

    /// Whether a message for this channel came before the application has
    /// said whether there is to be one: a client that opens its channel early
    /// sends the requests right behind it.
    pub fn is_proposed(&self, payload: &[u8]) -> bool {
        let mut reader = wire::Reader::new(payload.get(1..).unwrap_or_default());
        let number = reader.u32().ok();
        let channel = number.and_then(|number| self.get(ChannelId(number)));
        channel.is_some_and(|channel| channel.proposed)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// How far the windows may still grow together.
    pub fn spare_window(&self) -> u64 {
        let sizes =
            self.slots.iter().flatten().map(|channel| u64::from(channel.local_window.size()));
        limits::WINDOWS_TOGETHER_BYTES.saturating_sub(sizes.sum())
    }

    /// Checks and counts a data packet: channel, stream and how long the data
    /// at the payload's end are. `None` when nobody is to hear of it.
    pub fn received_data(
        &mut self,
        payload: &[u8],
        now: Instant,
    ) -> Result<Option<(ChannelId, Stream, usize)>, Error> {
        let message = payload.first().copied().unwrap_or_default();
        let malformed = |error| Error::from(Misbehaved::Malformed { message, error });
        let mut reader = wire::Reader::new(payload.get(1..).unwrap_or_default());
        let recipient_channel = reader.u32().map_err(malformed)?;
        let stream = if message == table::CHANNEL_EXTENDED_DATA {
            let kind = reader.u32().map_err(malformed)?;
            (kind == 1).then_some(Stream::Stderr)
        } else {
            Some(Stream::Data)
        };
        let data = reader.string().map_err(malformed)?;
        reader.finish().map_err(malformed)?;
        let channel = self.theirs(recipient_channel)?;
        if !channel.open {
            return Err(Misbehaved::UnknownChannel(recipient_channel).into());
        }
        if channel.received_eof {
            return Err(Misbehaved::DataAfterEof.into());
        }
        if data.len() > limits::CHANNEL_PACKET_BYTES as usize {
            return Err(Misbehaved::ChannelPacketTooLarge.into());
        }
        channel.local_window.received(data.len(), now)?;
        // After our CLOSE, and for streams that RFC 4254 does not define,
        // data are dropped; the latter still use up the window.
        if channel.sent_close || data.is_empty() {
            return Ok(None);
        }
        Ok(stream.map(|stream| (ChannelId(recipient_channel), stream, data.len())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_free_number_comes_next() {
        let mut channels = Channels::default();
        let ids: Vec<_> = (0..3)
            .filter_map(|_| {
                channels.add(Channel::asked("session", LocalWindow::new(None, None, 0)))
            })
            .collect();
        assert_eq!(ids, [ChannelId(0), ChannelId(1), ChannelId(2)]);
        channels.remove(ChannelId(1));
        assert_eq!(
            channels.add(Channel::asked("session", LocalWindow::new(None, None, 0))),
            Some(ChannelId(1))
        );
        assert!(channels.theirs(3).is_err());
        assert_eq!(channels.len(), 3);
    }
}
