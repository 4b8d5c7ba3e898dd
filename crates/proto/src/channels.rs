//! The connection protocol at work: what may be done with channels, and what
//! the remote does with them. RFC 4254.

mod global;
mod remote;
mod sending;

use crate::channel::channel::Channel;
use crate::channel::open::{ChannelOpen, OpenFailure};
use crate::channel::request::ChannelRequest;
use crate::channel::window::LocalWindow;
use crate::connection::Connection;
use crate::error::{Error, Misuse};
use crate::event::{ChannelAsk, ChannelId};
use crate::limits;
use crate::message::connection as message;
use crate::message::request;
use crate::message::table::{self, Phase};
use crate::role::Role;

pub use self::global::{GlobalAsked, Globals};

impl<R: Role> Connection<R> {
    /// Asks the remote for a channel; [`Event::ChannelOpened`](crate::Event::ChannelOpened) or
    /// [`Event::ChannelRefused`](crate::Event::ChannelRefused) answers. RFC 4254 §5.1.
    ///
    /// # Errors
    /// [`Misuse`] before authentication or with too many channels.
    pub fn open_channel(&mut self, open: ChannelOpen) -> Result<ChannelId, Error> {
        let early = if self.phase == Phase::Connection { None } else { R::early_channel(self) };
        if self.phase != Phase::Connection && (early.is_none() || self.channels.len() > 0) {
            return Err(Misuse::OutOfTurn("a channel").into());
        }
        let mut channel = Channel::asked(open.kind(), self.new_window());
        if let Some(guess) = early {
            channel.early = true;
            channel.remote = guess;
        } else {
            channel.greeted = Some(self.now);
        }
        let initial_window_size = channel.local_window.size();
        let id = self.channels.add(channel).ok_or(Misuse::TooLarge("the number of channels"))?;
        let payload = message::Open {
            kind: open,
            sender_channel: id.0,
            initial_window_size,
            maximum_packet_size: limits::CHANNEL_PACKET_BYTES,
        }
        .encode();
        self.send_for_channel(payload)?;
        Ok(id)
    }

    /// The channels that both ends know and that are not being closed, and what each is for:
    /// [`ChannelOpen::kind`], of a session that has its program `session:shell`,
    /// `session:command` or `session:subsystem`.
    pub fn open_channels(&self) -> impl Iterator<Item = (ChannelId, &'static str)> {
        let open = self.channels.iter().filter(|(_, channel)| channel.open && !channel.sent_close);
        open.map(|(id, channel)| (id, channel.kind))
    }

    /// Gives the remote the channel it asked for.
    ///
    /// # Errors
    /// [`Misuse`] when it was answered already.
    pub fn accept_channel(&mut self, ask: ChannelAsk) -> Result<ChannelId, Error> {
        let id = ask.id;
        // Requests that are here already say nothing of the way there and back.
        let greeted = (!self.has_parked()).then_some(self.now);
        let channel = self.answered(id)?;
        channel.greeted = greeted;
        channel.opened(ask.remote, ask.window, ask.packet);
        let payload = message::OpenConfirmation {
            recipient_channel: ask.remote,
            sender_channel: id.0,
            initial_window_size: channel.local_window.size(),
            maximum_packet_size: limits::CHANNEL_PACKET_BYTES,
        }
        .encode();
        self.send_message(&payload)?;
        Ok(id)
    }

    /// Does not.
    ///
    /// # Errors
    /// [`Misuse`] when it was answered already.
    pub fn refuse_channel(
        &mut self,
        ask: ChannelAsk,
        reason: OpenFailure,
        description: &str,
    ) -> Result<(), Error> {
        self.answered(ask.id)?;
        self.channels.remove(ask.id);
        self.send_message(&message::encode_open_failure(ask.remote, reason, description))
    }

    fn answered(&mut self, id: ChannelId) -> Result<&mut Channel, Error> {
        let channel = self.channels.ours(id)?;
        if !std::mem::take(&mut channel.proposed) {
            return Err(Misuse::OutOfTurn("an answer about a channel").into());
        }
        // A message that came too early for it can go on.
        self.unpark(id);
        self.channels.ours(id)
    }

    /// Sends a channel request. With `want_reply`,
    /// [`Event::ChannelAnswered`](crate::Event::ChannelAnswered) answers, in the order of the
    /// requests.
    ///
    /// # Errors
    /// [`Misuse::UnknownChannel`] once the channel is closed.
    pub fn request(
        &mut self,
        channel: ChannelId,
        request: ChannelRequest,
        want_reply: bool,
    ) -> Result<(), Error> {
        let state = self.sendable(channel)?;
        state.asked += usize::from(want_reply);
        match request {
            ChannelRequest::Shell => state.kind = "session:shell",
            ChannelRequest::Exec { .. } => state.kind = "session:command",
            ChannelRequest::Subsystem { .. } => state.kind = "session:subsystem",
            _ => {}
        }
        let payload = request::encode_request(state.remote, &request, want_reply);
        self.send_for_channel(payload)
    }

    /// Answers the oldest [`Event::ChannelRequested`](crate::Event::ChannelRequested) that wants a
    /// reply.
    ///
    /// # Errors
    /// [`Misuse`] when there is none.
    pub fn reply(&mut self, channel: ChannelId, success: bool) -> Result<(), Error> {
        let state = self.channels.ours(channel)?;
        if state.sent_close {
            return Ok(());
        }
        if state.unanswered == 0 {
            return Err(Misuse::OutOfTurn("a reply").into());
        }
        state.unanswered -= 1;
        let number = if success { table::CHANNEL_SUCCESS } else { table::CHANNEL_FAILURE };
        let payload = message::encode_channel(number, state.remote);
        self.send_message(&payload)
    }

    /// Tells the remote that no more data come. RFC 4254 §5.3.
    ///
    /// # Errors
    /// [`Misuse::UnknownChannel`] once the channel is closed.
    pub fn send_eof(&mut self, channel: ChannelId) -> Result<(), Error> {
        let state = self.sendable(channel)?;
        if state.sent_eof {
            return Ok(());
        }
        state.sent_eof = true;
        let payload = message::encode_channel(table::CHANNEL_EOF, state.remote);
        self.send_for_channel(payload)
    }

    /// Closes the channel from our side; [`Event::ChannelClosed`](crate::Event::ChannelClosed)
    /// follows once the remote has too. RFC 4254 §5.3.
    ///
    /// # Errors
    /// [`Misuse::UnknownChannel`] when it is closed already.
    pub fn close(&mut self, channel: ChannelId) -> Result<(), Error> {
        let state = self.sendable(channel)?;
        if !state.open {
            return Err(Misuse::OutOfTurn("closing a channel that is not open yet").into());
        }
        state.sent_close = true;
        let payload = message::encode_channel(table::CHANNEL_CLOSE, state.remote);
        self.send_message(&payload)
    }

    /// What the remote may send at first on one more channel.
    fn new_window(&self) -> LocalWindow {
        let spare = self.channels.spare_window();
        LocalWindow::new(self.config.window_bytes, self.statistics.round_trip, spare)
    }

    /// Lets the remote send `bytes` more on this channel. RFC 4254 §5.2.
    ///
    /// Called once the application has passed data on, so a slow reader slows
    /// the sender. On a closed channel it does nothing.
    ///
    /// # Errors
    /// Only when the connection cannot send.
    pub fn consumed(&mut self, channel: ChannelId, bytes: usize) -> Result<(), Error> {
        let (now, round_trip) = (self.now, self.statistics.round_trip);
        let spare = self.channels.spare_window();
        let Ok(state) = self.channels.ours(channel) else { return Ok(()) };
        if state.received_eof || state.sent_close {
            return Ok(());
        }
        let Some(add) = state.local_window.consumed(bytes, now, round_trip, spare) else {
            return Ok(());
        };
        let payload = message::encode_window_adjust(state.remote, add);
        self.send_message(&payload)
    }

    fn sendable(&mut self, channel: ChannelId) -> Result<&mut Channel, Error> {
        let state = self.channels.ours(channel)?;
        if state.sent_close || !(state.open || state.early) {
            return Err(Misuse::UnknownChannel.into());
        }
        Ok(state)
    }

    fn send_for_channel(&mut self, payload: Vec<u8>) -> Result<(), Error> {
        if self.phase != Phase::Connection {
            R::keep_early(self, &payload)?;
        }
        self.send_message(&payload)
    }
}
