//! The server started: detached, in the foreground, or for one connection on standard input.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

use net::logging::{self, Destination, LogLevel};

use super::{Generation, Setup, complain, level_of};
use crate::flags::Flags;
use crate::listener::{self, Listener, sockets};
use crate::program::check::exit_status_of;
use crate::requests::{Channel, ListenerNews, MonitorStart};
use crate::settings::Sealed;
use crate::spawn::{self, PROGRAM_NAME};
use crate::sys::process::{self, ChildSetup};
use crate::{exit, gate, monitor};

/// The role of a listener that has left its terminal.
pub(super) const LISTENER: &str = "sshd-listener";

pub(super) fn serve(flags: Flags, detached: bool, arguments: &[OsString]) -> i32 {
    let stays = flags.foreground || flags.debug > 0 || flags.inetd || detached;
    if !stays {
        return detach(arguments);
    }
    crate::sys::descriptors::close_on_exec_from(3);
    // Before anything else uses standard input.
    let parent = if detached { spawn::parent_channel().ok() } else { None };
    let setup = match Setup::new(flags) {
        Ok(setup) => setup,
        Err(error) => {
            complain(&error);
            return exit::FAILED;
        }
    };
    // Until the configuration says otherwise, whoever started the program is told.
    logging::init(setup.log_target().level.map_or(LogLevel::Info, level_of), Destination::Stderr);
    let generation = match setup.read() {
        Ok(generation) => generation,
        Err(error) => {
            complain(&error);
            return exit_status_of(&error);
        }
    };
    let _ = process::forbid_dumps();
    let _ = rustix::process::chdir("/");
    setup.apply_logging(&generation.settings);
    if !rustix::process::geteuid().is_root() {
        log::info!(
            "This server runs without root's rights: only the user it runs as can log in, and passwords cannot be checked."
        );
    }
    if setup.flags.inetd {
        return serve_standard_input(&setup, generation);
    }
    spawn::find_connection_program();
    let listener = match Listener::start(&setup, generation) {
        Ok(listener) => listener,
        Err(error) => {
            log::error!(target: logging::FATAL, "{error}");
            if !setup.stderr {
                complain(&error);
            }
            return exit::FAILED;
        }
    };
    if let Some(parent) = parent {
        let _ = parent.send(&ListenerNews::Ready, &[]);
        if !setup.stderr
            && let Ok(null) = std::fs::OpenOptions::new().write(true).open("/dev/null")
        {
            let _ = rustix::stdio::dup2_stderr(&null);
        }
    }
    listener.run()
}

/// Leaves the terminal: the program is executed again in a session of its own,
/// and this process ends when that one listens.
fn detach(arguments: &[OsString]) -> i32 {
    let started = Channel::pair().and_then(|(ours, theirs)| {
        use std::os::unix::process::CommandExt;
        let mut command = Command::new("/proc/self/exe");
        command.arg0(PROGRAM_NAME).arg(LISTENER).args(arguments);
        command.stdin(Stdio::from(theirs.into_descriptor())).stdout(Stdio::null());
        ChildSetup { new_session: true, ..ChildSetup::default() }.install(&mut command);
        let child = command.spawn()?;
        drop(command);
        Ok((child, ours))
    });
    let (mut child, channel) = match started {
        Ok(started) => started,
        Err(error) => {
            complain(&format!("cannot start the server: {error}"));
            return exit::FAILED;
        }
    };
    match channel.receive::<ListenerNews>() {
        Ok((ListenerNews::Ready, _)) => 0,
        // It has said why.
        Err(_) => child.wait().ok().and_then(|status| status.code()).unwrap_or(exit::FAILED),
    }
}

/// `-i`: the connection is on standard input and output, pipes as good as a socket.
fn serve_standard_input(setup: &Setup, generation: Generation) -> i32 {
    let descriptors = standard_streams(setup);
    let Ok(transport) = descriptors else {
        log::error!("standard input and output are not open");
        return exit::FAILED;
    };
    let address =
        |find: fn(&OwnedFd) -> Option<std::net::SocketAddr>| transport.first().and_then(find);
    let ends = listener::ends(
        address(sockets::remote_address),
        address(sockets::local_address),
        transport.first().map(crate::sys::descriptors::domain_of).unwrap_or_default(),
    );
    let sealed = match Sealed::open(generation.sealed) {
        Ok(sealed) => sealed,
        Err(error) => {
            log::error!("{error}");
            return exit::FAILED;
        }
    };
    let start = MonitorStart { log: setup.log_target(), ends, alone: true };
    monitor::run(start, sealed, transport, None)
}

fn standard_streams(setup: &Setup) -> std::io::Result<Vec<OwnedFd>> {
    use rustix::io::fcntl_dupfd_cloexec;
    let input = fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
    let output = fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3)?;
    let (in_status, out_status) = (rustix::fs::fstat(&input)?, rustix::fs::fstat(&output)?);
    let null = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    if !setup.stderr {
        // With inetd it is the connection as well.
        rustix::stdio::dup2_stderr(&null)?;
    }
    let same = (in_status.st_dev, in_status.st_ino) == (out_status.st_dev, out_status.st_ino);
    let is_socket = rustix::net::sockopt::socket_type(&input).is_ok();
    Ok(if same && is_socket { vec![input] } else { vec![input, output] })
}

/// What a gate is told by its environment: nothing, but in tests of its sandbox.
pub(crate) fn gate_environment() -> Vec<(&'static str, OsString)> {
    if cfg!(debug_assertions) {
        let value = std::env::var_os(gate::TAKEOVER_VARIABLE);
        return value.map(|value| (gate::TAKEOVER_VARIABLE, value)).into_iter().collect();
    }
    Vec::new()
}
