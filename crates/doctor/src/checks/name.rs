//! The name has no address.

use super::seconds;
use crate::finding::{Finding, Sure};
use crate::probe::reach::Unresolved;
use crate::visit::Visit;

pub fn check(visit: &Visit) -> Vec<Finding> {
    let Some(problem) = &visit.reach.unresolved else { return Vec::new() };
    let name = &visit.target.host_name;
    let took = seconds(visit.reach.resolve_time);
    let finding = match problem {
        Unresolved::NoSuchName(text) => Finding::new(
            "name-unknown",
            Sure::Certain,
            format!("The name {name} does not resolve to an address."),
        )
        .seen(format!("the name service says after {took}: {text}")),
        Unresolved::NoAnswer(text) => Finding::new(
            "name-service",
            Sure::Certain,
            format!("The name service gives no answer about {name}."),
        )
        .seen(format!("after {took}: {text}"))
        .mend("cat /etc/resolv.conf    # the servers that are asked"),
        Unresolved::OtherFamily => Finding::new(
            "address-family",
            Sure::Certain,
            format!("{name} has no address of the family that AddressFamily, -4 or -6 asks for."),
        ),
    };
    let finding = match &visit.target.host_name_origin {
        Some(origin) => {
            finding.seen(format!("\"{}\" means {name}: HostName, {origin}", visit.target.typed))
        }
        None => finding,
    };
    let finding = if matches!(problem, Unresolved::NoSuchName(_)) {
        finding.mend(format!("getent hosts {name}    # once the name is right")).mend(format!(
            "Host {}\n    HostName ADDRESS    # in ~/.ssh/config, for a name that only you use",
            visit.target.typed
        ))
    } else {
        finding
    };
    vec![finding]
}
