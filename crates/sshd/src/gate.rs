//! The process that talks to the network.
//!
//! It has no rights, no files and no way to get any: it locks itself in before
//! it reads the first byte. It runs the engine for the connection's whole life,
//! asks the monitor whatever must be decided or signed, asks the session for
//! whatever is to be run or connected, and moves bytes between the network and
//! the descriptors that it was given.

mod channels;
mod login;
#[cfg(debug_assertions)]
mod takeover;
mod translation;
mod tunnels;

use std::collections::{HashMap, VecDeque};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use keys::PublicKey;
use net::logging::{self, Destination};
use net::tunnel::Tunnel;
use net::{Application, Driver, End, EndpointEvent, Link, Readiness, Transport, UserToken};
use proto::{ChannelAsk, ChannelId, Connection, DisconnectReason, Event, Server, Stream};
use rustix::fs::FileType;

use crate::exit;
use crate::listener::sockets;
use crate::moduli;
use crate::requests::{Channel, Error, FromSession, GateFacts, HowEnded, ToGate, ToMonitor};
use crate::sandbox;
use crate::spawn;
use crate::sys::process::Identity;
use channels::{Asked, Local};

/// Between two times that memory is given back in idle moments: typing is a row of them.
const REST_INTERVAL: Duration = Duration::from_secs(60);

/// In tests: what code of an attacker in this process would try.
pub(crate) const TAKEOVER_VARIABLE: &str = "KEYWAY_TEST_GATE";

/// Enough for the most channels that a connection can have, three descriptors each. The system may allow fewer.
const DESCRIPTORS: u64 = 16 * 1024;
/// What is not for channels: the processes, the network, the readiness loop, and descriptors that have just come.
const OTHER_DESCRIPTORS: u64 = 32;
/// The session's channel in the readiness loop.
const SESSION: UserToken = UserToken(0);
/// Tunnel devices have the tokens from here on.
const FIRST_TUNNEL: usize = 1;

/// A gate started by its monitor: asks what to offer, locks itself in, and serves.
pub(crate) fn main() -> i32 {
    let monitor = match spawn::parent_channel() {
        Ok(channel) => Arc::new(channel),
        Err(error) => {
            crate::program::complain(&format!("sshd-gate: {error}"));
            return exit::FAILED;
        }
    };
    match run(&monitor) {
        Ok(()) => exit::FINE,
        Err(Failure::Monitor(error)) => {
            // When it is gone there is nobody to tell.
            let _ = monitor.send(&ToMonitor::Log { level: 2, text: error.to_string() }, &[]);
            exit::FAILED
        }
        Err(Failure::Setup(text)) => {
            let _ = monitor.send(&ToMonitor::Log { level: 2, text }, &[]);
            exit::FAILED
        }
    }
}

/// Why a gate cannot serve.
enum Failure {
    Monitor(Error),
    Setup(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Monitor(error)
    }
}

fn run(monitor: &Arc<Channel>) -> Result<(), Failure> {
    let (answer, transport) = monitor.ask::<ToGate>(&ToMonitor::Hello)?;
    let ToGate::Hello { facts } = answer else { return Err(Error::OutOfTurn("no hello").into()) };
    net::places::set(&facts.log_verbose);
    start_logging(monitor, facts.log_level);
    let setup = |error: &dyn std::fmt::Display| Failure::Setup(error.to_string());

    let may_write_files = transport.iter().any(is_file);
    let identity = facts.account.map(|(uid, gid)| Identity { uid, gid, groups: vec![gid] });
    let host_keys: Vec<PublicKey> = facts
        .host_keys
        .iter()
        .map(|blob| PublicKey::from_blob(&blob.0))
        .collect::<Result<_, _>>()
        .map_err(|error| setup(&error))?;
    let now = Instant::now();
    let connection = Connection::<Server>::new(engine_config(facts), host_keys.clone(), now)
        .map_err(|error| setup(&error))?;
    // `IPQoS` is for sockets of the Internet only.
    let network = match transport.as_slice() {
        [socket] if sockets::local_address(socket).is_some() => socket.try_clone().ok(),
        _ => None,
    };
    let mut transport = transport.into_iter();
    let transport = match (transport.next(), transport.next()) {
        (Some(socket), None) => Transport::socket(socket),
        (Some(input), Some(output)) => Transport::pair(input, output),
        _ => return Err(Failure::Setup("no connection was passed".into())),
    };
    let mut driver = Driver::new(connection, transport).map_err(|error| setup(&error))?;
    // Asked for here, since a sandboxed process could not open what its seed comes from.
    crypto::random::fill(&mut [0; 16]);

    let descriptors_max = rustix::process::getrlimit(rustix::process::Resource::Nofile)
        .maximum
        .map_or(DESCRIPTORS, |allowed| allowed.min(DESCRIPTORS));
    let report = sandbox::enter(&sandbox::Settings {
        identity,
        descriptors_max,
        may_write_files,
        die_with_parent: true,
    })
    .map_err(|error| setup(&error))?;
    log::debug!("{report}");
    #[cfg(debug_assertions)]
    takeover::run();
    crate::sys::memory::release();

    let mut gate = Gate::new(Arc::clone(monitor), host_keys);
    gate.network = network;
    gate.descriptors = descriptors_max.saturating_sub(OTHER_DESCRIPTORS) as usize;
    let end = driver.run(&mut gate);
    let (how, text) = gate.how_ended(end, driver.link());
    monitor.send(&ToMonitor::Ended { how, text }, &[])?;
    Ok(())
}

fn start_logging(monitor: &Arc<Channel>, level: u8) {
    let monitor = Arc::clone(monitor);
    let handler = move |level: logging::LogLevel, text: &str| {
        // A line is not worth a connection.
        let _ = monitor.send(&ToMonitor::Log { level: level as u8, text: text.to_owned() }, &[]);
    };
    logging::init(crate::program::level_of(level), Destination::Handler(Box::new(handler)));
}

fn is_file(descriptor: &OwnedFd) -> bool {
    rustix::fs::fstat(descriptor)
        .is_ok_and(|status| FileType::from_raw_mode(status.st_mode) == FileType::RegularFile)
}

fn engine_config(facts: GateFacts) -> proto::Config {
    let mut config = proto::Config::server();
    config.software_version = facts.software_version;
    config.kex_algorithms = facts.kex_algorithms;
    config.host_key_algorithms = facts.host_key_algorithms;
    config.ciphers = facts.ciphers;
    config.macs = facts.macs;
    config.compression =
        if facts.compression { proto::Compression::Yes } else { proto::Compression::Never };
    config.rekey_bytes = facts.rekey_bytes;
    config.rekey_after = facts.rekey_seconds.map(Duration::from_secs);
    config.min_rsa_bits = facts.min_rsa_bits;
    config.signature_algorithms = facts.signature_algorithms;
    if !facts.groups.is_empty() {
        let groups = facts.groups;
        config.group_source = Some(Arc::new(move |min, wanted, max| {
            let group = moduli::choose(&groups, min, wanted, max)?;
            Some((group.p.0.clone(), group.g.0.clone()))
        }));
    }
    config
}

/// The application of one connection.
struct Gate {
    monitor: Arc<Channel>,
    host_keys: Vec<PublicKey>,
    session: Option<Channel>,
    /// Our numbers in requests to the session.
    next: u32,
    /// Channels that the client wants, waiting for the session.
    asks: HashMap<u32, ChannelAsk>,
    locals: HashMap<ChannelId, Local>,
    /// So many descriptors are for channels.
    descriptors: usize,
    /// Session channels by our numbers.
    numbers: HashMap<u32, ChannelId>,
    /// Global requests that are to be answered, in order.
    globals: VecDeque<Asked>,
    /// Tunnel devices, and what the next one's token is counted from.
    tunnels: Vec<Tunnel>,
    next_tunnel: usize,
    failure: Option<String>,
    /// `UnusedConnectionTimeout`.
    unused_timeout: Option<Duration>,
    unused_since: Instant,
    /// When memory was given back in an idle moment.
    rested: Option<Instant>,
    /// `ChannelTimeout`.
    channel_timeouts: Vec<(String, Duration)>,
    /// When the next channel will have been idle for too long.
    idle_deadline: Option<Instant>,
    /// The connection's socket, to mark its packets (`IPQoS`).
    network: Option<OwnedFd>,
    /// The marks for terminals and for everything else.
    traffic_classes: (Option<u8>, Option<u8>),
}

impl Gate {
    fn new(monitor: Arc<Channel>, host_keys: Vec<PublicKey>) -> Self {
        Gate {
            monitor,
            host_keys,
            session: None,
            next: 0,
            asks: HashMap::new(),
            locals: HashMap::new(),
            descriptors: 0,
            numbers: HashMap::new(),
            globals: VecDeque::new(),
            tunnels: Vec::new(),
            next_tunnel: FIRST_TUNNEL,
            failure: None,
            unused_timeout: None,
            unused_since: Instant::now(),
            rested: None,
            channel_timeouts: Vec::new(),
            idle_deadline: None,
            network: None,
            traffic_classes: (None, None),
        }
    }

    /// Nothing can go on: the monitor or the session does not answer as it should.
    fn fail(&mut self, link: &mut Link<Server>, error: &dyn std::fmt::Display) {
        if self.failure.is_none() {
            self.failure = Some(error.to_string());
        }
        link.disconnect(DisconnectReason::ByApplication, "internal error");
    }

    /// Takes all that the session has sent.
    fn hear_all(&mut self, link: &mut Link<Server>) {
        loop {
            let heard = match &self.session {
                Some(session) => session.try_receive::<FromSession>(),
                None => return,
            };
            match heard {
                Ok(Some((news, descriptors))) => self.hear_session(link, news, descriptors),
                Ok(None) => return,
                Err(error) => {
                    link.unwatch(SESSION);
                    self.session = None;
                    return self.fail(link, &format!("the session process: {error}"));
                }
            }
        }
    }

    fn unused_deadline(&self) -> Option<Instant> {
        let timeout = self.unused_timeout?;
        (self.locals.is_empty() && self.asks.is_empty()).then(|| self.unused_since + timeout)
    }

    /// Marks the connection's packets from now on.
    fn mark(&self, terminal: bool) {
        let (interactive, bulk) = self.traffic_classes;
        if let (Some(network), Some(class)) =
            (&self.network, if terminal { interactive } else { bulk })
            && let Err(error) = net::dial::set_type_of_service(network, class)
        {
            log::debug!("IPQoS: {error}");
        }
    }

    /// For the monitor's log.
    fn how_ended(&mut self, end: End, link: &Link<Server>) -> (HowEnded, String) {
        use proto::{Error as E, Misbehaved as M};
        let error = match end {
            End::Ended(error) => error,
            End::TimedOut => return (HowEnded::TimedOut, String::new()),
            End::Finished => {
                return (HowEnded::LocalDisconnect, self.failure.take().unwrap_or_default());
            }
            End::Io(error) => return (HowEnded::Failed, error.to_string()),
        };
        let text = error.to_string();
        match error {
            E::Disconnected { reason, description } => {
                (HowEnded::RemoteDisconnect, format!("{}: {description}", reason.code()))
            }
            E::ConnectionLost { .. } => {
                let reset = link
                    .transport_error()
                    .is_some_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset);
                (if reset { HowEnded::Reset } else { HowEnded::Closed }, String::new())
            }
            E::Incompatible(_) => (HowEnded::Incompatible, text),
            E::Misbehaved(M::BadIdent(_) | M::ProtocolVersion(_) | M::IdentNoise) => {
                (HowEnded::BadIdent, text)
            }
            E::TimedOut(_) => (HowEnded::TimedOut, text),
            E::ClosedByUs => (HowEnded::LocalDisconnect, self.failure.take().unwrap_or_default()),
            _ => (HowEnded::Failed, text),
        }
    }
}

impl Application<Server> for Gate {
    fn event(&mut self, link: &mut Link<Server>, event: Event<'static>) {
        match event {
            Event::SignExchange(ask) => self.sign(link, ask, false),
            Event::SignProof(ask) => self.sign(link, ask, true),
            Event::Authenticate(request) => self.authenticate(link, request),
            Event::Authenticated => self.start_session(link),
            Event::ChannelAsked(ask) => self.channel_asked(link, ask),
            Event::ChannelRequested { channel, request, want_reply } => {
                self.channel_requested(link, channel, request, want_reply);
            }
            Event::GlobalRequested { request, want_reply } => {
                self.global_requested(link, request, want_reply);
            }
            Event::ChannelRefused { channel, .. } | Event::ChannelClosed { channel } => {
                self.channel_gone(link, channel);
            }
            Event::Eof { channel } => self.early_end(channel),
            Event::NewKeys { first: true } => {
                if let Some(ident) = link.connection().remote_ident() {
                    log::debug!("Remote protocol version: {ident}");
                }
            }
            _ => {}
        }
    }

    fn data(&mut self, link: &mut Link<Server>, channel: ChannelId, stream: Stream, data: &[u8]) {
        match self.tunnels.iter().find(|tunnel| tunnel.channel() == channel) {
            Some(tunnel) => tunnel.receive(link, data),
            None => self.early_data(link, channel, stream, data),
        }
    }

    fn endpoint(&mut self, link: &mut Link<Server>, channel: ChannelId, event: EndpointEvent) {
        self.local_ended(link, channel, event);
    }

    fn ready(&mut self, link: &mut Link<Server>, token: UserToken, _readiness: Readiness) {
        if token == SESSION {
            self.hear_all(link);
        } else if let Some(tunnel) = self.tunnels.iter_mut().find(|one| one.token() == token) {
            tunnel.ready();
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.unused_deadline().into_iter().chain(self.idle_deadline).min()
    }

    fn timeout(&mut self, link: &mut Link<Server>) {
        if self.unused_deadline().is_some_and(|deadline| deadline <= link.now()) {
            self.unused_timeout = None;
            self.failure = Some("Connection timed out: no channels open".into());
            link.disconnect(DisconnectReason::ByApplication, "Connection timed out");
        }
        self.close_idle(link);
    }

    fn idle(&mut self) {
        let now = Instant::now();
        let due = self.rested.is_none_or(|rested| now >= rested + REST_INTERVAL);
        if due && self.session.is_some() {
            self.rested = Some(now);
            crate::sys::memory::release();
        }
    }

    fn turn(&mut self, link: &mut Link<Server>) {
        self.pump_tunnels(link);
        if !self.channel_timeouts.is_empty() {
            self.idle_deadline = self.next_idle(link);
        }
    }
}
