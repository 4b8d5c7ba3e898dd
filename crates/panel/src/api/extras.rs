//! What OpenStack's API keeps about a server and no cloud of ours needs: said by a client, and
//! said back to it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sqlx::Row;
use uuid::Uuid;

use super::fault::Outcome;
use crate::store::{self, Store};

/// The extras of one server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Extras {
    /// `accessIPv4`, or empty.
    pub(super) access_ipv4: String,
    /// `accessIPv6`, or empty.
    pub(super) access_ipv6: String,
    /// `OS-DCF:diskConfig` is `AUTO`, not `MANUAL`.
    pub(super) disk_config_auto: bool,
    /// Why it is locked.
    pub(super) locked_reason: Option<String>,
    /// Its host name where that is not its name.
    pub(super) hostname: Option<String>,
    /// Of the request that made it, where it asked for one.
    pub(super) reservation_id: Option<String>,
    /// cloud-init's user data as it was sent, in base64.
    pub(super) user_data: Option<String>,
}

/// One server's.
pub(super) async fn read(store: &Store, id: Uuid) -> Outcome<Extras> {
    let content: Option<String> =
        sqlx::query_scalar("SELECT content FROM server_extras WHERE server_id = $1")
            .bind(id.to_string())
            .fetch_optional(store.read())
            .await
            .map_err(store::Error::from)?;
    Ok(content.map(|text| parse(&text)).unwrap_or_default())
}

/// Those of a project's servers, or of all.
pub(super) async fn read_all(
    store: &Store,
    project_id: Option<&str>,
) -> Outcome<BTreeMap<String, Extras>> {
    let rows = sqlx::query(
        "SELECT server_id, content FROM server_extras WHERE $1 = '' OR project_id = $1",
    )
    .bind(project_id.unwrap_or_default())
    .fetch_all(store.read())
    .await
    .map_err(store::Error::from)?;
    rows.iter()
        .map(|row| {
            let content: String = row.try_get("content").map_err(store::Error::from)?;
            Ok((row.try_get("server_id").map_err(store::Error::from)?, parse(&content)))
        })
        .collect()
}

/// Forgets a server's that is gone.
pub(super) async fn forget(store: &Store, id: &str) -> Outcome<()> {
    sqlx::query("DELETE FROM server_extras WHERE server_id = $1")
        .bind(id)
        .execute(store.write())
        .await
        .map_err(store::Error::from)?;
    Ok(())
}

/// Replaces one server's.
pub(super) async fn write(
    store: &Store,
    id: Uuid,
    project_id: &str,
    extras: &Extras,
) -> Outcome<()> {
    let failed = |error: sqlx::Error| store::Error::from(error);
    if *extras == Extras::default() {
        return forget(store, &id.to_string()).await;
    }
    let content = serde_json::to_string(extras).map_err(super::fault::Fault::internal)?;
    sqlx::query(
        "INSERT INTO server_extras (server_id, project_id, content) VALUES ($1, $2, $3) \
         ON CONFLICT (server_id) DO UPDATE SET content = excluded.content",
    )
    .bind(id.to_string())
    .bind(project_id)
    .bind(content)
    .execute(store.write())
    .await
    .map_err(failed)?;
    Ok(())
}

/// Nothing depends on extras: unreadable ones are none.
fn parse(text: &str) -> Extras {
    serde_json::from_str(text).unwrap_or_default()
}
