//! What happens to servers: made, started, stopped, made anew, taken away.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal};
use time::OffsetDateTime;
use tokio::sync::OwnedMutexGuard;
use uuid::Uuid;

use super::client::{self, Shim};
use super::guest_files::{self, GuestRoot};
use super::images::this_system;
use super::layout::ServerFolder;
use super::protocol::{Event, Exit, Isolation, Plan, Request, Why};
use super::records::ServerRow;
use super::{Embedded, IDS_PER_SERVER, disk, link, sys};
use crate::model::{HostKey, HostKeySource, Power, Server, ServerEvent, Status};
use crate::{Error, Result};

/// From the shim's start to its sshd's word that it listens; on a machine under heavy load.
const BOOT_TIMEOUT: Duration = Duration::from_secs(120);
/// How long a server may take to stop before it is killed; a little more than its own patience.
const STOP_TIMEOUT: Duration = Duration::from_secs(8);
/// How long a killed one may take to be gone.
const KILL_TIMEOUT: Duration = Duration::from_secs(20);
/// Between looks whether a shim is gone.
const LOOK: Duration = Duration::from_millis(3);

/// Held while something is done to a server.
pub(super) type Turn = OwnedMutexGuard<()>;

impl Embedded {
    /// Starts a server that has no shim, and waits until its sshd listens.
    pub(super) async fn boot(self: &Arc<Self>, row: &ServerRow) -> Result<()> {
        let id = row.server.id;
        let folder = self.layout.server(id);
        let run = Uuid::new_v4();
        let plan = self.plan(row, run)?;
        self.prepare_disk(row, &folder, &plan).await?;
        let failed = |what: &str, error: io::Error| {
            Error::Internal(format!("The server could not be started: {what}: {error}"))
        };
        let text = serde_json::to_vec_pretty(&plan).map_err(io::Error::from);
        text.and_then(|text| std::fs::write(folder.plan(), text))
            .map_err(|error| failed("its plan", error))?;
        let _ = std::fs::remove_file(folder.exit());
        let mut child = self.spawn_shim(&folder).map_err(|error| failed("its shim", error))?;
        self.runs().insert(id, Run { run, pid: None });

        let booted = async {
            let mut shim = loop {
                if let Ok(shim) = Shim::connect(&folder).await {
                    break shim.ask(&Request::Watch).await?;
                }
                if let Ok(Some(_)) = child.try_wait() {
                    return Err(Error::Internal(why_not(&folder)));
                }
                tokio::time::sleep(LOOK).await;
            };
            loop {
                match shim.event().await {
                    Ok(Event::State { pid, ready, .. }) => {
                        self.runs().insert(id, Run { run, pid: Some(pid) });
                        if ready {
                            return Ok(shim);
                        }
                    }
                    Ok(Event::Ready) => return Ok(shim),
                    Ok(Event::HostKeys) => {}
                    Ok(Event::Exited(_)) | Err(_) => return Err(Error::Internal(why_not(&folder))),
                }
            }
        };
        let outcome = tokio::time::timeout(BOOT_TIMEOUT, booted).await.unwrap_or_else(|_| {
            Err(Error::Internal(
                "The server's sshd did not start in time; its console log may say why.".into(),
            ))
        });
        // Collected whenever it ends, which may be long after.
        tokio::spawn(async move { child.wait().await });
        match outcome {
            Ok(shim) => {
                self.record_host_keys(row, HostKeySource::Boot).await?;
                self.clone().watch(id, run, shim);
                Ok(())
            }
            Err(error) => {
                self.halt(id).await;
                Err(error)
            }
        }
    }

    fn plan(&self, row: &ServerRow, run: Uuid) -> Result<Plan> {
        let server = &row.server;
        let folder = self.layout.server(server.id);
        let (address, port) = address_of(server)?;
        Ok(Plan {
            id: server.id,
            run,
            hostname: hostname(&server.name),
            image: self.layout.image_root(server.image_id),
            system_usr: this_system::is(server.image_id),
            disk: folder.disk(row.generation),
            program: self.settings.program.clone(),
            keyway: self.settings.keyway.clone(),
            isolation: self.isolation(row)?,
            address,
            port,
            cloud_init: self.layout.image_root(server.image_id).join("usr/bin/cloud-init").exists(),
            memory_mib: server.flavor.ram_mib,
            vcpus: server.flavor.vcpus,
        })
    }

    fn isolation(&self, row: &ServerRow) -> Result<Isolation> {
        if self.machine.ordinary_user {
            return Ok(Isolation::User { subordinate: self.machine.subordinate });
        }
        let (address, _) = address_of(&row.server)?;
        Ok(Isolation::Full {
            uid_base: self.uid_base(row)?,
            interface: self.interface(row)?,
            mac: mac_of(address),
            cgroup: self
                .machine
                .cgroups
                .then(|| format!("/keyway-{:04x}/{}", self.instance, row.server.id)),
        })
    }

    fn region_index(&self, row: &ServerRow) -> Result<u32> {
        self.settings
            .regions
            .iter()
            .position(|region| region.region.id == row.server.region)
            .and_then(|index| u32::try_from(index).ok())
            .ok_or_else(|| {
                Error::Conflict(format!("The region {} is no longer set up.", row.server.region))
            })
    }

    fn uid_base(&self, row: &ServerRow) -> Result<u32> {
        let place = self.region_index(row)? * self.slots_max() + row.slot;
        Ok(self.settings.uid_base + place * IDS_PER_SERVER)
    }

    /// Within the fifteen characters that the kernel has for names, and not another panel's.
    fn interface(&self, row: &ServerRow) -> Result<String> {
        Ok(format!("kw{:04x}{:x}{:05x}", self.instance, self.region_index(row)?, row.slot))
    }

    /// What root inside is outside, where that is not the panel's own user.
    fn owner(&self, row: &ServerRow) -> Result<Option<u32>> {
        if self.machine.ordinary_user { Ok(None) } else { self.uid_base(row).map(Some) }
    }

    async fn prepare_disk(
        &self,
        row: &ServerRow,
        folder: &ServerFolder,
        plan: &Plan,
    ) -> Result<()> {
        if !plan.image.is_dir() {
            return Err(Error::Conflict("The image of this server is gone.".into()));
        }
        let disk = plan.disk.clone();
        if disk.is_dir() {
            return Ok(());
        }
        let (row, owner, plan) = (row.clone(), self.owner(row)?, plan.clone());
        std::fs::create_dir_all(folder.path())
            .map_err(|error| Error::Internal(format!("Making the server's folder: {error}")))?;
        let made = blocking(move || {
            disk::make(
                &disk,
                &disk::NewDisk {
                    id: row.server.id,
                    hostname: &plan.hostname,
                    address: plan.address,
                    public_keys: &row.public_keys,
                    user_data: plan.cloud_init.then_some(row.user_data.as_slice()),
                    owner,
                },
            )
        });
        made.await.map_err(|error| match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Error::Exhausted("The disk of this machine is full.".into())
            }
            _ => Error::Internal(format!("Making the server's disk: {error}")),
        })
    }

    fn spawn_shim(&self, folder: &ServerFolder) -> io::Result<tokio::process::Child> {
        let log = std::fs::File::create(folder.log())?;
        let mut command = std::process::Command::new(&self.settings.program);
        command
            .arg("shim")
            .arg(folder.path())
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        sys::in_own_session(&mut command);
        tokio::process::Command::from(command).spawn()
    }

    /// Hears of what the server does by itself.
    pub(super) fn watch(self: Arc<Self>, id: Uuid, run: Uuid, mut shim: Shim) {
        tokio::spawn(async move {
            let exit = loop {
                match shim.event().await {
                    Ok(Event::HostKeys) => {
                        if let Ok(Some(row)) = self.records.server(id).await {
                            let _ = self.record_host_keys(&row, HostKeySource::Boot).await;
                        }
                    }
                    Ok(Event::Exited(exit)) => break Some(exit),
                    Ok(_) => {}
                    Err(_) => break None,
                }
            };
            if let Err(error) = self.ended(id, run, exit).await {
                tracing::warn!(server = %id, "after the server's end: {error}");
            }
        });
    }

    /// A server ended that nobody here asked to.
    async fn ended(self: &Arc<Self>, id: Uuid, run: Uuid, exit: Option<Exit>) -> Result<()> {
        let turn = self.turn(id).await;
        if self.runs().get(&id).is_none_or(|now| now.run != run) {
            return Ok(());
        }
        self.halt(id).await;
        let Some(mut row) = self.records.server(id).await? else { return Ok(()) };
        match exit {
            Some(Exit { why: Why::Reboot, .. }) => {
                row.server.task_state = Some("reboot_started".into());
                self.save(&mut row, Status::Reboot).await?;
                let booted = self.boot(&row).await;
                self.settle(&mut row, booted).await?;
            }
            Some(Exit { why: Why::Stopped, .. }) => {
                row.wanted_running = false;
                self.stopped(&mut row).await?;
            }
            exit => {
                let detail = exit.and_then(|exit| exit.detail);
                let fault = detail.map_or_else(
                    || "The server ended unexpectedly. Reboot it to start it again.".to_owned(),
                    |detail| format!("The server ended: {detail}. Reboot it to start it again."),
                );
                self.failed(&mut row, fault).await?;
            }
        }
        drop(turn);
        Ok(())
    }

    /// Ends a server and waits until nothing of it runs: politely first, or at once.
    pub(super) async fn stop(&self, id: Uuid, politely: bool) {
        self.runs().remove(&id);
        let folder = self.layout.server(id);
        if politely && client::holder(&folder).is_some() {
            let asked = match Shim::connect(&folder).await {
                Ok(shim) => shim.ask(&Request::Stop).await.is_ok(),
                Err(_) => false,
            };
            if asked && gone(&folder, STOP_TIMEOUT).await {
                self.sweep(id).await;
                return;
            }
        }
        self.halt(id).await;
    }

    /// Ends a server at once, and whatever is left of it besides its disk.
    async fn halt(&self, id: Uuid) {
        self.runs().remove(&id);
        let folder = self.layout.server(id);
        if client::holder(&folder).is_some() {
            if let Ok(shim) = Shim::connect(&folder).await {
                let asked = shim.ask(&Request::Kill);
                let _ = tokio::time::timeout(Duration::from_secs(1), asked).await;
            }
            if !gone(&folder, Duration::from_secs(2)).await {
                kill_holder(&folder);
                gone(&folder, KILL_TIMEOUT).await;
            }
        }
        self.sweep(id).await;
    }

    /// What a shim would have taken away, had it not been killed itself.
    async fn sweep(&self, id: Uuid) {
        if self.machine.ordinary_user {
            return;
        }
        if let Ok(Some(row)) = self.records.server(id).await
            && let Ok(interface) = self.interface(&row)
        {
            let _ = blocking(move || {
                link::disconnect(&interface);
                Ok(())
            })
            .await;
        }
        let name = format!("keyway-{:04x}/{id}", self.instance);
        let _ = blocking(move || {
            for group in control_groups(&name) {
                let _ = std::fs::remove_dir(group);
            }
            Ok(())
        })
        .await;
        let _ = std::fs::remove_dir_all(self.layout.server(id).runtime());
    }

    /// Takes the disks of other generations away, or all of it.
    pub(super) async fn remove_disks(&self, id: Uuid, keep: Option<u32>) -> Result<()> {
        let folder = self.layout.server(id);
        let program = self.settings.program.clone();
        let ordinary_user = self.machine.ordinary_user && self.machine.subordinate.is_some();
        let removed = blocking(move || {
            let kept = keep.map(|generation| folder.disk(generation));
            let paths: Vec<PathBuf> = match &kept {
                None => vec![folder.path().to_path_buf()],
                Some(kept) => std::fs::read_dir(folder.path())?
                    .filter_map(io::Result::ok)
                    .map(|entry| entry.path())
                    .filter(|path| path != kept && is_disk(path))
                    .collect(),
            };
            for path in paths {
                if ordinary_user {
                    // Files of ids that only a user namespace gives the right to.
                    std::process::Command::new(&program)
                        .args(["shim", "--remove"])
                        .arg(&path)
                        .stdin(Stdio::null())
                        .status()?;
                }
                match std::fs::remove_dir_all(&path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
            Ok(())
        });
        removed.await.map_err(|error| Error::Internal(format!("Removing the disk: {error}")))
    }

    /// Notes which host keys the server has now.
    pub(super) async fn record_host_keys(
        &self,
        row: &ServerRow,
        source: HostKeySource,
    ) -> Result<()> {
        let now = OffsetDateTime::now_utc();
        let (address, port) = address_of(&row.server)?;
        let upper = self.layout.server(row.server.id).disk(row.generation).join("upper");
        let keys = blocking(move || Ok(GuestRoot::open(&upper, None)?.host_keys())).await;
        let keys = keys.map_err(|error| {
            Error::Internal(format!("The server's host keys could not be read: {error}"))
        })?;
        let present: Vec<HostKey> = keys
            .iter()
            .map(|key| HostKey {
                server_id: row.server.id,
                region: row.server.region.clone(),
                address: address.to_string(),
                port,
                public_key: key.to_line("").trim().to_owned(),
                fingerprint_sha256: key.fingerprint(keys::FingerprintHash::Sha256),
                source,
                first_seen_at: now,
                retired_at: None,
            })
            .collect();
        self.records.record_host_keys(row.server.id, &present, now).await
    }

    /// The server's files as its own processes see them, or its disk when it has none.
    pub(super) fn guest_root(&self, row: &ServerRow) -> Result<GuestRoot> {
        let pid = self.runs().get(&row.server.id).and_then(|run| run.pid);
        let path = match pid {
            Some(pid) => guest_files::process_root(pid),
            None => self.layout.server(row.server.id).disk(row.generation).join("upper"),
        };
        GuestRoot::open(&path, self.owner(row)?).map_err(|error| {
            Error::Conflict(format!("The server's files cannot be reached: {error}"))
        })
    }

    /// Waits for whatever is being done to the server.
    pub(super) async fn turn(&self, id: Uuid) -> Turn {
        self.lock_of(id).lock_owned().await
    }

    /// The turn, unless somebody has it.
    pub(super) fn try_turn(&self, id: Uuid) -> Option<Turn> {
        self.lock_of(id).try_lock_owned().ok()
    }

    /// Stores a new state and tells of it.
    pub(super) async fn save(&self, row: &mut ServerRow, status: Status) -> Result<()> {
        row.server.status = status;
        row.server.updated_at = OffsetDateTime::now_utc();
        self.records.update_server(row).await?;
        self.tell(&row.server, Some(status));
        Ok(())
    }

    /// After a start: running, or why not. The result is the start's.
    pub(super) async fn settle(&self, row: &mut ServerRow, booted: Result<()>) -> Result<()> {
        row.server.task_state = None;
        match booted {
            Ok(()) => {
                row.server.power = Power::Running;
                row.server.fault = None;
                row.server.launched_at.get_or_insert_with(OffsetDateTime::now_utc);
                self.save(row, Status::Active).await
            }
            Err(error) => {
                self.failed(row, error.to_string()).await?;
                Err(error)
            }
        }
    }

    pub(super) async fn stopped(&self, row: &mut ServerRow) -> Result<()> {
        row.server.task_state = None;
        row.server.power = Power::Shutdown;
        self.save(row, Status::Shutoff).await
    }

    pub(super) async fn failed(&self, row: &mut ServerRow, fault: String) -> Result<()> {
        row.server.task_state = None;
        row.server.power = Power::Shutdown;
        row.server.fault = Some(fault);
        self.save(row, Status::Error).await
    }

    pub(super) fn tell(&self, server: &Server, status: Option<Status>) {
        // Nobody may be listening.
        let _ = self.events.send(ServerEvent {
            region: server.region.clone(),
            project_id: server.project_id.clone(),
            server_id: server.id,
            status,
        });
    }
}

/// A start of a server that has a shim.
#[derive(Clone, Copy)]
pub(super) struct Run {
    /// Which one.
    pub(super) run: Uuid,
    /// Its first process, when it is known.
    pub(super) pid: Option<u32>,
}

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

pub(super) fn address_of(server: &Server) -> Result<(Ipv4Addr, u16)> {
    server
        .addresses
        .iter()
        .find_map(|address| match address.address {
            IpAddr::V4(v4) => Some((v4, address.ssh_port)),
            IpAddr::V6(_) => None,
        })
        .ok_or_else(|| Error::Internal("The server has no address.".into()))
}

/// Locally administered, and the same for a server's life.
pub(super) fn mac_of(address: Ipv4Addr) -> [u8; 6] {
    let [a, b, c, d] = address.octets();
    [0x02, 0x6b, a, b, c, d]
}

/// What a name is made into for a host to call itself.
fn hostname(name: &str) -> String {
    let host: String = name
        .chars()
        .map(
            |letter| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '-' },
        )
        .take(63)
        .collect();
    match host.trim_matches('-') {
        "" => "server".into(),
        host => host.into(),
    }
}

/// What the shim left: a sentence for a person.
fn why_not(folder: &ServerFolder) -> String {
    let detail = std::fs::read(folder.exit())
        .ok()
        .and_then(|bytes| serde_json::from_slice::<Exit>(&bytes).ok())
        .and_then(|exit| exit.detail)
        .or_else(|| {
            let log = std::fs::read_to_string(folder.log()).ok()?;
            log.lines().last().map(str::to_owned)
        });
    match detail {
        Some(detail) => format!("The server could not be started: {detail}"),
        None => "The server ended before its sshd was there; its console log may say why.".into(),
    }
}

async fn gone(folder: &ServerFolder, patience: Duration) -> bool {
    let deadline = Instant::now() + patience;
    while client::holder(folder).is_some() {
        if Instant::now() > deadline {
            return false;
        }
        tokio::time::sleep(LOOK).await;
    }
    true
}

/// Kills a shim that does not answer. The process that has the lock is asked for again right
/// before, and the number is held by a descriptor, so that it can be nobody else's.
fn kill_holder(folder: &ServerFolder) {
    let held = || -> Option<(u32, OwnedFd)> {
        let number = client::holder(folder)?;
        let pid = Pid::from_raw(i32::try_from(number).ok()?)?;
        Some((number, rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok()?))
    };
    if let Some((number, process)) = held()
        && client::holder(folder) == Some(number)
    {
        let _ = rustix::process::pidfd_send_signal(process, Signal::KILL);
    }
}

fn is_disk(path: &std::path::Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("disk-"))
}

/// A group in every hierarchy that has it.
fn control_groups(name: &str) -> Vec<PathBuf> {
    let root = PathBuf::from("/sys/fs/cgroup");
    let mut groups = vec![root.join(name)];
    for entry in std::fs::read_dir(&root).into_iter().flatten().flatten() {
        groups.push(entry.path().join(name));
    }
    groups.retain(|group| group.is_dir());
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_host_names() {
        assert_eq!(hostname("web-01"), "web-01");
        assert_eq!(hostname("My Server!"), "my-server");
        assert_eq!(hostname("日本"), "server");
        assert_eq!(hostname(&"a".repeat(100)).len(), 63);
    }
}
