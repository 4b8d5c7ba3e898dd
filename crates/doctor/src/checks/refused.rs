//! A closed port.

use super::{attempts, firewall, other_ssh_port};
use crate::finding::{Finding, Sure};
use crate::probe::reach::Outcome;
use crate::visit::{Stage, Visit};

pub fn check(visit: &Visit) -> Vec<Finding> {
    let refused = visit.reach.tries.iter().any(|one| one.outcome == Outcome::Refused);
    if !refused || visit.talk.stage != Stage::Nowhere || firewall::is_cause(visit) {
        return Vec::new();
    }
    // Another check says where it is.
    if other_ssh_port(visit).is_some() {
        return Vec::new();
    }
    let (name, port) = (&visit.target.host_name, visit.target.port);
    vec![
        Finding::new(
            "connection-refused",
            Sure::Certain,
            format!(
                "{name} is there, but refuses connections to port {port}: no SSH server listens on it."
            ),
        )
        .seen_all(attempts(visit))
        .seen_all(visit.reach.elsewhere.iter().map(|(port, answer)| format!("port {port}: {answer}")))
        .mend("sshd doctor    # on the server, by its console: is it running, and on which port?"),
    ]
}
