//! Connections made, and listeners opened, for the client. RFC 4254 §7.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use net::tunnel::{self, Mode};
use rustix::fs::FileType;

use crate::login_options::permits;
use crate::requests::{Channel, Error, FromSession, SessionStart};

/// So many connections may be on their way at once.
const CONNECTING: usize = 128;
/// So many addresses may be listened on.
const LISTENERS: usize = 256;
/// An address to listen on is repeated with each connection; no name is longer.
const ADDRESS_BYTES: usize = 1024;
/// A connection that takes longer than this will not come about.
const CONNECT_TIME: Duration = Duration::from_secs(120);
/// A thread that only connects needs little.
const THREAD_STACK_BYTES: usize = 128 * 1024;

/// What OpenSSH says to clients about a listener that the configuration does not allow.
const DISABLED: &str = "Server has disabled port forwarding.";
/// And about one that is in no list of those that may be.
const REFUSED: &str = "port forwarding refused";

/// What is listened on for the client.
#[derive(Default)]
pub(super) struct Forwards {
    listeners: Vec<Listener>,
    connecting: Arc<AtomicUsize>,
}

/// A socket, and how the client named it, which is how it is told of connections.
enum Listener {
    Tcp { socket: TcpListener, address: String, port: u32 },
    Local { socket: UnixListener, path: String },
}

impl Listener {
    fn descriptor(&self) -> BorrowedFd<'_> {
        match self {
            Listener::Tcp { socket, .. } => socket.as_fd(),
            Listener::Local { socket, .. } => socket.as_fd(),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Listener::Local { path, .. } = self {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// One of the connections on their way. Counts itself out when dropped.
struct Connecting(Arc<AtomicUsize>);

impl Drop for Connecting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Connects to a host and a port, in a thread of its own since names and connections take time.
pub(super) fn connect(
    gate: &Arc<Channel>,
    start: &SessionStart,
    forwards: &mut Forwards,
    id: u32,
    host: String,
    port: u32,
) -> Result<(), Error> {
    let refuse = |prohibited, text: &str| {
        gate.send(&FromSession::NotConnected { id, prohibited, text: text.to_owned() }, &[])
    };
    if !start.permit_local_forwarding || !permits(&start.permit_open, &host, port) {
        log::info!(
            "Received request from {} port {} to connect to host {} port {port}, but the request was denied.",
            start.ends.remote_address,
            start.ends.remote_port,
            crate::monitor::printable(&host, 100)
        );
        return refuse(true, "open failed");
    }
    let Ok(port) = u16::try_from(port) else { return refuse(false, "no such port") };
    if forwards.connecting.load(Ordering::Relaxed) >= CONNECTING {
        return refuse(false, "too many connections are being made");
    }
    forwards.connecting.fetch_add(1, Ordering::Relaxed);
    let counted = Connecting(forwards.connecting.clone());
    let answer_to = gate.clone();
    let work = move || {
        let _counted = counted;
        let connected = net::dial::Dial {
            timeout: Some(CONNECT_TIME),
            attempts: 1,
            ..net::dial::Dial::new(host, port)
        }
        .connect();
        let sent = match connected {
            Ok(dialed) => answer_to.send(&FromSession::Connected { id }, &[dialed.socket.as_fd()]),
            Err(error) => {
                let text = error.to_string();
                answer_to.send(&FromSession::NotConnected { id, prohibited: false, text }, &[])
            }
        };
        // The connection is over; the loop sees it as well.
        drop(sent);
    };
    match std::thread::Builder::new().stack_size(THREAD_STACK_BYTES).spawn(work) {
        Ok(_) => Ok(()),
        Err(error) => refuse(false, &error.to_string()),
    }
}

/// Connects to a Unix socket, which does not take time.
pub(super) fn connect_local(
    gate: &Channel,
    start: &SessionStart,
    id: u32,
    path: &str,
) -> Result<(), Error> {
    // `PermitOpen` and `permitopen` name hosts and ports; a list of them leaves no socket.
    if !start.permit_stream_local || !start.permit_open.is_empty() {
        log::info!(
            "Received request from {} port {} to connect to path {}, but the request was denied.",
            start.ends.remote_address,
            start.ends.remote_port,
            crate::monitor::printable(path, 200)
        );
        let text = "open failed".to_owned();
        return gate.send(&FromSession::NotConnected { id, prohibited: true, text }, &[]);
    }
    match UnixStream::connect(path) {
        Ok(stream) => {
            let stream = OwnedFd::from(stream);
            gate.send(&FromSession::Connected { id }, &[stream.as_fd()])
        }
        Err(error) => {
            let text = error.to_string();
            gate.send(&FromSession::NotConnected { id, prohibited: false, text }, &[])
        }
    }
}

/// Opens a tunnel device, with the user's rights to it.
pub(super) fn open_tunnel(
    gate: &Channel,
    start: &SessionStart,
    id: u32,
    mode: u32,
    unit: u32,
) -> Result<(), Error> {
    let refuse = |prohibited, text: &str| {
        log::info!("tunnel device: {text}");
        gate.send(&FromSession::NotConnected { id, prohibited, text: text.to_owned() }, &[])
    };
    let Some(known) = Mode::from_code(mode) else { return refuse(false, "invalid mode") };
    if !start.permit_tunnel.contains(&mode) {
        return refuse(true, "the server has rejected tunnel device forwarding");
    }
    let wanted = (unit != tunnel::ANY_UNIT).then_some(unit);
    let unit = match (start.tunnel_unit, wanted) {
        (Some(only), Some(wanted)) if only != wanted => {
            return refuse(true, "the key allows another tunnel device only");
        }
        (only, wanted) => only.or(wanted),
    };
    match tunnel::open(known, unit) {
        Ok((device, name)) => {
            log::debug!("Tunnel forwarding using interface {name}");
            gate.send(&FromSession::Connected { id }, &[device.as_fd()])
        }
        Err(error) => refuse(false, &format!("cannot open it: {error}")),
    }
}

impl Forwards {
    /// The listening sockets, in the order of [`Self::accept`].
    pub(super) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.listeners.iter().map(Listener::descriptor)
    }

    /// Listens for the client. Returns the port, or why that is not to be.
    pub(super) fn listen(
        &mut self,
        start: &SessionStart,
        address: &str,
        port: u32,
    ) -> Result<u32, String> {
        let refused = if !start.permit_remote_forwarding {
            Some(DISABLED)
        } else if !permits(&start.permit_listen, address, port) || address.len() > ADDRESS_BYTES {
            Some(REFUSED)
        } else {
            (self.listeners.len() + 2 > LISTENERS).then_some("too many listeners")
        };
        if let Some(why) = refused {
            log::info!(
                "Received request from {} port {} to remote forward to host {} port {port}, but the request was denied.",
                start.ends.remote_address,
                start.ends.remote_port,
                crate::monitor::printable(address, 100)
            );
            return Err(why.to_owned());
        }
        let mut port = u16::try_from(port).map_err(|_| "no such port".to_owned())?;
        let mut bound = Vec::new();
        let mut why = String::new();
        let hosts = bind_addresses(start.gateway_ports, address);
        for host in hosts.ok_or_else(|| "the address has no meaning here".to_owned())? {
            let socket = bind(SocketAddr::new(host, port))
                .and_then(|socket| Ok((socket.local_addr()?.port(), socket)));
            match socket {
                Ok((found, socket)) => {
                    // The port that was found for the first address is that of all.
                    port = found;
                    bound.push(socket);
                }
                Err(error) => {
                    why = format!("cannot listen to port {port}: {error}");
                    log::debug!("bind {host} port {port}: {error}");
                }
            }
        }
        if bound.is_empty() {
            log::error!(
                "bind [{}]:{port} for a forward: failed",
                crate::monitor::printable(address, 100)
            );
            return Err(why);
        }
        let port = u32::from(port);
        let listeners = bound.into_iter().map(|socket| {
            let address = address.to_owned();
            Listener::Tcp { socket, address, port }
        });
        self.listeners.extend(listeners);
        Ok(port)
    }

    /// Stops listening. Whether there was such a listener.
    pub(super) fn unlisten(&mut self, address: &str, port: u32) -> bool {
        self.remove(|listener| {
            matches!(listener, Listener::Tcp { address: known, port: of, .. } if known == address && *of == port)
        })
    }

    /// Listens on a Unix socket for the client. The error is why not.
    pub(super) fn listen_local(&mut self, start: &SessionStart, path: &str) -> Result<(), String> {
        let refused = if !start.permit_stream_local_listen {
            Some(DISABLED)
        } else if !start.permit_listen.is_empty() {
            Some(REFUSED)
        } else {
            (self.listeners.len() >= LISTENERS).then_some("too many listeners")
        };
        if let Some(why) = refused {
            log::info!(
                "Received request from {} port {} to remote forward to path {}, but the request was denied.",
                start.ends.remote_address,
                start.ends.remote_port,
                crate::monitor::printable(path, 200)
            );
            return Err(why.to_owned());
        }
        if start.stream_local_bind_unlink && is_socket(path) {
            let _ = std::fs::remove_file(path);
        }
        // Only this thread makes files.
        let mask = crate::sys::files::mode(start.stream_local_bind_mask);
        let before = rustix::process::umask(mask);
        let bound = UnixListener::bind(path);
        rustix::process::umask(before);
        match bound.and_then(|socket| socket.set_nonblocking(true).map(|()| socket)) {
            Ok(socket) => {
                self.listeners.push(Listener::Local { socket, path: path.to_owned() });
                Ok(())
            }
            Err(error) => {
                log::error!(
                    "unix_listener: cannot bind to path {}: {error}",
                    crate::monitor::printable(path, 200)
                );
                Err(format!("cannot bind to path: {error}"))
            }
        }
    }

    /// Stops that. Whether there was such a listener.
    pub(super) fn unlisten_local(&mut self, path: &str) -> bool {
        self.remove(
            |listener| matches!(listener, Listener::Local { path: known, .. } if known == path),
        )
    }

    fn remove(&mut self, is_meant: impl Fn(&Listener) -> bool) -> bool {
        let before = self.listeners.len();
        self.listeners.retain(|listener| !is_meant(listener));
        self.listeners.len() < before
    }

    /// Takes a connection and passes it to the gate.
    pub(super) fn accept(&mut self, at: usize, gate: &Channel) -> Result<(), Error> {
        let Some(listener) = self.listeners.get(at) else { return Ok(()) };
        let accepted = match listener {
            Listener::Tcp { socket, address, port } => socket.accept().map(|(stream, peer)| {
                let _ = stream.set_nodelay(true);
                let message = FromSession::ForwardedConnection {
                    address: address.clone(),
                    port: *port,
                    originator_address: peer.ip().to_canonical().to_string(),
                    originator_port: u32::from(peer.port()),
                };
                (OwnedFd::from(stream), message)
            }),
            Listener::Local { socket, path } => socket.accept().map(|(stream, _)| {
                (OwnedFd::from(stream), FromSession::ForwardedLocal { path: path.clone() })
            }),
        };
        match accepted {
            Ok((stream, message)) => gate.send(&message, &[stream.as_fd()]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => {
                log::error!("accept on a forwarded port: {error}");
                // As in the listener: asking at once would only be answered alike.
                std::thread::sleep(Duration::from_millis(50));
                Ok(())
            }
        }
    }
}

fn is_socket(path: &str) -> bool {
    rustix::fs::lstat(path)
        .is_ok_and(|status| FileType::from_raw_mode(status.st_mode) == FileType::Socket)
}

pub(super) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    use rustix::net::{AddressFamily, SocketType, sockopt};
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = net::open::nonblocking_socket(family, SocketType::STREAM)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    rustix::net::bind(&socket, &address)?;
    rustix::net::listen(&socket, 128)?;
    Ok(TcpListener::from(socket))
}

/// RFC 4254 §7.1, as far as `GatewayPorts` lets the client choose.
fn bind_addresses(gateway_ports: u8, address: &str) -> Option<Vec<IpAddr>> {
    let any = vec![Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
    let loopback = vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    match (gateway_ports, address) {
        (0, _) | (2, "localhost") => Some(loopback),
        (1, _) | (_, "" | "*") => Some(any),
        (_, "0.0.0.0") => Some(vec![Ipv4Addr::UNSPECIFIED.into()]),
        (_, host) => {
            let found = (host, 0).to_socket_addrs().ok()?;
            Some(found.map(|address| address.ip()).take(4).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gateway_ports_decides_where_to_listen() {
        let loopback: Vec<IpAddr> = vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        assert_eq!(bind_addresses(0, "0.0.0.0"), Some(loopback.clone()));
        assert_eq!(bind_addresses(2, "localhost"), Some(loopback));
        assert_eq!(bind_addresses(2, "127.0.0.9"), Some(vec![[127, 0, 0, 9].into()]));
        assert_eq!(bind_addresses(2, "").map(|all| all.len()), Some(2));
    }
}
