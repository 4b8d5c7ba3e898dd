//! `-R`: connections that the server accepts and this side makes.

mod dial;
mod socks_client;

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

use config::{Connect, Forward, Listen};
use net::relay::Destination;
use net::{Link, UserToken};
use proto::{ChannelAsk, ChannelId, ChannelOpen, Client, GlobalRequest, OpenFailure};

use self::dial::{Dialing, For};
use self::socks_client::SocksClient;
use super::{Answered, Open, Ticket, Tokens, same_place};
use crate::messages::{debug, error, info};

/// The remote side.
#[derive(Default)]
pub struct Remote {
    listeners: Vec<RemoteListener>,
    /// What the server has not answered about, oldest first.
    unanswered: VecDeque<Waiting>,
    last_id: u64,
    /// SOCKS clients of a remote listener, until they are connected.
    clients: HashMap<ChannelId, SocksClient>,
    dials: HashMap<UserToken, Dialing>,
    /// Connections to be made once threads may run.
    held: Option<Vec<(Destination, For)>>,
}

/// Who waits for an answer of the server.
enum Waiting {
    /// A listener, by its number, and who asked for it at run time.
    Listener(u64, Option<Ticket>),
    /// Somebody who knows what the answer means.
    Other(Ticket),
}

/// What the server was asked to listen on.
struct RemoteListener {
    id: u64,
    forward: Rc<Forward>,
    place: Place,
}

/// As the server names it when it tells of connections.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Tcp {
        address: String,
        /// 0 until the server has chosen.
        port: u32,
    },
    Socket(String),
}

impl RemoteListener {
    fn new(forward: Rc<Forward>) -> Self {
        let place = Self::place_of(&forward.listen);
        RemoteListener { id: 0, forward, place }
    }

    fn place_of(listen: &Listen) -> Place {
        match listen {
            Listen::Tcp { address, port } => {
                Place::Tcp { address: bind_name(address.as_deref()), port: u32::from(*port) }
            }
            Listen::Socket(path) => Place::Socket(path.display().to_string()),
        }
    }

    /// What the server's answer makes of it.
    fn decide(&mut self, success: bool, data: &[u8]) -> Result<(), String> {
        let (host, host_port) = super::target(&self.forward.connect);
        let (from, from_port) = super::start(&self.forward.listen, "");
        debug!(
            "remote forward {} for: listen {from}:{from_port}, connect {host}:{host_port}",
            if success { "success" } else { "failure" }
        );
        let failed = match &self.place {
            Place::Tcp { port, .. } => {
                format!("remote port forwarding failed for listen port {port}")
            }
            Place::Socket(path) => {
                format!("remote port forwarding failed for listen path {path}")
            }
        };
        if !success {
            return Err(failed);
        }
        if let Place::Tcp { port: port @ 0, .. } = &mut self.place {
            match data.first_chunk().map(|bytes| u32::from_be_bytes(*bytes)) {
                Some(chosen @ 1..=65535) => {
                    *port = chosen;
                    info!("Allocated port {chosen} for remote forward to {host}:{host_port}");
                }
                other => {
                    let other = other.unwrap_or(0);
                    error!(
                        "Invalid allocated port {other} for remote forward to {host}:{host_port}"
                    );
                    return Err(failed);
                }
            }
        }
        Ok(())
    }
}

impl Place {
    /// The port, if there is one.
    fn port(&self) -> u16 {
        match self {
            Place::Tcp { port, .. } => u16::try_from(*port).unwrap_or(0),
            Place::Socket(_) => 0,
        }
    }
}

/// RFC 4254 §7.1: no address given is the loopback, and the empty name is every address.
fn bind_name(address: Option<&str>) -> String {
    match address {
        None => "localhost".to_owned(),
        Some("" | "*") => String::new(),
        Some(address) => address.to_owned(),
    }
}

impl Remote {
    /// Asks the server to listen.
    ///
    /// # Errors
    /// It could not be asked, and that is needed.
    pub fn request(
        &mut self,
        link: &mut Link<Client>,
        forward: Rc<Forward>,
        is_needed: bool,
    ) -> Result<(), String> {
        match self.ask(link, forward, None) {
            Ok(()) => Ok(()),
            Err(_) if is_needed => Err("Could not request remote forwarding.".to_owned()),
            Err(_) => {
                info!("Warning: Could not request remote forwarding.");
                Ok(())
            }
        }
    }

    /// The same, for somebody who wants to hear the answer.
    ///
    /// # Errors
    /// It could not be asked.
    pub fn ask(
        &mut self,
        link: &mut Link<Client>,
        forward: Rc<Forward>,
        ticket: Option<Ticket>,
    ) -> Result<(), proto::Error> {
        let ((from, port), (host, host_port)) =
            (super::start(&forward.listen, "LOCALHOST"), super::target(&forward.connect));
        debug!(
            "Remote connections from {from}:{port} forwarded to local address {host}:{host_port}"
        );
        let mut listener = RemoteListener::new(forward);
        let request = match &listener.place {
            Place::Tcp { address, port } => {
                GlobalRequest::TcpipForward { address: address.clone(), port: *port }
            }
            Place::Socket(path) => GlobalRequest::StreamlocalForward { path: path.clone() },
        };
        link.global_request(request, true)?;
        self.last_id += 1;
        listener.id = self.last_id;
        self.unanswered.push_back(Waiting::Listener(listener.id, ticket));
        self.listeners.push(listener);
        Ok(())
    }

    /// The next global request that wants an answer is another's.
    pub fn expect_other(&mut self, ticket: Ticket) {
        self.unanswered.push_back(Waiting::Other(ticket));
    }

    /// The port a forward has, if it is there: 0 while the server has not chosen, and for sockets.
    pub fn find(&self, forward: &Forward) -> Option<u16> {
        let found = self.listeners.iter().find(|one| {
            same_place(&one.forward.listen, &forward.listen)
                && one.forward.connect == forward.connect
        })?;
        Some(found.place.port())
    }

    /// Asks the server to listen no more. Whether it did.
    pub fn cancel(
        &mut self,
        link: &mut Link<Client>,
        listen: &Listen,
        connect: Option<&Connect>,
    ) -> bool {
        let chosen = RemoteListener::place_of(listen);
        let found = self.listeners.iter().position(|one| {
            (same_place(&one.forward.listen, listen) || one.place == chosen)
                && connect.is_none_or(|connect| one.forward.connect == *connect)
        });
        let Some(at) = found else { return false };
        let request = match self.listeners.remove(at).place {
            Place::Tcp { address, port } => GlobalRequest::CancelTcpipForward { address, port },
            Place::Socket(path) => GlobalRequest::CancelStreamlocalForward { path },
        };
        // Refused only when the connection ended meanwhile.
        let _ = link.global_request(request, false);
        true
    }

    /// The server answered the oldest request.
    pub fn answered(&mut self, success: bool, data: &[u8], is_needed: bool) -> Answered {
        let (id, ticket) = match self.unanswered.pop_front() {
            None => return Answered::Done,
            Some(Waiting::Other(ticket)) => return Answered::Other(ticket),
            Some(Waiting::Listener(id, ticket)) => (id, ticket),
        };
        // It may have been cancelled meanwhile.
        let at = self.listeners.iter().position(|one| one.id == id);
        let problem = match at.and_then(|at| self.listeners.get_mut(at)) {
            Some(listener) => listener.decide(success, data).err(),
            None => Some("cancelled".to_owned()),
        };
        if let (Some(at), Some(_)) = (at, &problem) {
            self.listeners.remove(at);
        }
        let port = self.listeners.iter().find(|one| one.id == id).map_or(0, |one| one.place.port());
        match (ticket, problem) {
            (Some(ticket), None) => Answered::Ticket(ticket, Ok(port)),
            (Some(ticket), Some(problem)) => Answered::Ticket(ticket, Err(problem)),
            (None, Some(problem)) if is_needed => Answered::Fatal(format!("Error: {problem}")),
            (None, Some(problem)) => {
                info!("Warning: {problem}");
                Answered::Done
            }
            (None, None) => Answered::Done,
        }
    }

    /// Whether the server still has to answer.
    pub fn has_unanswered(&self) -> bool {
        !self.unanswered.is_empty()
    }

    /// How many SOCKS clients have a channel and no connection.
    pub fn unconnected(&self) -> usize {
        self.clients.len()
    }

    /// The server tells of a connection; what is not for a forward comes back.
    pub fn asked(
        &mut self,
        link: &mut Link<Client>,
        ask: ChannelAsk,
        tokens: &mut Tokens,
        open: &mut Open,
    ) -> Option<ChannelAsk> {
        let (place, from) = match ask.open() {
            ChannelOpen::ForwardedTcpip {
                connected_address,
                connected_port,
                originator_address,
                originator_port,
            } => {
                debug!(
                    "client_request_forwarded_tcpip: listen {connected_address} port \
                     {connected_port}, originator {originator_address} port {originator_port}"
                );
                let place =
                    Place::Tcp { address: connected_address.clone(), port: *connected_port };
                (place, format!("{originator_address} port {originator_port}"))
            }
            ChannelOpen::ForwardedStreamlocal { path } => {
                debug!("client_request_forwarded_streamlocal: request: {path}");
                (Place::Socket(path.clone()), "a local socket".to_owned())
            }
            _ => return Some(ask),
        };
        let known = self.listeners.iter().find(|one| one.place == place);
        let Some(listener) = known else {
            match place {
                Place::Tcp { port, .. } => {
                    error!("WARNING: Server requests forwarding for unknown listen_port {port}");
                }
                Place::Socket(path) => {
                    error!("WARNING: Server requests forwarding for unknown path {path}");
                }
            }
            refuse(link, ask, OpenFailure::ConnectFailed, "open failed");
            return None;
        };
        let destination = match &listener.forward.connect {
            Connect::Tcp { host, port } => Destination::Tcp { host: host.clone(), port: *port },
            Connect::Socket(path) => Destination::Unix(path.clone()),
            Connect::Dynamic => {
                self.socks_client(link, ask, &from, open);
                return None;
            }
        };
        self.dial(link, tokens, destination, For::Ask(ask, from));
        None
    }

    /// A channel is gone.
    pub fn closed(&mut self, channel: ChannelId) {
        self.clients.remove(&channel);
    }
}

fn refuse(link: &mut Link<Client>, ask: ChannelAsk, reason: OpenFailure, description: &str) {
    // Refused only when the connection ended meanwhile.
    let _ = link.connection_mut().refuse_channel(ask, reason, description);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remote(texts: &[&str]) -> Remote {
        let mut remote = Remote::default();
        for (id, text) in (1..).zip(texts) {
            let forward = config::parse_forward(text, config::Direction::Remote).expect("forward");
            remote.unanswered.push_back(Waiting::Listener(id, (id == 4).then_some(7)));
            remote.listeners.push(RemoteListener { id, ..RemoteListener::new(Rc::new(forward)) });
        }
        remote
    }

    #[test]
    fn addresses_as_the_server_wants_them() {
        let places: Vec<Place> = remote(&["1:h:2", "*:1:h:2", ":1:h:2", "a:1", "/s:h:2"])
            .listeners
            .into_iter()
            .map(|listener| listener.place)
            .collect();
        let tcp = |address: &str| Place::Tcp { address: address.to_owned(), port: 1 };
        let socket = Place::Socket("/s".to_owned());
        assert_eq!(places, [tcp("localhost"), tcp(""), tcp(""), tcp("a"), socket]);
    }

    #[test]
    fn answers_come_in_order() {
        let mut remote = remote(&["0:h:2", "7:h:2", "0:h:3", "/s:h:2"]);
        assert_eq!(remote.answered(true, &[0, 0, 4, 0], false), Answered::Done);
        assert_eq!(remote.answered(false, &[], false), Answered::Done);
        let chosen = &remote.listeners[0].place;
        assert_eq!(*chosen, Place::Tcp { address: "localhost".into(), port: 1024 });
        assert_eq!(remote.listeners.len(), 3);
        // A port that is none is no port.
        assert_eq!(
            remote.answered(true, &[1, 0, 0, 0], true),
            Answered::Fatal("Error: remote port forwarding failed for listen port 0".to_owned())
        );
        assert!(remote.has_unanswered());
        // Who asked at run time is told, whatever the configuration insists on.
        let failed = "remote port forwarding failed for listen path /s";
        assert_eq!(remote.answered(false, &[], true), Answered::Ticket(7, Err(failed.to_owned())));
        assert!(!remote.has_unanswered());
        // One answer too many is nobody's.
        assert_eq!(remote.answered(false, &[], true), Answered::Done);
        assert_eq!(remote.listeners.len(), 1);
    }
}
