//! A session on a connection that somebody keeps: our descriptors go to the master, and this
//! process waits.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use config::ClientConfig;
use net::signals::{Signal, Signals};
use rustix::process::{self, Pid};

use super::{Call, Control, Outcome, forwards, stdio_target, told};
use crate::messages::{self, Level, debug, debug2, error};
use crate::ssh::mux::control::Heard;
use crate::ssh::mux::message::{Answer, NewSession, Request};
use crate::ssh::purpose::{Plan, Purpose};
use crate::ssh::session::requests;
use crate::sys;
use crate::text::reason;
use crate::ui::terminal::RawTerminal;

/// Runs the call's session to its end.
///
/// # Errors
/// The whole message; what a connection of one's own could do better is no error.
pub fn run(call: &Call<'_>, mut control: Control) -> Result<Outcome, String> {
    if stdio_target(call.plan).is_none() && !forwards(call, &mut control, false) {
        error!("master forward request failed");
        return Ok(Outcome::Unshared);
    }
    if call.plan.purpose == Purpose::Nothing {
        return stay(call, control);
    }
    start(call, control)
}

/// Has nothing to do but its forwards, which last as long as the connection does.
fn stay(call: &Call<'_>, mut control: Control) -> Result<Outcome, String> {
    if *call.config.fork_after_authentication {
        to_background()?;
    }
    let mut signals = catch(&[Signal::Hangup, Signal::Interrupt, Signal::Terminate])?;
    // Whatever it is ends the wait: a master says nothing to who asks for nothing.
    let _ = control.hear(Some(&mut signals));
    Ok(Outcome::Done(255))
}

fn to_background() -> Result<(), String> {
    if sys::fork().map_err(|source| reason(&source))? == sys::Fork::Parent {
        sys::leave_at_once(0);
    }
    sys::leave_terminal();
    Ok(())
}

fn catch(wanted: &[Signal]) -> Result<Signals, String> {
    let wanted: Vec<Signal> =
        wanted.iter().copied().filter(|signal| !signal.is_ignored()).collect();
    Signals::new(&wanted).map_err(|source| format!("signals: {}", reason(&source)))
}

/// The same, whose forwards are there already.
///
/// # Errors
/// As above.
pub fn start(call: &Call<'_>, mut control: Control) -> Result<Outcome, String> {
    let stdio = stdio_target(call.plan);
    let process = control.process;
    let is_stdio = stdio.is_some();
    let request = match stdio {
        Some(target) => Request::Stdio(target),
        None => Request::Session(new_session(call.config, call.plan)),
    };
    let null;
    let (input, output, stderr) = (io::stdin(), io::stdout(), io::stderr());
    let input = if *call.config.stdin_null {
        null = File::open("/dev/null").map_err(|source| reason(&source))?;
        null.as_fd()
    } else {
        input.as_fd()
    };
    let descriptors: [BorrowedFd<'_>; 3] = [input, output.as_fd(), stderr.as_fd()];
    let passed = descriptors.get(..request.descriptors()).unwrap_or_default();
    let session = match control.exchange(&request, passed) {
        Ok(Answer::Opened(_, session)) => session,
        Ok(Answer::Denied(_, why)) if is_stdio => {
            return Err(format!("Master refused stdio forwarding request: {why}"));
        }
        Ok(Answer::Failure(_, why)) if is_stdio => {
            return Err(format!("Stdio forwarding request failed: {why}"));
        }
        other => {
            match other {
                Ok(Answer::Denied(_, why)) => error!("Master refused session request: {why}"),
                Ok(Answer::Failure(_, why)) => {
                    error!("mux_client_request_session: session request failed: {why}");
                }
                Ok(_) => error!("mux_client_request_session: unexpected response from master"),
                Err(source) => error!(
                    "mux_client_request_session: read from master failed: {}",
                    reason(&source)
                ),
            }
            return Ok(Outcome::Unshared);
        }
    };
    debug!("master session id: {session}");
    let in_background = *call.config.fork_after_authentication && !is_stdio;
    if in_background {
        to_background()?;
    }
    let has_terminal = call.plan.terminal && !is_stdio;
    let status = wait(&mut control, process, session, has_terminal && !in_background)?;
    if has_terminal && messages::level() >= Level::Info {
        told(&format!("Shared connection to {} closed.\r\n", call.host));
    }
    Ok(Outcome::Done(match status {
        // Only the low byte can be passed on.
        Some(status) => u8::try_from(status & 0xff).unwrap_or(255),
        None if is_stdio => 0,
        None => 255,
    }))
}

fn new_session(config: &ClientConfig, plan: &Plan) -> NewSession {
    let environment = requests::own_environment(config);
    let set = config.set_env.iter().find(|one| one.value.0 == "TERM" && !one.value.1.is_empty());
    let term = match set {
        Some(set) => set.value.1.clone(),
        None => std::env::var("TERM").unwrap_or_default(),
    };
    let (command, subsystem) = match &plan.purpose {
        Purpose::Command(command) => (command.clone(), false),
        Purpose::Subsystem(name) => (name.clone().into_bytes(), true),
        _ => (Vec::new(), false),
    };
    NewSession {
        terminal: plan.terminal,
        x11: *config.forward_x11,
        agent: plan.agent.is_some(),
        subsystem,
        escape: *config.escape_char,
        term,
        command,
        environment,
    }
}

/// Stays until the master hangs up: the program's status, if it told one. A master takes a client
/// that leaves as the end of its session.
fn wait(
    control: &mut Control,
    process: u32,
    session: u32,
    raw: bool,
) -> Result<Option<u32>, String> {
    let mut signals =
        catch(&[Signal::Hangup, Signal::Interrupt, Signal::Terminate, Signal::WindowChange])?;
    let mut terminal = if raw { RawTerminal::new().ok() } else { None };
    if let Some(terminal) = &mut terminal {
        terminal.enter();
    }
    let mut status = None;
    loop {
        let heard = control
            .hear(Some(&mut signals))
            .map_err(|source| format!("read from master failed: {}", reason(&source)))?;
        match heard {
            Heard::Answer(Answer::Exit(of, told)) if of == session && status.is_none() => {
                debug2!("Received exit status from master {told}");
                status = Some(told);
            }
            Heard::Answer(Answer::NoTerminal(of)) if of == session => drop(terminal.take()),
            Heard::Answer(Answer::Failure(_, why) | Answer::Denied(_, why)) => {
                return Err(format!("master returned error: {why}"));
            }
            Heard::Answer(_) => return Err("unexpected response from master".to_owned()),
            Heard::Signals(caught) => {
                if let Some(signal) = caught.iter().find(|one| **one != Signal::WindowChange) {
                    debug2!("Exiting on signal: {}", signal.number());
                    return Ok(Some(255));
                }
                relay_window_change(process);
            }
            Heard::End => {
                if status.is_none() {
                    debug2!("Control master terminated unexpectedly");
                }
                return Ok(status);
            }
        }
    }
}

/// The master has our terminal, but only we are told that its size changed.
fn relay_window_change(process: u32) {
    let pid = i32::try_from(process).ok().filter(|pid| *pid > 1).and_then(Pid::from_raw);
    if let Some(pid) = pid {
        // A master of another namespace cannot be told.
        let _ = process::kill_process(pid, process::Signal::WINCH);
    }
}
