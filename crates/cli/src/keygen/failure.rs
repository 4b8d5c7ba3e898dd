//! How the tool ends when it does not do what it was asked.

use std::process::ExitCode;

/// Why it did not work.
#[derive(Debug, PartialEq, Eq)]
pub enum Failure {
    /// It gives up; exit code 255.
    Fatal(String),
    /// It has said what went wrong already, or has nothing to say.
    Code(u8),
    /// The flags make no sense; prints how they are used.
    Usage(Option<String>),
}

impl Failure {
    /// What to print.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Fatal(text) => Some(text),
            Self::Usage(text) => text.as_deref(),
            Self::Code(_) => None,
        }
    }

    /// Whether to print how the flags are used.
    pub fn shows_usage(&self) -> bool {
        matches!(self, Self::Usage(_))
    }

    /// What the tool ends with.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Fatal(_) => ExitCode::from(255),
            Self::Code(code) => ExitCode::from(*code),
            Self::Usage(_) => ExitCode::from(1),
        }
    }
}

impl From<String> for Failure {
    fn from(text: String) -> Self {
        Self::Fatal(text)
    }
}

impl From<&str> for Failure {
    fn from(text: &str) -> Self {
        Self::Fatal(text.to_owned())
    }
}
