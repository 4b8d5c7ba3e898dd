//! The messages: numbers in [`table`], then one file a layer, two for RFC 4254. Decoding
//! borrows from the payload; encoding appends to a buffer.

pub mod connection;
pub mod kex;
pub mod request;
pub mod table;
pub mod transport;
pub mod userauth;

use wire::Reader;

use crate::error::{Error, Misbehaved};

/// Decodes what follows the message number.
///
/// # Errors
/// [`Misbehaved::Malformed`] with the message's number.
pub fn decode<'a, T>(
    payload: &'a [u8],
    body: impl FnOnce(&mut Reader<'a>) -> Result<T, wire::Error>,
) -> Result<T, Error> {
    let message = payload.first().copied().unwrap_or_default();
    let mut reader = Reader::new(payload.get(1..).unwrap_or_default());
    let decoded = body(&mut reader).and_then(|value| reader.finish().map(|()| value));
    decoded.map_err(|error| Misbehaved::Malformed { message, error }.into())
}
