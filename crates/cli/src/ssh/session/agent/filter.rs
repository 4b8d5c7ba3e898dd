//! Between a server's programs and the agent, where only some keys are to be used: the others are
//! not listed and sign nothing, and nothing is added, removed or locked.

use std::path::Path;

use config::ClientConfig;
use keys::agent::{Identity, QUERY, Request, Response, SESSION_BIND, take_answer, take_frame};
use keys::{FingerprintHash, PublicKey};

use crate::messages::{debug, error};
use crate::ssh::identities;

/// What a server may send ahead of answers: one request and the beginning of the next.
const WAITING_BYTES: usize = 2 * keys::limits::AGENT_MESSAGE_BYTES;

/// The keys that may be used, by their fingerprints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedKeys(Vec<String>);

impl AllowedKeys {
    /// Those that `ForwardAgentKeys` names; `None` where it names nothing, and all may be used.
    ///
    /// A file that has no key lets nothing through, and is told of.
    pub fn named(config: &ClientConfig, home: &Path) -> Option<Self> {
        if !config.forward_agent_keys.is_set() {
            return None;
        }
        let variable = |name: &str| std::env::var(name).ok();
        let mut allowed = Vec::new();
        for name in &config.forward_agent_keys.value {
            let is_fingerprint = name.split_once(':').is_some_and(|(hash, rest)| {
                FingerprintHash::from_name(hash).is_some() && !rest.is_empty()
            });
            if is_fingerprint {
                allowed.push(name.clone());
                continue;
            }
            let path = match config.key_path(name, home, &variable) {
                Ok(path) => path,
                Err(problem) => {
                    error!("ForwardAgentKeys: {problem}");
                    continue;
                }
            };
            match identities::public_of(&path) {
                Some(key) => allowed.push(key.fingerprint(FingerprintHash::Sha256)),
                None => error!("ForwardAgentKeys: {}: there is no key", path.display()),
            }
        }
        Some(AllowedKeys(allowed))
    }

    /// Whether the key, plain or in a certificate, is among them.
    fn has(&self, blob: &[u8]) -> bool {
        let Ok(key) = PublicKey::from_blob(blob) else { return false };
        let hashes = [FingerprintHash::Sha256, FingerprintHash::Md5];
        hashes.iter().any(|hash| {
            let fingerprint = key.fingerprint(*hash);
            self.0.iter().any(|allowed| same_fingerprint(allowed, &fingerprint))
        })
    }

    /// Whether the agent may see a request.
    fn allows(&self, request: &Request) -> bool {
        match request {
            Request::RequestIdentities => true,
            Request::Sign { key_blob, .. } => self.has(key_blob),
            // Those that tell the agent where its signatures go, on which its own limits rest.
            Request::Extension { name, .. } => matches!(name.as_str(), SESSION_BIND | QUERY),
            _ => false,
        }
    }
}

/// The name of the hash may be in any case; so may hexadecimal digits.
fn same_fingerprint(one: &str, other: &str) -> bool {
    match (one.split_once(':'), other.split_once(':')) {
        (Some((hash, one)), Some((other_hash, other))) if hash.eq_ignore_ascii_case(other_hash) => {
            one == other || (hash.eq_ignore_ascii_case("md5") && one.eq_ignore_ascii_case(other))
        }
        _ => false,
    }
}

/// The stream is no agent's protocol, or more than there is room for.
#[derive(Debug, PartialEq, Eq)]
pub struct Unusable;

/// One connection to the agent. Requests are passed on one at a time, so that every answer is
/// known to be of the oldest.
#[derive(Debug)]
pub struct Filter {
    allowed: AllowedKeys,
    /// What the server's program said.
    said: Vec<u8>,
    /// What the agent said.
    answered: Vec<u8>,
    /// A request is with the agent, and whether it is for the list.
    pending: Option<bool>,
}

impl Filter {
    pub fn new(allowed: AllowedKeys) -> Self {
        Filter { allowed, said: Vec::new(), answered: Vec::new(), pending: None }
    }

    /// What the server's program says next.
    pub fn hear(&mut self, data: &[u8]) -> Result<(), Unusable> {
        self.said.extend_from_slice(data);
        if self.said.len() > WAITING_BYTES { Err(Unusable) } else { Ok(()) }
    }

    /// What goes to the agent now; refusals are added to `answers`.
    pub fn next(&mut self, answers: &mut Vec<u8>) -> Result<Option<Vec<u8>>, Unusable> {
        while self.pending.is_none() {
            let Some((message, used)) = take_frame(&self.said).map_err(|_| Unusable)? else {
                break;
            };
            let request = Request::decode(message).ok();
            let allowed = request.filter(|request| self.allowed.allows(request));
            if let Some(request) = allowed {
                self.pending = Some(matches!(request, Request::RequestIdentities));
                return Ok(Some(self.said.drain(..used).collect()));
            }
            debug!("forwarded agent: a request is refused (ForwardAgentKeys)");
            self.said.drain(..used);
            answers.extend_from_slice(&Response::Failure.encode().map_err(|_| Unusable)?);
        }
        Ok(None)
    }

    /// What the agent says next; what the server's program is to hear of it comes back.
    pub fn answer(&mut self, data: &[u8]) -> Result<Vec<u8>, Unusable> {
        self.answered.extend_from_slice(data);
        let Some((message, used)) = take_answer(&self.answered).map_err(|_| Unusable)? else {
            return Ok(Vec::new());
        };
        // An answer to nothing is not the agent's to give.
        let is_list = self.pending.take().ok_or(Unusable)?;
        let passed = if is_list {
            let response = Response::decode(message).map_err(|_| Unusable)?;
            let response = match response {
                Response::Identities(list) => Response::Identities(self.shown(list)),
                other => other,
            };
            response.encode().map_err(|_| Unusable)?.to_vec()
        } else {
            self.answered.get(..used).unwrap_or_default().to_vec()
        };
        self.answered.drain(..used);
        Ok(passed)
    }

    fn shown(&self, list: Vec<Identity>) -> Vec<Identity> {
        list.into_iter().filter(|identity| self.allowed.has(&identity.key_blob)).collect()
    }
}

#[cfg(test)]
mod tests {
    use keys::{KeyKind, PrivateKey};

    use super::*;

    fn fixture() -> (Filter, PublicKey, PublicKey) {
        let key = |name| PrivateKey::generate(KeyKind::Ed25519, None, name).unwrap();
        let (shown, hidden) = (key("shown").public().clone(), key("hidden").public().clone());
        let allowed = AllowedKeys(vec![shown.fingerprint(FingerprintHash::Sha256)]);
        (Filter::new(allowed), shown, hidden)
    }

    fn sign(key: &PublicKey) -> Request {
        Request::Sign { key_blob: key.blob().to_vec(), data: b"x".to_vec(), flags: 0 }
    }

    /// What goes to the agent, and what comes back at once.
    fn say(filter: &mut Filter, request: &Request) -> (Option<Vec<u8>>, Vec<u8>) {
        let mut answers = Vec::new();
        filter.hear(&request.encode().unwrap()).unwrap();
        (filter.next(&mut answers).unwrap(), answers)
    }

    #[test]
    fn only_named_keys_are_listed_and_sign() {
        let (mut filter, shown, hidden) = fixture();
        let (asked, answers) = say(&mut filter, &Request::RequestIdentities);
        assert!(asked.is_some() && answers.is_empty());
        let identity =
            |key: &PublicKey| Identity { key_blob: key.blob().to_vec(), comment: "c".into() };
        let odd = Identity { key_blob: vec![0, 0, 0, 1, b'?'], comment: "odd".into() };
        let list = Response::Identities(vec![identity(&hidden), identity(&shown), odd]);
        let passed = filter.answer(&list.encode().unwrap()).unwrap();
        let (message, _) = take_answer(&passed).unwrap().unwrap();
        assert_eq!(
            Response::decode(message).unwrap(),
            Response::Identities(vec![identity(&shown)])
        );

        let (asked, answers) = say(&mut filter, &sign(&hidden));
        assert_eq!((asked, answers), (None, Response::Failure.encode().unwrap().to_vec()));
        let request = sign(&shown);
        let (asked, answers) = say(&mut filter, &request);
        assert_eq!((asked.unwrap(), answers), (request.encode().unwrap().to_vec(), Vec::new()));
    }

    #[test]
    fn nothing_is_changed_in_the_agent() {
        let (mut filter, shown, _) = fixture();
        let passphrase = zeroize::Zeroizing::new(b"x".to_vec());
        let other = || Request::Extension { name: "other@example".into(), contents: Vec::new() };
        for request in [
            Request::RemoveAllIdentities,
            Request::RemoveIdentity { key_blob: shown.blob().to_vec() },
            Request::Lock { passphrase: passphrase.clone() },
            Request::Unlock { passphrase },
            other(),
        ] {
            let (asked, answers) = say(&mut filter, &request);
            assert_eq!((asked, answers), (None, Response::Failure.encode().unwrap().to_vec()));
        }
        let bind = Request::Extension { name: SESSION_BIND.into(), contents: Vec::new() };
        assert!(say(&mut filter, &bind).0.is_some());
    }

    #[test]
    fn answers_are_of_the_oldest_request() {
        let (mut filter, shown, hidden) = fixture();
        assert!(say(&mut filter, &sign(&shown)).0.is_some());
        // The second waits, so that its refusal does not overtake the first one's answer.
        assert_eq!(say(&mut filter, &sign(&hidden)), (None, Vec::new()));
        let signature = Response::Signature(vec![1]).encode().unwrap().to_vec();
        let (first, rest) = signature.split_at(3);
        assert_eq!(filter.answer(first), Ok(Vec::new()));
        assert_eq!(filter.answer(rest), Ok(signature.clone()));
        let mut answers = Vec::new();
        assert_eq!(filter.next(&mut answers), Ok(None));
        assert_eq!(answers, Response::Failure.encode().unwrap().to_vec());
        assert_eq!(filter.answer(&signature), Err(Unusable), "to no question");
    }

    #[test]
    fn what_waits_is_bounded() {
        let (mut filter, ..) = fixture();
        assert_eq!(filter.hear(&vec![0; WAITING_BYTES + 1]), Err(Unusable));
        let (mut filter, ..) = fixture();
        filter.hear(&[0xff; 8]).unwrap();
        assert_eq!(filter.next(&mut Vec::new()), Err(Unusable));
    }
}
