//! Clients that speak SSH themselves.

use net::Link;
use proto::{ChannelAsk, ChannelId, Client, Stream};

use super::Master;
use crate::ssh::forwards::Ticket;

impl Master {
    /// Data of a channel without a local end. Whether it is one of these.
    pub fn data(&mut self, _: &mut Link<Client>, _: ChannelId, _: Stream, _: &[u8]) -> bool {
        false
    }

    /// The server wants a channel; what is not for a client that speaks SSH comes back.
    pub fn asked(&mut self, _: &mut Link<Client>, ask: ChannelAsk) -> Option<ChannelAsk> {
        Some(ask)
    }

    /// The server sends no more on a channel.
    pub fn ended(&mut self, _: ChannelId) {}

    /// The server answered a client's global request.
    pub fn global_answered(&mut self, _: Ticket, _: bool, _: &[u8]) {}
}
