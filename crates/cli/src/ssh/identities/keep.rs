//! `AddKeysToAgent`: a key that was loaded from a file is given to the agent.

use config::{AddKeysToAgent, YesNoAsk};
use keys::PrivateKey;
use keys::agent::{Constraint, Request};
use net::agent::AgentClient;

use crate::messages::debug;
use crate::ui::clean;
use crate::ui::prompt::{self, Place};

/// Gives the key to the agent, as the configuration says, and gives it back.
///
/// A login does not fail for it: whatever goes wrong is only told.
pub(super) fn give(
    agent: Option<&mut AgentClient>,
    wanted: &AddKeysToAgent,
    provider: &str,
    name: &str,
    key: PrivateKey,
) -> PrivateKey {
    if wanted.add == YesNoAsk::No {
        return key;
    }
    let Some(agent) = agent else {
        debug!("no authentication agent, not adding key");
        return key;
    };
    if wanted.add == YesNoAsk::Ask {
        let (name, comment) = (clean::visible(name), clean::visible(key.comment()));
        let question = format!("Add key {name} ({comment}) to agent? ");
        let answer = prompt::line(&question, Place::Terminal);
        if !answer.is_some_and(|answer| answer.trim().eq_ignore_ascii_case("yes")) {
            debug!("user denied adding this key");
            return key;
        }
    }
    let is_named = !key.comment().is_empty();
    let key = if is_named { key } else { key.with_comment(name) };
    let mut constraints = Vec::new();
    if let Some(time) = wanted.lifetime {
        constraints.push(Constraint::Lifetime(u32::try_from(time.as_secs()).unwrap_or(u32::MAX)));
    }
    if wanted.confirm {
        constraints.push(Constraint::Confirm);
    }
    if key.security_key().is_some() {
        constraints.push(Constraint::SkProvider(provider.to_owned()));
    }
    let request = Request::AddIdentity { key: Box::new(key), constraints };
    match agent.perform(&request) {
        Ok(_) => debug!("identity added to agent: {name}"),
        Err(problem) => debug!("could not add identity to agent: {name} ({problem})"),
    }
    match request {
        Request::AddIdentity { key, .. } => *key,
        _ => unreachable!("it was made so above"),
    }
}
