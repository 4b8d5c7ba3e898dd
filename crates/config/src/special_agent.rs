//! How values with a form of their own are read and printed; those about agents.

use crate::choice::Choice;
use crate::codec::{Scope, Show, Value, missing_argument};
use crate::keyword::Kind;
use crate::parse::{self, Words};
use crate::value::{AddKeysToAgent, AgentSocket, ForwardAgent, YesNoAsk};

/// The name after `$`, or a complaint. `${NAME}/path` is not such a name.
fn environment_name(word: &str) -> Result<Option<String>, String> {
    match word.strip_prefix('$') {
        Some(name) if !name.starts_with('{') => {
            let valid = !name.is_empty()
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            if valid { Ok(Some(name.to_owned())) } else { Err(word.to_owned()) }
        }
        _ => Ok(None),
    }
}

/// `IdentityAgent`.
pub(crate) struct Agent;

impl Value for Agent {
    type Target = AgentSocket;
    const KIND: Kind = Kind::Special;

    fn parse(words: &mut Words<'_>, _scope: &Scope<'_>) -> Result<AgentSocket, String> {
        let word = words.need("Missing argument.")?;
        if word.eq_ignore_ascii_case("none") {
            return Ok(AgentSocket::None);
        }
        if word == "SSH_AUTH_SOCK" {
            return Ok(AgentSocket::Standard);
        }
        let name =
            environment_name(&word).map_err(|word| format!("Invalid environment name {word}."))?;
        Ok(name.map_or_else(|| AgentSocket::Path(word.into()), AgentSocket::Environment))
    }

    fn show(value: &AgentSocket, set: bool, show: &mut Show<'_>) {
        match value {
            AgentSocket::None => show.line("none"),
            AgentSocket::Path(path) => show.line(path.display()),
            AgentSocket::Environment(name) => show.line(format_args!("${name}")),
            AgentSocket::Standard if set => show.line("SSH_AUTH_SOCK"),
            AgentSocket::Standard => {}
        }
    }
}

/// `ForwardAgent`.
pub(crate) struct AgentForward;

impl Value for AgentForward {
    type Target = ForwardAgent;
    const KIND: Kind = Kind::Special;

    fn parse(words: &mut Words<'_>, _scope: &Scope<'_>) -> Result<ForwardAgent, String> {
        let word = words.need("missing argument.")?;
        match word.to_ascii_lowercase().as_str() {
            "yes" | "true" => return Ok(ForwardAgent::Yes),
            "no" | "false" => return Ok(ForwardAgent::No),
            _ => {}
        }
        let name =
            environment_name(&word).map_err(|word| format!("Invalid environment name {word}."))?;
        Ok(name.map_or_else(|| ForwardAgent::Path(word.into()), ForwardAgent::Environment))
    }

    fn show(value: &ForwardAgent, _set: bool, show: &mut Show<'_>) {
        match value {
            ForwardAgent::No => show.line("no"),
            ForwardAgent::Yes => show.line("yes"),
            ForwardAgent::Path(path) => show.line(path.display()),
            ForwardAgent::Environment(name) => show.line(format_args!("${name}")),
        }
    }
}

/// `AddKeysToAgent`: `yes`, `no`, `ask`, `confirm [time]` or a time.
pub(crate) struct AddKeys;

impl Value for AddKeys {
    type Target = AddKeysToAgent;
    const KIND: Kind = Kind::Special;

    fn parse(words: &mut Words<'_>, _scope: &Scope<'_>) -> Result<AddKeysToAgent, String> {
        let word = words.need("missing argument.")?;
        let mut value = AddKeysToAgent::default();
        if word.eq_ignore_ascii_case("confirm") {
            (value.add, value.confirm) = (YesNoAsk::Yes, true);
            if let Some(time) = words.next() {
                let time = parse::time(&time).ok_or("invalid time value.")?;
                value.lifetime = (!time.is_zero()).then_some(time);
            }
        } else if let Some(add) = YesNoAsk::from_word(&word) {
            value.add = add;
        } else if let Some(time) = parse::time(&word) {
            value.add = YesNoAsk::Yes;
            value.lifetime = (!time.is_zero()).then_some(time);
        } else {
            return Err(format!("unsupported option \"{word}\"."));
        }
        Ok(value)
    }

    fn show(value: &AddKeysToAgent, _set: bool, show: &mut Show<'_>) {
        match (value.lifetime, value.confirm) {
            (Some(time), true) => show.line(format_args!("confirm {}", time.as_secs())),
            (Some(time), false) => show.line(time.as_secs()),
            (None, true) => show.line("confirm"),
            (None, false) => show.line(value.add.word()),
        }
    }
}

/// `ForwardAgentKeys`: files of keys and fingerprints, printed only when somebody set them.
pub(crate) struct AgentKeys;

impl Value for AgentKeys {
    type Target = Vec<String>;
    const KIND: Kind = Kind::List;

    fn parse(words: &mut Words<'_>, scope: &Scope<'_>) -> Result<Vec<String>, String> {
        let names: Vec<String> = words.drain().collect();
        if names.is_empty() || names.iter().any(String::is_empty) {
            return Err(missing_argument(scope));
        }
        // "none" is no key at all, not all keys.
        Ok(names)
    }

    fn show(value: &Vec<String>, set: bool, show: &mut Show<'_>) {
        if set {
            show.line(value.join(" "));
        }
    }
}
