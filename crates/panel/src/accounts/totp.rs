//! The second factor: codes by time (RFC 6238), with the settings that every authenticator has.

use data_encoding::BASE32_NOPAD;
use qrcode::QrCode;
use qrcode::render::svg;
use totp_rs::{Algorithm, Builder, Totp};

use super::{Accounts, Error, LoginError, User};
use crate::store::now;

/// Seconds that a code is for.
const STEP_SECONDS: i64 = 30;

/// What a person needs to set an authenticator up.
#[derive(Clone)]
pub struct Enrolment {
    /// The secret in base32, to be typed.
    pub secret: String,
    /// The `otpauth:` address that the picture holds.
    pub url: String,
    /// The picture, as SVG.
    pub picture: String,
}

impl Enrolment {
    /// A fresh secret for this user.
    ///
    /// # Errors
    /// [`Error::Internal`] when the system gives no random numbers.
    pub fn new(user: &User) -> Result<Self, Error> {
        let mut secret = [0u8; 20];
        getrandom::fill(&mut secret)
            .map_err(|error| Error::Internal(format!("no random numbers: {error}")))?;
        Self::from_secret(user, BASE32_NOPAD.encode(&secret))
    }

    /// The same again from its secret, after a wrong code.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it is not such a secret.
    pub fn from_secret(user: &User, secret: String) -> Result<Self, Error> {
        if totp(&secret).is_none() {
            return Err(Error::invalid("code", "Begin again: the secret got lost on the way."));
        }
        let name: String = user.name.chars().filter(|c| c.is_alphanumeric()).collect();
        let url = format!("otpauth://totp/Keyway:{name}?secret={secret}&issuer=Keyway");
        let picture = QrCode::new(url.as_bytes())
            .map_err(|error| Error::Internal(format!("the picture: {error}")))?
            .render::<svg::Color<'_>>()
            .min_dimensions(200, 200)
            .dark_color(svg::Color("#000"))
            .light_color(svg::Color("#fff"))
            .build();
        Ok(Self { secret, url, picture })
    }
}

impl Accounts {
    /// Turns the second factor on, once a code shows that the authenticator has the secret.
    ///
    /// # Errors
    /// [`LoginError::WrongCode`], or when the store fails.
    pub async fn enable_totp(
        &self,
        user: &User,
        secret: &str,
        code: &str,
    ) -> Result<(), LoginError> {
        let step = matching_step(secret, code.trim(), now().unix_timestamp())
            .ok_or(LoginError::WrongCode)?;
        sqlx::query("UPDATE users SET totp_secret = $1, totp_step = $2 WHERE id = $3")
            .bind(secret)
            .bind(step)
            .bind(&user.id)
            .execute(self.store.write())
            .await?;
        Ok(())
    }

    /// Turns it off.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn disable_totp(&self, user_id: &str) -> Result<(), Error> {
        sqlx::query("UPDATE users SET totp_secret = '', totp_step = 0 WHERE id = $1")
            .bind(user_id)
            .execute(self.store.write())
            .await?;
        Ok(())
    }
}

fn totp(secret: &str) -> Option<Totp> {
    let secret = BASE32_NOPAD.decode(secret.as_bytes()).ok()?;
    if secret.len() != 20 {
        return None;
    }
    // No skew: the steps beside this one are tried by hand, to know which one it was.
    Some(
        Builder::new()
            .with_algorithm(Algorithm::SHA1)
            .with_digits(6)
            .with_skew(0)
            .with_step_duration(STEP_SECONDS.unsigned_abs())
            .with_secret(secret)
            .build_noncompliant(),
    )
}

/// The step whose code this is: this one, or the one before or after for clocks that differ.
pub(super) fn matching_step(secret: &str, code: &str, at: i64) -> Option<i64> {
    let totp = totp(secret)?;
    let code: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    let now = at / STEP_SECONDS;
    [now, now - 1, now + 1].into_iter().find(|step| {
        u64::try_from(step * STEP_SECONDS).is_ok_and(|time| totp.check(&code, time).is_some())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238 appendix B, cut to six digits.
    #[test]
    fn codes_of_the_rfc() {
        let secret = BASE32_NOPAD.encode(b"12345678901234567890");
        assert_eq!(matching_step(&secret, "287082", 59), Some(1));
        assert_eq!(matching_step(&secret, "287 082", 89), Some(1));
        assert_eq!(matching_step(&secret, "081804", 1_111_111_109), Some(37_037_036));
        assert_eq!(matching_step(&secret, "287082", 120), None);
        assert_eq!(matching_step(&secret, "000000", 59), None);
        assert_eq!(matching_step("nonsense", "287082", 59), None);
    }
}
