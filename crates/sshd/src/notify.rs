//! The service manager: sockets that it passes (sd_listen_fds(3)) and what it wants to hear (sd_notify(3)).

use crate::sys::process;
use std::env;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;

/// The first passed descriptor.
const FIRST_DESCRIPTOR: i32 = 3;
/// More sockets than anybody listens on.
const DESCRIPTORS_MAX: i32 = 256;

/// Takes the listening sockets that the service manager passed. Empty when there are none.
///
/// To be called once, early in `main`, before the process opens anything.
pub fn listening_sockets() -> Vec<OwnedFd> {
    let number = |name: &str| env::var(name).ok()?.parse::<i32>().ok();
    // For another process, which gave its environment on.
    if number("LISTEN_PID") != i32::try_from(std::process::id()).ok() {
        return Vec::new();
    }
    let count = number("LISTEN_FDS").unwrap_or(0).clamp(0, DESCRIPTORS_MAX);
    (FIRST_DESCRIPTOR..FIRST_DESCRIPTOR + count).filter_map(process::inherited_descriptor).collect()
}

/// What the service manager is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Connections are accepted.
    Ready,
    /// The configuration is being read again; [`State::Ready`] follows.
    Reloading,
    /// No more connections are accepted.
    Stopping,
}

/// Tells the service manager, if there is one that listens.
///
/// # Errors
/// When it cannot be reached; nothing depends on it.
pub fn notify(state: State) -> io::Result<()> {
    match env::var("NOTIFY_SOCKET") {
        Ok(address) => send(&address, &message(state)),
        Err(_) => Ok(()),
    }
}

fn message(state: State) -> String {
    match state {
        State::Ready => "READY=1\n".to_owned(),
        State::Reloading => {
            // Type=notify-reload orders the messages by this clock.
            let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
            let microseconds = now.tv_sec * 1_000_000 + now.tv_nsec / 1000;
            format!("RELOADING=1\nMONOTONIC_USEC={microseconds}\n")
        }
        State::Stopping => "STOPPING=1\n".to_owned(),
    }
}

fn send(address: &str, message: &str) -> io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    #[cfg(target_os = "linux")]
    if let Some(name) = address.strip_prefix('@') {
        use std::os::linux::net::SocketAddrExt;
        let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
        socket.send_to_addr(message.as_bytes(), &address)?;
        return Ok(());
    }
    socket.send_to(message.as_bytes(), address)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_arrive() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let mut room = [0; 100];
        for state in [State::Ready, State::Reloading, State::Stopping] {
            send(path.to_str().unwrap(), &message(state)).unwrap();
            let length = manager.recv(&mut room).unwrap();
            let text = std::str::from_utf8(&room[..length]).unwrap();
            let word = format!("{state:?}").to_uppercase();
            assert!(text.starts_with(&format!("{word}=1\n")), "{text}");
        }
        assert!(send("/no/such/socket", "READY=1").is_err());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn abstract_addresses() {
        use std::os::linux::net::SocketAddrExt;
        let name = format!("keyway-notify-{}", std::process::id());
        let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
        let manager = UnixDatagram::bind_addr(&address).unwrap();
        send(&format!("@{name}"), "READY=1").unwrap();
        let mut room = [0; 20];
        assert_eq!(manager.recv(&mut room).unwrap(), 7);
    }

    #[test]
    fn nothing_was_passed_to_a_test() {
        assert!(listening_sockets().is_empty());
    }
}
