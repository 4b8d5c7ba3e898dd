//! Forwarded connections: what is listened on here and made there (`-L`, `-D`), and what is
//! listened on there and made here (`-R`). RFC 4254 §7.

mod listen;
mod local;
mod remote;
mod socks;
mod tunnel;

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Instant;

use config::{ClientConfig, Connect, Direction, Forward, Listen, Setting};
use net::{Link, UserToken};
use proto::{ChannelAsk, ChannelId, Client, OpenFailure};

use self::local::Local;
use self::remote::Remote;
use self::tunnel::Tunnel;
use crate::messages::{debug, error};

/// Said when there is no tunnel.
const NO_TUNNEL: &str = "Could not request tunnel forwarding.";
/// Tokens below are others'.
const FIRST_TOKEN: usize = 1 << 16;

/// All forwards of one connection.
pub struct Forwards {
    config: Rc<ClientConfig>,
    local: Local,
    remote: Remote,
    tunnel: Tunnel,
    /// The server did not open its end of the tunnel.
    is_short_of_tunnel: bool,
    tokens: Tokens,
    open: Open,
}

/// Names for watched descriptors.
struct Tokens(usize);

impl Tokens {
    fn next(&mut self) -> UserToken {
        self.0 += 1;
        UserToken(self.0)
    }
}

/// Who asked for something at run time.
pub type Ticket = u64;

/// The ticket of whoever types `~C`; a connection has one.
pub const COMMAND_LINE: Ticket = 0;

/// What became of a forward that is wanted at run time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opened {
    /// It is there. The port, where the server chose it.
    Made(u16),
    /// The server was asked; [`Answered::Ticket`] tells.
    Asked,
}

/// What an answer of the server was about.
#[derive(Debug, PartialEq, Eq)]
pub enum Answered {
    /// Nothing is to be done.
    Done,
    /// It cannot go on without this forward.
    Fatal(String),
    /// A forward of run time: the server's port, or the problem.
    Ticket(Ticket, Result<u16, String>),
    /// Whatever was announced by [`Forwards::expect_other`].
    Other(Ticket),
}

/// Channels that are forwarded connections, and what a user is told of each.
#[derive(Default)]
struct Open(BTreeMap<ChannelId, String>);

impl Forwards {
    /// Nothing is done yet.
    pub fn new(config: Rc<ClientConfig>) -> Self {
        Forwards {
            config,
            local: Local::default(),
            remote: Remote::default(),
            tunnel: Tunnel::default(),
            is_short_of_tunnel: false,
            tokens: Tokens(FIRST_TOKEN),
            open: Open::default(),
        }
    }

    /// Whether the session has to wait until forwards were asked for or made: its program may rely
    /// on them, and must not run without those that the user insists on.
    pub fn come_first(&self) -> bool {
        let has_local =
            !(self.config.local_forwards.is_empty() && self.config.dynamic_forwards.is_empty());
        !self.config.remote_forwards.is_empty()
            || ((has_local || *self.config.tunnel != config::Tunnel::No)
                && *self.config.exit_on_forward_failure)
    }

    /// The user is in: listens here and asks the server to listen there.
    ///
    /// # Errors
    /// Why it cannot go on without a forward.
    pub fn start(&mut self, link: &mut Link<Client>) -> Result<(), String> {
        let config = Rc::clone(&self.config);
        let is_needed = *config.exit_on_forward_failure;
        let wanted = distinct(config.local_forwards.iter().chain(&config.dynamic_forwards));
        let mut made = 0;
        for forward in &wanted {
            made += usize::from(self.local.listen(link, &config, &mut self.tokens, forward));
        }
        if made < wanted.len() && is_needed {
            return Err("Could not request local forwarding.".to_owned());
        }
        if made == 0 && !wanted.is_empty() {
            error!("Could not request local forwarding.");
        }
        for forward in distinct(config.remote_forwards.iter()) {
            self.remote.request(link, forward, is_needed)?;
        }
        if !self.tunnel.start(link, &config) {
            if is_needed {
                return Err(NO_TUNNEL.to_owned());
            }
            error!("{NO_TUNNEL}");
        }
        Ok(())
    }

    /// The server answered the oldest of our global requests.
    pub fn answered(&mut self, success: bool, data: &[u8]) -> Answered {
        self.remote.answered(success, data, *self.config.exit_on_forward_failure)
    }

    /// The global request that is sent next is not for a forward of these: [`Self::answered`]
    /// gives the ticket back.
    pub fn expect_other(&mut self, ticket: Ticket) {
        self.remote.expect_other(ticket);
    }

    /// Makes one more forward, for whoever shares the connection or types `~C`.
    ///
    /// # Errors
    /// It cannot be made here, or the server could not be asked.
    pub fn open(
        &mut self,
        link: &mut Link<Client>,
        direction: Direction,
        forward: Forward,
        ticket: Ticket,
    ) -> Result<Opened, ()> {
        if direction == Direction::Remote {
            if let Some(port) = self.remote.find(&forward) {
                debug!("found existing forwarding");
                return Ok(Opened::Made(port));
            }
            let asked = self.remote.ask(link, Rc::new(forward), Some(ticket));
            return asked.map(|()| Opened::Asked).map_err(|_| ());
        }
        if self.local.has(&forward) {
            debug!("found existing forwarding");
            return Ok(Opened::Made(0));
        }
        let config = Rc::clone(&self.config);
        let is_made = self.local.listen(link, &config, &mut self.tokens, &Rc::new(forward));
        if is_made { Ok(Opened::Made(0)) } else { Err(()) }
    }

    /// Ends a forward: the one that leads to `connect`, or whichever starts at `listen`. Whether
    /// there was one. Connections that run go on.
    pub fn cancel(
        &mut self,
        link: &mut Link<Client>,
        direction: Direction,
        listen: &Listen,
        connect: Option<&Connect>,
    ) -> bool {
        match direction {
            Direction::Remote => self.remote.cancel(link, listen, connect),
            _ => self.local.cancel(link, listen, connect),
        }
    }

    /// Takes no new connections of this side.
    pub fn stop_listening(&mut self, link: &mut Link<Client>) {
        self.local.stop(link);
    }

    /// Why it cannot go on, if the server did not open what is needed.
    pub fn problem(&self) -> Option<&'static str> {
        let is_needed = *self.config.exit_on_forward_failure;
        (self.is_short_of_tunnel && is_needed).then_some(NO_TUNNEL)
    }

    /// Whether answers of the server decide if there is to be a connection at all.
    pub fn is_undecided(&self) -> bool {
        *self.config.exit_on_forward_failure
            && (self.remote.has_unanswered() || self.tunnel.is_opening())
    }

    /// No thread may run while this process is about to be copied: no connections are made.
    pub fn hold(&mut self) {
        self.remote.hold();
    }

    /// Whether there are threads that make connections.
    pub fn is_dialing(&self) -> bool {
        self.remote.is_dialing()
    }

    /// They are again.
    pub fn resume(&mut self, link: &mut Link<Client>) {
        self.remote.resume(link, &mut self.tokens);
    }

    /// Whether connections are forwarded. SOCKS clients that are not connected do not count.
    pub fn is_busy(&self) -> bool {
        self.open.0.len() > self.remote.unconnected() || self.local.is_opening()
    }

    /// A descriptor can be read.
    pub fn ready(&mut self, link: &mut Link<Client>, token: UserToken) {
        if !self.tunnel.ready(token) && !self.local.ready(link, &mut self.tokens, token) {
            self.remote.dialed(link, token, &mut self.open);
        }
    }

    /// When [`Self::timeout`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        self.local.retry_at
    }

    /// Connections that could not be accepted are tried again.
    pub fn timeout(&mut self, link: &mut Link<Client>) {
        if self.local.retry_at.is_some_and(|at| at <= link.now()) {
            self.local.retry_at = None;
            self.local.accept(link, &mut self.tokens);
        }
    }

    /// The server wants a channel; what is not for a forward comes back.
    pub fn asked(&mut self, link: &mut Link<Client>, ask: ChannelAsk) -> Option<ChannelAsk> {
        self.remote.asked(link, ask, &mut self.tokens, &mut self.open)
    }

    /// A channel is open.
    pub fn opened(&mut self, link: &mut Link<Client>, channel: ChannelId) {
        let is_tunnel = self.tunnel.opened(link, channel, &mut self.tokens, &mut self.open);
        if !is_tunnel && self.local.opened(link, channel, &mut self.open) {
            self.local.accept(link, &mut self.tokens);
        }
    }

    /// The server did not open a channel. Whether it was a forward's.
    pub fn refused(
        &mut self,
        link: &mut Link<Client>,
        channel: ChannelId,
        reason: OpenFailure,
        description: &str,
    ) -> bool {
        if self.tunnel.refused(channel, description) {
            self.is_short_of_tunnel = true;
            return true;
        }
        let is_ours = self.local.refused(channel, reason, description);
        if is_ours {
            self.local.accept(link, &mut self.tokens);
        }
        is_ours
    }

    /// Data of a channel without a local end: a SOCKS client of the server's side.
    pub fn data(&mut self, link: &mut Link<Client>, channel: ChannelId, data: &[u8]) {
        if self.tunnel.data(link, channel, data) {
            return;
        }
        let permitted = &self.config.permit_remote_open;
        self.remote.data(link, &mut self.tokens, permitted, channel, data);
    }

    /// Once per turn of the loop.
    pub fn turn(&mut self, link: &mut Link<Client>) {
        self.tunnel.turn(link);
        self.remote.turn(link);
    }

    /// The server sends no more on a channel.
    pub fn ended(&mut self, link: &mut Link<Client>, channel: ChannelId) {
        self.remote.ended(link, channel);
    }

    /// A channel is gone.
    pub fn closed(&mut self, link: &mut Link<Client>, channel: ChannelId) {
        self.tunnel.closed(link, channel);
        self.open.0.remove(&channel);
        self.remote.closed(channel);
    }

    /// The forwarded connections, for the user.
    pub fn list(&self) -> impl Iterator<Item = (ChannelId, &str)> {
        self.open.0.iter().map(|(channel, about)| (*channel, about.as_str()))
    }
}

/// Each forward once, as written.
fn distinct<'a>(settings: impl Iterator<Item = &'a Setting<Forward>>) -> Vec<Rc<Forward>> {
    let mut wanted: Vec<Rc<Forward>> = Vec::new();
    for setting in settings {
        if !wanted.iter().any(|known| **known == setting.value) {
            wanted.push(Rc::new(setting.value.clone()));
        }
    }
    wanted
}

/// Whether two forwards start at the same place. Both the empty name and `*` are every address.
fn same_place(one: &Listen, other: &Listen) -> bool {
    let name = |address: &Option<String>| match address.as_deref() {
        Some("*") => Some(String::new()),
        other => other.map(str::to_owned),
    };
    match (one, other) {
        (Listen::Tcp { address: a, port: p }, Listen::Tcp { address: b, port: q }) => {
            p == q && name(a) == name(b)
        }
        (one, other) => one == other,
    }
}

/// Where a forward leads, as messages say it: `host` and `port`.
pub fn target(connect: &Connect) -> (String, u16) {
    match connect {
        Connect::Tcp { host, port } => (host.clone(), *port),
        Connect::Socket(path) => (path.display().to_string(), 0),
        Connect::Dynamic => ("socks".to_owned(), 0),
    }
}

/// Where a forward starts, in the same way; `unnamed` stands for an address that was not given.
pub fn start(listen: &Listen, unnamed: &str) -> (String, u16) {
    match listen {
        Listen::Tcp { address, port } => {
            (address.clone().unwrap_or_else(|| unnamed.to_owned()), *port)
        }
        Listen::Socket(path) => (path.display().to_string(), 0),
    }
}
