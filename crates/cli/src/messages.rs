//! What a tool tells its user on the side, in the levels and with the wording of OpenSSH's log.
//!
//! The sink is [`net::logging`], which the other crates write to as well. It shows control
//! characters of others' text instead of sending them to the terminal.

use std::fmt::Arguments;
use std::fs::File;
use std::io;
use std::panic::Location;
use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};

pub use net::logging::LogLevel as Level;
use net::logging::{self, Destination, Facility, Syslog};
use net::places;

/// All levels, from nothing to everything.
const LEVELS: [Level; 8] = [
    Level::Quiet,
    Level::Fatal,
    Level::Error,
    Level::Info,
    Level::Verbose,
    Level::Debug1,
    Level::Debug2,
    Level::Debug3,
];

static LEVEL: AtomicU8 = AtomicU8::new(Level::Info as u8);

/// Starts with the default level, on standard error.
pub fn init() {
    logging::init(Level::Info, Destination::Stderr);
}

/// The level in force.
pub fn level() -> Level {
    LEVELS.get(usize::from(LEVEL.load(Ordering::Relaxed))).copied().unwrap_or(Level::Info)
}

/// Chooses the level: a message shows when its own is at most this.
pub fn set_level(level: Level) {
    LEVEL.store(level as u8, Ordering::Relaxed);
    logging::set_level(level);
}

/// One step louder or quieter, for the `~v` and `~V` escapes.
pub fn step_level(louder: bool) {
    let number = usize::from(LEVEL.load(Ordering::Relaxed));
    let next = if louder { number + 1 } else { number.saturating_sub(1) };
    set_level(LEVELS.get(next).copied().unwrap_or(Level::Debug3));
}

/// Sends every later message to the system's log, as this facility.
pub fn log_to_system(facility: &str, program: &str) {
    let facility = Facility::from_name(facility).unwrap_or(Facility::AUTH);
    logging::set_destination(Destination::Syslog(Syslog::open(facility, program)));
}

/// Sends every later message to the end of a file instead of standard error.
///
/// # Errors
/// The file cannot be opened.
pub fn log_to_file(path: &Path) -> io::Result<()> {
    let file = File::options().append(true).create(true).open(path)?;
    logging::set_destination(Destination::File(file));
    Ok(())
}

/// Says one message, if its level shows or its place is one of `LogVerbose`. The macros are shorter.
#[track_caller]
pub fn say(at: Level, text: Arguments<'_>) {
    if at <= level() || places::are_set() {
        let place = Location::caller();
        logging::write_from(at, place.file(), place.line(), &text);
    }
}

/// The reason for giving up.
macro_rules! fatal { ($($arg:tt)*) => { $crate::messages::say($crate::messages::Level::Fatal, format_args!($($arg)*)) } }
/// Something failed.
macro_rules! error { ($($arg:tt)*) => { $crate::messages::say($crate::messages::Level::Error, format_args!($($arg)*)) } }
/// Worth knowing without being asked.
macro_rules! info { ($($arg:tt)*) => { $crate::messages::say($crate::messages::Level::Info, format_args!($($arg)*)) } }
/// Seen with `-v`.
macro_rules! debug { ($($arg:tt)*) => { $crate::messages::say($crate::messages::Level::Debug1, format_args!($($arg)*)) } }
/// Seen with `-vv`.
macro_rules! debug2 { ($($arg:tt)*) => { $crate::messages::say($crate::messages::Level::Debug2, format_args!($($arg)*)) } }

pub(crate) use {debug, debug2, error, fatal, info};
