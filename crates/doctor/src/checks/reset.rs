//! The connection was taken back.

use super::{attempts, firewall, seconds, wrong_port};
use crate::finding::{Finding, Sure};
use crate::probe::reach::Outcome;
use crate::visit::{Ending, Stage, Visit};

pub fn check(visit: &Visit) -> Vec<Finding> {
    let at_once = visit.talk.stage == Stage::Nowhere
        && visit.reach.tries.iter().any(|one| one.outcome == Outcome::Reset)
        && !visit.reach.tries.iter().any(|one| one.outcome == Outcome::Refused);
    let later = visit.talk.stage != Stage::Nowhere
        && visit.talk.stage < Stage::Keyed
        && visit.talk.ending == Ending::Reset
        && visit.talk.before_ident.is_empty();
    if !wrong_port::check(visit).is_empty() {
        return Vec::new();
    }
    if !(at_once || later) || firewall::is_cause(visit) || visit.target.proxy.is_some() {
        return Vec::new();
    }
    let name = &visit.target.host_name;
    let when = match visit.talk.stage {
        Stage::Nowhere | Stage::Connected => "before the server said a word",
        _ => "in the middle of the key exchange",
    };
    vec![
        Finding::new(
            "connection-reset",
            Sure::Likely,
            format!(
                "The connection to {name} is reset {when}: something on the way (a firewall, an intrusion \
                 blocker such as fail2ban) cuts it, or the server's process died."
            ),
        )
        .seen_all(attempts(visit))
        .seen(format!("reset after {}", seconds(visit.talk.lasted)))
        .mend("fail2ban-client status sshd    # on the server: is this client's address banned?")
        .mend("journalctl -u ssh -n 20    # on the server"),
    ]
}
