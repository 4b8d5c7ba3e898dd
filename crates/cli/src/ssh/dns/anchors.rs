//! The keys that validation starts from: the root zone's, and what files add to them.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use hickory_proto::dnssec::rdata::{DNSKEY, DNSSECRData};
use hickory_proto::dnssec::{TrustAnchors, Verifier as _};
use hickory_proto::op::{DnsRequest, DnsRequestOptions, Message, Query};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType, SerialNumber};
use hickory_proto::serialize::txt::trust_anchor::{Entry, Parser};

use super::servers::Servers;
use crate::files;
use crate::messages::{debug, error};
use crate::ssh::paths;
use crate::text::reason;

/// Files of DNSKEY records, all optional: the distribution's, the administrator's, the user's.
const FILES: [&str; 3] =
    ["/usr/share/dns/root.key", "/etc/ssh/dnssec_anchors", "~/.ssh/dnssec_anchors"];
const FILE_BYTES_MAX: u64 = 64 * 1024;
/// Pairs of a key and a signature that are looked at for one zone.
const CHECKS_MAX: usize = 16;

/// The keys, and whose they are.
pub(super) struct Anchors {
    keys: TrustAnchors,
    /// Zones other than the root that have some.
    zones: Vec<Name>,
}

impl Anchors {
    /// The built-in keys of the root zone and those of the files.
    pub(super) fn load() -> Self {
        let mut anchors = Anchors { keys: TrustAnchors::default(), zones: Vec::new() };
        for name in FILES {
            let path = paths::expand_tilde(name);
            if let Err(why) = anchors.add(&path) {
                error!("{}: {why}; its DNSSEC keys are not used", path.display());
            }
        }
        debug!("DNSSEC: {} keys of the root zone are trusted", anchors.keys.len());
        anchors
    }

    fn add(&mut self, path: &Path) -> Result<(), String> {
        let bytes = match files::read_limited(path, FILE_BYTES_MAX) {
            Ok(bytes) => bytes,
            Err(source) if source.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(source) => return Err(reason(&source)),
        };
        let mut text = String::from_utf8(bytes).map_err(|_| "not text".to_owned())?;
        text.push('\n');
        for entry in Parser::new(text).parse().map_err(|source| source.to_string())? {
            let Entry::DNSKEY(record) = entry else { continue };
            let mut zone = record.name().clone();
            zone.set_fqdn(true);
            self.keys.insert_with_name(record.data().public_key(), (&zone).into());
            if !zone.is_root() && !self.zones.contains(&zone) {
                self.zones.push(zone);
            }
        }
        Ok(())
    }

    /// The keys for names below `host`'s zones.
    ///
    /// The validator knows how to go from a zone to its parent's word on its keys (DS). A private
    /// zone's parent says nothing, so the zone's other keys are taken from the set of keys that
    /// the trusted one has signed. RFC 4035 §5.
    pub(super) fn complete(mut self, host: &Name, servers: &Servers) -> TrustAnchors {
        for zone in std::mem::take(&mut self.zones) {
            if zone.zone_of(host)
                && let Some(message) = ask_for_keys(&zone, servers)
                && self.vouches_for(&zone, &message)
            {
                for key in keys_of(&zone, &message).filter(|key| is_usable(key)) {
                    self.keys.insert_with_name(key.public_key(), (&zone).into());
                }
            }
        }
        self.keys
    }

    /// Whether a trusted key of the zone has signed the zone's keys.
    fn vouches_for(&self, zone: &Name, message: &Message) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
        // The field has 32 bits, and is compared as a serial number: RFC 4034 §3.1.5.
        let now = SerialNumber::new(now as u32);
        let set: Vec<&Record> = message.answers.iter().filter(|one| is_key_of(one, zone)).collect();
        let is_trusted = |key: &&DNSKEY| {
            is_usable(key) && self.keys.contains_with_name(key.public_key(), &zone.into())
        };
        let trusted: Vec<&DNSKEY> = keys_of(zone, message).filter(is_trusted).collect();
        let signatures = message.answers.iter().filter_map(|record| {
            let RData::DNSSEC(DNSSECRData::RRSIG(signature)) = &record.data else { return None };
            let input = signature.input();
            let is_right = record.name == *zone
                && input.type_covered == RecordType::DNSKEY
                && input.signer_name == *zone
                && input.num_labels == zone.num_labels()
                && input.sig_inception <= now
                && now <= input.sig_expiration;
            is_right.then_some(signature)
        });
        signatures
            .flat_map(|signature| trusted.iter().map(move |key| (signature, *key)))
            .filter(|(signature, key)| {
                let input = signature.input();
                key.algorithm() == input.algorithm
                    && key.calculate_key_tag().is_ok_and(|tag| tag == input.key_tag)
            })
            .take(CHECKS_MAX)
            .any(|(signature, key)| {
                key.verify_rrsig(zone, DNSClass::IN, signature, set.iter().copied()).is_ok()
            })
    }
}

fn ask_for_keys(zone: &Name, servers: &Servers) -> Option<Message> {
    let query = Query::query(zone.clone(), RecordType::DNSKEY);
    let request = DnsRequest::from_query(query, DnsRequestOptions::default());
    match servers.answer(request) {
        Ok(answer) => Some(answer.into_message()),
        // The validator will come to the same question, and to its end.
        Err(why) => {
            debug!("DNS: {why}");
            None
        }
    }
}

fn is_key_of(record: &Record, zone: &Name) -> bool {
    record.name == *zone && record.record_type() == RecordType::DNSKEY
}

fn keys_of<'a>(zone: &Name, message: &'a Message) -> impl Iterator<Item = &'a DNSKEY> {
    let records = message.answers.iter().filter(move |record| is_key_of(record, zone));
    records.filter_map(|record| match &record.data {
        RData::DNSSEC(DNSSECRData::DNSKEY(key)) => Some(key),
        _ => None,
    })
}

/// RFC 4034 §2.1.1, RFC 5011 §2.1.
fn is_usable(key: &DNSKEY) -> bool {
    key.zone_key() && !key.revoke()
}
