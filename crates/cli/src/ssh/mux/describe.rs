//! Forwards and connections in words, as OpenSSH puts them.

use std::net::SocketAddr;

use config::{Connect, Direction, Forward, Listen};
use net::Link;
use proto::Client;

use crate::ssh::session::keyboard;

/// What `-O conninfo` prints.
pub fn connection(link: &Link<Client>, host: &str, address: Option<SocketAddr>) -> String {
    let process = std::process::id();
    let to = match address {
        Some(address) => format!("  tcp -> {}:{}\r\n", address.ip(), address.port()),
        None => "  through a proxy\r\n".to_owned(),
    };
    let rest = keyboard::connection_information(link);
    format!("Connection information for {host} pid {process}\r\n{to}{rest}")
}

/// `local forward HOST:PORT -> HOST:PORT` and the like.
pub fn forward(direction: Direction, forward: &Forward, gateway_ports: bool) -> String {
    let unnamed = if gateway_ports && direction != Direction::Remote { "*" } else { "LOCALHOST" };
    let from = match &forward.listen {
        Listen::Tcp { address, port } => {
            format!("{}:{port}", address.as_deref().unwrap_or(unnamed))
        }
        Listen::Socket(path) => format!("{}:-2", path.display()),
    };
    let to = match &forward.connect {
        Connect::Tcp { host, port } => format!("{host}:{port}"),
        Connect::Socket(path) => format!("{}:-2", path.display()),
        Connect::Dynamic if direction == Direction::Dynamic => "*".to_owned(),
        Connect::Dynamic => "socks:0".to_owned(),
    };
    let kind = match direction {
        Direction::Local => "local",
        Direction::Remote => "remote",
        Direction::Dynamic => "dynamic",
    };
    format!("{kind} forward {from} -> {to}")
}
