//! Channels: what the client asks for goes to the session, what comes back is joined to the network.

mod global;
mod news;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use net::{EndpointEvent, Link, idle};
use proto::{ChannelAsk, ChannelId, ChannelOpen, ChannelRequest, OpenFailure, Server};

use super::Gate;
use super::translation::session_request;
use crate::requests::{Error, Run, ToSession};

/// So many channels may be waiting for the session at once.
const ASKS: usize = 256;

/// So many tunnel devices one connection may have.
const TUNNELS: usize = 16;
/// Input, output and errors of a program.
const SESSION_DESCRIPTORS: usize = 3;
/// A session that takes nothing for so long will not take more.
const PATIENCE: Duration = Duration::from_secs(5);

/// What came of a request to the session.
enum Told {
    /// It has it.
    Sent,
    /// Nothing was sent: no request is so large.
    Unsent,
    /// The connection ends.
    Failed,
}

/// Our side of a channel.
pub(super) struct Local {
    /// Our number in requests to the session, for session channels.
    number: Option<u32>,
    /// Requests that are to be answered, in order.
    asked: VecDeque<Asked>,
    /// Data that came before there was anybody to read it; the window bounds it, as it
    /// does not count as consumed.
    early: Vec<u8>,
    /// And the client had no more of it.
    early_end: bool,
    attached: bool,
    terminal: bool,
    exited: bool,
    input_ended: bool,
    closing: bool,
    /// As `ChannelTimeout` names it.
    kind: String,
    opened: Instant,
}

impl Local {
    fn new(number: Option<u32>, kind: &str) -> Self {
        Local {
            number,
            asked: VecDeque::new(),
            early: Vec::new(),
            early_end: false,
            attached: false,
            terminal: false,
            exited: false,
            input_ended: false,
            closing: false,
            kind: kind.to_owned(),
            opened: Instant::now(),
        }
    }
}

/// A request that waits for its answer, and those behind it with it.
pub(super) enum Asked {
    /// The session answers; whether the client wants to know, and whether the port was left to us.
    Session { want_reply: bool, any_port: bool },
    /// Answered here, but not before those in front of it.
    Here(bool),
}

impl Gate {
    /// Sends to the session, and waits for a while when a client has asked for much at once.
    fn tell(&mut self, link: &mut Link<Server>, request: &ToSession) -> Told {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let Some(session) = &self.session else { return Told::Failed };
            let error = match session.try_send(request) {
                Ok(()) => return Told::Sent,
                Err(Error::TooLarge) => return Told::Unsent,
                Err(Error::Full) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    match session.wait(left) {
                        Ok(true) if !left.is_zero() => {
                            // It may be waiting for us to take its answers.
                            self.hear_all(link);
                            continue;
                        }
                        Ok(_) => Error::Full,
                        Err(error) => error,
                    }
                }
                Err(error) => error,
            };
            self.fail(link, &format!("the session process: {error}"));
            return Told::Failed;
        }
    }

    /// Whether there are descriptors for one more channel that needs so many.
    fn has_room(&self, wanted: usize) -> bool {
        let asked: usize = self.asks.values().map(|ask| descriptors_of(ask.open())).sum();
        let sessions = self.numbers.len();
        let others = self.locals.len().saturating_sub(sessions);
        asked + sessions * SESSION_DESCRIPTORS + others + wanted <= self.descriptors
    }

    pub(super) fn channel_asked(&mut self, link: &mut Link<Server>, ask: ChannelAsk) {
        let number = self.next;
        let request = match ask.open() {
            ChannelOpen::Session => ToSession::Open { channel: number },
            ChannelOpen::DirectTcpip { host, port, .. } => {
                ToSession::Connect { id: number, host: host.clone(), port: *port }
            }
            ChannelOpen::DirectStreamlocal { path } => {
                ToSession::ConnectLocal { id: number, path: path.clone() }
            }
            ChannelOpen::Tun { .. } if self.tunnels.len() >= TUNNELS => {
                return self.refuse(link, ask, OpenFailure::ResourceShortage, "too many tunnels");
            }
            ChannelOpen::Tun { mode, unit } => {
                ToSession::OpenTunnel { id: number, mode: *mode, unit: *unit }
            }
            _ => {
                let reason = OpenFailure::UnknownChannelType;
                return self.refuse(link, ask, reason, "unsupported channel type");
            }
        };
        if self.asks.len() >= ASKS || !self.has_room(descriptors_of(ask.open())) {
            return self.refuse(link, ask, OpenFailure::ResourceShortage, "too many channels");
        }
        self.next = self.next.wrapping_add(1);
        match self.tell(link, &request) {
            Told::Sent => {
                self.asks.insert(number, ask);
            }
            Told::Unsent => {
                self.refuse(link, ask, OpenFailure::ResourceShortage, "the request is too large");
            }
            Told::Failed => {}
        }
    }

    fn refuse(
        &mut self,
        link: &mut Link<Server>,
        ask: ChannelAsk,
        reason: OpenFailure,
        text: &str,
    ) {
        if let Err(error) = link.connection_mut().refuse_channel(ask, reason, text) {
            self.fail(link, &error);
        }
    }

    pub(super) fn channel_requested(
        &mut self,
        link: &mut Link<Server>,
        channel: ChannelId,
        request: ChannelRequest,
        want_reply: bool,
    ) {
        let number = self.locals.get(&channel).and_then(|local| local.number);
        let request = number.and_then(|number| session_request(number, request));
        let told = request.as_ref().map_or(Told::Unsent, |request| self.tell(link, request));
        let (Told::Sent, Some(request)) = (&told, request) else {
            if matches!(told, Told::Unsent)
                && want_reply
                && let Some(local) = self.locals.get_mut(&channel)
            {
                local.asked.push_back(Asked::Here(false));
                self.answer_here(link, channel);
            }
            return;
        };
        let is_answered = !matches!(request, ToSession::WindowChange { .. });
        let Some(local) = self.locals.get_mut(&channel) else { return };
        if let ToSession::Run { what, .. } = &request {
            local.kind = match what {
                Run::Shell => "session:shell".to_owned(),
                Run::Exec { .. } => "session:command".to_owned(),
                Run::Subsystem { name } => format!("session:subsystem:{name}"),
            };
        }
        if is_answered {
            local.asked.push_back(Asked::Session { want_reply, any_port: false });
        } else if want_reply {
            local.asked.push_back(Asked::Here(true));
            self.answer_here(link, channel);
        }
    }

    /// Answers what needs no session, up to the first request that does.
    fn answer_here(&mut self, link: &mut Link<Server>, channel: ChannelId) {
        let Some(local) = self.locals.get_mut(&channel) else { return };
        while let Some(Asked::Here(good)) = local.asked.front() {
            let good = *good;
            local.asked.pop_front();
            // The channel may be closed by now; then nobody waits.
            let _ = link.connection_mut().reply(channel, good);
        }
    }

    /// The session's answer to the oldest request of a channel.
    fn answered(&mut self, link: &mut Link<Server>, channel: ChannelId, good: bool) {
        let Some(local) = self.locals.get_mut(&channel) else { return };
        if let Some(Asked::Session { want_reply: true, .. }) = local.asked.pop_front() {
            let _ = link.connection_mut().reply(channel, good);
        }
        self.answer_here(link, channel);
    }

    pub(super) fn local_ended(
        &mut self,
        link: &mut Link<Server>,
        channel: ChannelId,
        event: EndpointEvent,
    ) {
        let Some(local) = self.locals.get_mut(&channel) else { return };
        match event {
            EndpointEvent::InputEnded => {
                local.input_ended = true;
                self.close_when_done(link, channel);
            }
            EndpointEvent::Done if local.number.is_none() => self.close(link, channel),
            EndpointEvent::OutputEnded { .. } | EndpointEvent::Done => {}
        }
    }

    /// A session channel is closed when its program has ended and all of its output is sent.
    fn close_when_done(&mut self, link: &mut Link<Server>, channel: ChannelId) {
        let done = self
            .locals
            .get(&channel)
            .is_some_and(|local| local.number.is_some() && local.exited && local.input_ended);
        if done {
            self.close(link, channel);
        }
    }

    pub(super) fn close(&mut self, link: &mut Link<Server>, channel: ChannelId) {
        let Some(local) = self.locals.get_mut(&channel).filter(|local| !local.closing) else {
            return;
        };
        local.closing = true;
        let _ = link.connection_mut().close(channel);
    }

    /// When an idle channel is to be closed, if one is.
    pub(super) fn next_idle(&self, link: &Link<Server>) -> Option<Instant> {
        self.idle_deadlines(link).into_iter().map(|(_, deadline)| deadline).min()
    }

    fn idle_deadlines(&self, link: &Link<Server>) -> Vec<(ChannelId, Instant)> {
        let open = self.locals.iter().filter(|(_, local)| !local.closing);
        let channels: Vec<_> = open
            .map(|(channel, local)| {
                let active = link.last_activity(*channel).unwrap_or(local.opened).max(local.opened);
                idle::Open { channel: *channel, kind: &local.kind, active }
            })
            .collect();
        idle::deadlines(&self.channel_timeouts, &channels, Some(self.unused_since))
    }

    pub(super) fn close_idle(&mut self, link: &mut Link<Server>) {
        let now = link.now();
        let idle: Vec<ChannelId> = self
            .idle_deadlines(link)
            .into_iter()
            .filter(|(_, deadline)| *deadline <= now)
            .map(|(channel, _)| channel)
            .collect();
        for channel in idle {
            log::info!("channel {}: closed after inactivity", channel.0);
            self.close(link, channel);
        }
        self.idle_deadline = self.next_idle(link);
    }

    pub(super) fn channel_gone(&mut self, link: &mut Link<Server>, channel: ChannelId) {
        link.detach(channel);
        if let Some(at) = self.tunnels.iter().position(|tunnel| tunnel.channel() == channel) {
            self.tunnels.swap_remove(at).leave(link);
        }
        let Some(local) = self.locals.remove(&channel) else { return };
        if let Some(number) = local.number {
            self.numbers.remove(&number);
            self.tell(link, &ToSession::Close { channel: number });
        }
        self.unused_since = link.now();
    }
}

/// Says something to those who look for a fault on the client's side.
pub(super) fn remark(link: &mut Link<Server>, text: &str) {
    if let Err(error) = link.connection_mut().send_debug(text) {
        log::debug!("the client is not told: {error}");
    }
}

/// How many descriptors the session will pass for it at most.
fn descriptors_of(open: &ChannelOpen) -> usize {
    if matches!(open, ChannelOpen::Session) { SESSION_DESCRIPTORS } else { 1 }
}
