//! What every database has to do alike: SQLite always, PostgreSQL where it is installed.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail loudly")]

#[path = "store/conformance.rs"]
mod conformance;
#[path = "store/people.rs"]
mod people;
#[path = "store/postgres.rs"]
mod postgres;
#[path = "store/server_pages.rs"]
mod server_pages;

use cloud::embedded::records::Records;
use cloud::{KeyPairQuery, ServerList, ServerOrder};
use panel::store::{Kind, Store};

#[tokio::test]
async fn sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}/panel.db", folder.path().display());
    conformance::all(&url).await;
    let store = Store::open(&url).await.unwrap();
    assert_eq!(store.kind(), Kind::Sqlite);
    server_pages::all(&store).await;

    // A copy made in use holds everything, and is never written over another file.
    let copy = folder.path().join("copy.db");
    store.backup(&copy).await.unwrap();
    assert!(store.backup(&copy).await.unwrap_err().to_string().contains("there already"));
    let copied = Store::open_file(&copy).await.unwrap();
    assert!(!panel::accounts::Accounts::new(copied).users(None).await.unwrap().is_empty());
    use std::os::unix::fs::PermissionsExt;
    for file in ["panel.db", "copy.db"] {
        let mode = std::fs::metadata(folder.path().join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
}

#[tokio::test]
async fn postgres() {
    let Some(server) = postgres::Server::start() else {
        eprintln!("PostgreSQL is not installed: its store was NOT tested");
        return;
    };
    conformance::all(&server.url()).await;
    let store = Store::open(&server.url()).await.unwrap();
    assert_eq!(store.kind(), Kind::Postgres);
    server_pages::all(&store).await;
    assert!(store.backup(std::path::Path::new("/nowhere")).await.is_err());
    store.close().await;
}

/// Keys and servers from before lists were pages are found and sorted like the others.
#[tokio::test]
async fn rows_of_an_older_database_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}/panel.db", folder.path().display());
    let store = Store::open(&url).await.unwrap();
    for name in ["Laptop", "desk"] {
        store.insert_key_pair(conformance::key_pair(name, "u1")).await.unwrap();
        let row = conformance::row(name, "p1");
        store.insert_server("ams", 9, Box::new(move |_| row)).await.unwrap();
    }
    store.close().await;
    let pool = sqlx::AnyPool::connect(&url).await.unwrap();
    for statement in [
        "DROP INDEX key_pairs_by_name",
        "DROP INDEX key_pairs_by_use",
        "DROP INDEX key_pairs_by_fingerprint",
        "ALTER TABLE key_pairs DROP COLUMN folded",
        "ALTER TABLE key_pairs DROP COLUMN fingerprint",
        "ALTER TABLE key_pairs DROP COLUMN found",
        "DROP INDEX servers_by_name",
        "DROP INDEX servers_by_creation",
        "ALTER TABLE servers DROP COLUMN folded",
        "ALTER TABLE servers DROP COLUMN state_rank",
        "ALTER TABLE servers DROP COLUMN address_rank",
        "UPDATE counters SET value = 3 WHERE name = 'version'",
    ] {
        sqlx::query(statement).execute(&pool).await.unwrap();
    }
    pool.close().await;
    let store = Store::open(&url).await.unwrap();
    let query = KeyPairQuery { search: Some("LAP".into()), ..KeyPairQuery::first(10) };
    let (found, total) = store.find_key_pairs(&["ams".to_owned()], "u1", &query).await.unwrap();
    assert_eq!((found[0].name.as_str(), total), ("Laptop", 1));
    let list = ServerList { order: ServerOrder::Name, ..ServerList::default() };
    let (found, total) = store.find_servers(&["ams".to_owned()], "p1", &list).await.unwrap();
    assert_eq!((found[0].name.as_str(), total), ("desk", 2));
    store.close().await;
}

#[tokio::test]
async fn newer_databases_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}/panel.db", folder.path().display());
    Store::open(&url).await.unwrap().close().await;
    let pool = sqlx::AnyPool::connect(&url).await.unwrap();
    sqlx::query("UPDATE counters SET value = 9999 WHERE name = 'version'")
        .execute(&pool)
        .await
        .unwrap();
    pool.close().await;
    let error = Store::open(&url).await.err().unwrap();
    assert!(error.to_string().contains("newer program"), "{error}");
    assert!(Store::open("mysql://x").await.is_err());
}
