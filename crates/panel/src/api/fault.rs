//! What goes wrong with a request, told in no service's words yet.

use std::fmt::Display;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::service::Service;
use crate::accounts;

/// A refusal: the status, a text for the person who asked, and the field where there is one.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    pub(super) status: StatusCode,
    pub(super) message: String,
    pub(super) field: Option<&'static str>,
}

/// What handlers return.
pub(super) type Outcome<T = Response> = Result<T, Fault>;

impl Fault {
    pub(super) fn new(status: StatusCode, message: impl Display) -> Self {
        Self { status, message: message.to_string(), field: None }
    }

    /// The request itself is wrong.
    pub(super) fn bad(message: impl Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// One of its fields is.
    pub(super) fn invalid(field: &'static str, message: impl Display) -> Self {
        Self { field: Some(field), ..Self::bad(message) }
    }

    pub(super) fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "The request you have made requires authentication.")
    }

    pub(super) fn forbidden(message: impl Display) -> Self {
        Self::new(StatusCode::FORBIDDEN, message)
    }

    pub(super) fn not_found(message: impl Display) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    pub(super) fn conflict(message: impl Display) -> Self {
        Self::new(StatusCode::CONFLICT, message)
    }

    /// Our own failure: the log gets the details, the person who asked does not.
    pub(super) fn internal(error: impl Display) -> Self {
        tracing::error!(%error, "a request to the API failed");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "The panel could not do this; its log says why.",
        )
    }

    /// A field of ours that cannot be found is the request's fault, not the address's.
    pub(super) fn into_bad_request(mut self) -> Self {
        if self.status == StatusCode::NOT_FOUND {
            self.status = StatusCode::BAD_REQUEST;
        }
        self
    }

    /// The body in a service's own shape.
    pub(super) fn body(&self, service: Service) -> Value {
        let code = self.status.as_u16();
        let title = self.status.canonical_reason().unwrap_or("Error");
        match service {
            Service::Compute if self.status == StatusCode::UNAUTHORIZED => {
                json!({"error": {"code": code, "title": title, "message": self.message}})
            }
            Service::Compute => {
                json!({nova_name(self.status): {"code": code, "message": self.message}})
            }
            Service::Network => json!({"NeutronError": {
                "type": title.replace(' ', ""), "message": self.message, "detail": "",
            }}),
            Service::Identity | Service::Image => {
                json!({"error": {"code": code, "title": title, "message": self.message}})
            }
            Service::Own => {
                json!({"error": {"code": code, "message": self.message, "field": self.field}})
            }
        }
    }
}

/// The name that Nova wraps an error in.
fn nova_name(status: StatusCode) -> &'static str {
    match status.as_u16() {
        400 => "badRequest",
        403 => "forbidden",
        404 => "itemNotFound",
        405 => "badMethod",
        409 => "conflictingRequest",
        413 | 429 => "overLimit",
        415 => "badMediaType",
        501 => "notImplemented",
        503 => "serviceUnavailable",
        _ => "computeFault",
    }
}

/// The service's layer finds the fault in the extensions and writes the body.
impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<cloud::Error> for Fault {
    fn from(error: cloud::Error) -> Self {
        use cloud::Error;
        match error {
            Error::NotFound(message) => Self::not_found(message),
            Error::Conflict(message) => Self::conflict(message),
            Error::Invalid { field, message } => Self { field, ..Self::bad(message) },
            Error::Forbidden(message) | Error::Exhausted(message) => Self::forbidden(message),
            Error::Unauthorized(message) => Self::new(StatusCode::UNAUTHORIZED, message),
            Error::Unsupported(message) => Self::new(StatusCode::NOT_IMPLEMENTED, message),
            Error::Unreachable(message) => Self::new(StatusCode::SERVICE_UNAVAILABLE, message),
            Error::Internal(message) => Self::internal(message),
        }
    }
}

impl From<accounts::Error> for Fault {
    fn from(error: accounts::Error) -> Self {
        use accounts::Error;
        match error {
            Error::NotFound(message) => Self::not_found(message),
            Error::Conflict(message) => Self::conflict(message),
            Error::Invalid { field, message } => Self::invalid(field, message),
            Error::Store(error) => error.into(),
            Error::Internal(message) => Self::internal(message),
        }
    }
}

impl From<crate::store::Error> for Fault {
    fn from(error: crate::store::Error) -> Self {
        if error.is_unstorable() {
            return Self::bad(crate::store::UNSTORABLE);
        }
        Self::internal(error)
    }
}
