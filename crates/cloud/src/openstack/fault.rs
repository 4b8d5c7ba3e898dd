//! What OpenStack's services say when they refuse, in their own words and with their request's
//! identifier, which is what an operator searches the logs for.

use hyper::StatusCode;
use serde_json::Value;

use super::http::Answer;
use crate::Error;

/// More is a page of a proxy, not a sentence.
const WORDS_MAX: usize = 600;

/// The error of an answer that is none of 2xx.
pub(super) fn of(service: &str, answer: &Answer) -> Error {
    let words = words(&answer.body).unwrap_or_else(|| {
        answer.status.canonical_reason().unwrap_or("no reason was given").to_owned()
    });
    let id = ["x-openstack-request-id", "x-compute-request-id"]
        .into_iter()
        .find_map(|name| answer.header(name))
        .map(|id| shown(id, 80));
    let text = match id {
        Some(id) => format!("{service}: {words} ({id})"),
        None => format!("{service}: {words}"),
    };
    match answer.status {
        StatusCode::BAD_REQUEST => Error::Invalid { field: None, message: text },
        StatusCode::UNAUTHORIZED => Error::Unauthorized(text),
        StatusCode::FORBIDDEN if words.to_lowercase().contains("quota") => Error::Exhausted(text),
        StatusCode::FORBIDDEN => Error::Forbidden(text),
        StatusCode::NOT_FOUND => Error::NotFound(text),
        StatusCode::CONFLICT => Error::Conflict(text),
        StatusCode::PAYLOAD_TOO_LARGE | StatusCode::TOO_MANY_REQUESTS => Error::Exhausted(text),
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
            Error::Unreachable(text)
        }
        _ => Error::Internal(text),
    }
}

/// The sentence in a body: `{"badRequest": {"message": ...}}` of Nova, `{"error": ...}` of
/// Keystone, `{"NeutronError": ...}`, or the text of Glance's page.
pub(super) fn words(body: &[u8]) -> Option<String> {
    let text = match serde_json::from_slice::<Value>(body) {
        Ok(Value::Object(fields)) => {
            let inner = fields.values().next()?;
            let message = match inner {
                Value::Object(inner) => inner.get("message").and_then(Value::as_str),
                Value::Array(list) => list.first().and_then(|one| one["detail"].as_str()),
                Value::String(text) => Some(text.as_str()),
                _ => None,
            };
            message.or_else(|| fields.get("message").and_then(Value::as_str))?.to_owned()
        }
        Ok(_) => return None,
        Err(_) => text_of_page(&String::from_utf8_lossy(body)),
    };
    let text = shown(&text, WORDS_MAX);
    (!text.is_empty()).then_some(text)
}

/// A page's text without its tags and its head.
fn text_of_page(page: &str) -> String {
    let body = page.find("<body>").map_or(page, |at| page.get(at..).unwrap_or_default());
    let mut text = String::new();
    let mut inside = false;
    for c in body.chars() {
        match c {
            '<' => inside = true,
            '>' => {
                inside = false;
                text.push(' ');
            }
            c if !inside => text.push(c),
            _ => {}
        }
    }
    text
}

/// On one line, without control characters, cut.
pub(super) fn shown(text: &str, limit: usize) -> String {
    let words: Vec<&str> = text.split(|c: char| c.is_whitespace() || c.is_control()).collect();
    let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    words.join(" ").chars().take(limit).collect()
}

#[cfg(test)]
mod tests {
    use hyper::HeaderMap;
    use hyper::body::Bytes;
    use hyper::header::HeaderValue;

    use super::*;

    fn answer(status: u16, body: &'static str) -> Answer {
        let mut headers = HeaderMap::new();
        headers.insert("x-openstack-request-id", HeaderValue::from_static("req-1"));
        let status = StatusCode::from_u16(status).unwrap();
        Answer { status, headers, body: Bytes::from_static(body.as_bytes()) }
    }

    #[test]
    fn each_service_in_its_own_words() {
        let nova =
            r#"{"itemNotFound": {"code": 404, "message": "Instance s1 could not be found."}}"#;
        let error = of("Nova", &answer(404, nova));
        assert!(matches!(error, Error::NotFound(_)));
        assert_eq!(error.to_string(), "Nova: Instance s1 could not be found. (req-1)");
        let keystone = r#"{"error":{"code":401,"message":"The request you have made requires authentication.","title":"Unauthorized"}}"#;
        assert!(matches!(of("Keystone", &answer(401, keystone)), Error::Unauthorized(_)));
        let neutron = r#"{"NeutronError": {"type": "NetworkNotFound", "message": "Network net1 could not be found.", "detail": ""}}"#;
        assert!(of("Neutron", &answer(404, neutron)).to_string().contains("Network net1"));
        let glance = "<html>\n <head>\n  <title>404 Not Found</title>\n </head>\n <body>\n  <h1>404 Not Found</h1>\n  No image found with ID debian-12<br /><br />\n\n\n\n </body>\n</html>";
        assert_eq!(
            of("Glance", &answer(404, glance)).to_string(),
            "Glance: 404 Not Found No image found with ID debian-12 (req-1)"
        );
        let quota = r#"{"forbidden": {"code": 403, "message": "Quota exceeded for instances: Requested 1, but already used 10 of 10 instances"}}"#;
        assert!(matches!(of("Nova", &answer(403, quota)), Error::Exhausted(_)));
    }

    #[test]
    fn no_words_and_too_many() {
        assert_eq!(of("Nova", &answer(500, "")).to_string(), "Nova: Internal Server Error (req-1)");
        assert!(matches!(of("Nova", &answer(503, "busy")), Error::Unreachable(_)));
        assert_eq!(shown("a\r\nSet-Cookie: b\u{1b}[0m", 80), "a Set-Cookie: b [0m");
        assert_eq!(shown(&"x".repeat(9000), WORDS_MAX).len(), WORDS_MAX);
    }
}
