//! What was done to servers.

use cloud::Result as CloudResult;
use cloud::model::ServerAction;
use sqlx::Row;
use uuid::Uuid;

use super::super::{Store, micros};
use super::{failed, from_text, to_text};

impl Store {
    pub(super) async fn store_action(
        &self,
        server_id: Uuid,
        action: &ServerAction,
    ) -> CloudResult<()> {
        let mut tx = self.begin().await?;
        let number = Self::next_number(&mut tx, "actions").await?;
        sqlx::query(
            "INSERT INTO actions (server_id, request_id, number, started_at, content) \
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT (server_id, request_id) \
             DO UPDATE SET started_at = excluded.started_at, content = excluded.content",
        )
        .bind(server_id.to_string())
        .bind(&action.request_id)
        .bind(number)
        .bind(micros(action.started_at))
        .bind(to_text("actions", action)?)
        .execute(&mut *tx)
        .await
        .map_err(failed)?;
        tx.commit().await.map_err(failed)
    }

    pub(super) async fn actions_of(&self, server_id: Uuid) -> CloudResult<Vec<ServerAction>> {
        let rows = sqlx::query(
            "SELECT content FROM actions WHERE server_id = $1 \
             ORDER BY started_at DESC, number DESC",
        )
        .bind(server_id.to_string())
        .fetch_all(self.read())
        .await
        .map_err(failed)?;
        rows.iter()
            .map(|row| {
                let text: String = row.try_get("content").map_err(failed)?;
                Ok(from_text("actions", &text)?)
            })
            .collect()
    }
}
