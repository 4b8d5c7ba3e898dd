//! The host keys, and signatures by them: for key exchanges and for proofs of their possession.

use std::time::Duration;

use keys::agent::flags_for;
use keys::{PrivateKey, PublicKey};
use net::agent::AgentClient;
use wire::Writer;

use super::{Monitor, Phase};
use crate::hardware;
use crate::requests::Error;
use crate::settings::Sealed;

/// An exchange hash is as long as one of these hashes: RFC 4253 §8, and the
/// key exchanges that we have use SHA-1 (legacy) and SHA-2.
const HASH_BYTES: [usize; 4] = [20, 32, 48, 64];

/// An agent that takes longer to be reached is none.
const AGENT_TIME: Duration = Duration::from_secs(5);

/// The first part of what is signed to prove a host key.
const HOST_KEY_PROOF: &str = "hostkeys-prove-00@openssh.com";

impl Monitor {
    /// Signs what has the form of an exchange hash, and remembers the first.
    pub(super) fn sign_exchange(
        &mut self,
        key: u32,
        algorithm: &str,
        hash: &[u8],
    ) -> Result<Option<Vec<u8>>, Error> {
        if matches!(self.phase, Phase::New) {
            return Err(Error::OutOfTurn("a signature before anything was offered"));
        }
        if !HASH_BYTES.contains(&hash.len()) {
            return Err(Error::OutOfTurn("a signature over something that is no exchange hash"));
        }
        let Some(signature) = self.sign(key, algorithm, hash) else { return Ok(None) };
        if self.session_id.is_none() {
            self.session_id = Some((hash.to_vec(), key as usize));
        }
        Ok(Some(signature))
    }

    /// Signs the proof that we have a key, over the session that we know ourselves.
    pub(super) fn sign_proof(
        &mut self,
        key: u32,
        algorithm: &str,
        data: &[u8],
    ) -> Result<Option<Vec<u8>>, Error> {
        let (Phase::LoggedIn(_) | Phase::Accepted(_), Some((session_id, _))) =
            (&self.phase, &self.session_id)
        else {
            return Err(Error::OutOfTurn("a proof of a host key before there was a login"));
        };
        let Some(public) = self.host_keys.get(key as usize) else { return Ok(None) };
        let mut expected = Vec::new();
        expected.put_string(HOST_KEY_PROOF.as_bytes());
        expected.put_string(session_id);
        expected.put_string(public.blob());
        if expected != data {
            return Err(Error::OutOfTurn("a proof of a host key over other data"));
        }
        Ok(self.sign(key, algorithm, data))
    }

    fn sign(&self, key: u32, algorithm: &str, message: &[u8]) -> Option<Vec<u8>> {
        let public = self.host_keys.get(key as usize)?.plain();
        // A certificate's key signs by the plain algorithm.
        let plain =
            keys::algorithms::lookup(algorithm).map_or(algorithm, |entry| entry.signature_name);
        let signed = match self.keys.iter().find(|private| *private.public() == public) {
            Some(private) if private.security_key().is_some() => {
                hardware::sign(&self.security_key_provider, private, plain, message)
            }
            Some(private) => private.sign(plain, message).map_err(|error| error.to_string()),
            None => AgentClient::connect(self.agent.as_deref()?, AGENT_TIME)
                .and_then(|mut agent| agent.sign(&public, message, flags_for(plain)))
                .map_err(|error| error.to_string()),
        };
        signed
            .inspect_err(|error| {
                log::error!("cannot sign with the host key by {algorithm}: {error}");
            })
            .ok()
    }
}

/// What clients are told in `server-sig-algs`: how one may sign, whether or not the key comes
/// in a certificate. RFC 8308 §3.1.
pub(super) fn signature_algorithms(accepted: &[String]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for entry in accepted.iter().filter_map(|name| keys::algorithms::lookup(name)) {
        if !names.iter().any(|name| name == entry.signature_name) {
            names.push(entry.signature_name.to_owned());
        }
    }
    names
}

type Keys = (Vec<PrivateKey>, Vec<PublicKey>, crypto::hash::Digest);

pub(super) fn unpack_keys(sealed: &Sealed) -> Result<Keys, String> {
    let mut private = Vec::new();
    let mut public = Vec::new();
    let mut texts: Vec<&[u8]> = vec![b"timing"];
    for text in &sealed.host_keys {
        let key = PrivateKey::parse(&text.0, None).map_err(|error| error.to_string())?;
        public.push(key.public().clone());
        private.push(key);
        texts.push(&text.0);
    }
    for key in &sealed.agent_keys {
        public.push(PublicKey::from_blob(&key.0).map_err(|error| error.to_string())?);
        texts.push(&key.0);
    }
    for certificate in &sealed.host_certificates {
        public.push(PublicKey::from_blob(&certificate.0).map_err(|error| error.to_string())?);
    }
    let secret = crypto::hash::HashAlgorithm::Sha512.digest(&texts);
    Ok((private, public, secret))
}
