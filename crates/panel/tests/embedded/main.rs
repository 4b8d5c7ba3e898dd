//! The panel itself with this machine as its cloud, in a network of the test's own: programs that
//! nobody here wrote against servers that are really there, what servers are told about themselves,
//! and what is left when the panel is killed at any moment.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test that should end it")]

mod clients;
mod fixture;
mod killed;
mod metadata;

#[path = "../common/peers.rs"]
mod peers;
#[path = "../common/people.rs"]
mod people;

use people::PASSWORD;
