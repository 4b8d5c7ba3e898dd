//! Which client that speaks SSH the connection's news are for.

use net::{Link, UserToken};
use proto::{
    ChannelAsk, ChannelId, ChannelRequest, Client, Connection, OpenFailure, Server, Stream,
};

use super::Proxy;
use super::bridge::Bridge;
use crate::ssh::forwards::Ticket;
use crate::ssh::mux::master::peer::State;
use crate::ssh::mux::master::{Around, Master};

impl Master {
    /// Lets clients that speak SSH and the server hear each other.
    pub(in crate::ssh::mux::master) fn pump_proxy(
        &mut self,
        around: &mut Around<'_>,
        token: UserToken,
    ) {
        let mut last = self.last_token;
        let Some(peer) = self.peers.get_mut(&token) else { return };
        match std::mem::replace(&mut peer.state, State::Idle) {
            State::Proxy(mut proxy) => {
                proxy.pump(around, peer, &mut || {
                    last += 1;
                    last as u64
                });
                peer.is_gone |= proxy.engine.is_ended();
                peer.state = State::Proxy(proxy);
            }
            other => peer.state = other,
        }
        self.last_token = last;
    }

    fn proxies(&mut self) -> impl Iterator<Item = &mut Proxy> {
        self.peers.values_mut().filter_map(|peer| match &mut peer.state {
            State::Proxy(proxy) => Some(&mut **proxy),
            _ => None,
        })
    }

    fn bridge(&mut self, up: ChannelId) -> Option<(&mut Connection<Server>, &mut Bridge)> {
        self.proxies().find_map(|proxy| {
            let Proxy { engine, bridges, .. } = proxy;
            bridges.get_mut(&up).map(|bridge| (engine, bridge))
        })
    }

    /// Data of a channel without a local end. Whether it is one of these.
    pub fn data(
        &mut self,
        _link: &mut Link<Client>,
        channel: ChannelId,
        stream: Stream,
        data: &[u8],
    ) -> bool {
        let Some((_, bridge)) = self.bridge(channel) else { return false };
        bridge.server_sent(stream, data);
        true
    }

    /// The server wants a channel; what is not for a client that speaks SSH comes back.
    pub fn asked(&mut self, link: &mut Link<Client>, ask: ChannelAsk) -> Option<ChannelAsk> {
        let Some(proxy) = self.proxies().find(|proxy| proxy.listens_on(ask.open())) else {
            return Some(ask);
        };
        match proxy.engine.open_channel(ask.open().clone()) {
            Ok(down) => drop(proxy.offered.insert(down, ask)),
            Err(problem) => {
                let reason = OpenFailure::ResourceShortage;
                // Refused only when the connection ended meanwhile.
                let _ = link.connection_mut().refuse_channel(ask, reason, &problem.to_string());
            }
        }
        None
    }

    /// A channel that a client wanted is open, or is not. Whether it is one of these.
    pub(in crate::ssh::mux::master) fn proxy_decided(
        &mut self,
        link: &mut Link<Client>,
        channel: ChannelId,
        refusal: Option<(OpenFailure, &str)>,
    ) -> bool {
        let wanted =
            self.proxies().find_map(|proxy| proxy.wanted.remove(&channel).map(|ask| (proxy, ask)));
        let Some((proxy, ask)) = wanted else {
            let is_orphan = self.orphans.remove(&channel);
            if is_orphan && refusal.is_none() {
                // Nobody wants it any more.
                let _ = link.connection_mut().close(channel);
            }
            return is_orphan;
        };
        match refusal {
            Some((reason, why)) => {
                // Refused only when the client is gone.
                let _ = proxy.engine.refuse_channel(ask, reason, why);
            }
            None => match proxy.engine.accept_channel(ask) {
                Ok(down) => drop(proxy.bridges.insert(channel, Bridge::new(down))),
                // The client is gone.
                Err(_) => drop(link.connection_mut().close(channel)),
            },
        }
        true
    }

    /// The server asks something of a channel. Whether it is one of these.
    pub(in crate::ssh::mux::master) fn proxy_requested(
        &mut self,
        channel: ChannelId,
        request: &ChannelRequest,
        want_reply: bool,
    ) -> bool {
        let Some((engine, bridge)) = self.bridge(channel) else { return false };
        // A channel that just closed hears nothing.
        let _ = engine.request(bridge.down, request.clone(), want_reply);
        true
    }

    /// The server answered a channel's request.
    pub(in crate::ssh::mux::master) fn proxy_answered(
        &mut self,
        channel: ChannelId,
        success: bool,
    ) {
        if let Some((engine, bridge)) = self.bridge(channel) {
            let _ = engine.reply(bridge.down, success);
        }
    }

    /// The server has closed a channel.
    pub(in crate::ssh::mux::master) fn proxy_closed(&mut self, channel: ChannelId) {
        if let Some((_, bridge)) = self.bridge(channel) {
            bridge.server_closed = true;
        }
    }

    /// The server sends no more on a channel.
    pub fn ended(&mut self, channel: ChannelId) {
        if let Some((_, bridge)) = self.bridge(channel) {
            bridge.server_ended = true;
        }
    }

    /// The server answered a client's global request.
    pub fn global_answered(&mut self, ticket: Ticket, success: bool, data: &[u8]) {
        // The client may be gone.
        let _ = self.proxies().any(|proxy| proxy.global_answered(ticket, success, data));
    }
}
