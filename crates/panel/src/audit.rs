//! The audit log: every change, who made it, from where. Rows are added and never changed.

use sqlx::Row;
use time::OffsetDateTime;

use crate::store::{self, Store, containing, micros, now, time_of};

/// Something that was changed, or tried.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Who; empty before anybody is logged in.
    pub user_id: &'a str,
    /// The user's name then, or the name that was tried.
    pub user_name: &'a str,
    /// The project it was in, or empty.
    pub project_id: &'a str,
    /// What, as `thing.verb`: `key.add`, `server.rebuild`, `login.fail`.
    pub action: &'a str,
    /// On what: a name a person recognises.
    pub target: &'a str,
    /// What else is worth knowing. Never a secret.
    pub detail: &'a str,
    /// Where the request came from.
    pub address: &'a str,
    /// The request's identifier.
    pub request_id: &'a str,
}

/// An entry as it was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its number.
    pub id: i64,
    /// When.
    pub at: OffsetDateTime,
    /// See [`Entry::user_name`].
    pub user_name: String,
    /// See [`Entry::project_id`].
    pub project_id: String,
    /// See [`Entry::action`].
    pub action: String,
    /// See [`Entry::target`].
    pub target: String,
    /// See [`Entry::detail`].
    pub detail: String,
    /// See [`Entry::address`].
    pub address: String,
    /// See [`Entry::request_id`].
    pub request_id: String,
}

impl Store {
    /// Adds an entry, and says it in the program's log too.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn audit(&self, entry: Entry<'_>) -> Result<(), store::Error> {
        tracing::info!(
            target: "audit",
            user = entry.user_name,
            action = entry.action,
            on = entry.target,
            detail = entry.detail,
            from = entry.address,
            request = entry.request_id,
        );
        // PostgreSQL takes no text with a zero in it.
        let cut =
            |text: &str| text.chars().take(1000).collect::<String>().replace('\0', "\u{fffd}");
        let found =
            [entry.user_name, entry.action, entry.target, entry.detail, entry.address].join("\n");
        let mut tx = self.begin().await?;
        let id = Self::next_number(&mut tx, "audit").await?;
        sqlx::query(
            "INSERT INTO audit (id, at, user_id, user_name, project_id, action, target, detail, \
             address, request_id, found) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        )
        .bind(id)
        .bind(micros(now()))
        .bind(entry.user_id)
        .bind(cut(entry.user_name))
        .bind(entry.project_id)
        .bind(entry.action)
        .bind(cut(entry.target))
        .bind(cut(entry.detail))
        .bind(entry.address)
        .bind(entry.request_id)
        .bind(cut(&found).to_lowercase())
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }

    /// Entries, newest first, with their total: of one user unless it is none, with this text in
    /// them.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn audit_entries(
        &self,
        user_id: Option<&str>,
        search: &str,
        limit: u32,
        offset: u32,
    ) -> Result<(Vec<Record>, u64), store::Error> {
        let filter = "($1 = '' OR user_id = $1) AND found LIKE $2 ESCAPE '\\'";
        let user_id = user_id.unwrap_or_default();
        let pattern = containing(search);
        let total: i64 = sqlx::query_scalar(&format!("SELECT COUNT(*) FROM audit WHERE {filter}"))
            .bind(user_id)
            .bind(&pattern)
            .fetch_one(self.read())
            .await?;
        let rows = sqlx::query(&format!(
            "SELECT id, at, user_name, project_id, action, target, detail, address, request_id \
             FROM audit WHERE {filter} ORDER BY id DESC LIMIT $3 OFFSET $4"
        ))
        .bind(user_id)
        .bind(&pattern)
        .bind(i64::from(limit))
        .bind(i64::from(offset))
        .fetch_all(self.read())
        .await?;
        let records = rows
            .iter()
            .map(|row| {
                Ok(Record {
                    id: row.try_get("id")?,
                    at: time_of(row.try_get("at")?),
                    user_name: row.try_get("user_name")?,
                    project_id: row.try_get("project_id")?,
                    action: row.try_get("action")?,
                    target: row.try_get("target")?,
                    detail: row.try_get("detail")?,
                    address: row.try_get("address")?,
                    request_id: row.try_get("request_id")?,
                })
            })
            .collect::<Result<_, sqlx::Error>>()?;
        Ok((records, u64::try_from(total).unwrap_or(0)))
    }
}
