//! `-L` and `-D`: connections that are accepted here and made by the server.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::time::{Duration, Instant};

use config::{ClientConfig, Connect, Forward, Listen};
use net::{Endpoint, Endpoints, Interest, Link, UserToken};
use proto::{ChannelId, ChannelOpen, Client, OpenFailure, Stream};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};

use super::listen::{self, Accepted, Listener};
use super::socks::{self, Failure, Phase, Step, Version};
use super::{Open, Tokens, same_place};
use crate::messages::{debug, error, info};
use crate::text::reason;

/// So many connections may wait for the server; more stay in the system's queue.
const OPENING_MAX: usize = 256;
/// So many SOCKS clients may be about to say where to; the oldest goes first.
const GREETING_MAX: usize = 256;
/// So many connections are accepted before others have their turn.
const ACCEPTS_AT_ONCE: usize = 64;
/// How long to wait for descriptors to become free.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// The local side.
#[derive(Default)]
pub struct Local {
    listeners: Vec<Listener>,
    /// SOCKS clients that have not said where to.
    greeting: VecDeque<Greeting>,
    /// Connections whose channel is not open yet.
    opening: HashMap<ChannelId, Opening>,
    /// When to accept again.
    pub retry_at: Option<Instant>,
}

struct Greeting {
    token: UserToken,
    accepted: Accepted,
    forward: Rc<Forward>,
    input: Vec<u8>,
    phase: Phase,
}

struct Opening {
    socket: OwnedFd,
    /// How a SOCKS client is answered.
    version: Option<Version>,
    /// What came behind its request.
    first: Vec<u8>,
    about: String,
}

impl Local {
    /// Listens for a forward. Whether it can be used.
    pub fn listen(
        &mut self,
        link: &mut Link<Client>,
        config: &ClientConfig,
        tokens: &mut Tokens,
        forward: &Rc<Forward>,
    ) -> bool {
        let unnamed = if *config.gateway_ports { "*" } else { "LOCALHOST" };
        let ((from, port), (host, host_port)) =
            (super::start(&forward.listen, unnamed), super::target(&forward.connect));
        debug!("Local connections to {from}:{port} forwarded to remote address {host}:{host_port}");
        let mut is_made = false;
        for listener in listen::listen(config, forward, || tokens.next()) {
            match link.watch(listener.as_fd(), listener.token, Interest::Readable) {
                Ok(()) => {
                    is_made = true;
                    self.listeners.push(listener);
                }
                Err(source) => error!("listen {from}:{port}: {}", reason(&source)),
            }
        }
        is_made
    }

    /// Whether a forward is there already.
    pub fn has(&self, forward: &Forward) -> bool {
        self.listeners.iter().any(|one| is_for(one, &forward.listen, Some(&forward.connect)))
    }

    /// Listens no more for a forward. Whether it did.
    pub fn cancel(
        &mut self,
        link: &mut Link<Client>,
        listen: &Listen,
        connect: Option<&Connect>,
    ) -> bool {
        let before = self.listeners.len();
        self.listeners.retain(|one| {
            let goes = is_for(one, listen, connect);
            if goes {
                link.unwatch(one.token);
            }
            !goes
        });
        self.listeners.len() < before
    }

    /// Listens no more at all.
    pub fn stop(&mut self, link: &mut Link<Client>) {
        for one in self.listeners.drain(..) {
            link.unwatch(one.token);
        }
    }

    /// Whether connections wait for the server.
    pub fn is_opening(&self) -> bool {
        !self.opening.is_empty()
    }

    /// A descriptor can be read. Whether it is one of these.
    pub fn ready(
        &mut self,
        link: &mut Link<Client>,
        tokens: &mut Tokens,
        token: UserToken,
    ) -> bool {
        if let Some(listener) = self.listeners.iter_mut().find(|one| one.token == token) {
            listener.is_ready = true;
            self.accept(link, tokens);
            return true;
        }
        if let Some(at) = self.greeting.iter().position(|one| one.token == token) {
            self.greet(link, at);
            return true;
        }
        false
    }

    /// Accepts what there is, as long as there is room for it.
    pub fn accept(&mut self, link: &mut Link<Client>, tokens: &mut Tokens) {
        if self.retry_at.is_some_and(|at| at > link.now()) {
            return;
        }
        let mut left = ACCEPTS_AT_ONCE;
        for at in 0..self.listeners.len() {
            while let Some(listener) = self.listeners.get_mut(at).filter(|one| one.is_ready)
                && self.opening.len() < OPENING_MAX
            {
                if left == 0 {
                    self.retry_at = Some(link.now());
                    return;
                }
                left -= 1;
                match listener.accept() {
                    Ok(accepted) => {
                        let forward = Rc::clone(&listener.forward);
                        self.accepted(link, tokens, accepted, forward);
                    }
                    Err(source) => match source.kind() {
                        io::ErrorKind::WouldBlock => listener.is_ready = false,
                        // Who connected is gone again.
                        io::ErrorKind::Interrupted
                        | io::ErrorKind::ConnectionAborted
                        | io::ErrorKind::NotConnected => {}
                        _ => {
                            error!("accept: {}", reason(&source));
                            self.retry_at = Some(link.now() + ACCEPT_PAUSE);
                            return;
                        }
                    },
                }
            }
        }
    }

    fn accepted(
        &mut self,
        link: &mut Link<Client>,
        tokens: &mut Tokens,
        accepted: Accepted,
        forward: Rc<Forward>,
    ) {
        let (from, port) = super::start(&forward.listen, "localhost");
        let (host, host_port) = super::target(&forward.connect);
        match &forward.connect {
            Connect::Dynamic => {
                debug!(
                    "Connection to port {port} forwarding to {host} port {host_port} requested."
                );
                if self.greeting.len() >= GREETING_MAX
                    && let Some(oldest) = self.greeting.pop_front()
                {
                    link.unwatch(oldest.token);
                }
                let token = tokens.next();
                match link.watch(accepted.socket.as_fd(), token, Interest::Readable) {
                    Ok(()) => self.greeting.push_back(Greeting {
                        token,
                        accepted,
                        forward,
                        input: Vec::new(),
                        phase: Phase::Start,
                    }),
                    Err(source) => error!("accept: {}", reason(&source)),
                }
            }
            Connect::Tcp { .. } => {
                debug!(
                    "Connection to port {port} forwarding to {host} port {host_port} requested."
                );
                let open = direct(&accepted, host, host_port);
                let about = about(&open, &forward, &accepted);
                self.open(link, accepted.socket, open, about, None, Vec::new());
            }
            Connect::Socket(path) => {
                debug!("Connection to {from} port {port} forwarding to {host} requested.");
                let open = ChannelOpen::DirectStreamlocal { path: path.display().to_string() };
                let about = about(&open, &forward, &accepted);
                self.open(link, accepted.socket, open, about, None, Vec::new());
            }
        }
    }

    /// A SOCKS client said something.
    fn greet(&mut self, link: &mut Link<Client>, at: usize) {
        let Some(greeting) = self.greeting.get_mut(at) else { return };
        let step = greeting.step();
        match step {
            Some(Step::More | Step::Agree(_)) => return,
            Some(Step::Bad(answer)) => {
                debug!("dynamic forward: not a SOCKS request that can be served");
                send(&greeting.accepted.socket, answer);
            }
            // It hung up.
            None => {}
            Some(Step::Connect(used, request)) => {
                let Some(greeting) = self.greeting.remove(at) else { return };
                link.unwatch(greeting.token);
                let Greeting { accepted, forward, mut input, .. } = greeting;
                let first = input.split_off(used.min(input.len()));
                debug!("dynamic request: socks host {} port {}", request.host, request.port);
                let open = direct(&accepted, request.host, request.port);
                let about = about(&open, &forward, &accepted);
                self.open(link, accepted.socket, open, about, Some(request.version), first);
                return;
            }
        }
        if let Some(gone) = self.greeting.remove(at) {
            link.unwatch(gone.token);
        }
    }

    fn open(
        &mut self,
        link: &mut Link<Client>,
        socket: OwnedFd,
        open: ChannelOpen,
        about: String,
        version: Option<Version>,
        first: Vec<u8>,
    ) {
        let kind = open.type_name().to_owned();
        match link.connection_mut().open_channel(open) {
            Ok(channel) => {
                debug!("channel {}: new {kind}", channel.0);
                self.opening.insert(channel, Opening { socket, version, first, about });
            }
            Err(problem) => {
                error!("{kind}: {problem}");
                if let Some(version) = version {
                    send(&socket, version.failure(Failure::General));
                }
            }
        }
    }

    /// A channel is open. Whether it is one of these.
    pub fn opened(&mut self, link: &mut Link<Client>, channel: ChannelId, open: &mut Open) -> bool {
        let Some(opening) = self.opening.remove(&channel) else { return false };
        debug!("channel {}: open confirm", channel.0);
        open.0.insert(channel, opening.about);
        let is_told =
            opening.version.is_none_or(|version| send(&opening.socket, version.success()));
        let endpoints = Endpoints::duplex(Endpoint::socket(opening.socket));
        if is_told && link.attach(channel, endpoints).is_ok() {
            if !opening.first.is_empty() {
                link.queue_input(channel, Stream::Data, &opening.first);
            }
        } else {
            // Nobody is left here; refused only when it is closed already.
            let _ = link.connection_mut().close(channel);
        }
        true
    }

    /// The server did not open a channel. Whether it was one of these.
    pub fn refused(&mut self, channel: ChannelId, reason: OpenFailure, description: &str) -> bool {
        let Some(opening) = self.opening.remove(&channel) else { return false };
        let separator = if description.is_empty() { "" } else { ": " };
        info!("channel {}: open failed: {reason}{separator}{description}", channel.0);
        if let Some(version) = opening.version {
            let why = match reason {
                OpenFailure::AdministrativelyProhibited => Failure::Forbidden,
                OpenFailure::ConnectFailed => Failure::Refused,
                _ => Failure::General,
            };
            send(&opening.socket, version.failure(why));
        }
        true
    }
}

fn is_for(listener: &Listener, listen: &Listen, connect: Option<&Connect>) -> bool {
    same_place(&listener.forward.listen, listen)
        && connect.is_none_or(|connect| listener.forward.connect == *connect)
}

impl Greeting {
    /// Reads what came; nothing when there will be no more. The last step is the caller's.
    fn step(&mut self) -> Option<Step> {
        loop {
            match socks::read(&self.input, self.phase) {
                Step::More => {}
                Step::Agree(used) => {
                    self.input.drain(..used.min(self.input.len()));
                    self.phase = Phase::Agreed;
                    if !send(&self.accepted.socket, socks::AGREED) {
                        return None;
                    }
                    continue;
                }
                step => return Some(step),
            }
            let mut room = [0; socks::REQUEST_BYTES_MAX];
            let read = rustix::net::recv(&self.accepted.socket, &mut room, RecvFlags::DONTWAIT);
            match read {
                Ok((_, 0)) => return None,
                Ok((_, count)) => self.input.extend(room.iter().take(count)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Some(Step::More),
                Err(_) => return None,
            }
        }
    }
}

/// Sends an answer that a fresh socket has room for. Whether it went.
fn send(socket: &OwnedFd, answer: &[u8]) -> bool {
    let flags = SendFlags::DONTWAIT | net::open::NO_SIGNAL;
    rustix::net::send(socket, answer, flags) == Ok(answer.len())
}

fn direct(accepted: &Accepted, host: String, port: u16) -> ChannelOpen {
    let (originator_address, originator_port) = match accepted.ends {
        Some((peer, _)) => (host_of(peer), u32::from(peer.port())),
        // What comes from a Unix socket has no address, and some servers insist on one.
        None => ("127.0.0.1".to_owned(), 65535),
    };
    ChannelOpen::DirectTcpip { host, port: u32::from(port), originator_address, originator_port }
}

fn host_of(address: SocketAddr) -> String {
    address.ip().to_canonical().to_string()
}

/// What the list of connections says of one.
fn about(open: &ChannelOpen, forward: &Forward, accepted: &Accepted) -> String {
    let (from, port) = super::start(&forward.listen, "localhost");
    let listening = if port == 0 { format!("path {from}") } else { format!("port {port}") };
    let target = match open {
        ChannelOpen::DirectTcpip { host, port, .. } => format!("{host} port {port}"),
        ChannelOpen::DirectStreamlocal { path } => path.clone(),
        _ => String::new(),
    };
    let kind = open.type_name();
    match accepted.ends {
        Some((peer, own)) => format!(
            "{kind}: listening {listening} for {target}, connect from {} port {} to {} port {}",
            host_of(peer),
            peer.port(),
            host_of(own),
            own.port()
        ),
        None => format!("{kind}: listening {listening} for {target}"),
    }
}
