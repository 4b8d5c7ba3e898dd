//! Uses a connection that somebody keeps.

mod session;

use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use config::{ClientConfig, Connect, ControlMaster, Direction, Forward};

use super::control::{Control, GREETING};
use super::describe;
use super::message::{Answer, Request};
use super::socket;
use crate::messages::{self, Level, debug, error, info, say};
use crate::ssh::purpose::{Plan, Purpose};
use crate::text::reason;
use crate::ui::clean;

/// What a call wants of a master (`-O`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Is one there?
    Check,
    /// Text about the connection.
    ConnectionInformation,
    /// Text about what it is used for.
    Channels,
    /// More forwards.
    Forward,
    /// Fewer.
    Cancel,
    /// A session, for which this end speaks SSH itself.
    Proxy,
    /// The end of all sessions.
    Exit,
    /// No further clients.
    Stop,
}

impl Command {
    /// By its word on the command line.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "check" => Command::Check,
            "conninfo" => Command::ConnectionInformation,
            "channels" => Command::Channels,
            "forward" => Command::Forward,
            "cancel" => Command::Cancel,
            "proxy" => Command::Proxy,
            "exit" => Command::Exit,
            "stop" => Command::Stop,
            _ => return None,
        })
    }
}

/// What came of it.
pub enum Outcome {
    /// It is done; the exit status.
    Done(u8),
    /// A connection of one's own is needed.
    Unshared,
    /// What comes now on this socket is SSH's connection protocol.
    Proxy(UnixStream),
}

/// What a call is about.
pub struct Call<'a> {
    /// Its settings.
    pub config: &'a ClientConfig,
    /// What it is for, unless it only commands.
    pub plan: &'a Plan,
    /// What it commands.
    pub command: Option<Command>,
    /// The name that messages show.
    pub host: &'a str,
}

/// Tries to do with a connection that is there what the call is about.
///
/// # Errors
/// The whole message.
pub fn attempt(call: &Call<'_>) -> Result<Outcome, String> {
    let config = call.config;
    let Some(configured) = config.control_path.as_deref() else {
        return match call.command {
            Some(_) => Err("No ControlPath specified for \"-O\" command".to_owned()),
            None => Ok(Outcome::Unshared),
        };
    };
    match *config.control_master {
        ControlMaster::No => {}
        ControlMaster::Auto | ControlMaster::AutoAsk => debug!("auto-mux: Trying existing master"),
        ControlMaster::Yes | ControlMaster::Ask => return Ok(Outcome::Unshared),
    }
    let path = socket::place(configured);
    let control = match Control::open(&path, GREETING) {
        Ok(control) => control,
        Err(source) => return not_connected(call, &path, &source),
    };
    match call.command {
        None if call.plan.agent.is_some() && call.plan.agent_keys.is_some() => {
            // Which keys its agent shows is not ours to say.
            info!("ssh: the agent is not forwarded over the shared connection (ForwardAgentKeys)");
            let plan = Plan { agent: None, ..call.plan.clone() };
            session::run(&Call { plan: &plan, ..*call }, control)
        }
        None => session::run(call, control),
        Some(command) => obey(call, control, command),
    }
}

/// The same with the master that this process has just become one half of.
///
/// # Errors
/// The whole message.
pub fn attempt_own(call: &Call<'_>, place: Option<PathBuf>) -> Result<u8, String> {
    let failed = || "Failed to connect to new control master".to_owned();
    let place = place.ok_or_else(failed)?;
    let control = Control::open(&place, GREETING)
        .map_err(|source| format!("{}: {}", failed(), reason(&source)))?;
    match session::start(call, control)? {
        Outcome::Done(status) => Ok(status),
        _ => Err(failed()),
    }
}

fn not_connected(call: &Call<'_>, path: &Path, source: &io::Error) -> Result<Outcome, String> {
    let path = path.display();
    let why = match source.kind() {
        io::ErrorKind::TimedOut => "whoever listens there does not answer".to_owned(),
        _ => reason(source),
    };
    let problem = format!("Control socket connect({path}): {why}");
    if call.command.is_some() {
        return Err(problem);
    }
    match source.kind() {
        io::ErrorKind::NotFound => debug!("Control socket \"{path}\" does not exist"),
        io::ErrorKind::ConnectionRefused if *call.config.control_master != ControlMaster::No => {
            debug!("Stale control socket {path}");
        }
        _ => error!("{problem}"),
    }
    Ok(Outcome::Unshared)
}

fn obey(call: &Call<'_>, mut control: Control, command: Command) -> Result<Outcome, String> {
    match command {
        Command::Check => {
            let process = control.process;
            told(&format!("Master running (pid={process})\r\n"));
        }
        Command::Exit => {
            match control.exchange(&Request::Terminate, &[]) {
                // It may be gone before its answer is written.
                Err(source) if source.kind() != io::ErrorKind::InvalidData => {}
                answer => expect_ok(answer, "termination request")?,
            }
            acknowledge("Exit request sent.\r\n");
        }
        Command::Stop => {
            expect_ok(control.exchange(&Request::Stop, &[]), "stop listening request")?;
            acknowledge("Stop listening request sent.\r\n");
        }
        Command::Forward => {
            if !forwards(call, &mut control, false) {
                return Err("master forward request failed".to_owned());
            }
        }
        Command::Cancel => {
            if !forwards(call, &mut control, true) {
                error!("master cancel forward request failed");
            }
        }
        Command::ConnectionInformation => inform(&mut control, "conninfo")?,
        Command::Channels => inform(&mut control, "channels")?,
        Command::Proxy => {
            return match control.exchange(&Request::Proxy, &[]) {
                Ok(Answer::Proxy(_)) => Ok(Outcome::Proxy(control.into_stream())),
                Ok(Answer::Failure(_, why) | Answer::Denied(_, why)) => {
                    Err(format!("master returned error: {why}"))
                }
                Ok(_) => Err("unexpected response from master".to_owned()),
                Err(source) => Err(format!("read from master failed: {}", reason(&source))),
            };
        }
    }
    Ok(Outcome::Done(0))
}

fn expect_ok(answer: io::Result<Answer>, what: &str) -> Result<(), String> {
    match answer {
        Ok(Answer::Ok(_)) => Ok(()),
        Ok(Answer::Denied(_, why)) => Err(format!("Master refused {what}: {why}")),
        Ok(Answer::Failure(_, why)) => Err(format!("{what} failed: {why}")),
        Ok(_) => Err("unexpected response from master".to_owned()),
        Err(source) => Err(format!("read from master failed: {}", reason(&source))),
    }
}

fn inform(control: &mut Control, what: &str) -> Result<(), String> {
    if !control.has_information {
        return Err("master does not support information requests".to_owned());
    }
    match control.exchange(&Request::Information(what.to_owned()), &[]) {
        Ok(Answer::Information(_, text)) => {
            // Who does not read it does not want it.
            let text = clean::visible_lines(&text.replace("\r\n", "\n"));
            let _ = io::stdout().write_all(text.as_bytes());
            Ok(())
        }
        answer => expect_ok(answer, "information request"),
    }
}

/// Opens or closes at the master what the configuration forwards. Whether all went well.
fn forwards(call: &Call<'_>, control: &mut Control, cancel: bool) -> bool {
    let config = call.config;
    let local = config.local_forwards.iter().map(|one| (Direction::Local, &one.value));
    let dynamic = config.dynamic_forwards.iter().map(|one| (Direction::Dynamic, &one.value));
    let remote = config.remote_forwards.iter().map(|one| (Direction::Remote, &one.value));
    let mut all_well = true;
    for (direction, forward) in local.chain(dynamic).chain(remote) {
        all_well &= one_forward(call, control, cancel, direction, forward);
    }
    all_well
}

fn one_forward(
    call: &Call<'_>,
    control: &mut Control,
    cancel: bool,
    direction: Direction,
    forward: &Forward,
) -> bool {
    let about = describe::forward(direction, forward, *call.config.gateway_ports);
    debug!("Requesting {} of {about}", if cancel { "cancellation" } else { "forwarding" });
    let request = if cancel {
        Request::Close(direction, forward.clone())
    } else {
        Request::Open(direction, forward.clone())
    };
    match control.exchange(&request, &[]) {
        Ok(Answer::Ok(_)) => true,
        Ok(Answer::Port(_, port)) if !cancel => {
            let (host, host_port) = match &forward.connect {
                Connect::Tcp { host, port } => (host.as_str(), *port),
                _ => ("", 0),
            };
            say(
                Level::Verbose,
                format_args!("Allocated port {port} for remote forward to {host}:{host_port}"),
            );
            if call.command == Some(Command::Forward) {
                // Who does not read it does not want it.
                let _ = writeln!(io::stdout(), "{port}");
            }
            true
        }
        Ok(Answer::Denied(_, why)) => {
            error!("Master refused forwarding request: {why}");
            false
        }
        Ok(Answer::Failure(_, why)) => {
            error!("mux_client_forward: forwarding request failed: {why}");
            false
        }
        Ok(_) => {
            error!("mux_client_forward: unexpected response from master");
            false
        }
        Err(source) => {
            error!("mux_client_forward: {}", reason(&source));
            false
        }
    }
}

/// A line for the user that is no message of the log.
fn told(line: &str) {
    // Nobody is left to be told.
    let _ = io::stderr().write_all(line.as_bytes());
}

fn acknowledge(line: &str) {
    if messages::level() > Level::Quiet {
        told(line);
    }
}

/// Where `-W` leads.
fn stdio_target(plan: &Plan) -> Option<Connect> {
    match &plan.purpose {
        Purpose::Connect(host, port) => Some(Connect::Tcp { host: host.clone(), port: *port }),
        _ => None,
    }
}
