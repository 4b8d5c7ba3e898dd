//! What the remote does with channels. RFC 4254 §5, §6.

use crate::channel::channel::Channel;
use crate::channel::open::{ChannelOpen, OpenFailure};
use crate::channel::request::ChannelRequest;
use crate::connection::Connection;
use crate::error::{Error, Misbehaved};
use crate::event::{ChannelAsk, ChannelId, Event};
use crate::limits;
use crate::message::connection as message;
use crate::message::request;
use crate::message::table;
use crate::role::Role;

impl<R: Role> Connection<R> {
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

    pub(super) fn opened(&mut self, number: u32) -> Result<&mut Channel, Error> {
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
        let (number, request, want_reply) = request::decode_request(payload)?;
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
}
