//! X11 forwarding (`-X`, `-Y`): programs on the server reach the display of this machine.
//! RFC 4254 §6.3.
//!
//! The server is given a cookie that is good for nothing. Whoever shows it in the first packet of
//! a connection gets the real one put in its place; the real one never leaves this machine.

mod cookie;
mod display;

use std::collections::{BTreeSet, HashMap};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Instant;

use config::ClientConfig;
use net::{Endpoint, Endpoints, Link};
use proto::{ChannelAsk, ChannelId, ChannelOpen, ChannelRequest, Client, OpenFailure, Stream};

use self::cookie::{Cookies, Shown};
use self::display::Display;
use crate::messages::{Level, debug, error, info, say};

/// So many connections may be open that have not shown a cookie.
const NEW_MAX: usize = 256;

/// X11 forwarding of one connection.
pub struct X11 {
    config: Rc<ClientConfig>,
    forwarded: Option<Forwarded>,
    is_forbidden: bool,
    /// Connections that have not shown a cookie yet.
    new: HashMap<ChannelId, New>,
    open: BTreeSet<ChannelId>,
}

/// What the server was offered.
struct Forwarded {
    display: Display,
    cookies: Cookies,
    /// No connection is taken from then on.
    until: Option<Instant>,
}

/// The display's end of a connection, and what was said on it so far.
struct New {
    socket: OwnedFd,
    said: Vec<u8>,
}

impl Forwarded {
    fn request(&self) -> ChannelRequest {
        ChannelRequest::X11Req {
            single_connection: false,
            protocol: self.cookies.protocol().to_owned(),
            cookie: self.cookies.fake_in_hexadecimal(),
            screen: self.display.screen(),
        }
    }
}

impl X11 {
    /// Nothing is done yet.
    pub fn new(config: Rc<ClientConfig>) -> Self {
        X11 {
            config,
            forwarded: None,
            is_forbidden: false,
            new: HashMap::new(),
            open: BTreeSet::new(),
        }
    }

    /// The server is not to be trusted with a display.
    pub fn forbid(&mut self) {
        self.is_forbidden = true;
        self.forwarded = None;
    }

    /// What to ask of the server for a session, if there is a display that it may have.
    pub fn request(&mut self) -> Option<ChannelRequest> {
        if !*self.config.forward_x11 {
            return None;
        }
        if self.is_forbidden {
            error!("X11 forwarding is disabled to avoid man-in-the-middle attacks.");
            return None;
        }
        if let Some(forwarded) = &self.forwarded {
            return Some(forwarded.request());
        }
        let Some(name) = std::env::var_os("DISPLAY") else {
            debug!("X11 forwarding requested but DISPLAY not set");
            return None;
        };
        let name = name.to_string_lossy();
        let Some(display) = Display::parse(&name) else {
            info!("DISPLAY {name:?} invalid; disabling X11 forwarding");
            return None;
        };
        let (cookies, until) = cookie::obtain(&self.config, &display)?;
        debug!("Requesting X11 forwarding with authentication spoofing.");
        Some(self.forwarded.insert(Forwarded { display, cookies, until }).request())
    }

    /// The server does not do it.
    pub fn refused(&mut self, channel: ChannelId) {
        info!("X11 forwarding request failed on channel {}", channel.0);
        self.forwarded = None;
    }

    /// Whether programs are connected to the display.
    pub fn is_busy(&self) -> bool {
        !self.open.is_empty()
    }

    /// A program on the server connects to the display; what is not for a display comes back.
    pub fn asked(&mut self, link: &mut Link<Client>, ask: ChannelAsk) -> Option<ChannelAsk> {
        let ChannelOpen::X11 { originator_address, originator_port } = ask.open() else {
            return Some(ask);
        };
        let Some(forwarded) = &self.forwarded else {
            error!("Warning: ssh server tried X11 forwarding.");
            error!("Warning: this is probably a break-in attempt by a malicious server.");
            return Some(ask);
        };
        if forwarded.until.is_some_and(|until| until <= link.now()) {
            say(
                Level::Verbose,
                format_args!("Rejected X11 connection after ForwardX11Timeout expired"),
            );
            return Some(ask);
        }
        debug!("client_request_x11: request from {originator_address} {originator_port}");
        if self.new.len() >= NEW_MAX {
            refuse(link, ask, OpenFailure::ResourceShortage, "too many connections");
            return None;
        }
        match forwarded.display.connect() {
            Ok(socket) => {
                // Refused only when the connection ended meanwhile.
                if let Ok(channel) = link.connection_mut().accept_channel(ask) {
                    self.open.insert(channel);
                    self.new.insert(channel, New { socket, said: Vec::new() });
                }
            }
            Err(source) => {
                let why = crate::text::reason(&source);
                error!("connect to display {}: {why}", forwarded.display.name());
                refuse(link, ask, OpenFailure::ConnectFailed, &why);
            }
        }
        None
    }

    /// The first words on a connection. Whether it is one of these.
    pub fn data(&mut self, link: &mut Link<Client>, channel: ChannelId, data: &[u8]) -> bool {
        let Some(mut new) = self.new.remove(&channel) else { return false };
        new.said.extend_from_slice(data);
        let cookies = self.forwarded.as_ref().map(|forwarded| &forwarded.cookies);
        match cookies.map_or(Shown::Wrong, |cookies| cookies.look(&mut new.said)) {
            Shown::More => {
                self.new.insert(channel, new);
            }
            Shown::Right => {
                let endpoints = Endpoints::duplex(Endpoint::socket(new.socket));
                if link.attach(channel, endpoints).is_ok() {
                    link.queue_output(channel, Stream::Data, &new.said);
                } else {
                    close(link, channel);
                }
            }
            Shown::Wrong => {
                info!("X11 connection rejected because of wrong authentication.");
                close(link, channel);
            }
        }
        true
    }

    /// The server sends no more on a channel. One without a cookie has no use then.
    pub fn ended(&mut self, link: &mut Link<Client>, channel: ChannelId) {
        if self.new.remove(&channel).is_some() {
            close(link, channel);
        }
    }

    /// A channel is gone.
    pub fn closed(&mut self, channel: ChannelId) {
        self.new.remove(&channel);
        self.open.remove(&channel);
    }
}

fn refuse(link: &mut Link<Client>, ask: ChannelAsk, reason: OpenFailure, description: &str) {
    // Refused only when the connection ended meanwhile.
    let _ = link.connection_mut().refuse_channel(ask, reason, description);
}

fn close(link: &mut Link<Client>, channel: ChannelId) {
    // Refused only when it is closed already.
    let _ = link.connection_mut().close(channel);
}
