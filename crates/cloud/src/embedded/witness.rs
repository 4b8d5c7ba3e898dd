//! Which host keys servers have, read from their disks: at boot, and again from time to time,
//! because root of a server can change them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use time::OffsetDateTime;
use uuid::Uuid;

use super::guest_files::GuestRoot;
use super::life::{address_of, blocking};
use super::records::ServerRow;
use super::{Embedded, volume};
use crate::model::{HostKey, HostKeySource};
use crate::{Error, Result};

/// However often somebody asks, a server's keys are read no more often than this.
const GLANCE: Duration = Duration::from_secs(5);
/// Every running server's keys are read this often, whoever asks.
const ROUND: Duration = Duration::from_secs(300);

impl Embedded {
    /// Notes which host keys the server has now. A key of a kind that it had already, and that is
    /// another than before, was changed by the server itself: rebuilds retire all keys first.
    pub(super) async fn record_host_keys(&self, row: &ServerRow) -> Result<()> {
        let id = row.server.id;
        let (address, port) = address_of(&row.server)?;
        let disk = self.layout.server(id).disk(row.generation);
        // What has no file system of its own is read past the server; else nobody but the server
        // has it mounted.
        let keys = if volume::of(&disk).is_some() {
            let root = self.guest_root(row).await?;
            blocking(move || Ok(root.host_keys())).await
        } else {
            blocking(move || Ok(GuestRoot::of_disk(&disk, None)?.host_keys())).await
        };
        let keys = keys.map_err(|error| {
            Error::Internal(format!("The server's host keys could not be read: {error}"))
        })?;
        let known = self.records.host_keys(id).await?;
        let now = OffsetDateTime::now_utc();
        let present: Vec<HostKey> = keys
            .iter()
            .map(|key| {
                let public_key = key.to_line("").trim().to_owned();
                HostKey {
                    server_id: id,
                    region: row.server.region.clone(),
                    address: address.to_string(),
                    port,
                    source: source(&known, &public_key),
                    public_key,
                    fingerprint_sha256: key.fingerprint(keys::FingerprintHash::Sha256),
                    first_seen_at: now,
                    retired_at: None,
                }
            })
            .collect();
        let before = || known.iter().filter(|key| key.retired_at.is_none());
        // Files taken away or spoilt say nothing about the keys that the sshd goes on using.
        if present.is_empty() && before().next().is_some() {
            return Ok(());
        }
        let same = present.len() == before().count()
            && present.iter().all(|key| before().any(|known| known.public_key == key.public_key));
        if same && before().all(|known| known.address == address.to_string() && known.port == port)
        {
            return Ok(());
        }
        self.records.record_host_keys(id, &present, now).await?;
        if present.iter().any(|key| key.source == HostKeySource::ChangedByServer) {
            tracing::warn!(server = %id, "the server changed its host keys itself");
            self.tell(&row.server, Some(row.server.status));
        }
        Ok(())
    }

    /// Looks again, unless that was done a moment ago. What cannot be read stays as it is known.
    pub(super) async fn glance(&self, id: Uuid) {
        {
            let mut runs = self.runs();
            let Some(run) = runs.get_mut(&id) else { return };
            if run.keys_read.is_none_or(|at| at.elapsed() < GLANCE) {
                return;
            }
            run.keys_read = Some(Instant::now());
        }
        // While something is done to it, whoever does that reads them.
        let Some(turn) = self.try_turn(id) else { return };
        if let Ok(Some(row)) = self.records.server(id).await
            && let Err(error) = self.record_host_keys(&row).await
        {
            tracing::debug!(server = %id, "{error}");
        }
        drop(turn);
    }

    /// Notes that the keys of this start were read at its boot.
    pub(super) fn witnessed(&self, id: Uuid) {
        if let Some(run) = self.runs().get_mut(&id) {
            run.keys_read = Some(Instant::now());
        }
    }

    /// Looks at every running server's keys for as long as the cloud is there.
    pub(super) fn make_rounds(self: &Arc<Self>) {
        let this = Arc::downgrade(self);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(ROUND).await;
                let Some(this) = this.upgrade() else { return };
                let ids: Vec<Uuid> = this.runs().keys().copied().collect();
                for id in ids {
                    this.glance(id).await;
                }
            }
        });
    }
}

/// How a key that is on the disk now came there, by what was known of the server's keys.
fn source(known: &[HostKey], public_key: &str) -> HostKeySource {
    let kind = |line: &str| line.split(' ').next().map(str::to_owned);
    let present = || known.iter().filter(|key| key.retired_at.is_none());
    if let Some(same) = present().find(|key| key.public_key == public_key) {
        return same.source;
    }
    let Some(since) = present().map(|key| key.first_seen_at).min() else {
        return HostKeySource::Boot;
    };
    let had_one = known.iter().any(|key| {
        kind(&key.public_key) == kind(public_key) && key.retired_at.is_none_or(|at| at >= since)
    });
    if had_one { HostKeySource::ChangedByServer } else { HostKeySource::Boot }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(line: &str, seen: i64, retired: Option<i64>) -> HostKey {
        let at = |seconds| OffsetDateTime::from_unix_timestamp(seconds).unwrap();
        HostKey {
            server_id: Uuid::nil(),
            region: "ams".into(),
            address: "10.78.0.1".into(),
            port: 22,
            public_key: line.into(),
            fingerprint_sha256: String::new(),
            source: HostKeySource::Boot,
            first_seen_at: at(seen),
            retired_at: retired.map(at),
        }
    }

    #[test]
    fn a_changed_key_is_told_from_a_new_one() {
        let (boot, changed) = (HostKeySource::Boot, HostKeySource::ChangedByServer);
        let first = vec![key("ssh-ed25519 A", 10, None)];
        assert_eq!(source(&[], "ssh-ed25519 A"), boot);
        assert_eq!(source(&first, "ssh-ed25519 A"), boot);
        assert_eq!(source(&first, "ssh-rsa A"), boot, "RSA comes later");
        assert_eq!(source(&first, "ssh-ed25519 B"), changed);
        // After a rebuild, which retired what was there.
        let rebuilt = vec![key("ssh-ed25519 B", 30, None), key("ssh-ed25519 A", 10, Some(20))];
        assert_eq!(source(&rebuilt, "ssh-ed25519 B"), boot);
        assert_eq!(source(&rebuilt, "ssh-ed25519 C"), changed);
        assert_eq!(source(&[key("ssh-ed25519 A", 10, Some(20))], "ssh-ed25519 A"), boot);
        // Taken away for a while.
        let gone = vec![key("ssh-rsa A", 10, None), key("ssh-ed25519 A", 10, Some(20))];
        assert_eq!(source(&gone, "ssh-ed25519 B"), changed);
    }
}
