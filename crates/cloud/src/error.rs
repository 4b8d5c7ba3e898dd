//! What can go wrong with a cloud, in words for the person who asked.

/// A cloud's answer, or why there is none.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a cloud did not do what it was asked. Every text is fit to be shown to that person.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such thing, or this caller may not see it.
    #[error("{0}")]
    NotFound(String),
    /// It clashes with what is there: a name in use, an action that the state does not allow.
    #[error("{0}")]
    Conflict(String),
    /// The request itself is wrong.
    #[error("{message}")]
    Invalid {
        /// The field it is about, as the API names it (`name`, `public_key`), where there is one.
        field: Option<&'static str>,
        /// What is wrong and what to do.
        message: String,
    },
    /// The caller is known and may not do this.
    #[error("{0}")]
    Forbidden(String),
    /// The caller's token is not, or no longer, good.
    #[error("{0}")]
    Unauthorized(String),
    /// A quota or the machine is exhausted: addresses, memory, disk.
    #[error("{0}")]
    Exhausted(String),
    /// This cloud cannot do that at all.
    #[error("{0}")]
    Unsupported(String),
    /// A part of the cloud does not answer; the rest of it may.
    #[error("{0}")]
    Unreachable(String),
    /// The cloud itself failed; the text says at what.
    #[error("{0}")]
    Internal(String),
}

impl Error {
    /// A wrong field.
    pub fn invalid(field: &'static str, message: impl Into<String>) -> Self {
        Self::Invalid { field: Some(field), message: message.into() }
    }
}
