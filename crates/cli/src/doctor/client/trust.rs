//! What the files say about the host's key.

use std::net::SocketAddr;
use std::path::PathBuf;

use config::ClientConfig;
use doctor::visit::Visit;

use crate::doctor::login::Trust;
use crate::files;
use keys::known_hosts::Verdict;
use keys::{CertificateKind, PublicKey, krl};

/// Largest file of known or revoked keys that is read.
pub(super) const FILE_BYTES_MAX: u64 = 256 << 20;

pub(super) fn trust(
    visit: &Visit,
    config: &ClientConfig,
    address: Option<SocketAddr>,
    key: &PublicKey,
) -> Trust {
    if revoked_by(config, key).is_some() {
        return Trust::Bad;
    }
    if is_excused(config, address) {
        return Trust::Known;
    }
    let name = &visit.target.known_name;
    match visit.known.judge(name, key) {
        Verdict::Known(_) => Trust::Known,
        Verdict::Revoked(_) | Verdict::Changed(_) => Trust::Bad,
        Verdict::CertAuthority(_) => {
            let good = key.certificate().is_some_and(|certificate| {
                let principal = Some(visit.target.principal.as_str());
                certificate.check(CertificateKind::Host, principal, visit.now_seconds, true).is_ok()
            });
            let plain = key.plain();
            match visit.known.judge(name, &plain) {
                _ if good => Trust::Known,
                Verdict::Known(_) => Trust::Known,
                _ => Trust::Bad,
            }
        }
        Verdict::OtherTypes(_) | Verdict::Unknown => Trust::Unknown,
    }
}

pub(super) fn is_excused(config: &ClientConfig, address: Option<SocketAddr>) -> bool {
    *config.no_host_authentication_for_localhost
        && config.host_key_alias.is_none()
        && address.is_some_and(|address| address.ip().is_loopback())
}

/// The list of revoked keys that has the key, or that cannot be read.
pub(super) fn revoked_by(
    config: &ClientConfig,
    key: &PublicKey,
) -> Option<(PathBuf, Option<String>)> {
    config.revoked_host_keys.iter().find_map(|path| {
        let judged = files::read_limited(path, FILE_BYTES_MAX)
            .map_err(|source| crate::text::reason(&source))
            .and_then(|file| krl::file_revokes(&file, key).map_err(|why| why.to_string()));
        match judged {
            Ok(false) => None,
            Ok(true) => Some((path.clone(), None)),
            Err(why) => Some((path.clone(), Some(why))),
        }
    })
}
