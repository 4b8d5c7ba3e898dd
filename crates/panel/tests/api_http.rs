//! The API as its rules have it: who may ask what, which version has which fields, and how each
//! service words a refusal.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail loudly")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use common::memory_cloud::{IMAGE, NETWORK};
use common::{PASSWORD, TestPanel};
use panel::accounts::{Project, Role, User};
use serde_json::{Value, json};
use tower::ServiceExt;

const PUBLIC_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILzGUay2BeHdvy8NHBrrDTAvetPXlxBEC9hHgv9P/20f root@vm";

struct Answer {
    status: u16,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {}", self.text))
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// One caller, with a token.
struct Client<'a> {
    panel: &'a TestPanel,
    token: Option<String>,
    version: Option<&'static str>,
}

impl Client<'_> {
    async fn send(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(token) = &self.token {
            request = request.header("x-auth-token", token);
        }
        if let Some(version) = self.version {
            request = request.header("openstack-api-version", format!("compute {version}"));
        }
        let body = match body {
            None => Body::empty(),
            Some(value) => {
                request = request.header("content-type", "application/json");
                Body::from(value.to_string())
            }
        };
        let app = panel::api::router().with_state(Arc::clone(&self.panel.state));
        let response = app.oneshot(request.body(body).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, 1 << 24).await.unwrap();
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            text: String::from_utf8_lossy(&bytes).into_owned(),
        }
    }

    async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, None).await
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        self.send("POST", path, Some(body)).await
    }

    fn at(&self, version: &'static str) -> Self {
        Self { panel: self.panel, token: self.token.clone(), version: Some(version) }
    }

    async fn create_server(&self, name: &str) -> String {
        let body = json!({"server": {
            "name": name, "imageRef": IMAGE, "flavorRef": "small",
            "networks": [{"uuid": NETWORK}],
        }});
        let answer = self.post("/compute/ams/v2.1/servers", body).await;
        assert_eq!(answer.status, 202, "{}", answer.text);
        answer.json()["server"]["id"].as_str().unwrap().to_owned()
    }

    async fn wait_for(&self, id: &str, status: &str) {
        for _ in 0..100 {
            let answer = self.get(&format!("/compute/ams/v2.1/servers/{id}")).await;
            if answer.json()["server"]["status"] == status {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{id} never became {status}");
    }
}

async fn client<'a>(panel: &'a TestPanel, name: &str, project: &str, role: Role) -> Client<'a> {
    let (user, project): (User, Project) = panel.user(name, project, role).await;
    Client { panel, token: Some(panel.token(&user, &project).await), version: None }
}

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
