//! Consoles: tickets for them, and the bytes between a browser or terminal and a server.

pub mod tickets;
