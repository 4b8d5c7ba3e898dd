//! Users.

use sqlx::Row;
use sqlx::any::AnyRow;
use time::OffsetDateTime;

use super::{Accounts, Error, check_name, folded, new_id, password};
use crate::store::{containing, micros, now, time_of};

/// Someone, or something, that logs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Its identifier for good.
    pub id: String,
    /// The name it logs in by; unique whatever its case.
    pub name: String,
    /// An address to write to, or nothing.
    pub email: String,
    /// Whether it may log in.
    pub enabled: bool,
    /// The project it starts in, or nothing.
    pub default_project: Option<String>,
    /// Whether it has a second factor.
    pub has_totp: bool,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// When its password was last set.
    pub password_at: OffsetDateTime,
}

/// A user to make.
#[derive(Clone, Copy)]
pub struct NewUser<'a> {
    /// See [`User::name`].
    pub name: &'a str,
    /// See [`User::email`].
    pub email: &'a str,
    /// Its password, or none for one that cannot log in by password.
    pub password: Option<&'a str>,
    /// See [`User::default_project`].
    pub default_project: Option<&'a str>,
}

/// What to change of a user; nothing where it says none.
#[derive(Clone, Debug, Default)]
pub struct UserChange {
    /// See [`User::name`].
    pub name: Option<String>,
    /// See [`User::email`].
    pub email: Option<String>,
    /// See [`User::enabled`].
    pub enabled: Option<bool>,
    /// See [`User::default_project`].
    pub default_project: Option<Option<String>>,
}

const COLUMNS: &str =
    "id, name, email, enabled, default_project, totp_secret, created_at, password_at";

impl Accounts {
    /// All users by name, or those with this part in name or address.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn users(&self, search: Option<&str>) -> Result<Vec<User>, Error> {
        let pattern = containing(search.unwrap_or_default());
        let rows = sqlx::query(&format!(
            "SELECT {COLUMNS} FROM users WHERE folded LIKE $1 ESCAPE '\\' \
             OR LOWER(email) LIKE $2 ESCAPE '\\' ORDER BY folded"
        ))
        .bind(&pattern)
        .bind(&pattern)
        .fetch_all(self.store.read())
        .await?;
        rows.iter().map(user).collect()
    }

    /// One user by identifier.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn user(&self, id: &str) -> Result<Option<User>, Error> {
        let row = sqlx::query(&format!("SELECT {COLUMNS} FROM users WHERE id = $1"))
            .bind(id)
            .fetch_optional(self.store.read())
            .await?;
        row.as_ref().map(user).transpose()
    }

    /// One user by name, whatever its case.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn user_by_name(&self, name: &str) -> Result<Option<User>, Error> {
        // No name has a zero in it, and PostgreSQL takes no text that has.
        if name.contains('\0') {
            return Ok(None);
        }
        let row = sqlx::query(&format!("SELECT {COLUMNS} FROM users WHERE folded = $1"))
            .bind(folded(name))
            .fetch_optional(self.store.read())
            .await?;
        row.as_ref().map(user).transpose()
    }

    /// Makes one.
    ///
    /// # Errors
    /// [`Error::Conflict`] for a name in use, [`Error::Invalid`] for a field.
    pub async fn create_user(&self, new: NewUser<'_>) -> Result<User, Error> {
        let name = check_name("name", new.name)?;
        let email = check_email(new.email)?;
        let hash = match new.password {
            Some(text) => {
                password::check(text, &name)?;
                self.hash(text).await?
            }
            None => String::new(),
        };
        let (id, at) = (new_id(), now());
        sqlx::query(
            "INSERT INTO users (id, name, folded, email, password, enabled, default_project, \
             totp_secret, totp_step, created_at, password_at) \
             VALUES ($1, $2, $3, $4, $5, 1, $6, '', 0, $7, $8)",
        )
        .bind(&id)
        .bind(&name)
        .bind(folded(&name))
        .bind(&email)
        .bind(&hash)
        .bind(new.default_project.unwrap_or_default())
        .bind(micros(at))
        .bind(micros(at))
        .execute(self.store.write())
        .await
        .map_err(|error| taken(error, &name))?;
        Ok(User {
            id,
            name,
            email,
            enabled: true,
            default_project: new.default_project.map(str::to_owned),
            has_totp: false,
            created_at: at,
            password_at: at,
        })
    }

    /// Changes one. Whoever is disabled loses every session and token at once.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] for a name in use and for the last administrator
    /// that can log in.
    pub async fn update_user(&self, id: &str, change: UserChange) -> Result<User, Error> {
        let mut user = self.need_user(id).await?;
        if let Some(name) = change.name {
            user.name = check_name("name", &name)?;
        }
        if let Some(email) = change.email {
            user.email = check_email(&email)?;
        }
        if let Some(project) = change.default_project {
            user.default_project = project;
        }
        if let Some(enabled) = change.enabled {
            if user.enabled && !enabled {
                self.keep_an_administrator(id).await?;
            }
            user.enabled = enabled;
        }
        sqlx::query(
            "UPDATE users SET name = $1, folded = $2, email = $3, enabled = $4, \
             default_project = $5 WHERE id = $6",
        )
        .bind(&user.name)
        .bind(folded(&user.name))
        .bind(&user.email)
        .bind(i64::from(user.enabled))
        .bind(user.default_project.as_deref().unwrap_or_default())
        .bind(id)
        .execute(self.store.write())
        .await
        .map_err(|error| taken(error, &user.name))?;
        if !user.enabled {
            self.end_everything_of(id, None).await?;
        }
        Ok(user)
    }

    /// Sets a password and ends all sessions and tokens but `keep`, a session's identifier.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it is too weak, [`Error::NotFound`].
    pub async fn set_password(&self, id: &str, new: &str, keep: Option<&str>) -> Result<(), Error> {
        let user = self.need_user(id).await?;
        password::check(new, &user.name)?;
        let hash = self.hash(new).await?;
        sqlx::query("UPDATE users SET password = $1, password_at = $2 WHERE id = $3")
            .bind(&hash)
            .bind(micros(now()))
            .bind(id)
            .execute(self.store.write())
            .await?;
        self.end_everything_of(id, keep).await
    }

    /// Deletes one with its roles, sessions, tokens and credentials. Servers and keys stay.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] for the last administrator.
    pub async fn delete_user(&self, id: &str) -> Result<(), Error> {
        self.need_user(id).await?;
        self.keep_an_administrator(id).await?;
        let mut tx = self.store.begin().await?;
        for statement in [
            "DELETE FROM roles WHERE user_id = $1",
            "DELETE FROM sessions WHERE user_id = $1",
            "DELETE FROM tokens WHERE user_id = $1",
            "DELETE FROM credentials WHERE user_id = $1",
            "DELETE FROM tickets WHERE user_id = $1",
            "DELETE FROM users WHERE id = $1",
        ] {
            sqlx::query(statement).bind(id).execute(&mut *tx).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    pub(super) async fn need_user(&self, id: &str) -> Result<User, Error> {
        self.user(id).await?.ok_or_else(|| Error::NotFound("There is no such user.".to_owned()))
    }

    /// Refuses what would leave nobody to administer the panel.
    pub(super) async fn keep_an_administrator(&self, without: &str) -> Result<(), Error> {
        let mine: i64 =
            sqlx::query_scalar("SELECT COUNT(*) FROM roles WHERE user_id = $1 AND role = 3")
                .bind(without)
                .fetch_one(self.store.read())
                .await?;
        let others: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM users u JOIN roles r ON r.user_id = u.id \
             WHERE r.role = 3 AND u.enabled = 1 AND u.password <> '' AND u.id <> $1",
        )
        .bind(without)
        .fetch_one(self.store.read())
        .await?;
        if mine > 0 && others == 0 {
            return Err(Error::Conflict(
                "This is the last administrator who can log in; make another one first.".to_owned(),
            ));
        }
        Ok(())
    }

    pub(super) async fn end_everything_of(
        &self,
        id: &str,
        keep_session: Option<&str>,
    ) -> Result<(), Error> {
        let mut tx = self.store.begin().await?;
        sqlx::query("DELETE FROM sessions WHERE user_id = $1 AND id <> $2")
            .bind(id)
            .bind(keep_session.unwrap_or_default())
            .execute(&mut *tx)
            .await?;
        for statement in
            ["DELETE FROM tokens WHERE user_id = $1", "DELETE FROM tickets WHERE user_id = $1"]
        {
            sqlx::query(statement).bind(id).execute(&mut *tx).await?;
        }
        tx.commit().await?;
        Ok(())
    }
}

fn user(row: &AnyRow) -> Result<User, Error> {
    let default_project: String = row.try_get("default_project")?;
    let totp: String = row.try_get("totp_secret")?;
    Ok(User {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        email: row.try_get("email")?,
        enabled: row.try_get::<i64, _>("enabled")? != 0,
        default_project: (!default_project.is_empty()).then_some(default_project),
        has_totp: !totp.is_empty(),
        created_at: time_of(row.try_get("created_at")?),
        password_at: time_of(row.try_get("password_at")?),
    })
}

fn taken(error: sqlx::Error, name: &str) -> Error {
    let error = crate::store::Error::from(error);
    if error.is_duplicate() {
        Error::Conflict(format!("There is a user called {name} already."))
    } else {
        error.into()
    }
}

fn check_email(email: &str) -> Result<String, Error> {
    let email = email.trim();
    let looks_right = email.is_empty()
        || (email.len() <= 254
            && email.split_once('@').is_some_and(|(before, after)| {
                !before.is_empty() && !after.is_empty() && !after.contains('@')
            })
            && !email.chars().any(|c| c.is_control() || c.is_whitespace()));
    if looks_right {
        Ok(email.to_owned())
    } else {
        Err(Error::invalid("email", "This is not an e-mail address."))
    }
}
