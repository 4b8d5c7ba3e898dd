//! The agent: whether it is there, and what it does.

use std::path::Path;
use std::time::Duration;

use keys::agent::{Constraint, Request};
use keys::{KeyKind, PrivateKey};
use net::agent::{AgentClient, AgentError};

use crate::visit::Agent;

/// For answers that need no user.
const PATIENCE: Duration = Duration::from_secs(3);

/// Looks at the agent behind a socket.
pub fn look(socket: &Path) -> Agent {
    let path = socket.to_owned();
    let mut agent = match AgentClient::connect(socket, PATIENCE) {
        Ok(agent) => agent,
        Err(AgentError::Io(error)) => return Agent::Stale(path, super::reach::reason(&error)),
        Err(other) => return Agent::Stale(path, other.to_string()),
    };
    match agent.identities() {
        Ok(keys) if !keys.is_empty() => Agent::Holds(path, keys.len()),
        // A locked agent shows no keys, as an empty one.
        Ok(_) if is_locked(&mut agent) => Agent::Locked(path),
        Ok(_) => Agent::Empty(path),
        Err(AgentError::Refused) => Agent::Locked(path),
        Err(problem) => Agent::Mute(path, problem.to_string()),
    }
}

/// A locked agent refuses everything, so it is asked for something that changes nothing: to hold a
/// key of no use for one second.
fn is_locked(agent: &mut AgentClient) -> bool {
    let Ok(key) = PrivateKey::generate(KeyKind::Ed25519, None, "keyway doctor") else {
        return false;
    };
    let key_blob = key.public().blob().to_vec();
    let add =
        Request::AddIdentity { key: Box::new(key), constraints: vec![Constraint::Lifetime(1)] };
    let refused = matches!(agent.perform(&add), Err(AgentError::Refused));
    if !refused {
        // Without this it goes by itself.
        let _ = agent.perform(&Request::RemoveIdentity { key_blob });
    }
    refused
}
