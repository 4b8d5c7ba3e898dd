//! The steps from an empty database to the present one, each done once, in order.

use sqlx::Executor;

use super::{Error, Kind, Store};

/// Numbered from 1. A step that was ever released is never changed; what it lacks is a new one.
const STEPS: &[&str] = &[
    include_str!("001.sql"),
    include_str!("002.sql"),
    include_str!("003.sql"),
    include_str!("004.sql"),
    include_str!("005.sql"),
];
/// The steps that gave key pairs and servers columns, whose contents the databases cannot find by
/// one SQL text.
const KEY_PAIRS_FOUND: usize = 4;
const SERVERS_FOUND: usize = 5;

/// PostgreSQL's advisory lock, so that panels that start together do not both migrate.
const LOCK: i64 = 0x006b_6579_7761_7900;

pub(super) async fn run(store: &Store) -> Result<(), Error> {
    let mut tx = store.begin().await?;
    if store.kind == Kind::Postgres {
        sqlx::query("SELECT 1 FROM (SELECT pg_advisory_xact_lock($1)) AS locked")
            .bind(LOCK)
            .execute(&mut *tx)
            .await?;
    }
    tx.execute(
        "CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value BIGINT NOT NULL)",
    )
    .await?;
    let version: Option<i64> =
        sqlx::query_scalar("SELECT value FROM counters WHERE name = 'version'")
            .fetch_optional(&mut *tx)
            .await?;
    let version = version.unwrap_or(0);
    let known = i64::try_from(STEPS.len()).unwrap_or(i64::MAX);
    if version > known {
        return Err(Error::TooNew { found: version, known });
    }
    for (number, step) in (1..).zip(STEPS).skip(usize::try_from(version).unwrap_or(0)) {
        for statement in step.split(';').map(str::trim).filter(|statement| !statement.is_empty()) {
            tx.execute(statement).await?;
        }
        if number == KEY_PAIRS_FOUND {
            super::records::key_pairs::fill(&mut tx).await?;
        }
        if number == SERVERS_FOUND {
            super::records::servers::fill(&mut tx).await?;
        }
    }
    sqlx::query(
        "INSERT INTO counters (name, value) VALUES ('version', $1) \
         ON CONFLICT (name) DO UPDATE SET value = excluded.value",
    )
    .bind(known)
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(())
}
