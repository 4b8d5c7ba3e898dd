//! What the driver does with a link, once a turn.

mod transfer;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::time::{Duration, Instant};

use proto::{ChannelId, ChannelRequest, Event, Role, Side, Stream};

use super::{Link, Phase};
use crate::attached::Attached;
use crate::keep_alive::{Alive, Watch};
use crate::keystrokes::Keystrokes;
use crate::limits;
use crate::reactor::{Owner, Readiness, UserToken};

/// What the driver passes on.
#[expect(clippy::large_enum_variant, reason = "there is one at a time, on the stack")]
pub(crate) enum News {
    Event(Event<'static>),
    /// One or more pieces, each for a call of its own.
    Data(ChannelId, Stream, Vec<Vec<u8>>),
}

/// What the clock brought.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Passed {
    Nothing,
    /// Nothing has moved for a while; buffers were given back.
    FellIdle,
    /// Keep-alives went unanswered for too long.
    TimedOut,
}

impl<R: Role> Link<R> {
    pub(crate) fn begin_run(&mut self) {
        self.now = Instant::now();
        self.phase = Phase::Running;
        if self.connection.is_ended() {
            self.finish();
        }
    }

    pub(crate) fn is_aborted(&self) -> bool {
        self.phase == Phase::Aborted
    }

    pub(crate) fn take_ended(&mut self) -> Option<proto::Error> {
        self.ended.take()
    }

    pub(crate) fn take_user_ready(&mut self) -> Vec<(UserToken, Readiness)> {
        std::mem::take(&mut self.user_ready)
    }

    pub(crate) fn is_watched(&self, token: UserToken) -> bool {
        self.reactor.find_user(token).is_some()
    }

    /// The next event for the application. Data of attached channels goes to
    /// its descriptors on the way.
    pub(crate) fn next_news(&mut self) -> Option<News> {
        loop {
            let event = self.connection.poll_event(self.now)?;
            let Event::Data { channel, stream, data } = event else {
                match own(event).and_then(|event| self.handle(event)) {
                    Some(event) => return Some(News::Event(event)),
                    None => continue,
                }
            };
            let attached = self.channels.get_mut(&channel);
            let Some(attached) = attached.filter(|attached| attached.takes(stream)) else {
                let pieces = if self.whole_messages.contains(&channel) {
                    data.pieces().map(<[u8]>::to_vec).collect()
                } else {
                    vec![data.to_vec()]
                };
                return Some(News::Data(channel, stream, pieces));
            };
            let done = attached.accept(&mut self.reactor, stream, data);
            attached.active = self.now;
            // Even when all was written, a failed write has to be told.
            if !attached.queued && (done < data.len() || attached.has_news()) {
                attached.queued = true;
                self.active.push_back(channel);
            }
            if done > 0 {
                let _ = self.connection.consumed(channel, done);
            }
        }
    }

    /// What the driver does about an event itself; `None` if it is not for the
    /// application.
    fn handle(&mut self, event: Event<'static>) -> Option<Event<'static>> {
        match &event {
            Event::Eof { channel } => {
                if let Some(attached) = self.channels.get_mut(channel) {
                    attached.handle_eof();
                    self.activate(*channel);
                }
            }
            Event::ChannelRequested { channel, request: ChannelRequest::Eow, .. } => {
                if let Some(attached) = self.channels.get_mut(channel) {
                    attached.handle_eow(&mut self.reactor);
                    self.activate(*channel);
                }
            }
            Event::ChannelOpened { channel } => self.activate(*channel),
            Event::ChannelClosed { channel } | Event::ChannelRefused { channel, .. } => {
                if let Some(attached) = self.channels.remove(channel) {
                    attached.into_leftovers(*channel, &mut self.reactor, &mut self.leftovers);
                    self.notices.retain(|(other, _)| other != channel);
                    self.bound_leftovers();
                }
            }
            Event::GlobalAnswered { .. } if self.pings.pop_front() == Some(true) => return None,
            Event::Ended(_) => {
                for (channel, attached) in self.channels.drain() {
                    attached.into_leftovers(channel, &mut self.reactor, &mut self.leftovers);
                }
                self.active.clear();
                self.finish();
                let Event::Ended(error) = event else { return None };
                self.ended = Some(error);
                return None;
            }
            _ => {}
        }
        Some(event)
    }

    /// Keeps the clock's appointments.
    pub(crate) fn handle_timeouts(&mut self) -> Passed {
        if self.connection.poll_timeout().is_some_and(|at| at <= self.now) {
            self.connection.handle_timeout(self.now);
        }
        let now = self.now;
        match self.keep_alive.as_mut().and_then(|watch| watch.check(now)) {
            Some(Alive::GiveUp) => return Passed::TimedOut,
            Some(Alive::Ask) => self.ask_alive(),
            None => {}
        }
        if !self.released && self.now >= self.last_traffic + limits::IDLE {
            self.release();
            return Passed::FellIdle;
        }
        Passed::Nothing
    }

    /// Sleeps until there is something to do.
    pub(crate) fn wait(&mut self, again: bool, application: Option<Instant>) -> io::Result<()> {
        let timeout = if again { Some(Duration::ZERO) } else { self.sleep(application) };
        let Self { reactor, channels, active, user_ready, .. } = self;
        reactor.wait(timeout, |owner, readiness| match owner {
            Owner::Channel(channel) => activate(channels, active, channel),
            Owner::User(token, _) => user_ready.push((token, readiness)),
            Owner::Transport | Owner::Leftover => {}
        })?;
        self.now = Instant::now();
        Ok(())
    }

    /// Whether the run is over: nothing more to wait for.
    pub(crate) fn is_done(&self) -> bool {
        match self.phase {
            Phase::Running => false,
            Phase::Aborted => true,
            Phase::Finishing(until) => {
                let sent = self.connection.poll_transmit().is_empty()
                    || self.write_broken
                    || self.input_ended
                    || self.now >= until;
                // A client's user is owed every byte that came; a server's
                // program that reads no more must not keep the process.
                let written = R::SIDE == Side::Server
                    || (self.leftovers.is_empty()
                        && !self.channels.values().any(Attached::has_spill));
                sent && written
            }
        }
    }

    fn sleep(&self, application: Option<Instant>) -> Option<Duration> {
        let idle = (!self.released).then(|| self.last_traffic + limits::IDLE);
        let last_words = match self.phase {
            Phase::Finishing(until) if self.now < until => Some(until),
            _ => None,
        };
        let keep_alive = self.keep_alive.as_ref().map(Watch::deadline);
        let engine = self.connection.poll_timeout();
        let keystrokes = self.keystrokes.as_ref().and_then(Keystrokes::deadline);
        let all = [idle, last_words, keep_alive, engine, application, keystrokes];
        let next = all.into_iter().flatten().min()?;
        Some(next.saturating_duration_since(self.now))
    }

    fn traffic(&mut self) {
        self.last_traffic = self.now;
        self.released = false;
    }

    /// Gives back what an idle connection does not need.
    fn release(&mut self) {
        self.released = true;
        self.connection.release_buffers();
        self.channels.values_mut().for_each(Attached::release);
        self.active.shrink_to(0);
        self.notices.shrink_to(0);
        self.user_ready.shrink_to(0);
        self.leftovers.shrink_to(0);
    }

    pub(super) fn activate(&mut self, channel: ChannelId) {
        activate(&mut self.channels, &mut self.active, channel);
    }
}
/// Gives a channel its place in the queue, once.
fn activate(
    channels: &mut HashMap<ChannelId, Attached>,
    active: &mut VecDeque<ChannelId>,
    channel: ChannelId,
) {
    let attached = channels.get_mut(&channel);
    if let Some(attached) = attached.filter(|attached| !attached.queued) {
        attached.queued = true;
        active.push_back(channel);
    }
}

/// An event without the lifetime that only data needs.
fn own(event: Event<'_>) -> Option<Event<'static>> {
    Some(match event {
        Event::Data { .. } => return None,
        Event::Notice(line) => Event::Notice(line),
        Event::Negotiated => Event::Negotiated,
        Event::ExtensionInfo => Event::ExtensionInfo,
        Event::NewKeys { first } => Event::NewKeys { first },
        Event::Ready => Event::Ready,
        Event::CheckHostKey(ask) => Event::CheckHostKey(ask),
        Event::SignAuth(ask) => Event::SignAuth(ask),
        Event::SignExchange(ask) => Event::SignExchange(ask),
        Event::SignProof(ask) => Event::SignProof(ask),
        Event::PublicKeyOk { algorithm, key_blob } => Event::PublicKeyOk { algorithm, key_blob },
        Event::AuthFailed { methods, partial_success } => {
            Event::AuthFailed { methods, partial_success }
        }
        Event::InfoRequest { name, instruction, prompts } => {
            Event::InfoRequest { name, instruction, prompts }
        }
        Event::PasswordChange { prompt } => Event::PasswordChange { prompt },
        Event::Banner { message } => Event::Banner { message },
        Event::Authenticate(request) => Event::Authenticate(request),
        Event::Authenticated => Event::Authenticated,
        Event::ChannelAsked(ask) => Event::ChannelAsked(ask),
        Event::ChannelOpened { channel } => Event::ChannelOpened { channel },
        Event::ChannelRefused { channel, reason, description } => {
            Event::ChannelRefused { channel, reason, description }
        }
        Event::Eof { channel } => Event::Eof { channel },
        Event::ChannelClosed { channel } => Event::ChannelClosed { channel },
        Event::ChannelRequested { channel, request, want_reply } => {
            Event::ChannelRequested { channel, request, want_reply }
        }
        Event::ChannelAnswered { channel, success } => Event::ChannelAnswered { channel, success },
        Event::GlobalRequested { request, want_reply } => {
            Event::GlobalRequested { request, want_reply }
        }
        Event::GlobalAnswered { success, data } => Event::GlobalAnswered { success, data },
        Event::HostKeys(keys) => Event::HostKeys(keys),
        Event::HostKeysProved(keys) => Event::HostKeysProved(keys),
        Event::Ended(error) => Event::Ended(error),
        other => {
            log::warn!("an event is not passed on: {other:?}");
            return None;
        }
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use proto::{ChannelId, Client, Config, Connection, Server};

    use super::*;
    use crate::attached::Output;
    use crate::transport::Transport;

    const EACH: usize = 1024 * 1024;

    fn waiting_after<R: Role>(connection: Connection<R>) -> Vec<(ChannelId, usize)> {
        let (one, _other) = UnixStream::pair().unwrap();
        let mut link = Link::new(connection, Transport::socket(one.into())).unwrap();
        link.leftovers = (0..40).map(|n| (ChannelId(n), Output::with_waiting(EACH))).collect();
        link.bound_leftovers();
        link.leftovers.iter().map(|(id, output)| (*id, output.waiting_bytes())).collect()
    }

    #[test]
    fn a_server_drops_the_oldest_that_closed_channels_left() {
        let key = keys::PrivateKey::generate(keys::KeyKind::Ed25519, None, "").unwrap();
        let host_keys = vec![key.public().clone()];
        let connection = Connection::<Server>::new(Config::server(), host_keys, Instant::now());
        let connection = connection.unwrap();
        let left = waiting_after(connection);
        let most = (limits::LEFTOVER_BYTES / EACH) as u32;
        let expected: Vec<_> = (40 - most..40).map(|n| (ChannelId(n), EACH)).collect();
        assert_eq!(left, expected);
    }

    #[test]
    fn a_client_keeps_all_for_its_one_user() {
        let connection = Connection::<Client>::new(Config::client(), Instant::now()).unwrap();
        assert_eq!(waiting_after(connection).len(), 40);
    }
}
