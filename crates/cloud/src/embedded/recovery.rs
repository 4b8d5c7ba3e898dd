//! After a start of the panel: what is still there, what is to be brought back, what was cut short.

use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;
use uuid::Uuid;

use super::Embedded;
use super::client::{self, Shim};
use super::deletion::DELETING;
use super::images::this_system;
use super::life::{LOOK, Run, address_of, blocking};
use super::protocol::{Event, Plan, Request};
use super::records::ServerRow;
use crate::model::{Power, Status};
use crate::{Error, Result};

/// How long a shim may take to say how things stand, on a machine under heavy load: one that does
/// not is ended, and its server with it.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
/// Servers started at one time after the machine's own start: enough to keep it busy.
const STARTS: usize = 4;

/// A server that went on without the panel.
struct Found {
    shim: Shim,
    run: Uuid,
    pid: u32,
    ready: bool,
    stopping: bool,
}

impl Embedded {
    /// Finds the servers that are still running, starts those that should be, and tidies up after
    /// what was interrupted. To be called once, in a tokio runtime, before anything is asked; what
    /// takes time goes on in the background.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn start(self: &Arc<Self>) -> Result<()> {
        let layout = self.layout.clone();
        let image = tokio::task::spawn_blocking(move || this_system::prepare(&layout));
        let image = image.await.map_err(|error| Error::Internal(error.to_string()))?;
        if let Some(image) = image? {
            let known = self.records.images().await?;
            if !known.iter().any(|other| other.id == image.id) {
                self.records.put_image(&image).await?;
            }
        }
        let rows = self.records.all_servers().await?;
        self.remove_orphans(&rows).await;
        self.make_rounds();
        let limit = Arc::new(tokio::sync::Semaphore::new(STARTS));
        for mut row in rows {
            // Taken here, so that whoever asks for something waits for this to be over.
            let turn = self.turn(row.server.id).await;
            let found = match self.find(&row).await {
                Some(found) if self.is_as_wanted(&row, &found) => {
                    self.go_on(row, found).await?;
                    continue;
                }
                found => found,
            };
            self.mark(&mut row).await?;
            let (this, limit) = (self.clone(), limit.clone());
            tokio::spawn(async move {
                let _permit = limit.acquire().await;
                let id = row.server.id;
                // One that is stopping may go on with that.
                let stopping = found.as_ref().is_some_and(|found| found.stopping);
                drop(found);
                this.stop(id, stopping).await;
                if let Err(error) = this.bring_back(row).await {
                    tracing::warn!(server = %id, "after the panel's start: {error}");
                }
                this.end_actions(id).await;
                drop(turn);
            });
        }
        Ok(())
    }

    /// So that nobody takes a server for running that is not, or not for long.
    async fn mark(&self, row: &mut ServerRow) -> Result<()> {
        let seemingly = matches!(row.server.status, Status::Active | Status::Shutoff);
        if row.wanted_running && seemingly {
            row.server.task_state = Some("powering-on".into());
            row.server.power = Power::Shutdown;
            return self.save(row, Status::Reboot).await;
        }
        if !row.wanted_running && row.server.status == Status::Active {
            row.server.power = Power::Shutdown;
            return self.save(row, Status::Shutoff).await;
        }
        Ok(())
    }

    /// The shim of a server that is still there and says how things stand.
    async fn find(&self, row: &ServerRow) -> Option<Found> {
        let folder = self.layout.server(row.server.id);
        let asked = async {
            // One that was started a moment ago does not listen yet.
            while client::holder(&folder).is_some() {
                let Ok(shim) = Shim::connect(&folder).await else {
                    tokio::time::sleep(LOOK).await;
                    continue;
                };
                let Ok(mut shim) = shim.ask(&Request::Watch).await else { continue };
                return match shim.event().await.ok()? {
                    Event::State { run, pid, ready, stopping } => {
                        Some(Found { shim, run, pid, ready, stopping })
                    }
                    _ => None,
                };
            }
            None
        };
        tokio::time::timeout(ANSWER_TIMEOUT, asked).await.ok()?
    }

    /// Whether a server that went on without the panel does what it should.
    fn is_as_wanted(&self, row: &ServerRow, found: &Found) -> bool {
        let folder = self.layout.server(row.server.id);
        // A rebuild that had not come to its start: the old one still runs.
        let planned = folder.disk(row.generation);
        let runs_planned = std::fs::read(folder.plan()).is_ok_and(|plan| {
            serde_json::from_slice::<Plan>(&plan).is_ok_and(|plan| plan.disk == planned)
        });
        found.ready && !found.stopping && runs_planned && row.wanted_running
    }

    async fn go_on(self: &Arc<Self>, mut row: ServerRow, found: Found) -> Result<()> {
        let Found { shim, run, pid, .. } = found;
        let id = row.server.id;
        let (address, _) = address_of(&row.server)?;
        self.runs().insert(id, Run { start: run, pid: Some(pid), address, keys_read: None });
        if let Err(error) = self.record_host_keys(&row).await {
            // It may have ended just now, which is noticed below.
            tracing::warn!(server = %id, "after the panel's start: {error}");
        }
        self.witnessed(id);
        self.clone().watch(id, run, shim);
        if row.server.status != Status::Active {
            self.settle(&mut row, Ok(())).await?;
        }
        self.end_actions(id).await;
        Ok(())
    }

    /// What the panel was stopped in has come to its end with this.
    async fn end_actions(&self, id: Uuid) {
        let ended = async {
            let fault = self.records.server(id).await?.and_then(|row| row.server.fault);
            let actions = self.records.actions(id).await?;
            for mut action in actions.into_iter().filter(|action| action.finished_at.is_none()) {
                action.finished_at = Some(OffsetDateTime::now_utc());
                action.message.clone_from(&fault);
                self.records.put_action(id, &action).await?;
            }
            Result::Ok(())
        };
        if let Err(error) = ended.await {
            tracing::warn!(server = %id, "the action log: {error}");
        }
    }

    /// A server that does not run, and what it was stopped in.
    async fn bring_back(self: &Arc<Self>, mut row: ServerRow) -> Result<()> {
        if row.server.task_state.as_deref() == Some(DELETING) {
            return self.removed(row).await;
        }
        match row.server.status {
            Status::Build => {
                let fault = "The panel was stopped while it made this server. Delete it, or \
                             rebuild it.";
                self.failed(&mut row, fault.into()).await
            }
            Status::Rebuild => self.rebuilt(&mut row).await,
            Status::Error | Status::Deleted => Ok(()),
            _ if row.wanted_running => {
                row.server.task_state = Some("powering-on".into());
                let booted = self.boot(&row).await;
                self.settle(&mut row, booted).await
            }
            Status::Shutoff if row.server.power == Power::Shutdown => {
                row.server.task_state = None;
                self.records.update_server(&row).await
            }
            _ => self.stopped(&mut row).await,
        }
    }

    /// Folders of servers that nobody knows: a deletion that was cut short.
    async fn remove_orphans(&self, rows: &[ServerRow]) {
        let servers = self.layout.servers();
        let names = blocking(move || {
            let entries = std::fs::read_dir(servers)?;
            Ok(entries
                .filter_map(std::io::Result::ok)
                .filter_map(|entry| Uuid::parse_str(&entry.file_name().to_string_lossy()).ok())
                .collect::<Vec<_>>())
        });
        for id in names.await.unwrap_or_default() {
            if !rows.iter().any(|row| row.server.id == id) {
                self.stop(id, false).await;
                if let Err(error) = self.remove_disks(id, None).await {
                    tracing::warn!(server = %id, "what is left of a deleted server: {error}");
                }
            }
        }
    }
}
