//! The server takes the connection and does not go on.

use super::{path, seconds};
use crate::finding::{Finding, Sure};
use crate::probe::greeting::Answer;
use crate::visit::{Ending, Stage, Visit};

pub fn check(visit: &Visit) -> Vec<Finding> {
    let talk = &visit.talk;
    let Ending::Silent(waited) = &talk.ending else { return Vec::new() };
    let foreign = matches!(talk.answer, Some(Answer::Http(_) | Answer::Tls | Answer::Other { .. }));
    if talk.stage == Stage::Nowhere || foreign || !path::check(visit).is_empty() {
        return Vec::new();
    }
    let name = &visit.target.host_name;
    let waited = seconds(*waited);
    let finding = match talk.stage {
        Stage::Connected => Finding::new(
            "server-silent",
            Sure::Likely,
            format!(
                "{name} takes the connection and then says nothing: the server is overloaded or hangs, or a \
                 forwarded port or load balancer has nobody behind it."
            ),
        )
        .seen(format!("no ident within {waited}")),
        Stage::Ident | Stage::Negotiated => Finding::new(
            "exchange-stalled",
            Sure::Likely,
            format!("The key exchange with {name} stands still."),
        )
        .seen(format!("nothing came for {waited} after the server's ident"))
        .seen_all(talk.path.map(|path| {
            format!(
                "{} segments without an answer, sent again {} times; path MTU {}",
                path.unacknowledged, path.retransmits, path.mtu
            )
        })),
        _ => Finding::new(
            "login-stalled",
            Sure::Likely,
            format!(
                "{name} does not answer in the login: it waits for something itself, such as a name service, \
                 PAM or a network home directory."
            ),
        )
        .seen(format!("nothing came for {waited}")),
    };
    vec![finding.mend("top; journalctl -u ssh -n 20    # on the server, by its console")]
}
