//! How much is read and how long is waited, each with its reason.

use std::time::Duration;

/// For one address to answer: longer than two lost SYNs take to be sent again.
pub const CONNECT: Duration = Duration::from_secs(5);
/// For the name service.
pub const RESOLVE: Duration = Duration::from_secs(10);
/// For a service to speak first. A loaded server that looks names up needs seconds.
pub const GREETING: Duration = Duration::from_secs(8);
/// For a service to answer what is no SSH.
pub const ANSWER: Duration = Duration::from_secs(2);
/// Of what a service says before anybody knows what it is.
pub const GREETING_BYTES: usize = 16 << 10;
/// A KEXINIT with every algorithm there is has two thousand bytes.
pub const PROPOSAL_BYTES: usize = 64 << 10;
/// Addresses of one name that are tried.
pub const ADDRESSES: usize = 8;
/// Output of a firewall's tool.
pub const RULES_BYTES: usize = 8 << 20;
/// A rule that leads to another chain, and so on.
pub const CHAIN_DEPTH: usize = 16;
/// A phase of a login that takes longer is worth a word.
pub const SLOW: Duration = Duration::from_secs(2);
/// An answer that takes longer is not the speed of light: twice the way over a satellite.
pub const SLOW_ROUND_TRIP: Duration = Duration::from_millis(700);
/// Largest key file that is read.
pub const KEY_FILE_BYTES: u64 = 1 << 20;
/// Ports where SSH often is, tried when the right one does not answer as it should.
pub const USUAL_PORTS: [u16; 2] = [22, 2222];
/// What goes through every path: the least MTU of IPv4 that is in use, without headers.
pub const SMALL_SEGMENT: u16 = 500;
