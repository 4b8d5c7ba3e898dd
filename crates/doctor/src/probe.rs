//! Looks at the network and at files. Each part asks one thing and judges nothing.

pub mod agent;
pub mod greeting;
pub mod key_file;
pub mod path;
pub mod proposal;
pub mod reach;
