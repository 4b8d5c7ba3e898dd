//! Where to: `[user@]host` or `ssh://[user@]host[:port]`.

use config::tokens;

/// A destination as the user gave it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Destination {
    /// The user, if named.
    pub user: Option<String>,
    /// The host or its alias in the configuration.
    pub host: String,
    /// The port, if named.
    pub port: Option<u16>,
}

/// Reads a destination.
///
/// # Errors
/// OpenSSH's words for what is wrong.
pub fn parse(text: &str) -> Result<Destination, String> {
    if let Some(rest) = text.strip_prefix("ssh://") {
        return uri(rest).ok_or_else(|| {
            format!("ssh: Could not resolve hostname {text}: Name or service not known")
        });
    }
    let (user, host) = match text.rsplit_once('@') {
        Some((user, host)) => (Some(user.to_owned()), host),
        None => (None, text),
    };
    if let Some(user) = &user {
        check_user(user)?;
    }
    check_host(host)?;
    Ok(Destination { user, host: host.to_owned(), port: None })
}

fn uri(rest: &str) -> Option<Destination> {
    // Nothing may follow the first slash: there is no path.
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    if authority.is_empty() || authority.contains('/') {
        return None;
    }
    let (user, place) = match authority.rsplit_once('@') {
        Some((user, place)) => {
            // Connection parameters (`user;fingerprint=...`) are not supported by anyone.
            let user = user.split(';').next().unwrap_or_default();
            (Some(percent_decoded(user)?), place)
        }
        None => (None, authority),
    };
    let (host, port) = if let Some(inner) = place.strip_prefix('[') {
        let (host, after) = inner.split_once(']')?;
        (host, after.strip_prefix(':').or(after.is_empty().then_some("")))
    } else {
        match place.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (place, Some("")),
        }
    };
    let port = match port? {
        "" => None,
        digits => Some(digits.parse().ok().filter(|&port| port > 0)?),
    };
    let user = match user {
        Some(user) if user.is_empty() || check_user(&user).is_err() => return None,
        user => user,
    };
    let host = percent_decoded(host)?;
    check_host(&host).ok()?;
    Some(Destination { user, host, port })
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = [rest.next()?, rest.next()?];
        let digits = std::str::from_utf8(&digits).ok()?;
        let decoded = u8::from_str_radix(digits, 16).ok().filter(|&byte| byte != 0)?;
        bytes.push(decoded);
    }
    String::from_utf8(bytes).ok()
}

/// Refuses user names that a shell or a log could misread.
///
/// # Errors
/// OpenSSH's words for it.
pub fn check_user(user: &str) -> Result<(), String> {
    if tokens::valid_user_name(user) {
        return Ok(());
    }
    Err("remote username contains invalid characters".to_owned())
}

/// Refuses host names that a shell could misread: `ProxyCommand` puts them on its command line.
///
/// # Errors
/// OpenSSH's words for it.
pub fn check_host(host: &str) -> Result<(), String> {
    if tokens::valid_host_name(host) {
        return Ok(());
    }
    Err("hostname contains invalid characters".to_owned())
}

/// Splits `host:port` (or `[v6]:port`), both needed, as `-W` takes it.
pub fn host_and_port(text: &str) -> Option<(String, u16)> {
    let (host, port) = if let Some(inner) = text.strip_prefix('[') {
        inner.split_once("]:")?
    } else {
        let (host, port) = text.split_once(':')?;
        if port.contains(':') {
            return None;
        }
        (host, port)
    };
    let port: u16 = port.parse().ok().filter(|&port| port > 0)?;
    (!host.is_empty()).then(|| (host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(user: Option<&str>, host: &str, port: Option<u16>) -> Destination {
        Destination { user: user.map(str::to_owned), host: host.to_owned(), port }
    }

    #[test]
    fn plain() {
        assert_eq!(parse("host"), Ok(to(None, "host", None)));
        assert_eq!(parse("me@host"), Ok(to(Some("me"), "host", None)));
        assert_eq!(parse("me@corp@host"), Ok(to(Some("me@corp"), "host", None)));
        assert_eq!(parse("::1"), Ok(to(None, "::1", None)));
        assert!(parse("-oProxyCommand=x").is_err());
        assert!(parse("`id`").is_err());
        assert!(parse("$(id)@h").is_err());
    }

    #[test]
    fn uris() {
        assert_eq!(parse("ssh://me@host:2222"), Ok(to(Some("me"), "host", Some(2222))));
        assert_eq!(parse("ssh://host/"), Ok(to(None, "host", None)));
        assert_eq!(parse("ssh://m%65@[::1]:22/"), Ok(to(Some("me"), "::1", Some(22))));
        assert!(parse("ssh://host/path").is_err());
        assert!(parse("ssh://@host").is_err());
        assert!(parse("ssh://host:0").is_err());
    }

    #[test]
    fn stdio_targets() {
        assert_eq!(host_and_port("h:22"), Some(("h".to_owned(), 22)));
        assert_eq!(host_and_port("[::1]:22"), Some(("::1".to_owned(), 22)));
        assert_eq!(host_and_port("h"), None);
        assert_eq!(host_and_port("::1:22"), None);
    }
}
