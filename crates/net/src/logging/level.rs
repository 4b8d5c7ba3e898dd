//! Levels, by their names here, in the configuration and in the system's log.

use LogLevel::{Debug1, Debug2, Debug3, Error, Fatal, Info, Quiet, Verbose};

use super::{DEBUG2, FATAL, VERBOSE, log};

/// `LogLevel`: how much is logged, and how grave one message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum LogLevel {
    /// Nothing.
    Quiet,
    /// What ends the program.
    Fatal,
    /// What went wrong.
    Error,
    /// What a user or administrator wants to know; the default.
    Info,
    /// A little more.
    Verbose,
    /// For finding problems (`-v`).
    Debug1,
    /// More of it (`-vv`).
    Debug2,
    /// All of it (`-vvv`).
    Debug3,
}

/// Name in the configuration and prefix of lines; on a terminal FATAL and ERROR go without theirs.
pub(super) static LEVELS: &[(LogLevel, &str, &str)] = &[
    (Quiet, "QUIET", ""),
    (Fatal, "FATAL", "fatal: "),
    (Error, "ERROR", "error: "),
    (Info, "INFO", ""),
    (Verbose, "VERBOSE", ""),
    (Debug1, "DEBUG", "debug1: "),
    (Debug1, "DEBUG1", "debug1: "),
    (Debug2, "DEBUG2", "debug2: "),
    (Debug3, "DEBUG3", "debug3: "),
];

impl LogLevel {
    /// The level of that name, in any case; `DEBUG` is `DEBUG1`.
    pub fn from_name(name: &str) -> Option<Self> {
        let row = LEVELS.iter().find(|row| row.1.eq_ignore_ascii_case(name));
        row.map(|row| row.0)
    }

    /// The level that so many `-v` stand for.
    pub fn from_verbosity(count: u32) -> Self {
        match count {
            0 => Info,
            1 => Debug1,
            2 => Debug2,
            _ => Debug3,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// What stands before a message in a log file or the system's log.
    pub(super) fn prefix(self) -> &'static str {
        self.row().2
    }

    fn row(self) -> &'static (LogLevel, &'static str, &'static str) {
        // The last of the two debug rows has the proper name. Every level has a row.
        LEVELS.iter().rfind(|row| row.0 == self).unwrap_or(&LEVELS[0])
    }

    pub(super) fn of(record: &log::Metadata<'_>) -> Self {
        match (record.level(), record.target()) {
            (log::Level::Error, FATAL) => Fatal,
            (log::Level::Error, _) => Error,
            (log::Level::Info, VERBOSE) => Verbose,
            (log::Level::Warn | log::Level::Info, _) => Info,
            (log::Level::Debug, _) => Debug1,
            (log::Level::Trace, DEBUG2) => Debug2,
            (log::Level::Trace, _) => Debug3,
        }
    }

    /// The severity of syslog(3).
    pub(super) fn severity(self) -> u8 {
        match self {
            Fatal => 2,
            Error => 3,
            Info | Verbose => 6,
            // Of level QUIET is what is logged whatever the level.
            Quiet | Debug1 | Debug2 | Debug3 => 7,
        }
    }

    pub(super) fn filter(self) -> log::LevelFilter {
        match self {
            Quiet => log::LevelFilter::Off,
            Fatal | Error => log::LevelFilter::Error,
            Info | Verbose => log::LevelFilter::Info,
            Debug1 => log::LevelFilter::Debug,
            Debug2 | Debug3 => log::LevelFilter::Trace,
        }
    }
}
