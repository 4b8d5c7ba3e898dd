//! For machines that watch the panel.

use std::sync::Arc;

use axum::extract::State as AxumState;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};

use super::routes::Routes;
use super::security::plain;
use crate::State;

pub(super) fn routes(routes: &mut Routes) {
    routes.public_get("/", || async { Redirect::to("/servers") });
    routes.public_get("/healthz", || async { "ok\n" });
    routes.public_get("/readyz", ready);
    routes.public_get("/metrics", metrics);
}

/// Ready means that requests can be answered: the store is there, and nobody said stop.
async fn ready(AxumState(state): AxumState<Arc<State>>) -> Response {
    if *state.stopping.borrow() {
        return plain(StatusCode::SERVICE_UNAVAILABLE, "stopping\n");
    }
    match state.store.ping().await {
        Ok(()) => plain(StatusCode::OK, "ok\n"),
        Err(error) => {
            tracing::error!(%error, "not ready");
            plain(StatusCode::SERVICE_UNAVAILABLE, "the database does not answer\n")
        }
    }
}

/// Numbers only: no names, addresses or paths of anybody.
async fn metrics(AxumState(state): AxumState<Arc<State>>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], state.metrics.render()).into_response()
}
