//! Servers and their slots.

use cloud::embedded::records::ServerRow;
use cloud::model::Server;
use cloud::{Error as CloudError, Result as CloudResult, ServerList, ServerOrder, ServerQuery};
use data_encoding::BASE64;
use sqlx::any::AnyRow;
use sqlx::{Any, Row, Transaction};
use uuid::Uuid;

use super::super::{Error, Store, containing, micros};
use super::{bound, failed, from_text, to_text};

const COLUMNS: &str = "content, slot, wanted_running, generation, public_keys, user_data";

impl Store {
    pub(super) async fn new_server(
        &self,
        region: &str,
        slots: u32,
        fill: Box<dyn FnOnce(u32) -> ServerRow + Send>,
    ) -> CloudResult<ServerRow> {
        let mut tx = self.begin().await?;
        // The counter's row is locked until the end, so the next caller sees this slot taken.
        Self::next_number(&mut tx, &format!("slots:{region}")).await?;
        let slot = free_slot(&mut tx, region, slots).await?;
        let mut row = fill(slot);
        row.slot = slot;
        let server = &row.server;
        sqlx::query(
            "INSERT INTO servers (id, region, project_id, slot, created_at, found, content, \
             wanted_running, generation, public_keys, user_data, folded, state_rank, \
             address_rank) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        )
        .bind(server.id.to_string())
        .bind(region)
        .bind(&server.project_id)
        .bind(i64::from(slot))
        .bind(micros(server.created_at))
        .bind(found_by(server))
        .bind(to_text("servers", server)?)
        .bind(i64::from(row.wanted_running))
        .bind(i64::from(row.generation))
        .bind(to_text("servers", &row.public_keys)?)
        .bind(BASE64.encode(&row.user_data))
        .bind(server.name.to_lowercase())
        .bind(cloud::state_rank(server.status))
        .bind(cloud::address_rank(server))
        .execute(&mut *tx)
        .await
        .map_err(failed)?;
        sqlx::query(
            "INSERT INTO server_projects (server_id, project_id) VALUES ($1, $2) \
             ON CONFLICT (server_id) DO UPDATE SET project_id = excluded.project_id",
        )
        .bind(server.id.to_string())
        .bind(&server.project_id)
        .execute(&mut *tx)
        .await
        .map_err(failed)?;
        tx.commit().await.map_err(failed)?;
        Ok(row)
    }

    pub(super) async fn replace_server(&self, row: &ServerRow) -> CloudResult<()> {
        let done = sqlx::query(
            "UPDATE servers SET found = $1, content = $2, wanted_running = $3, generation = $4, \
             public_keys = $5, user_data = $6, folded = $7, state_rank = $8, address_rank = $9 \
             WHERE id = $10",
        )
        .bind(found_by(&row.server))
        .bind(to_text("servers", &row.server)?)
        .bind(i64::from(row.wanted_running))
        .bind(i64::from(row.generation))
        .bind(to_text("servers", &row.public_keys)?)
        .bind(BASE64.encode(&row.user_data))
        .bind(row.server.name.to_lowercase())
        .bind(cloud::state_rank(row.server.status))
        .bind(cloud::address_rank(&row.server))
        .bind(row.server.id.to_string())
        .execute(self.write())
        .await
        .map_err(failed)?;
        if done.rows_affected() == 0 {
            return Err(CloudError::NotFound("The server is gone.".to_owned()));
        }
        Ok(())
    }

    pub(super) async fn one_server(&self, id: Uuid) -> CloudResult<Option<ServerRow>> {
        let row = sqlx::query(&format!("SELECT {COLUMNS} FROM servers WHERE id = $1"))
            .bind(id.to_string())
            .fetch_optional(self.read())
            .await
            .map_err(failed)?;
        row.as_ref().map(server_row).transpose()
    }

    pub(super) async fn page_of_servers(
        &self,
        region: &str,
        project_id: Option<&str>,
        query: &ServerQuery,
    ) -> CloudResult<(Vec<ServerRow>, u64)> {
        let filter = "region = $1 AND ($2 = '' OR project_id = $2) AND found LIKE $3 ESCAPE '\\'";
        let project_id = project_id.unwrap_or_default();
        let pattern = containing(query.search.as_deref().unwrap_or_default());
        let total: i64 =
            sqlx::query_scalar(&format!("SELECT COUNT(*) FROM servers WHERE {filter}"))
                .bind(region)
                .bind(project_id)
                .bind(&pattern)
                .fetch_one(self.read())
                .await
                .map_err(failed)?;
        let limit = query.page.limit.map_or(i64::MAX, i64::from);
        let rows = sqlx::query(&format!(
            "SELECT {COLUMNS} FROM servers WHERE {filter} \
             ORDER BY created_at DESC, id DESC LIMIT $4 OFFSET $5"
        ))
        .bind(region)
        .bind(project_id)
        .bind(&pattern)
        .bind(limit)
        .bind(i64::from(query.page.offset))
        .fetch_all(self.read())
        .await
        .map_err(failed)?;
        let rows = rows.iter().map(server_row).collect::<CloudResult<Vec<_>>>()?;
        Ok((rows, u64::try_from(total).unwrap_or(0)))
    }

    pub(super) async fn servers_found(
        &self,
        regions: &[String],
        project_id: &str,
        list: &ServerList,
    ) -> CloudResult<(Vec<Server>, u64)> {
        if regions.is_empty() {
            return Ok((Vec::new(), 0));
        }
        let mut texts = vec![project_id.to_owned()];
        texts.push(containing(list.search.as_deref().unwrap_or_default()));
        texts.extend(regions.iter().cloned());
        let places: Vec<String> = (3..=texts.len()).map(|place| format!("${place}")).collect();
        let filter = format!(
            "project_id = $1 AND found LIKE $2 ESCAPE '\\' AND region IN ({})",
            places.join(", ")
        );
        let counted = format!("SELECT COUNT(*) AS total FROM servers WHERE {filter}");
        let row = bound(&counted, &texts).fetch_one(self.read()).await.map_err(failed)?;
        let total: i64 = row.try_get("total").map_err(failed)?;
        let next = texts.len() + 1;
        let listed = format!(
            "SELECT content FROM servers WHERE {filter} ORDER BY {} LIMIT ${next} OFFSET ${}",
            self.server_order(list),
            next + 1
        );
        let rows = bound(&listed, &texts)
            .bind(list.page.limit.map_or(i64::MAX, i64::from))
            .bind(i64::from(list.page.offset))
            .fetch_all(self.read())
            .await
            .map_err(failed)?;
        let server = |row: &AnyRow| -> CloudResult<Server> {
            let content: String = row.try_get("content").map_err(failed)?;
            Ok(from_text("servers", &content)?)
        };
        let servers = rows.iter().map(server).collect::<CloudResult<Vec<_>>>()?;
        Ok((servers, u64::try_from(total).unwrap_or(0)))
    }

    fn server_order(&self, list: &ServerList) -> String {
        let (bytes, down) = (self.by_bytes(), if list.descending { " DESC" } else { "" });
        let name = format!("folded{bytes}{down}, region{bytes}{down}, id{bytes}{down}");
        match list.order {
            ServerOrder::Name => name,
            ServerOrder::Created => format!("created_at{down}, {name}"),
            ServerOrder::Region => format!("region{bytes}{down}, {name}"),
            ServerOrder::State => format!("state_rank{down}, {name}"),
            ServerOrder::Address => format!("address_rank{bytes}{down}, {name}"),
        }
    }

    pub(super) async fn every_server(&self) -> CloudResult<Vec<ServerRow>> {
        let rows = sqlx::query(&format!("SELECT {COLUMNS} FROM servers ORDER BY created_at, id"))
            .fetch_all(self.read())
            .await
            .map_err(failed)?;
        rows.iter().map(server_row).collect()
    }
}

async fn free_slot(
    tx: &mut Transaction<'static, Any>,
    region: &str,
    slots: u32,
) -> CloudResult<u32> {
    // The lowest number that is 0 or follows a taken one, and is not taken itself.
    let lowest: Option<i64> = sqlx::query_scalar(
        "SELECT MIN(c.slot) FROM (SELECT 0 AS slot UNION ALL \
         SELECT slot + 1 FROM servers WHERE region = $1) c \
         WHERE NOT EXISTS (SELECT 1 FROM servers s WHERE s.region = $1 AND s.slot = c.slot)",
    )
    .bind(region)
    .fetch_one(&mut **tx)
    .await
    .map_err(failed)?;
    lowest.and_then(|slot| u32::try_from(slot).ok()).filter(|slot| *slot < slots).ok_or_else(|| {
        CloudError::Exhausted(format!(
            "All {slots} addresses of this region are in use. Delete a server first."
        ))
    })
}

/// Fills the columns that lists are sorted by, for rows from before there were any.
pub(in crate::store) async fn fill(tx: &mut Transaction<'static, Any>) -> Result<(), Error> {
    let rows = sqlx::query("SELECT id, content FROM servers").fetch_all(&mut **tx).await?;
    for row in &rows {
        let (id, content): (String, String) = (row.try_get("id")?, row.try_get("content")?);
        let server: Server = from_text("servers", &content)?;
        sqlx::query(
            "UPDATE servers SET folded = $1, state_rank = $2, address_rank = $3 WHERE id = $4",
        )
        .bind(server.name.to_lowercase())
        .bind(cloud::state_rank(server.status))
        .bind(cloud::address_rank(&server))
        .bind(id)
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}

/// What a search looks in: name, addresses, identifier, tags.
fn found_by(server: &Server) -> String {
    let mut words = vec![server.name.to_lowercase(), server.id.to_string()];
    words.extend(server.addresses.iter().map(|address| address.address.to_string()));
    words.extend(server.tags.iter().map(|tag| tag.to_lowercase()));
    words.join("\n")
}

fn server_row(row: &AnyRow) -> CloudResult<ServerRow> {
    let damaged = |reason: String| CloudError::from(Error::Damaged { table: "servers", reason });
    let content: String = row.try_get("content").map_err(failed)?;
    let keys: String = row.try_get("public_keys").map_err(failed)?;
    let user_data: String = row.try_get("user_data").map_err(failed)?;
    let number = |column| -> CloudResult<u32> {
        let value: i64 = row.try_get(column).map_err(failed)?;
        u32::try_from(value).map_err(|_| damaged(format!("{column} {value}")))
    };
    Ok(ServerRow {
        server: from_text("servers", &content)?,
        wanted_running: number("wanted_running")? != 0,
        slot: number("slot")?,
        public_keys: from_text("servers", &keys)?,
        user_data: BASE64
            .decode(user_data.as_bytes())
            .map_err(|error| damaged(format!("user data: {error}")))?,
        generation: number("generation")?,
    })
}
