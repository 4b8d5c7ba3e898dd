//! Connects to a host: all its addresses race, the first to answer wins.
//! RFC 8305, Happy Eyeballs.

mod race;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, sockopt};

use self::race::{Outcome, Race};
use crate::resolve::resolve;
use crate::{error_text, sys};

/// Which addresses are wanted: `AddressFamily`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Family {
    /// Either.
    #[default]
    Any,
    /// IPv4 only.
    Inet,
    /// IPv6 only.
    Inet6,
}

impl Family {
    pub(crate) fn allows(self, address: SocketAddr) -> bool {
        match self {
            Self::Any => true,
            Self::Inet => address.is_ipv4(),
            Self::Inet6 => address.is_ipv6(),
        }
    }
}

/// Whom to connect to, and how.
#[derive(Debug, Clone)]
pub struct Dial {
    /// A name or an address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Which addresses to use.
    pub family: Family,
    /// Where to connect from: `BindAddress`.
    pub bind_address: Option<String>,
    /// The interface whose address to connect from: `BindInterface`.
    pub bind_interface: Option<String>,
    /// For everything together: `ConnectTimeout`.
    pub timeout: Option<Duration>,
    /// How often to try all addresses, a second apart: `ConnectionAttempts`.
    pub attempts: u32,
    /// Whether the system is to notice a dead connection: `TCPKeepAlive`.
    pub keep_alive: bool,
}

/// A connection that was made.
#[derive(Debug)]
pub struct Dialed {
    /// Non-blocking, with TCP_NODELAY.
    pub socket: OwnedFd,
    /// Whom it is with.
    pub address: SocketAddr,
    /// What failed before.
    pub failed: Vec<Attempt>,
}

/// An address that did not answer.
#[derive(Debug)]
pub struct Attempt {
    /// The address.
    pub address: SocketAddr,
    /// Why.
    pub error: io::Error,
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ip, port) = (self.address.ip(), self.address.port());
        write!(f, "connect to address {ip} port {port}: {}", error_text::of(&self.error))
    }
}

/// Why there is no connection.
#[derive(Debug)]
pub enum DialError {
    /// The name has no address.
    Resolve {
        /// The name.
        host: String,
        /// What the resolver says.
        message: String,
    },
    /// No own address to connect from.
    Bind {
        /// The address or interface asked for.
        from: String,
        /// Why not.
        message: String,
    },
    /// Every address failed.
    Connect {
        /// The name.
        host: String,
        /// The port.
        port: u16,
        /// Each address with its error.
        attempts: Vec<Attempt>,
    },
    /// The time was over.
    TimedOut {
        /// The name.
        host: String,
        /// The port.
        port: u16,
        /// What had failed until then.
        attempts: Vec<Attempt>,
    },
}

impl DialError {
    /// Every address that was tried, with its own error.
    pub fn attempts(&self) -> &[Attempt] {
        match self {
            Self::Connect { attempts, .. } | Self::TimedOut { attempts, .. } => attempts,
            Self::Resolve { .. } | Self::Bind { .. } => &[],
        }
    }
}

impl fmt::Display for DialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resolve { host, message } => {
                write!(f, "Could not resolve hostname {host}: {message}")
            }
            Self::Bind { from, message } => write!(f, "bind {from}: {message}"),
            Self::Connect { host, port, attempts } => {
                let last = attempts.last().map(|attempt| error_text::of(&attempt.error));
                let last = last.unwrap_or_else(|| "no address".to_owned());
                write!(f, "connect to host {host} port {port}: {last}")
            }
            Self::TimedOut { host, port, .. } => {
                write!(f, "connect to host {host} port {port}: Connection timed out")
            }
        }
    }
}

impl std::error::Error for DialError {}

impl Dial {
    /// With everything else as it is by default.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self {
            host: host.into(),
            port,
            family: Family::Any,
            bind_address: None,
            bind_interface: None,
            timeout: None,
            attempts: 1,
            keep_alive: true,
        }
    }

    /// Connects, waiting as long as it takes or the timeout allows.
    ///
    /// # Errors
    /// See [`DialError`]; it tells of every address.
    pub fn connect(&self) -> Result<Dialed, DialError> {
        let deadline = self.timeout.map(|timeout| Instant::now() + timeout);
        let addresses = match resolve(&self.host, self.port, self.family, deadline) {
            Ok(addresses) if !addresses.is_empty() => addresses,
            Ok(_) => {
                let message = "Address family for hostname not supported".to_owned();
                return Err(DialError::Resolve { host: self.host.clone(), message });
            }
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                return Err(self.timed_out(Vec::new()));
            }
            Err(error) => {
                let text = error_text::of(&error);
                let message = text.strip_prefix("failed to lookup address information: ");
                let message = message.unwrap_or(&text).to_owned();
                return Err(DialError::Resolve { host: self.host.clone(), message });
            }
        };
        let sources = self.sources(deadline)?;
        let mut failed = Vec::new();
        for attempt in 0..self.attempts.max(1) {
            if attempt > 0 {
                let pause = Duration::from_secs(1);
                let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
                std::thread::sleep(left.map_or(pause, |left| left.min(pause)));
                // Each round tells its own errors.
                failed.clear();
            }
            let mut race = Race { dial: self, sources: sources.as_deref(), running: Vec::new() };
            match race.run(&addresses, deadline, &mut failed) {
                Outcome::Connected(socket, address) => {
                    self.configure(&socket);
                    return Ok(Dialed { socket, address, failed });
                }
                Outcome::AllFailed => {}
                Outcome::TimedOut => return Err(self.timed_out(failed)),
            }
        }
        Err(DialError::Connect { host: self.host.clone(), port: self.port, attempts: failed })
    }

    /// The addresses to connect from, if that matters.
    fn sources(&self, deadline: Option<Instant>) -> Result<Option<Vec<SocketAddr>>, DialError> {
        let (from, found) = match (&self.bind_address, &self.bind_interface) {
            (Some(address), _) => (address, resolve(address, 0, self.family, deadline)),
            (None, Some(interface)) => (interface, sys::interface_addresses(interface)),
            (None, None) => return Ok(None),
        };
        let problem = match found {
            Ok(sources) if !sources.is_empty() => return Ok(Some(sources)),
            Ok(_) => "no such address".to_owned(),
            Err(error) => error_text::of(&error),
        };
        Err(DialError::Bind { from: from.clone(), message: problem })
    }

    fn configure(&self, socket: &OwnedFd) {
        // Each only makes the connection better; none is worth failing for.
        let _ = sockopt::set_tcp_nodelay(socket, true);
        if self.keep_alive {
            let _ = sockopt::set_socket_keepalive(socket, true);
        }
    }

    fn timed_out(&self, attempts: Vec<Attempt>) -> DialError {
        DialError::TimedOut { host: self.host.clone(), port: self.port, attempts }
    }
}

/// Marks the packets of a connection for the network: `IPQoS`. Other sockets
/// than those of IP are left alone.
///
/// # Errors
/// Those of `setsockopt`.
pub fn set_type_of_service(socket: impl AsFd, value: u8) -> io::Result<()> {
    let local = rustix::net::getsockname(&socket)?;
    match local.address_family() {
        AddressFamily::INET => sockopt::set_ip_tos(&socket, value)?,
        AddressFamily::INET6 => sockopt::set_ipv6_tclass(&socket, u32::from(value))?,
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn connects_to_what_listens() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut dial = Dial::new("localhost", port);
        dial.timeout = Some(Duration::from_secs(10));
        let dialed = dial.connect().unwrap();
        assert_eq!(dialed.address, listener.local_addr().unwrap());
        assert!(sockopt::tcp_nodelay(&dialed.socket).unwrap());
        dial.bind_interface = Some("lo".into());
        dial.family = Family::Inet;
        assert!(dial.connect().is_ok());
    }

    #[test]
    fn refusal_reads_like_that_of_openssh() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let error = Dial::new("127.0.0.1", port).connect().unwrap_err();
        let expected = format!("connect to host 127.0.0.1 port {port}: Connection refused");
        assert_eq!(error.to_string(), expected);
        let [attempt] = error.attempts() else { panic!("one attempt") };
        let expected = format!("connect to address 127.0.0.1 port {port}: Connection refused");
        assert_eq!(attempt.to_string(), expected);
    }

    #[test]
    fn a_wrong_family_has_no_address() {
        let mut dial = Dial::new("127.0.0.1", 22);
        dial.family = Family::Inet6;
        assert!(matches!(dial.connect(), Err(DialError::Resolve { .. })));
    }

    #[test]
    fn time_runs_out() {
        // A full backlog drops further SYNs, so connecting takes for ever.
        let listener =
            rustix::net::socket(AddressFamily::INET, rustix::net::SocketType::STREAM, None)
                .unwrap();
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        rustix::net::bind(&listener, &any).unwrap();
        rustix::net::listen(&listener, 0).unwrap();
        let address = SocketAddr::try_from(rustix::net::getsockname(&listener).unwrap()).unwrap();
        let mut dial = Dial::new("127.0.0.1", address.port());
        dial.timeout = Some(Duration::from_millis(300));
        let held: Vec<_> = (0..4).map(|_| dial.connect()).collect();
        let error = held.into_iter().find_map(Result::err).unwrap();
        assert!(matches!(error, DialError::TimedOut { .. }), "{error}");
    }
}
