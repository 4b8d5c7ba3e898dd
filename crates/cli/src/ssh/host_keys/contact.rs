//! The first contact with a host: the question, and what is written after it.

use std::fmt::Write as _;

use config::{StrictHostKeyChecking, YesNoAsk};
use keys::PublicKey;
use keys::known_hosts::{Entry, HostName, KnownHosts};

use super::records::Records;
use super::{Decision, HostKeys, is_nothing, type_label};
use crate::messages::{debug, error, info};
use crate::text::reason;
use crate::ui::prompt;

impl HostKeys {
    /// First contact.
    pub(super) fn meet(
        &mut self,
        known: &KnownHosts,
        key: &PublicKey,
        others: &[&Entry],
    ) -> Decision {
        let (name, label) = (self.name.to_string(), type_label(key));
        self.explain_records();
        match *self.config.strict_host_key_checking {
            StrictHostKeyChecking::Yes => {
                error!(
                    "No {label} host key is known for {name} and you have requested strict \
                     checking."
                );
                info!(
                    "ssh: to accept it, compare this fingerprint with one you trust and add the \
                     key to {}: {}",
                    self.user_file_shown(),
                    key.fingerprint(self.hash())
                );
                return Decision::Refuse;
            }
            StrictHostKeyChecking::Ask => {
                for entry in others {
                    self.mention_other(entry);
                }
                let fingerprint = key.fingerprint(self.hash());
                let question = self.question(known, key, &fingerprint, !others.is_empty());
                if *self.config.batch_mode || !prompt::confirm(&question, Some(&fingerprint)) {
                    return Decision::Refuse;
                }
            }
            StrictHostKeyChecking::Off | StrictHostKeyChecking::AcceptNew => {
                for entry in others {
                    self.mention_other(entry);
                }
            }
        }
        self.remember(known, key);
        Decision::Accept
    }

    fn question(
        &self,
        known: &KnownHosts,
        key: &PublicKey,
        fingerprint: &str,
        has_other_types: bool,
    ) -> String {
        let (name, label) = (&self.name, type_label(key));
        let address = match self.address {
            Some(address) => HostName::new(&address.ip().to_string(), self.port).to_string(),
            None => "<no hostip for proxy command>".to_owned(),
        };
        let mut text =
            format!("The authenticity of host '{name} ({address})' can't be established");
        text.push_str(if has_other_types {
            "\nbut keys of different type are already known for this host."
        } else {
            "."
        });
        // Writing to a string cannot fail.
        let _ = write!(text, "\n{label} key fingerprint is {fingerprint}.");
        if *self.config.visual_host_key {
            let _ = write!(text, "\n{}", key.randomart(self.hash()));
        }
        text.push('\n');
        match self.records {
            _ if *self.config.verify_host_key_dns == YesNoAsk::No => {}
            Records::Match(_) => {
                text.push_str("Matching host key fingerprint found in DNS.\n");
            }
            Records::None | Records::Mismatch | Records::Bogus => {
                text.push_str("No matching host key fingerprint found in DNS.\n");
            }
        }
        text.push_str(&Self::other_names(known, key));
        text.push_str("\nAre you sure you want to continue connecting (yes/no/[fingerprint])? ");
        text
    }

    /// The other names that the files have for this very key.
    fn other_names(known: &KnownHosts, key: &PublicKey) -> String {
        let others: Vec<&Entry> = known
            .entries()
            .iter()
            .filter(|entry| entry.marker.is_none() && entry.key == *key)
            .collect();
        if others.is_empty() {
            return "This key is not known by any other names.".to_owned();
        }
        let mut text = "This host key is known by the following other names/addresses:".to_owned();
        for entry in others.iter().take(OTHER_NAMES_MAX) {
            let names = if entry.is_hashed() { "[hashed name]" } else { &entry.names };
            let _ = write!(text, "\n    {}:{}: {names}", entry.source, entry.line);
        }
        if others.len() > OTHER_NAMES_MAX {
            let more = others.len() - OTHER_NAMES_MAX;
            let _ = write!(text, "\n    ({more} additional names omitted)");
        }
        text
    }

    fn mention_other(&self, entry: &Entry) {
        let (label, name) = (type_label(&entry.key), &self.name);
        info!(
            "WARNING: {label} key found for host {name}\nin {}:{}\n{label} key fingerprint {}.",
            entry.source,
            entry.line,
            entry.key.fingerprint(self.hash())
        );
        if *self.config.visual_host_key {
            info!("{}", entry.key.randomart(self.hash()));
        }
    }

    /// Writes a key that is trusted from now on.
    fn remember(&mut self, known: &KnownHosts, key: &PublicKey) {
        // With CheckHostIP an address that nobody has used yet is written beside the name.
        let address = self.address_name();
        let address = address.filter(|name| known.lookup(name).next().is_none());
        let names: Vec<HostName> =
            [Some(self.name.clone()), address].into_iter().flatten().collect();
        let shown: Vec<&str> = names.iter().map(HostName::as_str).collect();
        let name = shown.join(",");
        let label = type_label(key);
        let Some(file) = self.config.user_known_hosts_files.first() else { return };
        if is_nothing(file) {
            // A null device takes everything; the message is what scripts know.
            info!("Warning: Permanently added '{name}' ({label}) to the list of known hosts.");
            return;
        }
        match self.append_names(file, &names, std::slice::from_ref(key)) {
            Ok(()) => {
                info!("Warning: Permanently added '{name}' ({label}) to the list of known hosts.");
                self.is_trusted = true;
                self.is_in_user_file = true;
                self.written.push(key.clone());
            }
            Err(source) => {
                debug!("{}: {}", file.display(), reason(&source));
                info!("Failed to add the host to the list of known hosts ({}).", file.display());
            }
        }
    }
}

/// Other names of a key that the question lists.
const OTHER_NAMES_MAX: usize = 8;
