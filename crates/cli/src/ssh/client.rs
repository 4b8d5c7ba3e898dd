//! One connection from key exchange to the end: hears the engine's events and passes each to the
//! part that decides.

mod login;
mod watch;

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Instant;

use config::ClientConfig;
use net::{Application, EndpointEvent, Link, Readiness, UserToken};
use proto::{ChannelId, Client, Event, Stream};

use self::login::{show_banner, tell_group};
pub use self::watch::{Watch, lost_marks_lately};
use super::authentication::Authentication;
use super::forwards::{Answered, COMMAND_LINE, Forwards};
use super::host_keys::{Decision, HostKeys};
use super::memory::Memory;
use super::mux::master::{Around, Master, Wish};
use super::purpose::Plan;
use super::session::Session;
use crate::messages::{debug, debug2, fatal, info};

/// The parts of one login and session.
pub struct Login {
    /// The settings.
    pub config: Rc<ClientConfig>,
    /// The name messages show.
    pub host: String,
    /// Whom we are connected to; a proxy leaves it unknown.
    pub address: Option<SocketAddr>,
    /// Judges the server.
    pub host_keys: HostKeys,
    /// Proves the user.
    pub authentication: Authentication,
    /// What it is all for.
    pub session: Session,
    /// Connections that go through it.
    pub forwards: Forwards,
    /// Others that use it.
    pub mux: Master,
    /// What it was for, if the connection is kept for all.
    pub aside: Option<Plan>,
    /// It is not ours: a master passes our messages on.
    pub is_proxied: bool,
    /// What is remembered between logins, if anything is to be.
    pub memory: Option<Memory>,
    /// The session's requests go out with the signed login.
    pub is_early: bool,
    /// The key exchange must be over by then.
    pub connect_deadline: Option<Instant>,
    /// Leave the terminal once the user is in.
    pub to_background: bool,
    /// Keys to take out of known_hosts once the new ones are proved.
    pub obsolete_host_keys: Vec<keys::PublicKey>,
    /// How many keys the server was asked to prove.
    pub host_keys_to_prove: usize,
    /// How far it got.
    pub stage: Stage,
    /// Whether packets arrive and the server answers.
    pub watch: Watch,
}

/// How far a login got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Nothing has come from the server.
    Connected,
    /// Keys are in use.
    Keyed,
    /// The user is in.
    Authenticated,
    /// We gave up and have said why.
    GaveUp,
}

impl Application<Client> for Login {
    fn event(&mut self, link: &mut Link<Client>, event: Event<'static>) {
        match event {
            Event::Notice(text) => debug!("Remote: {text}"),
            Event::Negotiated => self.tell_negotiated(link),
            Event::CheckHostKey(ask) => {
                let decision = self.host_keys.check(ask.key());
                if decision == Decision::AcceptDistrusted {
                    self.authentication.distrust();
                    self.session.forbid_forwarding();
                    self.memory = None;
                    self.is_early = false;
                }
                let accept = decision != Decision::Refuse;
                // Refused only when the connection ended meanwhile.
                let _ = link.connection_mut().answer_host_key(ask, accept);
            }
            Event::NewKeys { first } => {
                tell_group(link);
                self.new_keys(first);
            }
            Event::ExtensionInfo => {
                if let Some(list) = link.connection().server_sig_algs() {
                    debug!("kex_input_ext_info: server-sig-algs=<{list}>");
                }
            }
            Event::Ready => {
                let connection = link.connection();
                if let (Some(key), Some(id)) = (connection.host_key(), connection.session_id()) {
                    self.authentication.bind_agent(key, id, connection.host_key_signature());
                }
                let step = self.authentication.start(link);
                self.follow(link, step);
            }
            Event::SignAuth(ask) => {
                let signed = self.authentication.sign(link, ask);
                if signed && std::mem::take(&mut self.is_early) {
                    self.session.start_early(link);
                }
            }
            Event::PublicKeyOk { algorithm, .. } => {
                let step = self.authentication.key_would_do(link, algorithm);
                self.follow(link, step);
            }
            Event::AuthFailed { methods, partial_success } => {
                let step = self.authentication.failed(link, methods, partial_success);
                self.follow(link, step);
            }
            Event::InfoRequest { name, instruction, prompts } => {
                self.authentication.answer(link, &name, &instruction, &prompts);
            }
            Event::PasswordChange { prompt } => {
                let step = self.authentication.change_password(link, &prompt);
                self.follow(link, step);
            }
            Event::Banner { message } => show_banner(&message),
            Event::Authenticated => self.authenticated(link),
            Event::HostKeys(keys) => self.host_keys_announced(link, &keys),
            Event::HostKeysProved(keys) => {
                let obsolete = std::mem::take(&mut self.obsolete_host_keys);
                if keys.len() == std::mem::take(&mut self.host_keys_to_prove) {
                    self.host_keys.update(&keys, &obsolete);
                } else {
                    debug!("client_input_hostkeys: not all keys were proved; nothing changes");
                }
                self.session.proofs_until = None;
                self.session.end_when_idle(link, self.is_busy());
            }
            Event::GlobalAnswered { success, data } => self.global_answered(link, success, &data),
            Event::GlobalRequested { request, want_reply } => {
                debug!("client_input_global_request: rtype {}", request.name());
                if want_reply {
                    // Keep-alives too are answered by failure: any answer is a sign of life.
                    let _ = link.connection_mut().reply_global(false, &[]);
                }
            }
            other => self.channel_event(link, other),
        }
    }

    fn data(&mut self, link: &mut Link<Client>, channel: ChannelId, stream: Stream, data: &[u8]) {
        let is_taken = self.mux.data(link, channel, stream, data)
            || self.session.x11.data(link, channel, data)
            || self.session.agents.data(link, channel, data);
        if !is_taken {
            self.forwards.data(link, channel, data);
        }
    }

    fn input(&mut self, link: &mut Link<Client>, channel: ChannelId, data: &mut Vec<u8>) {
        let is_taken = self.mux.typed(link, channel, data)
            || self.session.agents.answered(link, channel, data);
        if !is_taken {
            self.session.typed(link, data, &mut self.forwards);
            if self.session.take_background() {
                // The run is taken up again in the background.
                self.to_background = true;
                link.finish();
            }
        }
    }

    fn endpoint(&mut self, link: &mut Link<Client>, channel: ChannelId, event: EndpointEvent) {
        if !self.mux.endpoint(link, channel, event) {
            self.session.endpoint(link, channel, event);
        }
    }

    fn ready(&mut self, link: &mut Link<Client>, token: UserToken, readiness: Readiness) {
        if self.session.ready(link, token) {
            self.mux.window_changed(link);
        }
        self.forwards.ready(link, token);
        self.mux.ready(token, readiness);
        self.session.end_when_idle(link, self.is_busy());
    }

    fn turn(&mut self, link: &mut Link<Client>) {
        self.forwards.turn(link);
        self.share(link);
        self.look_after(link);
    }

    fn deadline(&self) -> Option<Instant> {
        let deadlines = [
            self.connect_deadline,
            self.forwards.deadline(),
            self.session.proofs_until,
            self.mux.deadline(),
            self.watch.deadline(),
        ];
        deadlines.into_iter().flatten().min()
    }

    fn timeout(&mut self, link: &mut Link<Client>) {
        self.forwards.timeout(link);
        if self.session.proofs_until.is_some_and(|at| at <= link.now()) {
            self.session.proofs_until = None;
        }
        self.mux.timeout(link.now());
        self.grant_wish(link);
        if self.connect_deadline.is_none_or(|at| at > link.now()) {
            return;
        }
        self.connect_deadline = None;
        if link.connection().remote_ident().is_none() {
            fatal!("Connection timed out during banner exchange");
        }
        fatal!("Connection to {} timed out", self.peer());
        if let Some(proxy) = super::connection::proxy_name(&self.config) {
            let got = match link.connection().remote_ident() {
                None => "nothing came from",
                Some(_) => "the key exchange did not end with",
            };
            info!("ssh: {got} {} through {proxy}.", self.host);
        }
        self.give_up(link);
    }
}

impl Login {
    fn channel_event(&mut self, link: &mut Link<Client>, event: Event<'static>) {
        match event {
            Event::ChannelAsked(ask) => {
                let ask = self.mux.asked(link, ask);
                if let Some(ask) = ask.and_then(|ask| self.forwards.asked(link, ask)) {
                    self.session.asked(link, ask);
                }
            }
            Event::ChannelOpened { channel } => {
                self.mux.opened(link, &mut self.session.x11, channel);
                self.forwards.opened(link, channel);
                self.session.opened(link, channel);
            }
            Event::ChannelRefused { channel, reason, description } => {
                if self.forwards.refused(link, channel, reason, &description)
                    || self.mux.refused(link, channel, reason, &description)
                {
                    if let Some(problem) = self.forwards.problem() {
                        self.session.abandon(link, problem);
                    }
                    self.session.end_when_idle(link, self.is_busy());
                } else {
                    self.session.refused(link, channel, reason, &description);
                }
            }
            Event::ChannelRequested { channel, request, want_reply } => {
                if !self.mux.requested(link, channel, &request, want_reply) {
                    self.session.requested(link, channel, &request, want_reply);
                }
            }
            Event::ChannelAnswered { channel, success } => {
                self.mux.answered(link, &mut self.session.x11, channel, success);
                self.session.answered(link, channel, success);
            }
            Event::ChannelClosed { channel } => self.closed(link, channel),
            Event::Eof { channel } => {
                self.mux.ended(channel);
                self.session.x11.ended(link, channel);
                self.session.agents.ended(channel);
                self.forwards.ended(link, channel);
            }
            // The other questions are a server's.
            other => debug2!("event {other:?}"),
        }
    }

    fn closed(&mut self, link: &mut Link<Client>, channel: ChannelId) {
        self.mux.closed(channel);
        self.forwards.closed(link, channel);
        self.session.closed(link, channel, self.is_busy());
    }

    fn global_answered(&mut self, link: &mut Link<Client>, success: bool, data: &[u8]) {
        match self.forwards.answered(success, data) {
            Answered::Fatal(problem) => self.session.abandon(link, &problem),
            Answered::Ticket(COMMAND_LINE, answer) => self.session.forward_answered(answer),
            Answered::Ticket(ticket, answer) => self.mux.forward_answered(ticket, answer),
            Answered::Other(ticket) => self.mux.global_answered(ticket, success, data),
            Answered::Done => {}
        }
        if self.to_background && !self.forwards.is_undecided() {
            // Without effect when the run is to be taken up there already.
            link.finish();
        }
    }

    /// Whether others than the session use the connection.
    fn is_busy(&self) -> bool {
        self.forwards.is_busy() || self.mux.is_busy()
    }

    /// Hears those who share the connection.
    fn share(&mut self, link: &mut Link<Client>) {
        let busy = self.forwards.is_busy() || self.session.is_running();
        let (host, address) = (&self.host, &self.address);
        let information =
            |link: &Link<Client>| super::mux::describe::connection(link, host, *address);
        let forwards = &mut self.forwards;
        self.mux.turn(&mut Around { link, forwards, information: &information }, busy);
        self.grant_wish(link);
    }

    fn grant_wish(&mut self, link: &mut Link<Client>) {
        match self.mux.take_wish() {
            None => {}
            Some(Wish::Quit) => self.session.quit(link),
            Some(Wish::Stopped) => self.session.end_with_others(),
        }
        self.session.end_when_idle(link, self.is_busy());
    }
}
