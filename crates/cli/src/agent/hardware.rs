//! What the agent decides about keys in hardware: which libraries may be loaded, what security
//! keys may sign, and on what terms a token's keys are held.

use keys::agent::{Constraint, LoginRequest, Response};
use keys::{PrivateKey, PublicKey, pattern, sshsig};
use zeroize::Zeroizing;

use super::bindings::Bindings;
use super::clock::Moment;
use super::core::{Core, Outcome, Refusal, Terms, cut, describe};
use super::errands::Errand;
use super::store::HeldKey;
use crate::hardware::card::plain_name;
use crate::hardware::message::{CardKey, Request};
use crate::hardware::security_key::{self, INTERNAL, USER_PRESENCE, application};
use crate::messages::error;

/// The terms on which a token's keys are to be held.
pub struct CardOffer {
    /// The library that reaches the token.
    pub library: String,
    terms: Terms,
    only_certificates: bool,
    certificates: Vec<PublicKey>,
}

impl Core {
    /// A browser must not get a signature out of a login key, nor a client of this agent one for
    /// a web site out of a key that is not for SSH.
    pub(super) fn check_websafe(&self, key: &PublicKey, data: &[u8]) -> Result<(), Refusal> {
        let Some(patterns) = &self.policy.websafe else { return Ok(()) };
        let name = String::from_utf8_lossy(application(key));
        let is_for_ssh = pattern::matches_list(patterns, &name) == Some(true);
        if is_for_ssh || LoginRequest::decode(data, key).is_some() || sshsig::is_signed_data(data) {
            return Ok(());
        }
        Err("web-origin key attempting to sign non-SSH message".to_owned())
    }

    pub(super) fn security_key_errand(
        &self,
        key: &PrivateKey,
        provider: &str,
        algorithm: &'static str,
        data: &[u8],
        purpose: Option<String>,
    ) -> Result<Errand, Refusal> {
        let request = security_key::sign_request(provider, key, data, None)
            .map_err(|failure| failure.to_string())?;
        let name = describe(key.public(), self.hash);
        let touch = request.flags & USER_PRESENCE != 0;
        let purpose = purpose.map(|purpose| format!("\n{purpose}")).unwrap_or_default();
        let and_touch = if touch { " and confirm user presence" } else { "" };
        Ok(Errand::SecurityKey {
            key: key.public().clone(),
            algorithm,
            notice: touch.then(|| format!("Confirm user presence for key {name}{purpose}")),
            question: format!(
                "Enter PIN{and_touch} for {} key {}: ",
                key.public().type_label(),
                key.public().fingerprint(self.hash)
            ),
            request,
        })
    }

    /// A library that may be loaded for this client, by its real path.
    pub(super) fn allowed_library(
        &self,
        bindings: &Bindings,
        what: &str,
        library: &str,
    ) -> Result<String, Refusal> {
        if bindings.is_remote() && !self.policy.allow_remote {
            return Err(format!("{what} {library}: remote addition of providers is disabled"));
        }
        let real = security_key::real_provider(library)
            .map_err(|source| format!("{what} {library}: {}", crate::text::reason(&source)))?;
        let is_allowed = pattern::matches_list(&self.policy.allowed_providers, &real);
        if real != INTERNAL && is_allowed != Some(true) {
            return Err(format!("{what} {real} is not allowed (see -P)"));
        }
        Ok(real)
    }

    pub(super) fn add_card(
        &self,
        bindings: &Bindings,
        library: &str,
        pin: &[u8],
        constraints: Vec<Constraint>,
    ) -> Result<Outcome, Refusal> {
        let mut terms = Terms::default();
        let mut certificates = (false, Vec::new());
        for constraint in constraints {
            match constraint {
                Constraint::AssociatedCertificates { only, certificates: given } => {
                    certificates = (only, given);
                }
                other => terms.take(other)?,
            }
        }
        let library = self.allowed_library(bindings, "PKCS#11 provider", library)?;
        if library == INTERNAL {
            return Err("there is no internal PKCS#11 provider".to_owned());
        }
        let pin = std::str::from_utf8(pin).map_err(|_| "the PIN is not text")?;
        let pin = (!pin.is_empty()).then(|| Zeroizing::new(pin.to_owned()));
        let (only_certificates, certificates) = certificates;
        let offer = CardOffer { library, terms, only_certificates, certificates };
        Ok(Outcome::Errand(Box::new(Errand::CardAdd { offer, pin })))
    }

    /// Holds the keys that a token has shown.
    pub fn take_card(&mut self, offer: CardOffer, found: Vec<CardKey>, now: Moment) -> Response {
        let mut any = false;
        for CardKey { public, label } in found {
            let of_key = |certificate: &&PublicKey| {
                certificate.certificate().is_some() && certificate.plain() == public
            };
            let certificates: Vec<PublicKey> =
                offer.certificates.iter().filter(of_key).cloned().collect();
            let plain = (!offer.only_certificates).then_some(public);
            for public in plain.into_iter().chain(certificates) {
                // What is held already stays as it is, perhaps on stricter terms.
                if self.store.find(public.blob()).is_some() {
                    continue;
                }
                let comment = if label.is_empty() { &offer.library } else { &label };
                let key = HeldKey::Card {
                    comment: cut(comment).to_owned(),
                    library: offer.library.clone(),
                    public,
                };
                let weight = key.public().blob().len() + key.comment().len() + 256;
                match self.hold(key, offer.terms.clone(), weight, now) {
                    Ok(()) => any = true,
                    Err(why) => error!("a key of {}: {why}", offer.library),
                }
            }
        }
        if any { Response::Success } else { Response::Failure }
    }
}

/// What a token's helper is asked for a signature.
pub(super) fn card_errand(library: &str, key: &PublicKey, algorithm: &str, data: &[u8]) -> Errand {
    let algorithm = plain_name(algorithm).to_owned();
    let request = Request::SignWithCard {
        key: key.plain().blob().to_vec(),
        algorithm: algorithm.clone(),
        data: data.to_vec(),
        pin: None,
    };
    Errand::CardSign { library: library.to_owned(), key: key.plain(), algorithm, request }
}
