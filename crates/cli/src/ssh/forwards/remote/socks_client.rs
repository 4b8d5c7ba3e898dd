//! SOCKS clients behind a port of the server (`-R port`): what they ask for is connected to here.

use std::convert::Infallible;

use config::{HostPort, Permit};
use net::relay::Destination;
use net::{Endpoint, Endpoints, Link};
use proto::{ChannelAsk, ChannelId, Client, OpenFailure, Stream};

use super::Remote;
use super::dial::For;
use crate::messages::debug;
use crate::ssh::forwards::socks::{self, Failure, Phase, Request, Step, Version};
use crate::ssh::forwards::{Open, Tokens};

/// One of them.
#[derive(Default)]
pub struct SocksClient {
    /// What came and is not used yet; it counts as received when it is.
    input: Vec<u8>,
    phase: Phase,
    /// It has asked, and waits for the connection.
    waiting: Option<Version>,
    /// It sends no more.
    has_ended: bool,
    /// Answers that wait for room: none is given while keys are exchanged.
    unsent: Vec<u8>,
    /// To be closed behind the last answer.
    is_over: bool,
}

impl Remote {
    /// Takes the channel of a new one.
    pub(super) fn socks_client(
        &mut self,
        link: &mut Link<Client>,
        ask: ChannelAsk,
        from: &str,
        open: &mut Open,
    ) {
        let about = format!("{}: SOCKS client, connect from {from}", ask.open().type_name());
        // Refused only when the connection ended meanwhile.
        let Ok(channel) = link.connection_mut().accept_channel(ask) else { return };
        open.0.insert(channel, about);
        self.clients.insert(channel, SocksClient::default());
    }

    /// One said something.
    pub fn data(
        &mut self,
        link: &mut Link<Client>,
        tokens: &mut Tokens,
        permitted: &Permit,
        channel: ChannelId,
        data: &[u8],
    ) {
        let Some(client) = self.clients.get_mut(&channel) else {
            // Nobody reads it any more.
            let _ = link.connection_mut().consumed(channel, data.len());
            return;
        };
        // The channel's window is the limit.
        client.input.extend_from_slice(data);
        while client.waiting.is_none() && !client.is_over {
            match socks::read(&client.input, client.phase) {
                Step::More => return,
                Step::Agree(used) => {
                    client.used(link, channel, used);
                    client.phase = Phase::Agreed;
                    client.say(link, channel, socks::AGREED);
                }
                Step::Bad(answer) => {
                    debug!("channel {}: not a SOCKS request that can be served", channel.0);
                    return self.hang_up(link, channel, answer);
                }
                Step::Connect(used, request) => {
                    client.used(link, channel, used);
                    client.waiting = Some(request.version);
                    return self.connect(link, tokens, permitted, channel, request);
                }
            }
        }
    }

    fn connect(
        &mut self,
        link: &mut Link<Client>,
        tokens: &mut Tokens,
        permitted: &Permit,
        channel: ChannelId,
        request: Request,
    ) {
        debug!("channel {}: socks host {} port {}", channel.0, request.host, request.port);
        if !is_permitted(permitted, &request.host, request.port) {
            debug!("channel {}: requested forward not permitted", channel.0);
            return self.not_connected(link, channel, OpenFailure::AdministrativelyProhibited);
        }
        let destination = Destination::Tcp { host: request.host, port: request.port };
        self.dial(link, tokens, destination, For::Socks(channel));
    }

    /// Here is the connection.
    pub(super) fn connected(
        &mut self,
        link: &mut Link<Client>,
        channel: ChannelId,
        endpoint: Endpoint,
    ) {
        // It may have gone meanwhile.
        let Some(client) = self.clients.remove(&channel) else { return };
        let Some(version) = client.waiting else { return };
        if link.attach(channel, Endpoints::duplex(endpoint)).is_err() {
            let _ = link.connection_mut().close(channel);
            return;
        }
        let answer = [client.unsent.as_slice(), version.success()].concat();
        link.queue_input(channel, Stream::Data, &answer);
        if !client.input.is_empty() {
            link.queue_output(channel, Stream::Data, &client.input);
        }
        if client.has_ended {
            link.end_output(channel);
        }
    }

    /// There will be none.
    pub(super) fn not_connected(
        &mut self,
        link: &mut Link<Client>,
        channel: ChannelId,
        reason: OpenFailure,
    ) {
        let Some(client) = self.clients.get(&channel) else { return };
        let why = match reason {
            OpenFailure::AdministrativelyProhibited => Failure::Forbidden,
            OpenFailure::ConnectFailed => Failure::Refused,
            _ => Failure::General,
        };
        let answer = client.waiting.map_or(&[][..], |version| version.failure(why));
        self.hang_up(link, channel, answer);
    }

    /// One sends no more.
    pub fn ended(&mut self, link: &mut Link<Client>, channel: ChannelId) {
        let Some(client) = self.clients.get_mut(&channel) else { return };
        client.has_ended = true;
        if client.waiting.is_none() {
            self.hang_up(link, channel, &[]);
        }
    }

    /// Sends the last answer and closes behind it.
    fn hang_up(&mut self, link: &mut Link<Client>, channel: ChannelId, answer: &[u8]) {
        if let Some(client) = self.clients.get_mut(&channel) {
            client.is_over = true;
            client.say(link, channel, answer);
        }
        self.close_spent(link, channel);
    }

    fn close_spent(&mut self, link: &mut Link<Client>, channel: ChannelId) {
        let is_spent = |client: &SocksClient| client.is_over && client.unsent.is_empty();
        if self.clients.get(&channel).is_some_and(is_spent) {
            self.clients.remove(&channel);
            // Refused only when it is closed already.
            let _ = link.connection_mut().close(channel);
        }
    }

    /// There may be room again for what could not be sent.
    pub fn turn(&mut self, link: &mut Link<Client>) {
        let waiting = self.clients.iter().filter(|(_, client)| !client.unsent.is_empty());
        for channel in waiting.map(|(channel, _)| *channel).collect::<Vec<_>>() {
            if let Some(client) = self.clients.get_mut(&channel) {
                client.say(link, channel, &[]);
            }
            self.close_spent(link, channel);
        }
    }
}

impl SocksClient {
    /// Sends an answer, or keeps what there is no room for.
    fn say(&mut self, link: &mut Link<Client>, channel: ChannelId, answer: &[u8]) {
        self.unsent.extend_from_slice(answer);
        if self.unsent.is_empty() {
            return;
        }
        let unsent = &self.unsent;
        let sent = link.connection_mut().send(channel, Stream::Data, |room| {
            let count = room.len().min(unsent.len());
            if let (Some(to), Some(from)) = (room.get_mut(..count), unsent.get(..count)) {
                to.copy_from_slice(from);
            }
            Ok::<_, Infallible>(count)
        });
        match sent {
            Ok(Ok(count)) => drop(self.unsent.drain(..count.min(self.unsent.len()))),
            // The channel is closed: nobody waits for it.
            _ => self.unsent.clear(),
        }
    }

    fn used(&mut self, link: &mut Link<Client>, channel: ChannelId, count: usize) {
        let count = count.min(self.input.len());
        self.input.drain(..count);
        // Refused only when the channel is closed.
        let _ = link.connection_mut().consumed(channel, count);
    }
}

/// `PermitRemoteOpen`.
fn is_permitted(permitted: &Permit, host: &str, port: u16) -> bool {
    let allows = |one: &HostPort| {
        one.host.as_deref().is_none_or(|name| name == "*" || name == host)
            && one.port.is_none_or(|allowed| allowed == port)
    };
    match permitted {
        Permit::Any => true,
        Permit::None => false,
        Permit::Only(list) => list.iter().any(allows),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_permitted() {
        let one = |host: &str, port| HostPort { host: Some(host.to_owned()), port };
        assert!(is_permitted(&Permit::Any, "h", 1));
        assert!(!is_permitted(&Permit::None, "h", 1));
        let only = Permit::Only(vec![one("h", Some(1)), one("::1", None), one("*", Some(9))]);
        for (host, port, expected) in
            [("h", 1, true), ("h", 2, false), ("::1", 7, true), ("x", 9, true), ("x", 1, false)]
        {
            assert_eq!(is_permitted(&only, host, port), expected, "{host}:{port}");
        }
    }
}
