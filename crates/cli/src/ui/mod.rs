//! Talking to the person at the terminal.

pub mod askpass;
pub mod clean;
pub mod colour;
pub mod notify;
pub mod prompt;
pub mod terminal;
