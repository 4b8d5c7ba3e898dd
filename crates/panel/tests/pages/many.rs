//! 10,000 keys and 1,000 servers: the pages are printed with their times.

use std::time::Instant;

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
    for number in 0..10_000 {
        let key = KeyPair {
            id: 0,
            region: if number % 2 == 0 { "ams" } else { "iad" }.to_owned(),
            user_id: user.id.clone(),
            name: format!("key-{number:05}"),
            kind: KeyType::Ssh,
            public_key: LINES[number % 3].to_owned(),
            fingerprint_md5: format!("{number:032x}"),
            fingerprint_sha256: format!("SHA256:{number:043}"),
            created_at: now(),
            last_used_at: None,
        };
        panel.state.store.insert_key_pair(key).await.unwrap();
    }
    let caller = panel::state::caller(&user, &project.id, Role::Member, "req-x");
    for number in 0..1000 {
        let new = cloud::model::NewServer {
            name: format!("server-{number:04}"),
            image_id: IMAGE,
            flavor_id: "1".to_owned(),
            key_names: vec!["key-00000".to_owned()],
            ..cloud::model::NewServer::default()
        };
        panel.state.cloud.create_server(&caller, "ams", new).await.unwrap();
    }
    for path in [
        "/servers",
        "/servers?sort=name&page=20",
        "/servers?q=0999",
        "/keys",
        "/keys?q=key-09999",
        "/servers/new",
        "/audit",
    ] {
        let began = Instant::now();
        let page = browser.get(path).await;
        let took = began.elapsed();
        println!("{path}: {took:?}, {} bytes", page.text.len());
        assert_eq!(page.status, 200, "{path}");
    }
    browser.get("/servers?sort=name&page=20").await.says("server-0999").says("951–1000 of 1000");
    browser.get("/keys?page=200").await.says("key-09999").says("9951–10000 of 10000");
}
