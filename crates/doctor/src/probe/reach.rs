//! Names, and whether each address takes a connection.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use net::dial::Dial;
use rustix::io::Errno;

use crate::limits;

/// Why a name has no address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unresolved {
    /// There is no such name.
    NoSuchName(String),
    /// The name service cannot say now.
    NoAnswer(String),
    /// It has addresses, none of the family that is asked for.
    OtherFamily,
}

/// What one address did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It took the connection.
    Connected,
    /// It said that nobody listens there.
    Refused,
    /// It said nothing.
    TimedOut,
    /// It took the connection back at once.
    Reset,
    /// There is no way to it.
    NoRoute(String),
    /// A router or firewall said that it may not be reached, as far as can be told from here.
    Prohibited(String),
    /// This machine does not let the packets out.
    Forbidden,
    /// The address or interface to connect from is not there.
    NoSource(String),
    /// Something else.
    Failed(String),
}

/// One address, and how long it took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Try {
    /// The address.
    pub address: SocketAddr,
    /// What it did.
    pub outcome: Outcome,
    /// After how long.
    pub took: Duration,
}

/// Asks the name service, in the family that `dial` wants.
///
/// # Errors
/// Why there is no address.
pub fn resolve(dial: &Dial) -> Result<Vec<IpAddr>, Unresolved> {
    let (sender, receiver) = mpsc::channel();
    let question = (dial.host.clone(), dial.port);
    // A name service that does not answer cannot be interrupted; the thread ends with the process.
    thread::spawn(move || {
        let found = question.to_socket_addrs().map(Iterator::collect::<Vec<SocketAddr>>);
        // Nobody waits any more.
        let _ = sender.send(found);
    });
    let found = receiver
        .recv_timeout(limits::RESOLVE)
        .map_err(|_| Unresolved::NoAnswer("it did not answer".to_owned()))?;
    let all = found.map_err(|error| {
        let text = reason(&error);
        let text = text.strip_prefix("failed to lookup address information: ").unwrap_or(&text);
        // EAI_AGAIN and EAI_FAIL are about the service, the others about the name.
        if text.contains("emporary failure") || text.contains("on-recoverable") {
            Unresolved::NoAnswer(text.to_owned())
        } else {
            Unresolved::NoSuchName(text.to_owned())
        }
    })?;
    let mut addresses: Vec<IpAddr> = Vec::new();
    for address in all.iter().map(SocketAddr::ip) {
        let wanted = match dial.family {
            net::dial::Family::Any => true,
            net::dial::Family::Inet => address.is_ipv4(),
            net::dial::Family::Inet6 => address.is_ipv6(),
        };
        if wanted && !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() {
        return Err(Unresolved::OtherFamily);
    }
    addresses.truncate(limits::ADDRESSES);
    Ok(addresses)
}

/// Connects to every address, all at the same time.
pub fn connect_all(dial: &Dial, addresses: &[IpAddr]) -> Vec<Try> {
    thread::scope(|scope| {
        let running: Vec<_> =
            addresses.iter().map(|address| scope.spawn(move || connect(dial, *address))).collect();
        // A thread that panics tells of nothing.
        running.into_iter().filter_map(|one| one.join().ok()).collect()
    })
}

fn connect(dial: &Dial, address: IpAddr) -> Try {
    let dial =
        Dial {
            host: address.to_string(),
            // The system needs three seconds to find that nobody has an address of this network.
            timeout: Some(dial.timeout.map_or(limits::CONNECT, |set| {
                set.clamp(Duration::from_secs(4), limits::CONNECT * 2)
            })),
            attempts: 1,
            ..dial.clone()
        };
    let start = Instant::now();
    let done = dial.connect();
    let took = start.elapsed();
    let address = SocketAddr::new(address, dial.port);
    let outcome = match &done {
        Ok(_) => Outcome::Connected,
        Err(net::dial::DialError::Bind { from, message }) => {
            Outcome::NoSource(format!("{from}: {message}"))
        }
        Err(net::dial::DialError::TimedOut { .. }) => Outcome::TimedOut,
        Err(problem) => match problem.attempts().last() {
            Some(attempt) => outcome(&attempt.error),
            None => Outcome::Failed(problem.to_string()),
        },
    };
    Try { address, outcome, took }
}

fn outcome(error: &io::Error) -> Outcome {
    let text = reason(error);
    match Errno::from_io_error(error) {
        Some(Errno::CONNREFUSED) => Outcome::Refused,
        Some(Errno::TIMEDOUT) => Outcome::TimedOut,
        Some(Errno::CONNRESET | Errno::CONNABORTED) => Outcome::Reset,
        Some(Errno::NETUNREACH | Errno::NETDOWN | Errno::ADDRNOTAVAIL) => Outcome::NoRoute(text),
        Some(Errno::HOSTUNREACH | Errno::HOSTDOWN) => Outcome::Prohibited(text),
        Some(Errno::PERM | Errno::ACCESS) => Outcome::Forbidden,
        _ => Outcome::Failed(text),
    }
}

/// An error without Rust's number behind it.
pub(crate) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}
