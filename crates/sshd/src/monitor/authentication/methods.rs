//! Each method tried: what a key, a password or an answer is worth by itself.

use super::{Authentication, Facts, Outcome, now_seconds};
use crate::monitor::hostbased;
use crate::monitor::log_lines::printable;
use crate::monitor::publickey::{self, KeyQuestion};
use crate::password;
use crate::requests::{Method, Verdict};

impl Authentication {
    /// Tries one method. Returns its name, what to add to the log, and what came of it.
    pub(super) fn try_method(
        &mut self,
        facts: &Facts<'_>,
        method: Method,
    ) -> (&'static str, String, Outcome) {
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
        self.interactive.password(&self.account, facts.ends, password, new_password).into()
    }

    fn start_questions(&mut self, facts: &Facts<'_>) -> Outcome {
        self.interactive.start(&self.account, facts.ends).into()
    }

    fn answer_questions(&mut self, mut responses: Vec<zeroize::Zeroizing<String>>) -> Outcome {
        if !self.may_come_by_password() {
            responses.fill_with(wrong_password);
        }
        self.interactive.answer(&self.account, responses).into()
    }

    /// Whether a right password would let the user in. Modules see it only then: how they take it, and how long,
    /// would tell whether it is right.
    fn may_come_by_password(&self) -> bool {
        self.valid && self.root_is_permitted("password")
    }
}

fn wrong_password() -> zeroize::Zeroizing<String> {
    zeroize::Zeroizing::new(crate::pam::WRONG_PASSWORD.to_owned())
}
