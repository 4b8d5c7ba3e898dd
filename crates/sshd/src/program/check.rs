//! `-t`, `-T` and `-G`: the configuration checked and printed.

use std::ffi::OsString;
use std::io::Write;

use config::{ConnectionInfo, NoteLevel, ServerConfig, ServerSettings, Step};
use net::logging::{self, Destination, LogLevel};

use super::{Setup, complain};
use crate::accounts::Account;
use crate::exit;
use crate::flags::{Flags, Task};
use crate::program::configuration::{check_commands, load_host_keys};

/// `-t`, `-T` and `-G`.
pub(super) fn test(flags: Flags) -> i32 {
    let checked = Setup::new(flags).and_then(|setup| {
        logging::init(LogLevel::Info, Destination::Stderr);
        let (config, _) = setup.read_config()?;
        for note in config.notes.iter().filter(|note| note.level == NoteLevel::Error) {
            complain(&note.message);
        }
        check_commands(&config.settings)?;
        if setup.flags.task != Task::DumpUnchecked {
            load_host_keys(&config.settings, false)?;
        }
        if setup.flags.task == Task::Test {
            return Ok(None);
        }
        let settings = if setup.flags.connection.is_empty() {
            // Nothing is known of a connection, but `Match all` holds for each.
            config.effective(&ConnectionInfo::default()).map_err(|error| error.to_string())?
        } else {
            described(&config, &setup.flags)?
        };
        Ok(Some(settings.dump()))
    });
    match checked {
        Ok(dump) => {
            let _ = std::io::stdout().write_all(dump.unwrap_or_default().as_bytes());
            0
        }
        Err(error) => {
            complain(&error);
            exit_status_of(&error)
        }
    }
}

/// What holds for the connection that `-C` describes.
fn described(config: &ServerConfig, flags: &Flags) -> Result<ServerSettings, String> {
    with_connection(flags, |connection| {
        config.effective(connection).map_err(|error| error.to_string())
    })
}

/// A configuration, and what it says of one connection.
pub struct Described {
    /// All of it.
    pub config: ServerConfig,
    /// What holds for the connection.
    pub settings: ServerSettings,
    /// What became of the `Match` blocks and their lines.
    pub steps: Vec<Step>,
}

/// What the configuration says of the connection that `-C` names among these arguments.
///
/// # Errors
/// What is wrong with the arguments or the configuration, in lines.
pub fn describe(arguments: &[OsString]) -> Result<Described, String> {
    let flags = Flags::parse(arguments)?;
    let setup = Setup::new(flags)?;
    let (config, _) = setup.read_config()?;
    let mut steps = Vec::new();
    let settings = with_connection(&setup.flags, |connection| {
        let tell = &mut |step| steps.push(step);
        config.effective_traced(connection, tell).map_err(|error| error.to_string())
    })?;
    Ok(Described { config, settings, steps })
}

/// Calls with the connection that `-C` describes.
fn with_connection<T>(
    flags: &Flags,
    call: impl FnOnce(&ConnectionInfo<'_>) -> Result<T, String>,
) -> Result<T, String> {
    let account =
        flags.connection_part("user").and_then(|user| Account::by_name(user).ok().flatten());
    let groups = |_: &str| {
        account.as_ref().and_then(|account| account.group_names().ok()).unwrap_or_default()
    };
    let local_port = match flags.connection_part("lport") {
        None => None,
        Some(port) => Some(port.parse().map_err(|_| {
            format!("Invalid port '{port}' in test mode specification lport={port}")
        })?),
    };
    let connection = ConnectionInfo {
        user: flags.connection_part("user"),
        user_is_invalid: flags.connection_part("invalid-user").is_some(),
        groups: Some(&groups),
        host: flags.connection_part("host"),
        address: flags.connection_part("addr"),
        local_address: flags.connection_part("laddr"),
        local_port,
        routing_domain: flags.connection_part("rdomain"),
        version: crate::SOFTWARE_VERSION,
    };
    call(&connection)
}

/// OpenSSH ends with 1 without host keys and with 255 for a bad configuration.
pub(super) fn exit_status_of(error: &str) -> i32 {
    if error.contains("no hostkeys available") { 1 } else { exit::FAILED }
}
