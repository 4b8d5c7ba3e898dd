//! After a start of the panel: what is still there, what is to be brought back, what was cut short.

use std::sync::Arc;

use uuid::Uuid;

use super::Embedded;
use super::client::{self, Shim};
use super::images::this_system;
use super::life::{Run, address_of, blocking};
use super::protocol::{Event, Request};
use super::records::ServerRow;
use crate::model::{Power, Status};
use crate::{Error, Result};

/// Servers started at one time after the machine's own start: enough to keep it busy.
const STARTS: usize = 4;

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
            if let Some(shim) = self.find(&row).await {
                self.go_on(row, shim).await?;
                continue;
            }
            if row.wanted_running && matches!(row.server.status, Status::Active | Status::Shutoff) {
                // So that nobody takes it for running while it is not.
                row.server.task_state = Some("powering-on".into());
                row.server.power = Power::Shutdown;
                self.save(&mut row, Status::Reboot).await?;
            }
            if !row.wanted_running && row.server.status == Status::Active {
                row.server.power = Power::Shutdown;
                self.save(&mut row, Status::Shutoff).await?;
            }
            let (this, limit) = (self.clone(), limit.clone());
            tokio::spawn(async move {
                let _permit = limit.acquire().await;
                let id = row.server.id;
                if let Err(error) = this.bring_back(row).await {
                    tracing::warn!(server = %id, "after the panel's start: {error}");
                }
                drop(turn);
            });
        }
        Ok(())
    }

    /// The shim of a server that is still there and says how things stand.
    async fn find(&self, row: &ServerRow) -> Option<(Shim, Uuid, u32, bool)> {
        let folder = self.layout.server(row.server.id);
        client::holder(&folder)?;
        let shim = Shim::connect(&folder).await.ok()?;
        let asked = async {
            let mut shim = shim.ask(&Request::Watch).await.ok()?;
            match shim.event().await.ok()? {
                Event::State { run, pid, ready } => Some((shim, run, pid, ready)),
                _ => None,
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(2), asked).await.ok()?
    }

    /// A server that went on without the panel.
    async fn go_on(
        self: &Arc<Self>,
        mut row: ServerRow,
        found: (Shim, Uuid, u32, bool),
    ) -> Result<()> {
        let (shim, run, pid, ready) = found;
        let id = row.server.id;
        let folder = self.layout.server(id);
        // A rebuild that had not come to its start: the old one still runs.
        let planned = folder.disk(row.generation);
        let runs_planned = std::fs::read(folder.plan()).is_ok_and(|plan| {
            serde_json::from_slice::<super::protocol::Plan>(&plan)
                .is_ok_and(|plan| plan.disk == planned)
        });
        if !ready || !runs_planned || !row.wanted_running {
            drop(shim);
            return self.bring_back(row).await;
        }
        let (address, _) = address_of(&row.server)?;
        self.runs().insert(id, Run { start: run, pid: Some(pid), address, keys_read: None });
        self.record_host_keys(&row).await?;
        self.witnessed(id);
        self.clone().watch(id, run, shim);
        if row.server.status != Status::Active {
            self.settle(&mut row, Ok(())).await?;
        }
        Ok(())
    }

    /// A server that does not run, or not as it should.
    async fn bring_back(self: &Arc<Self>, mut row: ServerRow) -> Result<()> {
        let id = row.server.id;
        self.stop(id, false).await;
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
