//! The API as its rules have it: who may ask what, which version has which fields, and how each
//! service words a refusal.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail loudly")]

#[path = "api_http/client.rs"]
mod client;
mod common;
#[path = "api_http/guard.rs"]
mod guard;

use axum::http::{Method, StatusCode};
use client::{Client, client};
use common::memory_cloud::IMAGE;
use common::{PASSWORD, TestPanel};
use panel::accounts::Role;
use serde_json::{Value, json};

const PUBLIC_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILzGUay2BeHdvy8NHBrrDTAvetPXlxBEC9hHgv9P/20f root@vm";

#[tokio::test]
async fn key_pairs_by_microversion() {
    let panel = TestPanel::start(0).await;
    let client = client(&panel, "a", "one", Role::Member).await;
    let keys = "/compute/ams/v2.1/os-keypairs";
    // 2.1: 200, no type, and the server generates.
    let answer = client.post(keys, json!({"keypair": {"name": "old"}})).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let made = &answer.json()["keypair"];
    assert!(made["private_key"].as_str().unwrap().contains("PRIVATE KEY"));
    assert!(made["public_key"].as_str().unwrap().starts_with("ssh-rsa "));
    assert_eq!(made.get("type"), None);
    assert_eq!(answer.header("openstack-api-version"), "compute 2.1");
    assert_eq!(answer.header("x-openstack-nova-api-version"), "2.1");
    assert!(answer.header("vary").contains("X-OpenStack-Nova-API-Version"));
    assert!(answer.header("x-compute-request-id").starts_with("req-"));
    let shown = client.get(&format!("{keys}/old")).await;
    assert!(!shown.text.contains("PRIVATE"), "told a second time");
    // 2.2: 201 and a type; the same name again is a conflict.
    let body = json!({"keypair": {"name": "new", "public_key": PUBLIC_KEY, "type": "ssh"}});
    assert_eq!(client.post(keys, body.clone()).await.status, 400, "no type before 2.2");
    let answer = client.at("2.2").post(keys, body.clone()).await;
    assert_eq!((answer.status, &answer.json()["keypair"]["type"]), (201, &json!("ssh")));
    assert_eq!(client.at("2.2").post(keys, body).await.status, 409);
    // 2.92: nothing is generated.
    let answer = client.at("2.92").post(keys, json!({"keypair": {"name": "none"}})).await;
    assert_eq!(answer.status, 400);
    assert!(answer.json()["badRequest"]["message"].as_str().unwrap().contains("public_key"));
    // A private key is refused.
    let private =
        json!({"keypair": {"name": "p", "public_key": "-----BEGIN OPENSSH PRIVATE KEY-----\nx\n"}});
    assert_eq!(client.post(keys, private).await.status, 400);
    // Regions keep their own.
    let elsewhere = client.get("/compute/fra/v2.1/os-keypairs").await.json();
    assert_eq!(elsewhere["keypairs"], json!([]));
    assert_eq!(client.get("/compute/nowhere/v2.1/os-keypairs").await.status, 404);
    assert_eq!(client.send("DELETE", &format!("{keys}/old"), None).await.status, 202);
    assert_eq!(client.at("2.10").send("DELETE", &format!("{keys}/new"), None).await.status, 204);
    assert_eq!(client.at("2.97").get(keys).await.status, 406);
    assert_eq!(client.at("2.x").get(keys).await.status, 400);
}

#[tokio::test]
async fn server_fields_by_microversion() {
    let panel = TestPanel::start(0).await;
    let client = client(&panel, "a", "one", Role::Member).await;
    let id = client.create_server("s").await;
    client.wait_for(&id, "ACTIVE").await;
    let path = format!("/compute/ams/v2.1/servers/{id}");
    let fields = |version| {
        let client = client.at(version);
        let path = path.clone();
        async move { client.get(&path).await.json()["server"].clone() }
    };
    for (before, since, name) in [
        ("2.8", "2.9", "locked"),
        ("2.18", "2.19", "description"),
        ("2.25", "2.26", "tags"),
        ("2.62", "2.63", "trusted_image_certificates"),
        ("2.70", "2.71", "server_groups"),
        ("2.72", "2.73", "locked_reason"),
        ("2.89", "2.90", "OS-EXT-SRV-ATTR:hostname"),
        ("2.95", "2.96", "pinned_availability_zone"),
    ] {
        assert_eq!(fields(before).await.get(name), None, "{name} at {before}");
        assert!(fields(since).await.get(name).is_some(), "{name} at {since}");
    }
    assert_eq!(fields("2.46").await["flavor"]["id"], "small");
    assert_eq!(fields("2.47").await["flavor"]["original_name"], "small");
    // A change before 2.75 tells less.
    let change = json!({"server": {"accessIPv4": "192.0.2.7"}});
    let old = client.at("2.74").send("PUT", &path, Some(change.clone())).await.json();
    assert_eq!(old["server"].get("OS-EXT-STS:vm_state"), None);
    assert_eq!(old["server"]["accessIPv4"], "192.0.2.7");
    let new = client.at("2.75").send("PUT", &path, Some(change)).await.json();
    assert_eq!(new["server"]["OS-EXT-STS:vm_state"], "active");
}

#[tokio::test]
async fn tokens() {
    let panel = TestPanel::start(0).await;
    let (user, project) = panel.user("ann", "one", Role::Member).await;
    let anybody = Client { panel: &panel, token: None, version: None };
    let ask = |password: &str, scope: Value| {
        json!({"auth": {"identity": {"methods": ["password"], "password": {"user": {
            "name": "ann", "domain": {"id": "default"}, "password": password}}}, "scope": scope}})
    };
    let tokens = "/identity/v3/auth/tokens";
    let scope = json!({"project": {"name": "one", "domain": {"name": "Default"}}});
    assert_eq!(anybody.post(tokens, ask("wrong", scope.clone())).await.status, 401);
    let answer = anybody.post(tokens, ask(PASSWORD, scope)).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    let token = answer.json()["token"].clone();
    assert_eq!(token["project"]["id"], project.id);
    assert_eq!(token["user"]["id"], user.id);
    let names: Vec<&str> = token["catalog"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["keystone", "nova", "glance", "neutron"]);
    assert_eq!(token["catalog"][1]["endpoints"].as_array().unwrap().len(), 6);
    let secret = answer.header("x-subject-token").to_owned();
    assert!(!answer.text.contains(&secret));
    let me = Client { panel: &panel, token: Some(secret.clone()), version: None };
    // An application credential, and what comes of it.
    let path = format!("/identity/v3/users/{}/application_credentials", user.id);
    let made = me
        .post(
            &path,
            json!({"application_credential": {"name": "ci", "roles": [{"name": "reader"}]}}),
        )
        .await;
    assert_eq!(made.status, 201, "{}", made.text);
    let made = made.json()["application_credential"].clone();
    let by_credential = json!({"auth": {"identity": {"methods": ["application_credential"],
        "application_credential": {"id": made["id"], "secret": made["secret"]}}}});
    let answer = anybody.post(tokens, by_credential.clone()).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    assert_eq!(answer.json()["token"]["roles"].as_array().unwrap().len(), 1);
    let narrow = Client {
        panel: &panel,
        token: Some(answer.header("x-subject-token").to_owned()),
        version: None,
    };
    assert_eq!(narrow.get("/compute/ams/v2.1/servers").await.status, 200);
    let key = json!({"keypair": {"name": "k", "public_key": PUBLIC_KEY}});
    assert_eq!(narrow.post("/compute/ams/v2.1/os-keypairs", key).await.status, 403);
    let more = json!({"application_credential": {"name": "more"}});
    assert_eq!(narrow.post(&path, more).await.status, 403);
    // A token got by that token is no wider.
    let again = json!({"auth": {"identity": {"methods": ["token"],
        "token": {"id": narrow.token.clone().unwrap()}}}});
    let answer = anybody.post(tokens, again).await;
    assert_eq!(answer.json()["token"]["roles"].as_array().unwrap().len(), 1, "{}", answer.text);
    // Deleted, it is worth nothing, nor is what came of it.
    let one = format!("{path}/{}", made["id"].as_str().unwrap());
    assert_eq!(me.send("DELETE", &one, None).await.status, 204);
    assert_eq!(narrow.get("/compute/ams/v2.1/servers").await.status, 401);
    assert_eq!(anybody.post(tokens, by_credential).await.status, 401);
    // Unscoped tokens see projects and no servers.
    let answer = anybody.post(tokens, ask(PASSWORD, json!("unscoped"))).await;
    assert_eq!(answer.json()["token"].get("catalog"), None);
    let unscoped = Client {
        panel: &panel,
        token: Some(answer.header("x-subject-token").to_owned()),
        version: None,
    };
    assert_eq!(
        unscoped.get("/identity/v3/auth/projects").await.json()["projects"][0]["name"],
        "one"
    );
    assert_eq!(unscoped.get("/compute/ams/v2.1/servers").await.status, 401);
}

#[tokio::test]
async fn refusals_in_each_services_words() {
    let panel = TestPanel::start(0).await;
    let client = client(&panel, "a", "one", Role::Member).await;
    let nova = client.get("/compute/ams/v2.1/servers/none").await;
    assert_eq!(nova.json()["itemNotFound"]["code"], 404);
    let neutron = client.get("/network/ams/v2.0/networks/none").await;
    assert_eq!(neutron.json()["NeutronError"]["type"], "NotFound");
    let keystone = client.get("/identity/v3/nothing").await;
    assert_eq!(keystone.json()["error"]["code"], 404);
    let own = client.post("/panel/v1/key-pairs", json!({"name": "a", "public_key": "x"})).await;
    assert_eq!((own.status, &own.json()["error"]["field"]), (400, &json!("public_key")));
    let method = client.send("PATCH", "/compute/ams/v2.1/servers", None).await;
    assert_eq!((method.status, &method.json()["badMethod"]["code"]), (405, &json!(405)));
    let broken = client.send("POST", "/compute/ams/v2.1/servers", Some(json!(7))).await;
    assert_eq!(broken.json()["badRequest"]["code"], 400);
}

#[tokio::test]
async fn host_keys_and_several_regions() {
    let panel = TestPanel::start(0).await;
    let client = client(&panel, "a", "one", Role::Member).await;
    let both =
        client.post("/panel/v1/key-pairs", json!({"name": "k", "public_key": PUBLIC_KEY})).await;
    assert_eq!((both.status, both.json()["key_pairs"].as_array().unwrap().len()), (201, 2));
    // In one region the name is taken: then it goes into none.
    assert_eq!(
        client.at("2.2").send("DELETE", "/compute/ams/v2.1/os-keypairs/k", None).await.status,
        204
    );
    let again = client
        .post(
            "/panel/v1/key-pairs",
            json!({"name": "k", "public_key": PUBLIC_KEY, "regions": ["ams", "fra"]}),
        )
        .await;
    assert_eq!(again.status, 409, "{}", again.text);
    let left = client.get("/panel/v1/key-pairs?region=ams").await.json();
    assert_eq!(left["key_pairs"], json!([]));
    // A rebuild retires the old host key.
    let id = client.create_server("s").await;
    client.wait_for(&id, "ACTIVE").await;
    let lines = client.get("/panel/v1/known_hosts?host=10.78.0.1").await;
    assert_eq!(lines.text.lines().count(), 1);
    assert!(lines.text.starts_with("10.78.0.1 ssh-ed25519 "), "{}", lines.text);
    assert_eq!(client.get("/panel/v1/known_hosts?host=10.78.0.2").await.text, "");
    let rebuild = json!({"rebuild": {"imageRef": IMAGE}});
    let answer = client.post(&format!("/compute/ams/v2.1/servers/{id}/action"), rebuild).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    client.wait_for(&id, "ACTIVE").await;
    let keys = client.get(&format!("/panel/v1/servers/{id}/host-keys")).await.json();
    let keys = keys["host_keys"].as_array().unwrap();
    assert_eq!(keys.len(), 2);
    assert_eq!(keys[0]["retired_at"], Value::Null);
    assert_ne!(keys[1]["retired_at"], Value::Null);
    assert_ne!(client.get("/panel/v1/known_hosts").await.text, lines.text);
}

#[tokio::test]
async fn lists_filter_sort_and_page() {
    let panel = TestPanel::start(0).await;
    let client = client(&panel, "a", "one", Role::Member).await;
    let mut ids = Vec::new();
    for name in ["web-1", "web-2", "db-1"] {
        ids.push(client.create_server(name).await);
    }
    let names = |query: &str| {
        let path = format!("/compute/ams/v2.1/servers{query}");
        let client = client.at("2.96");
        async move {
            let answer = client.get(&path).await;
            assert_eq!(answer.status, StatusCode::OK.as_u16(), "{path}: {}", answer.text);
            let servers = answer.json()["servers"].clone();
            servers
                .as_array()
                .unwrap()
                .iter()
                .map(|s| s["name"].as_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        }
    };
    assert_eq!(names("").await, ["db-1", "web-2", "web-1"]);
    assert_eq!(names("?name=%5Eweb-%5Cd%24").await, ["web-2", "web-1"]);
    assert_eq!(names("?name=WEB-1").await, ["web-1"]);
    assert_eq!(names("?sort_key=display_name&sort_dir=asc").await, ["db-1", "web-1", "web-2"]);
    assert_eq!(names("?limit=1").await, ["db-1"]);
    assert_eq!(names(&format!("?marker={}", ids[1])).await, ["web-1"]);
    assert_eq!(names("?status=SHUTOFF").await, [""; 0]);
    assert_eq!(names("?changes-since=2099-01-01T00:00:00Z").await, [""; 0]);
    assert_eq!(names("?ip=10.78.0.[12]$").await.len(), 2);
    assert_eq!(names("?unknown=x").await.len(), 3);
    for query in
        ["?limit=-1", "?limit=x", "?marker=x", "?name=(", "?changes-since=x", "?sort_key=x"]
    {
        let answer = client.get(&format!("/compute/ams/v2.1/servers{query}")).await;
        assert_eq!(answer.status, 400, "{query}");
    }
    // The link leads to the rest.
    let page = client.get("/compute/ams/v2.1/servers?limit=2&name=-").await.json();
    let next = page["servers_links"][0]["href"].as_str().unwrap();
    let next = next.strip_prefix(&panel.url("")).unwrap();
    let rest = client.get(next).await.json();
    assert_eq!(rest["servers"][0]["name"], "web-1");
    assert_eq!(rest.get("servers_links"), None);
}

#[tokio::test]
async fn the_document_names_what_is_served() {
    let panel = TestPanel::start(0).await;
    let anybody = Client { panel: &panel, token: None, version: None };
    let document = anybody.get("/panel/v1/openapi.json").await.json();
    assert_eq!(document["openapi"], "3.1.0");
    let plain = |path: &str| {
        path.split('/')
            .map(|part| if part.starts_with('{') { "{}" } else { part })
            .collect::<Vec<_>>()
            .join("/")
    };
    let served: Vec<String> = panel::api::paths().iter().map(|path| plain(path)).collect();
    let described = document["paths"].as_object().unwrap();
    assert!(described.len() > 20);
    for (path, methods) in described {
        assert!(served.contains(&plain(path)), "{path} is described and not served");
        for method in methods.as_object().unwrap().keys() {
            assert!(Method::from_bytes(method.to_uppercase().as_bytes()).is_ok());
        }
    }
}
