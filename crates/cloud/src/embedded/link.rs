//! A server's network: a pair of virtual Ethernet interfaces and routes, by netlink.
//!
//! No bridge: the machine's end has 169.254.1.1, the server's end its one address, and a route
//! leads to it. Servers share no Ethernet segment, and the machine drops packets whose source is
//! not the address that is routed to that interface.

use std::fs::File;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsFd, OwnedFd};

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, NLM_F_REQUEST, NetlinkHeader,
    NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::address::{AddressAttribute, AddressMessage, AddressScope};
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoVeth, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use rustix::thread::LinkNameSpaceType;

/// The machine's end of every server's interface; link-local, so it is the same for all.
pub(super) const GATEWAY: Ipv4Addr = Ipv4Addr::new(169, 254, 1, 1);
/// The interface's name inside a server.
const INSIDE: &str = "eth0";

/// A conversation with one network namespace's routing tables.
struct Netlink {
    socket: Socket,
    sequence: u32,
}

/// Connects the server whose first process is `pid`: `name` is the machine's end.
pub(super) fn connect(
    name: &str,
    address: Ipv4Addr,
    mac: [u8; 6],
    forwarding: bool,
    pid: u32,
) -> io::Result<()> {
    let mut here = Netlink::open()?;
    // A server that was killed a moment ago may still have its interface.
    let _ = here.delete_link(name);
    here.add_pair(name, pid, mac)?;
    let outside = index(name)?;
    harden(name)?;
    if forwarding {
        std::fs::write(format!("/proc/sys/net/ipv4/conf/{name}/forwarding"), "1")?;
    }
    here.add_address(outside, GATEWAY)?;
    here.up(outside)?;
    here.add_route(Some(address), outside, None)?;

    let mut there = Netlink::open_in(File::open(format!("/proc/{pid}/ns/net"))?.into())?;
    let loopback = there.index("lo")?;
    there.up(loopback)?;
    let inside = there.index(INSIDE)?;
    there.add_address(inside, address)?;
    there.up(inside)?;
    there.add_route(Some(GATEWAY), inside, None)?;
    there.add_route(None, inside, Some(GATEWAY))
}

/// Takes the machine's end away, and with it the server's; fine when there is none.
pub(super) fn disconnect(name: &str) {
    if let Ok(mut here) = Netlink::open() {
        let _ = here.delete_link(name);
    }
}

/// What the kernel keeps by interface: source addresses are checked against the routes, and there
/// is no IPv6, through which servers would reach the machine around those checks.
fn harden(name: &str) -> io::Result<()> {
    std::fs::write(format!("/proc/sys/net/ipv4/conf/{name}/rp_filter"), "1")?;
    for (setting, value) in [("accept_redirects", "0"), ("send_redirects", "0")] {
        let _ = std::fs::write(format!("/proc/sys/net/ipv4/conf/{name}/{setting}"), value);
    }
    // Absent where the kernel has no IPv6.
    let _ = std::fs::write(format!("/proc/sys/net/ipv6/conf/{name}/disable_ipv6"), "1");
    Ok(())
}

fn index(name: &str) -> io::Result<u32> {
    Netlink::open()?.index(name)
}

impl Netlink {
    fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        Ok(Self { socket, sequence: 0 })
    }

    /// A socket belongs to the namespace it was made in for good, so only its making has to be
    /// there: on a thread of its own, which ends with it.
    fn open_in(namespace: OwnedFd) -> io::Result<Self> {
        std::thread::spawn(move || {
            rustix::thread::move_into_link_name_space(
                namespace.as_fd(),
                Some(LinkNameSpaceType::Network),
            )?;
            Self::open()
        })
        .join()
        .map_err(|_| io::Error::other("the thread for the server's network ended badly"))?
    }

    fn add_pair(&mut self, name: &str, pid: u32, mac: [u8; 6]) -> io::Result<()> {
        let mut peer = LinkMessage::default();
        peer.attributes = vec![
            LinkAttribute::IfName(INSIDE.to_owned()),
            LinkAttribute::NetNsPid(pid),
            LinkAttribute::Address(mac.to_vec()),
        ];
        let mut message = LinkMessage::default();
        message.attributes = vec![
            LinkAttribute::IfName(name.to_owned()),
            LinkAttribute::LinkInfo(vec![
                LinkInfo::Kind(InfoKind::Veth),
                LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer))),
            ]),
        ];
        self.ask(RouteNetlinkMessage::NewLink(message), NLM_F_CREATE | NLM_F_EXCL).map(drop)
    }

    fn delete_link(&mut self, name: &str) -> io::Result<()> {
        let mut message = LinkMessage::default();
        message.attributes = vec![LinkAttribute::IfName(name.to_owned())];
        self.ask(RouteNetlinkMessage::DelLink(message), 0).map(drop)
    }

    fn index(&mut self, name: &str) -> io::Result<u32> {
        let mut message = LinkMessage::default();
        message.attributes = vec![LinkAttribute::IfName(name.to_owned())];
        match self.ask(RouteNetlinkMessage::GetLink(message), 0)? {
            Some(RouteNetlinkMessage::NewLink(link)) => Ok(link.header.index),
            _ => Err(io::Error::other(format!("the kernel did not tell about {name}"))),
        }
    }

    fn up(&mut self, index: u32) -> io::Result<()> {
        let mut message = LinkMessage::default();
        message.header.index = index;
        message.header.flags = LinkFlags::Up;
        message.header.change_mask = LinkFlags::Up;
        self.ask(RouteNetlinkMessage::SetLink(message), 0).map(drop)
    }

    fn add_address(&mut self, index: u32, address: Ipv4Addr) -> io::Result<()> {
        let mut message = AddressMessage::default();
        message.header.family = AddressFamily::Inet;
        message.header.prefix_len = 32;
        message.header.index = index;
        message.header.scope =
            if address.is_link_local() { AddressScope::Link } else { AddressScope::Universe };
        message.attributes = vec![
            AddressAttribute::Local(IpAddr::V4(address)),
            AddressAttribute::Address(IpAddr::V4(address)),
        ];
        self.ask(RouteNetlinkMessage::NewAddress(message), NLM_F_CREATE | NLM_F_REPLACE).map(drop)
    }

    /// To one address, or to all; through a gateway, or straight through the interface.
    fn add_route(
        &mut self,
        to: Option<Ipv4Addr>,
        index: u32,
        gateway: Option<Ipv4Addr>,
    ) -> io::Result<()> {
        let mut message = RouteMessage::default();
        message.header.address_family = AddressFamily::Inet;
        message.header.table = RouteHeader::RT_TABLE_MAIN;
        message.header.protocol = RouteProtocol::Static;
        message.header.scope =
            if gateway.is_some() { RouteScope::Universe } else { RouteScope::Link };
        message.header.kind = RouteType::Unicast;
        message.attributes.push(RouteAttribute::Oif(index));
        if let Some(to) = to {
            message.header.destination_prefix_length = 32;
            message.attributes.push(RouteAttribute::Destination(RouteAddress::Inet(to)));
        }
        if let Some(gateway) = gateway {
            message.attributes.push(RouteAttribute::Gateway(RouteAddress::Inet(gateway)));
        }
        self.ask(RouteNetlinkMessage::NewRoute(message), NLM_F_CREATE | NLM_F_REPLACE).map(drop)
    }

    fn ask(
        &mut self,
        message: RouteNetlinkMessage,
        flags: u16,
    ) -> io::Result<Option<RouteNetlinkMessage>> {
        self.sequence += 1;
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | NLM_F_ACK | flags;
        header.sequence_number = self.sequence;
        let mut request = NetlinkMessage::new(header, NetlinkPayload::from(message));
        request.finalize();
        let mut bytes = vec![0; request.buffer_len()];
        request.serialize(&mut bytes);
        self.socket.send(&bytes, 0)?;
        let mut answer = None;
        loop {
            let (datagram, _) = self.socket.recv_from_full()?;
            let mut rest = datagram.as_slice();
            while !rest.is_empty() {
                let reply: NetlinkMessage<RouteNetlinkMessage> =
                    NetlinkMessage::deserialize(rest).map_err(io::Error::other)?;
                let length = (reply.header.length as usize).next_multiple_of(4);
                rest = rest.get(length.max(16)..).unwrap_or_default();
                if reply.header.sequence_number != self.sequence {
                    continue;
                }
                match reply.payload {
                    NetlinkPayload::Error(error) => {
                        return match error.code {
                            None => Ok(answer),
                            Some(_) => Err(error.to_io()),
                        };
                    }
                    NetlinkPayload::InnerMessage(message) => answer = Some(message),
                    NetlinkPayload::Done(_) => return Ok(answer),
                    _ => {}
                }
            }
        }
    }
}
