//! Servers that something is being done to: OpenStack tells nobody when it is done, so they are
//! looked at until they rest, and listeners are told what changed. A server that has booted anew
//! is then looked at until its console shows its host keys.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use time::OffsetDateTime;
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::{Openstack, console_keys, lock, server_view};
use crate::cloud::Caller;
use crate::model::{HostKey, HostKeySource, Server, ServerEvent, Status};
use crate::{Error, Result};

/// Servers that are looked at, at one time.
const WATCHED_MAX: usize = 1000;
/// Looks at one time in one region.
const LOOKS_AT_ONCE: usize = 4;
/// Between two looks: at first, and later.
const SOON: Duration = Duration::from_secs(1);
const LATER: Duration = Duration::from_secs(6);
/// A server that is busy for longer is looked at when somebody looks at its page.
const BUSY: Duration = Duration::from_secs(60 * 60);
/// A system that has not printed its keys by then prints none.
const BOOTING: Duration = Duration::from_secs(15 * 60);
/// A server whose keys were looked for in vain is left alone for this long.
const IN_VAIN: Duration = Duration::from_secs(5 * 60);

/// What is being watched.
#[derive(Default)]
pub(super) struct Watches {
    /// By server: the newest watch's number, which ends those before it.
    servers: Mutex<HashMap<Uuid, u64>>,
    last: std::sync::atomic::AtomicU64,
    regions: Mutex<BTreeMap<String, Arc<Semaphore>>>,
    in_vain: Mutex<HashMap<Uuid, Instant>>,
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Until {
    /// It rests.
    Rest,
    /// It rests, and its host keys are known.
    HostKeys,
    /// It is gone.
    Gone,
}

/// One watch.
struct Watch {
    caller: Caller,
    region: String,
    id: Uuid,
    number: u64,
    until: Until,
    places: Arc<Semaphore>,
}

/// What changes between two looks.
type Seen = (Status, Option<String>, OffsetDateTime, usize);

impl Openstack {
    /// Follows a server; a watch that was there is replaced.
    pub(super) fn watch(&self, caller: &Caller, region: &str, id: Uuid, until: Until) {
        let number = self.watches.last.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
        let mut servers = lock(&self.watches.servers);
        if servers.len() >= WATCHED_MAX && !servers.contains_key(&id) {
            return;
        }
        servers.insert(id, number);
        drop(servers);
        let Some(me) = self.me.upgrade() else { return };
        let places = lock(&self.watches.regions)
            .entry(region.to_owned())
            .or_insert_with(|| Arc::new(Semaphore::new(LOOKS_AT_ONCE)))
            .clone();
        let (caller, region) = (caller.clone(), region.to_owned());
        let watch = Watch { caller, region, id, number, until, places };
        tokio::spawn(async move { me.follow(watch).await });
    }

    /// Follows a server unless it is followed already.
    pub(super) fn watch_if_new(&self, caller: &Caller, region: &str, id: Uuid, until: Until) {
        if !lock(&self.watches.servers).contains_key(&id) {
            self.watch(caller, region, id, until);
        }
    }

    /// Looks for the host keys of a server that nobody here saw booting.
    pub(super) fn look_for_host_keys(&self, caller: &Caller, server: &Server) {
        let mut in_vain = lock(&self.watches.in_vain);
        in_vain.retain(|_, at| at.elapsed() < IN_VAIN);
        if server.status != Status::Active || in_vain.len() >= WATCHED_MAX {
            return;
        }
        if in_vain.insert(server.id, Instant::now()).is_none() {
            drop(in_vain);
            self.watch_if_new(caller, &server.region, server.id, Until::HostKeys);
        }
    }

    fn is_newest(&self, watch: &Watch) -> bool {
        lock(&self.watches.servers).get(&watch.id) == Some(&watch.number)
    }

    async fn follow(&self, watch: Watch) {
        if let Some(server) = self.follow_to_rest(&watch).await
            && watch.until == Until::HostKeys
            && server.status == Status::Active
        {
            self.follow_to_keys(&watch, &server).await;
        }
        let mut servers = lock(&self.watches.servers);
        if servers.get(&watch.id) == Some(&watch.number) {
            servers.remove(&watch.id);
        }
    }

    /// The server when it rests; none when it is gone, or cannot be looked at any more.
    async fn follow_to_rest(&self, watch: &Watch) -> Option<Server> {
        let began = Instant::now();
        let mut pause = SOON;
        let mut seen: Option<Seen> = None;
        while began.elapsed() < BUSY && self.is_newest(watch) {
            tokio::time::sleep(pause).await;
            pause = pause.mul_f32(1.2).min(LATER);
            let value = match self.look(watch).await {
                Ok(value) => value,
                Err(Error::NotFound(_)) => {
                    self.forget(watch).await;
                    return None;
                }
                Err(Error::Unauthorized(_)) => return None,
                // It may be back at the next look.
                Err(_) => continue,
            };
            let server = server_view::server(&value, &watch.region)?;
            let now = (
                server.status,
                server.task_state.clone(),
                server.updated_at,
                server.addresses.len(),
            );
            if seen.as_ref() != Some(&now) {
                self.tell(&server);
                seen = Some(now);
                pause = SOON;
            }
            if server_view::is_settled(&value) && watch.until != Until::Gone {
                return Some(server);
            }
        }
        None
    }

    async fn look(&self, watch: &Watch) -> Result<Value> {
        let _place = watch.places.acquire().await;
        let nova = self.nova(&watch.caller, &watch.region).await?;
        let mut answer = nova.get(&format!("/servers/{}", watch.id)).await?;
        Ok(answer["server"].take())
    }

    async fn follow_to_keys(&self, watch: &Watch, server: &Server) {
        let began = Instant::now();
        let mut pause = SOON;
        while began.elapsed() < BOOTING && self.is_newest(watch) {
            match self.read_host_keys(watch, server).await {
                Ok(true) => {
                    self.tell(server);
                    return;
                }
                Ok(false) | Err(Error::Unreachable(_)) => {}
                Err(error) => {
                    tracing::debug!(%error, server = %watch.id, "its console cannot be read");
                    return;
                }
            }
            tokio::time::sleep(pause).await;
            pause = pause.mul_f32(1.3).min(LATER * 3);
        }
    }

    async fn read_host_keys(&self, watch: &Watch, server: &Server) -> Result<bool> {
        let log = {
            let _place = watch.places.acquire().await;
            self.console_text(&watch.caller, &watch.region, watch.id, None).await?
        };
        let printed = console_keys::last_block(&log);
        let Some(address) = server.addresses.first().filter(|_| !printed.is_empty()) else {
            return Ok(false);
        };
        let before = self.records.host_keys(watch.id).await?;
        // After a rebuild the console may still show what the system before it printed.
        let old = |key: &console_keys::Printed| {
            before.iter().any(|one| one.retired_at.is_some() && one.public_key == key.public_key)
        };
        if printed.iter().all(old) {
            return Ok(false);
        }
        let now = OffsetDateTime::now_utc();
        let present: Vec<HostKey> = printed
            .into_iter()
            .map(|key| HostKey {
                server_id: watch.id,
                region: watch.region.clone(),
                address: address.address.to_string(),
                port: address.ssh_port,
                public_key: key.public_key,
                fingerprint_sha256: key.fingerprint_sha256,
                source: HostKeySource::ConsoleLog,
                first_seen_at: now,
                retired_at: None,
            })
            .collect();
        self.records.record_host_keys(watch.id, &present, now).await?;
        Ok(true)
    }

    fn tell(&self, server: &Server) {
        // Nobody may be listening.
        let _ = self.events.send(ServerEvent {
            region: server.region.clone(),
            project_id: server.project_id.clone(),
            server_id: server.id,
            status: Some(server.status),
        });
    }

    async fn forget(&self, watch: &Watch) {
        let retired = self.records.retire_host_keys(watch.id, OffsetDateTime::now_utc()).await;
        if let Err(error) = retired {
            tracing::warn!(%error, server = %watch.id, "host keys were not retired");
        }
        let _ = self.events.send(ServerEvent {
            region: watch.region.clone(),
            project_id: watch.caller.project_id.clone(),
            server_id: watch.id,
            status: None,
        });
    }
}
