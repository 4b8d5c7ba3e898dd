//! Small things about text that several tools share.

use std::io;

/// An I/O error as the C library words it, without Rust's error number.
pub fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}
