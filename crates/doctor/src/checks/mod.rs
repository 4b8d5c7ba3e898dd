//! The checks of a way to a host, one file each, in the order of the way.

mod account;
mod agent;
mod algorithms;
mod firewall;
mod forwards;
mod grace;
mod greeting;
mod host_certificate;
mod host_key;
mod key_files;
mod keys_refused;
mod lost;
mod methods;
mod name;
mod noise;
mod nologin;
mod path;
mod proxy;
mod refused;
mod reset;
mod route;
mod shell;
mod silence;
mod slow;
mod throttled;
mod timeout;
mod too_many_keys;
mod user_certificate;
mod wrong_port;

use crate::finding::{Finding, sorted};
use crate::visit::Visit;

/// A check.
type Check = fn(&Visit) -> Vec<Finding>;

/// All of them.
pub static CHECKS: &[(&str, Check)] = &[
    ("name", name::check),
    ("proxy", proxy::check),
    ("firewall", firewall::check),
    ("route", route::check),
    ("refused", refused::check),
    ("timeout", timeout::check),
    ("wrong port", wrong_port::check),
    ("throttled", throttled::check),
    ("reset", reset::check),
    ("path", path::check),
    ("silence", silence::check),
    ("greeting", greeting::check),
    ("noise", noise::check),
    ("algorithms", algorithms::check),
    ("host key", host_key::check),
    ("host certificate", host_certificate::check),
    ("too many keys", too_many_keys::check),
    ("key files", key_files::check),
    ("user certificate", user_certificate::check),
    ("grace", grace::check),
    ("account", account::check),
    ("nologin", nologin::check),
    ("agent", agent::check),
    ("methods", methods::check),
    ("keys refused", keys_refused::check),
    ("lost", lost::check),
    ("forwards", forwards::check),
    ("slow", slow::check),
    ("shell", shell::check),
];

/// Judges what was seen: the surest cause first.
pub fn judge(visit: &Visit) -> Vec<Finding> {
    sorted(CHECKS.iter().flat_map(|(_, check)| check(visit)).collect())
}

/// Seconds, for people.
pub(crate) fn seconds(time: std::time::Duration) -> String {
    if time.as_millis() < 1000 {
        format!("{} ms", time.as_millis())
    } else {
        format!("{:.1} s", time.as_secs_f64())
    }
}

/// A word that a shell takes as it is.
pub(crate) fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=@:,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// What was tried to connect, address by address.
pub(crate) fn attempts(visit: &Visit) -> Vec<String> {
    use crate::probe::reach::Outcome;
    let tell = |one: &crate::probe::reach::Try| {
        let what = match &one.outcome {
            Outcome::Connected => "connected".to_owned(),
            Outcome::Refused => "refused".to_owned(),
            Outcome::TimedOut => "no answer".to_owned(),
            Outcome::Reset => "reset".to_owned(),
            Outcome::Forbidden => "this machine does not let the packets out".to_owned(),
            Outcome::NoRoute(text)
            | Outcome::Prohibited(text)
            | Outcome::NoSource(text)
            | Outcome::Failed(text) => text.clone(),
        };
        let (ip, port) = (one.address.ip(), one.address.port());
        format!("{ip} port {port}: {what} after {}", seconds(one.took))
    };
    visit.reach.tries.iter().map(tell).collect()
}

/// The findings that say where SSH does answer.
pub(crate) fn other_ssh_port(visit: &Visit) -> Option<(u16, &str)> {
    visit.reach.elsewhere.iter().find_map(|(port, answer)| match answer {
        crate::probe::greeting::Answer::Ssh(ident) => Some((*port, ident.as_str())),
        _ => None,
    })
}

#[cfg(test)]
mod tests;
