//! The SSH server's processes.
//!
//! [`main`] is the program `sshd`. The listener accepts connections and starts a monitor for each; the
//! monitor decides, with all rights, but sees nothing that the network chose outside of typed requests; the
//! gate reads the network, locked in and without any rights; the session is the user who came in. Each starts
//! by executing the program again, and they meet by passing descriptors.
//!
//! What a server needs of its operating system lives in modules that know no protocol: who an account is
//! and whether it may log in ([`accounts`], [`access`], [`password`], [`pam`], [`authorized`]), what a session runs in
//! ([`environment`], [`pty`], [`login_records`]), and what the process that talks to the network is locked
//! into ([`sandbox`]). [`syslog`] and [`notify`] speak to the system's own services.
//!
//! These modules block, ask the system's databases and read files, so they belong in the monitor and the
//! session; the gate uses [`sandbox`] and nothing else of them.
//!
//! All `unsafe` code is in [`sys`].

#![deny(unsafe_code)]

mod exit;
mod flags;
mod gate;
mod hardware;
mod host_keys;
mod listener;
mod login_options;
mod moduli;
mod monitor;
mod program;
mod requests;
mod session;
mod settings;
mod sftp_server;
mod spawn;

pub mod access;
pub mod accounts;
pub mod authorized;
pub mod environment;
pub mod login_records;
pub mod notify;
pub mod pam;
pub mod password;
pub mod pty;
pub mod sandbox;
pub mod sys;
pub mod syslog;

pub use hardware::{SignWithHardware, set_hardware};
pub use program::{Described, connection_main, describe, main};
pub use sftp_server::main as sftp_server_main;

use net::logging::VERBOSE;

/// How the server names itself, after `SSH-2.0-`.
const SOFTWARE_VERSION: &str = concat!("Keyway_", env!("CARGO_PKG_VERSION"));
