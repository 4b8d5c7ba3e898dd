//! The sockets that connections come in by.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::os::fd::OwnedFd;

use config::AddressFamily;
use config::ServerSettings;
use rustix::net::{AddressFamily as Family, SocketType, sockopt};

use crate::sys::descriptors;

/// The port when the configuration names none.
const DEFAULT_PORT: u16 = 22;
/// Connections that the kernel keeps until we get to them, as OpenSSH has it.
const BACKLOG: i32 = 128;

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    /// The address; the port may be 0 in tests only.
    pub(crate) address: SocketAddr,
    /// The routing domain (VRF); empty for the usual one.
    pub(crate) domain: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} port {}", self.address.ip(), self.address.port())?;
        if self.domain.is_empty() { Ok(()) } else { write!(f, " rdomain {}", self.domain) }
    }
}

/// One socket, and the address that it is bound to.
#[derive(Debug)]
pub(crate) struct Listening {
    /// What the configuration asked for.
    pub(crate) asked: Place,
    /// The socket; does not block.
    pub(crate) socket: OwnedFd,
}

/// Where the configuration asks to listen.
fn places(settings: &ServerSettings) -> Vec<Place> {
    let mut ports: Vec<u16> = settings.ports.iter().map(|port| port.value).collect();
    if ports.is_empty() {
        ports.push(DEFAULT_PORT);
    }
    let family = settings.address_family.value;
    let v4 = family != AddressFamily::Inet6;
    let v6 = family != AddressFamily::Inet;
    let mut places: Vec<Place> = Vec::new();
    let mut add = |address: SocketAddr, domain: &str| {
        let wanted = if address.is_ipv4() { v4 } else { v6 };
        let place = Place { address, domain: domain.to_owned() };
        if wanted && !places.contains(&place) {
            places.push(place);
        }
    };
    let everywhere = [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)];
    if settings.listen_addresses.is_empty() {
        for &port in &ports {
            for ip in everywhere {
                add((ip, port).into(), "");
            }
        }
    }
    for listen in &settings.listen_addresses {
        let domain = listen.value.routing_domain.as_deref().unwrap_or_default();
        let own = listen.value.port.map(|port| vec![port]);
        for port in own.as_deref().unwrap_or(&ports) {
            let host = listen.value.host.as_deref().unwrap_or("*");
            if host == "*" {
                for ip in everywhere {
                    add((ip, *port).into(), domain);
                }
                continue;
            }
            match (host, *port).to_socket_addrs() {
                Ok(found) => found.for_each(|address| add(address, domain)),
                Err(error) => log::error!("bad addr or host: {host} ({error})"),
            }
        }
    }
    places
}

/// Binds every address; those in `open` that are asked for still are kept as they are.
/// An address that cannot be bound is logged and left out.
pub(crate) fn bind(settings: &ServerSettings, open: Vec<Listening>) -> Vec<Listening> {
    let mut open: HashMap<Place, Listening> =
        open.into_iter().map(|listening| (listening.asked.clone(), listening)).collect();
    let asked = places(settings);
    let mut kept: HashMap<Place, Listening> = HashMap::new();
    for place in &asked {
        if let Some(listening) = open.remove(place) {
            kept.insert(place.clone(), listening);
        }
    }
    // What is not asked for any more is closed before anything new is bound: the new
    // address may include the old one.
    drop(open);
    asked
        .into_iter()
        .filter_map(|asked| {
            if let Some(listening) = kept.remove(&asked) {
                return Some(listening);
            }
            let address = asked.address;
            match bind_one(&asked) {
                Ok(socket) => {
                    let bound = local_address(&socket).unwrap_or(address);
                    let bound = Place { address: bound, ..asked.clone() };
                    log::info!("Server listening on {bound}.");
                    Some(Listening { asked, socket })
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

fn bind_one(place: &Place) -> io::Result<OwnedFd> {
    let address = place.address;
    let family = if address.is_ipv4() { Family::INET } else { Family::INET6 };
    let socket = net::open::nonblocking_socket(family, SocketType::STREAM)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if address.is_ipv6() {
        // The IPv4 socket is one of its own.
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    if !place.domain.is_empty() {
        descriptors::bind_to_domain(&socket, &place.domain).map_err(|error| {
            let text = format!("routing domain {}: {}", place.domain, reason(&error));
            io::Error::new(error.kind(), text)
        })?;
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
