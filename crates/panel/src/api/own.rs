//! Our own API, `/panel/v1`: what OpenStack has no words for. Host keys that were seen out of
//! band, and key pairs of several regions at once.

mod host_keys;
mod key_pairs;
mod openapi;

use axum::routing::{any, get};
use serde_json::json;

use super::context::Api;
use super::fault::{Fault, Outcome};
use super::routes::Routes;
use super::service::Service;

pub(super) fn routes() -> Routes {
    Routes::default()
        .route("/panel/v1", get(about))
        .route("/panel/v1/openapi.json", get(openapi::document))
        .route("/panel/v1/regions", get(regions))
        .route("/panel/v1/key-pairs", get(key_pairs::list).post(key_pairs::create))
        .route("/panel/v1/servers/{id}/host-keys", get(host_keys::of_server))
        .route("/panel/v1/known_hosts", get(host_keys::known_hosts))
        .route("/panel/v1/{*rest}", any(unknown))
        .of(Service::Own)
}

async fn unknown(_api: Api) -> Fault {
    Fault::not_found("The resource could not be found.")
}

/// Who asks, and of which cloud: a way to see that a token is good.
async fn about(api: Api) -> Outcome<axum::Json<serde_json::Value>> {
    Ok(axum::Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "cloud": api.cloud().name(),
        "user": {"id": api.caller.user_id, "name": api.caller.user_name},
        "project": {"id": api.caller.project_id},
        "role": crate::accounts::role_name(api.caller.role),
        "identity": format!("{}/identity/v3", api.base()),
    })))
}

async fn regions(api: Api) -> Outcome<axum::Json<serde_json::Value>> {
    let regions = api.cloud().regions(&api.caller).await?;
    Ok(axum::Json(json!({"regions": regions})))
}
