//! Logging in: the password, the second factor, and a pace that guessing cannot keep.
//!
//! Nobody is locked out for good: after some failures each further try has to wait, longer each
//! time. Failures are counted for a name from an address (few are free), for an address, and for
//! a name from anywhere (many are free), so that a stranger cannot keep the owner out.

use sqlx::Row;
use time::Duration;

use cloud::accounts::{Credentials, OwnAccounts, Person, Refusal};

use super::{Accounts, Error, User, folded, totp};
use crate::store::{micros, now, time_of};

/// Why nobody was logged in.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// The name or the password; which is not said.
    #[error("The name or the password is wrong.")]
    Wrong,
    /// The password is right, and a code of the second factor is needed.
    #[error("Enter the code from your authenticator.")]
    NeedsCode,
    /// The code is wrong, or was used already.
    #[error("The code is wrong, or was used already.")]
    WrongCode,
    /// Too many failures lately.
    #[error("Too many failed attempts. Try again in {}.", seconds(*.retry_after))]
    TooMany {
        /// When it is worth trying again.
        retry_after: Duration,
    },
    /// What the cloud, whose accounts they are, said.
    #[error("The name, the domain or the password is wrong, says the cloud. {0}")]
    Refused(String),
    /// The cloud, whose accounts they are, failed.
    #[error(transparent)]
    Cloud(cloud::Error),
    /// Something else failed.
    #[error(transparent)]
    Failed(#[from] Error),
}

/// A wait, rounded up, as people say it.
fn seconds(wait: Duration) -> String {
    match wait.whole_seconds() + 1 {
        ..=1 => "a second".to_owned(),
        many @ 2..=120 => format!("{many} seconds"),
        many => format!("{} minutes", (many + 59) / 60),
    }
}

impl LoginError {
    /// For `Retry-After` (RFC 9110 §10.2.3), where waiting helps.
    pub fn retry_after_seconds(&self) -> Option<i64> {
        match self {
            Self::TooMany { retry_after } => Some(retry_after.whole_seconds() + 1),
            _ => None,
        }
    }
}

impl From<sqlx::Error> for LoginError {
    fn from(error: sqlx::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// Failures are forgotten after this long without one.
const FORGET: Duration = Duration::hours(1);
/// Free failures, and the longest wait: for a name from an address, an address, a name.
const PACES: [(i64, i64); 3] = [(5, 900), (30, 900), (100, 60)];

impl Accounts {
    /// The user behind a name, a password and, where the user has one, a second factor's code.
    ///
    /// # Errors
    /// [`LoginError`] says why not.
    pub async fn log_in(
        &self,
        name: &str,
        password: &str,
        code: Option<&str>,
        address: &str,
    ) -> Result<User, LoginError> {
        let user = self.user_by_name(name).await?;
        self.judge(user, name, password, code, address).await
    }

    /// The same by the user's identifier, as the API may give it.
    ///
    /// # Errors
    /// [`LoginError`] says why not.
    pub async fn log_in_by_id(
        &self,
        id: &str,
        password: &str,
        code: Option<&str>,
        address: &str,
    ) -> Result<User, LoginError> {
        let user = self.user(id).await?;
        let name = user.as_ref().map_or_else(|| id.to_owned(), |user| user.name.clone());
        self.judge(user, &name, password, code, address).await
    }

    async fn judge(
        &self,
        user: Option<User>,
        name: &str,
        password: &str,
        code: Option<&str>,
        address: &str,
    ) -> Result<User, LoginError> {
        let keys = pace_keys(name, address);
        self.check_pace(&keys).await?;
        let (hash, secret, step) = match &user {
            Some(user) => {
                let row =
                    sqlx::query("SELECT password, totp_secret, totp_step FROM users WHERE id = $1")
                        .bind(&user.id)
                        .fetch_one(self.store.read())
                        .await?;
                (
                    row.try_get::<String, _>("password")?,
                    row.try_get::<String, _>("totp_secret")?,
                    row.try_get::<i64, _>("totp_step")?,
                )
            }
            None => (String::new(), String::new(), 0),
        };
        let right = self.matches(password, (!hash.is_empty()).then_some(hash.as_str())).await?;
        let Some(user) = user.filter(|user| right && user.enabled) else {
            self.count_failure(&keys).await?;
            return Err(LoginError::Wrong);
        };
        if !secret.is_empty() {
            let Some(code) = code.map(str::trim).filter(|code| !code.is_empty()) else {
                return Err(LoginError::NeedsCode);
            };
            let used = totp::matching_step(&secret, code, now().unix_timestamp());
            let fresh = match used {
                Some(used) if used > step => {
                    sqlx::query("UPDATE users SET totp_step = $1 WHERE id = $2 AND totp_step < $1")
                        .bind(used)
                        .bind(&user.id)
                        .execute(self.store.write())
                        .await?
                        .rows_affected()
                        > 0
                }
                _ => false,
            };
            if !fresh {
                self.count_failure(&keys).await?;
                return Err(LoginError::WrongCode);
            }
        }
        self.forget_failures(&keys).await?;
        Ok(user)
    }

    /// Someone behind an account of the cloud's own, at the same pace.
    ///
    /// # Errors
    /// [`LoginError`] says why nobody is.
    pub async fn log_in_elsewhere(
        &self,
        own: &dyn OwnAccounts,
        with: Credentials<'_>,
        address: &str,
    ) -> Result<Person, LoginError> {
        let domain = if with.domain.is_empty() { own.domain() } else { with.domain };
        let keys = pace_keys(&format!("{}@{domain}", with.name), address);
        self.check_pace(&keys).await?;
        match own.log_in(with).await {
            Ok(person) => {
                self.forget_failures(&keys).await?;
                Ok(person)
            }
            Err(Refusal::Wrong(words)) => {
                self.count_failure(&keys).await?;
                Err(LoginError::Refused(words))
            }
            Err(Refusal::NeedsCode) => Err(LoginError::NeedsCode),
            Err(Refusal::Failed(error)) => Err(LoginError::Cloud(error)),
        }
    }

    async fn forget_failures(&self, keys: &[String; 3]) -> Result<(), LoginError> {
        for key in [&keys[0], &keys[2]] {
            sqlx::query("DELETE FROM pace WHERE name = $1")
                .bind(key)
                .execute(self.store.write())
                .await?;
        }
        Ok(())
    }

    /// Whether this is the user's own password, asked again before something serious.
    ///
    /// # Errors
    /// [`LoginError::Wrong`] and [`LoginError::TooMany`], or when the store fails.
    pub async fn confirm_password(
        &self,
        user: &User,
        password: &str,
        address: &str,
    ) -> Result<(), LoginError> {
        let keys = pace_keys(&user.name, address);
        self.check_pace(&keys).await?;
        let hash: Option<String> = sqlx::query_scalar("SELECT password FROM users WHERE id = $1")
            .bind(&user.id)
            .fetch_optional(self.store.read())
            .await?;
        if self.matches(password, hash.as_deref().filter(|hash| !hash.is_empty())).await? {
            Ok(())
        } else {
            self.count_failure(&keys).await?;
            Err(LoginError::Wrong)
        }
    }

    async fn check_pace(&self, keys: &[String; 3]) -> Result<(), LoginError> {
        let at = now();
        let mut wait = Duration::ZERO;
        for (key, (free, longest)) in keys.iter().zip(PACES) {
            let row = sqlx::query("SELECT failures, last_at FROM pace WHERE name = $1")
                .bind(key)
                .fetch_optional(self.store.read())
                .await?;
            let Some(row) = row else { continue };
            let last = time_of(row.try_get("last_at")?);
            let until = last + pause_after(row.try_get("failures")?, free, longest);
            if at < until && at - last < FORGET {
                wait = wait.max(until - at);
            }
        }
        if wait > Duration::ZERO { Err(LoginError::TooMany { retry_after: wait }) } else { Ok(()) }
    }

    async fn count_failure(&self, keys: &[String; 3]) -> Result<(), LoginError> {
        let at = now();
        let mut tx = self.store.begin().await?;
        sqlx::query("DELETE FROM pace WHERE last_at < $1")
            .bind(micros(at - FORGET))
            .execute(&mut *tx)
            .await?;
        for key in keys {
            sqlx::query(
                "INSERT INTO pace (name, failures, last_at) VALUES ($1, 1, $2) \
                 ON CONFLICT (name) DO UPDATE SET failures = pace.failures + 1, \
                 last_at = excluded.last_at",
            )
            .bind(key)
            .bind(micros(at))
            .execute(&mut *tx)
            .await?;
        }
        tx.commit().await?;
        Ok(())
    }
}

impl From<crate::store::Error> for LoginError {
    fn from(error: crate::store::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// What failures are counted for. A name of any length becomes a key of one length.
fn pace_keys(name: &str, address: &str) -> [String; 3] {
    let name = super::digest(&folded(name));
    [format!("both:{name}@{address}"), format!("address:{address}"), format!("name:{name}")]
}

fn pause_after(failures: i64, free: i64, longest: i64) -> Duration {
    let beyond = failures - free;
    if beyond < 0 {
        return Duration::ZERO;
    }
    Duration::seconds((1i64 << beyond.min(20)).min(longest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_limit() {
        let pauses: Vec<i64> =
            [0, 4, 5, 6, 9, 30, 1000].map(|n| pause_after(n, 5, 900).whole_seconds()).to_vec();
        assert_eq!(pauses, [0, 0, 1, 2, 16, 900, 900]);
    }
}
