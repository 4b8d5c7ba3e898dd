use std::borrow::Cow;
use std::fmt;

/// How a request went. draft-02 §7.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StatusCode {
    /// All went well.
    Ok,
    /// There is nothing further to read.
    Eof,
    /// A file or folder is not there.
    NoSuchFile,
    /// The user may not.
    PermissionDenied,
    /// Anything else.
    Failure,
    /// The request makes no sense.
    BadMessage,
    /// There is no connection to the server; no server sends this.
    NoConnection,
    /// The connection was lost; no server sends this.
    ConnectionLost,
    /// The server does not do this.
    OpUnsupported,
    /// A number that version 3 does not have.
    Other(u32),
}

use StatusCode::{
    BadMessage, ConnectionLost, Eof, Failure, NoConnection, NoSuchFile, Ok, OpUnsupported, Other,
    PermissionDenied,
};

/// Number and text, which is OpenSSH's.
static CODES: &[(StatusCode, u32, &str)] = &[
    (Ok, 0, "Success"),
    (Eof, 1, "End of file"),
    (NoSuchFile, 2, "No such file"),
    (PermissionDenied, 3, "Permission denied"),
    (Failure, 4, "Failure"),
    (BadMessage, 5, "Bad message"),
    (NoConnection, 6, "No connection"),
    (ConnectionLost, 7, "Connection lost"),
    (OpUnsupported, 8, "Operation unsupported"),
];

impl StatusCode {
    /// From the wire.
    pub fn from_number(number: u32) -> Self {
        CODES.iter().find(|row| row.1 == number).map_or(Other(number), |row| row.0)
    }

    /// For the wire.
    pub fn number(self) -> u32 {
        match self {
            Other(number) => number,
            known => CODES.iter().find(|row| row.0 == known).map_or(4, |row| row.1),
        }
    }

    /// In words.
    pub fn text(self) -> &'static str {
        CODES.iter().find(|row| row.0 == self).map_or("Unknown status", |row| row.2)
    }
}

impl fmt::Display for StatusCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// An answer without a result: a code, and perhaps words of the server's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// What it is.
    pub code: StatusCode,
    /// The server's words; empty for those of the code. What a server sends may hold anything.
    pub text: Cow<'static, str>,
}

impl Status {
    /// The code with words of its own.
    pub fn with_text(code: StatusCode, text: impl Into<Cow<'static, str>>) -> Self {
        Self { code, text: text.into() }
    }

    /// What to tell a user, unescaped.
    pub fn message(&self) -> &str {
        if self.text.is_empty() { self.code.text() } else { &self.text }
    }
}

impl From<StatusCode> for Status {
    fn from(code: StatusCode) -> Self {
        Self { code, text: Cow::Borrowed("") }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl std::error::Error for Status {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_texts() {
        for number in 0..9 {
            assert_eq!(StatusCode::from_number(number).number(), number);
            assert!(!matches!(StatusCode::from_number(number), Other(_)));
        }
        assert_eq!(StatusCode::from_number(31).number(), 31);
        assert_eq!(Status::from(OpUnsupported).message(), "Operation unsupported");
        assert_eq!(Status::with_text(Failure, "disk full").to_string(), "disk full");
    }
}
