//! Keys whose private half is in hardware: security keys (FIDO) and PKCS#11 tokens.
//!
//! The libraries that speak to hardware are not ours, so none is ever loaded by the program that
//! holds keys or a connection. This program runs itself once more as a helper
//! ([`helper`]), and only there they are loaded: [`fido`] and [`middleware`] for security keys,
//! [`pkcs11`] for tokens. The two halves exchange [`message`]s; what comes back is checked like
//! anything from outside. [`security_key`] and [`card`] are what the tools call.

pub mod card;
mod fido;
pub mod helper;
pub mod message;
mod middleware;
mod pkcs11;
pub mod security_key;

/// Every limit on what a helper or a library can make grow, with its reason.
mod limits {
    /// One message between the program and its helper: what an agent is asked to sign
    /// ([`keys::limits::AGENT_MESSAGE_BYTES`]), or all keys of a card.
    pub const MESSAGE_BYTES: usize = 1 << 20;
    /// Keys of one card or one authenticator, of those that are listed.
    pub const KEYS: usize = 1024;
    /// Slots of one PKCS#11 library that are looked at.
    pub const SLOTS: usize = 64;
}
