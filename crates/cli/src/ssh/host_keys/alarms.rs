//! A key that is not the one it should be.

use config::{StrictHostKeyChecking, YesNoAsk};
use keys::known_hosts::Entry;
use keys::{FingerprintHash, PublicKey, krl};

use super::{Decision, HostKeys, type_label};
use crate::files;
use crate::messages::error;
use crate::text::reason;

/// Largest file of revoked keys that is read.
const REVOKED_BYTES_MAX: u64 = 64 << 20;

impl HostKeys {
    /// Whether `RevokedHostKeys` forbids the key. A list that cannot be read forbids every key.
    pub(super) fn is_revoked_by_file(&self, key: &PublicKey) -> bool {
        self.config.revoked_host_keys.iter().any(|path| {
            let (label, shown) = (type_label(key), path.display());
            let fingerprint = key.fingerprint(self.hash());
            let judged = files::read_limited(path, REVOKED_BYTES_MAX)
                .map_err(|source| reason(&source))
                .and_then(|file| krl::file_revokes(&file, key).map_err(|why| why.to_string()));
            match judged {
                Ok(false) => return false,
                Ok(true) => error!("Host key {label} {fingerprint} revoked by file {shown}"),
                Err(why) => error!(
                    "Error checking host key {label} {fingerprint} in revoked keys file {shown}: \
                     {why}"
                ),
            }
            true
        })
    }

    pub(super) fn alarm_changed(&mut self, key: &PublicKey, entries: &[&Entry]) -> Decision {
        let (name, label) = (self.name.to_string(), type_label(key));
        self.say_changed(key);
        error!("Add correct host key in {} to get rid of this message.", self.user_file_shown());
        for entry in entries {
            let offending = type_label(&entry.key);
            error!("Offending {offending} key in {}:{}", entry.source, entry.line);
            error!("  the key known before is {}", entry.key.fingerprint(self.hash()));
            let fingerprint = entry.key.fingerprint(FingerprintHash::Sha256);
            if let Some(seen) = self.sightings.of(&fingerprint) {
                error!("  first seen on {}, last seen on {}", seen.first_date(), seen.last_date());
            }
        }
        if let Some(entry) = entries.first() {
            error!("  remove with:");
            error!("  ssh-keygen -f \"{}\" -R \"{name}\"", entry.source);
        }
        error!("If the server is yours, compare the new fingerprint with what the web console of");
        error!(
            "your provider shows there: ssh-keygen -lf /etc/ssh/ssh_host_{}_key.pub",
            label.to_ascii_lowercase()
        );
        if *self.config.strict_host_key_checking != StrictHostKeyChecking::Off {
            error!("Host key for {name} has changed and you have requested strict checking.");
            return Decision::Refuse;
        }
        self.distrust()
    }

    /// The block that everybody knows.
    pub(super) fn say_changed(&self, key: &PublicKey) {
        say_alarm("   WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     ");
        error!("IT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!");
        error!("Someone could be eavesdropping on you right now (man-in-the-middle attack)!");
        error!("It is also possible that a host key has just been changed.");
        error!(
            "The fingerprint for the {} key sent by the remote host is\n{}.",
            type_label(key),
            key.fingerprint(self.hash())
        );
        error!("Please contact your system administrator.");
    }

    pub(super) fn alarm_revoked(&mut self, key: &PublicKey, entry: &Entry) -> Decision {
        let (name, label) = (self.name.to_string(), type_label(key));
        say_alarm("      WARNING: REVOKED HOST KEY DETECTED!               ");
        error!("The {label} host key for {name} is marked as revoked.");
        error!("This could mean that a stolen key is being used to impersonate this host.");
        error!("Marked in {}:{}", entry.source, entry.line);
        if *self.config.strict_host_key_checking != StrictHostKeyChecking::Off {
            error!(
                "{label} host key for {name} was revoked and you have requested strict checking."
            );
            return Decision::Refuse;
        }
        self.distrust()
    }

    /// What OpenSSH says and does when the user has asked for no checking at all.
    fn distrust(&mut self) -> Decision {
        let config = &self.config;
        let disabled = |what: &str| {
            error!("{what} is disabled to avoid man-in-the-middle attacks.");
        };
        if *config.password_authentication {
            disabled("Password authentication");
        }
        if *config.kbd_interactive_authentication {
            disabled("Keyboard-interactive authentication");
        }
        if *config.forward_agent != config::ForwardAgent::No {
            disabled("Agent forwarding");
        }
        if *config.update_host_keys != YesNoAsk::No {
            error!("UpdateHostkeys is disabled because the host key is not trusted.");
        }
        Decision::AcceptDistrusted
    }
}

const BAR: &str = "@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@";

pub(super) fn say_alarm(text: &str) {
    error!("{BAR}");
    error!("@ {text}@");
    error!("{BAR}");
}
