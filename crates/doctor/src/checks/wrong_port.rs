//! Something else is behind the port, or SSH behind another.

use super::{attempts, firewall, other_ssh_port};
use crate::finding::{Finding, Sure};
use crate::probe::greeting::Answer;
use crate::visit::{Stage, Visit};

pub fn check(visit: &Visit) -> Vec<Finding> {
    if visit.talk.stage > Stage::Connected || visit.target.proxy.is_some() {
        return Vec::new();
    }
    let (name, port) = (&visit.target.host_name, visit.target.port);
    let other = other_ssh_port(visit);
    let answer = visit.talk.answer.as_ref();
    let foreign = answer
        .filter(|answer| matches!(answer, Answer::Http(_) | Answer::Tls | Answer::Other { .. }));
    let finding = match (foreign, other) {
        (Some(answer), _) => Finding::new(
            "wrong-port",
            Sure::Certain,
            format!("Not an SSH server but {answer} answers on port {port} of {name}."),
        ),
        // Nobody answers there: SSH on another port is what was meant.
        (None, Some((other, _)))
            if visit.talk.stage == Stage::Nowhere && !firewall::is_cause(visit) =>
        {
            Finding::new(
                "wrong-port",
                Sure::Likely,
                format!("SSH does not answer on port {port} of {name}, but on port {other}."),
            )
            .seen_all(attempts(visit))
        }
        _ => return Vec::new(),
    };
    let finding = match &visit.target.port_origin {
        Some(origin) => finding.seen(format!("port {port} was chosen by: {origin}")),
        None => finding.seen(format!("port {port} is the default; no line chooses another")),
    };
    vec![match other {
        Some((other, ident)) => finding
            .seen(format!("port {other}: {ident}"))
            .mend(format!("ssh -p {other} {}", visit.target.typed))
            .mend(format!("Host {}\n    Port {other}    # in ~/.ssh/config", visit.target.typed)),
        None => finding.mend(format!(
            "ssh -p PORT {}    # ask whoever runs it for the port",
            visit.target.typed
        )),
    }]
}
