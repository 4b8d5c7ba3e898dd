//! Accounts that are the cloud's own, and logging in by them.

use std::sync::Arc;

use async_trait::async_trait;
use time::OffsetDateTime;
use zeroize::Zeroizing;

use crate::cloud::{Caller, Role};
use crate::{Error, Result};

/// A cloud's token: in memory only, wiped with its last copy, never shown.
#[derive(Clone)]
pub struct Token(Arc<Zeroizing<String>>);

impl Token {
    /// From the cloud's answer.
    pub fn new(secret: String) -> Self {
        Self(Arc::new(Zeroizing::new(secret)))
    }

    /// The secret itself, for a request's header.
    pub fn expose(&self) -> &str {
        self.0.as_str()
    }
}

/// What a person typed to log in.
#[derive(Clone, Copy)]
pub struct Credentials<'a> {
    /// The account's name.
    pub name: &'a str,
    /// Its domain; empty for the usual one.
    pub domain: &'a str,
    /// Its password.
    pub password: &'a str,
    /// The code of a second factor, where one was typed.
    pub passcode: Option<&'a str>,
}

/// A person who has logged in, in no project yet.
pub struct Person {
    /// The account's identifier.
    pub user_id: String,
    /// Its name.
    pub user_name: String,
    /// The project that it starts in, where the cloud says so.
    pub default_project: Option<String>,
    /// Proof of the login.
    pub token: Token,
    /// When the proof ends.
    pub expires_at: OffsetDateTime,
    /// The projects that it may enter, by name.
    pub projects: Vec<OwnProject>,
}

/// A project of the cloud's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnProject {
    /// Its identifier.
    pub id: String,
    /// Its name.
    pub name: String,
    /// A free description.
    pub description: String,
}

/// A person in a project.
#[derive(Clone)]
pub struct Entry {
    /// For [`Caller::token`].
    pub token: Token,
    /// When it ends.
    pub expires_at: OffsetDateTime,
    /// What the person may do there, as far as role names tell; the cloud itself decides.
    pub role: Role,
}

/// Why nobody was logged in.
#[derive(Debug)]
pub enum Refusal {
    /// Name, domain or password; in the cloud's words.
    Wrong(String),
    /// The password is right, and a code of the second factor is needed.
    NeedsCode,
    /// The cloud did not answer, or failed.
    Failed(Error),
}

/// Accounts of the cloud's own.
#[async_trait]
pub trait OwnAccounts: Send + Sync {
    /// Where they are, for clients' configuration.
    fn address(&self) -> &str;

    /// The domain of a name that comes without one.
    fn domain(&self) -> &str;

    /// Who is behind a name and a password.
    ///
    /// # Errors
    /// [`Refusal`] says why nobody is.
    async fn log_in(&self, credentials: Credentials<'_>) -> std::result::Result<Person, Refusal>;

    /// Enters a project.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] when the login is over or the project is not the person's.
    async fn enter(&self, person: &Token, project_id: &str) -> Result<Entry>;

    /// Ends a token.
    async fn leave(&self, token: &Token);

    /// Whether the cloud has not refused a token of [`Self::enter`] since.
    fn is_good(&self, token: &Token) -> bool;

    /// In whose name the panel itself asks, for orders from its terminal.
    ///
    /// # Errors
    /// [`Error::Unsupported`] when the panel was given no account of its own.
    async fn service(&self) -> Result<Caller>;
}
