//! Passwords: argon2id with the parameters that OWASP names first (19 MiB, two passes).

use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use zeroize::Zeroizing;

use super::{Accounts, Error};

/// NIST SP 800-63B asks for at least this where a second factor may be missing.
pub const PASSWORD_CHARACTERS_MIN: usize = 12;
/// So that nobody makes the panel hash megabytes.
pub const PASSWORD_BYTES_MAX: usize = 1024;

/// Verified when there is no such user, so that the answer takes as long: the hash of nothing
/// anybody can type.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$a2V5d2F5LW5vYm9keQ$\
                      Xm0Bq8fQ9ZB1V4Q2m8r8wq0e4m1xqz1i1J0o1m1m1mM";

fn argon2() -> Result<Argon2<'static>, Error> {
    let params = Params::new(19 * 1024, 2, 1, None)
        .map_err(|error| Error::Internal(format!("argon2: {error}")))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// A password for a first account: 120 random bits in groups that can be typed.
///
/// # Errors
/// [`Error::Internal`] when the system gives no random numbers.
pub fn generate() -> Result<Zeroizing<String>, Error> {
    // No letters or digits that look alike.
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut bytes = Zeroizing::new([0u8; 24]);
    getrandom::fill(bytes.as_mut_slice())
        .map_err(|error| Error::Internal(format!("no random numbers: {error}")))?;
    let mut text = Zeroizing::new(String::with_capacity(30));
    for (index, byte) in bytes.iter().enumerate() {
        if index > 0 && index % 6 == 0 {
            text.push('-');
        }
        text.push(char::from(LETTERS[usize::from(byte & 31)]));
    }
    Ok(text)
}

pub(super) fn check(password: &str, name: &str) -> Result<(), Error> {
    let characters = password.chars().count();
    if characters < PASSWORD_CHARACTERS_MIN {
        return Err(Error::invalid(
            "password",
            format!(
                "A password has at least {PASSWORD_CHARACTERS_MIN} characters; this has {characters}."
            ),
        ));
    }
    if password.len() > PASSWORD_BYTES_MAX {
        return Err(Error::invalid(
            "password",
            format!("A password has at most {PASSWORD_BYTES_MAX} bytes."),
        ));
    }
    let lower = password.to_lowercase();
    let mut letters: Vec<char> = lower.chars().collect();
    letters.sort_unstable();
    letters.dedup();
    if letters.len() < 4 || lower == name.to_lowercase().repeat(2) {
        return Err(Error::invalid("password", "That password is too easy to guess."));
    }
    Ok(())
}

impl Accounts {
    pub(super) async fn hash(&self, password: &str) -> Result<String, Error> {
        let _turn = self.hashing.acquire().await;
        let password = Zeroizing::new(password.to_owned());
        blocking(move || {
            Ok(argon2()?
                .hash_password(password.as_bytes())
                .map_err(|error| Error::Internal(format!("argon2: {error}")))?
                .to_string())
        })
        .await
    }

    /// Whether it is the password behind this hash. Takes as long for no hash at all.
    pub(super) async fn matches(&self, password: &str, hash: Option<&str>) -> Result<bool, Error> {
        if password.len() > PASSWORD_BYTES_MAX {
            return Ok(false);
        }
        let _turn = self.hashing.acquire().await;
        let password = Zeroizing::new(password.to_owned());
        let known = hash.is_some();
        let hash = hash.unwrap_or(NOBODY).to_owned();
        blocking(move || {
            let verified = argon2()?.verify_password(password.as_bytes(), hash.as_str());
            Ok(known && verified.is_ok())
        })
        .await
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::Internal(format!("hashing stopped: {error}")))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused() {
        assert!(check("short", "eve").is_err());
        assert!(check("aaaaaaaaaaaaaaaa", "eve").is_err());
        assert!(check("administratoradministrator", "Administrator").is_err());
        assert!(check(&"ab1c".repeat(300), "eve").is_err());
        assert!(check("correct horse battery", "eve").is_ok());
    }

    #[test]
    fn generated_ones_differ() {
        let (one, two) = (generate().unwrap(), generate().unwrap());
        assert_ne!(*one, *two);
        assert_eq!(one.len(), 27);
        assert!(check(&one, "admin").is_ok());
    }

    /// A hash that does not parse would be answered faster than a real one.
    #[test]
    fn nobody_has_a_hash() {
        use argon2::password_hash::phc::PasswordHash;
        assert!(PasswordHash::new(NOBODY).is_ok());
    }
}
