//! A caller of the API with a token, and what it is answered.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, Request};
use panel::accounts::{Project, Role, User};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::common::TestPanel;
use super::common::memory_cloud::{IMAGE, NETWORK};

pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {}", self.text))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// One caller, with a token.
pub struct Client<'a> {
    pub panel: &'a TestPanel,
    pub token: Option<String>,
    pub version: Option<&'static str>,
}

impl Client<'_> {
    pub async fn send(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
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

    pub async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send("POST", path, Some(body)).await
    }

    pub fn at(&self, version: &'static str) -> Self {
        Self { panel: self.panel, token: self.token.clone(), version: Some(version) }
    }

    pub async fn create_server(&self, name: &str) -> String {
        let body = json!({"server": {
            "name": name, "imageRef": IMAGE, "flavorRef": "small",
            "networks": [{"uuid": NETWORK}],
        }});
        let answer = self.post("/compute/ams/v2.1/servers", body).await;
        assert_eq!(answer.status, 202, "{}", answer.text);
        answer.json()["server"]["id"].as_str().unwrap().to_owned()
    }

    pub async fn wait_for(&self, id: &str, status: &str) {
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

pub async fn client<'a>(panel: &'a TestPanel, name: &str, project: &str, role: Role) -> Client<'a> {
    let (user, project): (User, Project) = panel.user(name, project, role).await;
    Client { panel, token: Some(panel.token(&user, &project).await), version: None }
}
