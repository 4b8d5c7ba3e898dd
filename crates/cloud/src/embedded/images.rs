//! Where servers' root file systems come from.

mod archive;
mod import;
mod layers;
mod strip;
pub(super) mod this_system;

pub use import::ImportImage;
