//! The connection protocol at work: what may be done with channels, and what
//! the remote does with them. RFC 4254.

use std::io::IoSliceMut;

use crate::channel::channel::Channel;
use crate::channel::open::{ChannelOpen, OpenFailure};
use crate::channel::request::{ChannelRequest, GlobalRequest};
use crate::channel::window::LocalWindow;
use crate::connection::Connection;
use crate::error::{Error, Misbehaved, Misuse};
use crate::event::{ChannelAsk, ChannelId, Event, Stream};
use crate::limits;
use crate::message::connection as message;
use crate::message::table::{self, Phase};
use crate::role::Role;
use crate::transport::packet::HEADER_BYTES;
use wire::Writer;

/// How many packets one [`Connection::send_vectored`] fills.
const SLOTS: usize = 8;

impl<R: Role> Connection<R> {
    /// Asks the remote for a channel; [`Event::ChannelOpened`] or
    /// [`Event::ChannelRefused`] answers. RFC 4254 §5.1.
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

    /// Sends a channel request. With `want_reply`, [`Event::ChannelAnswered`]
    /// answers, in the order of the requests.
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
        let payload = message::encode_request(state.remote, &request, want_reply);
        self.send_for_channel(payload)
    }

    /// Answers the oldest [`Event::ChannelRequested`] that wants a reply.
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
    /// [`Misuse::UnknownChannel`] once the channel is closed. What `fill`
    /// fails with comes back inside, and nothing is sent.
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

    /// Closes the channel from our side; [`Event::ChannelClosed`] follows
    /// once the remote has too. RFC 4254 §5.3.
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

    /// Sends a global request. With `want_reply`, [`Event::GlobalAnswered`]
    /// answers, in the order of the requests. RFC 4254 §4.
    ///
    /// # Errors
    /// [`Misuse`] before authentication.
    pub fn global_request(
        &mut self,
        request: GlobalRequest,
        want_reply: bool,
    ) -> Result<(), Error> {
        if self.phase != Phase::Connection {
            return Err(Misuse::OutOfTurn("a global request").into());
        }
        if want_reply {
            self.globals.asked.push_back(GlobalAsked { role: false, sent: self.now });
        }
        self.send_message(&message::encode_global(&request, want_reply))
    }

    /// Answers the oldest [`Event::GlobalRequested`] that wants a reply.
    ///
    /// # Errors
    /// [`Misuse`] when there is none.
    pub fn reply_global(&mut self, success: bool, data: &[u8]) -> Result<(), Error> {
        if self.globals.unanswered == 0 {
            return Err(Misuse::OutOfTurn("a reply").into());
        }
        self.globals.unanswered -= 1;
        if success {
            self.send_message(&message::encode_global_success(data))
        } else {
            self.send_message(&[table::REQUEST_FAILURE])
        }
    }

    /// Asks for a sign of life that every peer answers, if only by a refusal;
    /// [`Event::GlobalAnswered`] is the answer.
    ///
    /// # Errors
    /// [`Misuse`] before authentication.
    pub fn ping(&mut self) -> Result<(), Error> {
        self.global_request(GlobalRequest::Keepalive, true)
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

    // ---- what the remote does ----

    /// A message of the connection protocol other than data.
    pub(crate) fn handle_connection(&mut self, payload: &[u8]) -> Result<(), Error> {
        match payload.first().copied().unwrap_or_default() {
            table::GLOBAL_REQUEST => self.handle_global_request(payload),
            table::REQUEST_SUCCESS => self.handle_global_answer(true, &payload[1..]),
            table::REQUEST_FAILURE => self.handle_global_answer(false, &[]),
            table::CHANNEL_OPEN => self.handle_open(payload),
            table::CHANNEL_OPEN_CONFIRMATION => self.handle_open_confirmation(payload),
            table::CHANNEL_OPEN_FAILURE => self.handle_open_failure(payload),
            table::CHANNEL_WINDOW_ADJUST => {
                let (number, bytes) = message::decode_window_adjust(payload)?;
                self.opened(number)?.remote_window.adjust(bytes)
            }
            table::CHANNEL_EOF => {
                let number = message::decode_channel(payload)?;
                let state = self.opened(number)?;
                if !std::mem::replace(&mut state.received_eof, true) && !state.sent_close {
                    self.events.push_back(Event::Eof { channel: ChannelId(number) });
                }
                Ok(())
            }
            table::CHANNEL_CLOSE => self.handle_close(payload),
            table::CHANNEL_REQUEST => self.handle_request(payload),
            table::CHANNEL_SUCCESS => self.handle_answer(payload, true),
            table::CHANNEL_FAILURE => self.handle_answer(payload, false),
            message => Err(Misbehaved::OutOfTurn { message }.into()),
        }
    }

    fn opened(&mut self, number: u32) -> Result<&mut Channel, Error> {
        let state = self.channels.theirs(number)?;
        if state.open { Ok(state) } else { Err(Misbehaved::UnknownChannel(number).into()) }
    }

    fn handle_open(&mut self, payload: &[u8]) -> Result<(), Error> {
        let open = message::Open::decode(payload)?;
        if let ChannelOpen::Other { .. } = open.kind {
            let payload = message::encode_open_failure(
                open.sender_channel,
                OpenFailure::UnknownChannelType,
                "unknown channel type",
            );
            return self.send_message(&payload);
        }
        let mut channel = Channel::asked(open.kind.kind(), self.new_window());
        channel.proposed = true;
        let id = self.channels.add(channel).ok_or(Misbehaved::TooManyChannels)?;
        self.events.push_back(Event::ChannelAsked(ChannelAsk {
            id,
            open: open.kind,
            remote: open.sender_channel,
            window: open.initial_window_size,
            packet: open.maximum_packet_size,
        }));
        Ok(())
    }

    fn handle_open_confirmation(&mut self, payload: &[u8]) -> Result<(), Error> {
        let confirmed = message::OpenConfirmation::decode(payload)?;
        let number = confirmed.recipient_channel;
        let state = self.channels.theirs(number)?;
        if state.open || state.proposed {
            return Err(Misbehaved::UnknownChannel(number).into());
        }
        let guessed = std::mem::take(&mut state.early).then_some(state.remote);
        let greeted = state.greeted.take();
        state.opened(
            confirmed.sender_channel,
            confirmed.initial_window_size,
            confirmed.maximum_packet_size,
        );
        self.sample_round_trip(greeted);
        let channel = ChannelId(number);
        if let Some(guess) = guessed {
            R::opened_early(self, channel, guess, confirmed.sender_channel)?;
        }
        self.events.push_back(Event::ChannelOpened { channel });
        Ok(())
    }

    fn handle_open_failure(&mut self, payload: &[u8]) -> Result<(), Error> {
        let (number, reason, description) = message::decode_open_failure(payload)?;
        let state = self.channels.theirs(number)?;
        if state.open || state.proposed {
            return Err(Misbehaved::UnknownChannel(number).into());
        }
        let channel = ChannelId(number);
        self.channels.remove(channel);
        self.events.push_back(Event::ChannelRefused { channel, reason, description });
        Ok(())
    }

    fn handle_close(&mut self, payload: &[u8]) -> Result<(), Error> {
        let number = message::decode_channel(payload)?;
        let state = self.opened(number)?;
        let answer = (!state.sent_close).then_some(state.remote);
        if let Some(remote) = answer {
            self.send_message(&message::encode_channel(table::CHANNEL_CLOSE, remote))?;
        }
        let channel = ChannelId(number);
        self.channels.remove(channel);
        self.events.push_back(Event::ChannelClosed { channel });
        Ok(())
    }

    fn handle_request(&mut self, payload: &[u8]) -> Result<(), Error> {
        let (number, request, want_reply) = message::decode_request(payload)?;
        let greeted = self.opened(number)?.greeted.take();
        self.sample_round_trip(greeted);
        let state = self.opened(number)?;
        // What comes before the remote's CLOSE is still to be heard, such as
        // an exit status, but our CLOSE was our last word.
        let want_reply = want_reply && !state.sent_close;
        if want_reply {
            state.unanswered += 1;
            if state.unanswered > limits::UNANSWERED_REQUESTS {
                return Err(Misbehaved::TooManyRequests.into());
            }
        }
        let channel = ChannelId(number);
        if let ChannelRequest::Other { .. } | ChannelRequest::Keepalive = request {
            // A keep-alive is answered like a request nobody knows.
            return if want_reply { self.reply_when_oldest(channel) } else { Ok(()) };
        }
        self.events.push_back(Event::ChannelRequested { channel, request, want_reply });
        Ok(())
    }

    /// Refuses a request here when no other is open; else the application
    /// has to, to keep the order.
    fn reply_when_oldest(&mut self, channel: ChannelId) -> Result<(), Error> {
        if self.channels.ours(channel)?.unanswered == 1 {
            return self.reply(channel, false);
        }
        let request = ChannelRequest::Keepalive;
        self.events.push_back(Event::ChannelRequested { channel, request, want_reply: true });
        Ok(())
    }

    fn handle_answer(&mut self, payload: &[u8], success: bool) -> Result<(), Error> {
        let number = message::decode_channel(payload)?;
        let state = self.opened(number)?;
        state.asked = state.asked.checked_sub(1).ok_or(Misbehaved::AnswerWithoutRequest)?;
        self.events.push_back(Event::ChannelAnswered { channel: ChannelId(number), success });
        Ok(())
    }

    fn handle_global_request(&mut self, payload: &[u8]) -> Result<(), Error> {
        let (request, want_reply) = message::decode_global(payload)?;
        if want_reply {
            self.globals.unanswered += 1;
            if self.globals.unanswered > limits::UNANSWERED_REQUESTS {
                return Err(Misbehaved::TooManyRequests.into());
            }
        }
        if let GlobalRequest::Other { name, data } = &request
            && R::handle_global(self, name, data, want_reply)?
        {
            return Ok(());
        }
        self.events.push_back(Event::GlobalRequested { request, want_reply });
        Ok(())
    }

    fn handle_global_answer(&mut self, success: bool, data: &[u8]) -> Result<(), Error> {
        let asked = self.globals.asked.pop_front().ok_or(Misbehaved::AnswerWithoutRequest)?;
        self.sample_round_trip(Some(asked.sent));
        if asked.role {
            return R::answered_global(self, success, data);
        }
        self.events.push_back(Event::GlobalAnswered { success, data: data.to_vec() });
        Ok(())
    }
}

/// Global requests that await an answer, ours and the remote's.
#[derive(Default)]
pub struct Globals {
    pub(crate) asked: std::collections::VecDeque<GlobalAsked>,
    pub(crate) unanswered: usize,
}

/// One of ours.
pub struct GlobalAsked {
    /// Made by the role itself, not by the application.
    pub(crate) role: bool,
    pub(crate) sent: std::time::Instant,
}

/// Data that go into one packet for this channel.
fn packet_bytes(channel: &Channel) -> usize {
    // A remote that takes nothing in a packet would hang us; one byte does not.
    channel.remote_packet.clamp(1, limits::CHANNEL_PACKET_BYTES) as usize
}
