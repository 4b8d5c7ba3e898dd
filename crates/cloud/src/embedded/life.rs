//! How servers start, and what is noted when something happened to them.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use time::OffsetDateTime;
use tokio::sync::OwnedMutexGuard;
use uuid::Uuid;

use super::client::{self, Shim};
use super::guest_files::{self, GuestRoot};
use super::layout::ServerFolder;
use super::protocol::{Event, Exit, Plan, Request, Why};
use super::records::ServerRow;
use super::{Embedded, disk, sys};
use crate::model::{Power, Server, ServerEvent, Status};
use crate::{Error, Result};

/// From the shim's start to its sshd's word that it listens; on a machine under heavy load.
const BOOT_TIMEOUT: Duration = Duration::from_secs(120);
/// Between looks whether a shim is gone.
pub(super) const LOOK: Duration = Duration::from_millis(3);

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
        let failed = |what: &str, error: io::Error| match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => full(),
            _ => Error::Internal(format!("The server could not be started: {what}: {error}")),
        };
        let text = serde_json::to_vec_pretty(&plan).map_err(io::Error::from);
        text.and_then(|text| std::fs::write(folder.plan(), text))
            .map_err(|error| failed("its plan", error))?;
        let _ = std::fs::remove_file(folder.exit());
        let mut child =
            self.spawn_shim(&folder).await.map_err(|error| failed("its shim", error))?;
        let address = plan.address;
        self.runs().insert(id, Run { start: run, pid: None, address, keys_read: None });

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
                        if let Some(run) = self.runs().get_mut(&id) {
                            run.pid = Some(pid);
                        }
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
                self.record_host_keys(row).await?;
                self.witnessed(id);
                self.clone().watch(id, run, shim);
                Ok(())
            }
            Err(error) => {
                self.halt(id).await;
                Err(if is_full(folder.path()) { full() } else { error })
            }
        }
    }

    /// Starts a server on a disk that is new. One that the machine's disk had no room for leaves
    /// nothing.
    pub(super) async fn first_boot(self: &Arc<Self>, row: &ServerRow) -> Result<()> {
        let booted = self.boot(row).await;
        if matches!(booted, Err(Error::Exhausted(_))) {
            self.remove_disks(row.server.id, None).await?;
        }
        booted
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
        let gib = u64::from(row.server.flavor.disk_gib);
        let bytes = (self.machine.volumes && gib > 0).then_some(gib << 30);
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
                    bytes,
                },
            )
        });
        made.await.map_err(|error| match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => full(),
            _ => Error::Internal(format!("Making the server's disk: {error}")),
        })
    }

    async fn spawn_shim(&self, folder: &ServerFolder) -> io::Result<tokio::process::Child> {
        let lock = client::lock(folder).await?;
        let log = std::fs::File::create(folder.log())?;
        let mut command = std::process::Command::new(&self.settings.program);
        command
            .arg("shim")
            .arg(folder.path())
            .current_dir("/")
            .stdin(lock)
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
                            let _ = self.record_host_keys(&row).await;
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
        if self.runs().get(&id).is_none_or(|now| now.start != run) {
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

    /// The server's files as its own processes see them, or its disk when it has none.
    pub(super) async fn guest_root(&self, row: &ServerRow) -> Result<GuestRoot> {
        let pid = self.runs().get(&row.server.id).and_then(|run| run.pid);
        let disk = self.layout.server(row.server.id).disk(row.generation);
        let owner = self.owner(row)?;
        let opened = blocking(move || match pid {
            Some(pid) => GuestRoot::open(&guest_files::process_root(pid), owner),
            None => GuestRoot::of_disk(&disk, owner),
        });
        opened.await.map_err(|error| {
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
    pub(super) start: Uuid,
    /// Its first process, when it is known.
    pub(super) pid: Option<u32>,
    /// Where it is.
    pub(super) address: Ipv4Addr,
    /// When its host keys were last read; `None` until its boot has been witnessed.
    pub(super) keys_read: Option<Instant>,
}

/// So full that what failed there may well have failed because of it.
fn is_full(folder: &std::path::Path) -> bool {
    rustix::fs::statvfs(folder)
        .is_ok_and(|about| about.f_bavail.saturating_mul(about.f_frsize) < 64 * 1024)
}

fn full() -> Error {
    Error::Exhausted("The disk of this machine is full.".into())
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
pub(super) fn hostname(name: &str) -> String {
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
