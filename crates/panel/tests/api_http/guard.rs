//! Who may ask what.

use panel::accounts::Role;
use serde_json::{Value, json};

use super::PUBLIC_KEY;
use super::client::{Client, client};
use super::common::TestPanel;
use super::common::memory_cloud::IMAGE;

#[tokio::test]
async fn every_route_wants_a_token() {
    let panel = TestPanel::start(0).await;
    let stranger = Client { panel: &panel, token: None, version: None };
    let forger = Client { panel: &panel, token: Some("x".repeat(43)), version: None };
    // What anybody may read before having a token, and the one that gives it.
    let open = |path: &str| {
        !path.contains('*')
            && matches!(
                path.replace("{region}", "ams").trim_end_matches('/'),
                "/identity"
                    | "/identity/v3"
                    | "/compute/ams"
                    | "/compute/ams/v2.1"
                    | "/compute/ams/v2"
                    | "/image/ams"
                    | "/image/ams/versions"
                    | "/network/ams"
                    | "/network/ams/v2.0"
                    | "/panel/v1/openapi.json"
            )
            || path == "/compute/{region}/{version}/{*rest}"
    };
    let paths = panel::api::paths();
    assert!(paths.len() > 60, "{}", paths.len());
    for path in paths.iter().filter(|path| !open(path)) {
        let mut address = path.replace("{region}", "ams").replace("{*rest}", "anything");
        while let (Some(from), Some(to)) = (address.find('{'), address.find('}')) {
            address.replace_range(from..=to, "10000000-0000-4000-8000-000000000009");
        }
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            if path.ends_with("/auth/tokens") && method == "POST" {
                continue;
            }
            for who in [&stranger, &forger] {
                let answer = who.send(method, &address, None).await;
                assert!([401, 405].contains(&answer.status), "{method} {path}: {}", answer.status);
                assert!(answer.header("x-openstack-request-id").starts_with("req-"), "{path}");
            }
        }
    }
}

#[tokio::test]
async fn readers_only_look() {
    let panel = TestPanel::start(0).await;
    let member = client(&panel, "m", "p", Role::Member).await;
    let reader = client(&panel, "r", "p", Role::Reader).await;
    let id = member.create_server("s").await;
    member.wait_for(&id, "ACTIVE").await;
    let server = format!("/compute/ams/v2.1/servers/{id}");
    for path in [
        "/compute/ams/v2.1/servers/detail",
        &server,
        &format!("{server}/metadata"),
        "/compute/ams/v2.1/os-keypairs",
        "/panel/v1/known_hosts",
    ] {
        assert_eq!(reader.get(path).await.status, 200, "{path}");
    }
    let new = json!({"server": {"name": "x", "imageRef": IMAGE, "flavorRef": "small"}});
    let key = json!({"keypair": {"name": "k", "public_key": PUBLIC_KEY}});
    let change = [
        ("POST", "/compute/ams/v2.1/servers".to_owned(), new),
        ("POST", "/compute/ams/v2.1/os-keypairs".to_owned(), key),
        ("PUT", server.clone(), json!({"server": {"name": "y"}})),
        ("DELETE", server.clone(), Value::Null),
        ("POST", format!("{server}/action"), json!({"reboot": {"type": "SOFT"}})),
        ("POST", format!("{server}/action"), json!({"os-getConsoleOutput": {}})),
        ("POST", format!("{server}/metadata"), json!({"metadata": {"a": "b"}})),
        ("POST", "/panel/v1/key-pairs".to_owned(), json!({"name": "k", "public_key": PUBLIC_KEY})),
    ];
    for (method, path, body) in change {
        let body = (!body.is_null()).then_some(body);
        let answer = reader.send(method, &path, body).await;
        assert_eq!(answer.status, 403, "{method} {path}: {}", answer.text);
    }
}

#[tokio::test]
async fn other_projects_are_not_there() {
    let panel = TestPanel::start(0).await;
    let owner = client(&panel, "a", "one", Role::Member).await;
    let other = client(&panel, "b", "two", Role::Member).await;
    let id = owner.create_server("s").await;
    owner.wait_for(&id, "ACTIVE").await;
    let answer = owner
        .post(
            "/compute/ams/v2.1/os-keypairs",
            json!({"keypair": {"name": "k", "public_key": PUBLIC_KEY}}),
        )
        .await;
    assert_eq!(answer.status, 200);
    let server = format!("/compute/ams/v2.1/servers/{id}");
    for (method, path, body) in [
        ("GET", server.clone(), None),
        ("DELETE", server.clone(), None),
        ("PUT", server.clone(), Some(json!({"server": {"name": "x"}}))),
        ("POST", format!("{server}/action"), Some(json!({"os-stop": null}))),
        ("GET", format!("{server}/os-instance-actions"), None),
        ("GET", format!("{server}/ips"), None),
        (
            "POST",
            format!("{server}/remote-consoles"),
            Some(json!({"remote_console": {"protocol": "vnc", "type": "novnc"}})),
        ),
        ("GET", format!("/panel/v1/servers/{id}/host-keys"), None),
        ("GET", "/compute/ams/v2.1/os-keypairs/k".to_owned(), None),
        ("DELETE", "/compute/ams/v2.1/os-keypairs/k".to_owned(), None),
        // The same server in the other region.
        ("GET", server.replace("/ams/", "/fra/"), None),
    ] {
        let answer = other.at("2.96").send(method, &path, body).await;
        assert_eq!(answer.status, 404, "{method} {path}: {}", answer.text);
    }
    let listed = other.get("/compute/ams/v2.1/servers").await.json();
    assert_eq!(listed["servers"], json!([]));
    assert_eq!(other.get("/panel/v1/known_hosts").await.text, "");
    assert_eq!(other.get("/compute/ams/v2.1/servers?all_tenants=1").await.status, 403);
    assert_eq!(owner.get(&server).await.status, 200);
}
