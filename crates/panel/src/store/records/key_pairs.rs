//! Key pairs: one by one, and a page at a time.

use cloud::model::KeyPair;
use cloud::{Error as CloudError, KeyPairOrder, KeyPairQuery, Result as CloudResult};
use sqlx::any::AnyRow;
use sqlx::{Any, Row, Transaction};
use time::OffsetDateTime;

use super::super::{Error, Store, containing, micros, micros_or_zero, time_or_none};
use super::{bound, failed, from_text, to_text};

/// Rows read at a time where all are gone through.
const FILL_ROWS: i64 = 1000;

impl Store {
    pub(super) async fn key_pairs_of(
        &self,
        region: &str,
        user_id: &str,
    ) -> CloudResult<Vec<KeyPair>> {
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

    pub(super) async fn one_key_pair(
        &self,
        region: &str,
        user_id: &str,
        name: &str,
    ) -> CloudResult<Option<KeyPair>> {
        let row = sqlx::query(
            "SELECT content, last_used_at FROM key_pairs \
             WHERE region = $1 AND user_id = $2 AND name = $3",
        )
        .bind(region)
        .bind(user_id)
        .bind(name)
        .fetch_optional(self.read())
        .await
        .map_err(failed)?;
        row.as_ref().map(key_pair).transpose()
    }

    pub(super) async fn page_of_key_pairs(
        &self,
        regions: &[String],
        user_id: &str,
        query: &KeyPairQuery,
    ) -> CloudResult<(Vec<KeyPair>, u64)> {
        if regions.is_empty() {
            return Ok((Vec::new(), 0));
        }
        let (filter, texts) = filter(regions, user_id, query);
        let counted = format!("SELECT COUNT(*) AS total FROM key_pairs k WHERE {filter}");
        let row = bound(&counted, &texts).fetch_one(self.read()).await.map_err(failed)?;
        let total: i64 = row.try_get("total").map_err(failed)?;
        let order = self.order(query);
        let next = texts.len() + 1;
        let listed = format!(
            "SELECT content, last_used_at FROM key_pairs k WHERE {filter} ORDER BY {order} \
             LIMIT ${next} OFFSET ${}",
            next + 1
        );
        let rows = bound(&listed, &texts)
            .bind(query.page.limit.map_or(i64::MAX, i64::from))
            .bind(i64::from(query.page.offset))
            .fetch_all(self.read())
            .await
            .map_err(failed)?;
        let keys = rows.iter().map(key_pair).collect::<CloudResult<Vec<_>>>()?;
        Ok((keys, u64::try_from(total).unwrap_or(0)))
    }

    fn order(&self, query: &KeyPairQuery) -> String {
        let bytes = self.by_bytes();
        let down = if query.descending { " DESC" } else { "" };
        let name = format!("k.folded{bytes}{down}, k.region{bytes}{down}");
        match query.order {
            KeyPairOrder::Name => name,
            KeyPairOrder::Region => format!("k.region{bytes}{down}, k.folded{bytes}{down}"),
            KeyPairOrder::Used => format!("k.last_used_at{down}, {name}"),
            KeyPairOrder::Added => format!("k.id{down}"),
        }
    }

    pub(super) async fn new_key_pair(&self, mut key: KeyPair) -> CloudResult<KeyPair> {
        let mut tx = self.begin().await?;
        key.id = Self::next_number(&mut tx, "key_pairs").await?;
        sqlx::query(
            "INSERT INTO key_pairs (id, region, user_id, name, content, last_used_at, folded, \
             fingerprint, found) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(key.id)
        .bind(&key.region)
        .bind(&key.user_id)
        .bind(&key.name)
        .bind(to_text("key_pairs", &key)?)
        .bind(micros_or_zero(key.last_used_at))
        .bind(key.name.to_lowercase())
        .bind(key.fingerprint())
        .bind(key.found_by())
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

    pub(super) async fn remove_key_pair(
        &self,
        region: &str,
        user_id: &str,
        name: &str,
    ) -> CloudResult<bool> {
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

    pub(super) async fn use_key_pairs(
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
}

/// What follows `WHERE`, and the texts for its placeholders from `$1` on.
fn filter(regions: &[String], user_id: &str, query: &KeyPairQuery) -> (String, Vec<String>) {
    let mut texts = vec![user_id.to_owned()];
    let mut place = |text: String| {
        texts.push(text);
        format!("${}", texts.len())
    };
    let places: Vec<String> = regions.iter().map(|region| place(region.clone())).collect();
    let mut rules = vec![format!("k.user_id = $1 AND k.region IN ({})", places.join(", "))];
    if let Some(part) = &query.search {
        rules.push(format!("k.found LIKE {} ESCAPE '\\'", place(containing(part))));
    }
    if let Some(fingerprint) = &query.fingerprint {
        rules.push(format!("k.fingerprint = {}", place(fingerprint.clone())));
    }
    if let Some(region) = &query.lacking_in {
        rules.push(format!(
            "NOT EXISTS (SELECT 1 FROM key_pairs o WHERE o.user_id = $1 \
             AND o.fingerprint = k.fingerprint AND (o.region = {} OR (o.id < k.id \
             AND o.region IN ({}))))",
            place(region.clone()),
            places.join(", ")
        ));
    }
    (rules.join(" AND "), texts)
}

/// Fills the columns that lists are found and sorted by, for rows from before there were any.
pub(in crate::store) async fn fill(tx: &mut Transaction<'static, Any>) -> Result<(), Error> {
    let mut after = i64::MIN;
    loop {
        let rows =
            sqlx::query("SELECT id, content FROM key_pairs WHERE id > $1 ORDER BY id LIMIT $2")
                .bind(after)
                .bind(FILL_ROWS)
                .fetch_all(&mut **tx)
                .await?;
        if rows.is_empty() {
            return Ok(());
        }
        for row in &rows {
            after = row.try_get("id")?;
            let content: String = row.try_get("content")?;
            let key: KeyPair = from_text("key_pairs", &content)?;
            sqlx::query(
                "UPDATE key_pairs SET folded = $1, fingerprint = $2, found = $3 WHERE id = $4",
            )
            .bind(key.name.to_lowercase())
            .bind(key.fingerprint())
            .bind(key.found_by())
            .bind(after)
            .execute(&mut **tx)
            .await?;
        }
    }
}

fn key_pair(row: &AnyRow) -> CloudResult<KeyPair> {
    let text: String = row.try_get("content").map_err(failed)?;
    let mut key: KeyPair = from_text("key_pairs", &text)?;
    key.last_used_at = time_or_none(row.try_get("last_used_at").map_err(failed)?);
    Ok(key)
}
