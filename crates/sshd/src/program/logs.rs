//! Where the log goes and how much of it.

use config::{Choice, ServerSettings};
use net::logging::{self, Destination, Facility, LogLevel, Syslog};
use net::places;

use crate::requests::{LogTarget, SessionStart};

/// Logs as the configuration says, unless the command line says otherwise.
pub(crate) fn start_logging(target: &LogTarget, settings: &ServerSettings) -> LogLevel {
    let level = LogLevel::from_name(settings.log_level.value.word()).unwrap_or(LogLevel::Info);
    let facility = Facility::from_name(settings.syslog_facility.value.word());
    places::set(&settings.log_verbose);
    start_log(target, level, facility.unwrap_or(Facility::AUTH))
}

/// The same in a session, which was told by its monitor.
pub(crate) fn start_session_logging(start: &SessionStart) {
    let facility = Facility::from_name(&start.facility).unwrap_or(Facility::AUTH);
    places::set(&start.log_verbose);
    start_log(&start.log, level_of(start.log_level), facility);
}

fn start_log(target: &LogTarget, level: LogLevel, facility: Facility) -> LogLevel {
    let level = target.level.map_or(level, level_of);
    let destination = if target.stderr {
        Destination::Stderr
    } else {
        Destination::Syslog(Syslog::open(facility, "sshd"))
    };
    logging::init(level, destination);
    level
}

/// A level that was passed as a number.
pub(crate) fn level_of(number: u8) -> LogLevel {
    let levels = [
        LogLevel::Quiet,
        LogLevel::Fatal,
        LogLevel::Error,
        LogLevel::Info,
        LogLevel::Verbose,
        LogLevel::Debug1,
        LogLevel::Debug2,
        LogLevel::Debug3,
    ];
    levels.get(usize::from(number)).copied().unwrap_or(LogLevel::Debug3)
}
