//! The keys to log in with, in the order they are tried, and how each signs.

mod hardware;
mod keep;
mod key_file;

use std::path::{Path, PathBuf};
use std::time::Duration;

use config::{AddKeysToAgent, ClientConfig};
use keys::{FingerprintHash, PrivateKey, PublicKey};
use net::agent::AgentClient;

use self::hardware::Hardware;
pub use self::key_file::public_of;
use self::key_file::{push_certificate, push_file, read_private};
use crate::messages::{debug, debug2, error};

/// How long an agent may take to answer; it may have to ask its user.
pub const AGENT_TIMEOUT: Duration = Duration::from_secs(10);

/// One key that may be tried.
pub struct Identity {
    /// The file's name, or the agent's comment.
    pub name: String,
    /// The public half, where it is known without a passphrase.
    pub public: Option<PublicKey>,
    /// The private key's file.
    pub file: Option<PathBuf>,
    /// Whether the agent holds it.
    pub in_agent: bool,
    /// Whether the user named it.
    pub explicit: bool,
    /// What became of it.
    pub fate: Fate,
    private: Option<PrivateKey>,
    /// Whether a PKCS#11 token holds it.
    in_card: bool,
}

/// What became of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It was not its turn.
    Untried,
    /// The server did not take it.
    Refused,
    /// The server would have taken it, but it could not be used; or it was not offered at all.
    Skipped(String),
    /// The server took it.
    Accepted,
}

/// All keys, and the agent.
pub struct Identities {
    /// In the order of trying.
    pub list: Vec<Identity>,
    agent: Option<AgentClient>,
    passphrase_prompts: u32,
    batch_mode: bool,
    /// Whether loaded keys are given to the agent.
    add_keys: AddKeysToAgent,
    hardware: Hardware,
}

impl Identities {
    /// Finds the keys of the configuration's files and of the agent.
    ///
    /// `agent_socket` is where the agent is, if one may be asked.
    pub fn prepare(
        config: &ClientConfig,
        identity_files: &[(String, bool)],
        certificate_files: &[String],
        agent_socket: Option<&Path>,
    ) -> Identities {
        let (hardware, mut from_files) = Hardware::prepare(config);
        for (name, explicit) in identity_files {
            push_file(&mut from_files, name, *explicit);
        }
        // Certificates that are named have been made for this; they come before everything.
        let mut list = Vec::new();
        for name in certificate_files {
            push_certificate(&mut list, Path::new(name), None, true);
        }
        let mut agent = agent_socket.and_then(connect);
        let in_agent = agent.as_mut().map(agent_keys).unwrap_or_default();
        list.extend(in_order(from_files, in_agent, *config.identities_only));
        let mut identities = Identities {
            list,
            agent,
            passphrase_prompts: *config.number_of_password_prompts,
            batch_mode: *config.batch_mode,
            add_keys: config.add_keys_to_agent.value,
            hardware,
        };
        identities.filter(&config.pubkey_accepted_algorithms);
        for identity in identities.list.iter().filter(|one| one.fate == Fate::Untried) {
            debug!("Will attempt key: {}", identity.describe());
        }
        identities
    }

    /// Tells the agent which server it will sign for. Keys that it keeps for
    /// other destinations are no longer tried.
    pub fn bind(&mut self, host_key: &PublicKey, session_id: &[u8], signature: &[u8]) {
        let Some(agent) = &mut self.agent else { return };
        if let Err(problem) = agent.bind_session(host_key, session_id, signature, false) {
            debug!("agent does not bind to sessions: {problem}");
            return;
        }
        let Ok(permitted) = agent.identities() else { return };
        for identity in self.list.iter_mut().filter(|one| one.in_agent) {
            let is_permitted = |public| permitted.iter().any(|(key, _)| key == public);
            if !identity.public.as_ref().is_some_and(is_permitted) {
                identity.fate =
                    Fate::Skipped("the agent keeps it for other destinations".to_owned());
            }
        }
    }

    /// Leaves out keys that no allowed algorithm can sign with.
    fn filter(&mut self, accepted: &[String]) {
        for identity in &mut self.list {
            let Some(public) = &identity.public else { continue };
            let label = public.type_label();
            if !public.signature_algorithms().iter().any(|name| accepted.iter().any(|a| a == name))
            {
                debug!(
                    "Skipping {label} key {} - corresponding algorithm not in \
                     PubkeyAcceptedAlgorithms",
                    identity.name
                );
                identity.fate = Fate::Skipped("not in PubkeyAcceptedAlgorithms".to_owned());
            }
        }
    }

    /// The index of the key with this fingerprint that may be signed with unasked.
    pub fn remembered(&self, fingerprint: &str) -> Option<usize> {
        self.list.iter().position(|identity| {
            identity.fate == Fate::Untried
                && identity.public.as_ref().is_some_and(|public| {
                    // A touch must be for something the server wants, never for a guess.
                    !is_hardware(public)
                        && public.certificate().is_none()
                        && public.fingerprint(FingerprintHash::Sha256) == fingerprint
                })
        })
    }

    /// Reads the private key of an identity whose public half was unknown.
    pub fn load(&mut self, index: usize) -> Option<PublicKey> {
        let (prompts, batch_mode) = (self.passphrase_prompts, self.batch_mode);
        let identity = self.list.get_mut(index)?;
        match read_private(identity, prompts, batch_mode) {
            Ok(private) => {
                let public = private.public().clone();
                let provider = self.hardware.provider();
                let (agent, name) = (self.agent.as_mut(), identity.name.as_str());
                let private = keep::give(agent, &self.add_keys, provider, name, private);
                identity.private = Some(private);
                identity.public = Some(public.clone());
                Some(public)
            }
            Err(why) => {
                identity.fate = Fate::Skipped(why);
                None
            }
        }
    }

    /// The whole signature blob by the identity at `index`, or nothing (and its fate says why).
    pub fn sign(&mut self, index: usize, algorithm: &str, data: &[u8]) -> Option<Vec<u8>> {
        match self.try_sign(index, algorithm, data) {
            Ok(signature) => Some(signature),
            Err(why) => {
                self.list.get_mut(index)?.fate = Fate::Skipped(why);
                None
            }
        }
    }

    fn try_sign(&mut self, index: usize, algorithm: &str, data: &[u8]) -> Result<Vec<u8>, String> {
        let identity = self.list.get(index).ok_or("no such key")?;
        let public = identity.public.clone().ok_or("its public half is not known")?;
        if identity.in_agent {
            return self.sign_by_agent(&public, algorithm, data);
        }
        let loaded = identity.private.is_some();
        // A certificate signs with the plain key, wherever that is.
        if public.certificate().is_some() && !loaded {
            let plain = public.plain();
            let holder = self
                .list
                .iter()
                .position(|other| other.public.as_ref().is_some_and(|public| *public == plain));
            if let Some(holder) = holder {
                debug2!("sign with the key of {}", self.list[holder].name);
                return self.sign_with_holder(holder, algorithm, data);
            }
        }
        self.sign_by_file(index, algorithm, data)
    }

    fn sign_with_holder(
        &mut self,
        holder: usize,
        algorithm: &str,
        data: &[u8],
    ) -> Result<Vec<u8>, String> {
        let identity = self.list.get(holder).ok_or("no such key")?;
        if identity.in_agent
            && let Some(public) = identity.public.clone()
        {
            return self.sign_by_agent(&public, algorithm, data);
        }
        self.sign_by_file(holder, algorithm, data)
    }

    fn sign_by_file(
        &mut self,
        index: usize,
        algorithm: &str,
        data: &[u8],
    ) -> Result<Vec<u8>, String> {
        let (prompts, batch_mode) = (self.passphrase_prompts, self.batch_mode);
        let identity = self.list.get_mut(index).ok_or("no such key")?;
        if identity.in_card {
            let public = identity.public.as_ref().ok_or("its public half is not known")?;
            return self.hardware.sign_by_card(public, algorithm, data, batch_mode);
        }
        if identity.private.is_none() {
            let private = read_private(identity, prompts, batch_mode)?;
            let provider = self.hardware.provider();
            let (agent, name) = (self.agent.as_mut(), identity.name.as_str());
            identity.private = Some(keep::give(agent, &self.add_keys, provider, name, private));
        }
        let private = identity.private.as_ref().ok_or("the private key is not loaded")?;
        if let Some(public) = &identity.public
            && public.plain() != private.public().plain()
        {
            error!("private key {} contents do not match public", identity.name);
            return Err("the private key does not belong to the public key beside it".to_owned());
        }
        if private.security_key().is_some() {
            return self.hardware.sign(&identity.name, private, algorithm, data, batch_mode);
        }
        private.sign(algorithm, data).map_err(|problem| problem.to_string())
    }

    fn sign_by_agent(
        &mut self,
        key: &PublicKey,
        algorithm: &str,
        data: &[u8],
    ) -> Result<Vec<u8>, String> {
        let agent = self.agent.as_mut().ok_or("the agent is gone")?;
        agent.sign(key, data, sign_flags(algorithm)).map_err(|problem| {
            error!(
                "sign_and_send_pubkey: signing failed for {} from agent: {problem}",
                key.type_label()
            );
            format!("the agent did not sign: {problem}")
        })
    }
}

impl Identity {
    fn new(name: String, public: Option<PublicKey>, file: Option<PathBuf>, explicit: bool) -> Self {
        let (in_agent, fate, private, in_card) = (false, Fate::Untried, None, false);
        Identity { name, public, file, in_agent, explicit, fate, private, in_card }
    }

    /// As OpenSSH's `-v` names keys.
    pub fn describe(&self) -> String {
        let mut text = self.name.clone();
        if let Some(public) = &self.public {
            let fingerprint = public.fingerprint(FingerprintHash::Sha256);
            text.extend([" ", public.type_label(), " ", &fingerprint]);
        }
        if self.explicit {
            text.push_str(" explicit");
        }
        if self.in_card {
            text.push_str(" token");
        }
        if self.in_agent {
            text.push_str(" agent");
        }
        text
    }

    /// For the account of what was tried.
    pub fn describe_shortly(&self) -> String {
        let place = if self.in_agent { "agent key" } else { "key" };
        match &self.public {
            Some(public) => format!(
                "{place} {} ({} {})",
                self.name,
                public.type_label(),
                public.fingerprint(FingerprintHash::Sha256)
            ),
            None => format!("{place} {}", self.name),
        }
    }
}

/// Whether the private half is in a security key.
fn is_hardware(key: &PublicKey) -> bool {
    key.key_type().is_security_key()
}

fn connect(socket: &Path) -> Option<AgentClient> {
    match AgentClient::connect(socket, AGENT_TIMEOUT) {
        Ok(agent) => Some(agent),
        Err(problem) => {
            debug!("get_agent_identities: ssh_get_authentication_socket: {problem}");
            None
        }
    }
}

fn agent_keys(agent: &mut AgentClient) -> Vec<(PublicKey, String)> {
    match agent.identities() {
        Ok(keys) => {
            debug!("get_agent_identities: agent returned {} keys", keys.len());
            keys
        }
        Err(problem) => {
            debug!("get_agent_identities: ssh_fetch_identitylist: {problem}");
            Vec::new()
        }
    }
}

/// Keys of files that the agent holds too come first, then the agent's others, then files.
fn in_order(
    mut from_files: Vec<Identity>,
    in_agent: Vec<(PublicKey, String)>,
    identities_only: bool,
) -> Vec<Identity> {
    let (mut preferred, mut others) = (Vec::new(), Vec::new());
    for (key, comment) in in_agent {
        let same = |identity: &Identity| identity.public.as_ref() == Some(&key);
        if let Some(at) = from_files.iter().position(same) {
            let mut identity = from_files.remove(at);
            identity.in_agent = true;
            preferred.push(identity);
        } else if !identities_only {
            let mut identity = Identity::new(comment, Some(key), None, false);
            identity.in_agent = true;
            others.push(identity);
        }
    }
    preferred.append(&mut others);
    preferred.append(&mut from_files);
    preferred
}

/// The flags that ask an agent for SHA-2 with an RSA key.
fn sign_flags(algorithm: &str) -> u32 {
    match keys::algorithms::lookup(algorithm).map(|row| row.signature_name) {
        Some("rsa-sha2-256") => 2,
        Some("rsa-sha2-512") => 4,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seed: &str) -> PublicKey {
        keys::PrivateKey::generate(keys::KeyKind::Ed25519, None, seed).unwrap().public().clone()
    }

    #[test]
    fn files_in_the_agent_come_first() {
        let (a, b, c) = (key("a"), key("b"), key("c"));
        let file = |name: &str, key: &PublicKey| {
            Identity::new(name.to_owned(), Some(key.clone()), Some(name.into()), true)
        };
        let files = || vec![file("fa", &a), file("fb", &b)];
        let agent = || vec![(c.clone(), "gc".to_owned()), (b.clone(), "gb".to_owned())];
        let names = |list: Vec<Identity>| list.into_iter().map(|one| one.name).collect::<Vec<_>>();
        assert_eq!(names(in_order(files(), agent(), false)), ["fb", "gc", "fa"]);
        assert_eq!(names(in_order(files(), agent(), true)), ["fb", "fa"]);
    }

    #[test]
    fn flags_for_agents() {
        assert_eq!(sign_flags("rsa-sha2-512"), 4);
        assert_eq!(sign_flags("rsa-sha2-256-cert-v01@openssh.com"), 2);
        assert_eq!(sign_flags("ssh-ed25519"), 0);
    }
}
