//! What `sshd` would do for a connection.

use std::ffi::OsString;

use config::Step;
use serde_json::json;

use super::Wishes;
use super::show::{self, Page};

/// Our words, and what `sshd -C` calls them.
const PARTS: &[(&str, &str)] = &[
    ("--user", "user"),
    ("--addr", "addr"),
    ("--host", "host"),
    ("--laddr", "laddr"),
    ("--lport", "lport"),
    ("--rdomain", "rdomain"),
];

/// The whole answer. The error is the whole message.
pub fn explain(words: &[OsString], wishes: Wishes) -> Result<String, String> {
    let (connection, mut flags) = connection(words)?;
    flags.push("-T".into());
    if !connection.is_empty() {
        let parts: Vec<String> =
            connection.iter().map(|(name, value)| format!("{name}={value}")).collect();
        flags.extend(["-C".into(), parts.join(",").into()]);
    }
    let described = sshd::describe(&flags)?;
    let values = described.settings.effective_values();
    let mut steps: Vec<Step> = described.steps;
    steps.extend_from_slice(described.config.outdone());
    if wishes.json {
        let connection: serde_json::Map<String, serde_json::Value> =
            connection.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        let notes: Vec<&str> =
            described.config.notes.iter().map(|note| note.message.as_str()).collect();
        return Ok(show::document(&json!({
            "connection": connection,
            "values": show::values_json(&values),
            "lines": show::steps_json(&steps),
            "notes": notes,
        })));
    }
    let mut page = Page::new(None);
    let whom: Vec<String> =
        connection.iter().map(|(name, value)| format!("{name} {value}")).collect();
    let whom = if whom.is_empty() { "nobody in particular".to_owned() } else { whom.join(", ") };
    page.say(&format!("sshd for {whom}"));
    page.values(&values, wishes);
    page.rules(&steps);
    if !described.config.notes.is_empty() {
        page.heading("Notes");
    }
    for note in &described.config.notes {
        page.aside(&note.message);
    }
    Ok(page.into_text())
}

/// The connection's parts by name, and sshd's own flags.
type Connection = (Vec<(String, String)>, Vec<OsString>);

fn connection(words: &[OsString]) -> Result<Connection, String> {
    let (mut parts, mut flags) = (Vec::new(), Vec::new());
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let text = word.to_str().unwrap_or_default();
        let (name, attached) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (text, None),
        };
        let Some((_, part)) = PARTS.iter().find(|(known, _)| *known == name) else {
            if text.starts_with("--") {
                return Err(format!(
                    "sshd explain: unknown option {text}\n{}",
                    super::SERVER_USAGE
                ));
            }
            flags.push(word.clone());
            continue;
        };
        let value = match attached {
            Some(value) => value,
            None => words
                .next()
                .and_then(|value| value.to_str())
                .ok_or_else(|| format!("sshd explain: {name} needs a value"))?
                .to_owned(),
        };
        if value.contains(',') {
            return Err(format!("sshd explain: {name} takes one value"));
        }
        parts.push(((*part).to_owned(), value));
    }
    Ok((parts, flags))
}
