//! Clients that speak SSH's connection protocol themselves: an engine for each stands between
//! its channels and those of the connection, so that neither side can break the other's rules.

mod bridge;
mod routing;

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use net::Link;
use proto::{
    ChannelAsk, ChannelId, ChannelOpen, Client, Config, Connection, Event, GlobalRequest,
    OpenFailure, Server,
};

use self::bridge::Bridge;
use super::Around;
use super::peer::Peer;
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
                        bridge.client_sent(stream, &bytes);
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
        if let Some(up) = opened {
            drop(self.wanted.insert(up, ask));
        } else {
            let reason = OpenFailure::AdministrativelyProhibited;
            // Refused only when the client is gone.
            let _ = self.engine.refuse_channel(ask, reason, "open failed");
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
