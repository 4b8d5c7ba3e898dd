//! Application credentials: a secret for a program, for one project, that can be taken back
//! without changing a password.

use sqlx::Row;
use sqlx::any::AnyRow;
use time::OffsetDateTime;

use super::{
    Accounts, Error, Role, User, check_name, new_id, password, random_text, role_number,
    role_of_number,
};
use crate::store::{micros, micros_or_zero, now, time_of, time_or_none};

/// One of a user's application credentials, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// Its identifier.
    pub id: String,
    /// Whose.
    pub user_id: String,
    /// The project it is for.
    pub project_id: String,
    /// Unique for a user.
    pub name: String,
    /// A free description.
    pub description: String,
    /// The most it may do.
    pub role: Role,
    /// Whether it may make and delete application credentials.
    pub unrestricted: bool,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// When it ends, if it does.
    pub expires_at: Option<OffsetDateTime>,
}

/// One to make.
#[derive(Clone, Copy)]
pub struct NewCredential<'a> {
    /// Whose.
    pub user_id: &'a str,
    /// For which project, in which the user has a role.
    pub project_id: &'a str,
    /// See [`Credential::name`].
    pub name: &'a str,
    /// See [`Credential::description`].
    pub description: &'a str,
    /// The secret, where the caller brings its own.
    pub secret: Option<&'a str>,
    /// No more than the user's own role.
    pub role: Option<Role>,
    /// See [`Credential::unrestricted`].
    pub unrestricted: bool,
    /// See [`Credential::expires_at`].
    pub expires_at: Option<OffsetDateTime>,
}

const COLUMNS: &str = "id, user_id, project_id, name, secret, role, unrestricted, description, \
                       created_at, expires_at";

impl Accounts {
    /// Makes one: its secret, told once.
    ///
    /// # Errors
    /// [`Error::Conflict`] for a name in use, [`Error::Invalid`], [`Error::NotFound`] without a
    /// role in the project.
    pub async fn create_credential(
        &self,
        new: NewCredential<'_>,
    ) -> Result<(String, Credential), Error> {
        let name = check_name("name", new.name)?;
        let held = self
            .role_in(new.user_id, new.project_id)
            .await?
            .ok_or_else(|| Error::NotFound("The user has no role in that project.".to_owned()))?;
        let role = new.role.unwrap_or(held);
        if role > held {
            return Err(Error::invalid("roles", "The user does not have that role itself."));
        }
        if new.expires_at.is_some_and(|end| end <= now()) {
            return Err(Error::invalid("expires_at", "That time is past."));
        }
        if new.description.len() > 4096 {
            return Err(Error::invalid("description", "The description is too long."));
        }
        let secret = match new.secret {
            Some("") => return Err(Error::invalid("secret", "The secret is empty.")),
            Some(secret) if secret.len() > password::PASSWORD_BYTES_MAX => {
                return Err(Error::invalid("secret", "The secret is too long."));
            }
            Some(secret) => secret.to_owned(),
            None => random_text()?,
        };
        let credential = Credential {
            id: new_id(),
            user_id: new.user_id.to_owned(),
            project_id: new.project_id.to_owned(),
            name,
            description: new.description.to_owned(),
            role,
            unrestricted: new.unrestricted,
            created_at: now(),
            expires_at: new.expires_at,
        };
        sqlx::query(&format!(
            "INSERT INTO credentials ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
        ))
        .bind(&credential.id)
        .bind(&credential.user_id)
        .bind(&credential.project_id)
        .bind(&credential.name)
        .bind(self.hash(&secret).await?)
        .bind(role_number(role))
        .bind(i64::from(credential.unrestricted))
        .bind(&credential.description)
        .bind(micros(credential.created_at))
        .bind(micros_or_zero(credential.expires_at))
        .execute(self.store.write())
        .await
        .map_err(|error| {
            let error = crate::store::Error::from(error);
            if error.is_duplicate() {
                Error::Conflict(format!(
                    "There is an application credential called {} already.",
                    credential.name
                ))
            } else {
                error.into()
            }
        })?;
        Ok((secret, credential))
    }

    /// A user's, by name.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn credentials_of(&self, user_id: &str) -> Result<Vec<Credential>, Error> {
        let rows = sqlx::query(&format!(
            "SELECT {COLUMNS} FROM credentials WHERE user_id = $1 ORDER BY name"
        ))
        .bind(user_id)
        .fetch_all(self.store.read())
        .await?;
        rows.iter().map(credential).collect()
    }

    /// One by identifier, if it has not ended.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn credential(&self, id: &str) -> Result<Option<Credential>, Error> {
        Ok(self.stored_credential(id).await?.map(|(credential, _)| credential))
    }

    /// Deletes a user's, with the tokens it got; `false` when there is none.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn delete_credential(&self, user_id: &str, id: &str) -> Result<bool, Error> {
        let mut tx = self.store.begin().await?;
        let done = sqlx::query("DELETE FROM credentials WHERE id = $1 AND user_id = $2")
            .bind(id)
            .bind(user_id)
            .execute(&mut *tx)
            .await?;
        if done.rows_affected() > 0 {
            sqlx::query("DELETE FROM tokens WHERE credential_id = $1")
                .bind(id)
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        Ok(done.rows_affected() > 0)
    }

    /// The credential and its user when the secret is right. `which` is its identifier, or its
    /// user's identifier and its name.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn verify_credential(
        &self,
        which: Result<&str, (&str, &str)>,
        secret: &str,
    ) -> Result<Option<(User, Credential)>, Error> {
        let id = match which {
            Ok(id) => Some(id.to_owned()),
            Err((user_id, name)) => {
                sqlx::query_scalar("SELECT id FROM credentials WHERE user_id = $1 AND name = $2")
                    .bind(user_id)
                    .bind(name)
                    .fetch_optional(self.store.read())
                    .await?
            }
        };
        let stored = match id {
            Some(id) => self.stored_credential(&id).await?,
            None => None,
        };
        let hash = stored.as_ref().map(|(_, hash)| hash.as_str());
        if !self.matches(secret, hash).await? {
            return Ok(None);
        }
        let Some((credential, _)) = stored else { return Ok(None) };
        let user = self.user(&credential.user_id).await?.filter(|user| user.enabled);
        Ok(user.map(|user| (user, credential)))
    }

    async fn stored_credential(&self, id: &str) -> Result<Option<(Credential, String)>, Error> {
        let row = sqlx::query(&format!(
            "SELECT {COLUMNS} FROM credentials WHERE id = $1 AND (expires_at = 0 OR expires_at > $2)"
        ))
        .bind(id)
        .bind(micros(now()))
        .fetch_optional(self.store.read())
        .await?;
        row.as_ref().map(|row| Ok((credential(row)?, row.try_get("secret")?))).transpose()
    }
}

fn credential(row: &AnyRow) -> Result<Credential, Error> {
    Ok(Credential {
        id: row.try_get("id")?,
        user_id: row.try_get("user_id")?,
        project_id: row.try_get("project_id")?,
        name: row.try_get("name")?,
        description: row.try_get("description")?,
        role: role_of_number(row.try_get("role")?)?,
        unrestricted: row.try_get::<i64, _>("unrestricted")? != 0,
        created_at: time_of(row.try_get("created_at")?),
        expires_at: time_or_none(row.try_get("expires_at")?),
    })
}
