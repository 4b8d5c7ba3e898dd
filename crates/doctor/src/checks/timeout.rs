//! Nothing answers: the packets are dropped.

use super::{attempts, firewall, other_ssh_port};
use crate::finding::{Finding, Sure};
use crate::probe::greeting::Answer;
use crate::probe::reach::Outcome;
use crate::visit::{Stage, Visit};

pub fn check(visit: &Visit) -> Vec<Finding> {
    let tries = &visit.reach.tries;
    let timed_out = tries.iter().any(|one| one.outcome == Outcome::TimedOut);
    let refused = tries.iter().any(|one| matches!(one.outcome, Outcome::Refused | Outcome::Reset));
    if !timed_out || refused || visit.talk.stage != Stage::Nowhere || firewall::is_cause(visit) {
        return Vec::new();
    }
    if other_ssh_port(visit).is_some() {
        return Vec::new();
    }
    let (name, port) = (&visit.target.host_name, visit.target.port);
    // A port that answers, and be it with a refusal, shows that the machine is on.
    let answers = visit.reach.elsewhere.iter().find(|(_, answer)| *answer != Answer::Nothing);
    let finding = match answers {
        Some((other, answer)) => Finding::new(
            "port-dropped",
            Sure::Likely,
            format!("A firewall before {name} drops what goes to port {port}."),
        )
        .seen(format!("port {other} answers: {answer}")),
        None => Finding::new(
            "connection-timed-out",
            Sure::Certain,
            format!(
                "Nothing at all comes back from {name}: a firewall drops the packets (a cloud's security \
                 group, for one), or the machine is off or has another address."
            ),
        ),
    };
    vec![
        finding
            .seen_all(attempts(visit))
            .mend(format!(
                "sshd doctor    # on {name}, by its console: does its firewall let port {port} in?"
            ))
            .mend("# in the cloud's panel: let this client's address in to that port"),
    ]
}
