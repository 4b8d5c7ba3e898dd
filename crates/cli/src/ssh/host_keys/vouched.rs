//! What an enrolled panel says about a key that the user's files do not know.

use std::net::IpAddr;

use keys::PublicKey;
use keys::known_hosts::{Entry, KnownHosts};
use keys::vouch::Statement;

use super::{Decision, HostKeys, alarms, type_label};
use crate::messages::{debug, error, info};
use crate::vouch::{self, Answer};

impl HostKeys {
    /// The decision, where an enrolled panel knows the server at this address.
    pub(super) fn ask_panels(&mut self, known: &KnownHosts, key: &PublicKey) -> Option<Decision> {
        let address = match self.address {
            Some(address) => address.ip(),
            // Through a proxy the name itself is all there is.
            None => self.config.host_name.parse::<IpAddr>().ok()?,
        };
        let Answer { panel, statement } = vouch::about(address, self.port)?;
        let name = panel.introduction.name;
        if statement.keys.contains(key) {
            self.take_vouched(known, key, &statement, &name);
            return Some(Decision::Accept);
        }
        self.alarm_disagreement(key, &statement, &name);
        Some(Decision::Refuse)
    }

    /// Puts the vouched keys in the place of what the user's files say.
    fn take_vouched(
        &mut self,
        known: &KnownHosts,
        key: &PublicKey,
        statement: &Statement,
        panel: &str,
    ) {
        let (host, label) = (self.name.to_string(), type_label(key));
        info!("The {label} host key of {host} is vouched for by panel {panel}.");
        let is_stale = |entry: &&Entry| {
            entry.marker.is_none() && self.is_users(entry) && !statement.keys.contains(&entry.key)
        };
        let stale: Vec<PublicKey> =
            known.lookup(&self.name).filter(is_stale).map(|entry| entry.key.clone()).collect();
        for old in &stale {
            let rebuilt = statement.former.iter().find(|former| former.key == *old);
            let why = match rebuilt {
                Some(former) if former.server == statement.server => "the server was rebuilt",
                Some(_) => "another server had this address before",
                None => "the panel does not know it",
            };
            info!(
                "The key known before is forgotten, because {why}: {}",
                old.fingerprint(self.hash())
            );
        }
        self.is_trusted = true;
        let written = self.forget(&stale).and_then(|()| match self.first_user_file() {
            Some(file) => self.append(file, std::slice::from_ref(key)),
            None => Ok(()),
        });
        match written {
            Ok(()) => {
                self.is_in_user_file = true;
                self.written.push(key.clone());
            }
            // It is vouched for the next time as well.
            Err(source) => debug!("known_hosts: {}", crate::text::reason(&source)),
        }
    }

    fn alarm_disagreement(&self, key: &PublicKey, statement: &Statement, panel: &str) {
        let (host, label) = (&self.name, type_label(key));
        alarms::say_alarm("  WARNING: THE PANEL KNOWS ANOTHER HOST KEY FOR THIS!  ");
        error!("Someone could be eavesdropping on you right now (man-in-the-middle attack)!");
        error!("Or the server made itself new host keys after it had started.");
        error!(
            "The fingerprint for the {label} key sent by the remote host is\n{}.",
            key.fingerprint(self.hash())
        );
        error!("Panel {panel} says that the server at {host} has");
        for known in &statement.keys {
            error!("{} {}", type_label(known), known.fingerprint(self.hash()));
        }
        if let Some(former) = statement.former.iter().find(|former| former.key == *key) {
            let whose = if former.server == statement.server {
                "before it was rebuilt"
            } else {
                "of another server that had this address before"
            };
            error!("The key sent is the one {whose}.");
        }
        error!("Compare with the server's own console on the panel's page of this server.");
        error!("Host key verification failed; nothing was sent.");
    }
}
