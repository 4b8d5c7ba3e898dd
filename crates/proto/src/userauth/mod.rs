//! RFC 4252 and RFC 4256.

pub mod client;
pub mod host_based;
pub mod server;
pub mod signed_data;
