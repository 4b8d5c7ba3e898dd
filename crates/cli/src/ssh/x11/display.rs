//! Where a display is: `DISPLAY`.

use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

/// Display 0 listens here, display 1 on the next port.
const FIRST_PORT: u32 = 6000;
/// A display on another machine that takes longer is given up, as everything else waits for it.
const CONNECT_TIME: Duration = Duration::from_secs(5);

/// A display that can be connected to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Display {
    name: String,
    place: Place,
    screen: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// `:N`.
    Here(u32),
    /// A socket of its own, as on a Mac.
    Socket(PathBuf),
    /// `HOST:N`.
    Tcp(String, u16),
}

impl Display {
    /// Reads `DISPLAY`; nothing when it has other characters than a display may, or no number.
    pub fn parse(name: &str) -> Option<Self> {
        let is_usual = |byte: u8| byte.is_ascii_alphanumeric() || b":/.-_".contains(&byte);
        if !name.bytes().all(is_usual) {
            return None;
        }
        let (host, rest) = name.rsplit_once(':')?;
        let (number, screen) = rest.split_once('.').unwrap_or((rest, "0"));
        let number: u32 = number.parse().ok()?;
        let place = match host {
            _ if name.starts_with('/') => Place::Socket(name.into()),
            "" | "unix" => Place::Here(number),
            host => {
                let port = FIRST_PORT.checked_add(number).and_then(|port| port.try_into().ok())?;
                Place::Tcp(host.to_owned(), port)
            }
        };
        Some(Display { name: name.to_owned(), place, screen: screen.parse().unwrap_or(0) })
    }

    /// As the user has it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// As xauth has it: a display of a login from elsewhere counts as one of this machine.
    pub fn entry(&self) -> String {
        match self.name.strip_prefix("localhost:") {
            Some(number) => format!("unix:{number}"),
            None => self.name.clone(),
        }
    }

    /// Which of its screens.
    pub fn screen(&self) -> u32 {
        self.screen
    }

    /// Connects to it.
    ///
    /// # Errors
    /// Nobody is there.
    pub fn connect(&self) -> io::Result<OwnedFd> {
        match &self.place {
            Place::Here(number) => {
                let path = format!("/tmp/.X11-unix/X{number}");
                connect_abstract(&path).or_else(|_| UnixStream::connect(&path).map(OwnedFd::from))
            }
            Place::Socket(path) => UnixStream::connect(path).map(OwnedFd::from),
            Place::Tcp(host, port) => {
                let mut last = io::Error::from(io::ErrorKind::NotFound);
                for address in (host.as_str(), *port).to_socket_addrs()? {
                    match TcpStream::connect_timeout(&address, CONNECT_TIME) {
                        Ok(stream) => {
                            let _ = stream.set_nodelay(true);
                            return Ok(stream.into());
                        }
                        Err(source) => last = source,
                    }
                }
                Err(last)
            }
        }
    }
}

/// Servers of Linux listen there too, where no clean-up of `/tmp` can take it away.
#[cfg(target_os = "linux")]
fn connect_abstract(path: &str) -> io::Result<OwnedFd> {
    use rustix::net::{AddressFamily, SocketAddrUnix, SocketType};
    let address = SocketAddrUnix::new_abstract_name(path.as_bytes())?;
    let socket = net::open::socket(AddressFamily::UNIX, SocketType::STREAM)?;
    rustix::net::connect(&socket, &address)?;
    Ok(socket)
}

#[cfg(not(target_os = "linux"))]
fn connect_abstract(_path: &str) -> io::Result<OwnedFd> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn displays_are_found_where_they_are_said_to_be() {
        let place = |name: &str| Display::parse(name).map(|display| display.place);
        assert_eq!(place(":0"), Some(Place::Here(0)));
        assert_eq!(place("unix:10.1"), Some(Place::Here(10)));
        assert_eq!(place("localhost:10.0"), Some(Place::Tcp("localhost".into(), 6010)));
        assert_eq!(place("far.example:0"), Some(Place::Tcp("far.example".into(), 6000)));
        let mac = "/private/tmp/com.apple.launchd.x/org.xquartz:0";
        assert_eq!(place(mac), Some(Place::Socket(mac.into())));
        for bad in ["", "0", ":", ":x", "a b:0", ":0;reboot", "h:99999", "$(x):0", "h:-1"] {
            assert_eq!(place(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_screen_and_the_name_for_xauth() {
        let display = Display::parse("localhost:11.2").expect("display");
        assert_eq!((display.screen(), display.entry().as_str()), (2, "unix:11.2"));
        assert_eq!(Display::parse(":1").expect("display").entry(), ":1");
    }
}
