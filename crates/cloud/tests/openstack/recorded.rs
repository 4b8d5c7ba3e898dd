//! A server that answers as Keystone and Nova did when they were recorded.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use uuid::Uuid;

/// All done within the second that each began in.
pub const QUICK_ACTIONS: usize = 15;
pub const SERVER: Uuid = Uuid::from_u128(0x40553cb1_ccff_4005_8a28_c7f36dd08c7f);
pub const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILzGUay2BeHdvy8NHBrrDTAvetPXlxBEC9hHgv9P/20f root@vm";

/// A request that came.
#[derive(Clone)]
pub struct Asked {
    pub method: String,
    pub path: String,
    pub headers: BTreeMap<String, String>,
    pub body: Value,
}

#[derive(Default)]
struct Shared {
    asked: Mutex<Vec<Asked>>,
    /// Tokens are numbers; those below this one are refused.
    issued: AtomicU32,
    good_from: AtomicU32,
}

pub struct Recorded {
    pub url: String,
    shared: Arc<Shared>,
}

impl Recorded {
    pub async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared::default());
        let (for_all, base) = (Arc::clone(&shared), url.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (shared, base) = (Arc::clone(&for_all), base.clone());
                tokio::spawn(async move { one(stream, &shared, &base).await });
            }
        });
        Self { url, shared }
    }

    pub fn refuse_tokens_until_now(&self) {
        let next = self.shared.issued.load(Ordering::Relaxed);
        self.shared.good_from.store(next, Ordering::Relaxed);
    }

    pub fn last(&self, method: &str, path: &str) -> Asked {
        let asked = self.shared.asked.lock().unwrap();
        asked.iter().rev().find(|one| one.method == method && one.path == path).unwrap().clone()
    }

    /// Requests with this in their path.
    pub fn count(&self, part: &str) -> usize {
        let asked = self.shared.asked.lock().unwrap();
        asked.iter().filter(|one| one.path.contains(part)).count()
    }
}

/// One request a connection.
async fn one(mut stream: TcpStream, shared: &Shared, base: &str) {
    let mut bytes = Vec::new();
    let (head, body_at) = loop {
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return;
        }
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break (String::from_utf8_lossy(&bytes[..at]).into_owned(), at + 4);
        }
    };
    let mut lines = head.lines();
    let mut words = lines.next().unwrap_or_default().split(' ').map(str::to_owned);
    let (method, path) = (words.next().unwrap(), words.next().unwrap());
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let length: usize = headers.get("content-length").map_or(0, |text| text.parse().unwrap());
    while bytes.len() < body_at + length {
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let body = serde_json::from_slice(&bytes[body_at..]).unwrap_or_default();
    let asked = Asked { method, path, headers, body };
    shared.asked.lock().unwrap().push(asked.clone());
    if asked.path.starts_with("/one/v2.1/flavors") {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n").await;
        while stream.write_all(&[b' '; 8192]).await.is_ok() {}
        return;
    }
    let (status, more, body) = answer(&asked, shared, base);
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let text = format!(
        "HTTP/1.1 {status} Recorded\r\ncontent-type: application/json\r\n\
         x-openstack-request-id: req-recorded\r\n{more}content-length: {}\r\n\
         connection: close\r\n\r\n{body}",
        body.len()
    );
    let _ = stream.write_all(text.as_bytes()).await;
}

fn answer(asked: &Asked, shared: &Shared, base: &str) -> (u16, String, Value) {
    let plain = |status: u16, body: Value| (status, String::new(), body);
    let path = asked.path.split('?').next().unwrap_or_default();
    if (asked.method.as_str(), path) == ("POST", "/v3/auth/tokens") {
        return token(asked, shared, base);
    }
    let number: Option<u32> = asked.headers.get("x-auth-token").and_then(|text| text.parse().ok());
    if number.is_none_or(|number| number < shared.good_from.load(Ordering::Relaxed)) {
        return plain(
            401,
            json!({"error": {"code": 401, "message": "The request you have made requires authentication."}}),
        );
    }
    let fault = |name: &str, code: u16, text: &str| {
        plain(code, json!({name: {"code": code, "message": text}}))
    };
    match (asked.method.as_str(), path) {
        ("GET", "/v3/auth/projects") => {
            plain(200, json!({"projects": [{"id": "p1", "name": "demo", "enabled": true}]}))
        }
        ("GET", "/v3/users/u1") => {
            plain(200, json!({"user": {"id": "u1", "default_project_id": "p1"}}))
        }
        ("GET", "/v3/regions") => plain(
            200,
            json!({"regions": [{"id": "one", "description": ""}, {"id": "two", "description": "The second"}]}),
        ),
        ("GET", "/one/v2.1/") => {
            plain(200, json!({"version": {"id": "v2.1", "version": "2.104", "min_version": "2.1"}}))
        }
        ("GET", "/one/v2.1/os-keypairs") => {
            let key = |name: &str| json!({"keypair": {"name": name, "type": "ssh", "public_key": KEY, "fingerprint": "ac:60"}});
            let first = !asked.path.contains("marker");
            let mut page = json!({"keypairs": [key(if first { "mykey" } else { "other" })]});
            if first {
                page["keypairs_links"] = json!([{"rel": "next", "href": "http://elsewhere/v2.1/os-keypairs?limit=1&marker=mykey"}]);
            }
            plain(200, page)
        }
        ("POST", "/one/v2.1/os-keypairs") => {
            fault("conflictingRequest", 409, "Key pair 'mykey' already exists.")
        }
        ("GET", "/one/v2.1/servers/detail") => plain(200, json!({"servers": [server()]})),
        ("POST", "/one/v2.1/servers") => {
            plain(202, json!({"server": {"id": SERVER, "adminPass": "x"}}))
        }
        ("GET", _) if path.ends_with("/os-instance-actions") => {
            let actions: Vec<Value> = (0..QUICK_ACTIONS).map(quick_action).collect();
            plain(200, json!({ "instanceActions": actions }))
        }
        ("GET", _) if path.contains("/os-instance-actions/req-") => {
            let mut action = quick_action(0);
            action["events"] =
                json!([{"event": "compute_stop_instance", "finish_time": action["start_time"]}]);
            plain(200, json!({ "instanceAction": action }))
        }
        ("GET", _) if path.ends_with(&SERVER.to_string()) => {
            plain(200, json!({"server": server()}))
        }
        ("POST", _) if path.ends_with("/action") => fault(
            "conflictingRequest",
            409,
            "Cannot 'reboot' instance 40553cb1 while it is in vm_state stopped",
        ),
        _ => fault("itemNotFound", 404, "The resource could not be found."),
    }
}

/// Keystone's: who may have one, and for what.
fn token(asked: &Asked, shared: &Shared, base: &str) -> (u16, String, Value) {
    let identity = &asked.body["auth"]["identity"];
    let refused = json!({"error": {"code": 401, "title": "Unauthorized", "message": "The request you have made requires authentication."}});
    match identity["password"]["user"]["password"].as_str() {
        Some("wrong") => return (401, String::new(), refused),
        Some("two factors") if identity["totp"].is_null() => {
            return (401, "openstack-auth-receipt: receipt\r\n".to_owned(), refused);
        }
        _ => {}
    }
    let number = shared.issued.fetch_add(1, Ordering::Relaxed);
    let endpoint =
        |region: &str, url: String| json!({"interface": "public", "region_id": region, "url": url});
    let mut token = json!({
        "user": {"id": "u1", "name": "demo", "domain": {"id": "default", "name": "Default"}},
        "methods": ["password"], "expires_at": "2999-01-01T00:00:00.000000Z",
    });
    if asked.body["auth"]["scope"] != "unscoped" {
        token["project"] = json!({"id": "p1", "name": "demo"});
        token["roles"] = json!([{"name": "member"}, {"name": "reader"}]);
        token["catalog"] = json!([{"type": "compute", "name": "nova", "endpoints": [
            endpoint("one", format!("{base}/one/v2.1")),
            // Nobody listens there.
            endpoint("two", "http://127.0.0.1:1/v2.1".to_owned()),
        ]}]);
    }
    (201, format!("x-subject-token: {number}\r\n"), json!({"token": token}))
}

fn quick_action(number: usize) -> Value {
    let at = "2026-11-22T06:37:24.000000";
    json!({
        "action": "stop", "request_id": format!("req-{number}"), "user_id": "u1", "project_id": "p1",
        "start_time": at, "updated_at": at, "message": null,
    })
}

fn server() -> Value {
    json!({
        "id": SERVER, "name": "s3", "status": "ACTIVE", "tenant_id": "p1", "user_id": "u1",
        "metadata": {}, "key_name": "mykey", "locked": false, "tags": [],
        "flavor": {"vcpus": 1, "ram": 512, "disk": 1, "original_name": "m1.tiny", "extra_specs": {}},
        "image": {"id": "7ddb2dac-9478-4482-9633-9afcc2743e84"}, "addresses": {},
        "created": "2026-11-22T06:36:20Z", "updated": "2026-11-22T06:36:24Z",
        "OS-EXT-STS:task_state": null, "OS-EXT-STS:power_state": 1,
    })
}
