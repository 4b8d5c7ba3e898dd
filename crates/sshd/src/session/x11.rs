//! X11 forwarding: a display that programs of a session connect to, and that the client's machine
//! shows. RFC 4254 §6.3.

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Stdio};

use zeroize::Zeroizing;

use super::Session;
use super::forward::bind;
use crate::environment::Environment;
use crate::requests::{Error, FromSession, SecretBytes, X11Settings};
use crate::sys::process::ChildSetup;

/// Display 0 listens here, display 1 on the next port.
const FIRST_PORT: u32 = 6000;
/// Displays from here on are not looked at, as OpenSSH has it.
const DISPLAYS: u32 = 1000;
/// The names and values of authorization protocols are short.
const WORD_BYTES: usize = 1024;

/// The display of one session.
pub(super) struct Display {
    listeners: Vec<TcpListener>,
    /// For `DISPLAY`.
    name: String,
    /// For xauth.
    entry: String,
    protocol: String,
    cookie: Zeroizing<String>,
    /// The first connection is the last one.
    single_connection: bool,
}

/// What the client asked for.
pub(super) struct Wanted {
    pub(super) single_connection: bool,
    pub(super) protocol: String,
    pub(super) cookie: SecretBytes,
    pub(super) screen: u32,
}

impl Display {
    fn open(settings: &X11Settings, wanted: Wanted) -> Result<Self, String> {
        let cookie = std::str::from_utf8(&wanted.cookie.0).unwrap_or_default();
        if !is_harmless(&wanted.protocol) || !is_harmless(cookie) {
            return Err("Invalid X11 forwarding data".to_owned());
        }
        if std::fs::metadata(&settings.xauth).is_err() {
            return Err("No xauth program; cannot forward X11.".to_owned());
        }
        let hosts: [IpAddr; 2] = if settings.use_localhost {
            [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
        } else {
            [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()]
        };
        let (number, listeners) = (settings.display_offset..DISPLAYS)
            .find_map(|number| Some((number, listen(&hosts, number)?)))
            .ok_or("Failed to allocate internet-domain X11 display socket.")?;
        let screen = wanted.screen;
        let (name, entry) = if settings.use_localhost {
            (format!("localhost:{number}.{screen}"), format!("unix:{number}.{screen}"))
        } else {
            let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
            let name = format!("{host}:{number}.{screen}");
            (name.clone(), name)
        };
        Ok(Display {
            listeners,
            name,
            entry,
            protocol: wanted.protocol,
            cookie: Zeroizing::new(cookie.to_owned()),
            single_connection: wanted.single_connection,
        })
    }

    /// For `DISPLAY`.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The listening sockets, in the order of [`Session::accept_x11`].
    pub(super) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.listeners.iter().map(TcpListener::as_fd)
    }

    /// One line for a `~/.ssh/rc` to hand on to xauth.
    pub(super) fn cookie_line(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("{} {}\n", self.protocol, *self.cookie))
    }
}

/// Listens for a display, in every address family there is; nothing when it is somebody else's.
fn listen(hosts: &[IpAddr], number: u32) -> Option<Vec<TcpListener>> {
    let port = u16::try_from(FIRST_PORT.checked_add(number)?).ok()?;
    let mut listeners = Vec::new();
    for host in hosts {
        match bind(SocketAddr::new(*host, port)) {
            Ok(listener) => listeners.push(listener),
            // Whoever has one family would get connections that are meant for us.
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => return None,
            Err(error) => log::debug!("bind {host} port {port}: {error}"),
        }
    }
    (!listeners.is_empty()).then_some(listeners)
}

/// It becomes part of what xauth reads as commands.
fn is_harmless(word: &str) -> bool {
    !word.is_empty()
        && word.len() <= WORD_BYTES
        && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".:/-_".contains(&byte))
}

impl Session {
    /// RFC 4254 §6.3.1. Whether there is a display now.
    pub(super) fn forward_x11(&mut self, channel: u32, wanted: Wanted) -> bool {
        let Some(settings) = &self.start.x11 else {
            log::debug!("X11 forwarding is not permitted for this connection.");
            return false;
        };
        let Some(slot) = self.slots.get_mut(&channel).filter(|slot| slot.may_have_display()) else {
            log::debug!("X11 forwarding was asked for twice, or too late.");
            return false;
        };
        match Display::open(settings, wanted) {
            Ok(display) => {
                slot.display = Some(display);
                true
            }
            Err(why) => {
                log::error!("{why}");
                false
            }
        }
    }

    /// Takes a connection to a display and passes it to the gate.
    pub(super) fn accept_x11(&mut self, channel: u32, at: usize) -> Result<(), Error> {
        let Some(slot) = self.slots.get_mut(&channel) else { return Ok(()) };
        let Some(display) = &mut slot.display else { return Ok(()) };
        let Some(listener) = display.listeners.get(at) else { return Ok(()) };
        let (stream, peer) = match listener.accept() {
            Ok(accepted) => accepted,
            Err(error) => {
                if !matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock
                        | io::ErrorKind::Interrupted
                        | io::ErrorKind::ConnectionAborted
                ) {
                    log::error!("accept on display {}: {error}; it is closed", display.name);
                    display.listeners.clear();
                }
                return Ok(());
            }
        };
        if display.single_connection {
            log::debug!("single X11 connection: display {} is closed", display.name);
            display.listeners.clear();
        }
        let _ = stream.set_nodelay(true);
        let message = FromSession::X11Connection {
            originator_address: peer.ip().to_canonical().to_string(),
            originator_port: u32::from(peer.port()),
        };
        self.gate.send(&message, &[stream.as_fd()])
    }

    /// Lets xauth, as the user, keep the cookie where X11 programs look for it.
    pub(super) fn keep_cookie(
        &self,
        channel: u32,
        variables: &Environment,
        [output, errors]: [&OwnedFd; 2],
    ) {
        let (Some(settings), Some(slot)) = (&self.start.x11, self.slots.get(&channel)) else {
            return;
        };
        let Some(display) = &slot.display else { return };
        let entry = &display.entry;
        let commands = Zeroizing::new(format!(
            "remove {entry}\nadd {entry} {} {}\n",
            display.protocol, *display.cookie
        ));
        log::debug!("Running xauth for {entry}");
        let mut command = Command::new(&settings.xauth);
        command.args(["-q", "-"]).env_clear().envs(variables.iter());
        if let Err(error) = self.feed(&mut command, commands.as_bytes(), [output, errors]) {
            let program = settings.xauth.as_os_str().as_bytes();
            log::error!("cannot run {}: {error}", String::from_utf8_lossy(program));
        }
    }

    /// Runs a program before the session's own, with `input` on its standard input.
    pub(super) fn feed(
        &self,
        command: &mut Command,
        input: &[u8],
        [output, errors]: [&OwnedFd; 2],
    ) -> io::Result<()> {
        command.stdin(Stdio::piped()).stdout(output.try_clone()?).stderr(errors.try_clone()?);
        ChildSetup { new_session: true, directories: self.directories(), ..ChildSetup::default() }
            .install(command);
        let mut child = command.spawn()?;
        if let Some(mut pipe) = child.stdin.take() {
            // It need not read it; and a pipe has room for far more.
            let _ = pipe.write_all(input);
        }
        child.wait().map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_xauth_would_take_for_a_command_is_refused() {
        assert!(is_harmless("MIT-MAGIC-COOKIE-1"));
        assert!(is_harmless("0123abcdef"));
        for bad in ["", "a b", "a\nremove x", "a;b", "\"", "ä"] {
            assert!(!is_harmless(bad), "{bad:?}");
        }
        assert!(!is_harmless(&"a".repeat(WORD_BYTES + 1)));
    }

    #[test]
    fn a_display_in_use_is_passed_over() {
        let hosts = [IpAddr::from(Ipv4Addr::LOCALHOST)];
        let (first, held) =
            (900..DISPLAYS).find_map(|number| Some((number, listen(&hosts, number)?))).unwrap();
        assert!(listen(&hosts, first).is_none());
        drop(held);
        assert!(listen(&hosts, first).is_some());
        assert!(listen(&hosts, u32::MAX).is_none());
    }
}
