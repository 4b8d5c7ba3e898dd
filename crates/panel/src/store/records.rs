//! The embedded cloud's rows.

mod actions;
mod host_keys;
pub(super) mod key_pairs;
pub(super) mod servers;

use async_trait::async_trait;
use cloud::embedded::records::{Records, ServerRow};
use cloud::model::{HostKey, Image, KeyPair, Server, ServerAction};
use cloud::{Error as CloudError, KeyPairQuery, Result as CloudResult, ServerList, ServerQuery};
use sqlx::any::AnyArguments;
use sqlx::query::Query;
use sqlx::{Any, Row};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Error, Kind, Store, micros};

impl From<Error> for CloudError {
    fn from(error: Error) -> Self {
        if error.is_unstorable() {
            return Self::Invalid { field: None, message: super::UNSTORABLE.to_owned() };
        }
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

impl Store {
    /// What sorts a text column byte by byte, as SQLite and Rust do.
    fn by_bytes(&self) -> &'static str {
        if self.kind == Kind::Postgres { " COLLATE \"C\"" } else { "" }
    }
}

/// A statement with its texts for the placeholders from `$1` on.
fn bound<'a>(sql: &'a str, texts: &'a [String]) -> Query<'a, Any, AnyArguments<'a>> {
    texts.iter().fold(sqlx::query(sql), |query, text| query.bind(text.as_str()))
}

#[async_trait]
impl Records for Store {
    async fn key_pairs(&self, region: &str, user_id: &str) -> CloudResult<Vec<KeyPair>> {
        self.key_pairs_of(region, user_id).await
    }

    async fn key_pair(
        &self,
        region: &str,
        user_id: &str,
        name: &str,
    ) -> CloudResult<Option<KeyPair>> {
        self.one_key_pair(region, user_id, name).await
    }

    async fn find_key_pairs(
        &self,
        regions: &[String],
        user_id: &str,
        query: &KeyPairQuery,
    ) -> CloudResult<(Vec<KeyPair>, u64)> {
        self.page_of_key_pairs(regions, user_id, query).await
    }

    async fn insert_key_pair(&self, key: KeyPair) -> CloudResult<KeyPair> {
        self.new_key_pair(key).await
    }

    async fn delete_key_pair(&self, region: &str, user_id: &str, name: &str) -> CloudResult<bool> {
        self.remove_key_pair(region, user_id, name).await
    }

    async fn touch_key_pairs(
        &self,
        region: &str,
        user_id: &str,
        names: &[String],
        at: OffsetDateTime,
    ) -> CloudResult<()> {
        self.use_key_pairs(region, user_id, names, at).await
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

    async fn find_servers(
        &self,
        regions: &[String],
        project_id: &str,
        list: &ServerList,
    ) -> CloudResult<(Vec<Server>, u64)> {
        self.servers_found(regions, project_id, list).await
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
