//! What clients ask about host keys. Answers are signed, so they need neither a login nor a
//! certificate that the client could check.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Query, State as AxumState};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::routes::Routes;
use super::security::plain;
use crate::State;
use crate::vouch::NONCE_CHARACTERS_MAX;

pub(super) fn routes(routes: &mut Routes) {
    routes.public_get("/vouch/v1/introduction", introduction);
    routes.public_get("/vouch/v1/statement", statement);
}

#[derive(Deserialize)]
struct Question {
    address: IpAddr,
    port: u16,
    nonce: String,
}

async fn introduction(AxumState(state): AxumState<Arc<State>>) -> Response {
    let made = state.voucher.introduction(&state.store, &state.settings, &*state.cloud).await;
    answer(made)
}

async fn statement(
    AxumState(state): AxumState<Arc<State>>,
    Query(question): Query<Question>,
) -> Response {
    let nonce = question.nonce.as_str();
    let is_plain = nonce.chars().all(|c| c.is_ascii_alphanumeric());
    if !is_plain || !(16..=NONCE_CHARACTERS_MAX).contains(&nonce.len()) {
        let text = "A nonce is 16 to 64 letters and digits.\n";
        return plain(StatusCode::BAD_REQUEST, text);
    }
    let (address, port) = (question.address.to_canonical(), question.port);
    answer(state.voucher.statement(&state.store, &*state.cloud, address, port, nonce).await)
}

fn answer(made: Result<String, crate::store::Error>) -> Response {
    match made {
        Ok(text) => {
            let headers = [
                (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
                (header::CACHE_CONTROL, "no-store"),
            ];
            (headers, text).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "cannot vouch");
            plain(StatusCode::SERVICE_UNAVAILABLE, "The panel cannot vouch at the moment.\n")
        }
    }
}
