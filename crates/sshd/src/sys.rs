//! System calls that the safe libraries do not offer, each behind a safe function.
//!
//! - [`descriptors`]: those that nobody here opened
//! - [`files`]: what systems do differently with files and terminals' names
//! - [`memory`]: giving free memory back
//! - [`names`]: accounts and groups as the name service knows them, the shadow file
//! - [`process`]: identities, namespaces, what a child does between fork and exec
//! - [`library`]: libraries loaded at run time, and `crypt_r` from one of them
//! - [`pam`]: the PAM library, loaded at run time
//! - [`records`]: the log-in records of the C library, local time
//!
//! Nothing outside this module is unsafe.

#![allow(unsafe_code, reason = "this is the crate's one place for it, each block with its proof")]
#![allow(
    clippy::cast_possible_wrap,
    clippy::unnecessary_cast,
    clippy::useless_conversion,
    reason = "the widths of C's types differ between systems"
)]

pub mod descriptors;
pub mod files;
pub mod library;
pub mod memory;
pub mod names;
pub mod pam;
pub mod process;
pub mod records;
