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

use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::process::Child;
use std::time::{Duration, Instant};

use config::{ServerConfig, ServerSettings};
use keys::agent::flags_for;
use keys::{PrivateKey, PublicKey};
use net::agent::AgentClient;
use net::logging::LogLevel;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use wire::Writer;

use crate::exit;
use crate::requests::{
    Bytes, Channel, Ends, Error, GateFacts, HowEnded, LogTarget, MonitorNews, MonitorStart,
    SessionNews, ToGate, ToMonitor,
};
use crate::sandbox;
use crate::settings::Sealed;
use crate::spawn::{self, Role};
use crate::sys::memory::QUIET;
use authentication::Authentication;
use login::Login;

/// An exchange hash is as long as one of these hashes: RFC 4253 §8, and the
/// key exchanges that we have use SHA-1 (legacy) and SHA-2.
const HASH_BYTES: [usize; 4] = [20, 32, 48, 64];
/// How long the gate may take to end after it said goodbye, and the session after the gate.
const FAREWELL: Duration = Duration::from_secs(10);
/// How many log lines of a gate are believed before there was a login: nobody fills our log.
const GATE_LINES: u32 = 1000;
/// An agent that takes longer to be reached is none.
const AGENT_TIME: Duration = Duration::from_secs(5);
/// The first part of what is signed to prove a host key.
const HOST_KEY_PROOF: &str = "hostkeys-prove-00@openssh.com";

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
        Ok(Monitor {
            log: start.log,
            log_level,
            ends: start.ends,
            alone: start.alone,
            listener,
            config: Some(config),
            settings: Some(settings),
            keys,
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
        })
    }

    /// Signs what has the form of an exchange hash, and remembers the first.
    fn sign_exchange(
        &mut self,
        key: u32,
        algorithm: &str,
        hash: &[u8],
    ) -> Result<Option<Vec<u8>>, Error> {
        if matches!(self.phase, Phase::New) {
            return Err(Error::OutOfTurn("a signature before anything was offered"));
        }
        if !HASH_BYTES.contains(&hash.len()) {
            return Err(Error::OutOfTurn("a signature over something that is no exchange hash"));
        }
        let Some(signature) = self.sign(key, algorithm, hash) else { return Ok(None) };
        if self.session_id.is_none() {
            self.session_id = Some((hash.to_vec(), key as usize));
        }
        Ok(Some(signature))
    }

    /// Signs the proof that we have a key, over the session that we know ourselves.
    fn sign_proof(
        &mut self,
        key: u32,
        algorithm: &str,
        data: &[u8],
    ) -> Result<Option<Vec<u8>>, Error> {
        let (Phase::LoggedIn(_) | Phase::Accepted(_), Some((session_id, _))) =
            (&self.phase, &self.session_id)
        else {
            return Err(Error::OutOfTurn("a proof of a host key before there was a login"));
        };
        let Some(public) = self.host_keys.get(key as usize) else { return Ok(None) };
        let mut expected = Vec::new();
        expected.put_string(HOST_KEY_PROOF.as_bytes());
        expected.put_string(session_id);
        expected.put_string(public.blob());
        if expected != data {
            return Err(Error::OutOfTurn("a proof of a host key over other data"));
        }
        Ok(self.sign(key, algorithm, data))
    }

    fn sign(&self, key: u32, algorithm: &str, message: &[u8]) -> Option<Vec<u8>> {
        let public = self.host_keys.get(key as usize)?.plain();
        // A certificate's key signs by the plain algorithm.
        let plain =
            keys::algorithms::lookup(algorithm).map_or(algorithm, |entry| entry.signature_name);
        let signed = match self.keys.iter().find(|private| *private.public() == public) {
            Some(private) => private.sign(plain, message).map_err(|error| error.to_string()),
            None => AgentClient::connect(self.agent.as_deref()?, AGENT_TIME)
                .and_then(|mut agent| agent.sign(&public, message, flags_for(plain)))
                .map_err(|error| error.to_string()),
        };
        signed
            .inspect_err(|error| {
                log::error!("cannot sign with the host key by {algorithm}: {error}");
            })
            .ok()
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

    fn log_for_gate(&mut self, level: u8, text: &str) {
        let level = crate::program::level_of(level);
        if level <= LogLevel::Verbose && !matches!(self.phase, Phase::LoggedIn(_)) {
            self.gate_lines = self.gate_lines.saturating_add(1);
            if self.gate_lines > GATE_LINES {
                return;
            }
        }
        net::logging::write(level, &format!("{}{}", printable(text, 1000), self.preauth()));
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

/// What clients are told in `server-sig-algs`: how one may sign, whether or not the key comes
/// in a certificate. RFC 8308 §3.1.
fn signature_algorithms(accepted: &[String]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for entry in accepted.iter().filter_map(|name| keys::algorithms::lookup(name)) {
        if !names.iter().any(|name| name == entry.signature_name) {
            names.push(entry.signature_name.to_owned());
        }
    }
    names
}

type Keys = (Vec<PrivateKey>, Vec<PublicKey>, crypto::hash::Digest);

fn unpack_keys(sealed: &Sealed) -> Result<Keys, String> {
    let mut private = Vec::new();
    let mut public = Vec::new();
    let mut texts: Vec<&[u8]> = vec![b"timing"];
    for text in &sealed.host_keys {
        let key = PrivateKey::parse(&text.0, None).map_err(|error| error.to_string())?;
        public.push(key.public().clone());
        private.push(key);
        texts.push(&text.0);
    }
    for key in &sealed.agent_keys {
        public.push(PublicKey::from_blob(&key.0).map_err(|error| error.to_string())?);
        texts.push(&key.0);
    }
    for certificate in &sealed.host_certificates {
        public.push(PublicKey::from_blob(&certificate.0).map_err(|error| error.to_string())?);
    }
    let secret = crypto::hash::HashAlgorithm::Sha512.digest(&texts);
    Ok((private, public, secret))
}
