//! What comes in: packets taken from the input, checked for their place, and handed on.

use std::ops::Range;

use zeroize::Zeroizing;

use super::Connection;
use crate::error::{Error, Misbehaved};
use crate::event::{ChannelId, Event, Stream};
use crate::kex::Kex;
use crate::limits;
use crate::message::table::{self, Phase, Place};
use crate::message::transport;
use crate::role::Role;
use crate::transport::ident;

/// What one step over the input came to.
pub(super) enum Step {
    /// Nothing whole is there.
    Nothing,
    /// Something was handled.
    Done,
    /// Channel data at the places of `run`, in the input buffer or expanded.
    Data { channel: ChannelId, stream: Stream, expanded: bool },
}

impl<R: Role> Connection<R> {
    pub(super) fn step(&mut self) -> Result<Step, Error> {
        if self.phase == Phase::Ident {
            return self.step_ident();
        }
        if std::mem::take(&mut self.unparked)
            && let Some(payload) = self.parked.take()
        {
            return self.step_parked(&payload);
        }
        if let Some(error) = self.deferred.take() {
            return Err(error);
        }
        let Some((mut range, sequence_number)) = self.take_packet()? else {
            return Ok(Step::Nothing);
        };
        if self.strict && self.phase == Phase::FirstKex && sequence_number == u32::MAX {
            return Err(Misbehaved::SequenceWrapped.into());
        }
        let expanded = match &mut self.decompressor {
            None => false,
            Some(decompressor) => {
                let payload = decompressor.payload(self.input.taken(range))?;
                self.expanded.clear();
                self.expanded.extend_from_slice(payload);
                range = 0..self.expanded.len();
                true
            }
        };
        let payload =
            if expanded { &self.expanded[range.clone()] } else { self.input.taken(range.clone()) };
        // An expanded payload may be empty; a packet's own was checked.
        let number = *payload.first().ok_or(Misbehaved::EmptyPayload)?;
        if self.phase == Phase::Connection
            && (table::CHANNEL_OPEN_CONFIRMATION..=table::CHANNEL_FAILURE).contains(&number)
            && self.channels.is_proposed(payload)
        {
            self.parked = Some(Zeroizing::new(payload.to_vec()));
            self.waiting = true;
            return Ok(Step::Done);
        }
        if self.phase == Phase::Connection
            && matches!(number, table::CHANNEL_DATA | table::CHANNEL_EXTENDED_DATA)
            && matches!(self.kex, Kex::Idle | Kex::AwaitKexInit(_))
        {
            let data = self.channels.received_data(payload, self.now)?;
            let Some((channel, stream, length)) = data else {
                self.rekey_if_due()?;
                return Ok(Step::Done);
            };
            self.run.clear();
            self.run.push(range.end - length..range.end);
            if !expanded {
                // An error here belongs behind the data that came before it.
                self.deferred = self.extend_run(number).err();
            }
            self.rekey_if_due()?;
            return Ok(Step::Data { channel, stream, expanded });
        }
        // Everything else is small and rare; a copy frees the buffer. Some of
        // it is a password.
        let payload = Zeroizing::new(payload.to_vec());
        self.handle_message(number, &payload, sequence_number)?;
        Ok(Step::Done)
    }

    fn take_packet(&mut self) -> Result<Option<(Range<usize>, u32)>, Error> {
        let before = self.input.len();
        let taken = self.receiver.next(&mut self.input)?;
        if taken.is_some() {
            let size = before - self.input.len();
            self.statistics.received_bytes += size as u64;
            self.statistics.received_packets += 1;
            self.received_usage.count(size);
        }
        Ok(taken)
    }

    /// Adds the packets behind the last one that carry on its stream.
    fn extend_run(&mut self, number: u8) -> Result<(), Error> {
        // Number, channel and, where there is one, the kind of extended data.
        let same = if number == table::CHANNEL_DATA { 5 } else { 9 };
        let Some(first) = self.run.first() else { return Ok(()) };
        let head_start = first.start - 4 - same;
        let mut head = [0; 9];
        head[..same].copy_from_slice(self.input.taken(head_start..head_start + same));
        while self.run.len() < limits::RUN_PACKETS {
            let next = self.receiver.peek(&mut self.input)?;
            if !next.is_some_and(|payload| payload.starts_with(&head[..same])) {
                return Ok(());
            }
            let Some((range, _)) = self.take_packet()? else { return Ok(()) };
            let payload = self.input.taken(range.clone());
            if let Some((_, _, length)) = self.channels.received_data(payload, self.now)? {
                self.run.push(range.end - length..range.end);
            }
        }
        Ok(())
    }

    /// A message that had to wait for an answer about its channel.
    fn step_parked(&mut self, payload: &[u8]) -> Result<Step, Error> {
        if !matches!(payload.first(), Some(&(table::CHANNEL_DATA | table::CHANNEL_EXTENDED_DATA))) {
            self.handle_connection(payload)?;
            return Ok(Step::Done);
        }
        let Some((channel, stream, length)) = self.channels.received_data(payload, self.now)?
        else {
            return Ok(Step::Done);
        };
        self.expanded.clear();
        self.expanded.extend_from_slice(&payload[payload.len() - length..]);
        self.run.clear();
        self.run.push(0..length);
        Ok(Step::Data { channel, stream, expanded: true })
    }

    /// Whether a message waits for an answer about its channel.
    pub(crate) fn has_parked(&self) -> bool {
        self.parked.is_some()
    }

    /// The application has answered about a channel.
    pub(crate) fn unpark(&mut self, channel: ChannelId) {
        // Number and recipient channel stand first in each of these messages.
        let recipient = self.parked.as_ref().and_then(|parked| parked.get(1..5));
        if recipient == Some(&channel.0.to_be_bytes()) {
            self.unparked = true;
            self.waiting = false;
        }
    }

    fn step_ident(&mut self) -> Result<Step, Error> {
        match ident::take_line(&mut self.input, self.noise_lines, R::SIDE)? {
            None => Ok(Step::Nothing),
            Some(ident::Line::Noise(line)) => {
                self.noise_lines += 1;
                self.events.push_back(Event::Notice(line));
                Ok(Step::Done)
            }
            Some(ident::Line::Ident(line)) => {
                self.remote_ident = Some(line);
                self.phase = Phase::FirstKex;
                Ok(Step::Done)
            }
        }
    }

    fn handle_message(
        &mut self,
        number: u8,
        payload: &[u8],
        sequence_number: u32,
    ) -> Result<(), Error> {
        let out_of_turn = || Error::from(Misbehaved::OutOfTurn { message: number });
        if self.bare && !matches!(number, 1..=4 | 80..=127) {
            return Err(out_of_turn());
        }
        let in_first_kex = self.phase == Phase::FirstKex;
        let of_exchange = matches!(number, table::DISCONNECT | 20..=49);
        if in_first_kex && self.strict && !of_exchange {
            return Err(out_of_turn());
        }
        match table::place(number, R::SIDE, self.phase) {
            Place::Here => {}
            Place::OutOfTurn => return Err(out_of_turn()),
            Place::Unknown => {
                return self.send_message(&transport::encode_unimplemented(sequence_number));
            }
        }
        // RFC 4253 §7.1: from its KEXINIT to its NEWKEYS the remote sends
        // nothing but the exchange itself.
        let exchanging = matches!(self.kex, Kex::Exchange(..) | Kex::AwaitNewKeys(_));
        if exchanging && !matches!(number, 1..=4 | 20..=49) {
            return Err(out_of_turn());
        }
        match number {
            table::DISCONNECT => {
                let (reason, description) = transport::decode_disconnect(payload)?;
                Err(Error::Disconnected { reason, description })
            }
            table::IGNORE | table::UNIMPLEMENTED => Ok(()),
            table::DEBUG => {
                let (_, message) = transport::decode_debug(payload)?;
                self.events.push_back(Event::Notice(message));
                Ok(())
            }
            table::EXT_INFO => {
                self.ext_infos += 1;
                for extension in transport::decode_ext_info(payload)? {
                    self.extensions.retain(|(name, _)| *name != extension.0);
                    self.extensions.push(extension);
                }
                let kept = self.extensions.iter().map(|(name, value)| name.len() + value.len());
                let too_many = self.ext_infos > limits::EXT_INFO_MESSAGES;
                if too_many || kept.sum::<usize>() > limits::EXTENSION_BYTES {
                    return Err(Misbehaved::TooManyExtensions.into());
                }
                self.events.push_back(Event::ExtensionInfo);
                Ok(())
            }
            table::SERVICE_REQUEST | table::SERVICE_ACCEPT => R::handle_service(self, payload),
            table::KEXINIT => self.handle_kexinit(payload, sequence_number),
            table::NEWKEYS => self.handle_new_keys(),
            30..=49 => {
                if let Kex::Exchange(exchange, _) = &mut self.kex
                    && std::mem::take(&mut exchange.ignore_next)
                {
                    return Ok(());
                }
                R::handle_kex(self, payload)
            }
            50..=79 => R::handle_userauth(self, payload),
            table::PING => {
                let data = transport::decode_ping(payload)?;
                self.send_message(&transport::encode_ping(table::PONG, &data))
            }
            table::PONG => Ok(()),
            _ => self.handle_connection(payload),
        }
    }
}
