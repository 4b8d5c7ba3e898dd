//! The embedded cloud's rows.

mod actions;
mod host_keys;
mod servers;

use async_trait::async_trait;
use cloud::embedded::records::{Records, ServerRow};
use cloud::model::{HostKey, Image, KeyPair, ServerAction};
use cloud::{Error as CloudError, Result as CloudResult, ServerQuery};
use sqlx::Row;
use sqlx::any::AnyRow;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Error, Store, micros, micros_or_zero, time_or_none};

impl From<Error> for CloudError {
    fn from(error: Error) -> Self {
        Self::Internal(error.to_string())
    }
}

/// For `?` on sqlx's errors where the trait wants the cloud's.
fn failed(error: sqlx::Error) -> CloudError {
    Error::from(error).into()
}

fn to_text<T: serde::Serialize>(table: &'static str, value: &T) -> Result<String, Error> {
    serde_json::to_string(value)
        .map_err(|error| Error::Damaged { table, reason: error.to_string() })
}

fn from_text<T: serde::de::DeserializeOwned>(table: &'static str, text: &str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|error| Error::Damaged { table, reason: error.to_string() })
}

#[async_trait]
impl Records for Store {
    async fn key_pairs(&self, region: &str, user_id: &str) -> CloudResult<Vec<KeyPair>> {
        let rows = sqlx::query(
            "SELECT content, last_used_at FROM key_pairs WHERE region = $1 AND user_id = $2",
        )
        .bind(region)
        .bind(user_id)
        .fetch_all(self.read())
        .await
        .map_err(failed)?;
        let mut keys = rows.iter().map(key_pair).collect::<Result<Vec<_>, _>>()?;
        // Databases differ in how they order text.
        keys.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(keys)
    }

    async fn insert_key_pair(&self, mut key: KeyPair) -> CloudResult<KeyPair> {
        let mut tx = self.begin().await?;
        key.id = Self::next_number(&mut tx, "key_pairs").await?;
        sqlx::query(
            "INSERT INTO key_pairs (id, region, user_id, name, content, last_used_at) \
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(key.id)
        .bind(&key.region)
        .bind(&key.user_id)
        .bind(&key.name)
        .bind(to_text("key_pairs", &key)?)
        .bind(micros_or_zero(key.last_used_at))
        .execute(&mut *tx)
        .await
        .map_err(|error| {
            let error = Error::from(error);
            if error.is_duplicate() {
                CloudError::Conflict(format!("Key pair '{}' already exists.", key.name))
            } else {
                error.into()
            }
        })?;
        tx.commit().await.map_err(failed)?;
        Ok(key)
    }

    async fn delete_key_pair(&self, region: &str, user_id: &str, name: &str) -> CloudResult<bool> {
        let done =
            sqlx::query("DELETE FROM key_pairs WHERE region = $1 AND user_id = $2 AND name = $3")
                .bind(region)
                .bind(user_id)
                .bind(name)
                .execute(self.write())
                .await
                .map_err(failed)?;
        Ok(done.rows_affected() > 0)
    }

    async fn touch_key_pairs(
        &self,
        region: &str,
        user_id: &str,
        names: &[String],
        at: OffsetDateTime,
    ) -> CloudResult<()> {
        let mut tx = self.begin().await?;
        for name in names {
            sqlx::query(
                "UPDATE key_pairs SET last_used_at = $1 \
                 WHERE region = $2 AND user_id = $3 AND name = $4",
            )
            .bind(micros(at))
            .bind(region)
            .bind(user_id)
            .bind(name)
            .execute(&mut *tx)
            .await
            .map_err(failed)?;
        }
        tx.commit().await.map_err(failed)
    }

    async fn images(&self) -> CloudResult<Vec<Image>> {
        let rows = sqlx::query("SELECT content FROM images ORDER BY created_at, id")
            .fetch_all(self.read())
            .await
            .map_err(failed)?;
        rows.iter()
            .map(|row| {
                let text: String = row.try_get("content").map_err(failed)?;
                Ok(from_text("images", &text)?)
            })
            .collect()
    }

    async fn put_image(&self, image: &Image) -> CloudResult<()> {
        sqlx::query(
            "INSERT INTO images (id, created_at, content) VALUES ($1, $2, $3) \
             ON CONFLICT (id) DO UPDATE SET content = excluded.content",
        )
        .bind(image.id.to_string())
        .bind(micros(image.created_at))
        .bind(to_text("images", image)?)
        .execute(self.write())
        .await
        .map_err(failed)?;
        Ok(())
    }

    async fn delete_image(&self, id: Uuid) -> CloudResult<bool> {
        let done = sqlx::query("DELETE FROM images WHERE id = $1")
            .bind(id.to_string())
            .execute(self.write())
            .await
            .map_err(failed)?;
        Ok(done.rows_affected() > 0)
    }

    async fn insert_server(
        &self,
        region: &str,
        slots: u32,
        fill: Box<dyn FnOnce(u32) -> ServerRow + Send>,
    ) -> CloudResult<ServerRow> {
        self.new_server(region, slots, fill).await
    }

    async fn update_server(&self, row: &ServerRow) -> CloudResult<()> {
        self.replace_server(row).await
    }

    async fn delete_server(&self, id: Uuid) -> CloudResult<bool> {
        let done = sqlx::query("DELETE FROM servers WHERE id = $1")
            .bind(id.to_string())
            .execute(self.write())
            .await
            .map_err(failed)?;
        Ok(done.rows_affected() > 0)
    }

    async fn server(&self, id: Uuid) -> CloudResult<Option<ServerRow>> {
        self.one_server(id).await
    }

    async fn servers(
        &self,
        region: &str,
        project_id: Option<&str>,
        query: &ServerQuery,
    ) -> CloudResult<(Vec<ServerRow>, u64)> {
        self.page_of_servers(region, project_id, query).await
    }

    async fn all_servers(&self) -> CloudResult<Vec<ServerRow>> {
        self.every_server().await
    }

    async fn put_action(&self, server_id: Uuid, action: &ServerAction) -> CloudResult<()> {
        self.store_action(server_id, action).await
    }

    async fn actions(&self, server_id: Uuid) -> CloudResult<Vec<ServerAction>> {
        self.actions_of(server_id).await
    }

    async fn project_of(&self, server_id: Uuid) -> CloudResult<Option<String>> {
        sqlx::query_scalar("SELECT project_id FROM server_projects WHERE server_id = $1")
            .bind(server_id.to_string())
            .fetch_optional(self.read())
            .await
            .map_err(failed)
    }

    async fn record_host_keys(
        &self,
        server_id: Uuid,
        present: &[HostKey],
        at: OffsetDateTime,
    ) -> CloudResult<()> {
        self.store_host_keys(server_id, present, at).await
    }

    async fn retire_host_keys(&self, server_id: Uuid, at: OffsetDateTime) -> CloudResult<()> {
        self.store_host_keys(server_id, &[], at).await
    }

    async fn host_keys(&self, server_id: Uuid) -> CloudResult<Vec<HostKey>> {
        self.host_keys_of(server_id).await
    }

    async fn host_keys_at(&self, address: &str, port: u16) -> CloudResult<Vec<HostKey>> {
        self.host_keys_by_address(address, port).await
    }
}

fn key_pair(row: &AnyRow) -> CloudResult<KeyPair> {
    let text: String = row.try_get("content").map_err(failed)?;
    let mut key: KeyPair = from_text("key_pairs", &text)?;
    key.last_used_at = time_or_none(row.try_get("last_used_at").map_err(failed)?);
    Ok(key)
}
