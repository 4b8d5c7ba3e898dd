//! Connections on their way to a target of this side.

use std::os::fd::AsFd;

use net::relay::{Destination, PendingDial};
use net::{Endpoint, Endpoints, Interest, Link, UserToken};
use proto::{ChannelAsk, ChannelId, Client, OpenFailure};

use super::{Remote, refuse};
use crate::messages::{debug, error};
use crate::ssh::forwards::{Open, Tokens};
use crate::text::reason;

/// So many connections may be on their way at once: each has a thread.
const DIALS_MAX: usize = 128;

/// One connection on its way.
pub struct Dialing {
    pending: PendingDial,
    purpose: For,
    /// The target, for messages.
    target: String,
}

/// Who waits for a connection.
pub enum For {
    /// A channel that is accepted once there is a connection, and who connected to the server.
    Ask(ChannelAsk, String),
    /// A channel whose SOCKS client asked for it.
    Socks(ChannelId),
}

impl Remote {
    /// Starts to connect.
    pub fn dial(
        &mut self,
        link: &mut Link<Client>,
        tokens: &mut Tokens,
        destination: Destination,
        purpose: For,
    ) {
        let held = self.held.as_ref().map_or(0, Vec::len);
        if self.dials.len() + held >= DIALS_MAX {
            self.failed(link, purpose, OpenFailure::ResourceShortage, "too many connections");
            return;
        }
        if let Some(held) = &mut self.held {
            held.push((destination, purpose));
            return;
        }
        let target = match &destination {
            Destination::Tcp { host, port } => format!("{host} port {port}"),
            Destination::Unix(path) => path.display().to_string(),
        };
        let token = tokens.next();
        let started = PendingDial::start(destination).and_then(|pending| {
            link.watch(pending.as_fd(), token, Interest::Readable)?;
            Ok(pending)
        });
        match started {
            Ok(pending) => {
                self.dials.insert(token, Dialing { pending, purpose, target });
            }
            Err(source) => {
                error!("connect_to {target}: {}", reason(&source));
                self.failed(link, purpose, OpenFailure::ResourceShortage, &reason(&source));
            }
        }
    }

    /// Makes no connections until [`Self::resume`].
    pub fn hold(&mut self) {
        self.held.get_or_insert_default();
    }

    /// Whether connections are on their way.
    pub fn is_dialing(&self) -> bool {
        !self.dials.is_empty()
    }

    /// Makes those that were held back.
    pub fn resume(&mut self, link: &mut Link<Client>, tokens: &mut Tokens) {
        for (destination, purpose) in self.held.take().unwrap_or_default() {
            self.dial(link, tokens, destination, purpose);
        }
    }

    /// A connection is there, or failed.
    pub fn dialed(&mut self, link: &mut Link<Client>, token: UserToken, open: &mut Open) {
        let Some(Dialing { pending, purpose, target }) = self.dials.remove(&token) else { return };
        link.unwatch(token);
        match (pending.take(), purpose) {
            (Ok(endpoint), For::Ask(ask, from)) => {
                accept(link, ask, &from, &target, endpoint, open);
            }
            (Ok(endpoint), For::Socks(channel)) => self.connected(link, channel, endpoint),
            (Err(source), purpose) => {
                let text = reason(&source);
                debug!("{text}");
                error!("connect_to {target}: failed.");
                // The target is known to the server's side.
                let why = text.rsplit(": ").next().unwrap_or(&text);
                self.failed(link, purpose, OpenFailure::ConnectFailed, why);
            }
        }
    }

    fn failed(&mut self, link: &mut Link<Client>, purpose: For, reason: OpenFailure, why: &str) {
        match purpose {
            For::Ask(ask, _) => refuse(link, ask, reason, why),
            For::Socks(channel) => self.not_connected(link, channel, reason),
        }
    }
}

fn accept(
    link: &mut Link<Client>,
    ask: ChannelAsk,
    from: &str,
    target: &str,
    endpoint: Endpoint,
    open: &mut Open,
) {
    let about = format!("{}: connect from {from} to {target}", ask.open().type_name());
    // Refused only when the connection ended meanwhile.
    let Ok(channel) = link.connection_mut().accept_channel(ask) else { return };
    debug!("channel {}: {about}", channel.0);
    open.0.insert(channel, about);
    if link.attach(channel, Endpoints::duplex(endpoint)).is_err() {
        // Without a local end the channel has no use.
        let _ = link.connection_mut().close(channel);
    }
}
