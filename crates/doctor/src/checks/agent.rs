//! The agent, where its keys are what is missing.

use super::{account, key_files, user_certificate};
use crate::finding::{Finding, Sure};
use crate::visit::{Agent, Fate, Visit};

pub fn check(visit: &Visit) -> Vec<Finding> {
    let wanted = visit.login.methods.iter().any(|method| method == "publickey");
    if !visit.is_denied() || !wanted || visit.has_accepted_key() || !visit.target.keys_enabled {
        return Vec::new();
    }
    if visit.login.offers_until_goodbye.is_some()
        || key_files::is_cause(visit)
        || account::is_cause(visit)
        || !user_certificate::check(visit).is_empty()
    {
        return Vec::new();
    }
    let offered = visit.login.keys.iter().any(|key| key.fate == Fate::Refused);
    let finding = match &visit.agent {
        Agent::Stale(socket, why) => Finding::new(
            "agent-stale",
            Sure::Likely,
            format!("The agent that {} belongs to is gone.", socket.display()),
        )
        .seen(format!("its socket says: {why}"))
        .mend("eval \"$(ssh-agent -s)\" && ssh-add")
        .mend("# in tmux or screen: the shell has the socket of an older login; export SSH_AUTH_SOCK anew"),
        Agent::Mute(socket, why) => Finding::new(
            "agent-mute",
            Sure::Likely,
            format!("What listens on {} does not answer as an agent does.", socket.display()),
        )
        .seen(why.clone())
        .mend("eval \"$(ssh-agent -s)\" && ssh-add"),
        Agent::Locked(socket) => {
            Finding::new("agent-locked", Sure::Certain, "The agent is locked and shows none of its keys.")
                .seen(format!("agent at {}", socket.display()))
                .mend("ssh-add -X    # asks for the password it was locked with")
        }
        Agent::Empty(socket) if !offered => {
            Finding::new("agent-empty", Sure::Likely, "The agent holds no key, and no file has one either.")
                .seen(format!("agent at {}", socket.display()))
                .mend("ssh-add KEY_FILE")
        }
        Agent::Missing if !offered => Finding::new(
            "agent-missing",
            Sure::Likely,
            "There is no agent, and no file with a key either: there is nothing to log in with.",
        )
        .seen("SSH_AUTH_SOCK is not set")
        .mend("ssh-keygen -t ed25519    # for who has no key yet")
        .mend("eval \"$(ssh-agent -s)\" && ssh-add KEY_FILE"),
        _ => return Vec::new(),
    };
    vec![finding]
}

/// Whether the agent is the cause.
pub fn is_cause(visit: &Visit) -> bool {
    !check(visit).is_empty()
}
