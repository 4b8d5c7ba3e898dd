//! Panels that a person has enrolled once: they vouch for the host keys of their own servers, so
//! that nobody trusts blindly at first contact and a rebuilt server is no alarm.

mod ask;
mod enrolled;
mod program;

pub use ask::{Answer, about};
pub use program::main;

/// The word behind `keyway`.
pub const WORD: &str = "enroll";
