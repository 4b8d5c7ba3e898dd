//! Deletes servers.

use std::sync::Arc;

use time::OffsetDateTime;
use uuid::Uuid;

use super::Embedded;
use super::records::ServerRow;
use crate::cloud::{Caller, Role};
use crate::{Error, Result};

/// The task of a server that is being deleted, as Nova calls it.
pub(super) const DELETING: &str = "deleting";

impl Embedded {
    pub(super) async fn delete(
        self: Arc<Self>,
        caller: &Caller,
        region: &str,
        id: Uuid,
    ) -> Result<()> {
        let row = self.row(caller, region, id).await?;
        if row.server.locked && caller.role < Role::Admin {
            return Err(Error::Conflict(format!("Instance {id} is locked")));
        }
        let action = self.begin(caller, id, "delete").await?;
        // To the end, even if whoever asked does not wait for it.
        let deleted = tokio::spawn(async move {
            // A start that is under way fails now instead of being waited for.
            self.stop(id, false).await;
            let turn = self.turn(id).await;
            let outcome = self.remove(id).await;
            let result = match &outcome {
                Ok(()) => Ok(()),
                Err(error) => Err(Error::Internal(error.to_string())),
            };
            self.finish(id, action, outcome, turn).await;
            self.forget_lock(id);
            result
        });
        deleted.await.map_err(|error| Error::Internal(error.to_string()))?
    }

    /// Noted before anything goes, so that a panel that was killed meanwhile does not bring back
    /// what is left: a disk of which half is gone looks like a disk.
    async fn remove(&self, id: Uuid) -> Result<()> {
        // Somebody else may have been first.
        let Some(mut row) = self.records.server(id).await? else { return Ok(()) };
        row.wanted_running = false;
        row.server.task_state = Some(DELETING.into());
        let status = row.server.status;
        self.save(&mut row, status).await?;
        self.removed(row).await
    }

    /// The second half of a deletion, also of one that was interrupted.
    pub(super) async fn removed(&self, mut row: ServerRow) -> Result<()> {
        let id = row.server.id;
        self.stop(id, false).await;
        if let Err(error) = self.remove_disks(id, None).await {
            self.failed(&mut row, format!("It could not be deleted: {error}")).await?;
            return Err(error);
        }
        self.records.retire_host_keys(id, OffsetDateTime::now_utc()).await?;
        self.records.delete_server(id).await?;
        self.tell(&row.server, None);
        Ok(())
    }
}
