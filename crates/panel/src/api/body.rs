//! Request bodies, read strictly: what is not known is refused, as Nova's schemas do, so that a
//! misspelt field is an error and not silence.

use std::ops::RangeInclusive;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{StatusCode, header};
use serde_json::{Map, Value};

use super::fault::{Fault, Outcome};

/// A JSON body.
pub(super) struct Json(pub(super) Value);

impl<S: Send + Sync> FromRequest<S> for Json {
    type Rejection = Fault;

    async fn from_request(request: Request, state: &S) -> Outcome<Self> {
        let media = request.headers().get(header::CONTENT_TYPE);
        if media.is_some_and(|media| !is_json(media.as_bytes())) {
            return Err(Fault::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "Unsupported Content-Type: application/json is what this API speaks.",
            ));
        }
        let bytes = Bytes::from_request(request, state)
            .await
            .map_err(|error| Fault::new(error.status(), "The body is too large or broke off."))?;
        serde_json::from_slice(&bytes)
            .map(Self)
            .map_err(|error| Fault::bad(format_args!("Malformed request body: {error}")))
    }
}

fn is_json(media: &[u8]) -> bool {
    let end = media.iter().position(|byte| *byte == b';').unwrap_or(media.len());
    media.get(..end).is_some_and(|kind| kind.trim_ascii().eq_ignore_ascii_case(b"application/json"))
}

/// A JSON object, with readers that refuse the wrong type or size by the field's name.
#[derive(Clone, Copy)]
pub(super) struct Object<'a> {
    map: &'a Map<String, Value>,
    name: &'static str,
}

impl<'a> Object<'a> {
    /// The whole value, which must be an object.
    pub(super) fn of(value: &'a Value, name: &'static str) -> Outcome<Self> {
        match value {
            Value::Object(map) => Ok(Self { map, name }),
            other => Err(wrong(name, other, "object")),
        }
    }

    /// The object that a body wraps: `{"server": {...}}` and nothing else.
    pub(super) fn wrapped(body: &'a Value, name: &'static str) -> Outcome<Self> {
        Self::of(body, "body")?.only(&[name])?.need_object(name)
    }

    /// Refuses members of other names.
    pub(super) fn only(self, allowed: &[&str]) -> Outcome<Self> {
        match self.map.keys().find(|key| !allowed.contains(&key.as_str())) {
            None => Ok(self),
            Some(key) => Err(Fault::invalid(
                self.name,
                format_args!(
                    "Invalid input for field/attribute {}. Additional properties are not allowed \
                     ({:?} was unexpected)",
                    self.name,
                    shown(key)
                ),
            )),
        }
    }

    pub(super) fn members(self) -> &'a Map<String, Value> {
        self.map
    }

    pub(super) fn has(self, name: &str) -> bool {
        self.map.contains_key(name)
    }

    pub(super) fn value(self, name: &str) -> Option<&'a Value> {
        self.map.get(name)
    }

    fn need(self, name: &'static str) -> Outcome<&'a Value> {
        self.value(name).ok_or_else(|| {
            Fault::invalid(
                name,
                format_args!(
                    "Invalid input for field/attribute {}. '{name}' is a required property",
                    self.name
                ),
            )
        })
    }

    pub(super) fn object(self, name: &'static str) -> Outcome<Option<Self>> {
        self.value(name).map(|value| Self::of(value, name)).transpose()
    }

    pub(super) fn need_object(self, name: &'static str) -> Outcome<Self> {
        Self::of(self.need(name)?, name)
    }

    /// Text of so many characters.
    pub(super) fn text(
        self,
        name: &'static str,
        length: RangeInclusive<usize>,
    ) -> Outcome<Option<&'a str>> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::String(text)) => {
                check_length(name, text, length)?;
                Ok(Some(text))
            }
            Some(other) => Err(wrong(name, other, "string")),
        }
    }

    pub(super) fn need_text(
        self,
        name: &'static str,
        length: RangeInclusive<usize>,
    ) -> Outcome<&'a str> {
        self.need(name)?;
        Ok(self.text(name, length)?.unwrap_or_default())
    }

    /// Text, or `null` to take it away; `None` when it is not said at all.
    #[expect(clippy::option_option, reason = "not said, taken away, and said are three things")]
    pub(super) fn text_or_null(
        self,
        name: &'static str,
        length: RangeInclusive<usize>,
    ) -> Outcome<Option<Option<&'a str>>> {
        match self.value(name) {
            Some(Value::Null) => Ok(Some(None)),
            _ => Ok(self.text(name, length)?.map(Some)),
        }
    }

    /// A boolean, in any of the spellings that Nova takes.
    pub(super) fn flag(self, name: &'static str) -> Outcome<Option<bool>> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(Value::String(text)) => match text.to_ascii_lowercase().as_str() {
                "true" | "1" | "on" | "yes" => Ok(Some(true)),
                "false" | "0" | "off" | "no" => Ok(Some(false)),
                _ => Err(wrong(name, &Value::String(text.clone()), "boolean")),
            },
            Some(other) => Err(wrong(name, other, "boolean")),
        }
    }

    /// A whole number, or its digits as text.
    pub(super) fn integer(
        self,
        name: &'static str,
        range: RangeInclusive<i64>,
    ) -> Outcome<Option<i64>> {
        let number = match self.value(name) {
            None => return Ok(None),
            Some(Value::Number(number)) => number.as_i64(),
            Some(Value::String(text)) => text.parse().ok(),
            Some(_) => None,
        };
        match number {
            Some(number) if range.contains(&number) => Ok(Some(number)),
            _ => Err(Fault::invalid(
                name,
                format_args!(
                    "Invalid input for field/attribute {name}. It is a whole number from {} to {}.",
                    range.start(),
                    range.end()
                ),
            )),
        }
    }

    pub(super) fn list(self, name: &'static str) -> Outcome<Option<&'a [Value]>> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::Array(items)) => Ok(Some(items)),
            Some(other) => Err(wrong(name, other, "array")),
        }
    }
}

/// A name as Nova has it: 1 to 255 characters, all printable, none of them space at either end.
pub(super) fn check_name(field: &'static str, name: &str) -> Outcome<()> {
    check_length(field, name, 1..=255)?;
    if name.trim() != name || name.chars().any(char::is_control) {
        return Err(Fault::invalid(
            field,
            format_args!(
                "Invalid input for field/attribute {field}. It has printable characters only, and \
                 no space at its beginning or end."
            ),
        ));
    }
    Ok(())
}

fn check_length(name: &'static str, text: &str, length: RangeInclusive<usize>) -> Outcome<()> {
    let count = text.chars().count();
    if length.contains(&count) {
        return Ok(());
    }
    let what = if count < *length.start() { "too short" } else { "too long" };
    Err(Fault::invalid(
        name,
        format_args!(
            "Invalid input for field/attribute {name}. It is {what}: {} to {} characters are allowed.",
            length.start(),
            length.end()
        ),
    ))
}

pub(super) fn wrong(name: &'static str, value: &Value, wanted: &str) -> Fault {
    let is = match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    };
    Fault::invalid(
        name,
        format_args!(
            "Invalid input for field/attribute {name}. It is {is}, not of type '{wanted}'"
        ),
    )
}

/// A stranger's text, short enough and clean enough to be part of a message.
pub(super) fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(80).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn unknown_members_are_refused() {
        let body = json!({"keypair": {"name": "a", "nmae": "b"}});
        let object = Object::wrapped(&body, "keypair").unwrap();
        assert!(object.only(&["name"]).is_err());
        assert!(object.only(&["name", "nmae"]).is_ok());
        assert!(Object::wrapped(&json!({"keypair": {}, "x": 1}), "keypair").is_err());
        assert!(Object::wrapped(&json!([]), "keypair").is_err());
        assert!(Object::wrapped(&json!({"keypair": null}), "keypair").is_err());
    }

    #[test]
    fn types_and_ranges() {
        let body = json!({"a": "x", "n": "7", "f": "True", "z": null, "o": {}});
        let object = Object::of(&body, "body").unwrap();
        assert_eq!(object.text("a", 1..=1).unwrap(), Some("x"));
        assert!(object.text("a", 2..=3).is_err());
        assert!(object.text("n", 0..=0).is_err());
        assert_eq!(object.integer("n", 0..=9).unwrap(), Some(7));
        assert!(object.integer("n", 8..=9).is_err());
        assert_eq!(object.flag("f").unwrap(), Some(true));
        assert!(object.flag("a").is_err());
        assert_eq!(object.text_or_null("z", 0..=1).unwrap(), Some(None));
        assert_eq!(object.text_or_null("missing", 0..=1).unwrap(), None);
        assert!(object.text("z", 0..=1).is_err());
        assert!(object.need_text("missing", 0..=1).is_err());
    }

    #[test]
    fn names() {
        assert!(check_name("name", "a b").is_ok());
        assert!(check_name("name", "\u{30c6}\u{30b9}\u{30c8}").is_ok());
        for name in ["", " a", "a ", "a\nb", &"x".repeat(256)] {
            assert!(check_name("name", name).is_err(), "{name:?}");
        }
    }
}
