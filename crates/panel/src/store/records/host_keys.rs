//! Host keys with their history.

use cloud::Result as CloudResult;
use cloud::model::HostKey;
use sqlx::Row;
use sqlx::any::AnyRow;
use time::OffsetDateTime;
use uuid::Uuid;

use super::super::{Store, micros, micros_or_zero, time_or_none};
use super::{failed, from_text, to_text};

/// Present ones first, then those that were retired last.
const ORDER: &str = "ORDER BY CASE WHEN retired_at = 0 THEN 0 ELSE 1 END, retired_at DESC, \
                     first_seen_at DESC, id";

impl Store {
    pub(super) async fn store_host_keys(
        &self,
        server_id: Uuid,
        present: &[HostKey],
        at: OffsetDateTime,
    ) -> CloudResult<()> {
        let mut tx = self.begin().await?;
        let rows = sqlx::query(
            "SELECT id, public_key, address, port FROM host_keys \
             WHERE server_id = $1 AND retired_at = 0",
        )
        .bind(server_id.to_string())
        .fetch_all(&mut *tx)
        .await
        .map_err(failed)?;
        let mut known = Vec::with_capacity(rows.len());
        for row in &rows {
            let id: i64 = row.try_get("id").map_err(failed)?;
            let key: String = row.try_get("public_key").map_err(failed)?;
            let address: String = row.try_get("address").map_err(failed)?;
            let port: i64 = row.try_get("port").map_err(failed)?;
            known.push((id, key, address, port));
        }
        let same = |key: &HostKey, row: &(i64, String, String, i64)| {
            key.public_key == row.1 && key.address == row.2 && i64::from(key.port) == row.3
        };
        for row in &known {
            if !present.iter().any(|key| same(key, row)) {
                sqlx::query("UPDATE host_keys SET retired_at = $1 WHERE id = $2")
                    .bind(micros(at))
                    .bind(row.0)
                    .execute(&mut *tx)
                    .await
                    .map_err(failed)?;
            }
        }
        for key in present {
            if known.iter().any(|row| same(key, row)) {
                continue;
            }
            let id = Self::next_number(&mut tx, "host_keys").await?;
            sqlx::query(
                "INSERT INTO host_keys (id, server_id, address, port, public_key, first_seen_at, \
                 retired_at, content) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            )
            .bind(id)
            .bind(server_id.to_string())
            .bind(&key.address)
            .bind(i64::from(key.port))
            .bind(&key.public_key)
            .bind(micros(key.first_seen_at))
            .bind(micros_or_zero(key.retired_at))
            .bind(to_text("host_keys", key)?)
            .execute(&mut *tx)
            .await
            .map_err(failed)?;
        }
        tx.commit().await.map_err(failed)
    }

    pub(super) async fn host_keys_of(&self, server_id: Uuid) -> CloudResult<Vec<HostKey>> {
        let rows = sqlx::query(&format!(
            "SELECT content, retired_at FROM host_keys WHERE server_id = $1 {ORDER}"
        ))
        .bind(server_id.to_string())
        .fetch_all(self.read())
        .await
        .map_err(failed)?;
        rows.iter().map(host_key).collect()
    }

    pub(super) async fn host_keys_by_address(
        &self,
        address: &str,
        port: u16,
    ) -> CloudResult<Vec<HostKey>> {
        let rows = sqlx::query(&format!(
            "SELECT content, retired_at FROM host_keys WHERE address = $1 AND port = $2 {ORDER}"
        ))
        .bind(address)
        .bind(i64::from(port))
        .fetch_all(self.read())
        .await
        .map_err(failed)?;
        rows.iter().map(host_key).collect()
    }
}

fn host_key(row: &AnyRow) -> CloudResult<HostKey> {
    let text: String = row.try_get("content").map_err(failed)?;
    let mut key: HostKey = from_text("host_keys", &text)?;
    key.retired_at = time_or_none(row.try_get("retired_at").map_err(failed)?);
    Ok(key)
}
