//! `UseDNS`: the client's name, for rules that name hosts.

use std::net::IpAddr;
use std::time::Duration;

use net::names::{self, Found};

use super::log_lines::printable;

/// A name service that takes longer keeps people waiting who can do nothing about it.
const PATIENCE: Duration = Duration::from_secs(10);

/// The name of the client, or its address where that has no name that leads back to it.
pub(super) fn of(address: &str) -> String {
    let Ok(parsed) = address.parse::<IpAddr>() else { return address.to_owned() };
    match names::confirmed(parsed, PATIENCE) {
        Found::Name(name) => return name,
        Found::Nothing => {}
        Found::Nasty(name) => log::info!(
            "Nasty PTR record \"{}\" is set up for {address}, ignoring",
            printable(&name, 100)
        ),
        Found::Elsewhere(name) => log::info!(
            "Address {address} maps to {}, but this does not map back to the address.",
            printable(&name, 400)
        ),
        Found::Late => {
            log::info!("the name service does not tell the name of {address} in time (UseDNS)");
        }
    }
    address.to_owned()
}
