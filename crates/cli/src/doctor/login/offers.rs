//! Key after key is offered, and at the end one signature is made.

use std::os::fd::OwnedFd;
use std::time::Instant;

use doctor::visit::{Ending, Fate};
use keys::PublicKey;
use net::Link;
use proto::{AuthAttempt, Client};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::Examiner;
use crate::ssh::identities;

impl Examiner<'_> {
    pub(super) fn set_fate(&mut self, index: usize, fate: Option<Fate>) {
        if let Some(slot) = self.fates.get_mut(index) {
            *slot = fate;
        }
    }

    pub(super) fn denied(&mut self, link: &mut Link<Client>, methods: Vec<String>, partial: bool) {
        let was = self.current.take();
        match was {
            None => self.tick("first answer"),
            Some(index) => {
                self.tick("answer about a key");
                let fate = match (partial, self.signed, self.fate(index)) {
                    (true, ..) => Fate::Worked,
                    (false, true, Some(Fate::CannotSign(why))) => Fate::CannotSign(why),
                    (false, true, _) => Fate::SignatureRefused,
                    (false, false, _) => Fate::Refused,
                };
                self.set_fate(index, Some(fate));
            }
        }
        self.signed = false;
        if partial {
            self.seen.wants_more.clone_from(&methods);
            self.seen.methods = methods;
            self.stop(link, Ending::Done);
            return;
        }
        if !methods.is_empty() {
            self.seen.methods = methods;
        }
        self.next_key(link);
    }

    fn fate(&self, index: usize) -> Option<Fate> {
        self.fates.get(index).cloned().flatten()
    }

    /// Offers the next key, or ends.
    fn next_key(&mut self, link: &mut Link<Client>) {
        let takes_keys = self.seen.methods.iter().any(|method| method == "publickey");
        let enabled = *self.config.pubkey_authentication != config::PubkeyAuthentication::No;
        if takes_keys && enabled {
            for index in 0..self.identities.list.len() {
                if self.fate(index).is_some() {
                    continue;
                }
                match self.algorithm(link, index) {
                    Ok((algorithm, key)) => {
                        self.current = Some(index);
                        self.offers += 1;
                        self.authenticate(link, AuthAttempt::PublicKeyQuery { algorithm, key });
                        return;
                    }
                    Err(why) => self.set_fate(index, Some(Fate::Skipped(why))),
                }
            }
        }
        self.stop(link, Ending::Done);
    }

    /// The key, and how to sign with it.
    pub(super) fn algorithm(
        &mut self,
        link: &Link<Client>,
        index: usize,
    ) -> Result<(String, PublicKey), String> {
        let identity = self.identities.list.get(index).ok_or("it is gone")?;
        if let identities::Fate::Skipped(why) = &identity.fate {
            return Err(why.clone());
        }
        let known = identity.public.clone();
        let key = known.or_else(|| self.identities.load(index)).ok_or_else(|| {
            match self.identities.list.get(index).map(|identity| &identity.fate) {
                Some(identities::Fate::Skipped(why)) => why.clone(),
                _ => "its public half is not known".to_owned(),
            }
        })?;
        let server = link.connection().server_sig_algs();
        let ours = key.signature_algorithms();
        let accepted = &self.config.pubkey_accepted_algorithms;
        let found =
            ours.iter().filter(|name| accepted.iter().any(|one| one == **name)).find(|name| {
                let plain = keys::algorithms::lookup(name).map_or("", |row| row.signature_name);
                server.is_none_or(|list| list.split(',').any(|one| one == **name || one == plain))
            });
        match found {
            Some(name) => Ok(((*name).to_owned(), key)),
            None => Err("no mutual signature algorithm".to_owned()),
        }
    }

    pub(super) fn would_do(&mut self, link: &mut Link<Client>, algorithm: String) {
        let Some(index) = self.current else { return };
        self.tick("answer about a key");
        self.set_fate(index, Some(Fate::WouldDo));
        let key = self.identities.list.get(index).and_then(|identity| identity.public.clone());
        let Some(key) = key.filter(|key| self.trusted && !key.key_type().is_security_key()) else {
            self.stop(link, Ending::Done);
            return;
        };
        self.signed = true;
        self.authenticate(link, AuthAttempt::PublicKey { algorithm, key });
    }

    pub(super) fn sign(&mut self, link: &mut Link<Client>, ask: proto::SignAsk) {
        let Some(index) = self.current else { return };
        let start = Instant::now();
        let signature = self.identities.sign(index, ask.algorithm(), ask.data());
        let took = start.elapsed();
        // The moments are the server's.
        self.moment += took;
        if self.watched.is_some_and(has_hung_up) {
            self.seen.hung_up_while_signing = Some(took);
        }
        if signature.is_none() {
            let why = match self.identities.list.get(index).map(|one| one.fate.clone()) {
                Some(identities::Fate::Skipped(why)) => why,
                _ => "it could not sign".to_owned(),
            };
            self.set_fate(index, Some(Fate::CannotSign(why)));
            self.stop(link, Ending::Done);
            return;
        }
        // Refused only when the connection ended meanwhile, which is seen by itself.
        let _ = link.connection_mut().answer_sign(ask, signature);
    }
}

/// Whether the other end has closed the connection, though nobody has read that yet.
fn has_hung_up(socket: &OwnedFd) -> bool {
    #[cfg(target_os = "linux")]
    let gone = PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR;
    #[cfg(not(target_os = "linux"))]
    let gone = PollFlags::HUP | PollFlags::ERR;
    let mut polled = [PollFd::new(socket, gone)];
    // Where it cannot be seen, it was not seen.
    poll(&mut polled, Some(&Timespec::default())).is_ok() && polled[0].revents().intersects(gone)
}
