//! Clients that speak SSH's connection protocol themselves: an engine for each stands between
//! its channels and those of the connection, so that neither side can break the other's rules.

mod bridge;

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use net::{Link, UserToken};
use proto::{
    ChannelAsk, ChannelId, ChannelOpen, Client, Config, Connection, Event, GlobalRequest,
    OpenFailure, Server, Stream,
};

use self::bridge::Bridge;
use super::peer::{Peer, State};
use super::{Around, Master};
use crate::messages::debug;
use crate::ssh::forwards::Ticket;

/// A client that speaks SSH.
pub struct Proxy {
    engine: Connection<Server>,
    /// By the connection's channel.
    bridges: BTreeMap<ChannelId, Bridge>,
    /// Channels that the client wants and the server has not opened.
    wanted: BTreeMap<ChannelId, ChannelAsk>,
    /// Channels that the server wants and the client has not opened, by the client's number.
    offered: BTreeMap<ChannelId, ChannelAsk>,
    /// What the server listens on for this client.
    places: Vec<GlobalRequest>,
    /// Global requests that are to be answered, oldest first.
    unanswered: VecDeque<Unanswered>,
}

/// A global request of the client's.
enum Unanswered {
    /// The server was asked under this ticket.
    Asked(Ticket, GlobalRequest),
    /// It is not passed on.
    Refused,
}

impl Proxy {
    /// Nothing was said.
    ///
    /// # Errors
    /// The engine's.
    pub fn new(now: Instant) -> Result<Self, proto::Error> {
        Ok(Proxy {
            engine: Connection::<Server>::bare(Config::server(), now)?,
            bridges: BTreeMap::new(),
            wanted: BTreeMap::new(),
            offered: BTreeMap::new(),
            places: Vec::new(),
            unanswered: VecDeque::new(),
        })
    }

    /// Moves all that can be moved.
    fn pump(
        &mut self,
        around: &mut Around<'_>,
        peer: &mut Peer,
        tickets: &mut impl FnMut() -> Ticket,
    ) {
        loop {
            let mut moved = self.hear(around, tickets);
            for (up, bridge) in &mut self.bridges {
                moved |= bridge.pump(*up, around.link, &mut self.engine);
            }
            self.bridges.retain(|_, bridge| !bridge.is_over());
            let said = peer.write_plain(self.engine.poll_transmit());
            self.engine.transmitted(said);
            let room = self.engine.input_room();
            let heard = peer.read_plain(room);
            self.engine.handle_input(heard);
            if !moved && said + heard == 0 {
                return;
            }
        }
    }

    /// Hears what the client said. Whether there was anything.
    fn hear(&mut self, around: &mut Around<'_>, tickets: &mut impl FnMut() -> Ticket) -> bool {
        let mut any = false;
        let now = around.link.now();
        while let Some(event) = self.engine.poll_event(now) {
            any = true;
            match event {
                Event::Data { channel: down, stream, data } => {
                    let bytes = data.to_vec();
                    let bridge = self.bridges.values_mut().find(|bridge| bridge.down == down);
                    if let Some(bridge) = bridge {
                        bridge.from_client(stream, &bytes);
                    }
                }
                Event::ChannelAsked(ask) => self.wants(around.link, ask),
                Event::ChannelOpened { channel } => {
                    if let Some(ask) = self.offered.remove(&channel)
                        && let Ok(up) = around.link.connection_mut().accept_channel(ask)
                    {
                        self.bridges.insert(up, Bridge::new(channel));
                    }
                }
                Event::ChannelRefused { channel, reason, description } => {
                    if let Some(ask) = self.offered.remove(&channel) {
                        // Refused only when the connection ended meanwhile.
                        let connection = around.link.connection_mut();
                        let _ = connection.refuse_channel(ask, reason, &description);
                    }
                }
                Event::ChannelRequested { channel, request, want_reply } => {
                    let connection = around.link.connection_mut();
                    let passed = self
                        .up_of(channel)
                        .is_some_and(|up| connection.request(up, request, want_reply).is_ok());
                    if want_reply && !passed {
                        // A channel that just closed needs no answer.
                        let _ = self.engine.reply(channel, false);
                    }
                }
                Event::ChannelAnswered { channel, success } => {
                    if let Some(up) = self.up_of(channel) {
                        let _ = around.link.connection_mut().reply(up, success);
                    }
                }
                Event::Eof { channel } => {
                    if let Some(bridge) = self.bridge_of(channel) {
                        bridge.client_ended = true;
                    }
                }
                Event::ChannelClosed { channel } => {
                    if let Some(bridge) = self.bridge_of(channel) {
                        bridge.client_closed = true;
                    }
                }
                Event::GlobalRequested { request, want_reply } => {
                    self.global(around, tickets, request, want_reply);
                }
                other => debug!("client of the shared connection: event {other:?}"),
            }
        }
        any
    }

    /// The client wants a channel.
    fn wants(&mut self, link: &mut Link<Client>, ask: ChannelAsk) {
        let may = !matches!(ask.open(), ChannelOpen::AgentForward | ChannelOpen::X11 { .. });
        let opened =
            if may { link.connection_mut().open_channel(ask.open().clone()).ok() } else { None };
        match opened {
            Some(up) => drop(self.wanted.insert(up, ask)),
            None => {
                let reason = OpenFailure::AdministrativelyProhibited;
                // Refused only when the client is gone.
                let _ = self.engine.refuse_channel(ask, reason, "open failed");
            }
        }
    }

    /// The client asks something of the server as a whole: forwards are passed on.
    fn global(
        &mut self,
        around: &mut Around<'_>,
        tickets: &mut impl FnMut() -> Ticket,
        request: GlobalRequest,
        want_reply: bool,
    ) {
        let is_forward = matches!(
            request,
            GlobalRequest::TcpipForward { .. }
                | GlobalRequest::CancelTcpipForward { .. }
                | GlobalRequest::StreamlocalForward { .. }
                | GlobalRequest::CancelStreamlocalForward { .. }
        );
        if is_forward {
            self.places.retain(|place| !ends(&request, place));
            // What is not answered cannot be counted on, nor be told from what is.
            if around.link.global_request(request.clone(), true).is_ok() {
                let ticket = tickets();
                around.forwards.expect_other(ticket);
                self.unanswered.push_back(Unanswered::Asked(ticket, request));
                return;
            }
        }
        if want_reply {
            self.unanswered.push_back(Unanswered::Refused);
            self.answer_refused();
        }
    }

    /// The server answered one of them, if it is this client's.
    fn global_answered(&mut self, ticket: Ticket, success: bool, data: &[u8]) -> bool {
        let is_next =
            matches!(self.unanswered.front(), Some(Unanswered::Asked(own, _)) if *own == ticket);
        if !is_next {
            return false;
        }
        if let Some(Unanswered::Asked(_, mut request)) = self.unanswered.pop_front() {
            if let GlobalRequest::TcpipForward { port: port @ 0, .. } = &mut request
                && let Some(chosen) = data.first_chunk()
            {
                *port = u32::from_be_bytes(*chosen);
            }
            if success
                && matches!(
                    request,
                    GlobalRequest::TcpipForward { .. } | GlobalRequest::StreamlocalForward { .. }
                )
            {
                self.places.push(request);
            }
        }
        // Refused where the client wanted no answer.
        let _ = self.engine.reply_global(success, data);
        self.answer_refused();
        true
    }

    fn answer_refused(&mut self) {
        while matches!(self.unanswered.front(), Some(Unanswered::Refused)) {
            self.unanswered.pop_front();
            let _ = self.engine.reply_global(false, &[]);
        }
    }

    fn listens_on(&self, open: &ChannelOpen) -> bool {
        self.places.iter().any(|place| match (place, open) {
            (
                GlobalRequest::TcpipForward { address, port },
                ChannelOpen::ForwardedTcpip { connected_address, connected_port, .. },
            ) => address == connected_address && port == connected_port,
            (
                GlobalRequest::StreamlocalForward { path },
                ChannelOpen::ForwardedStreamlocal { path: connected },
            ) => path == connected,
            _ => false,
        })
    }

    fn up_of(&self, down: ChannelId) -> Option<ChannelId> {
        self.bridges.iter().find(|(_, bridge)| bridge.down == down).map(|(up, _)| *up)
    }

    fn bridge_of(&mut self, down: ChannelId) -> Option<&mut Bridge> {
        self.bridges.values_mut().find(|bridge| bridge.down == down)
    }

    /// The client is gone. Gives the channels that the server has yet to open.
    pub fn leave(self, link: &mut Link<Client>) -> impl Iterator<Item = ChannelId> {
        for up in self.bridges.into_keys() {
            // Refused only when it is closed already.
            let _ = link.connection_mut().close(up);
        }
        for ask in self.offered.into_values() {
            let reason = OpenFailure::ConnectFailed;
            let _ = link.connection_mut().refuse_channel(ask, reason, "the client is gone");
        }
        for place in self.places {
            let cancel = match place {
                GlobalRequest::TcpipForward { address, port } => {
                    GlobalRequest::CancelTcpipForward { address, port }
                }
                GlobalRequest::StreamlocalForward { path } => {
                    GlobalRequest::CancelStreamlocalForward { path }
                }
                _ => continue,
            };
            let _ = link.global_request(cancel, false);
        }
        self.wanted.into_keys()
    }
}

/// Whether one request ends what another began.
fn ends(request: &GlobalRequest, place: &GlobalRequest) -> bool {
    match (request, place) {
        (
            GlobalRequest::CancelTcpipForward { address, port },
            GlobalRequest::TcpipForward { address: at, port: on },
        ) => address == at && port == on,
        (
            GlobalRequest::CancelStreamlocalForward { path },
            GlobalRequest::StreamlocalForward { path: at },
        ) => path == at,
        _ => false,
    }
}

impl Master {
    /// Lets clients that speak SSH and the server hear each other.
    pub(super) fn pump_proxy(&mut self, around: &mut Around<'_>, token: UserToken) {
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
        bridge.from_server(stream, data);
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
    pub(super) fn proxy_decided(
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
    pub(super) fn proxy_requested(
        &mut self,
        channel: ChannelId,
        request: &proto::ChannelRequest,
        want_reply: bool,
    ) -> bool {
        let Some((engine, bridge)) = self.bridge(channel) else { return false };
        // A channel that just closed hears nothing.
        let _ = engine.request(bridge.down, request.clone(), want_reply);
        true
    }

    /// The server answered a channel's request.
    pub(super) fn proxy_answered(&mut self, channel: ChannelId, success: bool) {
        if let Some((engine, bridge)) = self.bridge(channel) {
            let _ = engine.reply(bridge.down, success);
        }
    }

    /// The server has closed a channel.
    pub(super) fn proxy_closed(&mut self, channel: ChannelId) {
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
