//! Where servers' root file systems come from.

mod archive;
mod compression;
mod import;
mod layers;
mod strip;
pub(super) mod this_system;
mod upload;

pub use import::ImportImage;

fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
