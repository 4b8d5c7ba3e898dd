//! Places that may be forwarded to or listened at.

use crate::codec::Show;
use crate::parse;
use crate::value::Permit;

/// `host:port`, `[address]:port`.
pub(crate) fn host_and_port(word: &str) -> Option<(String, String)> {
    if let Some(inner) = word.strip_prefix('[') {
        let (host, rest) = inner.split_once(']')?;
        return Some((host.to_owned(), rest.strip_prefix(':')?.to_owned()));
    }
    let (host, port) = word.split_once(':')?;
    Some((host.to_owned(), port.to_owned()))
}

/// A port, or nothing for `*`.
pub(crate) fn permitted_port(text: &str) -> Result<Option<u16>, ()> {
    match text {
        "*" => Ok(None),
        _ => parse::port(text).filter(|port| *port > 0).map(Some).ok_or(()),
    }
}

/// Prints a list of allowed targets on one line.
pub(crate) fn show_permit(value: &Permit, show: &mut Show<'_>) {
    let list = match value {
        Permit::Any => return show.line("any"),
        Permit::None => return show.line("none"),
        Permit::Only(list) => list,
    };
    let words: Vec<String> = list
        .iter()
        .map(|entry| {
            let port = entry.port.map_or_else(|| "*".to_owned(), |port| port.to_string());
            match &entry.host {
                Some(host) if host.contains(':') => format!("[{host}]:{port}"),
                Some(host) => format!("{host}:{port}"),
                None => format!("*:{port}"),
            }
        })
        .collect();
    show.line(words.join(" "));
}
