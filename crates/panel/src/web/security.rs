//! What every answer carries and every request passes: identifiers, headers, the origin check,
//! the count for `/metrics`, and a line in the log.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State as AxumState};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::error::PageError;
use super::proxy::is_secure;
use crate::State;
use crate::state::new_request_id;

/// This request's identifier.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(pub(crate) String);

/// Where the connection comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// Nothing from elsewhere, nothing inline, no framing.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data:; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; \
    base-uri 'none'";
/// The terminal writes its own style sheet into the page; scripts stay as strict.
const CONSOLE_POLICY: &str = "default-src 'none'; script-src 'self'; \
    style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; \
    form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// The outermost layer.
pub(super) async fn headers(
    AxumState(state): AxumState<Arc<State>>,
    mut request: Request,
    next: Next,
) -> Response {
    let began = Instant::now();
    let id = new_request_id();
    request.extensions_mut().insert(RequestId(id.clone()));
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "other".to_owned(), |path| path.as_str().to_owned());
    let secure = is_secure(&state, request.extensions());
    let had_flash = super::viewer::cookie(request.headers(), super::viewer::FLASH).is_some();

    let mut response = next.run(request).await;

    let status = response.status().as_u16();
    let took = began.elapsed();
    state.metrics.count(&route, method.as_str(), status, took);
    tracing::info!(
        target: "request",
        method = method.as_str(), path, status, milliseconds = took.as_millis() as u64, request = id,
    );
    let headers = response.headers_mut();
    let policy = if route.ends_with("/console/{kind}") { CONSOLE_POLICY } else { POLICY };
    for (name, value) in [
        ("content-security-policy", policy),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        // Forms need their Origin, which "no-referrer" would make null.
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("permissions-policy", "camera=(), geolocation=(), microphone=()"),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    if secure {
        headers.insert(
            header::STRICT_TRANSPORT_SECURITY,
            HeaderValue::from_static("max-age=31536000"),
        );
    }
    // Pages are of one person and one moment; assets say otherwise themselves.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    let shown = headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    let gone = format!("{}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax", super::viewer::FLASH);
    if had_flash
        && shown
        && method == Method::GET
        && let Ok(value) = HeaderValue::from_str(&gone)
    {
        headers.append(header::SET_COOKIE, value);
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        headers.entry("x-request-id").or_insert(value);
    }
    response
}

/// Forms are taken from the panel's own pages only. Browsers say where a form comes from;
/// programs that do not say have no cookies to abuse.
pub(super) async fn same_origin(
    AxumState(state): AxumState<Arc<State>>,
    request: Request,
    next: Next,
) -> Response {
    let safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let secure = is_secure(&state, request.extensions());
    if safe || is_same_origin(&state, request.headers(), secure) {
        next.run(request).await
    } else {
        PageError::refused("This form came from another site, so nothing was done.").into_response()
    }
}

/// Whether the browser says that a page of this panel sent the request, which came by HTTPS or not.
pub(crate) fn is_same_origin(state: &State, headers: &HeaderMap, secure: bool) -> bool {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let site = text(HeaderName::from_static("sec-fetch-site"));
    if site.is_some_and(|site| !matches!(site, "same-origin" | "none")) {
        return false;
    }
    match text(header::ORIGIN) {
        None => true,
        Some(origin) if origin == state.settings.public_url => true,
        Some(origin) => {
            let scheme = if secure { "https" } else { "http" };
            text(header::HOST).is_some_and(|host| origin == format!("{scheme}://{host}"))
        }
    }
}

/// A refusal with a status.
pub(super) fn plain(status: StatusCode, text: &'static str) -> Response {
    (status, text).into_response()
}
