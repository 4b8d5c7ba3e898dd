//! The pages, as a browser without JavaScript sees them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::format_push_string,
    clippy::decimal_bitwise_operands,
    reason = "a test may fail loudly and say things simply"
)]

#[path = "pages/account.rs"]
mod account;
#[path = "pages/browser.rs"]
mod browser;
#[path = "pages/console.rs"]
mod console;
#[path = "pages/echo.rs"]
mod echo;
#[path = "pages/fake.rs"]
mod fake;
#[path = "pages/fuzz.rs"]
mod fuzz;
#[path = "pages/guard.rs"]
mod guard;
#[path = "pages/keys.rs"]
mod keys;
#[path = "pages/many.rs"]
mod many;
#[path = "store/postgres.rs"]
mod postgres;
#[path = "pages/proxy.rs"]
mod proxy;
#[path = "pages/servers.rs"]
mod servers;
#[path = "pages/several.rs"]
mod several;

/// Some public keys; nobody has their private halves.
pub const LINES: [&str; 3] = [
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl one@home",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPtvkmCZ8ihPDtx4Xkbx/rtBbmZuyd9ZVIRKUW5GI5cp two@home",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ12vcbpWYG8H9iErL4ivLMYZbBkk3yTCKwQSWUDlJvJ three@home",
];
