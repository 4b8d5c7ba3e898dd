//! Whether a key lets a user in. RFC 4252 §7.

use std::net::IpAddr;

use config::ServerSettings;
use keys::authorized_keys::{self, Options};
use keys::{PublicKey, VerifyOptions};

use super::authentication::{Facts, now_seconds};
use super::certificate;
use super::commands::{self, Lookup};
use super::log_lines::printable;
use crate::accounts::Account;
use crate::authorized;
use crate::login_options::{LoginOptions, Places};
use crate::settings::read_limited;

/// No key blob or signature is larger; certificates are the largest.
const BLOB_BYTES: usize = 64 * 1024;
/// No list of revoked keys is larger.
const REVOKED_BYTES: u64 = 64 * 1024 * 1024;
/// A file of keys may have so many lines.
const LINES: usize = 100_000;

/// What the gate asks, in the client's words.
pub(super) struct KeyQuestion<'a> {
    /// With its style, as it is signed.
    pub(super) user: &'a str,
    /// The signature algorithm.
    pub(super) algorithm: &'a str,
    /// The key.
    pub(super) blob: &'a [u8],
    /// The signature, when this is more than a question.
    pub(super) signature: Option<&'a [u8]>,
    /// Whether our host key is signed too.
    pub(super) host_bound: bool,
}

/// What was found.
pub(super) struct Judged {
    /// The key, for the log.
    pub(super) description: String,
    /// The key itself, as a line of text.
    pub(super) line: String,
    /// The blob of the key without a certificate.
    pub(super) plain_key: Vec<u8>,
    /// The restrictions that come with it, when it lets the user in.
    pub(super) allowed: Option<LoginOptions>,
}

/// What is demanded of a security key, and what the key leaves of the user's rights.
pub(super) struct Grant {
    /// Restrictions.
    pub(super) options: LoginOptions,
    /// What the signature must show.
    pub(super) verify: VerifyOptions,
}

/// Judges a key. For an account that is not there everything is done alike, to no avail.
pub(super) fn judge(
    question: &KeyQuestion<'_>,
    facts: &Facts<'_>,
    account: &Account,
    valid: bool,
    settings: &ServerSettings,
) -> Judged {
    let key = match acceptable(question, settings) {
        Ok(key) => key,
        Err(reason) => {
            log::info!(target: crate::VERBOSE, "{reason} [preauth]");
            return Judged {
                description: String::new(),
                line: String::new(),
                plain_key: Vec::new(),
                allowed: None,
            };
        }
    };
    let plain = key.plain();
    let judged = |allowed| Judged {
        description: describe(&key, settings),
        line: key.to_line(""),
        plain_key: plain.blob().to_vec(),
        allowed,
    };
    if is_revoked(&key, settings) {
        return judged(None);
    }
    let found = find(&key, facts, account, valid, settings);
    let Some(grant) = found.filter(|_| valid) else { return judged(None) };
    let Some(signature) = question.signature else {
        return judged(Some(grant.options));
    };
    if facts.session_id.is_empty() || signature.len() > BLOB_BYTES {
        return judged(None);
    }
    // Put together from what this process knows itself, not from what the gate says was signed.
    let host_key = question.host_bound.then_some(facts.host_key);
    let data =
        proto::signed_data(facts.session_id, question.user, question.algorithm, &key, host_key);
    match key.verify(question.algorithm, &data, signature, &grant.verify) {
        Ok(_) => judged(Some(grant.options)),
        Err(error) => {
            let key = describe(&key, settings);
            log::info!("signature of {key} for {}: {error}", printable(question.user, 100));
            judged(None)
        }
    }
}

/// The key, when its algorithm is one that may be used here at all.
fn acceptable(question: &KeyQuestion<'_>, settings: &ServerSettings) -> Result<PublicKey, String> {
    let algorithm = question.algorithm;
    let accepted = &settings.pubkey_accepted_algorithms.value;
    if !accepted.iter().any(|name| name == algorithm) {
        return Err(format!(
            "userauth_pubkey: signature algorithm {} not in PubkeyAcceptedAlgorithms",
            printable(algorithm, 100)
        ));
    }
    if question.blob.len() > BLOB_BYTES {
        return Err("userauth_pubkey: the key is too large".into());
    }
    let key = PublicKey::from_blob(question.blob)
        .map_err(|error| format!("userauth_pubkey: cannot parse key: {error}"))?;
    if !key.signature_algorithms().contains(&algorithm) {
        return Err(format!(
            "userauth_pubkey: type mismatch for decoded key (received {}, expected {})",
            key.algorithm(),
            printable(algorithm, 100)
        ));
    }
    let is_rsa = matches!(key.data(), keys::KeyData::Rsa { .. });
    if is_rsa && key.bits() < settings.required_rsa_size.value {
        return Err(format!("refusing RSA key: Invalid key length ({} bits)", key.bits()));
    }
    Ok(key)
}

/// A key as the log has it: type and fingerprint, and who signed it.
pub(super) fn describe(key: &PublicKey, settings: &ServerSettings) -> String {
    let hash = match settings.fingerprint_hash.value {
        config::FingerprintHash::Md5 => keys::FingerprintHash::Md5,
        config::FingerprintHash::Sha256 => keys::FingerprintHash::Sha256,
    };
    let plain = format!("{} {}", key.type_label(), key.fingerprint(hash));
    match key.certificate() {
        None => plain,
        Some(certificate) => {
            let ca = &certificate.signature_key;
            format!(
                "{plain} ID {} (serial {}) CA {} {}",
                printable(&certificate.key_id, 200),
                certificate.serial,
                ca.type_label(),
                ca.fingerprint(hash)
            )
        }
    }
}

/// `RevokedKeys`. What cannot be read revokes everything.
pub(super) fn is_revoked(key: &PublicKey, settings: &ServerSettings) -> bool {
    let Some(path) = &settings.revoked_keys.value else { return false };
    let kind = key.type_label();
    let fingerprint = key.fingerprint(keys::FingerprintHash::Sha256);
    let path_shown = path.display();
    let judged =
        read_limited(path, REVOKED_BYTES).map_err(|error| error.to_string()).and_then(|file| {
            match file.len() as u64 {
                REVOKED_BYTES => Err("it is too large".into()),
                _ => keys::krl::file_revokes(&file, key).map_err(|error| error.to_string()),
            }
        });
    match judged {
        Ok(false) => false,
        Ok(true) => {
            log::error!("Authentication key {kind} {fingerprint} revoked by file {path_shown}");
            true
        }
        Err(error) => {
            log::error!(
                "Error checking authentication key {kind} {fingerprint} in revoked keys file \
                 {path_shown}: {error}"
            );
            true
        }
    }
}

fn find(
    key: &PublicKey,
    facts: &Facts<'_>,
    account: &Account,
    valid: bool,
    settings: &ServerSettings,
) -> Option<Grant> {
    if let Some(grant) = certificate::trusted(key, facts, account, valid, settings) {
        return Some(grant);
    }
    // Nobody else's program is run for a user who cannot come in.
    if valid && let Some(command) = &settings.authorized_keys_command.value {
        let lookup = Lookup {
            keyword: "AuthorizedKeysCommand",
            command,
            user: settings.authorized_keys_command_user.value.as_deref(),
        };
        let text = lookup.run(account, &commands::tokens(account, facts, key));
        let source = "AuthorizedKeysCommand";
        let grant = text.and_then(|text| search(&text, source, key, facts, account, settings));
        if grant.is_some() {
            return grant;
        }
    }
    for setting in &settings.authorized_keys_files.value {
        let strict = settings.strict_modes.value;
        for file in authorized::read(setting, account, "authorized keys", strict) {
            let file = match file {
                Ok(file) => file,
                Err(error) if error.is_not_found() => {
                    log::debug!("{error}");
                    continue;
                }
                Err(error) => {
                    log::info!("{error}");
                    continue;
                }
            };
            let source = file.path.display().to_string();
            if let Some(grant) = search(&file.text, &source, key, facts, account, settings) {
                return Some(grant);
            }
        }
    }
    None
}

/// The first line that lets the key in. A line that only refuses does not end the search.
fn search(
    text: &str,
    source: &str,
    key: &PublicKey,
    facts: &Facts<'_>,
    account: &Account,
    settings: &ServerSettings,
) -> Option<Grant> {
    for (number, line) in (1..).zip(text.lines().take(LINES)) {
        let entry = match authorized_keys::parse_line(line) {
            Ok(Some(entry)) => entry,
            Ok(None) => continue,
            Err(error) => {
                log::debug!("{source}:{number}: {error}");
                continue;
            }
        };
        let place = format!("{source}:{number}");
        let granted = if entry.options.cert_authority {
            certificate::by_entry(key, &entry, &place, facts, account, settings)
        } else if entry.key == *key && key.certificate().is_none() {
            check_options(&entry.options, &place, facts).then(|| grant(&entry.options, settings))
        } else {
            None
        };
        if let Some(mut granted) = granted {
            log::debug!("Accepted key {} found at {place}", describe(key, settings));
            granted.options.remarks.push(granted.options.describe(&place));
            return Some(granted);
        }
    }
    None
}

/// `from` and `expiry-time`.
pub(super) fn check_options(options: &Options, place: &str, facts: &Facts<'_>) -> bool {
    let offset = utc_offset_seconds();
    if options.expires(offset).is_some_and(|end| now_seconds() >= end) {
        log::info!("{place}: key expired");
        return false;
    }
    if options.from.is_none() {
        return true;
    }
    let from_here = facts.remote().is_some_and(|remote: IpAddr| {
        options.allows_from(Some(&facts.ends.remote_host), remote).unwrap_or(false)
    });
    if !from_here {
        log::info!(
            "Authentication tried for a key of {place} but not from a permitted host (host={}, ip={}).",
            facts.ends.remote_host,
            facts.ends.remote_address
        );
    }
    from_here
}

/// How far local time is ahead of UTC, in which `expiry-time` without a `Z` is meant.
fn utc_offset_seconds() -> i64 {
    let text = crate::sys::records::local_time(now_seconds().cast_signed(), "%z");
    let Some((sign, digits)) = text.as_deref().and_then(|text| text.split_at_checked(1)) else {
        return 0;
    };
    let number: i64 = digits.parse().unwrap_or(0);
    let seconds = (number / 100) * 3600 + (number % 100) * 60;
    if sign == "-" { -seconds } else { seconds }
}

/// What a line of `authorized_keys` grants.
pub(super) fn grant(options: &Options, settings: &ServerSettings) -> Grant {
    let places = |permits: &[authorized_keys::Permit]| -> Vec<Places> {
        if permits.is_empty() {
            return Vec::new();
        }
        let place = |permit: &authorized_keys::Permit| {
            let host = if permit.host == "*" { String::new() } else { permit.host.clone() };
            (host, permit.port.unwrap_or(0))
        };
        vec![permits.iter().map(place).collect()]
    };
    let demanded = settings.pubkey_auth_options.value;
    Grant {
        options: LoginOptions {
            force_command: options.command.clone(),
            pty: options.pty,
            agent_forwarding: options.agent_forwarding,
            port_forwarding: options.port_forwarding,
            x11_forwarding: options.x11_forwarding,
            user_rc: options.user_rc,
            permit_open: places(&options.permit_open),
            permit_listen: places(&options.permit_listen),
            tunnel: match options.tunnel {
                Some(authorized_keys::Tunnel::Unit(unit)) => Some(unit),
                Some(authorized_keys::Tunnel::Any) | None => None,
            },
            environment: options.environment.clone(),
            must_change_password: false,
            remarks: Vec::new(),
        },
        verify: VerifyOptions {
            require_touch: demanded.touch_required || !options.no_touch_required,
            require_verification: demanded.verify_required || options.verify_required,
        },
    }
}
