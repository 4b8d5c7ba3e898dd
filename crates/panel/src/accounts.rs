//! Who may do what: users, projects, roles, passwords, second factors, tokens and sessions.
//!
//! Everything is in the [`Store`], so that several panels on one database agree; nothing is
//! cached.

mod credentials;
mod guests;
mod login;
mod password;
mod projects;
mod sessions;
mod tokens;
mod totp;
mod users;

pub use credentials::{Credential, NewCredential};
pub use guests::{Guests, Presence};
pub use login::LoginError;
pub use password::{PASSWORD_BYTES_MAX, PASSWORD_CHARACTERS_MIN, generate as generate_password};
pub use projects::Project;
pub use sessions::{NewSession, SESSION_SECONDS, Session};
pub use tokens::{Token, TokenRequest};
pub use totp::Enrolment;
pub use users::{NewUser, User, UserChange};

use std::sync::Arc;

use crypto::hash::HashAlgorithm;
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use tokio::sync::Semaphore;

pub use cloud::Role;

use crate::store::{self, Store};

/// Passwords hashed at one time: each takes 19 MiB and a processor.
const HASHES_AT_ONCE: usize = 2;

/// Why an account was not made or changed. The texts are for the person who asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is none by that name or identifier.
    #[error("{0}")]
    NotFound(String),
    /// The name is taken, or the change would lock everybody out.
    #[error("{0}")]
    Conflict(String),
    /// A field is wrong.
    #[error("{message}")]
    Invalid {
        /// Which: `name`, `password`, `role`, ...
        field: &'static str,
        /// What is wrong and what to do.
        message: String,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The machine failed: no memory to hash, no random numbers.
    #[error("{0}")]
    Internal(String),
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl Error {
    fn invalid(field: &'static str, message: impl Into<String>) -> Self {
        Self::Invalid { field, message: message.into() }
    }
}

/// The accounts in a store.
#[derive(Clone)]
pub struct Accounts {
    store: Store,
    hashing: Arc<Semaphore>,
}

impl Accounts {
    /// Those in this store.
    pub fn new(store: Store) -> Self {
        Self { store, hashing: Arc::new(Semaphore::new(HASHES_AT_ONCE)) }
    }
}

/// A role by its name in the API and the pages: `admin`, `member`, `reader`.
pub fn role_from_name(name: &str) -> Option<Role> {
    match name {
        "admin" => Some(Role::Admin),
        "member" => Some(Role::Member),
        "reader" => Some(Role::Reader),
        _ => None,
    }
}

/// The role's name.
pub fn role_name(role: Role) -> &'static str {
    match role {
        Role::Admin => "admin",
        Role::Member => "member",
        Role::Reader => "reader",
    }
}

/// Identifiers for the three roles, which never change.
pub fn role_id(role: Role) -> &'static str {
    match role {
        Role::Admin => "00000000000000000000000000000001",
        Role::Member => "00000000000000000000000000000002",
        Role::Reader => "00000000000000000000000000000003",
    }
}

fn role_number(role: Role) -> i64 {
    match role {
        Role::Reader => 1,
        Role::Member => 2,
        Role::Admin => 3,
    }
}

fn role_of_number(number: i64) -> Result<Role, Error> {
    match number {
        1 => Ok(Role::Reader),
        2 => Ok(Role::Member),
        3 => Ok(Role::Admin),
        other => {
            Err(store::Error::Damaged { table: "roles", reason: format!("role {other}") }.into())
        }
    }
}

/// A fresh identifier, in the form that OpenStack's clients expect.
fn new_id() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

/// 256 random bits as text that needs no escaping anywhere.
///
/// # Errors
/// [`Error::Internal`] when the system gives no random numbers.
pub fn random_text() -> Result<String, Error> {
    let mut bytes = zeroize::Zeroizing::new([0u8; 32]);
    getrandom::fill(bytes.as_mut_slice())
        .map_err(|error| Error::Internal(format!("no random numbers: {error}")))?;
    Ok(BASE64URL_NOPAD.encode(bytes.as_slice()))
}

/// What is stored of a secret with 256 random bits: its hash is enough, and looking it up by the
/// hash tells no one by timing how much of a guess was right.
pub fn digest(secret: &str) -> String {
    HEXLOWER.encode(HashAlgorithm::Sha256.digest(&[secret.as_bytes()]).as_ref())
}

/// How names are compared: no two differ in case only.
fn folded(name: &str) -> String {
    name.trim().to_lowercase()
}

fn check_name(field: &'static str, name: &str) -> Result<String, Error> {
    let name = name.trim();
    if name.is_empty() {
        return Err(Error::invalid(field, "Give a name."));
    }
    if name.chars().count() > 64 {
        return Err(Error::invalid(field, "A name has at most 64 characters."));
    }
    if name.chars().any(char::is_control) {
        return Err(Error::invalid(field, "A name has no control characters."));
    }
    Ok(name.to_owned())
}
