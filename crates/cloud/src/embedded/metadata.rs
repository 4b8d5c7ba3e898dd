//! Who asks the metadata service, and what there is to say about it. The service itself speaks
//! HTTP, so it is the panel's; this listens for it and tells servers apart.

use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV4, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::PoisonError;

use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

use super::link::GATEWAY;
use super::{Embedded, disk, life, sys};
use crate::model::Server;
use crate::{Error, Result};

/// The port that it has where nobody else has it.
const PORT: u16 = 80;
/// Connections that wait to be taken.
const BACKLOG: i32 = 128;

/// A server that asks about itself.
#[derive(Clone, Debug)]
pub struct Asker {
    /// What people see of it.
    pub server: Server,
    /// What it calls itself.
    pub hostname: String,
    /// Public key lines that it was made with, in the order of [`Server::key_names`].
    pub public_keys: Vec<String>,
    /// cloud-init's user data; empty for none.
    pub user_data: Vec<u8>,
    /// cloud-init's configuration by whoever runs the cloud.
    pub vendor_data: &'static str,
}

/// Listens at the servers' gateway, before there is any server and so any such address.
pub(super) fn listen() -> io::Result<TcpListener> {
    listen_on(PORT).or_else(|_| listen_on(0))
}

fn listen_on(port: u16) -> io::Result<TcpListener> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket: OwnedFd =
        rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    sockopt::set_ip_freebind(&socket, true)?;
    rustix::net::bind(&socket, &SocketAddrV4::new(GATEWAY, port))?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(socket.into())
}

impl Embedded {
    /// Where servers' questions come in; given out once, to whoever answers them. None where
    /// servers share the machine's network, or where the rules that lead there could not be set.
    pub fn metadata_listener(&self) -> Option<TcpListener> {
        self.metadata.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The server that made this connection: by its address, and by the interface that the
    /// connection came in by. `None` for anybody else.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn asker(&self, connection: impl AsFd, peer: SocketAddr) -> Result<Option<Asker>> {
        let IpAddr::V4(address) = peer.ip() else { return Ok(None) };
        let arrived = sys::arrival_interface(connection.as_fd())
            .map_err(|error| Error::Internal(format!("A connection's interface: {error}")))?;
        let of = |address| {
            let runs = self.runs();
            runs.iter().find(|(_, run)| run.address == address).map(|(id, _)| *id)
        };
        let Some(id) = of(address) else { return Ok(None) };
        let Some(row) = self.records.server(id).await? else { return Ok(None) };
        let index = rustix::net::netdevice::name_to_index(&connection, &self.interface(&row)?);
        if index.ok() != Some(arrived) {
            return Ok(None);
        }
        Ok(Some(Asker {
            hostname: life::hostname(&row.server.name),
            server: row.server,
            public_keys: row.public_keys,
            user_data: row.user_data,
            vendor_data: disk::VENDOR_DATA,
        }))
    }
}
