//! What a connection is for, decided before it is made.

use std::io::{self, IsTerminal};
use std::path::PathBuf;

use config::{ClientConfig, RequestTty, SessionType};

use super::args::Arguments;
use super::session::agent::filter::AllowedKeys;
use crate::messages::info;

/// What the connection is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    /// A login shell.
    Shell,
    /// A command for the server's shell.
    Command(Vec<u8>),
    /// A subsystem.
    Subsystem(String),
    /// A TCP connection from the server to there, on standard input and output.
    Connect(String, u16),
    /// Nothing: `-N`.
    Nothing,
}

/// The plan: made before connecting, because some of it goes out with the first packets.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What for.
    pub purpose: Purpose,
    /// Whether to ask for a terminal.
    pub terminal: bool,
    /// Where the forwarded agent listens, if it is to be forwarded.
    pub agent: Option<PathBuf>,
    /// The only keys of it that may be used, if not all.
    pub agent_keys: Option<AllowedKeys>,
}

impl Plan {
    /// No session at all.
    pub fn nothing() -> Self {
        Plan { purpose: Purpose::Nothing, terminal: false, agent: None, agent_keys: None }
    }

    /// From the command line and the configuration.
    ///
    /// # Errors
    /// Things that exclude each other, in OpenSSH's words.
    pub fn new(
        arguments: &Arguments,
        config: &ClientConfig,
        agent: Option<(PathBuf, Option<AllowedKeys>)>,
    ) -> Result<Plan, String> {
        let purpose = purpose(arguments, config)?;
        let stdin_is_terminal = io::stdin().is_terminal();
        let terminal = match *config.request_tty {
            RequestTty::No => false,
            RequestTty::Force => true,
            asked => {
                let wanted = asked == RequestTty::Yes || purpose == Purpose::Shell;
                let possible = stdin_is_terminal && !*config.stdin_null;
                if wanted && !possible {
                    info!("Pseudo-terminal will not be allocated because stdin is not a terminal.");
                }
                wanted && possible
            }
        };
        let has_session = !matches!(purpose, Purpose::Connect(..) | Purpose::Nothing);
        let (agent, agent_keys) = agent.unzip();
        let agent_keys = agent_keys.flatten();
        Ok(Plan { purpose, terminal: terminal && has_session, agent, agent_keys })
    }
}

fn purpose(arguments: &Arguments, config: &ClientConfig) -> Result<Purpose, String> {
    if let Some((host, port)) = &arguments.stdio_forward {
        return Ok(Purpose::Connect(host.clone(), *port));
    }
    let remote_command = config.remote_command.as_ref();
    if remote_command.is_some() && !arguments.command.is_empty() {
        return Err("Cannot execute command-line and remote command.".to_owned());
    }
    let command = match remote_command {
        Some(command) => command.clone().into_bytes(),
        None => arguments.command.clone(),
    };
    Ok(match *config.session_type {
        SessionType::None => Purpose::Nothing,
        SessionType::Subsystem if command.is_empty() => {
            return Err("You must specify a subsystem to invoke.".to_owned());
        }
        SessionType::Subsystem => Purpose::Subsystem(String::from_utf8_lossy(&command).into()),
        SessionType::Default if command.is_empty() => Purpose::Shell,
        SessionType::Default => Purpose::Command(command),
    })
}
