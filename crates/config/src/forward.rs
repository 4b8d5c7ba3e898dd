//! Port forwards and jump hosts as text.

use std::path::PathBuf;

use crate::parse;
use crate::value::{Connect, Forward, Jump, Listen};

/// Which kind of forward a text describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// `-L`.
    Local,
    /// `-R`.
    Remote,
    /// `-D`.
    Dynamic,
}

/// What the dump has for the target of a remote forward that leads wherever its clients ask.
pub(crate) const REMOTE_SOCKS: &str = "[socks]:0";

/// Reads a forward as `-L`, `-R` and `-D` take it:
/// `[address:]port:host:hostport`, `port:socket`, `socket:socket`, `[address:]port`.
pub fn parse(text: &str, direction: Direction) -> Option<Forward> {
    let fields = parse::colon_fields(text.trim())?;
    let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
    let is_path = |field: &str| field.contains('/') || token(field);
    let no_target = direction != Direction::Local;
    let (listen, connect) = match *fields.as_slice() {
        [socket] if no_target && is_path(socket) => (self::socket(socket), Connect::Dynamic),
        [port] if no_target => (tcp(None, port)?, Connect::Dynamic),
        [address, port] if direction == Direction::Dynamic => {
            (tcp(Some(address), port)?, Connect::Dynamic)
        }
        [from, to] if is_path(from) && is_path(to) => (socket(from), Connect::Socket(to.into())),
        [port, to] if is_path(to) => (tcp(None, port)?, Connect::Socket(to.into())),
        [address, port] if direction == Direction::Remote => {
            (tcp(Some(address), port)?, Connect::Dynamic)
        }
        [from, host, port] if is_path(from) => (socket(from), target(host, port)?),
        [address, port, to] if is_path(to) => {
            (tcp(Some(address), port)?, Connect::Socket(to.into()))
        }
        [port, host, host_port] => (tcp(None, port)?, target(host, host_port)?),
        [address, port, host, host_port] if direction != Direction::Dynamic => {
            (tcp(Some(address), port)?, target(host, host_port)?)
        }
        _ => return None,
    };
    // Only a server may choose the port itself.
    let chosen = matches!(listen, Listen::Tcp { port: 0, .. });
    (!chosen || direction == Direction::Remote).then_some(Forward { listen, connect })
}

/// A field that becomes a path when its variable is known.
fn token(field: &str) -> bool {
    field.starts_with("${") || field.starts_with("%d/")
}

fn socket(path: &str) -> Listen {
    Listen::Socket(PathBuf::from(path))
}

fn tcp(address: Option<&str>, port: &str) -> Option<Listen> {
    Some(Listen::Tcp { address: address.map(str::to_owned), port: parse::port(port)? })
}

fn target(host: &str, port: &str) -> Option<Connect> {
    let port = parse::port(port).filter(|port| *port > 0)?;
    (!host.is_empty()).then(|| Connect::Tcp { host: host.to_owned(), port })
}

/// A forward as `ssh -G` prints it: `[address]:port [host]:port`.
pub fn show(forward: &Forward) -> String {
    let listen = match &forward.listen {
        Listen::Socket(path) => path.display().to_string(),
        Listen::Tcp { address: None, port } => port.to_string(),
        Listen::Tcp { address: Some(address), port } => format!("[{address}]:{port}"),
    };
    match &forward.connect {
        Connect::Dynamic => listen,
        Connect::Socket(path) => format!("{listen} {}", path.display()),
        Connect::Tcp { host, port } => format!("{listen} [{host}]:{port}"),
    }
}

/// Reads `[user@]host[:port]` or `ssh://...`, several with commas.
pub fn parse_jumps(text: &str) -> Option<Vec<Jump>> {
    text.split(',').map(|one| parse_jump(one.trim())).collect()
}

/// Reads one destination.
fn parse_jump(text: &str) -> Option<Jump> {
    let text = match text.strip_prefix("ssh://") {
        Some(rest) => rest.strip_suffix('/').unwrap_or(rest),
        None => text,
    };
    let (user, rest) = match text.rsplit_once('@') {
        Some((user, rest)) => (Some(user), rest),
        None => (None, text),
    };
    let (host, port) = if let Some(inner) = rest.strip_prefix('[') {
        let (host, after) = inner.split_once(']')?;
        (host, if after.is_empty() { None } else { Some(after.strip_prefix(':')?) })
    } else {
        match rest.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (rest, None),
        }
    };
    let port = match port {
        Some(port) => Some(parse::port(port).filter(|port| *port > 0)?),
        None => None,
    };
    if host.is_empty() || host.starts_with('-') || user.is_some_and(str::is_empty) {
        return None;
    }
    Some(Jump { user: user.map(str::to_owned), host: host.to_owned(), port })
}

/// Jump hosts as `ssh -G` prints them.
pub fn show_jumps(jumps: &[Jump]) -> String {
    let one = |jump: &Jump| {
        let user = jump.user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
        let port = jump.port.map(|port| format!(":{port}")).unwrap_or_default();
        if jump.host.contains(':') {
            format!("{user}[{}]{port}", jump.host)
        } else {
            format!("{user}{}{port}", jump.host)
        }
    };
    jumps.iter().map(one).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forwards() {
        let shown = |text: &str, direction| parse(text, direction).map(|f| super::show(&f));
        let local = |text| shown(text, Direction::Local);
        assert_eq!(local("1:h:2").as_deref(), Some("1 [h]:2"));
        assert_eq!(local("*:1:h:2").as_deref(), Some("[*]:1 [h]:2"));
        assert_eq!(local("[::1]:1:[fe80::1]:2").as_deref(), Some("[::1]:1 [fe80::1]:2"));
        assert_eq!(local("/a:/b").as_deref(), Some("/a /b"));
        assert_eq!(local("1:/b").as_deref(), Some("1 /b"));
        assert_eq!(local("/a:h:2").as_deref(), Some("/a [h]:2"));
        for bad in ["", "1", "0:h:2", "1:h:0", "1:h", "x:h:2", "1::2", "1:h:2:3:4", "[::1:1:h:2"] {
            assert_eq!(local(bad), None, "{bad}");
        }
        assert_eq!(shown("0:h:2", Direction::Remote).as_deref(), Some("0 [h]:2"));
        assert_eq!(shown("a:1", Direction::Remote).as_deref(), Some("[a]:1"));
        assert_eq!(shown("1080", Direction::Dynamic).as_deref(), Some("1080"));
        assert_eq!(shown("0", Direction::Dynamic), None);
    }

    #[test]
    fn jumps() {
        let shown = |text| parse_jumps(text).map(|jumps| show_jumps(&jumps));
        assert_eq!(shown("a").as_deref(), Some("a"));
        assert_eq!(shown("u@a:2,[::1]:3").as_deref(), Some("u@a:2,[::1]:3"));
        assert_eq!(shown("ssh://u@a:2/").as_deref(), Some("u@a:2"));
        for bad in ["", "a,", "-a", "u@", "a:x", "a:0", "@a", "[::1"] {
            assert_eq!(shown(bad), None, "{bad}");
        }
    }
}
