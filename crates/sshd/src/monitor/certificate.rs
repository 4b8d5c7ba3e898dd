//! Users who come with a certificate: of a CA that the host trusts, or of one that the user does.

use config::ServerSettings;
use keys::authorized_keys::{Entry, Options};
use keys::{Certificate, CertificateKind, PublicKey};

use super::authentication::{Facts, now_seconds};
use super::commands::{self, Lookup};
use super::log_lines::printable;
use super::publickey::{Grant, check_options, grant};
use crate::accounts::Account;
use crate::authorized;
use crate::settings::read_limited;

/// No list of CAs is larger.
const CA_FILE_BYTES: u64 = 1024 * 1024;

/// A certificate by a CA of `TrustedUserCAKeys`.
pub(super) fn trusted(
    key: &PublicKey,
    facts: &Facts<'_>,
    account: &Account,
    valid: bool,
    settings: &ServerSettings,
) -> Option<Grant> {
    let certificate = key.certificate()?;
    let path = settings.trusted_user_ca_keys.value.as_ref()?;
    let bytes = match read_limited(path, CA_FILE_BYTES) {
        Ok(bytes) => bytes,
        Err(error) => {
            log::error!("Could not open CA keys '{}': {error}", path.display());
            return None;
        }
    };
    let text = String::from_utf8_lossy(&bytes);
    let is_trusted = text.lines().any(|line| {
        let line = line.trim();
        !line.starts_with('#')
            && PublicKey::from_line(line).is_ok_and(|(ca, _)| ca == certificate.signature_key)
    });
    if !is_trusted {
        log::debug!(
            "CA of certificate {} is not listed in {}",
            printable(&certificate.key_id, 100),
            path.display()
        );
        return None;
    }
    let file = settings.authorized_principals_file.value.as_deref();
    let file = file.filter(|file| !file.eq_ignore_ascii_case("none"));
    let command = settings.authorized_principals_command.value.as_deref();
    // With a file or a command the account's own name counts only when they say so.
    let principals = if file.is_none() && command.is_none() {
        certificate.principals.contains(&account.name).then_some(None)
    } else {
        file.and_then(|file| from_file(file, certificate, facts, account, settings))
            .or_else(|| {
                let command = command.filter(|_| valid)?;
                from_command(command, key, certificate, facts, account, settings)
            })
            .map(Some)
    };
    let Some(principals) = principals else {
        log_refusal(certificate, "name is not a listed principal");
        return None;
    };
    check(certificate, principals.as_ref(), facts, settings)
}

/// A certificate by a CA that a line of `authorized_keys` names with `cert-authority`.
pub(super) fn by_entry(
    key: &PublicKey,
    entry: &Entry,
    place: &str,
    facts: &Facts<'_>,
    account: &Account,
    settings: &ServerSettings,
) -> Option<Grant> {
    let certificate = key.certificate()?;
    if certificate.signature_key != entry.key || !check_options(&entry.options, place, facts) {
        return None;
    }
    let named = |wanted: &str| certificate.principals.iter().any(|name| name == wanted);
    let fits = match &entry.options.principals {
        Some(list) => list.iter().any(|name| named(name)),
        None => named(&account.name),
    };
    if !fits {
        log_refusal(certificate, "name is not a listed principal");
        return None;
    }
    check(certificate, Some(&entry.options), facts, settings)
}

/// The options of the first line of the principals file that names one of the certificate's.
fn from_file(
    setting: &str,
    certificate: &Certificate,
    facts: &Facts<'_>,
    account: &Account,
    settings: &ServerSettings,
) -> Option<Options> {
    for file in
        authorized::read(setting, account, "authorized principals", settings.strict_modes.value)
    {
        let file = match file {
            Ok(file) => file,
            Err(error) => {
                log::debug!("{error}");
                continue;
            }
        };
        let source = file.path.display().to_string();
        if let Some(options) = search(&file.text, &source, certificate, facts) {
            return Some(options);
        }
    }
    None
}

/// The same of what `AuthorizedPrincipalsCommand` prints.
fn from_command(
    command: &str,
    key: &PublicKey,
    certificate: &Certificate,
    facts: &Facts<'_>,
    account: &Account,
    settings: &ServerSettings,
) -> Option<Options> {
    let keyword = "AuthorizedPrincipalsCommand";
    let user = settings.authorized_principals_command_user.value.as_deref();
    let lookup = Lookup { keyword, command, user };
    let values = commands::tokens(account, facts, key);
    let text = lookup.run(account, &commands::certificate_tokens(values, certificate))?;
    search(&text, keyword, certificate, facts)
}

fn search(
    text: &str,
    source: &str,
    certificate: &Certificate,
    facts: &Facts<'_>,
) -> Option<Options> {
    for (number, line) in (1..).zip(text.lines()) {
        let line = without_comment(line).trim();
        if line.is_empty() {
            continue;
        }
        // The name is the last word; options before it may have blanks in quotes.
        let (options, name) = match line.rsplit_once([' ', '\t']) {
            Some((options, name)) => (options.trim(), name),
            None => ("", line),
        };
        if !certificate.principals.iter().any(|principal| principal == name) {
            continue;
        }
        match Options::parse(options) {
            Ok(options) => {
                if check_options(&options, &format!("{source}:{number}"), facts) {
                    return Some(options);
                }
            }
            Err(error) => log::info!("{source}:{number}: {error}"),
        }
    }
    None
}

/// The line up to a `#` outside quotes.
fn without_comment(line: &str) -> &str {
    let mut quoted = false;
    let mut escaped = false;
    for (at, c) in line.char_indices() {
        match c {
            _ if escaped => escaped = false,
            // As in options: only \" is an escape.
            '\\' => escaped = line.get(at + 1..).is_some_and(|rest| rest.starts_with('"')),
            '"' => quoted = !quoted,
            '#' if !quoted => return line.get(..at).unwrap_or(line),
            _ => {}
        }
    }
    line
}

/// The certificate's own terms, and with them those of the line that led to it, if one did. Whom it names has been
/// checked by then.
fn check(
    certificate: &Certificate,
    line: Option<&Options>,
    facts: &Facts<'_>,
    settings: &ServerSettings,
) -> Option<Grant> {
    let signed_by = &settings.ca_signature_algorithms.value;
    let algorithm = certificate.signature_algorithm;
    if !signed_by.iter().any(|name| name == algorithm) {
        log_refusal(
            certificate,
            &format!("signature algorithm {algorithm} of the CA is not allowed"),
        );
        return None;
    }
    let terms = certificate
        .check(CertificateKind::User, None, now_seconds(), false)
        .and_then(|()| certificate.options());
    let terms = match terms {
        Ok(terms) => terms,
        Err(error) => {
            log::info!("{error}");
            return None;
        }
    };
    if let Some(list) = &terms.source_address {
        let from_here = facts
            .remote()
            .is_some_and(|remote| keys::address::matches_cidr_list(list, remote).unwrap_or(false));
        if !from_here {
            log_refusal(
                certificate,
                &format!("not valid for use from source address {}", facts.ends.remote_address),
            );
            return None;
        }
    }
    let mut granted = grant(line.unwrap_or(&Options::default()), settings);
    // Two commands that differ leave nothing that could be run.
    match (&granted.options.force_command, &terms.force_command) {
        (Some(of_line), Some(of_certificate)) if of_line != of_certificate => {
            log_refusal(certificate, "forced commands do not match");
            return None;
        }
        (None, Some(command)) => granted.options.force_command = Some(command.clone()),
        _ => {}
    }
    granted.options.pty &= terms.permit_pty;
    granted.options.agent_forwarding &= terms.permit_agent_forwarding;
    granted.options.port_forwarding &= terms.permit_port_forwarding;
    granted.options.x11_forwarding &= terms.permit_x11_forwarding;
    granted.options.user_rc &= terms.permit_user_rc;
    // The signer and whoever wrote the line both have to do without it.
    granted.verify.require_touch = settings.pubkey_auth_options.value.touch_required
        || !(terms.no_touch_required && line.is_none_or(|line| line.no_touch_required));
    granted.verify.require_verification |= terms.verify_required;
    log::info!(
        target: crate::VERBOSE,
        "Accepted certificate ID \"{}\" (serial {}) signed by {} CA {}",
        printable(&certificate.key_id, 200),
        certificate.serial,
        certificate.signature_key.type_label(),
        certificate.signature_key.fingerprint(keys::FingerprintHash::Sha256)
    );
    Some(granted)
}

fn log_refusal(certificate: &Certificate, reason: &str) {
    log::info!("Certificate \"{}\" invalid: {reason}", printable(&certificate.key_id, 200));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::requests::Ends;
    use keys::{KeyKind, PrivateKey};

    /// One for the principal `role`, by a CA that has touches waived or not.
    fn certificate(waived: bool) -> Certificate {
        let ca = PrivateKey::generate(KeyKind::Ed25519, None, "").unwrap();
        let waiver = ("no-touch-required".to_owned(), Vec::new());
        Certificate {
            serial: 1,
            kind: CertificateKind::User,
            key_id: "an id".into(),
            principals: vec!["role".into()],
            valid_after: 0,
            valid_before: u64::MAX,
            critical_options: Vec::new(),
            extensions: if waived { vec![waiver] } else { Vec::new() },
            signature_key: ca.public().clone(),
            signature_algorithm: "ssh-ed25519",
        }
    }

    fn ends() -> Ends {
        Ends {
            remote_address: "192.0.2.1".into(),
            remote_host: "192.0.2.1".into(),
            remote_port: 1,
            local_address: "192.0.2.2".into(),
            local_port: 22,
            routing_domain: String::new(),
        }
    }

    fn facts(ends: &Ends) -> Facts<'_> {
        Facts { ends, session_id: &[], host_key: &[], timing_secret: &[] }
    }

    #[test]
    fn lines_of_principals() {
        let (ends, certificate) = (ends(), certificate(false));
        let found = |text: &str| search(text, "file", &certificate, &facts(&ends));
        assert!(found("other\n \n# role\nrole").is_some());
        assert!(found("role # the role of others").is_some());
        assert!(found("other # role").is_none());
        let options = found("command=\"echo '#1'\" role\t# one").unwrap();
        assert_eq!(options.command.as_deref(), Some("echo '#1'"));
        assert!(found("command=\"say \\\"#1\\\"\" role#one").is_some());
        assert!(found("expiry-time=\"20000101\" role").is_none());
        assert!(found("expiry-time=\"29991231\" role").is_some());
        assert!(found("from=\"198.51.100.0/24\" role").is_none());
        assert!(found("from=\"192.0.2.0/24\" role").is_some());
    }

    #[test]
    fn a_touch_is_waived_by_all_or_not_at_all() {
        let (ends, mut settings) = (ends(), ServerSettings::default());
        settings.ca_signature_algorithms.value = vec!["ssh-ed25519".into()];
        let required = |waived, line: Option<&str>| {
            let line = line.map(|line| Options::parse(line).unwrap());
            let grant = check(&certificate(waived), line.as_ref(), &facts(&ends), &settings);
            grant.unwrap().verify.require_touch
        };
        assert!(required(false, None));
        assert!(!required(true, None));
        assert!(required(true, Some("")));
        assert!(required(false, Some("no-touch-required")));
        assert!(!required(true, Some("no-touch-required")));
    }
}
