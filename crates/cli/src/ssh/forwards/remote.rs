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
use super::{Open, Tokens};
use crate::messages::{debug, error, info};

/// The remote side.
#[derive(Default)]
pub struct Remote {
    listeners: Vec<RemoteListener>,
    /// Listeners the server has not answered about, oldest first.
    unanswered: VecDeque<usize>,
    /// SOCKS clients of a remote listener, until they are connected.
    clients: HashMap<ChannelId, SocksClient>,
    dials: HashMap<UserToken, Dialing>,
    /// Connections to be made once threads may run.
    held: Option<Vec<(Destination, For)>>,
}

/// What the server was asked to listen on.
struct RemoteListener {
    forward: Rc<Forward>,
    place: Place,
    is_refused: bool,
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
        let place = match &forward.listen {
            Listen::Tcp { address, port } => {
                Place::Tcp { address: bind_name(address.as_deref()), port: u32::from(*port) }
            }
            Listen::Socket(path) => Place::Socket(path.display().to_string()),
        };
        RemoteListener { forward, place, is_refused: false }
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
        let ((from, port), (host, host_port)) =
            (super::start(&forward.listen, "LOCALHOST"), super::target(&forward.connect));
        debug!(
            "Remote connections from {from}:{port} forwarded to local address {host}:{host_port}"
        );
        let listener = RemoteListener::new(forward);
        let request = match &listener.place {
            Place::Tcp { address, port } => {
                GlobalRequest::TcpipForward { address: address.clone(), port: *port }
            }
            Place::Socket(path) => GlobalRequest::StreamlocalForward { path: path.clone() },
        };
        match link.global_request(request, true) {
            Ok(()) => {
                self.unanswered.push_back(self.listeners.len());
                self.listeners.push(listener);
                Ok(())
            }
            Err(_) if is_needed => Err("Could not request remote forwarding.".to_owned()),
            Err(_) => {
                info!("Warning: Could not request remote forwarding.");
                Ok(())
            }
        }
    }

    /// The server answered the oldest request.
    ///
    /// # Errors
    /// It refused, and the forward is needed.
    pub fn answered(
        &mut self,
        mut success: bool,
        data: &[u8],
        is_needed: bool,
    ) -> Result<(), String> {
        let Some(at) = self.unanswered.pop_front() else { return Ok(()) };
        let Some(listener) = self.listeners.get_mut(at) else { return Ok(()) };
        let (host, host_port) = super::target(&listener.forward.connect);
        let (from, from_port) = super::start(&listener.forward.listen, "");
        debug!(
            "remote forward {} for: listen {from}:{from_port}, connect {host}:{host_port}",
            if success { "success" } else { "failure" }
        );
        if let Place::Tcp { port: port @ 0, .. } = &mut listener.place
            && success
        {
            let told = data.first_chunk().map(|bytes| u32::from_be_bytes(*bytes));
            match told {
                Some(chosen @ 1..=65535) => {
                    *port = chosen;
                    info!("Allocated port {chosen} for remote forward to {host}:{host_port}");
                }
                other => {
                    let other = other.unwrap_or(0);
                    error!(
                        "Invalid allocated port {other} for remote forward to {host}:{host_port}"
                    );
                    success = false;
                }
            }
        }
        if success {
            return Ok(());
        }
        listener.is_refused = true;
        let place = match &listener.place {
            Place::Tcp { port, .. } => format!("listen port {port}"),
            Place::Socket(path) => format!("listen path {path}"),
        };
        if is_needed {
            return Err(format!("Error: remote port forwarding failed for {place}"));
        }
        info!("Warning: remote port forwarding failed for {place}");
        Ok(())
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
        let known = self.listeners.iter().find(|one| one.place == place && !one.is_refused);
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
        for text in texts {
            let forward = config::parse_forward(text, config::Direction::Remote).expect("forward");
            remote.unanswered.push_back(remote.listeners.len());
            remote.listeners.push(RemoteListener::new(Rc::new(forward)));
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
        assert_eq!(remote.answered(true, &[0, 0, 4, 0], false), Ok(()));
        assert_eq!(remote.answered(false, &[], false), Ok(()));
        let port = |at: usize| remote.listeners[at].place.clone();
        assert_eq!(port(0), Place::Tcp { address: "localhost".into(), port: 1024 });
        assert!(remote.listeners[1].is_refused && !remote.listeners[0].is_refused);
        // A port that is none is no port.
        assert_eq!(
            remote.answered(true, &[1, 0, 0, 0], true),
            Err("Error: remote port forwarding failed for listen port 0".to_owned())
        );
        assert!(remote.has_unanswered());
        assert_eq!(
            remote.answered(false, &[], true),
            Err("Error: remote port forwarding failed for listen path /s".to_owned())
        );
        assert!(!remote.has_unanswered());
        // One answer too many is nobody's.
        assert_eq!(remote.answered(false, &[], true), Ok(()));
    }
}
