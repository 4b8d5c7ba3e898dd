//! Users for whom the host they come from vouches. RFC 4252 §9.
//!
//! Three things must agree: the server trusts that host's word about its users (`shosts` and
//! `rhosts` files), it knows the host's key, and the host has signed for this user and this session.

use std::path::{Path, PathBuf};

use config::{IgnoreRhosts, ServerSettings};
use keys::known_hosts::{HostName, KnownHosts, Verdict};
use keys::{CertificateKind, PublicKey, VerifyOptions};
use proto::Voucher;

use super::authentication::{Facts, now_seconds};
use super::log_lines::printable;
use super::publickey::{describe, is_revoked};
use crate::accounts::Account;
use crate::authorized;
use crate::settings::read_limited;

/// Files of the whole system, for everybody but root.
const SYSTEM_FILES: [&str; 2] = ["/etc/hosts.equiv", "/etc/ssh/shosts.equiv"];
/// Files of the user.
const USER_FILES: [&str; 2] = ["%h/.shosts", "%h/.rhosts"];
/// Known hosts of the system.
const SYSTEM_KNOWN_HOSTS: [&str; 2] = ["/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"];
/// Known hosts of the user.
const USER_KNOWN_HOSTS: [&str; 2] = ["%h/.ssh/known_hosts", "%h/.ssh/known_hosts2"];
/// No file is larger.
const FILE_BYTES: u64 = 4 * 1024 * 1024;
/// Nothing that is signed with is larger.
const BLOB_BYTES: usize = 64 * 1024;

/// What a client says of where it comes from.
pub(super) struct Claim<'a> {
    /// On this server, with the style, as it is signed.
    pub(super) user: &'a str,
    pub(super) algorithm: &'a str,
    pub(super) blob: &'a [u8],
    pub(super) client_host: &'a str,
    pub(super) client_user: &'a str,
    pub(super) signature: &'a [u8],
}

/// Whether the user may come in; and the key, for the log.
pub(super) fn judge(
    claim: &Claim<'_>,
    facts: &Facts<'_>,
    account: &Account,
    valid: bool,
    settings: &ServerSettings,
) -> (String, bool) {
    let key = match acceptable(claim, settings) {
        Ok(key) => key,
        Err(reason) => {
            log::info!(target: crate::VERBOSE, "userauth_hostbased: {reason} [preauth]");
            return (String::new(), false);
        }
    };
    let description = format!(
        "{}, client user \"{}\", client host \"{}\"",
        describe(&key, settings),
        printable(claim.client_user, 100),
        printable(claim.client_host, 100)
    );
    let good = valid
        && !is_revoked(&key, settings)
        && is_trusted(claim, &key, facts, account, settings)
        && is_signed(claim, key, facts);
    (description, good)
}

fn acceptable(claim: &Claim<'_>, settings: &ServerSettings) -> Result<PublicKey, String> {
    let accepted = &settings.hostbased_accepted_algorithms.value;
    if !accepted.iter().any(|name| name == claim.algorithm) {
        let name = printable(claim.algorithm, 100);
        return Err(format!("signature algorithm {name} not in HostbasedAcceptedAlgorithms"));
    }
    if claim.blob.len() > BLOB_BYTES || claim.signature.len() > BLOB_BYTES {
        return Err("the key is too large".into());
    }
    let key = PublicKey::from_blob(claim.blob).map_err(|error| error.to_string())?;
    if !key.signature_algorithms().contains(&claim.algorithm) {
        return Err("the key is of another type than the algorithm".into());
    }
    let is_rsa = matches!(key.data(), keys::KeyData::Rsa { .. });
    if is_rsa && key.bits() < settings.required_rsa_size.value {
        return Err(format!("Invalid key length ({} bits)", key.bits()));
    }
    Ok(key)
}

/// The signature, over what this process knows itself.
fn is_signed(claim: &Claim<'_>, key: PublicKey, facts: &Facts<'_>) -> bool {
    if facts.session_id.is_empty() {
        return false;
    }
    let voucher = Voucher {
        algorithm: claim.algorithm.to_owned(),
        key,
        client_host: claim.client_host.to_owned(),
        client_user: claim.client_user.to_owned(),
    };
    let data = voucher.signed_data(facts.session_id, claim.user);
    let verified = voucher.key.verify(claim.algorithm, &data, claim.signature, &VerifyOptions::ANY);
    if let Err(error) = &verified {
        log::info!("hostbased: {error}");
    }
    verified.is_ok()
}

/// Whether that host may speak for that user, and has that key.
fn is_trusted(
    claim: &Claim<'_>,
    key: &PublicKey,
    facts: &Facts<'_>,
    account: &Account,
    settings: &ServerSettings,
) -> bool {
    let claimed = claim.client_host.strip_suffix('.').unwrap_or(claim.client_host);
    let address = facts.ends.remote_address.as_str();
    // Without `UseDNS` the address is all that is known for sure.
    let resolved = facts.ends.remote_host.as_str();
    let (host, address) = if settings.hostbased_uses_name_from_packet_only.value {
        (claimed, claimed)
    } else {
        if !claimed.eq_ignore_ascii_case(resolved) {
            log::info!(
                "userauth_hostbased mismatch: client sends {}, but we resolve {address} to {resolved}",
                printable(claimed, 100)
            );
        }
        (resolved, address)
    };
    let who = Who { host, address, client_user: claim.client_user, user: &account.name };
    if !may_speak(&who, account, settings) {
        log::debug!(
            "Rhosts refused for {} from {}",
            printable(claim.client_user, 100),
            printable(host, 100)
        );
        return false;
    }
    let known = known_hosts(account, settings);
    match known.judge(&HostName::new(host, 22), key) {
        Verdict::Known(_) if key.certificate().is_none() => true,
        Verdict::CertAuthority(_) => key.certificate().is_some_and(|certificate| {
            let checked = certificate.check(CertificateKind::Host, Some(host), now_seconds(), true);
            checked.inspect_err(|error| log::error!("{error}")).is_ok()
        }),
        Verdict::Revoked(entry) => {
            log::error!("WARNING: revoked key for {} attempted: {}", host, entry.source);
            false
        }
        _ => {
            log::debug!("hostbased: the key of {} is not known", printable(host, 100));
            false
        }
    }
}

fn known_hosts(account: &Account, settings: &ServerSettings) -> KnownHosts {
    let mut known = KnownHosts::default();
    if !settings.ignore_user_known_hosts.value {
        for (path, text) in USER_KNOWN_HOSTS.iter().flat_map(|file| users(file, account, settings))
        {
            known.add(&text, &path.display().to_string());
        }
    }
    for path in SYSTEM_KNOWN_HOSTS {
        if let Some(text) = systems(Path::new(path)) {
            known.add(&text, path);
        }
    }
    known
}

/// Who wants to be whom.
struct Who<'a> {
    host: &'a str,
    address: &'a str,
    client_user: &'a str,
    user: &'a str,
}

/// What the equiv and rhosts files say.
fn may_speak(who: &Who<'_>, account: &Account, settings: &ServerSettings) -> bool {
    // Nobody else may say who is root.
    if account.uid != 0 {
        for path in SYSTEM_FILES {
            let said = systems(Path::new(path)).and_then(|text| look(&text, path, who));
            if let Some(said) = said {
                return said;
            }
        }
    }
    for file in USER_FILES {
        let ignored = match settings.ignore_rhosts.value {
            IgnoreRhosts::Yes => true,
            IgnoreRhosts::ShostsOnly => file.ends_with(".rhosts"),
            IgnoreRhosts::No => false,
        };
        if ignored {
            log::debug!("Server has been configured to ignore {file}.");
            continue;
        }
        for (path, text) in users(file, account, settings) {
            if let Some(said) = look(&text, &path.display().to_string(), who) {
                return said;
            }
        }
    }
    false
}

/// The first line about this host and user: yes or no.
fn look(text: &str, path: &str, who: &Who<'_>) -> Option<bool> {
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        let mut words = line.split_whitespace();
        let Some(host) = words.next().filter(|host| *host != "NO_PLUS") else { continue };
        let user = words.next().unwrap_or(who.user);
        if words.next().is_some() {
            log::debug!("Found garbage in {path}.");
            continue;
        }
        let (no_host, host) = host.strip_prefix('-').map_or((false, host), |host| (true, host));
        let (no_user, user) = user.strip_prefix('-').map_or((false, user), |user| (true, user));
        if host.is_empty() || user.is_empty() || host == "+" || user == "+" {
            log::debug!("Ignoring wild host/user names in {path}.");
            continue;
        }
        if host.starts_with('@') || user.starts_with('@') {
            log::debug!("Ignoring netgroups in {path}.");
            // Whom a group that is unknown here leaves out is unknown as well.
            if no_host || no_user {
                return Some(false);
            }
            continue;
        }
        let fits =
            (host.eq_ignore_ascii_case(who.host) || host == who.address) && user == who.client_user;
        if fits {
            return Some(!(no_host || no_user));
        }
    }
    None
}

/// A file of the user's, read with the user's rights.
fn users(file: &str, account: &Account, settings: &ServerSettings) -> Vec<(PathBuf, String)> {
    let read = authorized::read(file, account, "rhosts", settings.strict_modes.value);
    let usable = read.into_iter().filter_map(|file| match file {
        Ok(file) => Some((file.path, file.text)),
        Err(error) => {
            if !error.is_not_found() {
                log::info!("Rhosts authentication refused: {error}");
            }
            None
        }
    });
    usable.collect()
}

fn systems(path: &Path) -> Option<String> {
    let bytes = read_limited(path, FILE_BYTES).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Option<bool> {
        let who =
            Who { host: "far.example", address: "192.0.2.7", client_user: "kim", user: "kim" };
        look(text, "shosts", &who)
    }

    #[test]
    fn the_first_line_that_fits_decides() {
        assert_eq!(said("far.example\n"), Some(true));
        assert_eq!(said("FAR.example kim"), Some(true));
        assert_eq!(said("192.0.2.7 kim"), Some(true));
        assert_eq!(said("far.example lee\n# far.example kim\n"), None);
        assert_eq!(said("-far.example\nfar.example"), Some(false));
        assert_eq!(said("far.example -kim\nfar.example kim"), Some(false));
        assert_eq!(said("near.example\n\n   \nfar.example"), Some(true));
    }

    #[test]
    fn lines_for_everybody_count_for_nobody() {
        for text in ["+", "+ +", "far.example +", "+ kim", "far.example kim x", "NO_PLUS", "-"] {
            assert_eq!(said(text), None, "{text}");
        }
        assert_eq!(said("@group\n"), None);
        assert_eq!(said("-@group\nfar.example"), Some(false));
    }
}
