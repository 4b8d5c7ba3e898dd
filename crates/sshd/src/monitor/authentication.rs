//! Judges who wants in. RFC 4252.

mod methods;
mod permission;
mod refusal;

use std::net::IpAddr;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use config::MethodList;
use config::ServerSettings;

use self::refusal::{DISCONNECT_PROTOCOL_ERROR, disconnect};
use super::client_name;
use super::interactive::{self, Interactive};
use super::log_lines::printable;
use super::{Error, Monitor, Phase};
use crate::access;
use crate::accounts::Account;
use crate::exit;
use crate::login_options::LoginOptions;
use crate::requests::{Ends, Method, ToGate, Verdict};

/// RFC 4253 §11.1.
const DISCONNECT_SERVICE_NOT_AVAILABLE: u32 = 7;
/// No longer name is looked up; Linux allows 32 bytes.
const USER_BYTES: usize = 256;
/// A banner file may have this much.
const BANNER_BYTES: u64 = 120 * 1024;

/// What is known from outside the user's own words.
pub(super) struct Facts<'a> {
    /// The two ends.
    pub(super) ends: &'a Ends,
    /// The first exchange hash.
    pub(super) session_id: &'a [u8],
    /// The blob of the key that signed it.
    pub(super) host_key: &'a [u8],
    /// Makes waiting times unguessable.
    pub(super) timing_secret: &'a [u8],
}

impl Facts<'_> {
    /// The client's address, when it came over the network.
    pub(super) fn remote(&self) -> Option<IpAddr> {
        self.ends.remote_address.parse().ok()
    }
}

/// One user's way in.
pub(super) struct Authentication {
    user: String,
    /// With the style, as it is signed.
    raw_user: String,
    service: String,
    pub(super) account: Account,
    /// There is such an account, and it may come in from here.
    valid: bool,
    pub(super) settings: ServerSettings,
    /// What is still needed, when `AuthenticationMethods` says so.
    lists: Option<Vec<MethodList>>,
    attempts: u32,
    failures: u32,
    refused: bool,
    banner: String,
    /// Restrictions of the keys that were accepted.
    pub(super) options: LoginOptions,
    /// Keys that were accepted; none counts twice.
    used_keys: Vec<Vec<u8>>,
    /// The key that is about to be.
    candidate: Option<Vec<u8>>,
    /// It again, as a line of text.
    candidate_line: Option<String>,
    /// `ExposeAuthInfo`: a line for each method that was good.
    pub(super) information: String,
    pub(super) interactive: Interactive,
}

/// What came of one request, before `AuthenticationMethods` has its say.
enum Outcome {
    /// This was good.
    Good,
    /// This was not.
    Bad,
    /// Something has to be said or asked first.
    Going(Verdict),
}

impl From<interactive::Answer> for Outcome {
    fn from(answer: interactive::Answer) -> Self {
        match answer {
            interactive::Answer::Good => Outcome::Good,
            interactive::Answer::Bad => Outcome::Bad,
            interactive::Answer::Ask(verdict) => Outcome::Going(verdict),
        }
    }
}

impl Monitor {
    /// One request of the gate for a user; the answer goes to the gate.
    pub(super) fn authenticate(
        &mut self,
        user: String,
        service: &str,
        method: Method,
    ) -> Result<(), Error> {
        let started = Instant::now();
        let Some((session_id, host_key)) = self.session_id.clone() else {
            return Err(Error::OutOfTurn("authentication before the key exchange"));
        };
        let wants_name = self.settings.as_ref().is_some_and(|settings| settings.use_dns.value);
        if wants_name && matches!(self.phase, Phase::Offered) {
            self.ends.remote_host = client_name::of(&self.ends.remote_address);
        }
        let host_key = self.host_keys.get(host_key).map(|key| key.blob().to_vec());
        let facts = Facts {
            ends: &self.ends,
            session_id: &session_id,
            host_key: &host_key.unwrap_or_default(),
            timing_secret: self.timing_secret.as_ref(),
        };
        let mut auth = match std::mem::replace(&mut self.phase, Phase::New) {
            Phase::Offered => {
                let Some(config) = &self.config else {
                    return Err(Error::OutOfTurn("authentication after a login"));
                };
                let auth = Authentication::begin(config, &facts, &user, service)?;
                // `LogLevel` may stand in a `Match` block.
                crate::program::start_logging(&self.log, &auth.settings);
                Box::new(auth)
            }
            Phase::Authenticating(auth) => auth,
            other => {
                self.phase = other;
                return Err(Error::OutOfTurn("authentication after it is over"));
            }
        };
        let verdict = auth.answer(&facts, &user, service, method, started);
        let banner = std::mem::take(&mut auth.banner);
        self.phase = if matches!(verdict, Verdict::Accept) {
            Phase::Accepted(auth)
        } else {
            Phase::Authenticating(auth)
        };
        if matches!(verdict, Verdict::Accept) {
            self.announce();
        }
        self.gate.send(&ToGate::Judged { banner, verdict }, &[])
    }
}

impl Authentication {
    /// Looks the user up; an account that is not there goes the same way as one that is.
    fn begin(
        config: &config::ServerConfig,
        facts: &Facts<'_>,
        raw_user: &str,
        service: &str,
    ) -> Result<Self, Error> {
        // "user:style", where the style chooses among ways of asking; we have one.
        let user = raw_user.split_once(':').map_or(raw_user, |(user, _style)| user);
        let looked_up = (user.len() <= USER_BYTES && !user.contains('\0'))
            .then(|| Account::by_name(user))
            .transpose()?
            .flatten();
        let settings = crate::program::effective(config, user, looked_up.as_ref(), facts.ends)
            .map_err(|error| Error::Io(std::io::Error::other(error)))?;
        let mut account = looked_up.unwrap_or_else(Account::unknown);
        if !account.exists {
            user.clone_into(&mut account.name);
        }
        let values = |list: &[config::Setting<String>]| -> Vec<String> {
            list.iter().map(|setting| setting.value.clone()).collect()
        };
        let denied = access::check(
            &account,
            &access::Rules {
                deny_users: &values(&settings.deny_users),
                allow_users: &values(&settings.allow_users),
                deny_groups: &values(&settings.deny_groups),
                allow_groups: &values(&settings.allow_groups),
                use_pam: settings.use_pam.value,
                chroot: settings.chroot_directory.value.is_some(),
            },
            &access::Peer { host: &facts.ends.remote_host, address: facts.remote() },
            now_seconds(),
        );
        // A server without rights can only let its own user in.
        let denied = denied.map_err(|denied| denied.to_string()).and_then(|()| {
            let own = rustix::process::geteuid();
            if own.is_root() || own.as_raw() == account.uid {
                return Ok(());
            }
            Err(format!("User {user} not allowed because this server runs as another user"))
        });
        if let Err(line) = &denied {
            let port = facts.ends.remote_port;
            let line = printable(line, 400);
            if account.exists {
                log::info!("{line}");
            } else {
                log::info!("{line} port {port}");
            }
        }
        let methods = &settings.authentication_methods.value;
        let lists = (!methods.is_empty()).then(|| methods.clone());
        Ok(Authentication {
            user: user.to_owned(),
            raw_user: raw_user.to_owned(),
            service: service.to_owned(),
            valid: denied.is_ok(),
            account,
            lists,
            attempts: 0,
            failures: 0,
            refused: settings.refuse_connection.value,
            banner: read_banner(&settings),
            options: LoginOptions::everything(),
            used_keys: Vec::new(),
            candidate: None,
            candidate_line: None,
            information: String::new(),
            interactive: Interactive::new(&settings),
            settings,
        })
    }

    /// The login name.
    pub(super) fn user(&self) -> &str {
        &self.user
    }

    /// Whether the account may come in at all.
    pub(super) fn is_valid(&self) -> bool {
        self.valid
    }

    /// What the listener is told when this never came to a login.
    pub(super) fn exit_status(&self) -> i32 {
        if self.refused {
            exit::REFUSED
        } else if !self.account.exists {
            exit::INVALID_USER
        } else if self.failures > 0 {
            exit::NOT_AUTHENTICATED
        } else {
            exit::FAILED
        }
    }

    fn answer(
        &mut self,
        facts: &Facts<'_>,
        raw_user: &str,
        service: &str,
        method: Method,
        started: Instant,
    ) -> Verdict {
        if raw_user != self.raw_user || service != self.service {
            return disconnect(
                DISCONNECT_PROTOCOL_ERROR,
                format!(
                    "Change of username or service not allowed: ({},{}) -> ({},{})",
                    printable(&self.raw_user, 100),
                    printable(&self.service, 100),
                    printable(raw_user, 100),
                    printable(service, 100)
                ),
            );
        }
        if service != "ssh-connection" {
            return disconnect(DISCONNECT_SERVICE_NOT_AVAILABLE, "Unsupported service".into());
        }
        if self.refused {
            return disconnect(
                DISCONNECT_PROTOCOL_ERROR,
                "Connection refused by configuration".into(),
            );
        }
        self.attempts = self.attempts.saturating_add(1);
        // More than any client needs; `MaxAuthTries` does not count questions about keys that are fine.
        if self.attempts > 1024 {
            return disconnect(
                DISCONNECT_PROTOCOL_ERROR,
                "too many authentication requests".into(),
            );
        }
        let (name, description, outcome) = self.try_method(facts, method);
        let outcome = match outcome {
            Outcome::Good if !self.root_may(name, facts) => Outcome::Bad,
            Outcome::Good if !self.valid => Outcome::Bad,
            Outcome::Good if !self.account_allows(facts) => Outcome::Bad,
            other => other,
        };
        match outcome {
            Outcome::Going(verdict) => {
                if matches!(verdict, Verdict::PublicKeyOk) {
                    self.log("Postponed", name, &description, facts);
                }
                verdict
            }
            Outcome::Good => {
                self.used_keys.extend(self.candidate.take());
                self.note(name);
                if self.step_of_lists(name) {
                    self.log("Accepted", name, &description, facts);
                    return Verdict::Accept;
                }
                self.log("Partial", name, &description, facts);
                Verdict::Reject { methods: self.can_continue(), partial_success: true }
            }
            Outcome::Bad => self.refuse(name, &description, facts, started),
        }
    }

    /// Keeps what the session may be told of how its user came in.
    fn note(&mut self, method: &str) {
        self.information.push_str(method);
        if let Some(key) = self.candidate_line.take() {
            self.information.push(' ');
            self.information.push_str(&key);
        }
        self.information.push('\n');
    }
}

/// Seconds since 1970.
pub(super) fn now_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn read_banner(settings: &ServerSettings) -> String {
    let Some(path) = &settings.banner.value else { return String::new() };
    match crate::settings::read_limited(path, BANNER_BYTES) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(_) => String::new(),
    }
}
