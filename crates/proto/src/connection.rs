//! The engine's core: input, gate, layers, events.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use crate::channel::channel::Channels;
use crate::channels::Globals;
use crate::config::Config;
use crate::error::{DisconnectReason, Error, Misbehaved, Misuse};
use crate::event::{ChannelId, Data, Event, Stream};
use crate::kex::ext_info;
use crate::kex::negotiate::{self, Negotiated, choose, guess_is_right};
use crate::kex::{Exchange, Kex, NextKeys, SentKexInit};
use crate::limits;
use crate::message::kex::Proposal;
use crate::message::table::{self, Phase, Place};
use crate::message::transport;
use crate::role::{Role, Side};
use crate::transport::buffer::{Input, Output};
use crate::transport::compression::{Compressor, Decompressor};
use crate::transport::ident;
use crate::transport::packet::{Receiver, Sender};
use crate::transport::rekey::{Limit, Usage};

/// One SSH connection, seen from one end.
///
/// It does no I/O and has no clock: bytes go in by [`Self::input_room`] and
/// [`Self::handle_input`], come out by [`Self::poll_transmit`], and what
/// happens comes out by [`Self::poll_event`].
pub struct Connection<R: Role> {
    /// Only the connection protocol is spoken.
    bare: bool,
    pub(crate) config: Config,
    pub(crate) now: Instant,
    pub(crate) phase: Phase,
    input: Input,
    pub(crate) output: Output,
    receiver: Receiver,
    pub(crate) sender: Sender,
    pub(crate) compressor: Option<Compressor>,
    decompressor: Option<Decompressor>,
    /// The payload that was expanded last.
    expanded: Vec<u8>,
    /// Where the data of the last event lie.
    run: Vec<Range<usize>>,
    /// What the packet behind them broke; told after them.
    deferred: Option<Error>,
    sent_usage: Usage,
    received_usage: Usage,
    limit: Option<Limit>,
    pub(crate) local_ident: String,
    pub(crate) remote_ident: Option<String>,
    noise_lines: usize,
    pub(crate) kex: Kex<R>,
    pub(crate) strict: bool,
    pub(crate) session_id: Option<Vec<u8>>,
    pub(crate) chosen: Option<negotiate::Chosen>,
    negotiated: Option<Negotiated>,
    remote_proposal: Option<Proposal>,
    pub(crate) extensions: Vec<(String, Vec<u8>)>,
    ext_infos: u32,
    held: VecDeque<Zeroizing<Vec<u8>>>,
    held_bytes: usize,
    pub(crate) channels: Channels,
    pub(crate) globals: Globals,
    pub(crate) events: VecDeque<Event<'static>>,
    /// A question is open that the input has to wait for.
    pub(crate) waiting: bool,
    /// A message for a channel that the application has not answered about.
    parked: Option<Zeroizing<Vec<u8>>>,
    /// Such a message may be handled now.
    unparked: bool,
    end_of_input: bool,
    ended: bool,
    pub(crate) statistics: Statistics,
    pub(crate) role: R::State,
}

/// Counters of a connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Bytes of packets received.
    pub received_bytes: u64,
    /// Bytes of packets sent.
    pub sent_bytes: u64,
    /// Packets received.
    pub received_packets: u64,
    /// Packets sent.
    pub sent_packets: u64,
    /// Key exchanges finished.
    pub key_exchanges: u64,
    /// The shortest round trip seen.
    pub round_trip: Option<Duration>,
}

/// What one step over the input came to.
enum Step {
    /// Nothing whole is there.
    Nothing,
    /// Something was handled.
    Done,
    /// Channel data at the places of `run`, in the input buffer or expanded.
    Data { channel: ChannelId, stream: Stream, expanded: bool },
}

impl<R: Role> Connection<R> {
    pub(crate) fn start(config: Config, now: Instant, role: R::State) -> Result<Self, Error> {
        let mut connection = Self::blank(config, now, role)?;
        let line = format!("{}\r\n", connection.local_ident);
        connection.output.reserve(line.len()).copy_from_slice(line.as_bytes());
        connection.output.commit(line.len());
        connection.send_kexinit()?;
        Ok(connection)
    }

    /// Nothing but the connection protocol, on a transport that needs neither
    /// keys nor a login: the socket of a shared connection.
    pub(crate) fn start_bare(config: Config, now: Instant, role: R::State) -> Result<Self, Error> {
        let mut connection = Self::blank(config, now, role)?;
        connection.bare = true;
        connection.receiver = Receiver::bare();
        connection.sender = Sender::bare();
        connection.phase = Phase::Connection;
        connection.events.push_back(Event::Authenticated);
        Ok(connection)
    }

    fn blank(config: Config, now: Instant, role: R::State) -> Result<Self, Error> {
        config.check()?;
        let local_ident = format!("SSH-2.0-{}", config.software_version);
        if local_ident.len() > 253 || !local_ident.bytes().all(|byte| (32..127).contains(&byte)) {
            return Err(Misuse::TooLarge("the software version").into());
        }
        Ok(Self {
            bare: false,
            config,
            now,
            phase: Phase::Ident,
            input: Input::default(),
            output: Output::default(),
            receiver: Receiver::clear(),
            sender: Sender::clear(),
            compressor: None,
            decompressor: None,
            expanded: Vec::new(),
            run: Vec::new(),
            deferred: None,
            sent_usage: Usage::default(),
            received_usage: Usage::default(),
            limit: None,
            local_ident,
            remote_ident: None,
            noise_lines: 0,
            kex: Kex::Idle,
            strict: false,
            session_id: None,
            chosen: None,
            negotiated: None,
            remote_proposal: None,
            extensions: Vec::new(),
            ext_infos: 0,
            held: VecDeque::new(),
            held_bytes: 0,
            channels: Channels::default(),
            globals: Globals::default(),
            events: VecDeque::new(),
            waiting: false,
            parked: None,
            unparked: false,
            end_of_input: false,
            ended: false,
            statistics: Statistics::default(),
            role,
        })
    }

    // ---- bytes ----

    /// Room to read the transport into. Empty when enough is there already, or
    /// when the remote reads nothing of what it asked for.
    pub fn input_room(&mut self) -> &mut [u8] {
        let full = self.input.len() >= limits::INPUT_BYTES;
        if self.ended || self.end_of_input || full || self.output.len() > limits::OUTPUT_PAUSE_BYTES
        {
            return &mut [];
        }
        let wanted = if self.phase == Phase::Ident {
            limits::IDENT_LINE_BYTES
        } else {
            self.receiver.wanted()
        };
        self.input.room(wanted)
    }

    /// `filled` bytes of the room were read.
    pub fn handle_input(&mut self, filled: usize) {
        self.input.filled(filled);
    }

    /// The transport has no more to read.
    pub fn handle_end_of_input(&mut self) {
        self.end_of_input = true;
    }

    /// What happened next; `None` when nothing did.
    ///
    /// To be called until it gives `None` after input, an answer or a timeout.
    pub fn poll_event(&mut self, now: Instant) -> Option<Event<'_>> {
        self.now = now;
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            if self.ended || self.waiting || self.output.len() > limits::OUTPUT_PAUSE_BYTES {
                return None;
            }
            match self.step() {
                Ok(Step::Done) => {}
                Ok(Step::Data { channel, stream, expanded }) => {
                    let buffer = if expanded { &self.expanded } else { self.input.bytes() };
                    let data = Data { buffer, ranges: &self.run };
                    return Some(Event::Data { channel, stream, data });
                }
                Ok(Step::Nothing) => {
                    if R::input_drained(self) {
                        continue;
                    }
                    if !self.end_of_input {
                        return None;
                    }
                    let received_ident = self.remote_ident.is_some();
                    self.fail(Error::ConnectionLost { received_ident });
                }
                Err(error) => self.fail(error),
            }
        }
    }

    /// What is to be written to the transport.
    pub fn poll_transmit(&self) -> &[u8] {
        self.output.pending()
    }

    /// `count` bytes of it were written.
    pub fn transmitted(&mut self, count: usize) {
        self.output.sent(count);
    }

    /// When [`Self::handle_timeout`] is to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.ended || self.phase != Phase::Connection || !matches!(self.kex, Kex::Idle) {
            return None;
        }
        self.limit.and_then(|limit| limit.deadline())
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        let due = self.poll_timeout().is_some_and(|deadline| deadline <= now);
        if due && let Err(error) = self.rekey() {
            self.fail(error);
        }
    }

    /// Gives back the memory of buffers with nothing in them; for a
    /// connection that has been idle for a while.
    pub fn release_buffers(&mut self) {
        self.input.release();
        self.output.release();
        self.expanded = Vec::new();
        self.run = Vec::new();
        self.events.shrink_to_fit();
        self.held.shrink_to_fit();
    }

    /// Whether [`Event::Ended`] has come or is about to.
    pub fn is_ended(&self) -> bool {
        self.ended
    }

    /// Says goodbye. Nothing is processed afterwards; what
    /// [`Self::poll_transmit`] has is still to be written.
    pub fn disconnect(&mut self, reason: DisconnectReason, description: &str) {
        if !self.ended {
            let payload = transport::encode_disconnect(reason, description);
            // The connection ends here whether or not this can be framed.
            let _ = self.send_now(&payload);
            self.end(Error::ClosedByUs);
        }
    }

    /// Ends the connection because the remote no longer answers.
    pub fn time_out(&mut self, timer: crate::error::Timer) {
        self.fail(Error::TimedOut(timer));
    }

    // ---- facts ----

    /// The remote's ident, once known.
    pub fn remote_ident(&self) -> Option<&str> {
        self.remote_ident.as_deref()
    }

    /// The first exchange hash. RFC 4253 §7.2.
    pub fn session_id(&self) -> Option<&[u8]> {
        self.session_id.as_deref()
    }

    /// The algorithms in use, or about to be.
    pub fn negotiated(&self) -> Option<&Negotiated> {
        self.negotiated.as_ref()
    }

    /// What the remote offered last.
    pub fn remote_proposal(&self) -> Option<&Proposal> {
        self.remote_proposal.as_ref()
    }

    /// Counters so far.
    pub fn statistics(&self) -> Statistics {
        self.statistics
    }

    /// Whether the remote named this extension in EXT_INFO.
    pub fn supports(&self, extension: &str) -> bool {
        self.extensions.iter().any(|(name, _)| name == extension)
    }

    /// Whether keys are being exchanged.
    pub fn is_rekeying(&self) -> bool {
        !matches!(self.kex, Kex::Idle)
    }

    /// Sends a packet that looks like one key pressed and carries nothing, to a remote that
    /// answers it (`ping@openssh.com`, version 0). Nothing is sent to another, or during a key
    /// exchange.
    ///
    /// # Errors
    /// Those of framing it.
    pub fn send_chaff(&mut self) -> Result<(), Error> {
        let is_answered =
            self.extensions.iter().any(|(name, value)| name == ext_info::PING && value == b"0");
        if !is_answered || self.bare || !self.is_authenticated() || self.is_rekeying() {
            return Ok(());
        }
        // As many bytes as the data of one key take: number, channel, length, byte.
        self.send_now(&transport::encode_ping(table::PING, b"PING!"))
    }

    /// Whether the user is in.
    pub fn is_authenticated(&self) -> bool {
        self.phase == Phase::Connection
    }

    // ---- input ----

    fn step(&mut self) -> Result<Step, Error> {
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

    // ---- key exchange ----

    /// Begins a key exchange, unless one runs.
    ///
    /// # Errors
    /// [`Misuse::OutOfTurn`] before authentication: delayed compression begins
    /// with its success, which an exchange would hold back.
    pub fn rekey(&mut self) -> Result<(), Error> {
        if self.phase != Phase::Connection || self.bare {
            return Err(Misuse::OutOfTurn("a rekey").into());
        }
        if matches!(self.kex, Kex::Idle) { self.send_kexinit() } else { Ok(()) }
    }

    pub(crate) fn rekey_if_due(&mut self) -> Result<(), Error> {
        let due = self.limit.is_some_and(|limit| {
            limit.reached(self.sent_usage) || limit.reached(self.received_usage)
        });
        let may = self.phase == Phase::Connection && matches!(self.kex, Kex::Idle);
        if due && may { self.send_kexinit() } else { Ok(()) }
    }

    fn send_kexinit(&mut self) -> Result<(), Error> {
        let mut proposal = self.config.proposal(R::SIDE);
        let first = self.session_id.is_none();
        if first {
            let markers = match R::SIDE {
                Side::Client => [negotiate::EXT_INFO_CLIENT, negotiate::STRICT_CLIENT],
                Side::Server => [negotiate::EXT_INFO_SERVER, negotiate::STRICT_SERVER],
            };
            proposal.kex_algorithms.extend(markers.map(str::to_owned));
        }
        let guess = if first { R::guess(self)? } else { None };
        proposal.first_kex_packet_follows = guess.is_some();
        let mut cookie = [0; 16];
        crypto::random::fill(&mut cookie);
        let payload = proposal.encode(cookie);
        self.send_now(&payload)?;
        let mut sent = SentKexInit { proposal, payload, guess: None };
        if let Some((packet, started)) = guess {
            self.send_now(&packet)?;
            sent.guess = Some(started);
        }
        self.kex = Kex::AwaitKexInit(sent);
        Ok(())
    }

    fn handle_kexinit(&mut self, payload: &[u8], sequence_number: u32) -> Result<(), Error> {
        if payload.len() > limits::KEXINIT_BYTES {
            return Err(Misbehaved::KexInitTooLong.into());
        }
        let remote = Proposal::decode(payload)?;
        if matches!(self.kex, Kex::Idle) {
            self.send_kexinit()?;
        }
        let Kex::AwaitKexInit(sent) = std::mem::replace(&mut self.kex, Kex::Idle) else {
            return Err(Misbehaved::OutOfTurn { message: table::KEXINIT }.into());
        };
        if self.session_id.is_none() {
            let marker = match R::SIDE {
                Side::Client => negotiate::STRICT_SERVER,
                Side::Server => negotiate::STRICT_CLIENT,
            };
            self.strict = remote.kex_algorithms.iter().any(|name| name == marker);
            if self.strict && sequence_number != 0 {
                return Err(Misbehaved::KexInitNotFirst.into());
            }
        }
        let chosen = choose(&sent.proposal, &remote, R::SIDE)?;
        self.negotiated = Some(chosen.names(self.strict));
        let ignore_next =
            remote.first_kex_packet_follows && !guess_is_right(&remote, &sent.proposal);
        let guess = sent.guess.filter(|_| guess_is_right(&sent.proposal, &remote));
        let remote_ident = self.remote_ident.clone().unwrap_or_default();
        let local_ident = self.local_ident.clone();
        let mut transcript = crate::kex::exchange_hash::Transcript::default();
        match R::SIDE {
            Side::Client => {
                (transcript.v_c, transcript.v_s) = (local_ident, remote_ident);
                (transcript.i_c, transcript.i_s) = (sent.payload, payload.to_vec());
            }
            Side::Server => {
                (transcript.v_c, transcript.v_s) = (remote_ident, local_ident);
                (transcript.i_c, transcript.i_s) = (payload.to_vec(), sent.payload);
            }
        }
        self.remote_proposal = Some(remote);
        self.events.push_back(Event::Negotiated);
        R::begin_exchange(self, Exchange { chosen, transcript, ignore_next }, guess)
    }

    /// The exchange is agreed on and the host key with it: our NEWKEYS.
    pub(crate) fn send_new_keys(&mut self, mut next: NextKeys) -> Result<(), Error> {
        self.send_now(&[table::NEWKEYS])?;
        if let Some(sealer) = next.sealer.take() {
            self.sender.rekey(sealer, self.strict);
        }
        self.sent_usage = Usage::default();
        let outgoing = match R::SIDE {
            Side::Client => next.chosen.client_to_server,
            Side::Server => next.chosen.server_to_client,
        };
        // RFC 4253 §6.2: each key exchange begins a new compression context.
        let compress = outgoing.zlib && self.phase == Phase::Connection;
        self.compressor = compress.then(Compressor::new);
        let first = self.phase == Phase::FirstKex;
        self.limit = Some(Limit::new(
            outgoing.cipher,
            self.config.rekey_bytes,
            self.config.rekey_after,
            self.now,
        ));
        self.chosen = Some(next.chosen);
        self.kex = Kex::AwaitNewKeys(next);
        if first {
            R::sent_first_new_keys(self)?;
        }
        self.send_held()
    }

    fn handle_new_keys(&mut self) -> Result<(), Error> {
        let Kex::AwaitNewKeys(mut next) = std::mem::replace(&mut self.kex, Kex::Idle) else {
            return Err(Misbehaved::OutOfTurn { message: table::NEWKEYS }.into());
        };
        if let Some(opener) = next.opener.take() {
            self.receiver.rekey(opener, self.strict);
        }
        self.received_usage = Usage::default();
        let incoming = match R::SIDE {
            Side::Client => next.chosen.server_to_client,
            Side::Server => next.chosen.client_to_server,
        };
        let compress = incoming.zlib && self.phase == Phase::Connection;
        self.decompressor = compress.then(Decompressor::new);
        self.statistics.key_exchanges += 1;
        let first = self.phase == Phase::FirstKex;
        if first {
            self.phase = Phase::Service;
        }
        self.events.push_back(Event::NewKeys { first });
        R::received_new_keys(self, first)
    }

    /// Authentication has succeeded: delayed compression begins.
    pub(crate) fn enter_connection(&mut self) {
        self.phase = Phase::Connection;
        if let Some(chosen) = &self.chosen {
            let (outgoing, incoming) = match R::SIDE {
                Side::Client => (chosen.client_to_server, chosen.server_to_client),
                Side::Server => (chosen.server_to_client, chosen.client_to_server),
            };
            self.compressor = outgoing.zlib.then(Compressor::new);
            self.decompressor = incoming.zlib.then(Decompressor::new);
        }
        self.events.push_back(Event::Authenticated);
    }

    // ---- output ----

    /// Whether messages other than the exchange's own must wait.
    pub(crate) fn must_hold(&self) -> bool {
        matches!(self.kex, Kex::AwaitKexInit(_) | Kex::Exchange(..))
    }

    /// Sends a message, behind the key exchange if one runs.
    pub(crate) fn send_message(&mut self, payload: &[u8]) -> Result<(), Error> {
        if self.must_hold() {
            self.held_bytes += payload.len();
            if self.held_bytes > limits::HELD_BYTES {
                return Err(Misbehaved::TooManyRequests.into());
            }
            self.held.push_back(Zeroizing::new(payload.to_vec()));
            return Ok(());
        }
        self.send_now(payload)
    }

    /// Sends a message of the transport itself.
    pub(crate) fn send_now(&mut self, payload: &[u8]) -> Result<(), Error> {
        // The other end of a bare transport knows nothing else.
        if self.bare && payload.first().is_some_and(|number| *number < 80) {
            return Ok(());
        }
        let length = match &mut self.compressor {
            None => self.sender.append(&mut self.output, payload)?,
            Some(compressor) => {
                let payload = compressor.payload(payload)?;
                self.sender.append(&mut self.output, payload)?
            }
        };
        self.count_sent(length);
        Ok(())
    }

    pub(crate) fn count_sent(&mut self, length: usize) {
        self.sent_usage.count(length);
        self.statistics.sent_bytes += length as u64;
        self.statistics.sent_packets += 1;
    }

    fn send_held(&mut self) -> Result<(), Error> {
        self.held_bytes = 0;
        while let Some(payload) = self.held.pop_front() {
            self.send_now(&payload)?;
        }
        Ok(())
    }

    /// Takes note of a round trip that took from `sent` to now.
    pub(crate) fn sample_round_trip(&mut self, sent: Option<Instant>) {
        if let Some(sent) = sent {
            let sample = self.now.saturating_duration_since(sent);
            let shortest = self.statistics.round_trip.map_or(sample, |known| known.min(sample));
            self.statistics.round_trip = Some(shortest);
        }
    }

    /// Ends the connection for a reason of our own.
    pub(crate) fn refuse(&mut self, error: Error) {
        self.fail(error);
    }

    fn fail(&mut self, error: Error) {
        if self.ended {
            return;
        }
        if let Some((reason, description)) = error.goodbye() {
            let payload = transport::encode_disconnect(reason, &description);
            // Ending anyway; the remote learns why if it can be framed.
            let _ = self.send_now(&payload);
        }
        self.end(error);
    }

    fn end(&mut self, error: Error) {
        self.ended = true;
        self.waiting = false;
        self.events.push_back(Event::Ended(error));
    }
}
