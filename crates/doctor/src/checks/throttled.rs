//! The server has too much to do, or enough of this client.

use super::seconds;
use crate::finding::{Finding, Sure};
use crate::probe::greeting::Answer;
use crate::visit::{Ending, Stage, Visit};

/// Lines that OpenSSH's and our server say before they close, the finding's name, and the cause.
const LINES: &[(&str, &str, &str, &str)] = &[
    (
        "Exceeded MaxStartups",
        "max-startups",
        "has as many connections without a finished login as MaxStartups allows, and turns others away",
        "sshd explain | grep -i maxstartups    # on the server; raise it, or find who holds them open: ss -tn",
    ),
    (
        "Not allowed at this time",
        "penalty",
        "punishes this client's address for earlier logins that failed (PerSourcePenalties)",
        "# wait: a penalty ends by itself, most after seconds or minutes; or on the server: \
         PerSourcePenaltyExemptList",
    ),
    (
        "refused connect",
        "tcp-wrapper",
        "refuses this client by its TCP wrapper (/etc/hosts.deny)",
        "grep -v '^#' /etc/hosts.allow /etc/hosts.deny    # on the server",
    ),
];

pub fn check(visit: &Visit) -> Vec<Finding> {
    if visit.talk.stage > Stage::Connected || visit.target.proxy.is_some() {
        return Vec::new();
    }
    let name = &visit.target.host_name;
    let after = format!("the connection lasted {}", seconds(visit.talk.lasted));
    for line in &visit.talk.before_ident {
        if let Some((_, finding, cause, mend)) = LINES.iter().find(|(text, ..)| line.contains(text))
        {
            return vec![
                Finding::new(finding, Sure::Certain, format!("The server {name} {cause}."))
                    .seen(format!("it says: {line}"))
                    .seen(after)
                    .mend(*mend),
            ];
        }
    }
    let too_many = matches!(visit.talk.ending, Ending::Goodbye { code: 12, .. });
    let closed = visit.talk.ending == Ending::Closed
        && matches!(
            visit.talk.answer,
            None | Some(Answer::Closes | Answer::Refuses | Answer::Nothing)
        );
    // With lines before, what speaks there is no SSH server; another check names it.
    let bare = visit.talk.before_ident.is_empty();
    if too_many {
        return vec![
            Finding::new(
                "overloaded",
                Sure::Certain,
                format!("The server {name} has too many connections."),
            )
            .seen(after),
        ];
    }
    if visit.talk.stage != Stage::Connected || !closed || !bare {
        return Vec::new();
    }
    // OpenSSH before 8.5 turns clients away without a word; a second connection tells whether it
    // turns all of them away.
    let sometimes = matches!(visit.talk.answer, Some(Answer::Ssh(_)));
    let finding = if sometimes {
        Finding::new(
            "overloaded",
            Sure::Likely,
            format!(
                "The server {name} turns some connections away (MaxStartups, or too little memory)."
            ),
        )
    } else {
        Finding::new(
            "closed-at-once",
            Sure::Likely,
            format!(
                "The port of {name} is open, but every connection is closed before a word: a TCP wrapper, a \
                 forwarded port without a server behind it, or sshd cannot start a login."
            ),
        )
    };
    vec![finding.seen(after).mend("journalctl -u ssh -n 20    # on the server")]
}
