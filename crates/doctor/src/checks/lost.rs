//! The connection ended in the middle, and nothing before tells why.

use super::{account, grace, seconds, too_many_keys};
use crate::finding::{Finding, Sure};
use crate::visit::{Ending, Stage, Visit};

pub fn check(visit: &Visit) -> Vec<Finding> {
    let talk = &visit.talk;
    if talk.stage < Stage::Ident
        || !too_many_keys::check(visit).is_empty()
        || account::is_cause(visit)
        || grace::is_cause(visit)
    {
        return visit
            .login
            .session_refused
            .iter()
            .map(|words| refused_session(words.as_str()))
            .collect();
    }
    let name = &visit.target.host_name;
    let after = format!("after {}", seconds(talk.lasted));
    let finding = match &talk.ending {
        Ending::Goodbye { code, text } => Finding::new(
            "goodbye",
            Sure::Certain,
            format!("The server {name} ended the connection: {text}."),
        )
        .seen(format!("disconnect with code {code} {after}"))
        .mend("journalctl -u ssh -n 20    # on the server"),
        Ending::Broken(rule) => Finding::new(
            "protocol-broken",
            Sure::Certain,
            format!("What {name} sends breaks a rule of SSH: {rule}."),
        )
        .seen(match &talk.ident {
            Some(ident) => format!("the server is {ident}"),
            None => after,
        })
        .mend("# something on the way changes the bytes, or the server has a fault: update it"),
        Ending::Closed | Ending::Failed(_) if talk.stage == Stage::In => return Vec::new(),
        Ending::Closed if talk.stage == Stage::Keyed => Finding::new(
            "closed-in-login",
            Sure::Likely,
            format!("{name} hung up in the middle of the login: a time limit (LoginGraceTime), a full process table, or a rule about this user or address."),
        )
        .seen(after)
        .mend("sshd doctor --user USER; journalctl -u ssh -n 20    # on the server"),
        Ending::Closed => Finding::new(
            "closed-in-exchange",
            Sure::Likely,
            format!("{name} hung up in the key exchange: its host keys may be unreadable, or something on the way does not let SSH pass."),
        )
        .seen(after)
        .mend("sshd doctor    # on the server, by its console"),
        Ending::Reset if talk.stage >= Stage::Keyed => Finding::new(
            "connection-reset",
            Sure::Likely,
            format!("The connection to {name} is reset in the middle of the login."),
        )
        .seen(after),
        Ending::Failed(why) => Finding::new(
            "network-failed",
            Sure::Certain,
            format!("The network to {name} failed: {why}."),
        )
        .seen(after),
        _ => return visit.login.session_refused.iter().map(|words| refused_session(words.as_str())).collect(),
    };
    vec![finding]
}

fn refused_session(words: &str) -> Finding {
    Finding::new(
        "session-refused",
        Sure::Certain,
        "The login works, but the server opens no session (MaxSessions, or a login for forwards alone).",
    )
    .seen(format!("it says: {words}"))
    .mend("sshd explain --user USER | grep -i maxsessions    # on the server")
}
