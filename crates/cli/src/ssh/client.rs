//! One connection from key exchange to the end: hears the engine's events and passes each to the
//! part that decides.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use config::ClientConfig;
use net::{Application, EndpointEvent, Link, Readiness, UserToken};
use proto::{ChannelId, Client, Event, Stream};

use super::authentication::{Authentication, Step};
use super::forwards::Forwards;
use super::host_keys::{Decision, HostKeys};
use super::memory::{self, Memory};
use super::plan;
use super::session::Session;
use crate::messages::{self, Level, debug, debug2, fatal, say};
use crate::ui::clean;

/// A session that is over waits so long for proofs of new host keys.
const PROOF_TIME: Duration = Duration::from_secs(2);

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
                self.session.end_when_idle(link, &self.forwards);
            }
            Event::ChannelAsked(ask) => {
                if let Some(ask) = self.forwards.asked(link, ask) {
                    self.session.asked(link, ask);
                }
            }
            Event::ChannelOpened { channel } => {
                self.forwards.opened(link, channel);
                self.session.opened(link, channel);
            }
            Event::ChannelRefused { channel, reason, description } => {
                if self.forwards.refused(link, channel, reason, &description) {
                    self.session.end_when_idle(link, &self.forwards);
                } else {
                    self.session.refused(link, channel, reason, &description);
                }
            }
            Event::ChannelRequested { channel, request, want_reply } => {
                self.session.requested(link, channel, &request, want_reply);
            }
            Event::ChannelAnswered { channel, success } => {
                self.session.answered(link, channel, success);
            }
            Event::ChannelClosed { channel } => {
                self.forwards.closed(channel);
                self.session.closed(link, channel, &self.forwards);
            }
            Event::Eof { channel } => {
                self.session.x11.ended(link, channel);
                self.forwards.ended(link, channel);
            }
            Event::GlobalAnswered { success, data } => {
                let answered = self.forwards.answered(success, &data);
                if let Err(problem) = answered {
                    self.session.abandon(link, &problem);
                } else if self.to_background && !self.forwards.is_undecided() {
                    // Without effect when the run is to be taken up there already.
                    link.finish();
                }
            }
            Event::GlobalRequested { request, want_reply } => {
                debug!("client_input_global_request: rtype {}", request.name());
                if want_reply {
                    // Keep-alives too are answered by failure: any answer is a sign of life.
                    let _ = link.connection_mut().reply_global(false, &[]);
                }
            }
            // The other questions are a server's.
            other => debug2!("event {other:?}"),
        }
    }

    fn data(&mut self, link: &mut Link<Client>, channel: ChannelId, _: Stream, data: &[u8]) {
        if !self.session.x11.data(link, channel, data) {
            self.forwards.data(link, channel, data);
        }
    }

    fn input(&mut self, link: &mut Link<Client>, _channel: ChannelId, data: &mut Vec<u8>) {
        self.session.typed(link, data, &self.forwards);
    }

    fn endpoint(&mut self, link: &mut Link<Client>, channel: ChannelId, event: EndpointEvent) {
        self.session.endpoint(link, channel, event);
    }

    fn ready(&mut self, link: &mut Link<Client>, token: UserToken, _readiness: Readiness) {
        self.session.ready(link, token);
        self.forwards.ready(link, token);
        self.session.end_when_idle(link, &self.forwards);
    }

    fn turn(&mut self, link: &mut Link<Client>) {
        self.forwards.turn(link);
    }

    fn deadline(&self) -> Option<Instant> {
        let deadlines =
            [self.connect_deadline, self.forwards.deadline(), self.session.proofs_until];
        deadlines.into_iter().flatten().min()
    }

    fn timeout(&mut self, link: &mut Link<Client>) {
        self.forwards.timeout(link);
        if self.session.proofs_until.is_some_and(|at| at <= link.now()) {
            self.session.proofs_until = None;
            self.session.end_when_idle(link, &self.forwards);
        }
        if self.connect_deadline.is_none_or(|at| at > link.now()) {
            return;
        }
        self.connect_deadline = None;
        if link.connection().remote_ident().is_none() {
            fatal!("Connection timed out during banner exchange");
        }
        fatal!("Connection to {} timed out", self.peer());
        self.give_up(link);
    }
}

impl Login {
    /// `ADDRESS port N`, as messages name the other end.
    pub fn peer(&self) -> String {
        match self.address {
            Some(address) => format!("{} port {}", address.ip(), address.port()),
            None => "UNKNOWN port 65535".to_owned(),
        }
    }

    fn tell_negotiated(&self, link: &Link<Client>) {
        let connection = link.connection();
        if self.stage == Stage::Connected
            && let Some(ident) = connection.remote_ident()
        {
            let software = ident.splitn(3, '-').nth(2).unwrap_or_default();
            debug!("Remote protocol version 2.0, remote software version {software}");
        }
        debug!("SSH2_MSG_KEXINIT sent");
        debug!("SSH2_MSG_KEXINIT received");
        let Some(chosen) = connection.negotiated() else { return };
        debug!("kex: algorithm: {}", chosen.kex);
        debug!("kex: host key algorithm: {}", chosen.host_key);
        for (direction, one) in [
            ("server->client", &chosen.server_to_client),
            ("client->server", &chosen.client_to_server),
        ] {
            debug!(
                "kex: {direction} cipher: {} MAC: {} compression: {}",
                one.cipher,
                one.mac.as_deref().unwrap_or("<implicit>"),
                one.compression
            );
        }
    }

    fn new_keys(&mut self, first: bool) {
        debug!("SSH2_MSG_NEWKEYS sent");
        debug!("SSH2_MSG_NEWKEYS received");
        if first {
            self.stage = Stage::Keyed;
            self.connect_deadline = None;
        }
    }

    fn follow(&mut self, link: &mut Link<Client>, step: Step) {
        if step == Step::GiveUp {
            self.authentication.report_denial();
            self.give_up(link);
        }
    }

    /// Ends without another word to the server, which OpenSSH's logs call "closed by".
    fn give_up(&mut self, link: &mut Link<Client>) {
        self.stage = Stage::GaveUp;
        link.abort();
    }

    fn authenticated(&mut self, link: &mut Link<Client>) {
        self.stage = Stage::Authenticated;
        let place = match self.address {
            Some(address) => format!("([{}]:{})", address.ip(), address.port()),
            None => "(via proxy)".to_owned(),
        };
        say(
            Level::Verbose,
            format_args!(
                "Authenticated to {} {place} using \"{}\".",
                self.host,
                self.authentication.method_used()
            ),
        );
        self.remember(link);
        super::local_command(&self.config);
        if self.to_background {
            self.forwards.hold();
        }
        if let Err(problem) = self.forwards.start(link) {
            self.session.abandon(link, &problem);
            return;
        }
        self.session.authenticated(link);
        if self.to_background && self.forwards.is_undecided() {
            debug!("deferring postauth fork until remote forward confirmation received");
        } else if self.to_background {
            // The run is taken up again in the background.
            link.finish();
        }
    }

    fn remember(&mut self, link: &Link<Client>) {
        if !self.host_keys.is_trusted() {
            return;
        }
        let Some(memory) = &mut self.memory else { return };
        let connection = link.connection();
        let (Some(ident), Some(proposal)) =
            (connection.remote_ident(), connection.remote_proposal())
        else {
            return;
        };
        let mut remembered = plan::worth_remembering(&self.config, ident, proposal);
        // A password this time does not mean that the key has gone bad.
        let before = memory.remembered.clone().unwrap_or_default();
        let used = self.authentication.key_used();
        (remembered.key, remembered.sign) = match used {
            Some((key, algorithm)) => (Some(key), Some(algorithm)),
            None => (before.key, before.sign),
        };
        remembered.early = memory::takes_early_channels(ident);
        memory.store(remembered);
    }

    fn host_keys_announced(&mut self, link: &mut Link<Client>, keys: &[keys::PublicKey]) {
        debug!("client_input_hostkeys: {} keys from server", keys.len());
        let used = link.connection().host_key().map(keys::PublicKey::plain);
        if !used.is_some_and(|used| keys.contains(&used)) {
            // A server that leaves out the key it has just used tells nothing that
            // could be believed; the key must not be forgotten on its word.
            debug!("client_input_hostkeys: the key in use is not among them");
            return;
        }
        let wanted = self.host_keys.keys_to_prove(keys);
        let obsolete = self.host_keys.keys_to_forget(keys);
        if wanted.is_empty() && !obsolete.is_empty() {
            self.host_keys.update(&[], &obsolete);
            return;
        }
        if wanted.is_empty() {
            debug!("client_input_hostkeys: no new or deprecated keys from server");
            return;
        }
        self.obsolete_host_keys = obsolete;
        self.host_keys_to_prove = wanted.len();
        debug!("client_input_hostkeys: asking for proof of {} keys", wanted.len());
        // Refused only when the connection ended meanwhile.
        if link.connection_mut().request_host_key_proofs(wanted).is_ok() {
            self.session.proofs_until = Some(link.now() + PROOF_TIME);
        }
    }
}

/// The server's text before login, to standard error itself: it is not a message of ours.
fn show_banner(message: &str) {
    if messages::level() < Level::Info {
        return;
    }
    // Nobody is left to be told when it cannot be shown.
    let _ = io::stderr().write_all(clean::visible_lines(message).as_bytes());
}

/// The sizes of a group exchange.
fn tell_group(link: &Link<Client>) {
    let connection = link.connection();
    let is_group_exchange =
        connection.negotiated().is_some_and(|names| names.kex.contains("group-exchange"));
    let Some(group) = connection.group_exchange().filter(|_| is_group_exchange) else { return };
    debug!("SSH2_MSG_KEX_DH_GEX_REQUEST({}<{}<{}) sent", group.min, group.n, group.max);
    debug!("SSH2_MSG_KEX_DH_GEX_GROUP received");
    debug2!("bits set: {}/{}", group.bits_set, group.bits);
}
