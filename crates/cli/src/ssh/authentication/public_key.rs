//! Logging in by key (RFC 4252 §7).

use keys::PublicKey;
use net::Link;
use proto::{AuthAttempt, Client, SignAsk};

use super::{Attempt, Authentication, Method, Step};
use crate::messages::{debug, error};
use crate::ssh::identities::Fate;

impl Authentication {
    pub(super) fn try_key(&mut self, link: &mut Link<Client>) -> Option<Step> {
        while let Some(identity) = self.identities.list.get(self.next_identity) {
            let index = self.next_identity;
            self.next_identity += 1;
            if identity.fate != Fate::Untried {
                continue;
            }
            let Some(public) = identity.public.clone() else {
                debug!("Trying private key: {}", identity.name);
                let Some(public) = self.identities.load(index) else { continue };
                match self.algorithm_for(link, &public) {
                    Ok(algorithm) => return Some(self.send_signed(link, index, algorithm, public)),
                    Err(why) => self.skip(index, why),
                }
                continue;
            };
            match self.algorithm_for(link, &public) {
                Ok(algorithm) => {
                    self.describe_offer(index);
                    self.current = Attempt::Query { index };
                    let attempt = AuthAttempt::PublicKeyQuery { algorithm, key: public };
                    return Some(self.send(link, attempt));
                }
                Err(why) => self.skip(index, why),
            }
        }
        None
    }

    pub(super) fn skip(&mut self, index: usize, why: String) {
        if let Some(identity) = self.identities.list.get_mut(index) {
            debug!("send_pubkey_test: {why}: {}", identity.name);
            identity.fate = Fate::Skipped(why);
        }
    }

    /// The algorithm to sign with that we may use and the server says it takes.
    pub(super) fn algorithm_for(
        &self,
        link: &Link<Client>,
        key: &PublicKey,
    ) -> Result<String, String> {
        let server = link.connection().server_sig_algs();
        let accepted = |name: &&&'static str| {
            self.config.pubkey_accepted_algorithms.iter().any(|one| one == **name)
        };
        let ours = key.signature_algorithms();
        let found = ours.iter().filter(accepted).find(|name| match server {
            // The list names signatures; of a certificate's algorithm its plain sibling's.
            Some(list) => {
                let plain = keys::algorithms::lookup(name).map_or("", |row| row.signature_name);
                list.split(',').any(|one| one == **name || one == plain)
            }
            None => true,
        });
        found
            .map(|name| (*name).to_owned())
            .ok_or_else(|| "no mutual signature algorithm".to_owned())
    }

    /// The server would take the key.
    pub fn key_would_do(&mut self, link: &mut Link<Client>, algorithm: String) -> Step {
        let Attempt::Query { index } = self.current else {
            debug!("a server answer about a key that was not offered is ignored");
            return Step::Sent;
        };
        let Some(public) = self.public_at(index) else { return self.next(link) };
        if let Some(identity) = self.identities.list.get(index) {
            debug!("Server accepts key: {}", identity.describe());
        }
        self.send_signed(link, index, algorithm, public)
    }

    /// The engine wants the signature for what [`Self::send_signed`] began. True when there is one.
    pub fn sign(&mut self, link: &mut Link<Client>, ask: SignAsk) -> bool {
        let signature = match &self.current {
            Attempt::Signed { index, algorithm } => {
                let (index, algorithm) = (*index, algorithm.clone());
                self.identities.sign(index, &algorithm, ask.data())
            }
            Attempt::HostBased => {
                let signed = self.host_based.as_ref().map(|host| host.sign(ask.data()));
                signed.and_then(|signed| {
                    signed.inspect_err(|why| error!("userauth_hostbased: {why}")).ok()
                })
            }
            _ => None,
        };
        let is_signed = signature.is_some();
        // Refused only when the connection ended meanwhile, which is reported by itself.
        let _ = link.connection_mut().answer_sign(ask, signature);
        is_signed
    }

    pub(super) fn send_signed(
        &mut self,
        link: &mut Link<Client>,
        index: usize,
        algorithm: String,
        key: PublicKey,
    ) -> Step {
        self.used = Some(Method::PublicKey);
        self.current = Attempt::Signed { index, algorithm: algorithm.clone() };
        self.send(link, AuthAttempt::PublicKey { algorithm, key })
    }

    pub(super) fn public_at(&self, index: usize) -> Option<PublicKey> {
        self.identities.list.get(index)?.public.clone()
    }

    pub(super) fn describe_offer(&self, index: usize) {
        if let Some(identity) = self.identities.list.get(index) {
            debug!("Offering public key: {}", identity.describe());
        }
    }
}
