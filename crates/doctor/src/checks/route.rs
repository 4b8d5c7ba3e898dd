//! There is no way to the address.

use super::{attempts, firewall};
use crate::finding::{Finding, Sure};
use crate::probe::reach::Outcome;
use crate::visit::{Stage, Visit};

pub fn check(visit: &Visit) -> Vec<Finding> {
    let tries = &visit.reach.tries;
    let none = tries.is_empty() || visit.talk.stage != Stage::Nowhere;
    if none || firewall::is_cause(visit) {
        return Vec::new();
    }
    let has = |test: fn(&Outcome) -> bool| tries.iter().any(|one| test(&one.outcome));
    // An address that was refused or timed out tells more than one of a family that is not here.
    if has(|one| {
        matches!(one, Outcome::Refused | Outcome::TimedOut | Outcome::Reset | Outcome::Connected)
    }) {
        return Vec::new();
    }
    let name = &visit.target.host_name;
    let first = tries.first().map_or_else(String::new, |one| one.address.ip().to_string());
    let finding = if has(|one| matches!(one, Outcome::NoSource(_))) {
        Finding::new(
            "bind-address",
            Sure::Certain,
            "BindAddress or BindInterface names an address that this machine does not have.",
        )
        .mend("ip address    # the addresses that it has")
    } else if has(|one| matches!(one, Outcome::NoRoute(_))) {
        Finding::new("no-route", Sure::Certain, format!("This machine has no route to {name}."))
            .mend(format!("ip route get {first}"))
            .mend("ip route; ip address    # is the network, or the VPN, up?")
    } else if has(|one| matches!(one, Outcome::Prohibited(_))) {
        Finding::new(
            "host-unreachable",
            Sure::Likely,
            format!(
                "The network says that {name} cannot be reached: the machine is off, or a router's \
                 firewall rejects the connection."
            ),
        )
        .mend(format!("ping {first}"))
        .mend(format!("ip neigh show {first}    # FAILED: nobody has the address in this network"))
    } else {
        Finding::new(
            "connect-failed",
            Sure::Certain,
            format!("No connection to {} can be made.", visit.place()),
        )
    };
    vec![finding.seen_all(attempts(visit))]
}
