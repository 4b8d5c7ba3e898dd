//! Following a server that changes its host keys. OpenSSH's PROTOCOL §2.5.

use config::YesNoAsk;
use keys::PublicKey;
use keys::known_hosts::{Entry, Marker, remove_keys};

use super::{FILE_BYTES_MAX, HostKeys, type_label};
use crate::files;
use crate::messages::{Level, debug, error, say};
use crate::text::reason;
use crate::ui::prompt;

impl HostKeys {
    /// Of the keys the server says it has, those worth a proof: unknown, of a type we use, from a
    /// host whose key is in the user's own file.
    pub fn keys_to_prove(&self, announced: &[PublicKey]) -> Vec<PublicKey> {
        if *self.config.update_host_keys == YesNoAsk::No || !self.is_in_user_file {
            return Vec::new();
        }
        let is_new = |key: &PublicKey| {
            if self.written.contains(key) {
                return false;
            }
            let mut known = self.known.lookup(&self.name);
            // A revoked key must not come back this way.
            !known.any(|entry| entry.key == *key && entry.marker != Some(Marker::CertAuthority))
        };
        announced
            .iter()
            .filter(|key| key.certificate().is_none() && self.is_used(key) && is_new(key))
            .cloned()
            .collect()
    }

    /// The keys of this host in the user's files that the server no longer has.
    ///
    /// None where a line is shared with other names or a CA speaks for the host: then the user has
    /// arranged something that is not ours to change.
    pub fn keys_to_forget(&self, announced: &[PublicKey]) -> Vec<PublicKey> {
        if *self.config.update_host_keys == YesNoAsk::No || !self.is_in_user_file {
            return Vec::new();
        }
        let is_alone = |entry: &Entry| {
            entry.marker.is_none() && (entry.is_hashed() || entry.names == self.name.as_str())
        };
        let entries: Vec<&Entry> =
            self.known.lookup(&self.name).filter(|entry| self.is_users(entry)).collect();
        if !entries.iter().all(|entry| is_alone(entry)) {
            debug!("hostkeys_find: host key found matching a different name/address");
            return Vec::new();
        }
        entries
            .iter()
            .map(|entry| entry.key.clone())
            .filter(|key| !(announced.contains(key) && self.is_used(key)))
            .collect()
    }

    /// Whether the configuration would take this type of key.
    fn is_used(&self, key: &PublicKey) -> bool {
        let mut names = key.signature_algorithms().iter();
        names.any(|name| self.config.host_key_algorithms.iter().any(|used| used == name))
    }

    /// Writes keys the server has proved, and takes out those it no longer has.
    pub fn update(&mut self, proved: &[PublicKey], obsolete: &[PublicKey]) {
        // Asked again, because the answer comes from the server.
        let new = self.keys_to_prove(proved);
        if new.is_empty() && obsolete.is_empty() {
            return;
        }
        let asks = *self.config.update_host_keys == YesNoAsk::Ask;
        let level = if asks { Level::Info } else { Level::Verbose };
        for (what, keys) in [("Learned new", new.as_slice()), ("Deprecating obsolete", obsolete)] {
            for key in keys {
                let fingerprint = key.fingerprint(self.hash());
                say(level, format_args!("{what} hostkey: {} {fingerprint}", type_label(key)));
            }
        }
        if asks && !prompt::confirm("Accept updated hostkeys? (yes/no): ", None) {
            return;
        }
        let written = self.forget(obsolete).and_then(|()| match self.first_user_file() {
            Some(file) if !new.is_empty() => self.append(file, &new),
            _ => Ok(()),
        });
        match written {
            Ok(()) => self.written.extend(new),
            Err(source) => error!("hostfile_replace_entries: {}", reason(&source)),
        }
    }

    pub(super) fn forget(&self, obsolete: &[PublicKey]) -> std::io::Result<()> {
        if obsolete.is_empty() {
            return Ok(());
        }
        for file in self.config.user_known_hosts_files.iter().filter(|file| file.is_file()) {
            let bytes = files::read_limited(file, FILE_BYTES_MAX)?;
            let Ok(text) = String::from_utf8(bytes) else { continue };
            let edit = remove_keys(&text, &self.name, obsolete);
            if !edit.lines.is_empty() {
                files::replace(file, edit.text.as_bytes(), 0o600)?;
            }
        }
        Ok(())
    }
}
