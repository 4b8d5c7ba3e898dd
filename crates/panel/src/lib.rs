//! The control panel: pages and an API in OpenStack's dialect over a [`cloud::Cloud`].
//!
//! Pages are plain HTML forms that work without JavaScript; what the panel keeps is in
//! [`store::Store`]; who may do what is in [`accounts::Accounts`]. Nothing here knows which cloud
//! it is. It is the only crate besides `cloud` that waits by tokio.

pub mod accounts;
pub mod api;
pub mod audit;
pub mod console;
mod local;
pub mod metadata;
pub mod metrics;
pub mod news;
pub mod orders;
pub mod public_key;
pub mod serve;
pub mod settings;
pub mod state;
pub mod store;
pub mod tls;
pub mod vouch;
pub mod web;

pub use state::State;
