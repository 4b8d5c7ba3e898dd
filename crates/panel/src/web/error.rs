//! The one place where errors become pages.

use axum::http::StatusCode;
use axum::http::header::{self, HeaderValue};
use axum::response::{IntoResponse, Redirect, Response};
use maud::html;

use super::layout;
use crate::{accounts, store};

/// Why there is no page.
#[derive(Debug)]
pub enum PageError {
    /// Nobody is logged in: to the login page, and back here afterwards.
    LogIn(String),
    /// A status, and a sentence for the person.
    Status(StatusCode, String),
}

/// A page, or why there is none.
pub type PageResult<T = Response> = Result<T, PageError>;

impl PageError {
    /// There is no such thing, or it is another's.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::Status(StatusCode::NOT_FOUND, message.into())
    }

    /// The person may not do this.
    pub fn refused(message: impl Into<String>) -> Self {
        Self::Status(StatusCode::FORBIDDEN, message.into())
    }

    /// The request makes no sense.
    pub fn bad(message: impl Into<String>) -> Self {
        Self::Status(StatusCode::BAD_REQUEST, message.into())
    }
}

impl From<cloud::Error> for PageError {
    fn from(error: cloud::Error) -> Self {
        use cloud::Error;
        let status = match &error {
            Error::NotFound(_) => StatusCode::NOT_FOUND,
            Error::Conflict(_) => StatusCode::CONFLICT,
            Error::Invalid { .. } => StatusCode::BAD_REQUEST,
            Error::Forbidden(_) => StatusCode::FORBIDDEN,
            Error::Unauthorized(_) => StatusCode::UNAUTHORIZED,
            Error::Exhausted(_) | Error::Unreachable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Error::Unsupported(_) => StatusCode::NOT_IMPLEMENTED,
            Error::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::Status(status, error.to_string())
    }
}

impl From<accounts::Error> for PageError {
    fn from(error: accounts::Error) -> Self {
        use accounts::Error;
        let status = match &error {
            Error::NotFound(_) => StatusCode::NOT_FOUND,
            Error::Conflict(_) => StatusCode::CONFLICT,
            Error::Invalid { .. } => StatusCode::BAD_REQUEST,
            Error::Store(error) => return internal(error),
            Error::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::Status(status, error.to_string())
    }
}

impl From<store::Error> for PageError {
    fn from(error: store::Error) -> Self {
        internal(&error)
    }
}

/// The person is told that it failed, the log why.
fn internal(error: &store::Error) -> PageError {
    if error.is_unstorable() {
        return PageError::bad(store::UNSTORABLE);
    }
    tracing::error!(%error, "the store failed");
    PageError::Status(
        StatusCode::INTERNAL_SERVER_ERROR,
        "The panel's database failed. Nothing was changed; try again, and tell the administrator \
         if it stays."
            .to_owned(),
    )
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        let (status, message) = match self {
            Self::LogIn(next) => {
                let to = format!("/login?next={}", super::layout::escape_query(&next));
                return Redirect::to(&to).into_response();
            }
            Self::Status(status, message) => (status, message),
        };
        let title = match status {
            StatusCode::NOT_FOUND => "Not found",
            StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED => "Not allowed",
            StatusCode::INTERNAL_SERVER_ERROR => "Something failed",
            StatusCode::PAYLOAD_TOO_LARGE => "Too large",
            _ => "Not done",
        };
        let body = html! {
            div .narrow .card {
                h1 { (title) }
                p { (message) }
                p { a .button href="/servers" { "Back to the servers" } }
            }
        };
        let mut response = (status, layout::bare(title, &body)).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("10"));
        }
        response
    }
}

/// For paths that nothing is at.
pub(super) async fn not_found() -> PageError {
    PageError::not_found("There is no page at this address.")
}
