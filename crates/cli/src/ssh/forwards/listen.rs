//! Sockets that are listened on here: `-L` and `-D`.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use config::{AddressFamily, ClientConfig, Forward, Listen};
use net::UserToken;
use rustix::fs::FileType;
use rustix::net::{SocketType, sockopt};

use crate::messages::{Level, debug, error, say};
use crate::text::reason;

/// How many connections the system keeps until they are accepted.
const BACKLOG: i32 = 128;
/// `sun_path` and its end.
const SOCKET_PATH_BYTES: usize = 108;

/// One socket of a forward.
pub struct Listener {
    /// How the loop names it.
    pub token: UserToken,
    /// What it is for.
    pub forward: Rc<Forward>,
    /// There may be connections to accept.
    pub is_ready: bool,
    socket: Socket,
}

enum Socket {
    Tcp(TcpListener),
    Local { socket: UnixListener, _file: SocketFile },
}

/// The file of a Unix socket, removed with it.
struct SocketFile {
    path: PathBuf,
    /// Device and file number: another's file of that name stays.
    identity: Option<(u64, u64)>,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.identity.is_some() && identity(&self.path) == self.identity {
            // Another may have removed it.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    std::fs::symlink_metadata(path).ok().map(|data| (data.dev(), data.ino()))
}

/// A connection somebody made.
pub struct Accepted {
    /// It.
    pub socket: OwnedFd,
    /// From where and to where; nothing for Unix sockets.
    pub ends: Option<(SocketAddr, SocketAddr)>,
}

impl Listener {
    /// Takes the next connection.
    ///
    /// # Errors
    /// `WouldBlock` when there is none.
    pub fn accept(&self) -> io::Result<Accepted> {
        match &self.socket {
            Socket::Tcp(socket) => {
                let (stream, peer) = socket.accept()?;
                // Only slower without.
                let _ = stream.set_nodelay(true);
                let own = stream.local_addr()?;
                Ok(Accepted { socket: stream.into(), ends: Some((peer, own)) })
            }
            Socket::Local { socket, .. } => {
                let (stream, _) = socket.accept()?;
                Ok(Accepted { socket: stream.into(), ends: None })
            }
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.socket {
            Socket::Tcp(socket) => socket.as_fd(),
            Socket::Local { socket, .. } => socket.as_fd(),
        }
    }
}

/// Listens wherever the forward says and says what failed. Empty when nothing could be had.
pub fn listen(
    config: &ClientConfig,
    forward: &Rc<Forward>,
    mut token: impl FnMut() -> UserToken,
) -> Vec<Listener> {
    let sockets = match &forward.listen {
        Listen::Tcp { address, port } => listen_tcp(config, address.as_deref(), *port),
        Listen::Socket(path) => listen_local(config, path).into_iter().collect(),
    };
    let listener =
        |socket| Listener { token: token(), forward: Rc::clone(forward), is_ready: false, socket };
    sockets.into_iter().map(listener).collect()
}

fn listen_tcp(config: &ClientConfig, address: Option<&str>, port: u16) -> Vec<Socket> {
    let mut sockets = Vec::new();
    let hosts = match bind_addresses(address, *config.gateway_ports) {
        Ok(hosts) => hosts,
        Err(problem) => {
            error!("channel_setup_fwd_listener_tcpip: {problem}");
            return sockets;
        }
    };
    let is_wanted = |host: &IpAddr| match *config.address_family {
        AddressFamily::Any => true,
        AddressFamily::Inet => host.is_ipv4(),
        AddressFamily::Inet6 => host.is_ipv6(),
    };
    let hosts: Vec<IpAddr> = hosts.into_iter().filter(is_wanted).collect();
    for (at, host) in hosts.iter().enumerate() {
        debug!("Local forwarding listening on {host} port {port}.");
        match bind(SocketAddr::new(*host, port)) {
            Ok(socket) => sockets.push(Socket::Tcp(socket)),
            Err(source) => {
                // The last address decides: one of the two families may be missing.
                let level = if at + 1 == hosts.len() { Level::Error } else { Level::Verbose };
                say(level, format_args!("bind [{host}]:{port}: {}", reason(&source)));
            }
        }
    }
    if sockets.is_empty() {
        error!("channel_setup_fwd_listener_tcpip: cannot listen to port: {port}");
    }
    sockets
}

/// The addresses an address stands for: the loopback, unless `GatewayPorts` or the user say
/// otherwise.
fn bind_addresses(address: Option<&str>, gateway_ports: bool) -> Result<Vec<IpAddr>, String> {
    match address {
        None if gateway_ports => Ok(any()),
        Some("" | "*") => Ok(any()),
        None | Some("localhost") => {
            Ok(vec![Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()])
        }
        Some(name) => match (name, 0).to_socket_addrs() {
            Ok(found) => Ok(found.map(|address| address.ip()).collect()),
            Err(source) => {
                let text = reason(&source);
                let text = text.strip_prefix("failed to lookup address information: ");
                let text = text.map_or_else(|| reason(&source), str::to_owned);
                Err(format!("getaddrinfo({name}): {text}"))
            }
        },
    }
}

fn any() -> Vec<IpAddr> {
    vec![Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()]
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    use rustix::net::AddressFamily;
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = net::open::nonblocking_socket(family, SocketType::STREAM)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    rustix::net::bind(&socket, &address)?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(TcpListener::from(socket))
}

fn listen_local(config: &ClientConfig, path: &Path) -> Option<Socket> {
    if path.as_os_str().as_bytes().len() >= SOCKET_PATH_BYTES {
        error!("Local listening path too long: {}", path.display());
        return None;
    }
    if *config.stream_local_bind_unlink && is_socket(path) {
        // Binding tells why it is still there.
        let _ = std::fs::remove_file(path);
    }
    // No other thread makes files at this time.
    let before = rustix::process::umask(crate::sys::mode(*config.stream_local_bind_mask));
    let bound = UnixListener::bind(path);
    rustix::process::umask(before);
    match bound.and_then(|socket| socket.set_nonblocking(true).map(|()| socket)) {
        Ok(socket) => {
            debug!("Local forwarding listening on path {}.", path.display());
            let file = SocketFile { path: path.to_owned(), identity: identity(path) };
            Some(Socket::Local { socket, _file: file })
        }
        Err(source) => {
            error!("unix_listener: cannot bind to path {}: {}", path.display(), reason(&source));
            None
        }
    }
}

fn is_socket(path: &Path) -> bool {
    rustix::fs::lstat(path)
        .is_ok_and(|status| FileType::from_raw_mode(status.st_mode) == FileType::Socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_loopback_unless_asked() {
        let loopback: Vec<IpAddr> = vec![Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()];
        assert_eq!(bind_addresses(None, false), Ok(loopback.clone()));
        assert_eq!(bind_addresses(Some("localhost"), true), Ok(loopback));
        assert_eq!(bind_addresses(None, true), Ok(any()));
        for all in ["", "*"] {
            assert_eq!(bind_addresses(Some(all), false), Ok(any()));
        }
        let own: Vec<IpAddr> = vec![[127, 0, 0, 9].into()];
        assert_eq!(bind_addresses(Some("127.0.0.9"), false), Ok(own));
    }
}
