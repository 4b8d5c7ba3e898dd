//! Connection sharing: one connection to a server, used by many calls of `ssh`.
//!
//! OpenSSH's PROTOCOL.mux, version 4, from both sides. [`client`] uses a connection that somebody
//! keeps, OpenSSH or this program; [`master`] keeps one. [`message`] is what they say,
//! [`socket`] where they meet.

pub mod client;
mod control;
pub mod describe;
pub mod master;
mod message;
mod socket;
