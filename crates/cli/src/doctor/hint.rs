//! The short form after a login that failed, and the account of a long one.

use doctor::probe::key_file::State;
use doctor::visit::{Agent, Fate, Key, Visit};

use crate::messages::{Level, info, level};
use crate::ssh::identities::{self, Identity};

/// What was seen on the way, a line each.
pub fn account(visit: &Visit) -> Vec<String> {
    let mut lines = Vec::new();
    let milliseconds = |time: std::time::Duration| format!("{} ms", time.as_millis());
    if let Some(proxy) = &visit.target.proxy {
        lines.push(format!("over {}", proxy.command));
    } else if visit.reach.unresolved.is_none() && !visit.reach.addresses.is_empty() {
        let addresses: Vec<String> =
            visit.reach.addresses.iter().map(ToString::to_string).collect();
        lines.push(format!(
            "addresses: {} ({})",
            addresses.join(", "),
            milliseconds(visit.reach.resolve_time)
        ));
    }
    if let Some(address) = visit.talk.address {
        lines.push(format!("connected to {} port {}", address.ip(), address.port()));
    }
    if let Some(ident) = &visit.talk.ident {
        lines.push(format!("server: {ident}"));
    }
    if let Some(host) = &visit.host_key {
        let fingerprint = host.key.fingerprint(keys::FingerprintHash::Sha256);
        lines.push(format!("host key: {} {fingerprint}", host.key.type_label()));
    }
    if !visit.login.methods.is_empty() {
        lines.push(format!("it takes: {}", visit.login.methods.join(", ")));
    }
    match &visit.agent {
        Agent::Unwanted => {}
        Agent::Missing => lines.push("agent: none".to_owned()),
        Agent::Stale(path, why) | Agent::Mute(path, why) => {
            lines.push(format!("agent: {}: {why}", path.display()));
        }
        Agent::Locked(path) => lines.push(format!("agent: {}: locked", path.display())),
        Agent::Empty(path) => lines.push(format!("agent: {}: no keys", path.display())),
        Agent::Holds(path, count) => lines.push(format!("agent: {}: {count} keys", path.display())),
    }
    for key in &visit.login.keys {
        let fate = match &key.fate {
            Fate::NotReached => "not offered".to_owned(),
            Fate::Refused => "offered, refused".to_owned(),
            Fate::CannotSign(_) | Fate::WouldDo if is_locked(key) => {
                "offered, accepted; it needs its passphrase to log in".to_owned()
            }
            Fate::WouldDo => "offered, accepted (not signed with)".to_owned(),
            Fate::CannotSign(why) => format!("offered, accepted, but not used: {why}"),
            Fate::Worked => "accepted".to_owned(),
            Fate::SignatureRefused => "accepted, then refused".to_owned(),
            Fate::Skipped(why) => format!("skipped: {why}"),
        };
        let label = key.label.as_deref().map(|label| format!(" {label}")).unwrap_or_default();
        lines.push(format!("key {}{label} ({}): {fate}", key.name, key.source));
    }
    for remark in &visit.login.remarks {
        lines.push(format!("the server remarks: {remark}"));
    }
    if !visit.talk.moments.is_empty() {
        let moments: Vec<String> = visit
            .talk
            .moments
            .iter()
            .map(|moment| format!("{} {}", moment.what, milliseconds(moment.took)))
            .collect();
        lines.push(format!("times: {}", moments.join(", ")));
    }
    if visit.is_in() {
        lines.push("the login works".to_owned());
    }
    lines
}

fn is_locked(key: &Key) -> bool {
    key.file.as_ref().is_some_and(|file| file.state == State::Locked)
}

/// Whether there is anybody to read a hint.
fn is_wanted(batch_mode: bool) -> bool {
    !batch_mode && level() >= Level::Info
}

/// One line about the likeliest cause of a denied login, before the last line.
pub fn after_denial(host: &str, batch_mode: bool, keys: &[Identity], methods: &[String]) {
    if !is_wanted(batch_mode) {
        return;
    }
    let skipped = keys.iter().find_map(|key| match &key.fate {
        identities::Fate::Skipped(why) if key.explicit || why.contains("chmod") => {
            Some(format!("the key {} is not used: {why}", key.name))
        }
        _ => None,
    });
    let refused = keys.iter().filter(|key| key.fate == identities::Fate::Refused).count();
    let takes = |method: &str| methods.iter().any(|one| one == method);
    let by_asking = takes("password") || takes("keyboard-interactive");
    let cause = match skipped {
        Some(cause) => cause,
        None if !takes("publickey") && by_asking => "the server takes passwords only".to_owned(),
        None if takes("publickey") && refused == 0 && !by_asking => {
            "the server takes keys only, and there was none to offer".to_owned()
        }
        None if refused > 0 => "none of the keys is known to the server for this user".to_owned(),
        None => "the password, or the user's name, is wrong".to_owned(),
    };
    info!("ssh: most likely {cause}; \"ssh doctor {host}\" looks closer.");
}

/// One line after another failure.
pub fn after_failure(host: &str, batch_mode: bool) {
    if is_wanted(batch_mode) {
        info!("ssh: \"ssh doctor {host}\" finds out why.");
    }
}
