//! The agent protocol, RFC 9987, in both directions, with the extensions of
//! OpenSSH's PROTOCOL.agent. Only bytes; the socket is someone else's.

mod constraint;
mod extension;
mod framing;
mod login;
mod request;
mod response;
#[cfg(test)]
mod tests;

pub use constraint::{Constraint, DestinationConstraint, Hop, HopKey};
pub use extension::{QUERY, SESSION_BIND, SessionBind, queried, query_response};
pub use framing::{frame, take_answer, take_frame};
pub use login::LoginRequest;
pub use request::{Request, flags_for, signature_algorithm};
pub use response::{Identity, Response};

/// `SSH_AGENT_RSA_SHA2_256`, a flag of a sign request.
pub const RSA_SHA2_256: u32 = 2;
/// `SSH_AGENT_RSA_SHA2_512`, a flag of a sign request.
pub const RSA_SHA2_512: u32 = 4;
