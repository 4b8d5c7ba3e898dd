//! Tokens for the API, in the way of Keystone: opaque, scoped to one project or to none, ended by
//! time, by revocation, and by everything that ends the user.

use sqlx::Row;
use time::{Duration, OffsetDateTime};

use super::{
    Accounts, Error, Project, Role, User, digest, new_id, random_text, role_number, role_of_number,
};
use crate::store::{micros, now, time_of};

/// How long a token is good for.
pub const TOKEN_LIFE: Duration = Duration::hours(12);

/// What a token stands for, looked up anew at every use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Whose it is.
    pub user: User,
    /// The project it is scoped to, with the role there now.
    pub scope: Option<(Project, Role)>,
    /// How its owner proved itself: `password`, `token`, `application_credential`.
    pub method: String,
    /// The application credential it came from.
    pub credential_id: Option<String>,
    /// Whether it may make and delete application credentials.
    pub unrestricted: bool,
    /// A name for it that is no secret.
    pub audit_id: String,
    /// When it was issued.
    pub issued_at: OffsetDateTime,
    /// When it ends.
    pub expires_at: OffsetDateTime,
}

/// A token to issue.
#[derive(Clone, Copy, Debug)]
pub struct TokenRequest<'a> {
    /// Whose.
    pub user_id: &'a str,
    /// For which project, in which the user has a role.
    pub project_id: Option<&'a str>,
    /// See [`Token::method`].
    pub method: &'a str,
    /// See [`Token::credential_id`].
    pub credential_id: Option<&'a str>,
    /// Its end where that is nearer than [`TOKEN_LIFE`]: a token got by a token lives no longer.
    pub expires_at: Option<OffsetDateTime>,
    /// The most it may do in the project.
    pub role_cap: Option<Role>,
}

impl Accounts {
    /// Issues one: the secret, told once, and what it stands for.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the user or its role in the project is not there.
    pub async fn issue_token(&self, request: TokenRequest<'_>) -> Result<(String, Token), Error> {
        let at = now();
        let end = at + TOKEN_LIFE;
        let end = request.expires_at.map_or(end, |limit| limit.min(end));
        let secret = random_text()?;
        sqlx::query("DELETE FROM tokens WHERE expires_at < $1")
            .bind(micros(at))
            .execute(self.store.write())
            .await?;
        sqlx::query(
            "INSERT INTO tokens (hash, user_id, project_id, credential_id, method, audit_id, \
             role_cap, issued_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(digest(&secret))
        .bind(request.user_id)
        .bind(request.project_id.unwrap_or_default())
        .bind(request.credential_id.unwrap_or_default())
        .bind(request.method)
        .bind(new_id())
        .bind(request.role_cap.map_or(3, role_number))
        .bind(micros(at))
        .bind(micros(end))
        .execute(self.store.write())
        .await?;
        if let Some(token) = self.validate_token(&secret).await? {
            return Ok((secret, token));
        }
        self.revoke_token(&secret).await?;
        Err(Error::NotFound("The user has no role in that project.".to_owned()))
    }

    /// What a token stands for, or nothing when it is not good: unknown, ended, revoked, its user
    /// or project disabled, the role or the application credential gone.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn validate_token(&self, secret: &str) -> Result<Option<Token>, Error> {
        let row = sqlx::query(
            "SELECT user_id, project_id, credential_id, method, audit_id, role_cap, issued_at, \
             expires_at FROM tokens WHERE hash = $1 AND expires_at > $2",
        )
        .bind(digest(secret))
        .bind(micros(now()))
        .fetch_optional(self.store.read())
        .await?;
        let Some(row) = row else { return Ok(None) };
        let user_id: String = row.try_get("user_id")?;
        let Some(user) = self.user(&user_id).await?.filter(|user| user.enabled) else {
            return Ok(None);
        };
        let project_id: String = row.try_get("project_id")?;
        let cap = role_of_number(row.try_get("role_cap")?)?;
        let scope = if project_id.is_empty() {
            None
        } else {
            let role = self.role_in(&user_id, &project_id).await?;
            match (role, self.project(&project_id).await?) {
                (Some(role), Some(project)) => Some((project, role.min(cap))),
                _ => return Ok(None),
            }
        };
        let credential_id: String = row.try_get("credential_id")?;
        let mut unrestricted = true;
        if !credential_id.is_empty() {
            match self.credential(&credential_id).await? {
                Some(credential) => unrestricted = credential.unrestricted,
                None => return Ok(None),
            }
        }
        Ok(Some(Token {
            user,
            scope,
            method: row.try_get("method")?,
            credential_id: (!credential_id.is_empty()).then_some(credential_id),
            unrestricted,
            audit_id: row.try_get("audit_id")?,
            issued_at: time_of(row.try_get("issued_at")?),
            expires_at: time_of(row.try_get("expires_at")?),
        }))
    }

    /// Ends one at once; `false` when there was none.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn revoke_token(&self, secret: &str) -> Result<bool, Error> {
        let done = sqlx::query("DELETE FROM tokens WHERE hash = $1")
            .bind(digest(secret))
            .execute(self.store.write())
            .await?;
        Ok(done.rows_affected() > 0)
    }
}
