//! What the agent answers: requests in, answers out, no I/O.

use keys::agent::{
    Constraint, DestinationConstraint, Identity, QUERY, Request, Response, SESSION_BIND,
    query_response, signature_algorithm,
};
use keys::{FingerprintHash, PrivateKey, PublicKey};
use zeroize::Zeroizing;

use super::args::Policy;
use super::bindings::Bindings;
use super::clock::Moment;
use super::errands::Errand;
use super::hardware::card_errand;
use super::limits;
use super::lock::{Lock, Unlock};
use super::store::{Held, HeldKey, Store};
use crate::hardware::security_key::{self, INTERNAL};
use crate::messages::{debug, error, info};

/// The agent itself.
pub struct Core {
    /// What it holds.
    pub store: Store,
    lock: Lock,
    /// How long keys live that come without a lifetime of their own; zero for ever.
    default_lifetime: u32,
    pub(super) hash: FingerprintHash,
    pub(super) policy: Policy,
}

/// What comes of a request.
pub enum Outcome {
    /// The answer, with its length in front.
    Answer(Zeroizing<Vec<u8>>),
    /// The answer, to be given at that moment and not before.
    AnswerAt(Moment, Zeroizing<Vec<u8>>),
    /// Ask again at that moment.
    TryAgainAt(Moment),
    /// Ask the user this, and again with the consent.
    Confirm(String),
    /// Have hardware do this.
    Errand(Box<Errand>),
}

/// Why a request came to nothing; the client hears only that it did.
pub(super) type Refusal = String;

impl Core {
    /// An agent without keys.
    pub fn new(default_lifetime: u32, hash: FingerprintHash, policy: Policy) -> Self {
        Core { store: Store::default(), lock: Lock::default(), default_lifetime, hash, policy }
    }

    /// What a client gets whose request was refused.
    pub fn failure() -> Zeroizing<Vec<u8>> {
        encoded(&Response::Failure)
    }

    /// Answers one message. `consented`: the user has agreed to it.
    pub fn handle(
        &mut self,
        bindings: &mut Bindings,
        message: &[u8],
        consented: bool,
        now: Moment,
    ) -> Outcome {
        self.store.reap(now);
        let request = match Request::decode(message) {
            Ok(request) => request,
            Err(problem) => {
                error!("refused a request that makes no sense: {problem}");
                return answer(&Response::Failure);
            }
        };
        debug!("request {request:?}");
        let weight = message.len();
        match self.outcome(bindings, request, weight, consented, now) {
            Ok(outcome) => outcome,
            Err(why) => {
                info!("refused: {why}");
                answer(&Response::Failure)
            }
        }
    }

    fn outcome(
        &mut self,
        bindings: &mut Bindings,
        request: Request,
        weight: usize,
        consented: bool,
        now: Moment,
    ) -> Result<Outcome, Refusal> {
        if self.lock.is_locked() {
            return match request {
                Request::Unlock { passphrase } => Ok(self.unlock(&passphrase, now)),
                Request::RequestIdentities => Ok(answer(&Response::Identities(Vec::new()))),
                _ => Err("the agent is locked".to_owned()),
            };
        }
        match request {
            Request::RequestIdentities => Ok(answer(&self.list(bindings))),
            Request::Sign { key_blob, data, flags } => {
                self.sign(bindings, &key_blob, &data, flags, consented)
            }
            Request::AddIdentity { key, constraints } => {
                self.add(bindings, *key, constraints, weight, now)?;
                Ok(answer(&Response::Success))
            }
            Request::RemoveIdentity { key_blob } => {
                let held = self.visible(bindings, &key_blob)?;
                debug!("remove {}", held.key.comment());
                self.store.remove(&key_blob);
                Ok(answer(&Response::Success))
            }
            Request::RemoveAllIdentities => {
                self.store.clear();
                Ok(answer(&Response::Success))
            }
            Request::Lock { passphrase } => {
                self.lock.lock(&passphrase);
                Ok(answer(&Response::Success))
            }
            Request::Unlock { passphrase } => Ok(self.unlock(&passphrase, now)),
            Request::Extension { name, contents } => extension(bindings, &name, &contents),
            Request::AddSmartcardKey { id, pin, constraints } => {
                self.add_card(bindings, &id, &pin, constraints)
            }
            Request::RemoveSmartcardKey { id, .. } => {
                // A library that was removed from the disk is known by the path it had.
                let library = security_key::real_provider(&id).unwrap_or(id);
                if self.store.remove_card(&library) {
                    Ok(answer(&Response::Success))
                } else {
                    Err(format!("no keys of {library} are held"))
                }
            }
            Request::Unknown(number) => Err(format!("unknown message {number}")),
        }
    }

    fn list(&self, bindings: &Bindings) -> Response {
        let visible = self.store.iter().filter(|held| {
            let permitted = bindings.permit(&held.destinations, None);
            if let Err(why) = permitted {
                debug!("not listed: {}: {why}", held.key.comment());
            }
            permitted.is_ok()
        });
        let identity = |held: &Held| Identity {
            key_blob: held.public().blob().to_vec(),
            comment: held.key.comment().to_owned(),
        };
        Response::Identities(visible.map(identity).collect())
    }

    /// The key, if it is held and the connection may know of it.
    fn visible(&self, bindings: &Bindings, blob: &[u8]) -> Result<&Held, Refusal> {
        let held = self.store.find(blob).ok_or("there is no such key")?;
        bindings.permit(&held.destinations, None)?;
        Ok(held)
    }

    fn sign(
        &self,
        bindings: &Bindings,
        blob: &[u8],
        data: &[u8],
        flags: u32,
        consented: bool,
    ) -> Result<Outcome, Refusal> {
        let held = self.store.find(blob).ok_or("there is no such key")?;
        let public = held.public();
        let mut purpose = None;
        if !held.destinations.is_empty() {
            let login = bindings.permit_signature(&held.destinations, public, data)?;
            purpose = Some(self.purpose(bindings, held, &login.user));
        }
        if held.confirm && !consented {
            return Ok(Outcome::Confirm(self.question(held, purpose)));
        }
        let algorithm = signature_algorithm(public, flags);
        let errand = match &held.key {
            HeldKey::Here(key) => {
                let signature =
                    key.sign(algorithm, data).map_err(|problem| format!("signing: {problem}"))?;
                return Ok(answer(&Response::Signature(signature)));
            }
            HeldKey::SecurityKey { key, provider } => {
                self.check_websafe(public, data)?;
                self.security_key_errand(key, provider, algorithm, data, purpose)?
            }
            HeldKey::Card { library, .. } => card_errand(library, public, algorithm, data),
        };
        Ok(Outcome::Errand(Box::new(errand)))
    }

    /// Holds a key on these terms.
    pub(super) fn hold(
        &mut self,
        key: HeldKey,
        terms: Terms,
        weight: usize,
        now: Moment,
    ) -> Result<(), Refusal> {
        let lifetime = terms.lifetime.unwrap_or(self.default_lifetime);
        let lifetime = (lifetime != 0).then(|| Moment::from_secs(lifetime.into()));
        let held = Held {
            key,
            dies: lifetime.map(|lifetime| now + lifetime),
            confirm: terms.confirm,
            destinations: terms.destinations,
            weight,
        };
        debug!("add {} {}", describe(held.public(), self.hash), held.key.comment());
        Ok(self.store.add(held)?)
    }

    fn question(&self, held: &Held, purpose: Option<String>) -> String {
        let mut question = format!(
            "Allow use of key {}?\nKey fingerprint {}.",
            held.key.comment(),
            held.public().fingerprint(self.hash)
        );
        if let Some(purpose) = purpose {
            question.push('\n');
            question.push_str(&purpose);
        }
        question
    }

    /// The name by which the key's owner knows the host.
    fn purpose(&self, bindings: &Bindings, held: &Held, user: &str) -> String {
        let host_key = bindings.destination();
        let named = held.destinations.iter().map(|destination| &destination.to).find(|to| {
            to.keys.iter().any(|known| host_key.is_some_and(|key| known.key.plain() == key.plain()))
        });
        match (named, host_key) {
            (Some(to), _) => format!("To log in as {user} on {}.", to.host),
            (None, Some(key)) => {
                let fingerprint = key.fingerprint(self.hash);
                format!("To log in as {user} on the host with key {fingerprint}.")
            }
            (None, None) => format!("To log in as {user}."),
        }
    }

    fn add(
        &mut self,
        bindings: &Bindings,
        key: PrivateKey,
        constraints: Vec<Constraint>,
        weight: usize,
        now: Moment,
    ) -> Result<(), Refusal> {
        let mut terms = Terms::default();
        let mut provider = None;
        for constraint in constraints {
            match constraint {
                Constraint::SkProvider(name) => provider = Some(name),
                other => terms.take(other)?,
            }
        }
        let provider = match (provider, key.security_key().is_some()) {
            (None, is_hardware) => is_hardware.then(|| INTERNAL.to_owned()),
            (Some(name), true) => Some(self.allowed_library(bindings, "SK provider", &name)?),
            (Some(_), false) => {
                return Err("a provider is given for a key that is in no authenticator".to_owned());
            }
        };
        if self.store.find(key.public().blob()).is_some() {
            self.visible(bindings, key.public().blob())?;
        }
        let key = shortened(key);
        let key = match provider {
            Some(provider) => HeldKey::SecurityKey { key, provider },
            None => HeldKey::Here(key),
        };
        self.hold(key, terms, weight, now)
    }

    fn unlock(&mut self, passphrase: &[u8], now: Moment) -> Outcome {
        match self.lock.unlock(passphrase, now) {
            Unlock::Done => answer(&Response::Success),
            Unlock::NotLocked => answer(&Response::Failure),
            Unlock::Wrong(until) => Outcome::AnswerAt(until, encoded(&Response::Failure)),
            Unlock::TooEarly(until) => Outcome::TryAgainAt(until),
        }
    }
}

/// What the constraints on a key come to.
#[derive(Default, Clone)]
pub(super) struct Terms {
    lifetime: Option<u32>,
    confirm: bool,
    destinations: Vec<DestinationConstraint>,
}

impl Terms {
    /// Takes one more.
    pub(super) fn take(&mut self, constraint: Constraint) -> Result<(), Refusal> {
        match constraint {
            Constraint::Lifetime(seconds) if self.lifetime.is_none() => {
                self.lifetime = Some(seconds);
            }
            Constraint::Confirm => self.confirm = true,
            // An empty list would read as no restriction.
            Constraint::RestrictDestination(list)
                if self.destinations.is_empty() && !list.is_empty() =>
            {
                self.destinations = list;
            }
            Constraint::SkProvider(_) => {
                return Err("a library for security keys comes with a key".to_owned());
            }
            Constraint::AssociatedCertificates { .. } => {
                return Err("certificates for a smart card come with a card".to_owned());
            }
            Constraint::Lifetime(_) | Constraint::RestrictDestination(_) => {
                return Err("a constraint is given twice or empty".to_owned());
            }
        }
        Ok(())
    }
}

fn extension(bindings: &mut Bindings, name: &str, contents: &[u8]) -> Result<Outcome, Refusal> {
    match name {
        QUERY => Ok(answer(&Response::Extension(query_response(&[QUERY, SESSION_BIND])))),
        SESSION_BIND => match bindings.bind(contents) {
            Ok(()) => Ok(answer(&Response::Success)),
            Err(why) => {
                error!("session-bind refused: {why}");
                Ok(answer(&Response::ExtensionFailure))
            }
        },
        other => Err(format!("unknown extension {other:?}")),
    }
}

fn shortened(key: PrivateKey) -> PrivateKey {
    let comment = cut(key.comment()).to_owned();
    if comment.len() == key.comment().len() { key } else { key.with_comment(&comment) }
}

/// As much of a comment as is kept.
pub(super) fn cut(comment: &str) -> &str {
    let mut end = limits::COMMENT_BYTES.min(comment.len());
    while !comment.is_char_boundary(end) {
        end -= 1;
    }
    comment.get(..end).unwrap_or_default()
}

pub(super) fn describe(key: &PublicKey, hash: FingerprintHash) -> String {
    format!("{} {}", key.type_label(), key.fingerprint(hash))
}

fn answer(response: &Response) -> Outcome {
    Outcome::Answer(encoded(response))
}

pub fn encoded(response: &Response) -> Zeroizing<Vec<u8>> {
    // The store's limit keeps every listing within a message; all else is small.
    response.encode().unwrap_or_else(|problem| {
        error!("an answer cannot be sent: {problem}");
        Response::Failure.encode().unwrap_or_default()
    })
}
