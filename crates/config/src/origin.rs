//! A value together with the place that set it.

use std::fmt;
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Origin {
    /// Nobody set it.
    #[default]
    Default,
    /// An option of the command line.
    CommandLine,
    /// A line of a file, counted from one.
    File {
        /// The file, as it was named to us.
        path: Arc<Path>,
        /// The line.
        line: u32,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            // OpenSSH names the command line like a file, and its options line 0.
            Origin::CommandLine => f.write_str("command-line line 0"),
            Origin::File { path, line } => write!(f, "{} line {line}", path.display()),
        }
    }
}

/// A value and its origin. Dereferences to the value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Setting<T> {
    /// The value in force.
    pub value: T,
    /// What set it.
    pub origin: Origin,
}

impl<T> Setting<T> {
    /// A value with the place that set it.
    pub fn new(value: T, origin: Origin) -> Self {
        Setting { value, origin }
    }

    /// Whether a user or administrator set it, as against the built-in default.
    pub fn is_set(&self) -> bool {
        self.origin != Origin::Default
    }
}

impl<T> From<T> for Setting<T> {
    fn from(value: T) -> Self {
        Setting { value, origin: Origin::Default }
    }
}

impl<T> Deref for Setting<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}
