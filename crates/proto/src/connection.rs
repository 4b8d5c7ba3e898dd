//! The engine's core: input, gate, layers, events.

mod input;
mod key_exchange;
mod output;

use std::collections::VecDeque;
use std::ops::Range;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use self::input::Step;
use crate::channel::channel::Channels;
use crate::channels::Globals;
use crate::config::Config;
use crate::error::{Error, Misuse};
use crate::event::{Data, Event};
use crate::kex::Kex;
use crate::kex::ext_info;
use crate::kex::negotiate::{self, Negotiated};
use crate::limits;
use crate::message::kex::Proposal;
use crate::message::table::{self, Phase};
use crate::message::transport;
use crate::role::Role;
use crate::transport::buffer::{Input, Output};
use crate::transport::compression::{Compressor, Decompressor};
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

    /// Takes note of a round trip that took from `sent` to now.
    pub(crate) fn sample_round_trip(&mut self, sent: Option<Instant>) {
        if let Some(sent) = sent {
            let sample = self.now.saturating_duration_since(sent);
            let shortest = self.statistics.round_trip.map_or(sample, |known| known.min(sample));
            self.statistics.round_trip = Some(shortest);
        }
    }
}
