//! What a monitor's exit status tells the listener.

use crate::listener::penalties::Offence;

/// All went well, or nothing is to be held against the source.
pub(crate) const FINE: i32 = 0;
/// `LoginGraceTime` ran out.
pub(crate) const GRACE_EXCEEDED: i32 = 3;
/// The gate or the session crashed.
pub(crate) const CRASHED: i32 = 4;
/// Authentication was tried and did not succeed.
pub(crate) const NOT_AUTHENTICATED: i32 = 5;
/// `RefuseConnection`.
pub(crate) const REFUSED: i32 = 6;
/// An account was named that there is not.
pub(crate) const INVALID_USER: i32 = 7;
/// Anything else that went wrong.
pub(crate) const FAILED: i32 = 255;

/// What is held against the source of a connection whose monitor ended like this.
pub(crate) fn offence(status: Option<i32>, authenticated: bool) -> Option<Offence> {
    match status {
        // By a signal.
        None | Some(CRASHED) => Some(Offence::Crash),
        Some(FINE) => None,
        _ if authenticated => None,
        Some(GRACE_EXCEEDED) => Some(Offence::GraceExceeded),
        Some(NOT_AUTHENTICATED) => Some(Offence::AuthenticationFailed),
        Some(REFUSED) => Some(Offence::Refused),
        Some(INVALID_USER) => Some(Offence::InvalidUser),
        Some(_) => Some(Offence::NoAuthentication),
    }
}
