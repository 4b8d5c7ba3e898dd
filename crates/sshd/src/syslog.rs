//! Where the server's log lines go, by its flags and its configuration.
//!
//! The sink itself is [`net::logging`], which the client shares; the gate, which has no files, hands its lines to
//! the monitor with [`net::logging::Destination::Handler`].

use net::logging::{self, Destination, Facility, LogLevel, Syslog};
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// The name under which the server appears in the system's log.
const TAG: &str = "sshd";

/// What decides where lines go.
#[derive(Clone, Copy, Debug)]
pub struct Settings<'a> {
    /// `-d`, `-e` or `-t`: standard error.
    pub stderr: bool,
    /// `-E`: this file, appended to.
    pub file: Option<&'a Path>,
    /// `SyslogFacility`.
    pub facility: Facility,
    /// `LogLevel`, or what `-d` makes of it.
    pub level: LogLevel,
}

/// Starts logging, or changes over when logging has been started already.
///
/// # Errors
/// When the file of `-E` cannot be opened; logging is then as before.
pub fn start(settings: &Settings<'_>) -> io::Result<()> {
    let destination = match settings.file {
        Some(path) => {
            Destination::File(OpenOptions::new().append(true).create(true).mode(0o600).open(path)?)
        }
        None if settings.stderr => Destination::Stderr,
        None => Destination::Syslog(Syslog::open(settings.facility, TAG)),
    };
    logging::init(settings.level, destination);
    Ok(())
}
