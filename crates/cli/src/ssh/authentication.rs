//! Proving who the user is: which method next, and what is asked of whom.

mod account;
mod asking;
mod host_based;
mod public_key;

use std::rc::Rc;

use config::{ClientConfig, PubkeyAuthentication};
use keys::{FingerprintHash, PublicKey};
use net::Link;
use proto::{AuthAttempt, Client};
use zeroize::Zeroizing;

pub use self::host_based::HostBased;
use super::identities::{Fate, Identities};
use super::memory::Remembered;
use crate::messages::{Level, debug, debug2, error, say};

/// The order when nobody chose another; what is not built here is passed over.
const DEFAULT_ORDER: [&str; 4] = ["hostbased", "publickey", "keyboard-interactive", "password"];

/// The methods of this version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    HostBased,
    PublicKey,
    KeyboardInteractive,
    Password,
}

impl Method {
    fn from_name(name: &str) -> Option<Method> {
        Some(match name {
            "hostbased" => Method::HostBased,
            "publickey" => Method::PublicKey,
            "keyboard-interactive" => Method::KeyboardInteractive,
            "password" => Method::Password,
            _ => return None,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Method::HostBased => "hostbased",
            Method::PublicKey => "publickey",
            Method::KeyboardInteractive => "keyboard-interactive",
            Method::Password => "password",
        }
    }
}

/// What was sent last.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Attempt {
    None,
    /// Whether the key would do.
    Query {
        index: usize,
    },
    /// With a signature.
    Signed {
        index: usize,
        algorithm: String,
    },
    HostBased,
    Password,
    KeyboardInteractive,
}

/// How the login ended for this side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Something was sent; wait.
    Sent,
    /// Nothing is left to try.
    GiveUp,
}

/// One user's authentication on one connection.
pub struct Authentication {
    config: Rc<ClientConfig>,
    user: String,
    host: String,
    identities: Identities,
    /// Passwords would tell a stranger too much: the host key changed.
    distrusted: bool,
    order: Vec<String>,
    offered_methods: Vec<String>,
    /// Where in the order we are, and what turned out to have nothing more to send.
    position: usize,
    exhausted: Vec<Method>,
    next_identity: usize,
    passwords_sent: u32,
    interactive_started: u32,
    interactive_asked: bool,
    current: Attempt,
    used: Option<Method>,
    remembered: Option<Remembered>,
    /// Old password, while the server wants a new one.
    old_password: Option<Zeroizing<String>>,
    password_note: Option<&'static str>,
    interactive_note: Option<&'static str>,
    host_based: Option<HostBased>,
}

impl Authentication {
    /// Nothing is sent yet. `host` is the name that prompts show.
    pub fn new(
        config: Rc<ClientConfig>,
        user: &str,
        host: &str,
        identities: Identities,
        remembered: Option<Remembered>,
    ) -> Self {
        let mut order = config.preferred_authentications.value.clone();
        if order.is_empty() {
            order = DEFAULT_ORDER.map(str::to_owned).to_vec();
        }
        Authentication {
            config,
            user: user.to_owned(),
            host: host.to_owned(),
            identities,
            distrusted: false,
            order,
            offered_methods: Vec::new(),
            position: 0,
            exhausted: Vec::new(),
            next_identity: 0,
            passwords_sent: 0,
            interactive_started: 0,
            interactive_asked: false,
            current: Attempt::None,
            used: None,
            remembered,
            old_password: None,
            password_note: None,
            interactive_note: None,
            host_based: None,
        }
    }

    /// The host key is not the known one: nothing that the server could keep is sent.
    pub fn distrust(&mut self) {
        self.distrusted = true;
        self.remembered = None;
    }

    /// This host may vouch for the user.
    pub fn vouch(&mut self, host_based: HostBased) {
        self.host_based = Some(host_based);
    }

    /// The name of the method that worked, once one has.
    pub fn method_used(&self) -> &'static str {
        self.used.map_or("none", Method::name)
    }

    /// The key that worked and its algorithm, if it was a key and may be used unasked again.
    pub fn key_used(&self) -> Option<(String, String)> {
        let Attempt::Signed { index, algorithm } = &self.current else { return None };
        let public = self.identities.list.get(*index)?.public.as_ref()?;
        if public.key_type().is_security_key() || public.certificate().is_some() {
            return None;
        }
        Some((public.fingerprint(FingerprintHash::Sha256), algorithm.clone()))
    }

    /// Whether the very first request will be a signed one that worked before.
    pub fn will_sign_at_once(&self) -> bool {
        self.remembered_identity().is_some()
    }

    fn remembered_identity(&self) -> Option<(usize, String)> {
        let remembered = self.remembered.as_ref()?;
        if !self.is_enabled(Method::PublicKey) || !self.order.iter().any(|m| m == "publickey") {
            return None;
        }
        let index = self.identities.remembered(remembered.key.as_ref()?)?;
        let public = self.identities.list.get(index)?.public.as_ref()?;
        let algorithm = remembered.sign.as_ref()?;
        let usable = public.signature_algorithms().contains(&algorithm.as_str())
            && self.config.pubkey_accepted_algorithms.iter().any(|name| name == algorithm);
        usable.then(|| (index, algorithm.clone()))
    }

    /// The first request: the key that worked last time, else the question what there is.
    pub fn start(&mut self, link: &mut Link<Client>) -> Step {
        if let Some((index, algorithm)) = self.remembered_identity()
            && let Some(public) = self.public_at(index)
        {
            self.describe_offer(index);
            return self.send_signed(link, index, algorithm, public);
        }
        self.current = Attempt::None;
        self.send(link, AuthAttempt::None)
    }

    /// Tells the agent which server it will sign for.
    pub fn bind_agent(&mut self, host_key: &PublicKey, session_id: &[u8], signature: &[u8]) {
        self.identities.bind(host_key, session_id, signature);
    }

    /// The server said no, or not yet.
    pub fn failed(
        &mut self,
        link: &mut Link<Client>,
        methods: Vec<String>,
        partial_success: bool,
    ) -> Step {
        self.note_failure(partial_success);
        if methods.is_empty() && self.offered_methods.is_empty() && self.current != Attempt::None {
            // The remembered key could not sign, so the server has not been asked anything yet.
            self.current = Attempt::None;
            return self.send(link, AuthAttempt::None);
        }
        debug!("Authentications that can continue: {}", methods.join(","));
        if methods != self.offered_methods {
            self.offered_methods = methods;
            self.position = 0;
        }
        self.next(link)
    }

    fn note_failure(&mut self, partial_success: bool) {
        if partial_success {
            let method = match &self.current {
                Attempt::None => "none",
                Attempt::Query { .. } | Attempt::Signed { .. } => "publickey",
                Attempt::HostBased => "hostbased",
                Attempt::Password => "password",
                Attempt::KeyboardInteractive => "keyboard-interactive",
            };
            say(
                Level::Verbose,
                format_args!("Authenticated using \"{method}\" with partial success."),
            );
        }
        match &self.current {
            Attempt::Query { index } | Attempt::Signed { index, .. } => {
                if let Some(identity) = self.identities.list.get_mut(*index)
                    && identity.fate == Fate::Untried
                {
                    identity.fate = if partial_success { Fate::Accepted } else { Fate::Refused };
                }
            }
            Attempt::Password => self.password_note = Some("refused"),
            Attempt::KeyboardInteractive => {
                self.interactive_note = Some(if self.interactive_asked {
                    "refused"
                } else {
                    "not offered any question"
                });
            }
            Attempt::None | Attempt::HostBased => {}
        }
        if partial_success {
            // The server wants more: another key may be the second factor.
            for identity in &mut self.identities.list {
                if identity.fate == Fate::Refused {
                    identity.fate = Fate::Untried;
                }
            }
            self.next_identity = 0;
            self.exhausted.retain(|method| *method != Method::PublicKey);
        }
    }

    /// Sends whatever comes next.
    fn next(&mut self, link: &mut Link<Client>) -> Step {
        loop {
            let Some(name) = self.order.get(self.position) else {
                debug!("No more authentication methods to try.");
                return Step::GiveUp;
            };
            let method = Method::from_name(name)
                .filter(|method| self.offered_methods.iter().any(|one| one == method.name()))
                .filter(|method| self.is_enabled(*method) && !self.exhausted.contains(method));
            let Some(method) = method else {
                self.position += 1;
                continue;
            };
            if self.used != Some(method) {
                debug!("Next authentication method: {}", method.name());
                self.used = Some(method);
            }
            let sent = match method {
                Method::HostBased => self.try_host(link),
                Method::PublicKey => self.try_key(link),
                Method::Password => self.try_password(link),
                Method::KeyboardInteractive => self.try_interactive(link),
            };
            if let Some(step) = sent {
                return step;
            }
            debug2!("we did not send a packet, disable method");
            self.exhausted.push(method);
        }
    }

    fn is_enabled(&self, method: Method) -> bool {
        let config = &self.config;
        match method {
            Method::HostBased => self.host_based.is_some(),
            Method::PublicKey => *config.pubkey_authentication != PubkeyAuthentication::No,
            Method::Password => {
                *config.password_authentication && !*config.batch_mode && !self.distrusted
            }
            Method::KeyboardInteractive => {
                *config.kbd_interactive_authentication && !*config.batch_mode && !self.distrusted
            }
        }
    }

    fn try_host(&mut self, link: &mut Link<Client>) -> Option<Step> {
        let voucher = self.host_based.as_mut()?.next(&self.config.hostbased_accepted_algorithms)?;
        self.current = Attempt::HostBased;
        Some(self.send(link, AuthAttempt::HostBased(voucher)))
    }

    fn send(&mut self, link: &mut Link<Client>, attempt: AuthAttempt) -> Step {
        match link.connection_mut().authenticate(&self.user, attempt) {
            Ok(()) => Step::Sent,
            Err(problem) => {
                error!("{problem}");
                Step::GiveUp
            }
        }
    }

    fn shown_host(&self) -> &str {
        self.config.host_key_alias.as_deref().unwrap_or(&self.host)
    }
}
