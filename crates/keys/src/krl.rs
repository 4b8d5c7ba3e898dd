//! Key revocation lists, PROTOCOL.krl: which keys and certificates must no longer be accepted.
//!
//! Signed lists are refused: OpenSSH has given their signatures up as well.

use std::collections::{BTreeMap, BTreeSet};

use crypto::hash::HashAlgorithm;

use crate::error::Error;
use crate::public::PublicKey;

mod read;
mod write;

/// What a list begins with.
pub const MAGIC: &[u8; 8] = b"SSHKRL\n\0";

/// A revocation list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Krl {
    /// Counted up by who maintains it.
    pub version: u64,
    /// When it was written, in seconds since 1970.
    pub generated: u64,
    /// Words about it.
    pub comment: String,
    keys: BTreeSet<Vec<u8>>,
    sha1: BTreeSet<[u8; 20]>,
    sha256: BTreeSet<[u8; 32]>,
    authorities: Vec<Authority>,
}

/// What is revoked of the certificates that one CA signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    /// The CA; none for certificates of any.
    pub ca: Option<PublicKey>,
    /// First and last serial numbers; they neither overlap nor touch.
    serials: BTreeMap<u64, u64>,
    key_ids: BTreeSet<String>,
}

impl Authority {
    /// The ranges of revoked serial numbers, first and last, in order.
    pub fn serials(&self) -> impl Iterator<Item = (u64, u64)> {
        self.serials.iter().map(|(first, last)| (*first, *last))
    }

    /// The revoked key ids, in order.
    pub fn key_ids(&self) -> impl Iterator<Item = &str> {
        self.key_ids.iter().map(String::as_str)
    }

    /// Adds a range, joining it with those it overlaps or touches.
    fn add_serials(&mut self, first: u64, last: u64) {
        let (mut first, mut last) = (first, last);
        while let Some((&start, &end)) = self.serials.range(..=last.saturating_add(1)).next_back() {
            if end.saturating_add(1) < first {
                break;
            }
            self.serials.remove(&start);
            first = first.min(start);
            last = last.max(end);
        }
        self.serials.insert(first, last);
    }

    fn has_serial(&self, serial: u64) -> bool {
        self.serials.range(..=serial).next_back().is_some_and(|(_, last)| serial <= *last)
    }
}

impl Krl {
    /// The revoked keys as blobs, in order.
    pub fn keys(&self) -> impl Iterator<Item = &[u8]> {
        self.keys.iter().map(Vec::as_slice)
    }

    /// The SHA-1 hashes of revoked keys, in order.
    pub fn sha1(&self) -> impl Iterator<Item = &[u8; 20]> {
        self.sha1.iter()
    }

    /// The SHA-256 hashes of revoked keys, in order.
    pub fn sha256(&self) -> impl Iterator<Item = &[u8; 32]> {
        self.sha256.iter()
    }

    /// What is revoked of CAs' certificates.
    pub fn authorities(&self) -> &[Authority] {
        &self.authorities
    }

    /// Revokes what the key is: a certificate by its serial number, or by its key id where it
    /// has none, a plain key as it is.
    pub fn revoke(&mut self, key: &PublicKey) {
        match key.certificate() {
            None => self.revoke_key(key),
            Some(certificate) => {
                let ca = Some(certificate.signature_key.clone());
                if certificate.serial == 0 {
                    self.revoke_key_id(ca, &certificate.key_id);
                } else {
                    self.revoke_serials(ca, certificate.serial, certificate.serial);
                }
            }
        }
    }

    /// Revokes a key, and every certificate of it.
    pub fn revoke_key(&mut self, key: &PublicKey) {
        self.keys.insert(key.plain().blob().to_vec());
    }

    /// The same, by its SHA-1 hash.
    pub fn revoke_sha1(&mut self, key: &PublicKey) {
        self.sha1.extend(digest::<20>(HashAlgorithm::Sha1, key));
    }

    /// The same, by its SHA-256 hash.
    pub fn revoke_sha256(&mut self, key: &PublicKey) {
        self.sha256.extend(digest::<32>(HashAlgorithm::Sha256, key));
    }

    /// The same, given a fingerprint such as `SHA256:...`.
    ///
    /// # Errors
    /// [`Error::BadKrl`] when it is no such fingerprint.
    pub fn revoke_fingerprint(&mut self, fingerprint: &str) -> Result<(), Error> {
        let bad = Error::BadKrl("a hash must be SHA256: and base64 text");
        let text = fingerprint.strip_prefix("SHA256:").ok_or(bad.clone())?;
        let padded = format!("{}=", text.trim_end_matches('='));
        let hash = crate::base64::decode(padded.as_bytes()).ok_or(bad.clone())?;
        self.sha256.insert(hash.try_into().map_err(|_| bad)?);
        Ok(())
    }

    /// Revokes certificates by serial number, both ends included; without a CA, those of every CA.
    pub fn revoke_serials(&mut self, ca: Option<PublicKey>, first: u64, last: u64) {
        self.authority(ca).add_serials(first, last.max(first));
    }

    /// Revokes certificates by their key id; without a CA, those of every CA.
    pub fn revoke_key_id(&mut self, ca: Option<PublicKey>, key_id: &str) {
        self.authority(ca).key_ids.insert(key_id.to_owned());
    }

    /// Whether the key, its certificate or the certificate's CA is revoked.
    pub fn is_revoked(&self, key: &PublicKey) -> bool {
        if self.has_key(key) {
            return true;
        }
        let Some(certificate) = key.certificate() else { return false };
        let by_certificate = self.authorities.iter().any(|authority| {
            authority.ca.as_ref().is_none_or(|ca| *ca == certificate.signature_key)
                && (authority.key_ids.contains(&certificate.key_id)
                    // Zero stands for no number.
                    || certificate.serial != 0 && authority.has_serial(certificate.serial))
        });
        by_certificate || self.has_key(&certificate.signature_key)
    }

    fn has_key(&self, key: &PublicKey) -> bool {
        self.keys.contains(key.plain().blob())
            || digest::<20>(HashAlgorithm::Sha1, key).is_some_and(|hash| self.sha1.contains(&hash))
            || digest::<32>(HashAlgorithm::Sha256, key)
                .is_some_and(|hash| self.sha256.contains(&hash))
    }

    fn authority(&mut self, ca: Option<PublicKey>) -> &mut Authority {
        let ca = ca.map(|ca| ca.plain());
        let known = self.authorities.iter().position(|authority| authority.ca == ca);
        let at = known.unwrap_or_else(|| {
            let (serials, key_ids) = (BTreeMap::new(), BTreeSet::new());
            self.authorities.push(Authority { ca, serials, key_ids });
            self.authorities.len() - 1
        });
        &mut self.authorities[at]
    }
}

/// Whether a file of revoked keys, a KRL or a list of public keys one a line, revokes the key or
/// its certificate's CA.
///
/// # Errors
/// A KRL that cannot be read. Lines that are no keys revoke nothing.
pub fn file_revokes(file: &[u8], key: &PublicKey) -> Result<bool, Error> {
    if file.starts_with(MAGIC) {
        return Ok(Krl::from_bytes(file)?.is_revoked(key));
    }
    let plain = key.plain();
    let ca = key.certificate().map(|certificate| &certificate.signature_key);
    Ok(String::from_utf8_lossy(file)
        .lines()
        .filter_map(|line| PublicKey::from_line(line).ok())
        .any(|(listed, _)| listed.plain() == plain || Some(&listed) == ca))
}

fn digest<const N: usize>(hash: HashAlgorithm, key: &PublicKey) -> Option<[u8; N]> {
    hash.digest(&[key.plain().blob()]).as_ref().try_into().ok()
}

#[cfg(test)]
mod tests;
