//! Fingerprints of host keys in the DNS, RFC 4255, and whether they may be believed.
//!
//! What the servers of `/etc/resolv.conf` say is validated here, from the keys of the root zone
//! down (RFC 4035 §5), by hickory's validator; their own word that an answer is valid (the AD bit)
//! counts for nothing. Nothing of this runs for those who did not set `VerifyHostKeyDNS`.

mod anchors;
mod blocking;
mod servers;

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use hickory_net::dnssec::DnssecDnsHandle;
use hickory_net::xfer::{DnsHandle as _, FirstAnswer as _};
use hickory_net::{DnsError, NetError};
use hickory_proto::dnssec::Proof;
use hickory_proto::op::{DnsRequestOptions, Message, Query};
use hickory_proto::rr::{Name, RData, Record, RecordType};

use self::anchors::Anchors;
use self::servers::Servers;
use crate::messages::debug;

/// Records that are kept of an answer.
const RECORDS_MAX: usize = 64;
/// Aliases that are followed within an answer.
const ALIASES_MAX: usize = 8;

/// What was found for a host.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// The fingerprints.
    pub records: Vec<Fingerprint>,
    /// Whether they may be believed.
    pub standing: Standing,
}

/// One SSHFP record.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fingerprint {
    /// Of the key. RFC 4255 §3.1.1.
    pub algorithm: u8,
    /// Of the digest. RFC 4255 §3.1.2.
    pub digest_type: u8,
    /// The fingerprint itself.
    pub digest: Vec<u8>,
}

/// The four states of RFC 4033 §5.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// Signed, from a trust anchor down.
    Secure,
    /// Proven to be in a zone that is not signed.
    Insecure,
    /// Nobody could tell, for this reason: servers that pass no signatures on, or none that answer.
    Indeterminate(String),
    /// There should be a signature that is right, and there is none.
    Bogus,
}

/// Asks for the records of `host`. Waits for the servers, for a bounded time.
///
/// # Errors
/// A sentence, when there is no answer at all.
pub(super) fn look_up(host: &str) -> Result<Found, String> {
    let servers = Servers::of_system()?;
    let mut name = Name::from_ascii(host).map_err(|source| source.to_string())?;
    name.set_fqdn(true);
    let anchors = Anchors::load().complete(&name, &servers);
    let validator = DnssecDnsHandle::with_trust_anchor(servers.clone(), anchors.into());
    let mut proofs = Vec::new();
    for _ in 0..ALIASES_MAX {
        let (message, is_proven) = ask(&validator, &name, RecordType::SSHFP)?;
        if is_proven {
            proofs.extend(follow(&message, &mut name));
            return Ok(read(&message, &name, proofs, &servers));
        }
        // Some servers add proofs of absence to an alias, which the validator takes for the proof
        // of another answer: one step at a time it can judge.
        if alias(&message, &name).is_none() {
            proofs.push(Proof::Bogus);
            return Ok(read(&message, &name, proofs, &servers));
        }
        let (message, is_proven) = ask(&validator, &name, RecordType::CNAME)?;
        let Some((target, proof)) = alias(&message, &name) else { break };
        proofs.push(if is_proven { proof } else { Proof::Bogus });
        name = target.clone();
    }
    Err("too many aliases".to_owned())
}

/// An answer whose records have been judged, and whether what it says is absent is.
fn ask(
    validator: &DnssecDnsHandle<Servers>,
    name: &Name,
    kind: RecordType,
) -> Result<(Message, bool), String> {
    let query = Query::query(name.clone(), kind);
    let lookup = validator.lookup(query, DnsRequestOptions::default());
    match finish(lookup.first_answer()) {
        Some(Ok(answer)) => Ok((answer.into_message(), true)),
        Some(Err(NetError::Dns(DnsError::Nsec { response, .. }))) => {
            Ok((response.into_message(), false))
        }
        Some(Err(source)) => Err(validator.inner().failure().unwrap_or_else(|| source.to_string())),
        None => Err("the validator waits for something else than the servers".to_owned()),
    }
}

/// Runs what never waits outside of [`Servers`], which blocks.
fn finish<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// What `name` is an alias of, and how sure that is.
fn alias<'a>(message: &'a Message, name: &Name) -> Option<(&'a Name, Proof)> {
    message.answers.iter().find_map(|record| match &record.data {
        RData::CNAME(target) if record.name == *name => Some((&target.0, record.proof)),
        _ => None,
    })
}

/// Goes to the end of the aliases in an answer.
fn follow(message: &Message, name: &mut Name) -> Vec<Proof> {
    let mut proofs = Vec::new();
    while let Some((target, proof)) = alias(message, name) {
        proofs.push(proof);
        *name = target.clone();
        if proofs.len() == ALIASES_MAX {
            break;
        }
    }
    proofs
}

/// The fingerprints of `name`, and what the weakest of the proofs says of them.
fn read(message: &Message, name: &Name, mut proofs: Vec<Proof>, servers: &Servers) -> Found {
    let of_host = |record: &&Record| record.name == *name;
    let records = message.answers.iter().filter(of_host).filter_map(|record| {
        let RData::SSHFP(fields) = &record.data else { return None };
        proofs.push(record.proof);
        Some(Fingerprint {
            algorithm: fields.algorithm.into(),
            digest_type: fields.fingerprint_type.into(),
            digest: fields.fingerprint.clone(),
        })
    });
    let records = records.take(RECORDS_MAX).collect();
    debug!("DNSSEC: {proofs:?}");
    Found { records, standing: standing(&proofs, servers) }
}

fn standing(proofs: &[Proof], servers: &Servers) -> Standing {
    let all_are = |expected: &[Proof]| proofs.iter().all(|proof| expected.contains(proof));
    if all_are(&[Proof::Secure]) {
        return Standing::Secure;
    }
    if all_are(&[Proof::Secure, Proof::Insecure]) {
        return Standing::Insecure;
    }
    // The validator says "bogus" also of what it could not get.
    match servers.failure() {
        Some(why) => Standing::Indeterminate(why),
        None if !servers.pass_signatures() => Standing::Indeterminate(format!(
            "the DNS server {} passes no signatures on",
            servers.last_asked()
        )),
        None => Standing::Bogus,
    }
}
