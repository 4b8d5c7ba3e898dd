//! One-time tickets: whoever may open a console gets one, and the WebSocket takes it once.
//!
//! A browser cannot set headers on a WebSocket, so what is in its address ends up in logs: the
//! ticket is good for one use within a minute, for one server and one user.

use cloud::ConsoleKind;
use sqlx::Row;
use time::Duration;
use uuid::Uuid;

use crate::accounts::{self, digest, random_text};
use crate::store::{Store, micros, now};

/// How long a ticket is good for.
pub const LIFE: Duration = Duration::seconds(60);

/// What a ticket opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Who asked for it.
    pub user_id: String,
    /// In which project.
    pub project_id: String,
    /// The server's region.
    pub region: String,
    /// The server.
    pub server_id: Uuid,
    /// Which of its consoles.
    pub kind: ConsoleKind,
}

impl Store {
    /// Issues one; the caller has seen that the user may open that console.
    ///
    /// # Errors
    /// When the store fails or the system gives no random numbers.
    pub async fn issue_ticket(&self, ticket: &Ticket) -> Result<String, accounts::Error> {
        let secret = random_text()?;
        let at = now();
        sqlx::query("DELETE FROM tickets WHERE expires_at < $1")
            .bind(micros(at))
            .execute(self.write())
            .await?;
        sqlx::query(
            "INSERT INTO tickets (hash, user_id, project_id, region, server_id, kind, expires_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(digest(&secret))
        .bind(&ticket.user_id)
        .bind(&ticket.project_id)
        .bind(&ticket.region)
        .bind(ticket.server_id.to_string())
        .bind(kind_name(ticket.kind))
        .bind(micros(at + LIFE))
        .execute(self.write())
        .await?;
        Ok(secret)
    }

    /// Takes one: the second time there is none.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn take_ticket(&self, secret: &str) -> Result<Option<Ticket>, accounts::Error> {
        let row = sqlx::query(
            "DELETE FROM tickets WHERE hash = $1 AND expires_at > $2 \
             RETURNING user_id, project_id, region, server_id, kind",
        )
        .bind(digest(secret))
        .bind(micros(now()))
        .fetch_optional(self.write())
        .await?;
        let Some(row) = row else { return Ok(None) };
        let server_id: String = row.try_get("server_id")?;
        let kind: String = row.try_get("kind")?;
        Ok(match (Uuid::parse_str(&server_id), kind_from_name(&kind)) {
            (Ok(server_id), Some(kind)) => Some(Ticket {
                user_id: row.try_get("user_id")?,
                project_id: row.try_get("project_id")?,
                region: row.try_get("region")?,
                server_id,
                kind,
            }),
            _ => None,
        })
    }
}

/// The console's name in addresses.
pub fn kind_name(kind: ConsoleKind) -> &'static str {
    match kind {
        ConsoleKind::System => "system",
        ConsoleKind::Shell => "shell",
    }
}

/// The console by that name.
pub fn kind_from_name(name: &str) -> Option<ConsoleKind> {
    match name {
        "system" => Some(ConsoleKind::System),
        "shell" => Some(ConsoleKind::Shell),
        _ => None,
    }
}
