//! Keeps a connection for others: listens beside it, and serves those who come.

mod peer;
mod proxy;
mod requests;
mod session;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use config::{ClientConfig, ControlMaster, ControlPersist};
use net::{Interest, Link, Readiness, UserToken};
use proto::{ChannelId, Client};

use self::peer::{Asked, Peer, State};
use self::session::Shared;
use super::control::Control;
use super::message::{Answer, INFORMATION};
use super::socket::{self, Listener};
use crate::agent::confirm::Question;
use crate::messages::{Level, debug, error, say};
use crate::ssh::forwards::{Forwards, Ticket};
use crate::sys;
use crate::text::reason;

/// Tokens below are others'.
const FIRST_TOKEN: usize = 1 << 48;
/// More clients wait in the system's queue.
const PEERS: usize = 512;
/// How long one that is in the way may take to prove that it lives.
const PROBE: Duration = Duration::from_secs(2);
/// How often to look whether a question was answered whose program closed its output.
const QUESTION_POLL: Duration = Duration::from_millis(20);

/// Whether nobody serves a socket: nobody listens, or whoever does has stopped.
fn is_dead(problem: &io::Error) -> bool {
    matches!(problem.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::TimedOut)
}

/// What the connection is to do, because of those who share it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// End now.
    Quit,
    /// End when nobody uses it: nobody else can come.
    Stopped,
}

/// What a client's request may touch.
pub struct Around<'a> {
    /// The connection.
    pub link: &'a mut Link<Client>,
    /// Its forwards.
    pub forwards: &'a mut Forwards,
    /// Text about the connection.
    pub information: &'a dyn Fn(&Link<Client>) -> String,
}

/// The keeper of a shared connection; idle until it listens.
pub struct Master {
    config: Rc<ClientConfig>,
    host: String,
    listener: Option<(UserToken, Listener)>,
    is_watched: bool,
    /// Clients may be waiting.
    is_ready: bool,
    peers: BTreeMap<UserToken, Peer>,
    sessions: BTreeMap<ChannelId, Shared>,
    /// Sessions whose channel is gone and whose output may not be written.
    finishing: Vec<(ChannelId, Shared)>,
    /// Channels of clients that are gone, which the server has yet to open.
    orphans: BTreeSet<ChannelId>,
    /// Clients whose forward the server was asked for, and their request's number.
    tickets: HashMap<Ticket, (UserToken, u32)>,
    questions: Vec<Pending>,
    /// Stays after its own session.
    keeps: bool,
    idle_since: Option<Instant>,
    last_token: usize,
    /// The agent may be forwarded.
    pub may_forward_agent: bool,
    wish: Option<Wish>,
}

/// A request that the user is asked about.
struct Pending {
    token: UserToken,
    peer: UserToken,
    question: Question,
    asked: Asked,
}

impl Master {
    /// Nothing is done yet.
    pub fn new(config: Rc<ClientConfig>, host: &str) -> Self {
        Master {
            config,
            host: host.to_owned(),
            listener: None,
            is_watched: false,
            is_ready: false,
            peers: BTreeMap::new(),
            sessions: BTreeMap::new(),
            finishing: Vec::new(),
            orphans: BTreeSet::new(),
            tickets: HashMap::new(),
            questions: Vec::new(),
            keeps: false,
            idle_since: None,
            last_token: FIRST_TOKEN,
            may_forward_agent: false,
            wish: None,
        }
    }

    /// Whether the configuration asks for a shared connection.
    pub fn is_wanted(config: &ClientConfig) -> bool {
        config.control_path.is_some() && *config.control_master != ControlMaster::No
    }

    /// Listens, unless another does; that a failure is told is all that becomes of it. Nobody is
    /// served until [`Self::watch`].
    ///
    /// # Errors
    /// The place cannot be used at all.
    pub fn listen(&mut self) -> Result<(), String> {
        let Some(configured) = self.config.control_path.as_deref() else { return Ok(()) };
        debug!("setting up multiplex master socket");
        let path = socket::place(configured);
        let made = match Listener::new(&path) {
            Err(source) if source.kind() == io::ErrorKind::AlreadyExists => {
                match Control::open(&path, PROBE) {
                    Err(dead) if is_dead(&dead) => {
                        debug!("Stale control socket {}, replacing it", path.display());
                        Listener::replacing(&path)
                    }
                    _ => Err(source),
                }
            }
            made => made,
        };
        match made {
            Ok(listener) => {
                let token = self.next_token();
                self.listener = Some((token, listener));
                Ok(())
            }
            Err(source) if source.kind() == io::ErrorKind::AlreadyExists => {
                error!("ControlSocket {} already exists, disabling multiplexing", path.display());
                Ok(())
            }
            Err(source) => Err(format!(
                "unix_listener: cannot bind to path {}: {}",
                path.display(),
                reason(&source)
            )),
        }
    }

    /// Whether others may come.
    pub fn is_listening(&self) -> bool {
        self.listener.is_some()
    }

    /// Where others come.
    pub fn place(&self) -> Option<PathBuf> {
        self.config.control_path.as_deref().map(socket::place)
    }

    /// Begins to serve clients. `keeps`: until `ControlPersist` says otherwise.
    pub fn watch(&mut self, link: &mut Link<Client>, keeps: bool) {
        self.keeps |= keeps;
        if std::mem::replace(&mut self.is_watched, true) {
            return;
        }
        let Some((token, listener)) = &self.listener else { return };
        if let Err(source) = link.watch(listener.socket.as_fd(), *token, Interest::Readable) {
            error!("multiplex master: {}", reason(&source));
            self.listener = None;
        }
    }

    /// Whether somebody uses it.
    pub fn is_busy(&self) -> bool {
        !(self.peers.is_empty() && self.finishing.is_empty() && self.sessions.is_empty())
    }

    /// What the connection is to do.
    pub fn take_wish(&mut self) -> Option<Wish> {
        self.wish.take()
    }

    fn next_token(&mut self) -> UserToken {
        self.last_token += 1;
        UserToken(self.last_token)
    }

    /// A descriptor is ready. Whether it is one of these; what is to be done is done in the turn.
    pub fn ready(&mut self, token: UserToken, readiness: Readiness) {
        if self.listener.as_ref().is_some_and(|(own, _)| *own == token) {
            self.is_ready = true;
        } else if let Some(peer) = self.peers.get_mut(&token) {
            peer.ready(readiness.readable || readiness.closed);
        }
    }

    /// Once per turn: hears clients, and lets those go that are done. `busy`: something else than
    /// sharing keeps the connection.
    pub fn turn(&mut self, around: &mut Around<'_>, busy: bool) {
        self.accept(around.link);
        self.hear_answers(around);
        self.finish(around.link);
        let peers: Vec<UserToken> = self.peers.keys().copied().collect();
        for token in peers {
            self.serve(around, token);
        }
        self.persist(around.link.now(), busy);
    }

    fn accept(&mut self, link: &mut Link<Client>) {
        while self.is_ready && self.peers.len() < PEERS {
            let Some((_, listener)) = &self.listener else { return };
            let stream = match listener.socket.accept() {
                Ok((stream, _)) => stream,
                Err(source) => {
                    self.is_ready = source.kind() == io::ErrorKind::Interrupted;
                    if source.kind() != io::ErrorKind::WouldBlock {
                        debug!("multiplex master: accept: {}", reason(&source));
                    }
                    continue;
                }
            };
            let own = rustix::process::getuid().as_raw();
            match sys::peer_uid(&stream) {
                Ok(user) if user == own || user == 0 => {}
                Ok(user) => {
                    error!("multiplex uid mismatch: peer euid {user} != uid {own}");
                    continue;
                }
                Err(source) => {
                    error!("multiplex master: {}", reason(&source));
                    continue;
                }
            }
            let token = self.next_token();
            let peer = Peer::new(stream).and_then(|peer| {
                link.watch(peer.as_fd(), token, Interest::Readable)?;
                Ok(peer)
            });
            match peer {
                Ok(peer) => drop(self.peers.insert(token, peer)),
                Err(source) => error!("multiplex master: {}", reason(&source)),
            }
        }
    }

    /// Hears what one client asks for.
    fn serve(&mut self, around: &mut Around<'_>, token: UserToken) {
        while let Some(asked) = self.peers.get_mut(&token).and_then(Peer::next) {
            self.handle(around, token, asked);
        }
        self.pump_proxy(around, token);
        let Some(peer) = self.peers.get_mut(&token) else { return };
        if let Err(source) = peer.watch_room(around.link, token) {
            error!("multiplex master: {}", reason(&source));
            peer.is_gone = true;
        }
        let is_over = matches!(peer.state, State::Closing) && peer.is_flushed();
        if peer.is_gone || is_over {
            self.leave(around.link, token);
        }
    }

    /// A client is gone; what it used ends.
    fn leave(&mut self, link: &mut Link<Client>, token: UserToken) {
        link.unwatch(token);
        let Some(peer) = self.peers.remove(&token) else { return };
        if let State::Proxy(proxy) = peer.state {
            self.orphans.extend(proxy.leave(link));
        }
        self.tickets.retain(|_, (peer, _)| *peer != token);
        self.questions.retain(|pending| {
            if pending.peer == token {
                link.unwatch(pending.token);
            }
            pending.peer != token
        });
        for (channel, session) in &mut self.sessions {
            if session.peer == token {
                session.abandon(link, *channel);
            }
        }
    }

    /// The server answered about a client's forward.
    pub fn forward_answered(&mut self, ticket: Ticket, answer: Result<u16, String>) {
        let Some((token, id)) = self.tickets.remove(&ticket) else { return };
        let Some(peer) = self.peers.get_mut(&token) else { return };
        peer.state = State::Idle;
        match answer {
            // Zero: it did not have to be chosen.
            Ok(0) => peer.send(&Answer::Ok(id)),
            Ok(port) => peer.send(&Answer::Port(id, port.into())),
            Err(problem) => {
                error!("{problem}");
                peer.send(&Answer::Failure(id, problem));
            }
        }
    }

    /// Takes no more clients.
    fn stop(&mut self, link: &mut Link<Client>) {
        if let Some((token, _)) = self.listener.take() {
            link.unwatch(token);
            self.is_ready = false;
        }
        self.wish = Some(Wish::Stopped);
    }

    /// Counts the time that nobody uses a connection which is kept.
    fn persist(&mut self, now: Instant, busy: bool) {
        if !self.keeps || busy || self.is_busy() {
            self.idle_since = None;
        } else if self.idle_since.is_none() {
            self.idle_since = Some(now);
        }
    }

    /// When [`Self::timeout`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        let kept = match (self.idle_since, *self.config.control_persist) {
            (Some(since), ControlPersist::For(time)) => Some(since + time),
            _ => None,
        };
        let question = self.questions.iter().any(|pending| pending.question.output().is_none());
        kept.into_iter().chain(question.then(|| Instant::now() + QUESTION_POLL)).min()
    }

    /// Time has passed.
    pub fn timeout(&mut self, now: Instant) {
        if self.deadline().is_some_and(|at| at <= now) {
            say(Level::Verbose, format_args!("ControlPersist timeout expired"));
            self.wish = Some(Wish::Quit);
        }
    }
}
