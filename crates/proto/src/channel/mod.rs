//! RFC 4254: channels, their windows and requests.

#[expect(clippy::module_inception, reason = "the channel itself among what belongs to channels")]
pub mod channel;
pub mod open;
pub mod request;
pub mod window;
