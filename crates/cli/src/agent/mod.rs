//! `ssh-agent`: holds keys and signs with them, so that they need not be read from files each time.
//!
//! One thread and one poll loop serve everybody ([`serve`]); what is answered is decided without
//! any I/O ([`core`]). Questions to the user run in a process of their own ([`confirm`]), and so
//! does hardware ([`errands`]), so that one client's touch or answer never keeps another waiting.

mod args;
mod bindings;
mod client;
mod clock;
pub mod confirm;
mod core;
mod enable;
mod errands;
mod guard;
mod hardware;
mod lock;
mod program;
mod serve;
mod sockets;
mod store;
#[cfg(test)]
mod tests;

pub use args::lifetime;
pub use enable::main as service;
pub use program::main;
pub use sockets::quoted;

/// Every limit of the agent, with its reason.
mod limits {
    use std::time::Duration;

    /// Keys held. Listing them takes one message; see [`keys::limits::AGENT_IDENTITIES`].
    pub const KEYS: usize = keys::limits::AGENT_IDENTITIES;
    /// Bytes of all public blobs and comments: what one listing can come to, so that every
    /// listing fits a message ([`keys::limits::AGENT_ANSWER_BYTES`]).
    pub const LISTING_BYTES: usize = keys::limits::AGENT_ANSWER_BYTES - 64;
    /// All messages that brought a key: what keys and their restrictions can take.
    pub const STORED_BYTES: usize = 128 << 20;
    /// Clients at once. A forwarded agent takes one for every hop of every login.
    pub const CLIENTS: usize = 2048;
    /// Connections accepted in one turn, so that a flood of them does not starve the others.
    pub const ACCEPTS: usize = 64;
    /// Half messages and unread answers of all clients together. Beyond it, whoever has not
    /// moved for the longest time is let go.
    pub const BUFFERED_BYTES: usize = 64 << 20;
    /// Sessions bound to one connection: the hops of a chain. As in OpenSSH.
    pub const SESSIONS: usize = 16;
    /// A session identifier. As in OpenSSH.
    pub const SESSION_ID_BYTES: usize = 128;
    /// A comment. Longer ones are cut: they are for people.
    pub const COMMENT_BYTES: usize = 1024;
    /// What each wrong unlock adds to the wait before the next, and how often.
    pub const UNLOCK_STEP: Duration = Duration::from_millis(100);
    /// The wait grows to ten seconds.
    pub const UNLOCK_STEPS: u32 = 100;
    /// Questions to the user that wait for their turn.
    pub const QUESTIONS: usize = 64;
    /// Requests to hardware that wait for their turn.
    pub const ERRANDS: usize = 64;
    /// PKCS#11 libraries at once: each is a process.
    pub const LIBRARIES: usize = 16;
    /// How long hardware may take. Authenticators give up on their user by themselves, earlier.
    pub const ERRAND_TIME: Duration = Duration::from_secs(120);
    /// How often an agent that belongs to a command looks whether it still runs, where the
    /// system does not tell it.
    pub const PARENT_CHECK: Duration = Duration::from_secs(10);
}
