//! The sockets that connections come in by.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::os::fd::OwnedFd;

use config::AddressFamily;
use config::ServerSettings;
use rustix::net::{AddressFamily as Family, SocketType, sockopt};

/// The port when the configuration names none.
const DEFAULT_PORT: u16 = 22;
/// Connections that the kernel keeps until we get to them, as OpenSSH has it.
const BACKLOG: i32 = 128;

/// One socket, and the address that it is bound to.
#[derive(Debug)]
pub(crate) struct Listening {
    /// What the configuration asked for; the port may be 0 in tests only.
    pub(crate) asked: SocketAddr,
    /// The socket; does not block.
    pub(crate) socket: OwnedFd,
}

/// The addresses that the configuration asks for.
pub(crate) fn addresses(settings: &ServerSettings) -> Vec<SocketAddr> {
    let mut ports: Vec<u16> = settings.ports.iter().map(|port| port.value).collect();
    if ports.is_empty() {
        ports.push(DEFAULT_PORT);
    }
    let family = settings.address_family.value;
    let v4 = family != AddressFamily::Inet6;
    let v6 = family != AddressFamily::Inet;
    let mut addresses: Vec<SocketAddr> = Vec::new();
    if settings.listen_addresses.is_empty() {
        for &port in &ports {
            if v4 {
                addresses.push((IpAddr::V4(Ipv4Addr::UNSPECIFIED), port).into());
            }
            if v6 {
                addresses.push((IpAddr::V6(Ipv6Addr::UNSPECIFIED), port).into());
            }
        }
    }
    for listen in &settings.listen_addresses {
        if let Some(domain) = &listen.value.routing_domain {
            log::error!(
                "routing domain \"{domain}\" of ListenAddress is not supported; not listening there"
            );
            continue;
        }
        let own = listen.value.port.map(|port| vec![port]);
        for port in own.as_deref().unwrap_or(&ports) {
            let host = listen.value.host.as_deref().unwrap_or("*");
            if host == "*" {
                if v4 {
                    addresses.push((IpAddr::V4(Ipv4Addr::UNSPECIFIED), *port).into());
                }
                if v6 {
                    addresses.push((IpAddr::V6(Ipv6Addr::UNSPECIFIED), *port).into());
                }
                continue;
            }
            match (host, *port).to_socket_addrs() {
                Ok(found) => addresses
                    .extend(found.filter(|address| if address.is_ipv4() { v4 } else { v6 })),
                Err(error) => log::error!("bad addr or host: {host} ({error})"),
            }
        }
    }
    let mut seen = std::collections::HashSet::new();
    addresses.retain(|address| seen.insert(*address));
    addresses
}

/// Binds every address; those in `open` that are asked for still are kept as they are.
/// An address that cannot be bound is logged and left out.
pub(crate) fn bind(settings: &ServerSettings, open: Vec<Listening>) -> Vec<Listening> {
    let mut open: HashMap<SocketAddr, Listening> =
        open.into_iter().map(|listening| (listening.asked, listening)).collect();
    let asked = addresses(settings);
    let mut kept: HashMap<SocketAddr, Listening> = HashMap::new();
    for address in &asked {
        if let Some(listening) = open.remove(address) {
            kept.insert(*address, listening);
        }
    }
    // What is not asked for any more is closed before anything new is bound: the new
    // address may include the old one.
    drop(open);
    asked
        .into_iter()
        .filter_map(|address| {
            if let Some(listening) = kept.remove(&address) {
                return Some(listening);
            }
            match bind_one(address) {
                Ok(socket) => {
                    let bound = local_address(&socket).unwrap_or(address);
                    log::info!("Server listening on {} port {}.", bound.ip(), bound.port());
                    Some(Listening { asked: address, socket })
                }
                // A machine without IPv6 is no reason to complain about the default.
                Err(error) if unasked_for_family(settings, address, &error) => None,
                Err(error) => {
                    log::error!(
                        "Bind to port {} on {} failed: {}.",
                        address.port(),
                        address.ip(),
                        reason(&error)
                    );
                    None
                }
            }
        })
        .collect()
}

fn unasked_for_family(settings: &ServerSettings, address: SocketAddr, error: &io::Error) -> bool {
    let absent = matches!(
        rustix::io::Errno::from_io_error(error),
        Some(rustix::io::Errno::AFNOSUPPORT | rustix::io::Errno::ADDRNOTAVAIL)
    );
    absent && address.is_ipv6() && settings.listen_addresses.is_empty()
}

fn bind_one(address: SocketAddr) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() { Family::INET } else { Family::INET6 };
    let socket = net::open::nonblocking_socket(family, SocketType::STREAM)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if address.is_ipv6() {
        // The IPv4 socket is one of its own.
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    rustix::net::bind(&socket, &address)?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(socket)
}

/// The address that a socket is bound to, when it is one of the Internet.
pub(crate) fn local_address(socket: &OwnedFd) -> Option<SocketAddr> {
    let address = rustix::net::getsockname(socket).ok()?;
    SocketAddr::try_from(address).ok().map(unmapped)
}

/// The address at the other end.
pub(crate) fn remote_address(socket: &OwnedFd) -> Option<SocketAddr> {
    let address = rustix::net::getpeername(socket).ok()?;
    SocketAddr::try_from(address?).ok().map(unmapped)
}

/// An IPv4 address that came through an IPv6 socket is an IPv4 address.
fn unmapped(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// An error in the C library's words.
pub(crate) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}
