//! Finds out why a login fails.
//!
//! A [`visit::Visit`] holds what was seen on the way to a host, [`server::Premises`] what was seen
//! on a server; the [`checks`] judge it, one file each, and what they find are [`Finding`]s: plain
//! data that others print. The [`probe`]s here look at the network below SSH and at files; the
//! login itself is driven by whoever has the settings and the keys.
//!
//! A check names a cause only where the way stopped because of it, so that one fault gives one
//! finding.

pub mod checks;
mod finding;
pub mod firewall;
pub mod limits;
pub mod mask;
pub mod probe;
pub mod server;
mod sys;
pub mod visit;

pub use finding::{Finding, Sure, sorted};
