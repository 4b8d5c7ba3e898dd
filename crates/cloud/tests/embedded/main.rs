//! Real servers on this machine, in a network namespace of each test's own, with real clients.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "in a test that should end it")]

mod fixture;
mod full;
mod image;
mod isolation;
mod lacking;
mod life;
mod network;
mod owner;
mod user;
mod witness;
