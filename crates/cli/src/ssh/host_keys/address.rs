//! `CheckHostIP`: the address has a line in known_hosts as well.

use std::fmt::Write as _;

use config::StrictHostKeyChecking;
use keys::PublicKey;
use keys::known_hosts::{Entry, HostName, KnownHosts, Verdict};

use super::{Decision, HostKeys, alarms, is_nothing, type_label};
use crate::messages::{error, info};
use crate::ui::prompt;

impl HostKeys {
    /// The address as known_hosts names it, where it is to be looked at: a proxy leaves it
    /// unknown, an alias stands for all addresses, an address that the user gave is the name, and
    /// every machine has the loopback addresses.
    pub(super) fn address_name(&self) -> Option<HostName> {
        let address = self.address?.ip();
        let is_looked_at = *self.config.check_host_ip && self.config.host_key_alias.is_none();
        if !is_looked_at || address.is_loopback() {
            return None;
        }
        let name = HostName::new(&address.to_string(), self.port);
        (name != self.name).then_some(name)
    }

    /// The host is known by its name; what about its address? `host` is the line that matched.
    pub(super) fn check_address(
        &mut self,
        known: &KnownHosts,
        key: &PublicKey,
        host: &Entry,
    ) -> Decision {
        let Some(address) = self.address_name() else { return Decision::Accept };
        match known.judge(&address, key) {
            Verdict::Known(_) => Decision::Accept,
            Verdict::Revoked(entry) => self.alarm_revoked(key, entry),
            Verdict::Changed(entries) => self.differs(key, &address, &entries, host),
            _ => {
                self.add_address(key, &address);
                Decision::Accept
            }
        }
    }

    fn add_address(&self, key: &PublicKey, address: &HostName) {
        let label = type_label(key);
        let Some(file) = self.config.user_known_hosts_files.first() else { return };
        let (names, keys) = (std::slice::from_ref(address), std::slice::from_ref(key));
        if is_nothing(file) || self.append_names(file, names, keys).is_ok() {
            info!(
                "Warning: Permanently added the {label} host key for IP address '{address}' to the \
                 list of known hosts."
            );
        } else {
            info!(
                "Failed to add the {label} host key for IP address '{address}' to the list of \
                 known hosts ({}).",
                file.display()
            );
        }
    }

    fn differs(
        &self,
        key: &PublicKey,
        address: &HostName,
        entries: &[&Entry],
        host: &Entry,
    ) -> Decision {
        let (label, name) = (type_label(key), &self.name);
        let mut text = format!(
            "Warning: the {label} host key for '{name}' differs from the key for the IP address \
             '{address}'"
        );
        // Writing to a string cannot fail.
        if let Some(entry) = entries.first() {
            let _ = write!(text, "\nOffending key for IP in {}:{}", entry.source, entry.line);
        }
        let _ = write!(text, "\nMatching host key in {}:{}", host.source, host.line);
        match *self.config.strict_host_key_checking {
            StrictHostKeyChecking::Yes => {
                info!("{text}");
                error!("Exiting, you have requested strict checking.");
                Decision::Refuse
            }
            StrictHostKeyChecking::Ask => {
                text.push_str("\nAre you sure you want to continue connecting (yes/no)? ");
                let goes_on = !*self.config.batch_mode && prompt::confirm(&text, None);
                if goes_on { Decision::Accept } else { Decision::Refuse }
            }
            StrictHostKeyChecking::Off | StrictHostKeyChecking::AcceptNew => {
                info!("{text}");
                Decision::Accept
            }
        }
    }

    /// The host has another key than it had, and its address does not have the same history.
    pub(super) fn alarm_address(&self, known: &KnownHosts, key: &PublicKey) {
        let Some(address) = self.address_name() else { return };
        let (state, offending) = match known.judge(&address, key) {
            Verdict::Known(entry) => ("is unchanged", Some(entry)),
            Verdict::Changed(entries) => {
                let Some(first) = entries.first().copied() else { return };
                if known.lookup(&self.name).any(|of_host| of_host.key == first.key) {
                    return;
                }
                ("has a different value", Some(first))
            }
            _ => ("is unknown", None),
        };
        alarms::say_alarm("      WARNING: POSSIBLE DNS SPOOFING DETECTED!          ");
        error!("The {} host key for {} has changed,", type_label(key), self.name);
        error!("and the key for the corresponding IP address {address}");
        error!("{state}. This could either mean that");
        error!("DNS SPOOFING is happening or the IP address for the host");
        error!("and its host key have changed at the same time.");
        if let Some(entry) = offending {
            error!("Offending key for IP in {}:{}", entry.source, entry.line);
            error!("  remove with:");
            error!("  ssh-keygen -f \"{}\" -R \"{address}\"", entry.source);
        }
    }
}
