//! Browser sessions: listed for their owner, ended one by one or all together.

use sqlx::Row;
use sqlx::any::AnyRow;
use time::{Duration, OffsetDateTime};

use super::{Accounts, Error, digest, new_id, random_text};
use crate::store::{micros, now, time_of};

/// A session ends this long after its last use.
pub const IDLE: Duration = Duration::hours(12);
/// And this long after it began, used or not.
pub const LIFE: Duration = Duration::days(14);
/// `seen_at` is written no more often than this.
const SEEN_EVERY: Duration = Duration::minutes(1);

/// A browser that is logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// A name for it that is no secret.
    pub id: String,
    /// Whose.
    pub user_id: String,
    /// The project it works in; empty when there is none.
    pub project_id: String,
    /// What every form of this session carries.
    pub csrf: String,
    /// Where it was begun.
    pub address: String,
    /// What the browser called itself.
    pub agent: String,
    /// When it began.
    pub created_at: OffsetDateTime,
    /// When it was last used, to the minute.
    pub seen_at: OffsetDateTime,
    /// When it ends at the latest.
    pub expires_at: OffsetDateTime,
}

/// A session to begin.
#[derive(Clone, Copy)]
pub struct NewSession<'a> {
    /// Whose.
    pub user_id: &'a str,
    /// The project to begin in; empty for none.
    pub project_id: &'a str,
    /// Where it comes from.
    pub address: &'a str,
    /// The browser's `User-Agent`.
    pub agent: &'a str,
}

const COLUMNS: &str =
    "id, user_id, project_id, csrf, address, agent, created_at, seen_at, expires_at";

impl Accounts {
    /// Begins one: the secret for its cookie, and what it is.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn begin_session(&self, new: NewSession<'_>) -> Result<(String, Session), Error> {
        let at = now();
        let secret = random_text()?;
        let session = Session {
            id: new_id(),
            user_id: new.user_id.to_owned(),
            project_id: new.project_id.to_owned(),
            csrf: random_text()?,
            address: new.address.to_owned(),
            agent: new.agent.chars().filter(|c| !c.is_control()).take(200).collect(),
            created_at: at,
            seen_at: at,
            expires_at: at + LIFE,
        };
        let mut tx = self.store.begin().await?;
        sqlx::query("DELETE FROM sessions WHERE expires_at < $1 OR seen_at < $2")
            .bind(micros(at))
            .bind(micros(at - IDLE))
            .execute(&mut *tx)
            .await?;
        sqlx::query(&format!(
            "INSERT INTO sessions (hash, {COLUMNS}) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
        ))
        .bind(digest(&secret))
        .bind(&session.id)
        .bind(&session.user_id)
        .bind(&session.project_id)
        .bind(&session.csrf)
        .bind(&session.address)
        .bind(&session.agent)
        .bind(micros(session.created_at))
        .bind(micros(session.seen_at))
        .bind(micros(session.expires_at))
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok((secret, session))
    }

    /// The session behind a cookie, while it lasts.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn session(&self, secret: &str) -> Result<Option<Session>, Error> {
        let at = now();
        let row = sqlx::query(&format!(
            "SELECT {COLUMNS} FROM sessions WHERE hash = $1 AND expires_at > $2 AND seen_at > $3"
        ))
        .bind(digest(secret))
        .bind(micros(at))
        .bind(micros(at - IDLE))
        .fetch_optional(self.store.read())
        .await?;
        let Some(row) = row else { return Ok(None) };
        let session = session(&row)?;
        if at - session.seen_at > SEEN_EVERY {
            sqlx::query("UPDATE sessions SET seen_at = $1 WHERE id = $2")
                .bind(micros(at))
                .bind(&session.id)
                .execute(self.store.write())
                .await?;
        }
        Ok(Some(session))
    }

    /// A user's sessions, last used first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn sessions_of(&self, user_id: &str) -> Result<Vec<Session>, Error> {
        let at = now();
        let rows = sqlx::query(&format!(
            "SELECT {COLUMNS} FROM sessions WHERE user_id = $1 AND expires_at > $2 \
             AND seen_at > $3 ORDER BY seen_at DESC"
        ))
        .bind(user_id)
        .bind(micros(at))
        .bind(micros(at - IDLE))
        .fetch_all(self.store.read())
        .await?;
        rows.iter().map(session).collect()
    }

    /// Ends one of a user's sessions; `false` when there is none.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn end_session(&self, user_id: &str, id: &str) -> Result<bool, Error> {
        let done = sqlx::query("DELETE FROM sessions WHERE user_id = $1 AND id = $2")
            .bind(user_id)
            .bind(id)
            .execute(self.store.write())
            .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Ends all of a user's sessions and tokens but one session.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn end_other_sessions(&self, user_id: &str, keep: &str) -> Result<(), Error> {
        self.end_everything_of(user_id, Some(keep)).await
    }

    /// Makes a session work in another project.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the user has no role there.
    pub async fn switch_project(&self, session: &Session, project_id: &str) -> Result<(), Error> {
        if self.role_in(&session.user_id, project_id).await?.is_none() {
            return Err(Error::NotFound("There is no such project.".to_owned()));
        }
        self.put_session_in(session, project_id).await
    }

    /// The same for a guest, whose projects the cloud knows.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn put_session_in(&self, session: &Session, project_id: &str) -> Result<(), Error> {
        sqlx::query("UPDATE sessions SET project_id = $1 WHERE id = $2")
            .bind(project_id)
            .bind(&session.id)
            .execute(self.store.write())
            .await?;
        Ok(())
    }
}

fn session(row: &AnyRow) -> Result<Session, Error> {
    Ok(Session {
        id: row.try_get("id")?,
        user_id: row.try_get("user_id")?,
        project_id: row.try_get("project_id")?,
        csrf: row.try_get("csrf")?,
        address: row.try_get("address")?,
        agent: row.try_get("agent")?,
        created_at: time_of(row.try_get("created_at")?),
        seen_at: time_of(row.try_get("seen_at")?),
        expires_at: time_of(row.try_get("expires_at")?),
    })
}

/// [`LIFE`] for a cookie's `Max-Age`.
pub const SESSION_SECONDS: i64 = LIFE.whole_seconds();
