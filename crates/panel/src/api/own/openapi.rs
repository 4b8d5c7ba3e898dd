//! The document that describes the API to programs.

use std::sync::Arc;

use axum::extract::State as Shared;
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::super::fault::{Fault, Outcome};
use crate::state::State;

const DOCUMENT: &str = include_str!("openapi.json");

/// Anybody may read it: it says what there is, not whose.
pub(super) async fn document(Shared(state): Shared<Arc<State>>) -> Outcome<Response> {
    let mut document: Value = serde_json::from_str(DOCUMENT).map_err(Fault::internal)?;
    if let Some(server) = document.pointer_mut("/servers/0/url") {
        *server = Value::String(state.settings.public_url.trim_end_matches('/').to_owned());
    }
    Ok(axum::Json(document).into_response())
}
