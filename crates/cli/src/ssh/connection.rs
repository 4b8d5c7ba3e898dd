//! Reaching the server: TCP, `ProxyCommand`, `ProxyJump`.

use std::env;
use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::Child;
use std::time::{Duration, Instant};

use config::{AddressFamily, ClientConfig};
use net::Transport;
use net::dial::{Dial, Family, set_type_of_service};
use net::proxy;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::Signal;

use super::args::Arguments;
use crate::messages::{self, Level, debug};
use crate::text::reason;

/// How much longer a proxy of our own has, to say first where it got stuck.
const JUMP_GRACE: Duration = Duration::from_millis(500);

/// A way to the server.
pub struct Reached {
    /// The bytes.
    pub transport: Transport,
    /// The server's address, where it is known.
    pub address: Option<SocketAddr>,
    /// The proxy's process.
    pub proxy: Option<Child>,
    /// Our own address, where it is known.
    pub own_address: Option<SocketAddr>,
    /// Its packets are marked for the network.
    pub is_marked: bool,
    /// The connection once more, where this host is to be named by it.
    pub socket: Option<OwnedFd>,
}

impl Reached {
    /// A connection that another process shares with us.
    pub fn over(stream: UnixStream) -> Self {
        Reached::by(Transport::socket(stream.into()))
    }

    /// Over something that tells no addresses.
    fn by(transport: Transport) -> Self {
        Reached {
            transport,
            address: None,
            own_address: None,
            is_marked: false,
            proxy: None,
            socket: None,
        }
    }
}

/// Connects as the configuration says.
///
/// # Errors
/// The whole message.
pub fn reach(
    arguments: &Arguments,
    config: &ClientConfig,
    is_interactive: bool,
) -> Result<Reached, String> {
    reach_marked(arguments, config, is_interactive, true)
}

/// The same; `may_mark`: marked packets are not known to get lost.
///
/// # Errors
/// The whole message.
pub fn reach_marked(
    arguments: &Arguments,
    config: &ClientConfig,
    is_interactive: bool,
    may_mark: bool,
) -> Result<Reached, String> {
    let command = match config.proxy_command.as_deref() {
        Some(command) => {
            let tokens = config.tokens().only("hnpr");
            let command = tokens
                .expand(command)
                .map_err(|problem| format!("ProxyCommand \"{command}\": {problem}"))?;
            Some(command)
        }
        None if config.proxy_jump.is_empty() => None,
        None => Some(jump_command(arguments, config)?),
    };
    match command {
        Some(command) if *config.proxy_use_fdpass => by_descriptor(&command, config),
        Some(command) => by_proxy(&command),
        None => by_tcp(config, is_interactive, may_mark),
    }
}

/// How the configuration has the host dialled.
pub fn dial(config: &ClientConfig) -> Dial {
    Dial {
        family: match *config.address_family {
            AddressFamily::Any => Family::Any,
            AddressFamily::Inet => Family::Inet,
            AddressFamily::Inet6 => Family::Inet6,
        },
        bind_address: config.bind_address.value.clone(),
        bind_interface: config.bind_interface.value.clone(),
        timeout: *config.connect_timeout,
        attempts: *config.connection_attempts,
        keep_alive: *config.tcp_keep_alive,
        ..Dial::new(config.host_name.value.clone(), *config.port)
    }
}

fn by_tcp(config: &ClientConfig, is_interactive: bool, may_mark: bool) -> Result<Reached, String> {
    let dialed = dial(config).connect().map_err(|problem| {
        let attempts = problem.attempts();
        if attempts.len() > 1 {
            for attempt in attempts {
                debug!("{attempt}");
            }
        }
        format!("ssh: {problem}")
    })?;
    for attempt in &dialed.failed {
        debug!("{attempt}");
    }
    let address = dialed.address;
    debug!("Connection established.");
    let class = if is_interactive { config.ip_qos.interactive } else { config.ip_qos.bulk };
    let mut is_marked = false;
    match class {
        None => {}
        Some(_) if !may_mark => {
            debug!("IPQoS: no mark, as marked packets did not arrive there lately");
        }
        Some(class) => match set_type_of_service(&dialed.socket, class) {
            Ok(()) => is_marked = class != 0,
            Err(source) => debug!("set_sock_tos: {}", reason(&source)),
        },
    }
    let own_address = rustix::net::getsockname(&dialed.socket).ok();
    let own_address = own_address.and_then(|own| SocketAddr::try_from(own).ok());
    let wanted = *config.hostbased_authentication;
    let socket = wanted.then(|| dialed.socket.try_clone().ok()).flatten();
    let transport = Transport::socket(dialed.socket);
    let address = Some(address);
    Ok(Reached { address, own_address, is_marked, socket, ..Reached::by(transport) })
}

fn by_proxy(command: &str) -> Result<Reached, String> {
    debug!("Executing proxy command: exec {command}");
    let started = proxy::proxy_command(command)
        .map_err(|source| format!("{command}: {}", reason(&source)))?;
    Ok(Reached { proxy: Some(started.child), ..Reached::by(started.transport) })
}

/// The command connects, passes the connection back and ends.
fn by_descriptor(command: &str, config: &ClientConfig) -> Result<Reached, String> {
    debug!("Executing proxy dialer command: {command}");
    let deadline = config.connect_timeout.map(|timeout| Instant::now() + timeout);
    let socket = proxy::proxy_use_fdpass(command, deadline).map_err(|source| {
        if source.kind() == io::ErrorKind::TimedOut {
            return format!(
                "ssh: the ProxyCommand \"{command}\" passed no connection to {} in time",
                *config.host_name
            );
        }
        format!("{command}: {}", reason(&source))
    })?;
    Ok(Reached::by(Transport::socket(socket)))
}

/// This program again, as a proxy through the last host of the list; the hosts before it are that
/// one's own jumps.
fn jump_command(arguments: &Arguments, config: &ClientConfig) -> Result<String, String> {
    let Some((last, before)) = config.proxy_jump.split_last() else {
        return Err("ProxyJump: no host is named".to_owned());
    };
    let program = env::current_exe().map_err(|source| format!("ProxyJump: {}", reason(&source)))?;
    let mut words = vec![shell_word(&program.to_string_lossy()), "ssh".to_owned()];
    if let Some(user) = &last.user {
        words.extend(["-l".to_owned(), shell_word(user)]);
    }
    if let Some(port) = last.port {
        words.extend(["-p".to_owned(), port.to_string()]);
    }
    if !before.is_empty() {
        words.extend(["-J".to_owned(), shell_word(&config::show_jumps(before))]);
    }
    if let Some(file) = &arguments.config_file {
        words.extend(["-F".to_owned(), shell_word(&file.to_string_lossy())]);
    }
    match messages::level() {
        Level::Debug1 => words.push("-v".to_owned()),
        Level::Debug2 => words.push("-vv".to_owned()),
        Level::Debug3 => words.push("-vvv".to_owned()),
        _ => {}
    }
    if let Some(timeout) = *config.connect_timeout {
        // The whole way has no more time than this, so neither has a part of it.
        words.push(format!("-oConnectTimeout={}", timeout.as_secs().max(1)));
    }
    let host = &*config.host_name;
    words.extend(["-W".to_owned(), shell_word(&format!("[{host}]:{}", *config.port))]);
    words.push("--".to_owned());
    words.push(shell_word(&last.host));
    let command = words.join(" ");
    debug!("Setting implicit ProxyCommand from ProxyJump: {command}");
    Ok(command)
}

/// When `ConnectTimeout` is over, for a way begun at `started`.
pub fn deadline(config: &ClientConfig, started: Instant) -> Option<Instant> {
    let is_jump = config.proxy_command.is_none() && !config.proxy_jump.is_empty();
    let grace = if is_jump { JUMP_GRACE } else { Duration::ZERO };
    config.connect_timeout.map(|timeout| started + timeout + grace)
}

/// What stands between here and the server, for messages; `None` when nothing is known to.
pub fn proxy_name(config: &ClientConfig) -> Option<String> {
    if let Some(command) = config.proxy_command.as_deref() {
        let command = config.tokens().only("hnpr").expand(command);
        return Some(format!("the ProxyCommand \"{}\"", command.unwrap_or_default()));
    }
    (!config.proxy_jump.is_empty())
        .then(|| format!("the jump host {}", config::show_jumps(&config.proxy_jump)))
}

/// A word that the shell takes as it is.
fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=@:,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// How long a proxy may take to end.
const PROXY_GRACE: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };

/// The proxy has nothing more to do. It is told to end, as OpenSSH does, and not waited for long.
pub fn end_proxy(child: &mut Child) {
    let Some(pid) = rustix::process::Pid::from_raw(child.id().cast_signed()) else { return };
    // Gone already is just as well.
    let _ = rustix::process::kill_process(pid, Signal::HUP);
    if let Ok(process) = net::open::process(pid) {
        let mut ending = [PollFd::new(&process, PollFlags::IN)];
        if matches!(rustix::event::poll(&mut ending, Some(&PROXY_GRACE)), Ok(0)) {
            // Below nohup(1) it does not hear the hang-up.
            let _ = rustix::process::kill_process(pid, Signal::TERM);
            let _ = rustix::event::poll(&mut ending, Some(&PROXY_GRACE));
        }
    }
    let _ = child.try_wait();
}

/// In the background there is no terminal to read from or to write to. Standard error stays when
/// the user wants to see messages.
pub fn release_standard_files() {
    let Ok(null) = File::options().read(true).write(true).open("/dev/null") else { return };
    let stderr_too = messages::level() < Level::Debug1;
    // Failing leaves the descriptors as they are, which does no harm.
    let _ = rustix::stdio::dup2_stdin(null.as_fd());
    let _ = rustix::stdio::dup2_stdout(null.as_fd());
    if stderr_too {
        let _ = rustix::stdio::dup2_stderr(null.as_fd());
    }
    // Whoever waits for the end of what it let us inherit must not wait for this process.
    crate::sys::close_inherited();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_for_the_shell() {
        assert_eq!(shell_word("user@host"), "user@host");
        assert_eq!(shell_word("it's $HOME"), "'it'\\''s $HOME'");
        assert_eq!(shell_word(""), "''");
        assert_eq!(shell_word("[::1]:22"), "'[::1]:22'");
    }
}
