//! A form that was sent: its fields, and proof that a page of this session made it.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Multipart, RawForm, Request};
use axum::http::StatusCode;
use axum::http::header;
use zeroize::Zeroize;

use super::error::PageError;
use super::viewer::Viewer;
use crate::State;
use crate::accounts::digest;

/// Fields in one form; more is no form of ours.
const FIELDS_MAX: usize = 2000;

/// The fields of a form, wiped afterwards: there may be passwords, or a private key by mistake.
#[derive(Default)]
pub struct Fields {
    pairs: Vec<(String, String)>,
}

impl Fields {
    /// The first field by that name, trimmed; empty when there is none.
    pub fn get(&self, name: &str) -> &str {
        self.raw(name).trim()
    }

    /// The same exactly as it was sent: for passwords and file contents.
    pub fn raw(&self, name: &str) -> &str {
        self.pairs.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str())
    }

    /// All fields by that name that are not empty.
    pub fn all(&self, name: &str) -> Vec<String> {
        self.pairs
            .iter()
            .filter(|(key, value)| key == name && !value.trim().is_empty())
            .map(|(_, value)| value.trim().to_owned())
            .collect()
    }

    /// Whether a box is ticked or a button was pressed.
    pub fn has(&self, name: &str) -> bool {
        !self.get(name).is_empty()
    }

    /// From `a=b&c=d`.
    pub fn parse(bytes: &[u8]) -> Result<Self, PageError> {
        if bytes.split(|byte| *byte == b'&').count() > FIELDS_MAX {
            return Err(PageError::bad("The form has too many fields."));
        }
        Ok(Self { pairs: form_pairs(bytes) })
    }
}

impl Drop for Fields {
    fn drop(&mut self) {
        for (_, value) in &mut self.pairs {
            value.zeroize();
        }
    }
}

/// A form of a logged-in person.
pub struct Posted {
    /// Who sent it.
    pub viewer: Viewer,
    /// What is in it.
    pub fields: Fields,
}

impl FromRequest<Arc<State>> for Posted {
    type Rejection = PageError;

    async fn from_request(request: Request, state: &Arc<State>) -> Result<Self, PageError> {
        let (mut parts, body) = request.into_parts();
        let viewer = Viewer::from_request_parts(&mut parts, state).await?;
        let request = Request::from_parts(parts, body);
        let fields = read_fields(request, state).await?;
        // Digests, so that comparing tells nothing by its time.
        if digest(fields.raw("csrf")) != digest(&viewer.session.csrf) {
            return Err(PageError::refused(
                "This form is not, or no longer, of your session, so nothing was done. Open the \
                 page again and repeat it.",
            ));
        }
        Ok(Self { viewer, fields })
    }
}

/// A form of anybody, for the login page.
pub struct Anonymous {
    /// What is in it.
    pub fields: Fields,
}

impl FromRequest<Arc<State>> for Anonymous {
    type Rejection = PageError;

    async fn from_request(request: Request, state: &Arc<State>) -> Result<Self, PageError> {
        Ok(Self { fields: read_fields(request, state).await? })
    }
}

async fn read_fields(request: Request, state: &Arc<State>) -> Result<Fields, PageError> {
    let is_multipart = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|kind| kind.starts_with("multipart/form-data"));
    if !is_multipart {
        let RawForm(bytes) = RawForm::from_request(request, state).await.map_err(|error| {
            PageError::Status(
                error.into_response_status(),
                "The form could not be read.".to_owned(),
            )
        })?;
        return Fields::parse(&bytes);
    }
    let mut parts = Multipart::from_request(request, state)
        .await
        .map_err(|_| PageError::bad("The form could not be read."))?;
    let mut fields = Fields::default();
    while let Some(part) = parts.next_field().await.map_err(|error| {
        PageError::Status(
            error.status(),
            "The form could not be read; it may be too large.".to_owned(),
        )
    })? {
        if fields.pairs.len() >= FIELDS_MAX {
            return Err(PageError::bad("The form has too many fields."));
        }
        let name = part.name().unwrap_or_default().to_owned();
        let bytes: Bytes = part.bytes().await.map_err(|error| {
            PageError::Status(error.status(), "The form is too large.".to_owned())
        })?;
        fields.pairs.push((name, String::from_utf8_lossy(&bytes).into_owned()));
    }
    Ok(fields)
}

trait RejectionStatus {
    fn into_response_status(self) -> StatusCode;
}

impl<T: axum::response::IntoResponse> RejectionStatus for T {
    fn into_response_status(self) -> StatusCode {
        self.into_response().status()
    }
}

/// The WHATWG's application/x-www-form-urlencoded parser.
fn form_pairs(bytes: &[u8]) -> Vec<(String, String)> {
    bytes
        .split(|byte| *byte == b'&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let at = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
            let (name, value) = pair.split_at(at);
            (decode(name), decode(value.get(1..).unwrap_or_default()))
        })
        .collect()
}

fn decode(bytes: &[u8]) -> String {
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        let escaped = match (first, tail) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)),
            _ => None,
        };
        if let Some((high, low)) = escaped {
            decoded.push(high * 16 + low);
            rest = tail.get(2..).unwrap_or_default();
        } else {
            decoded.push(if *first == b'+' { b' ' } else { *first });
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_decode() {
        let fields = Fields::parse(b"a=1&b=x+y%26%3D&a=2&c&=&d=%zz%C3%A9").unwrap();
        assert_eq!(fields.get("a"), "1");
        assert_eq!(fields.all("a"), ["1", "2"]);
        assert_eq!(fields.get("b"), "x y&=");
        assert!(!fields.has("c"));
        assert_eq!(fields.get("d"), "%zz\u{e9}");
    }

    #[test]
    fn too_many_fields() {
        assert!(Fields::parse("a=1&".repeat(3000).as_bytes()).is_err());
    }
}
