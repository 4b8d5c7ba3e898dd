//! The user's keys: where each is from, and what became of it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use config::Origin;
use doctor::probe::key_file;
use doctor::visit::{Certificate, CertificateProblem, Fate, Key};
use keys::{CertificateKind, FingerprintHash, PublicKey};

use super::Tour;
use crate::doctor::place;
use crate::ssh::paths;
use crate::sys;

impl Tour<'_> {
    pub(super) fn collect_keys(&mut self) {
        for (index, identity) in self.identities.list.iter().enumerate() {
            let name = identity.name.as_str();
            let plain = name.strip_suffix("-cert").unwrap_or(name);
            let line = self
                .named
                .iter()
                .find(|file| *file.value == *Path::new(name) || *file.value == *Path::new(plain));
            let source = match line.map(|file| &file.origin) {
                _ if identity.in_agent => "from the agent".to_owned(),
                Some(Origin::Default) | None => "a standard file".to_owned(),
                Some(origin) => place(origin).unwrap_or_default(),
            };
            let fate = match self.fates.get(index).cloned().flatten() {
                Some(fate) => fate,
                None => Fate::NotReached,
            };
            let certificate = identity.public.as_ref().and_then(PublicKey::certificate);
            self.visit.login.keys.push(Key {
                name: identity.name.clone(),
                label: identity.public.as_ref().map(|key| {
                    format!("{} {}", key.type_label(), key.fingerprint(FingerprintHash::Sha256))
                }),
                source,
                named: identity.explicit,
                in_agent: identity.in_agent,
                certificate: certificate.map(|one| self.certificate(one)),
                file: match &identity.file {
                    Some(file) if !identity.in_agent => Some(key_file::look(file)),
                    _ => None,
                },
                fate,
            });
        }
    }

    /// What a certificate says about this login.
    pub(super) fn certificate(&self, certificate: &keys::Certificate) -> Certificate {
        let now = self.visit.now_seconds;
        let checked = certificate.check(CertificateKind::User, None, now, false);
        let is_for = |user: &String| certificate.principals.contains(user);
        let date = |seconds: u64| sys::clock::utc(seconds, "%Y-%m-%d %H:%M:%S UTC");
        let source = certificate.options().ok().and_then(|options| options.source_address);
        let problem = match checked {
            Err(keys::CertificateError::Expired) => {
                Some(CertificateProblem::Expired(date(certificate.valid_before)))
            }
            Err(keys::CertificateError::NotYetValid) => {
                Some(CertificateProblem::NotYetValid(date(certificate.valid_after)))
            }
            Err(problem) => Some(CertificateProblem::Other(problem.to_string())),
            Ok(()) if !certificate.principals.is_empty() && !is_for(&self.visit.target.user) => {
                Some(CertificateProblem::OtherName(certificate.principals.join(",")))
            }
            Ok(()) => source.map(CertificateProblem::OtherSource),
        };
        let authority = &certificate.signature_key;
        let fingerprint = authority.fingerprint(FingerprintHash::Sha256);
        Certificate { problem, authority: format!("{} {fingerprint}", authority.type_label()) }
    }

    /// Files behind `-i` that are not there, which ssh leaves out.
    pub(super) fn collect_missing(&mut self, words: &[OsString]) {
        let own = paths::own_account().map(|own| own.home);
        let mut words = words.iter().filter_map(|word| word.to_str());
        while let Some(word) = words.next() {
            let name = match word.strip_prefix("-i") {
                Some("") => words.next().unwrap_or_default(),
                Some(name) => name,
                None => continue,
            };
            let path = match (name.strip_prefix("~/"), &own) {
                (Some(rest), Some(home)) => home.join(rest),
                _ => PathBuf::from(name),
            };
            if name.is_empty()
                || path.exists()
                || self.visit.login.keys.iter().any(|key| key.name == name)
            {
                continue;
            }
            self.visit.login.keys.push(Key {
                name: name.to_owned(),
                label: None,
                source: "the command line".to_owned(),
                named: true,
                in_agent: false,
                fate: Fate::Skipped("there is no such file".to_owned()),
                certificate: None,
                file: Some(key_file::look(&path)),
            });
        }
    }
}
