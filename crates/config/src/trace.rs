//! What reading a configuration came upon, for explanations.

use crate::keyword::Keyword;
use crate::origin::Origin;

/// One line that was read, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The line.
    pub origin: Origin,
    /// The keyword in its usual spelling.
    pub keyword: String,
    /// What stands behind it, as written.
    pub text: String,
    /// What came of it.
    pub outcome: Outcome,
    /// It was read again, for the name that the host turned out to have.
    pub second_pass: bool,
}

/// What came of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// `Host` or `Match`: the lines below it hold.
    Applies,
    /// `Host` or `Match`: the lines below it do not hold, and why.
    Skipped(String),
    /// A file that was read for an `Include`.
    Read,
    /// The value is in force, or one of several that are.
    Taken,
    /// An earlier line had set the keyword already.
    TooLate(Origin),
    /// It stands below a `Host` or `Match` that does not apply.
    OutOfScope,
}

/// One value in force.
#[derive(Debug, Clone)]
pub struct Effective {
    /// Its keyword.
    pub keyword: &'static Keyword,
    /// The value as the dump prints it.
    pub value: String,
    /// What set it.
    pub origin: Origin,
}
