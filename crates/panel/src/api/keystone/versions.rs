//! Version documents, which anybody may read.

use std::sync::Arc;

use axum::Json;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::root;
use crate::state::State;

fn version(state: &State) -> Value {
    json!({
        "id": "v3.14",
        "status": "stable",
        "updated": "2020-04-07T00:00:00Z",
        "links": [{"rel": "self", "href": format!("{}/", root(state))}],
        "media-types": [{
            "base": "application/json",
            "type": "application/vnd.openstack.identity-v3+json",
        }],
    })
}

pub(super) async fn list(Shared(state): Shared<Arc<State>>) -> Response {
    let body = json!({"versions": {"values": [version(&state)]}});
    (StatusCode::MULTIPLE_CHOICES, Json(body)).into_response()
}

pub(super) async fn show(Shared(state): Shared<Arc<State>>) -> Response {
    Json(json!({"version": version(&state)})).into_response()
}
