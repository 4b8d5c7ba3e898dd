//! What every response of a service has: its error shape, its request's identifier, and with Nova
//! the microversion it was answered in.

use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::fault::Fault;
use super::microversion::Microversion;

/// Whose dialect is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    Identity,
    Compute,
    Image,
    Network,
    Own,
}

/// This request's identifier, `req-...`.
#[derive(Clone)]
pub(super) struct RequestId(pub(super) String);

/// The layer around each service's routes.
pub(super) async fn wrap(service: Service, mut request: Request, next: Next) -> Response {
    // The one that the program's log knows this request by.
    let id = request
        .extensions()
        .get::<crate::web::security::RequestId>()
        .map_or_else(crate::state::new_request_id, |id| id.0.clone());
    request.extensions_mut().insert(RequestId(id.clone()));
    let version = if service == Service::Compute {
        Microversion::negotiate(request.headers())
    } else {
        Ok(Microversion::MIN)
    };
    let spoken = version.as_ref().copied().unwrap_or(Microversion::MIN);
    let response = match version {
        Ok(version) => {
            request.extensions_mut().insert(version);
            next.run(request).await
        }
        Err(fault) => fault.into_response(),
    };
    let mut response = shape(service, response);
    let headers = response.headers_mut();
    let mut set = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    set("x-openstack-request-id", &id);
    match service {
        Service::Compute => {
            set("x-compute-request-id", &id);
            set("openstack-api-version", &format!("compute {spoken}"));
            set("x-openstack-nova-api-version", &spoken.to_string());
            set("vary", "OpenStack-API-Version, X-OpenStack-Nova-API-Version, X-Auth-Token");
        }
        _ => set("vary", "X-Auth-Token"),
    }
    // Whatever is said here is said to one caller only.
    set("cache-control", "no-store");
    set("x-content-type-options", "nosniff");
    response
}

/// Puts a refusal, ours or the framework's, into the service's own words.
fn shape(service: Service, response: Response) -> Response {
    let status = response.status();
    let fault = match response.extensions().get::<Fault>() {
        Some(fault) => fault.clone(),
        None if status.is_client_error() && !is_json(&response) => {
            Fault::new(status, plain_words(status))
        }
        None => return response,
    };
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if status == StatusCode::UNAUTHORIZED {
        parts.headers.insert(
            header::WWW_AUTHENTICATE,
            HeaderValue::from_static("Keystone uri=\"/identity\""),
        );
    }
    Response::from_parts(parts, Body::from(fault.body(service).to_string()))
}

fn is_json(response: &Response) -> bool {
    response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"application/json"))
}

/// For refusals that the framework made before any handler saw the request.
fn plain_words(status: StatusCode) -> &'static str {
    match status.as_u16() {
        404 => "The resource could not be found.",
        405 => "The method is not allowed for this resource.",
        413 => "The body is too large.",
        415 => "The media type is not supported.",
        _ => "The request is malformed.",
    }
}
