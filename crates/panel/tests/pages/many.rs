//! 10,000 keys and 1,000 servers: the pages are printed with their times.

use std::time::{Duration, Instant};

use cloud::embedded::records::Records;
use cloud::model::{KeyPair, KeyType};
use panel::accounts::Role;
use panel::store::now;

use super::LINES;
use super::browser::Panel;
use super::fake::IMAGE;

#[tokio::test]
async fn many_keys_and_servers() {
    let panel = Panel::new().await;
    let mut browser = panel.logged_in("ada", "main", Role::Member).await;
    let user = panel.state.accounts.user_by_name("ada").await.unwrap().unwrap();
    let project = panel.state.accounts.project_by_name("main").await.unwrap().unwrap();
    let key = KeyPair {
        id: 0,
        region: "ams".to_owned(),
        user_id: user.id.clone(),
        name: "key-00000".to_owned(),
        kind: KeyType::Ssh,
        public_key: LINES[0].to_owned(),
        fingerprint_md5: "c2:c7:07:f8:94:98:bd:d7:b9:2b:b9:0f:d5:87:cd:4d".to_owned(),
        fingerprint_sha256: "SHA256:tW7YuDWsucdM0lLPqZaeNVxfcHP2TTjLKNBX1lCCreM".to_owned(),
        created_at: now(),
        last_used_at: None,
    };
    panel.state.store.insert_key_pair(key).await.unwrap();
    let caller = panel::state::caller(&user, &project.id, Role::Member, "req-x");
    let new = cloud::model::NewServer {
        name: "server-0000".to_owned(),
        image_id: IMAGE,
        flavor_id: "1".to_owned(),
        key_names: vec!["key-00000".to_owned()],
        ..cloud::model::NewServer::default()
    };
    let server = panel.state.cloud.create_server(&caller, "ams", new).await.unwrap();
    multiply(&panel, &server.id.to_string()).await;
    for path in [
        "/servers",
        "/servers?sort=name&page=20",
        "/servers?q=0999",
        "/keys",
        "/keys?q=key-09999",
        "/keys?sort=-used&page=150",
        "/keys?region=iad",
        "/servers/new",
        "/keys/delete?region=ams&name=key-00000",
        "/audit",
        &format!("/servers/ams/{}", server.id),
    ] {
        browser.get("/account").await;
        let began = Instant::now();
        let page = browser.get(path).await;
        let took = began.elapsed();
        println!("{path}: {took:?}, {} bytes", page.text.len());
        assert_eq!(page.status, 200, "{path}");
        // Without optimisation everything takes some ten times as long.
        let limit = Duration::from_millis(if cfg!(debug_assertions) { 1500 } else { 100 });
        assert!(took < limit, "{path} took {took:?}");
    }
    browser.get("/servers?sort=name&page=20").await.says("server-0999").says("951–1000 of 1000");
    browser.get("/keys?page=200").await.says("key-09999").says("9951–10000 of 10000");
}

/// Makes many of one in two statements: one by one, each on the disk, would take minutes.
async fn multiply(panel: &Panel, server: &str) {
    let pool = sqlx::AnyPool::connect(&panel.state.settings.database).await.unwrap();
    sqlx::query(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9999) \
         INSERT INTO key_pairs (id, region, user_id, name, content, last_used_at, folded, \
         fingerprint, found) \
         SELECT 1000 + i, region, user_id, printf('key-%05d', i), \
         replace(content, 'key-00000', printf('key-%05d', i)), 0, printf('key-%05d', i), \
         fingerprint || i, replace(found, 'key-00000', printf('key-%05d', i)) FROM key_pairs, n",
    )
    .execute(&pool)
    .await
    .unwrap();
    sqlx::query(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 999) \
         INSERT INTO servers (id, region, project_id, slot, created_at, found, content, \
         wanted_running, generation, public_keys, user_data, folded, state_rank, address_rank) \
         SELECT printf('00000000-0000-4000-8000-%012d', i), region, project_id, i, created_at, \
         printf('server-%04d', i), replace(replace(content, $1, \
         printf('00000000-0000-4000-8000-%012d', i)), 'server-0000', printf('server-%04d', i)), \
         wanted_running, generation, public_keys, user_data, printf('server-%04d', i), \
         state_rank, address_rank FROM servers, n",
    )
    .bind(server)
    .execute(&pool)
    .await
    .unwrap();
    pool.close().await;
}
