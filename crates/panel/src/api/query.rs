//! Query strings: filters, limits and markers.

use axum::extract::FromRequestParts;
use axum::extract::rejection::QueryRejection;
use axum::http::request::Parts;
use serde_json::{Value, json};

use super::body::shown;
use super::fault::{Fault, Outcome};

/// A page is never longer, whatever was asked for.
const PAGE_MAX: usize = 1000;

/// The pairs of a query string in their order.
pub(super) struct Query(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Outcome<Self> {
        axum::extract::Query::<Vec<(String, String)>>::from_request_parts(parts, state)
            .await
            .map(|query| Self(query.0))
            .map_err(|error: QueryRejection| Fault::bad(error.body_text()))
    }
}

impl Query {
    /// The last value of that name.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.all(name).last()
    }

    pub(super) fn all<'a>(&'a self, name: &str) -> impl DoubleEndedIterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A number that is not negative.
    pub(super) fn number(&self, name: &'static str) -> Outcome<Option<usize>> {
        let Some(text) = self.get(name) else { return Ok(None) };
        if text.is_empty() || text.len() > 9 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Fault::invalid(
                name,
                format_args!("Invalid input for query parameters {name}. Value: {}", shown(text)),
            ));
        }
        Ok(text.parse().ok())
    }

    /// A boolean in Python's or anybody's spelling.
    pub(super) fn flag(&self, name: &'static str) -> Outcome<Option<bool>> {
        match self.get(name).map(str::to_ascii_lowercase).as_deref() {
            None => Ok(None),
            Some("true" | "1" | "t" | "yes" | "y" | "on") => Ok(Some(true)),
            Some("false" | "0" | "f" | "no" | "n" | "off") => Ok(Some(false)),
            Some(other) => Err(Fault::invalid(
                name,
                format_args!("Invalid {name} value: {} is no boolean.", shown(other)),
            )),
        }
    }

    /// The page after `marker` of at most `limit`, and the marker of the next one if there is any.
    ///
    /// # Errors
    /// 400 for a limit that is no number and for a marker that is not in the list.
    pub(super) fn page<T>(
        &self,
        mut items: Vec<T>,
        id: impl Fn(&T) -> String,
    ) -> Outcome<(Vec<T>, Option<String>)> {
        let limit = self.number("limit")?.unwrap_or(PAGE_MAX).min(PAGE_MAX);
        if let Some(marker) = self.get("marker") {
            let at = items.iter().position(|item| id(item) == marker).ok_or_else(|| {
                Fault::invalid("marker", format_args!("marker [{}] not found", shown(marker)))
            })?;
            items.drain(..=at);
        }
        let more = items.len() > limit;
        items.truncate(limit);
        let next = if more { items.last().map(id) } else { None };
        Ok((items, next))
    }

    /// The link to the next page: this address, with another marker.
    pub(super) fn next_link(&self, address: &str, marker: &str) -> Value {
        let mut link = format!("{address}?");
        for (name, value) in self.0.iter().filter(|(name, _)| name != "marker") {
            link.push_str(&escaped(name));
            link.push('=');
            link.push_str(&escaped(value));
            link.push('&');
        }
        link.push_str("marker=");
        link.push_str(&escaped(marker));
        json!([{"rel": "next", "href": link}])
    }
}

/// Percent-encoding of everything but RFC 3986's unreserved characters.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            _ => {
                use std::fmt::Write as _;
                // Writing into a String does not fail.
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(pairs: &[(&str, &str)]) -> Query {
        Query(pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect())
    }

    #[test]
    fn pages() {
        let items = vec!["a", "b", "c", "d"];
        let page = |pairs: &[(&str, &str)]| query(pairs).page(items.clone(), |item| (*item).into());
        assert_eq!(page(&[]).unwrap(), (items.clone(), None));
        assert_eq!(page(&[("limit", "2")]).unwrap(), (vec!["a", "b"], Some("b".into())));
        assert_eq!(page(&[("limit", "2"), ("marker", "b")]).unwrap(), (vec!["c", "d"], None));
        assert_eq!(page(&[("limit", "0")]).unwrap(), (vec![], None));
        for pairs in [[("limit", "-1")], [("limit", "x")], [("limit", "")], [("marker", "z")]] {
            assert_eq!(page(&pairs).unwrap_err().status.as_u16(), 400, "{pairs:?}");
        }
    }

    #[test]
    fn next_keeps_the_filters() {
        let link =
            query(&[("name", "a b"), ("marker", "x"), ("limit", "1")]).next_link("http://h/s", "y");
        assert_eq!(link[0]["href"], "http://h/s?name=a%20b&limit=1&marker=y");
    }
}
