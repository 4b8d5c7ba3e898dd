//! The process that decides, one for each connection, with all rights.
//!
//! It never sees a byte that the network chose except inside the requests of
//! the gate, answers each of them only in its turn, and decides by itself who
//! was authenticated: it checks signatures over data that it puts together,
//! not over what the gate says was signed.

mod authentication;
mod certificate;
mod client_name;
mod commands;
mod hostbased;
mod interactive;
mod log_lines;
mod login;
mod publickey;
mod signing;

use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::process::Child;
use std::time::{Duration, Instant};

use config::{ServerConfig, ServerSettings};
use keys::{PrivateKey, PublicKey};
use net::logging::LogLevel;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;

use self::signing::{signature_algorithms, unpack_keys};
use crate::exit;
use crate::requests::{
    Bytes, Channel, Ends, Error, GateFacts, LogTarget, MonitorNews, MonitorStart, SessionNews,
    ToGate, ToMonitor,
};
use crate::sandbox;
use crate::settings::Sealed;
use crate::spawn::{self, Role};
use crate::sys::memory::QUIET;
use authentication::Authentication;
use login::Login;

/// How long the gate may take to end after it said goodbye, and the session after the gate.
const FAREWELL: Duration = Duration::from_secs(10);

/// A monitor started by the listener: takes what it was sent, and serves.
pub(crate) fn main() -> i32 {
    let started = spawn::parent_channel().map_err(Error::Io).and_then(|channel| {
        let (start, descriptors) = channel.receive::<MonitorStart>()?;
        Ok((channel, start, descriptors))
    });
    let (channel, start, descriptors) = match started {
        Ok(started) => started,
        Err(error) => {
            crate::program::complain(&format!("sshd-monitor: {error}"));
            return exit::FAILED;
        }
    };
    let mut descriptors = descriptors.into_iter();
    let sealed = descriptors.next().map(Sealed::open);
    let Some(Ok(sealed)) = sealed else { return exit::FAILED };
    run(start, sealed, descriptors.collect(), Some(channel))
}

/// Serves one connection. `transport` is its socket, or its two pipes.
pub(crate) fn run(
    start: MonitorStart,
    sealed: Sealed,
    transport: Vec<OwnedFd>,
    listener: Option<Channel>,
) -> i32 {
    let mut monitor = match Monitor::new(start, sealed, listener) {
        Ok(monitor) => monitor,
        Err(error) => {
            log::error!("{error}");
            return exit::FAILED;
        }
    };
    let outcome = monitor.serve(transport);
    monitor.finish(outcome)
}

/// What was asked and answered so far.
enum Phase {
    /// Nothing yet.
    New,
    /// The gate knows what to offer.
    Offered,
    /// A user is being authenticated.
    Authenticating(Box<Authentication>),
    /// Somebody is in.
    Accepted(Box<Authentication>),
    /// And served.
    LoggedIn(Box<Login>),
}

/// All that one monitor knows.
struct Monitor {
    log: LogTarget,
    log_level: LogLevel,
    ends: Ends,
    alone: bool,
    listener: Option<Channel>,
    /// Nothing once somebody is in.
    config: Option<ServerConfig>,
    /// For everybody, before any user is known; nothing once somebody is in.
    settings: Option<ServerSettings>,
    keys: Vec<PrivateKey>,
    /// Whose security keys those of them are that are no file alone.
    security_key_provider: Box<str>,
    /// Where the agent with the other host keys listens.
    agent: Option<PathBuf>,
    /// Public halves, certificates too, as the gate knows them.
    host_keys: Vec<PublicKey>,
    groups: Vec<crate::requests::Group>,
    /// What makes waiting times unguessable.
    timing_secret: crypto::hash::Digest,
    gate: Channel,
    gate_child: Child,
    transport: Vec<OwnedFd>,
    phase: Phase,
    /// The first exchange hash, and the host key that signed it.
    session_id: Option<(Vec<u8>, usize)>,
    deadline: Option<Instant>,
    gate_lines: u32,
    ended: bool,
}

/// Why serving came to an end.
enum Outcome {
    GateEnded,
    GraceExceeded,
    /// The gate did what it never would by itself.
    Broken(Error),
}

impl Monitor {
    fn new(start: MonitorStart, sealed: Sealed, listener: Option<Channel>) -> Result<Self, String> {
        let config = crate::program::read_sealed(&sealed)?;
        let settings = config.settings.clone();
        let log_level = crate::program::start_logging(&start.log, &settings);
        let (keys, host_keys, timing_secret) = unpack_keys(&sealed)?;
        let subject = format!("{} port {}", start.ends.remote_address, start.ends.remote_port);
        let (gate_child, gate) =
            spawn::spawn(Role::Gate, &subject, &crate::program::gate_environment())
                .map_err(|error| format!("cannot start the gate: {error}"))?;
        let grace = settings.login_grace_time.value;
        let security_key_provider = settings.security_key_provider.value.as_str().into();
        Ok(Monitor {
            log: start.log,
            log_level,
            ends: start.ends,
            alone: start.alone,
            listener,
            config: Some(config),
            settings: Some(settings),
            keys,
            security_key_provider,
            agent: sealed.agent,
            host_keys,
            groups: sealed.groups,
            timing_secret,
            gate,
            gate_child,
            transport: Vec::new(),
            phase: Phase::New,
            session_id: None,
            deadline: (!grace.is_zero()).then(|| Instant::now() + grace),
            gate_lines: 0,
            ended: false,
        })
    }

    fn serve(&mut self, transport: Vec<OwnedFd>) -> Outcome {
        self.transport = transport;
        loop {
            let (gate, session) = match self.wait() {
                Ok(Some(ready)) => ready,
                Ok(None) => return Outcome::GraceExceeded,
                Err(error) => return Outcome::Broken(error),
            };
            if session {
                self.hear_session();
            }
            if !gate {
                continue;
            }
            let answered = match self.gate.receive::<ToMonitor>() {
                Ok((request, _descriptors)) => self.answer(request),
                Err(error) => Err(error),
            };
            match answered {
                Ok(()) => {}
                Err(Error::Gone) => return Outcome::GateEnded,
                Err(error) => return Outcome::Broken(error),
            }
        }
    }

    /// Waits for the gate and the session; nothing when the time for a login is over.
    fn wait(&self) -> Result<Option<(bool, bool)>, Error> {
        let session = match &self.phase {
            Phase::LoggedIn(login) => login.channel(),
            _ => None,
        };
        let mut quiet = matches!(self.phase, Phase::LoggedIn(_)).then_some(QUIET);
        loop {
            let timeout = match self.deadline {
                None => quiet,
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Ok(None);
                    }
                    Timespec::try_from(left).ok()
                }
            };
            let mut waited = vec![PollFd::new(&self.gate, PollFlags::IN)];
            waited.extend(session.map(|session| PollFd::new(session, PollFlags::IN)));
            match rustix::event::poll(&mut waited, timeout.as_ref()) {
                Ok(0) if quiet.take().is_some() => crate::sys::memory::release(),
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => {
                    let ready =
                        |at: usize| waited.get(at).is_some_and(|entry| !entry.revents().is_empty());
                    return Ok(Some((ready(0), ready(1))));
                }
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    fn answer(&mut self, request: ToMonitor) -> Result<(), Error> {
        match request {
            ToMonitor::Hello => {
                if !matches!(self.phase, Phase::New) {
                    return Err(Error::OutOfTurn("hello twice"));
                }
                self.phase = Phase::Offered;
                let facts = self.gate_facts()?;
                let transport = std::mem::take(&mut self.transport);
                let descriptors: Vec<_> = transport.iter().map(AsFd::as_fd).collect();
                // From here on the connection is open in the gate alone.
                self.gate.send(&ToGate::Hello { facts }, &descriptors)
            }
            ToMonitor::SignExchange { key, algorithm, hash } => {
                let signature = self.sign_exchange(key, &algorithm, &hash.0)?;
                self.gate.send(&ToGate::Signature { signature: signature.map(Bytes) }, &[])
            }
            ToMonitor::SignProof { key, algorithm, data } => {
                let signature = self.sign_proof(key, &algorithm, &data.0)?;
                self.gate.send(&ToGate::Signature { signature: signature.map(Bytes) }, &[])
            }
            ToMonitor::Authenticate { user, service, method } => {
                self.authenticate(user, &service, method)
            }
            ToMonitor::StartSession => self.start_session(),
            ToMonitor::Log { level, text } => {
                self.log_for_gate(level, &text);
                Ok(())
            }
            ToMonitor::Ended { how, text } => {
                if std::mem::replace(&mut self.ended, true) {
                    return Err(Error::OutOfTurn("the end twice"));
                }
                self.log_end(how, &text);
                Ok(())
            }
        }
    }

    fn gate_facts(&mut self) -> Result<GateFacts, Error> {
        let Some(settings) = &self.settings else {
            return Err(Error::OutOfTurn("hello after a login"));
        };
        let version = match &settings.version_addendum.value {
            Some(addendum) => format!("{} {addendum}", crate::SOFTWARE_VERSION),
            None => crate::SOFTWARE_VERSION.to_owned(),
        };
        let identity = if rustix::process::geteuid().is_root() {
            sandbox::gate_identity().map(|identity| (identity.uid, identity.gid))
        } else {
            None
        };
        let mut accepted = settings.pubkey_accepted_algorithms.value.clone();
        if self.config.as_ref().is_some_and(config::ServerConfig::has_match_blocks) {
            // Who it is may allow more, and a client does not try what it was not told of.
            let usual = keys::algorithms::default_signature_algorithms();
            accepted.extend(usual.into_iter().map(str::to_owned));
        }
        let rekey = settings.rekey_limit.value;
        Ok(GateFacts {
            software_version: version,
            host_keys: self.host_keys.iter().map(|key| Bytes(key.blob().to_vec())).collect(),
            host_key_algorithms: settings.host_key_algorithms.value.clone(),
            kex_algorithms: settings.kex_algorithms.value.clone(),
            ciphers: settings.ciphers.value.clone(),
            macs: settings.macs.value.clone(),
            compression: settings.compression.value == config::Compression::Delayed,
            rekey_bytes: rekey.bytes,
            rekey_seconds: rekey.interval.map(|interval| interval.as_secs()),
            min_rsa_bits: settings.required_rsa_size.value,
            signature_algorithms: signature_algorithms(&accepted),
            groups: std::mem::take(&mut self.groups),
            account: identity,
            log_level: self.log_level as u8,
            log_verbose: settings.log_verbose.value.clone(),
        })
    }

    fn hear_session(&mut self) {
        let Phase::LoggedIn(login) = &mut self.phase else { return };
        let Some(channel) = login.channel() else { return };
        match channel.try_receive::<SessionNews>() {
            Ok(Some((news, _))) => login.hear(news, &self.ends),
            Ok(None) => {}
            // The gate's channel to it is gone as well, so the gate ends the connection.
            Err(_) => login.forget_channel(),
        }
    }

    /// The end of the connection: waits for the other processes and picks the exit status.
    fn finish(mut self, outcome: Outcome) -> i32 {
        let authenticated = matches!(self.phase, Phase::LoggedIn(_) | Phase::Accepted(_));
        let crashed = match outcome {
            Outcome::GateEnded => {
                let status = end_child(&mut self.gate_child, FAREWELL);
                use std::os::unix::process::ExitStatusExt;
                status.and_then(|status| status.signal())
            }
            Outcome::GraceExceeded => {
                log::info!(
                    "Timeout before authentication for connection from {} to {}, pid = {}",
                    self.ends.remote_address,
                    self.ends.local_address,
                    std::process::id()
                );
                let _ = self.gate_child.kill();
                let _ = self.gate_child.wait();
                return if self.alone { exit::FAILED } else { exit::GRACE_EXCEEDED };
            }
            Outcome::Broken(error) => {
                log::error!("{error}{}", self.preauth());
                let _ = self.gate_child.kill();
                let _ = self.gate_child.wait();
                Some(0)
            }
        };
        let phase = std::mem::replace(&mut self.phase, Phase::New);
        let tried = match phase {
            Phase::LoggedIn(login) => {
                login.end(&self.ends, FAREWELL);
                None
            }
            Phase::Accepted(authentication) | Phase::Authenticating(authentication) => {
                Some(authentication.exit_status())
            }
            Phase::New | Phase::Offered => None,
        };
        if let Some(signal) = crashed {
            log::error!("the gate was ended by signal {signal}");
            return exit::CRASHED;
        }
        match (authenticated, self.alone) {
            (true, _) => exit::FINE,
            (false, true) => exit::FAILED,
            (false, false) => tried.unwrap_or(exit::FAILED),
        }
    }

    /// Tells the listener that this connection does not count as starting any more.
    fn announce(&mut self) {
        self.deadline = None;
        if let Some(listener) = self.listener.take() {
            let _ = listener.send(&MonitorNews::Authenticated, &[]);
        }
    }
}

/// Waits for a child for so long, then kills it.
fn end_child(child: &mut Child, patience: Duration) -> Option<std::process::ExitStatus> {
    let descriptor = rustix::process::Pid::from_raw(child.id().cast_signed())
        .and_then(|pid| net::open::process(pid).ok());
    if let (Some(descriptor), Ok(timeout)) = (descriptor, Timespec::try_from(patience)) {
        let mut waited = [PollFd::new(&descriptor, PollFlags::IN)];
        let _ = rustix::event::poll(&mut waited, Some(&timeout));
    }
    if let Ok(Some(status)) = child.try_wait() {
        return Some(status);
    }
    let _ = child.kill();
    child.wait().ok()
}

pub(crate) use log_lines::printable;
