//! Forwards as messages have them.

use std::path::PathBuf;

use config::{Connect, Direction, Forward, Listen};
use wire::{Reader, Writer};

use super::Malformed;

/// A port number that says: the host is a socket's path.
pub(super) const SOCKET_PORT: u32 = u32::MAX - 1;

/// Writes a forward.
pub(super) fn put_forward(body: &mut Vec<u8>, direction: Direction, forward: &Forward) {
    body.put_u32(match direction {
        Direction::Local => 1,
        Direction::Remote => 2,
        Direction::Dynamic => 3,
    });
    match &forward.listen {
        Listen::Tcp { address, port } => {
            let address = match address.as_deref() {
                None => "",
                Some("") => "*",
                Some(address) => address,
            };
            body.put_string(address.as_bytes());
            body.put_u32((*port).into());
        }
        Listen::Socket(path) => put_socket(body, path),
    }
    put_connect(body, &forward.connect);
}

/// Writes where it leads.
pub(super) fn put_connect(body: &mut Vec<u8>, connect: &Connect) {
    match connect {
        Connect::Tcp { host, port } => {
            body.put_string(host.as_bytes());
            body.put_u32((*port).into());
        }
        Connect::Socket(path) => put_socket(body, path),
        Connect::Dynamic => {
            body.put_string(b"socks");
            body.put_u32(0);
        }
    }
}

fn put_socket(body: &mut Vec<u8>, path: &std::path::Path) {
    use std::os::unix::ffi::OsStrExt;
    body.put_string(path.as_os_str().as_bytes());
    body.put_u32(SOCKET_PORT);
}

/// Reads a forward; nothing when it is whole but makes no sense.
pub(super) fn forward(reader: &mut Reader<'_>) -> Result<Option<(Direction, Forward)>, Malformed> {
    let direction = match reader.u32()? {
        1 => Some(Direction::Local),
        2 => Some(Direction::Remote),
        3 => Some(Direction::Dynamic),
        _ => None,
    };
    let (listen_host, listen_port) = (reader.text()?, reader.u32()?);
    let (host, port) = (reader.text()?, reader.u32()?);
    let Some(direction) = direction else { return Ok(None) };
    let listen = if listen_port == SOCKET_PORT {
        Listen::Socket(PathBuf::from(listen_host))
    } else {
        let port = u16::try_from(listen_port).map_err(|_| Malformed)?;
        let address = (!listen_host.is_empty()).then(|| listen_host.to_owned());
        Listen::Tcp { address, port }
    };
    let connect = match direction {
        Direction::Dynamic => Some(Connect::Dynamic),
        Direction::Remote if port == 0 => Some(Connect::Dynamic),
        _ => connect(host, port),
    };
    let chosen = matches!(listen, Listen::Tcp { port: 0, .. });
    let makes_sense = match direction {
        Direction::Dynamic => !chosen && matches!(listen, Listen::Tcp { .. }),
        Direction::Local => !chosen,
        Direction::Remote => true,
    };
    Ok(connect.filter(|_| makes_sense).map(|connect| (direction, Forward { listen, connect })))
}

/// Where a host and a port lead; nothing when they make no sense.
pub(super) fn connect(host: &str, port: u32) -> Option<Connect> {
    if host.is_empty() {
        return None;
    }
    if port == SOCKET_PORT {
        return Some(Connect::Socket(PathBuf::from(host)));
    }
    let port = u16::try_from(port).ok().filter(|port| *port > 0)?;
    Some(Connect::Tcp { host: host.to_owned(), port })
}
