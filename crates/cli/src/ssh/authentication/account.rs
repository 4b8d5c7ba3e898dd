//! Why nothing worked: what was tried, said before OpenSSH's own last line.

use super::{Authentication, Method};
use crate::messages::{Level, info, say};
use crate::ssh::identities::{Fate, Identity};

impl Authentication {
    /// Why nothing worked, and OpenSSH's own last line.
    pub fn report_denial(&self) {
        for line in self.account() {
            info!("ssh: {line}");
        }
        crate::doctor::after_denial(
            &self.config.original_host,
            *self.config.batch_mode,
            &self.identities.list,
            &self.offered_methods,
        );
        let (user, host) = (&self.user, self.shown_host());
        say(
            Level::Fatal,
            format_args!("{user}@{host}: Permission denied ({}).", self.offered_methods.join(",")),
        );
    }

    /// What was tried, a line each.
    fn account(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.offers("publickey") {
            if !self.is_enabled(Method::PublicKey) {
                lines.push("keys: not tried, PubkeyAuthentication is no".to_owned());
            } else if self.identities.list.is_empty() {
                lines.push("keys: none to offer, neither in files nor in an agent".to_owned());
            }
            lines.extend(self.identities.list.iter().map(fate_line));
        }
        for (method, note) in [
            (Method::KeyboardInteractive, self.interactive_note),
            (Method::Password, self.password_note),
        ] {
            if !self.offers(method.name()) {
                continue;
            }
            let name = method.name();
            match (note, self.is_enabled(method)) {
                (Some(note), _) => lines.push(format!("{name}: {note}")),
                (None, false) if self.distrusted => {
                    lines.push(format!("{name}: not tried, the host key changed"));
                }
                (None, false) if *self.config.batch_mode => {
                    lines.push(format!("{name}: not tried, BatchMode forbids asking"));
                }
                (None, false) => {
                    lines.push(format!("{name}: not tried, switched off in the configuration"));
                }
                (None, true) => lines.push(format!("{name}: not tried")),
            }
        }
        for method in &self.offered_methods {
            if Method::from_name(method).is_none() {
                lines.push(format!("{method}: not in this version of Keyway"));
            }
        }
        lines
    }

    fn offers(&self, method: &str) -> bool {
        self.offered_methods.iter().any(|one| one == method)
    }
}

/// What to say of one key.
fn fate_line(identity: &Identity) -> String {
    let what = identity.describe_shortly();
    match &identity.fate {
        Fate::Refused => format!("{what}: offered, refused by the server"),
        Fate::Skipped(why) => format!("{what}: not used, {why}"),
        Fate::Accepted => format!("{what}: accepted, but the server wants more"),
        Fate::Untried => format!("{what}: not offered"),
    }
}
