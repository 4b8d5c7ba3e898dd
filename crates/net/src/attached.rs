mod flow;

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Instant;

use proto::{ChannelId, ChannelRequest, Connection, Data, Role, Stream};

use crate::descriptor::{Descriptor, Read};
use crate::endpoint::{Endpoint, Endpoints};
use crate::limits;
use crate::reactor::{Interest, Owner, Reactor, Slot};

pub(crate) use flow::Output;
use flow::{Broken, File, Input};

/// What became of a channel's local ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndpointEvent {
    /// Every input reached its end, all of it was sent, and so was the EOF.
    InputEnded,
    /// Every output was closed or shut down.
    OutputEnded {
        /// A write failed: the rest is discarded and the remote was asked to
        /// stop (`eow@openssh.com`).
        broken: bool,
    },
    /// Both have ended: it is for the application to close the channel.
    Done,
}

/// Endpoint news waiting for the application.
pub(crate) type Notices = VecDeque<(ChannelId, EndpointEvent)>;

/// The local ends of one channel.
#[derive(Debug)]
pub(crate) struct Attached {
    /// Data and stderr, in this order; so too below.
    inputs: [Input; 2],
    outputs: [Output; 2],
    /// It stands in the queue of channels with something to do.
    pub(crate) queued: bool,
    pub(crate) active: Instant,
    /// The remote sent EOF.
    ended_by_remote: bool,
    /// An empty input is an ended one from now on.
    end_when_empty: bool,
    /// What is read is typed by somebody.
    pub(crate) interactive: bool,
    eow_sent: bool,
    input_told: bool,
    output_told: bool,
}

/// How far a channel came in its turn.
#[derive(Debug, Default)]
pub(crate) struct Pumped {
    /// There is more to do as soon as there is room, or now.
    pub(crate) waiting: bool,
    /// It stopped only because its share of this turn was used.
    pub(crate) again: bool,
    /// Filtered input is ready, and there is this much room for it.
    pub(crate) filter_room: usize,
    /// Something moved.
    pub(crate) moved: bool,
    /// Something went into packets.
    pub(crate) sent: bool,
}

impl Attached {
    pub(crate) fn new(
        reactor: &mut Reactor,
        channel: ChannelId,
        endpoints: Endpoints,
        now: Instant,
    ) -> io::Result<Self> {
        let mut attached = Self {
            inputs: [Input::default(), Input::default()],
            outputs: [Output::default(), Output::default()],
            queued: false,
            active: now,
            ended_by_remote: false,
            end_when_empty: false,
            interactive: false,
            eow_sent: false,
            input_told: false,
            output_told: false,
        };
        let result = attached.register(reactor, channel, endpoints);
        if result.is_err() {
            attached.close(reactor);
        }
        result.map(|()| attached)
    }

    fn register(
        &mut self,
        reactor: &mut Reactor,
        channel: ChannelId,
        endpoints: Endpoints,
    ) -> io::Result<()> {
        let Endpoints { input, output, stderr_input, stderr_output } = endpoints;
        let mut known: Vec<(Arc<Descriptor>, Option<Slot>)> = Vec::with_capacity(4);
        let mut add = |endpoint: Endpoint, interest: Interest| -> io::Result<File> {
            let descriptor = endpoint.descriptor;
            let shared = known.iter().find(|(other, _)| Arc::ptr_eq(other, &descriptor));
            if let Some((_, slot)) = shared {
                return Ok(File { descriptor, slot: *slot, enlarged: false });
            }
            let interest =
                if Arc::strong_count(&descriptor) > 1 { Interest::Both } else { interest };
            let slot = reactor.add(&descriptor, Owner::Channel(channel), interest)?;
            known.push((Arc::clone(&descriptor), slot));
            Ok(File { descriptor, slot, enlarged: false })
        };
        for (place, endpoint) in self.inputs.iter_mut().zip([input, stderr_input]) {
            if let Some(endpoint) = endpoint {
                place.filtered = endpoint.filtered;
                place.had_file = true;
                place.file = Some(add(endpoint, Interest::Readable)?);
            }
        }
        for (place, endpoint) in self.outputs.iter_mut().zip([output, stderr_output]) {
            if let Some(endpoint) = endpoint {
                place.had_file = true;
                place.file = Some(add(endpoint, Interest::Writable)?);
            }
        }
        Ok(())
    }

    /// Whether data of this stream goes to an endpoint, open or not any more.
    pub(crate) fn takes(&self, stream: Stream) -> bool {
        let [data, stderr] = &self.outputs;
        match stream {
            Stream::Data => data.had_file,
            Stream::Stderr => stderr.had_file,
        }
    }

    /// Takes received data; returns how much of it was written for good.
    pub(crate) fn accept(
        &mut self,
        reactor: &mut Reactor,
        stream: Stream,
        data: Data<'_>,
    ) -> usize {
        self.output(stream).accept(reactor, data)
    }

    pub(crate) fn queue_output(&mut self, stream: Stream, data: &[u8]) {
        self.output(stream).spill.push(data);
    }

    pub(crate) fn queue_input(&mut self, stream: Stream, bytes: &[u8]) {
        self.input(stream).pending.push(bytes);
    }

    pub(crate) fn set_filtered(&mut self, filtered: bool) {
        self.input(Stream::Data).filtered = filtered;
    }

    pub(crate) fn handle_eof(&mut self) {
        self.ended_by_remote = true;
    }

    /// The remote reads no more: `eow@openssh.com`.
    pub(crate) fn handle_eow(&mut self, reactor: &mut Reactor) {
        let input = self.input(Stream::Data);
        input.pending.discard();
        if let Some(file) = &input.file {
            file.descriptor.end_reading();
        }
        input.close(reactor);
    }

    pub(crate) fn end_input(&mut self, reactor: &mut Reactor) {
        self.input(Stream::Data).close(reactor);
    }

    pub(crate) fn end_input_when_empty(&mut self) {
        self.end_when_empty = true;
    }

    /// Reads filtered input into `room`, at most its length.
    pub(crate) fn read_filtered(&mut self, reactor: &mut Reactor, room: &mut [u8]) -> usize {
        let end_when_empty = self.end_when_empty;
        let input = self.input(Stream::Data);
        let Some(file) = &mut input.file else { return 0 };
        let read = file.read(reactor, room);
        if read.ended || (read.empty && end_when_empty) {
            input.close(reactor);
        }
        read.count
    }

    /// Moves what can be moved to the outputs.
    pub(crate) fn pump_outputs<R: Role>(
        &mut self,
        connection: &mut Connection<R>,
        reactor: &mut Reactor,
        channel: ChannelId,
    ) -> Pumped {
        let mut pumped = Pumped::default();
        for output in &mut self.outputs {
            if !output.spill.is_empty() {
                let done = output.flush(reactor);
                pumped.moved |= done > 0;
                // Refused only once the channel is closed, when it is moot.
                let _ = connection.consumed(channel, done);
            }
            if self.ended_by_remote && output.spill.is_empty() {
                output.close(reactor);
            }
        }
        pumped
    }

    /// Moves what can be moved from the inputs.
    pub(crate) fn pump_inputs<R: Role>(
        &mut self,
        connection: &mut Connection<R>,
        reactor: &mut Reactor,
        channel: ChannelId,
        pumped: &mut Pumped,
    ) {
        let mut budget = limits::CHANNEL_TURN_BYTES;
        for stream in [Stream::Data, Stream::Stderr] {
            self.pump_input(connection, reactor, channel, stream, &mut budget, pumped);
        }
    }

    fn pump_input<R: Role>(
        &mut self,
        connection: &mut Connection<R>,
        reactor: &mut Reactor,
        channel: ChannelId,
        stream: Stream,
        budget: &mut usize,
        pumped: &mut Pumped,
    ) {
        let end_when_empty = self.end_when_empty;
        let input = self.input(stream);
        loop {
            let readable = input
                .file
                .as_ref()
                .is_some_and(|file| end_when_empty || reactor.ready(file.slot).readable);
            if input.pending.is_empty() && !readable {
                return;
            }
            let room = connection.room(channel);
            if room == 0 {
                pumped.waiting = true;
                return;
            }
            if input.pending.is_empty() && input.filtered {
                pumped.filter_room = room;
                return;
            }
            if *budget == 0 {
                (pumped.waiting, pumped.again) = (true, true);
                return;
            }
            let mut read = Read::default();
            let sent = if input.pending.is_empty() {
                let Some(file) = &mut input.file else { return };
                if input.busy {
                    connection.send_vectored(channel, stream, |rooms| {
                        read = file.read_vectored(reactor, rooms);
                        Ok::<_, Broken>(read.count)
                    })
                } else {
                    connection.send(channel, stream, |room| {
                        read = file.read(reactor, room);
                        Ok(read.count)
                    })
                }
            } else {
                connection.send(channel, stream, |room| {
                    let bytes = input.pending.bytes();
                    let count = bytes.len().min(room.len());
                    if let (Some(to), Some(from)) = (room.get_mut(..count), bytes.get(..count)) {
                        to.copy_from_slice(from);
                    }
                    Ok(count)
                })
            };
            let Ok(Ok(count)) = sent else {
                // The channel takes no more: it was closed or EOF was sent.
                input.pending.discard();
                input.close(reactor);
                return;
            };
            if !input.pending.is_empty() {
                input.pending.take(count);
            } else if read.ended || (read.empty && end_when_empty) {
                input.close(reactor);
            }
            // One full packet promises more; a short one ends the rush.
            input.busy = count >= room;
            pumped.moved |= count > 0;
            pumped.sent |= count > 0;
            *budget = budget.saturating_sub(count);
        }
    }

    /// Sends EOF or EOW where they are due and leaves the news.
    pub(crate) fn tell<R: Role>(
        &mut self,
        connection: &mut Connection<R>,
        channel: ChannelId,
        notices: &mut Notices,
    ) {
        let told = self.input_told && self.output_told;
        let has_inputs = self.inputs.iter().any(|input| input.had_file);
        if !self.input_told && has_inputs && self.inputs.iter().all(Input::has_ended) {
            self.input_told = true;
            // Refused if the application sent it already.
            let _ = connection.send_eof(channel);
            notices.push_back((channel, EndpointEvent::InputEnded));
        }
        let broken = self.outputs.iter().any(|output| output.broken);
        let [data, _] = &self.outputs;
        if data.broken && !self.eow_sent && !self.ended_by_remote {
            self.eow_sent = true;
            if connection.remote_ident().is_some_and(knows_eow) {
                let _ = connection.request(channel, ChannelRequest::Eow, false);
            }
        }
        let has_outputs = self.outputs.iter().any(|output| output.had_file);
        let open = |output: &Output| output.file.is_some() || !output.spill.is_empty();
        if !self.output_told && has_outputs && !self.outputs.iter().any(open) {
            self.output_told = true;
            notices.push_back((channel, EndpointEvent::OutputEnded { broken }));
        }
        // Missing ends have nothing to wait for.
        if !told
            && (self.input_told || !has_inputs)
            && (self.output_told || !has_outputs)
            && (self.input_told || self.output_told)
        {
            (self.input_told, self.output_told) = (true, true);
            notices.push_back((channel, EndpointEvent::Done));
        }
    }

    /// Whether it needs a turn: something to write, or a failure to tell.
    pub(crate) fn has_news(&self) -> bool {
        let broken = self.outputs.iter().any(|output| output.broken);
        self.has_spill() || (broken && !(self.output_told && self.eow_sent))
    }

    pub(crate) fn has_spill(&self) -> bool {
        self.outputs.iter().any(|output| !output.spill.is_empty())
    }

    pub(crate) fn release(&mut self) {
        for spill in self.outputs.iter_mut().map(|output| &mut output.spill) {
            spill.release();
        }
        for input in &mut self.inputs {
            input.pending.release();
        }
    }

    /// Closes everything; returns how many bytes were not written.
    pub(crate) fn close(&mut self, reactor: &mut Reactor) -> usize {
        self.inputs.iter_mut().for_each(|input| input.close(reactor));
        let outputs = self.outputs.iter_mut();
        outputs.fold(0, |dropped, output| {
            output.close(reactor);
            dropped + output.spill.discard()
        })
    }

    /// The channel is gone: what it left unwritten goes on alone.
    pub(crate) fn into_leftovers(
        mut self,
        channel: ChannelId,
        reactor: &mut Reactor,
        leftovers: &mut Vec<(ChannelId, Output)>,
    ) {
        self.inputs.iter_mut().for_each(|input| input.close(reactor));
        for mut output in self.outputs {
            output.flush(reactor);
            if output.is_flushed() {
                output.close(reactor);
            } else {
                output.set_owner(reactor, Owner::Leftover);
                leftovers.push((channel, output));
            }
        }
    }

    fn input(&mut self, stream: Stream) -> &mut Input {
        let [data, stderr] = &mut self.inputs;
        match stream {
            Stream::Data => data,
            Stream::Stderr => stderr,
        }
    }

    fn output(&mut self, stream: Stream) -> &mut Output {
        let [data, stderr] = &mut self.outputs;
        match stream {
            Stream::Data => data,
            Stream::Stderr => stderr,
        }
    }
}

/// Whether the remote is of a make that takes `eow@openssh.com`; others have
/// been known to end the connection.
fn knows_eow(ident: &str) -> bool {
    let software = ident.strip_prefix("SSH-2.0-").unwrap_or_default();
    software.starts_with("OpenSSH") || software.starts_with("Keyway")
}
