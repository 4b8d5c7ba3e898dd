//! `VerifyHostKeyDNS`: what the fingerprints in the DNS mean for a key. RFC 4255.

use std::net::IpAddr;

use config::YesNoAsk;
use keys::PublicKey;

use super::HostKeys;
use crate::messages::{debug, error, info};
use crate::ssh::dns::{self, Fingerprint, Found, Standing};

const SHA1: u8 = 1;
const SHA256: u8 = 2;

/// What the DNS says about a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Records {
    /// Nothing, or nobody was asked.
    None,
    /// The key is there, and may be believed to be so, or not.
    Match(Standing),
    /// Only others are there.
    Mismatch,
    /// There is something that somebody may have forged.
    Bogus,
}

impl HostKeys {
    /// Asks for the records of the host, if that is wanted.
    pub(super) fn ask_records(&self, key: &PublicKey) -> Records {
        if *self.config.verify_host_key_dns == YesNoAsk::No {
            return Records::None;
        }
        let name = self.config.host_name.as_str();
        if name.parse::<IpAddr>().is_ok() {
            debug!("skipped DNS lookup for numerical hostname");
            return Records::None;
        }
        let found = match dns::look_up(name) {
            Ok(found) => found,
            Err(why) => {
                debug!("DNS lookup error: {why}");
                return Records::None;
            }
        };
        let kind = if found.standing == Standing::Secure { "secure" } else { "insecure" };
        debug!("found {} {kind} fingerprints in DNS", found.records.len());
        judge(&found, key)
    }

    /// Says that the DNS knows other keys.
    pub(super) fn alarm_records(&self, key: &PublicKey) {
        self.say_changed(key);
        error!("Update the SSHFP RR in DNS with the new host key to get rid of this message.");
    }

    /// Says that the DNS was not listened to.
    pub(super) fn alarm_bogus_records(&self) {
        error!(
            "The DNS has fingerprints for {} whose signatures are not valid (DNSSEC: bogus); they \
             are not used. Somebody may be forging answers, or the zone is wrongly signed, or the \
             clock of this machine is wrong.",
            *self.config.host_name
        );
    }

    /// Says before a question or a refusal why a fingerprint in the DNS was not enough.
    pub(super) fn explain_records(&self) {
        if *self.config.verify_host_key_dns != YesNoAsk::Yes {
            return;
        }
        let why = match &self.records {
            Records::Match(Standing::Insecure) => "its zone is not signed",
            Records::Match(Standing::Indeterminate(why)) => why,
            _ => return,
        };
        info!("ssh: the DNS has this key's fingerprint, but it cannot be relied on: {why}");
    }
}

/// SHA-256 decides where the DNS has it: RFC 6594 §4.1 prefers it.
fn judge(found: &Found, key: &PublicKey) -> Records {
    if found.records.is_empty() {
        return Records::None;
    }
    if found.standing == Standing::Bogus {
        return Records::Bogus;
    }
    let ours = key.sshfp();
    let of_type = |kind: u8| {
        let (algorithm, _, digest) = ours.iter().find(|(_, one, _)| *one == kind)?;
        let is_like = |one: &&Fingerprint| (one.algorithm, one.digest_type) == (*algorithm, kind);
        let mut theirs = found.records.iter().filter(is_like).peekable();
        theirs.peek()?;
        Some(theirs.any(|one| one.digest == *digest))
    };
    match of_type(SHA256).or_else(|| of_type(SHA1)) {
        Some(true) => {
            debug!("matching host key fingerprint found in DNS");
            Records::Match(found.standing.clone())
        }
        Some(false) => {
            debug!("mismatching host key fingerprint found in DNS");
            Records::Mismatch
        }
        None => Records::None,
    }
}
