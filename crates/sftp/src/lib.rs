//! SFTP version 3, as draft-ietf-secsh-filexfer-02 has it and as everybody speaks it, with OpenSSH's extensions.
//!
//! [`Client`] and [`Server`] are state machines on bytes: there are no sockets, files or waiting in here. The
//! server asks [`Files`] for what it is to do, and answers requests in the order in which they come; the client has as many
//! requests under way as its caller likes. Later versions of the protocol are deliberately missing: no
//! OpenSSH speaks them.
//!
//! ```
//! use sftp::{Client, Event};
//!
//! let mut client = Client::new();
//! assert_eq!(client.output(), [0, 0, 0, 5, 1, 0, 0, 0, 3]);
//! client.sent(9);
//! client.room()[..9].copy_from_slice(&[0, 0, 0, 5, 2, 0, 0, 0, 3]);
//! client.received(9);
//! assert_eq!(client.poll_event(), Ok(Some(Event::Ready)));
//! ```

mod attributes;
mod client;
mod error;
mod files;
mod handles;
pub mod limits;
mod packet;
mod reply;
mod request;
mod server;
mod status;
#[cfg(test)]
mod tests;

pub use attributes::{Attributes, FileKind};
pub use client::{Client, Event, RequestId};
pub use error::{Error, Misuse};
pub use files::{Files, Refusal};
pub use reply::{Limits, Name, Names, Reply, Strings, Volume};
pub use request::{Numbers, OpenFlags, REQUESTS, Request, RequestKind, RequestRow, WireName};
pub use server::{AccountNames, Entries, Policy, Server};
pub use status::{Status, StatusCode};

/// The version of the protocol. draft-02 §4.
pub const VERSION: u32 = 3;
