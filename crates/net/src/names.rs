//! Names of addresses, which anybody can claim who answers for the address.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::sys;

/// A resolver needs little.
const STACK_BYTES: usize = 256 * 1024;

/// What is known of an address's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Its name, which leads back to it, in small letters.
    Name(String),
    /// It has none.
    Nothing,
    /// What stands for its name is an address itself, as somebody has it who wants to be taken for
    /// another.
    Nasty(String),
    /// The name does not lead back.
    Elsewhere(String),
    /// The name service took too long.
    Late,
}

/// The name of an address; nothing when it has none.
pub fn of_address(address: &SocketAddr) -> Option<String> {
    sys::name_of_address(address)
}

/// The name of an address if it leads back to it, in so much time at most.
pub fn confirmed(address: IpAddr, patience: Duration) -> Found {
    let (sender, receiver) = mpsc::sync_channel(1);
    let work = move || {
        // Nobody may be waiting any more.
        let _ = sender.send(look_up(address));
    };
    // The C library knows no limit of time, so a thread waits for it, and is left alone with it.
    match thread::Builder::new().stack_size(STACK_BYTES).spawn(work) {
        Ok(_) => receiver.recv_timeout(patience).unwrap_or(Found::Late),
        Err(_) => Found::Nothing,
    }
}

fn look_up(address: IpAddr) -> Found {
    let Some(name) = of_address(&SocketAddr::new(address, 0)) else { return Found::Nothing };
    let name = name.to_ascii_lowercase();
    if name.parse::<IpAddr>().is_ok() {
        return Found::Nasty(name);
    }
    let back = (name.as_str(), 0).to_socket_addrs();
    if back.is_ok_and(|mut back| back.any(|one| one.ip().to_canonical() == address)) {
        Found::Name(name)
    } else {
        Found::Elsewhere(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_without_a_name() {
        // Kept for documentation, RFC 5737; without a name service nothing is found either.
        let found = confirmed(IpAddr::from([192, 0, 2, 1]), Duration::from_secs(20));
        assert!(matches!(found, Found::Nothing | Found::Late), "{found:?}");
    }
}
