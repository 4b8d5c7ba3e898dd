//! Passwords checked against the shadow file, for a server without PAM.
//!
//! An account that does not exist, or has no password, costs the same hashing as one that has, so that time does
//! not tell which accounts there are.

use crate::accounts::{Account, Shadow, Term};
use crate::sys::library::Crypt;
use std::ffi::CString;
use std::sync::OnceLock;
use zeroize::{Zeroize, Zeroizing};

/// The longest password that is hashed (PAM's own limit is 512); a longer one is wrong.
const PASSWORD_BYTES_MAX: usize = 1024;

/// What a password was found to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Right.
    Right,
    /// Right, but it must be changed before the session may start.
    MustChange,
    /// Wrong; or the account is unknown, has no password, or may not have an empty one.
    Wrong,
}

/// Why passwords cannot be checked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system's hashing library is not there.
    #[error("passwords cannot be checked: {0}")]
    NoCrypt(std::io::Error),
}

/// Checks passwords. Blocks for as long as one hash takes.
pub struct Checker {
    crypt: Crypt,
    /// The setting that stands in for a missing hash.
    stand_in: OnceLock<CString>,
}

impl Checker {
    /// Loads the system's hashing library.
    ///
    /// # Errors
    /// When it is not installed.
    pub fn new() -> Result<Self, Error> {
        Ok(Self { crypt: Crypt::load().map_err(Error::NoCrypt)?, stand_in: OnceLock::new() })
    }

    /// Judges a password. `permit_empty` is `PermitEmptyPasswords`.
    pub fn check(
        &self,
        account: &Account,
        password: &[u8],
        permit_empty: bool,
        now_seconds: u64,
    ) -> Verdict {
        let shadow = if account.exists { account.shadow() } else { None };
        let right = self.matches(shadow.as_ref().map(Shadow::hash), password, permit_empty);
        match shadow.map(|shadow| shadow.password_term(now_seconds)) {
            Some(Term::Over | Term::Forced) if right => Verdict::MustChange,
            Some(_) if right => Verdict::Right,
            _ => Verdict::Wrong,
        }
    }

    /// Compares a password with a stored hash, doing the same work when there is none to compare with.
    fn matches(&self, stored: Option<&[u8]>, password: &[u8], permit_empty: bool) -> bool {
        let fits = password.len() <= PASSWORD_BYTES_MAX && !password.contains(&0);
        let candidate = SecretString::new(if fits { password } else { b"" });
        if password.is_empty() && !permit_empty {
            self.waste(&candidate);
            return false;
        }
        match stored {
            // No password is asked of this account.
            Some(b"") => fits && password.is_empty() && permit_empty,
            Some(stored) if is_hash(stored) => {
                let Ok(setting) = CString::new(stored) else { return false };
                let Some(hash) = self.crypt.hash(&candidate.0, &setting) else { return false };
                fits && equal(&hash, stored)
            }
            _ => {
                self.waste(&candidate);
                false
            }
        }
    }

    fn waste(&self, candidate: &SecretString) {
        let _ = self.crypt.hash(&candidate.0, self.stand_in());
    }

    /// The scheme that this system gives new passwords: root's as an example, else the library's preference.
    fn stand_in(&self) -> &CString {
        self.stand_in.get_or_init(|| {
            let of_root = Account::by_uid(0)
                .ok()
                .flatten()
                .and_then(|root| root.shadow())
                .filter(|shadow| is_hash(shadow.hash()))
                .and_then(|shadow| CString::new(shadow.hash()).ok());
            of_root
                .or_else(|| self.crypt.preferred_setting())
                .unwrap_or_else(|| c"$6$keywaystandin".to_owned())
        })
    }
}

/// Whether a shadow field is a hash and not a mark that no password fits, such as `*` and `!`.
fn is_hash(stored: &[u8]) -> bool {
    !stored.is_empty() && !stored.starts_with(b"!") && !stored.starts_with(b"*")
}

fn equal(one: &[u8], other: &[u8]) -> bool {
    let differences = one.iter().zip(other).fold(0, |all, (a, b)| all | (a ^ b));
    one.len() == other.len() && std::hint::black_box(differences) == 0
}

/// A password for the C library, wiped after use.
struct SecretString(CString);

impl SecretString {
    /// The bytes up to the first NUL.
    fn new(bytes: &[u8]) -> Self {
        let mut bytes = Zeroizing::new(bytes.to_vec());
        bytes.retain(|byte| *byte != 0);
        // One more for the NUL, so that the string is not moved and left behind unwiped.
        bytes.reserve_exact(1);
        Self(CString::new(std::mem::take(&mut *bytes)).unwrap_or_default())
    }
}

impl Drop for SecretString {
    fn drop(&mut self) {
        std::mem::take(&mut self.0).into_bytes().zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    /// `openssl passwd -6 -salt saltsalt secret`
    const SHA512: &[u8] = b"$6$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0U0aDehy0S5knV8wiOQSpT0Y77vwPZN.Pq.H91p5hVO1";

    #[test]
    fn hashes() {
        let checker = Checker::new().unwrap();
        assert!(checker.matches(Some(SHA512), b"secret", false));
        assert!(!checker.matches(Some(SHA512), b"Secret", false));
        assert!(!checker.matches(Some(SHA512), b"secret\0", false));
        assert!(!checker.matches(Some(SHA512), &[b'x'; 5000], false));
        assert!(!checker.matches(Some(SHA512), b"", true));
    }

    #[test]
    fn marks_are_no_hashes() {
        let checker = Checker::new().unwrap();
        for stored in [&b"*"[..], b"!", b"!!", b"!$6$saltsalt$x", b"$nosuch$"] {
            assert!(!checker.matches(Some(stored), b"*", true), "{stored:?}");
            assert!(!checker.matches(Some(stored), b"", true), "{stored:?}");
        }
        assert!(!checker.matches(None, b"secret", true));
    }

    #[test]
    fn empty_passwords() {
        let checker = Checker::new().unwrap();
        assert!(checker.matches(Some(b""), b"", true));
        assert!(!checker.matches(Some(b""), b"", false));
        assert!(!checker.matches(Some(b""), b"x", true));
        assert!(!checker.matches(Some(b""), b"\0", true));
    }

    #[test]
    fn unknown_accounts_take_as_long() {
        let checker = Checker::new().unwrap();
        // The first use finds the scheme.
        checker.check(&Account::unknown(), b"secret", false, 0);
        let start = Instant::now();
        assert_eq!(checker.check(&Account::unknown(), b"secret", false, 0), Verdict::Wrong);
        assert!(start.elapsed().as_micros() > 300, "hashing was skipped");
    }
}
