mod turn;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::fd::BorrowedFd;
use std::time::Instant;

use proto::{ChannelId, Connection, DisconnectReason, GlobalRequest, Role, Stream};

use crate::attached::{Attached, Notices, Output};
use crate::endpoint::Endpoints;
use crate::keep_alive::{KeepAlive, Watch};
use crate::keystrokes::{Keystrokes, Obscure};
use crate::reactor::{Interest, Owner, Reactor, Readiness, UserToken};
use crate::transport::{Transport, Wire};
use crate::{limits, sys};

pub(crate) use turn::{News, Passed};

/// What an [`Application`](crate::Application) works with: the connection, and
/// what is attached to it.
pub struct Link<R: Role> {
    connection: Connection<R>,
    wire: Wire,
    reactor: Reactor,
    channels: HashMap<ChannelId, Attached>,
    /// Channels with something to move, in the order of their turns.
    active: VecDeque<ChannelId>,
    /// Outputs of channels that are gone.
    leftovers: Vec<(ChannelId, Output)>,
    pub(crate) notices: Notices,
    user_ready: Vec<(UserToken, Readiness)>,
    /// Channels where it matters what came in one message.
    whole_messages: Vec<ChannelId>,
    keep_alive: Option<Watch>,
    keystrokes: Option<Keystrokes>,
    /// A key was pressed since bytes were last written.
    typed: bool,
    /// Global requests that wait for their answer: whether each was a ping.
    pings: VecDeque<bool>,
    now: Instant,
    last_traffic: Instant,
    last_heard: Instant,
    last_sent: Option<Instant>,
    /// When something was sent first since then.
    unanswered: Option<Instant>,
    released: bool,
    phase: Phase,
    ended: Option<proto::Error>,
    transport_error: Option<io::Error>,
    /// The transport takes no more bytes.
    write_broken: bool,
    input_ended: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Running,
    /// Nothing new is read locally; what waits is written until this time.
    Finishing(Instant),
    Aborted,
}

impl<R: Role> Link<R> {
    pub(crate) fn new(connection: Connection<R>, transport: Transport) -> io::Result<Self> {
        let mut reactor = Reactor::new()?;
        let wire = Wire::new(transport, &mut reactor)?;
        let now = Instant::now();
        Ok(Self {
            connection,
            wire,
            reactor,
            channels: HashMap::new(),
            active: VecDeque::new(),
            leftovers: Vec::new(),
            notices: Notices::new(),
            user_ready: Vec::new(),
            whole_messages: Vec::new(),
            keep_alive: None,
            keystrokes: None,
            typed: false,
            pings: VecDeque::new(),
            now,
            last_traffic: now,
            last_heard: now,
            last_sent: None,
            unanswered: None,
            released: false,
            phase: Phase::Running,
            ended: None,
            transport_error: None,
            write_broken: false,
            input_ended: false,
        })
    }

    /// The engine.
    pub fn connection(&self) -> &Connection<R> {
        &self.connection
    }

    /// The engine, to ask and answer. What it has to send is sent at the end
    /// of the turn.
    pub fn connection_mut(&mut self) -> &mut Connection<R> {
        &mut self.connection
    }

    /// The time, read once per turn.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Why the transport failed, if it did: the reset or unreachable network
    /// behind an `Ended(ConnectionLost)`.
    pub fn transport_error(&self) -> Option<&io::Error> {
        self.transport_error.as_ref()
    }

    /// Connects a channel with local descriptors. They may be given before the
    /// channel is open; nothing moves until then.
    ///
    /// EOF is sent when all inputs have ended; a channel without inputs sends
    /// none by itself.
    ///
    /// # Errors
    /// Those of the poll, such as a descriptor that is attached already. The
    /// descriptors are closed then.
    pub fn attach(&mut self, channel: ChannelId, endpoints: Endpoints) -> io::Result<()> {
        self.detach(channel);
        let attached = Attached::new(&mut self.reactor, channel, endpoints, self.now)?;
        self.channels.insert(channel, attached);
        self.activate(channel);
        Ok(())
    }

    /// Closes a channel's local descriptors at once. What was not written is
    /// dropped, and counts as consumed.
    pub fn detach(&mut self, channel: ChannelId) {
        if let Some(mut attached) = self.channels.remove(&channel) {
            let dropped = attached.close(&mut self.reactor);
            let _ = self.connection.consumed(channel, dropped);
        }
        self.notices.retain(|(other, _)| *other != channel);
    }

    /// Whether a channel has local descriptors.
    pub fn is_attached(&self, channel: ChannelId) -> bool {
        self.channels.contains_key(&channel)
    }

    /// Whether something that a closed channel of this number left is still to
    /// be written.
    pub fn has_leftovers(&self, channel: ChannelId) -> bool {
        self.leftovers.iter().any(|(of, _)| *of == channel)
    }

    /// Puts bytes before what is read from the channel's input.
    pub fn queue_input(&mut self, channel: ChannelId, stream: Stream, bytes: &[u8]) {
        if let Some(attached) = self.channels.get_mut(&channel) {
            attached.queue_input(stream, bytes);
            self.activate(channel);
        }
    }

    /// Passes received data on to the channel's output, behind what waits
    /// there. It counts as consumed when it was written.
    pub fn queue_output(&mut self, channel: ChannelId, stream: Stream, bytes: &[u8]) {
        if let Some(attached) = self.channels.get_mut(&channel) {
            attached.queue_output(stream, bytes);
            self.activate(channel);
        }
    }

    /// What is queued for the channel's outputs is the last of it: for a
    /// channel that is attached after the remote's EOF.
    pub fn end_output(&mut self, channel: ChannelId) {
        if let Some(attached) = self.channels.get_mut(&channel) {
            attached.handle_eof();
            self.activate(channel);
        }
    }

    /// Reads no more from the channel's input; what was read is sent, and EOF
    /// behind it.
    pub fn end_input(&mut self, channel: ChannelId) {
        if let Some(attached) = self.channels.get_mut(&channel) {
            attached.end_input(&mut self.reactor);
            self.activate(channel);
        }
    }

    /// From now on, an input that has nothing has ended: for a pty whose shell
    /// is gone while others still hold it.
    pub fn end_input_when_empty(&mut self, channel: ChannelId) {
        if let Some(attached) = self.channels.get_mut(&channel) {
            attached.end_input_when_empty();
            self.activate(channel);
        }
    }

    /// Whether the channel's input goes through
    /// [`Application::input`](crate::Application::input).
    pub fn set_filtered(&mut self, channel: ChannelId, filtered: bool) {
        if let Some(attached) = self.channels.get_mut(&channel) {
            attached.set_filtered(filtered);
            self.activate(channel);
        }
    }

    /// When something last moved on an attached channel, in either direction.
    pub fn last_activity(&self, channel: ChannelId) -> Option<Instant> {
        self.channels.get(&channel).map(|attached| attached.active)
    }

    /// Watches a descriptor of the application's own. Readiness is told once
    /// per edge: read or write until it would block.
    ///
    /// # Errors
    /// Those of the poll: regular files cannot be watched (`EPERM`).
    pub fn watch(
        &mut self,
        fd: BorrowedFd<'_>,
        token: UserToken,
        interest: Interest,
    ) -> io::Result<()> {
        use std::os::fd::AsRawFd;
        let owner = Owner::User(token, fd.as_raw_fd());
        self.reactor.register(fd, owner, interest).map(|_| ())
    }

    /// To be called by the child that goes on with the connection after a fork.
    ///
    /// # Errors
    /// Those of the poll.
    pub fn after_fork(&mut self) -> io::Result<()> {
        self.reactor.renew()
    }

    /// Gives the application each message of a channel's data by itself, or no longer. Otherwise
    /// what came together is given together.
    pub(crate) fn keep_messages_whole(&mut self, channel: ChannelId, whole: bool) {
        self.whole_messages.retain(|other| *other != channel);
        if whole {
            self.whole_messages.push(channel);
        }
    }

    /// Ends [`Link::watch`]; to be called before the descriptor is closed.
    pub fn unwatch(&mut self, token: UserToken) {
        if let Some((slot, fd)) = self.reactor.find_user(token) {
            self.reactor.remove(slot, fd);
        }
        self.user_ready.retain(|(other, _)| *other != token);
    }

    /// Sends a global request. Those that want a reply have to go this way,
    /// so that their answers can be told from those of keep-alives.
    ///
    /// # Errors
    /// Those of [`Connection::global_request`].
    pub fn global_request(
        &mut self,
        request: GlobalRequest,
        want_reply: bool,
    ) -> Result<(), proto::Error> {
        self.connection.global_request(request, want_reply)?;
        if want_reply {
            self.pings.push_back(false);
        }
        Ok(())
    }

    /// Starts, changes or ends asking a silent remote whether it is there. An
    /// interval of zero is none.
    pub fn set_keep_alive(&mut self, keep_alive: Option<KeepAlive>) {
        let wanted = keep_alive.filter(|keep_alive| !keep_alive.interval.is_zero());
        self.keep_alive = wanted.map(|keep_alive| Watch::new(keep_alive, self.now));
    }

    /// When something came from the remote last; at first, when the link was made.
    pub fn last_heard(&self) -> Instant {
        self.last_heard
    }

    /// When something was sent last.
    pub fn last_sent(&self) -> Option<Instant> {
        self.last_sent
    }

    /// When something was sent first that the remote has not followed by anything of its own.
    pub fn unanswered_since(&self) -> Option<Instant> {
        self.unanswered
    }

    /// Asks the remote for a sign of life; [`Link::last_heard`] shows it.
    pub fn ask_alive(&mut self) {
        if self.pings.len() < limits::UNANSWERED_PINGS && self.connection.ping().is_ok() {
            self.pings.push_back(true);
        }
    }

    /// How often in a row the system has sent the oldest bytes anew without their arrival being
    /// told; `None` where it does not say or this is not TCP.
    pub fn retransmissions(&self) -> Option<u8> {
        sys::retransmissions(self.wire.output())
    }

    /// Marks the packets for the network from now on, those that are sent anew, too. `IPQoS`.
    ///
    /// # Errors
    /// Those of `setsockopt`.
    pub fn set_type_of_service(&self, value: u8) -> io::Result<()> {
        crate::dial::set_type_of_service(self.wire.output(), value)
    }

    /// Hides when keys are pressed on the channels of [`Link::set_interactive`], or no longer.
    pub fn obscure_keystrokes(&mut self, how: Option<Obscure>) {
        self.keystrokes = how.map(Keystrokes::new);
    }

    /// What is read for an attached channel is typed by somebody.
    pub fn set_interactive(&mut self, channel: ChannelId) {
        if let Some(attached) = self.channels.get_mut(&channel) {
            attached.interactive = true;
        }
    }

    /// Says goodbye; the run ends when that was sent.
    pub fn disconnect(&mut self, reason: DisconnectReason, description: &str) {
        self.connection.disconnect(reason, description);
    }

    /// Ends the run once what waits for the remote is sent, for which there
    /// are a few seconds, and, at a client, what waits for local outputs is
    /// written.
    pub fn finish(&mut self) {
        if self.phase == Phase::Running {
            self.phase = Phase::Finishing(self.now + limits::LAST_WORDS);
        }
    }

    /// Ends the run now.
    pub fn abort(&mut self) {
        self.phase = Phase::Aborted;
    }
}
