//! Judges who wants in. RFC 4252.

use std::net::IpAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use config::ServerSettings;
use config::{MethodList, PermitRootLogin};
use crypto::hash::HashAlgorithm;

use super::client_name;
use super::hostbased;
use super::interactive::{self, Interactive};
use super::log_lines::printable;
use super::publickey::{self, KeyQuestion};
use super::{Error, Monitor, Phase};
use crate::access;
use crate::accounts::Account;
use crate::exit;
use crate::login_options::LoginOptions;
use crate::password;
use crate::requests::{Ends, Method, ToGate, Verdict};

/// RFC 4253 §11.1.
const DISCONNECT_PROTOCOL_ERROR: u32 = 2;
/// RFC 4253 §11.1.
const DISCONNECT_SERVICE_NOT_AVAILABLE: u32 = 7;
/// A refusal takes at least so long, and up to as much again, always the same for the same name.
const REFUSAL_TIME: Duration = Duration::from_millis(5);
/// No longer name is looked up; Linux allows 32 bytes.
const USER_BYTES: usize = 256;
/// A banner file may have this much.
const BANNER_BYTES: u64 = 120 * 1024;

/// The methods that we have, in the order in which they are offered.
const METHODS: [&str; 4] = ["publickey", "password", "keyboard-interactive", "hostbased"];

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

    /// Tries one method. Returns its name, what to add to the log, and what came of it.
    fn try_method(&mut self, facts: &Facts<'_>, method: Method) -> (&'static str, String, Outcome) {
        let nothing = String::new();
        match method {
            Method::None => {
                let empty = self.settings.permit_empty_passwords.value
                    && self.settings.password_authentication.value
                    && self.lists.is_none()
                    && self.password_is_right(b"") == password::Verdict::Right;
                ("none", nothing, if empty { Outcome::Good } else { Outcome::Bad })
            }
            Method::PublicKey { algorithm, key, signature, host_bound } => {
                let (description, outcome) =
                    self.try_key(facts, &algorithm, &key.0, signature.map(|s| s.0), host_bound);
                ("publickey", description, outcome)
            }
            Method::Password { password, new_password } => {
                if !self.offers("password") {
                    return ("password", nothing, Outcome::Bad);
                }
                let outcome = if self.interactive.uses_pam() {
                    self.password_by_pam(facts, password, new_password)
                } else {
                    match self.password_is_right(password.as_bytes()) {
                        password::Verdict::Right => Outcome::Good,
                        password::Verdict::MustChange => {
                            // To be changed by passwd(1) inside the session, as OpenSSH does it.
                            self.options.must_change_password = true;
                            Outcome::Good
                        }
                        password::Verdict::Wrong => Outcome::Bad,
                    }
                };
                ("password", nothing, outcome)
            }
            Method::KeyboardInteractive { submethods: _ } => {
                let outcome = if self.offers("keyboard-interactive") {
                    self.start_questions(facts)
                } else {
                    Outcome::Bad
                };
                ("keyboard-interactive/pam", nothing, outcome)
            }
            Method::InfoResponse { responses } => {
                let outcome = self.answer_questions(responses);
                ("keyboard-interactive/pam", nothing, outcome)
            }
            Method::HostBased { algorithm, key, client_host, client_user, signature } => {
                if !self.offers("hostbased") {
                    return ("hostbased", nothing, Outcome::Bad);
                }
                let claim = hostbased::Claim {
                    user: &self.raw_user,
                    algorithm: &algorithm,
                    blob: &key.0,
                    client_host: &client_host,
                    client_user: &client_user,
                    signature: &signature.0,
                };
                let (description, good) =
                    hostbased::judge(&claim, facts, &self.account, self.valid, &self.settings);
                ("hostbased", description, if good { Outcome::Good } else { Outcome::Bad })
            }
            Method::UnusableKey { reason } => {
                log::info!(target: crate::VERBOSE, "userauth_pubkey: {} [preauth]", printable(&reason, 400));
                ("publickey", nothing, Outcome::Bad)
            }
            Method::Other { name } => {
                log::debug!("userauth: no method {}", printable(&name, 100));
                ("none", nothing, Outcome::Bad)
            }
        }
    }

    fn try_key(
        &mut self,
        facts: &Facts<'_>,
        algorithm: &str,
        blob: &[u8],
        signature: Option<Vec<u8>>,
        host_bound: bool,
    ) -> (String, Outcome) {
        if !self.offers("publickey") {
            return (String::new(), Outcome::Bad);
        }
        let question = KeyQuestion {
            user: &self.raw_user,
            algorithm,
            blob,
            signature: signature.as_deref(),
            host_bound,
        };
        let judged = publickey::judge(&question, facts, &self.account, self.valid, &self.settings);
        // A certificate does not make another key of it.
        let plain = judged.plain_key;
        if self.used_keys.contains(&plain) {
            log::info!("publickey: this key was used for this login already");
            return (judged.description, Outcome::Bad);
        }
        let outcome = match judged.allowed {
            None => Outcome::Bad,
            Some(_) if signature.is_none() => Outcome::Going(Verdict::PublicKeyOk),
            Some(options) => {
                self.candidate = Some(plain);
                self.candidate_line = Some(judged.line);
                self.options.restrict(options);
                Outcome::Good
            }
        };
        (judged.description, outcome)
    }

    /// Checks against the shadow file; takes the same time for whoever it is.
    fn password_is_right(&self, password: &[u8]) -> password::Verdict {
        let empty_allowed = self.settings.permit_empty_passwords.value;
        match password::Checker::new() {
            Ok(checker) => checker.check(&self.account, password, empty_allowed, now_seconds()),
            Err(error) => {
                log::error!("{error}");
                password::Verdict::Wrong
            }
        }
    }

    fn password_by_pam(
        &mut self,
        facts: &Facts<'_>,
        password: zeroize::Zeroizing<String>,
        new_password: Option<zeroize::Zeroizing<String>>,
    ) -> Outcome {
        if password.is_empty() && !self.settings.permit_empty_passwords.value {
            return Outcome::Bad;
        }
        let password = if self.may_come_by_password() { password } else { wrong_password() };
        match self.interactive.password(&self.account, facts.ends, password, new_password) {
            interactive::Answer::Good => Outcome::Good,
            interactive::Answer::Bad => Outcome::Bad,
            interactive::Answer::Ask(verdict) => Outcome::Going(verdict),
        }
    }

    fn start_questions(&mut self, facts: &Facts<'_>) -> Outcome {
        match self.interactive.start(&self.account, facts.ends) {
            interactive::Answer::Good => Outcome::Good,
            interactive::Answer::Bad => Outcome::Bad,
            interactive::Answer::Ask(verdict) => Outcome::Going(verdict),
        }
    }

    fn answer_questions(&mut self, mut responses: Vec<zeroize::Zeroizing<String>>) -> Outcome {
        if !self.may_come_by_password() {
            responses.fill_with(wrong_password);
        }
        match self.interactive.answer(&self.account, responses) {
            interactive::Answer::Good => Outcome::Good,
            interactive::Answer::Bad => Outcome::Bad,
            interactive::Answer::Ask(verdict) => Outcome::Going(verdict),
        }
    }

    /// Whether a right password would let the user in. Modules see it only then: how they take it, and how long,
    /// would tell whether it is right.
    fn may_come_by_password(&self) -> bool {
        self.valid && self.root_is_permitted("password")
    }

    /// `PermitRootLogin`.
    fn root_is_permitted(&self, method: &str) -> bool {
        if self.account.uid != 0 || !self.account.exists {
            return true;
        }
        match self.settings.permit_root_login.value {
            PermitRootLogin::Yes => true,
            PermitRootLogin::ProhibitPassword => matches!(method, "publickey" | "hostbased"),
            PermitRootLogin::ForcedCommandsOnly => {
                method == "publickey" && self.options.force_command.is_some()
            }
            PermitRootLogin::No => false,
        }
    }

    /// The same, with a line in the log when it matters.
    fn root_may(&self, method: &str, facts: &Facts<'_>) -> bool {
        let permitted = self.root_is_permitted(method);
        let is_root = self.account.exists && self.account.uid == 0;
        if !permitted {
            let ends = facts.ends;
            log::info!("ROOT LOGIN REFUSED FROM {} port {}", ends.remote_address, ends.remote_port);
        } else if is_root
            && self.settings.permit_root_login.value == PermitRootLogin::ForcedCommandsOnly
        {
            log::info!("Root login accepted for forced command.");
        }
        permitted
    }

    /// What PAM says of the account itself.
    fn account_allows(&mut self, facts: &Facts<'_>) -> bool {
        match self.interactive.account(&self.account, facts.ends) {
            Ok(messages) => {
                self.banner.push_str(&messages);
                true
            }
            Err(messages) => {
                self.banner.push_str(&messages);
                false
            }
        }
    }

    /// Takes the method off the lists of `AuthenticationMethods`. Whether one of them is done.
    fn step_of_lists(&mut self, method: &str) -> bool {
        let Some(lists) = &mut self.lists else { return true };
        let (name, device) = method.split_once('/').map_or((method, None), |(n, d)| (n, Some(d)));
        let mut done = false;
        for list in lists.iter_mut() {
            let first = list.first().is_some_and(|first| {
                first.name == name
                    && first.device.as_deref().is_none_or(|wanted| Some(wanted) == device)
            });
            if first {
                list.remove(0);
                done |= list.is_empty();
            }
        }
        done
    }

    /// Whether a method is configured, and next in one of the lists.
    fn offers(&self, method: &str) -> bool {
        let settings = &self.settings;
        let configured = match method {
            "publickey" => settings.pubkey_authentication.value,
            "password" => settings.password_authentication.value,
            "hostbased" => settings.hostbased_authentication.value,
            "keyboard-interactive" => {
                settings.kbd_interactive_authentication.value && self.interactive.uses_pam()
            }
            _ => false,
        };
        configured
            && self.lists.as_ref().is_none_or(|lists| {
                lists.iter().any(|list| list.first().is_some_and(|first| first.name == method))
            })
    }

    fn can_continue(&self) -> Vec<String> {
        METHODS.iter().filter(|m| self.offers(m)).map(|m| (*m).to_owned()).collect()
    }

    fn refuse(
        &mut self,
        method: &'static str,
        description: &str,
        facts: &Facts<'_>,
        started: Instant,
    ) -> Verdict {
        // The first question without a method is how a client learns what there is.
        let asking = method == "none" && self.attempts == 1;
        if !asking {
            self.failures += 1;
        }
        if method != "none" {
            self.log("Failed", method, description, facts);
            wait_until(started + self.refusal_time(facts), started);
        }
        if self.failures >= self.settings.max_auth_tries.value {
            let invalid = if self.valid { "" } else { "invalid user " };
            log::error!(
                "maximum authentication attempts exceeded for {invalid}{} from {} port {} ssh2 [preauth]",
                printable(&self.user, 100),
                facts.ends.remote_address,
                facts.ends.remote_port
            );
            return disconnect(
                DISCONNECT_PROTOCOL_ERROR,
                "Too many authentication failures".into(),
            );
        }
        Verdict::Reject { methods: self.can_continue(), partial_success: false }
    }

    fn log(&self, what: &str, method: &str, description: &str, facts: &Facts<'_>) {
        let invalid = if self.valid { "" } else { "invalid user " };
        let line = format!(
            "{what} {method} for {invalid}{} from {} port {} ssh2{}{description}",
            printable(&self.user, 100),
            facts.ends.remote_address,
            facts.ends.remote_port,
            if description.is_empty() { "" } else { ": " },
        );
        let loud = what == "Accepted"
            || what == "Partial"
            || (what == "Failed"
                && (!self.valid
                    || self.failures >= self.settings.max_auth_tries.value / 2
                    || method == "password"));
        if loud {
            log::info!("{line}");
        } else {
            log::info!(target: crate::VERBOSE, "{line}");
        }
    }

    /// How long a refusal takes for this user: nobody can tell a name that exists by it.
    fn refusal_time(&self, facts: &Facts<'_>) -> Duration {
        let hash = HashAlgorithm::Sha512.digest(&[facts.timing_secret, self.user.as_bytes()]);
        let first = hash.as_ref().first_chunk::<4>().copied().unwrap_or_default();
        let share = u64::from(u32::from_be_bytes(first)) * REFUSAL_TIME.as_nanos() as u64;
        REFUSAL_TIME + Duration::from_nanos(share >> 32)
    }
}

fn wrong_password() -> zeroize::Zeroizing<String> {
    zeroize::Zeroizing::new(crate::pam::WRONG_PASSWORD.to_owned())
}

fn disconnect(reason: u32, text: String) -> Verdict {
    Verdict::Disconnect { reason, text }
}

/// Sleeps until `end`; work that took longer is rounded up to a multiple of it.
fn wait_until(end: Instant, started: Instant) {
    let mut span = end.duration_since(started);
    while span < started.elapsed() && span < Duration::from_secs(5) {
        span *= 2;
    }
    std::thread::sleep(span.saturating_sub(started.elapsed()));
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
