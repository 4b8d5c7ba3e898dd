//! The SSH protocol engine: RFC 4251 to 4254 and what has joined them since,
//! without sockets, files or a clock.
//!
//! A [`Connection`] is one end of one connection, [`ClientConnection`] or
//! [`ServerConnection`]. The driver reads the transport into
//! [`Connection::input_room`], calls [`Connection::poll_event`] until nothing
//! comes, writes what [`Connection::poll_transmit`] has, and sleeps until
//! there is more to read or [`Connection::poll_timeout`] has come.
//!
//! It deliberately lacks decisions: whether a host key is right, whether a
//! user may in, what a channel is connected to. Those are [`Event`]s, and the
//! engine goes on when they are answered. Ephemeral key exchange secrets and
//! padding come from the `crypto` crate's generator.
//!
//! ```
//! use std::time::Instant;
//! use keyway_proto::{ClientConnection, Config};
//!
//! let client = ClientConnection::new(Config::client(), Instant::now())?;
//! assert!(client.poll_transmit().starts_with(b"SSH-2.0-Keyway_"));
//! # Ok::<(), keyway_proto::Error>(())
//! ```

mod channel;
mod channels;
mod client;
mod config;
mod connection;
mod error;
mod event;
mod kex;
pub mod limits;
mod message;
mod role;
mod server;
#[cfg(test)]
mod tests;
mod transport;
mod userauth;

pub use channel::open::{ChannelOpen, OpenFailure};
pub use channel::request::{ChannelRequest, GlobalRequest};
pub use client::GroupExchange;
pub use config::{Compression, Config, GroupSource};
pub use connection::{Connection, Statistics};
pub use error::{DisconnectReason, Error, Incompatible, Misbehaved, Misuse, Timer};
pub use event::{
    AuthAnswer, AuthAttempt, AuthMethod, AuthRequest, ChannelAsk, ChannelId, Data, Event,
    HostKeyAsk, Prompt, SignAsk, Signed, Stream,
};
pub use kex::negotiate::{Negotiated, NegotiatedDirection};
pub use message::kex::Proposal;
pub use role::{Client, Role, Server, Side};
pub use userauth::host_based::Voucher;
pub use userauth::signed_data::signed_data;

/// The client's end of a connection.
pub type ClientConnection = Connection<Client>;
/// The server's end of a connection.
pub type ServerConnection = Connection<Server>;
