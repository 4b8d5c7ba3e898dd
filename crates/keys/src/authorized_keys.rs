//! The `authorized_keys` file: who may log in, and with what restrictions.
//! sshd(8), "AUTHORIZED_KEYS FILE FORMAT".

use std::net::IpAddr;

use crate::error::{Error, printable};
use crate::public::PublicKey;
use crate::time::CivilTime;
use crate::{address, limits};

mod options;

/// One line with a key.
#[derive(Debug, Clone)]
pub struct Entry {
    /// What stands in front of the key.
    pub options: Options,
    /// The key, or the CA with [`Options::cert_authority`].
    pub key: PublicKey,
    /// The rest of the line.
    pub comment: String,
}

/// What a line allows and demands. What a line does not mention is allowed,
/// unless it says `restrict`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// `cert-authority`: the key signs user certificates.
    pub cert_authority: bool,
    /// `restrict`: nothing is allowed but what is named behind it.
    pub restrict: bool,
    /// `command`: run this, whatever the client asks for.
    pub command: Option<String>,
    /// `environment`: variables to set, the first of a name counts.
    pub environment: Vec<(String, String)>,
    /// `expiry-time`: the earliest of all that are given. Of several times
    /// some of which are in UTC and some not, see [`Options::expires`].
    pub expiry_times: Vec<CivilTime>,
    /// `from`: where the client may connect from.
    pub from: Option<String>,
    /// `permitlisten`: the only places to listen for the client.
    pub permit_listen: Vec<Permit>,
    /// `permitopen`: the only places to connect to for the client.
    pub permit_open: Vec<Permit>,
    /// `principals`: with `cert-authority`, whom a certificate must name.
    pub principals: Option<Vec<String>>,
    /// `tunnel`: the only tunnel device.
    pub tunnel: Option<Tunnel>,
    /// `agent-forwarding` or not.
    pub agent_forwarding: bool,
    /// `port-forwarding` or not.
    pub port_forwarding: bool,
    /// `X11-forwarding` or not.
    pub x11_forwarding: bool,
    /// `pty` or not.
    pub pty: bool,
    /// `user-rc` or not: whether `~/.ssh/rc` runs.
    pub user_rc: bool,
    /// `no-touch-required`: a security key need not have been touched.
    pub no_touch_required: bool,
    /// `verify-required`: a security key must have verified its user.
    pub verify_required: bool,
}

/// A place that may be connected to or listened on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permit {
    /// A name or address as it is written, without brackets; `*` is any.
    pub host: String,
    /// `None` is any.
    pub port: Option<u16>,
}

/// A tunnel device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tunnel {
    /// Any that is free.
    Any,
    /// The one with this number.
    Unit(u32),
}

impl Default for Options {
    fn default() -> Self {
        Self {
            cert_authority: false,
            restrict: false,
            command: None,
            environment: Vec::new(),
            expiry_times: Vec::new(),
            from: None,
            permit_listen: Vec::new(),
            permit_open: Vec::new(),
            principals: None,
            tunnel: None,
            agent_forwarding: true,
            port_forwarding: true,
            x11_forwarding: true,
            pty: true,
            user_rc: true,
            no_touch_required: false,
            verify_required: false,
        }
    }
}

impl Options {
    /// Reads options without a key, as they stand in front of one.
    ///
    /// # Errors
    /// [`Error::BadOptions`] says which option is wrong and how.
    pub fn parse(text: &str) -> Result<Self, Error> {
        options::parse(text)
    }

    /// Whether a client from here may use the key.
    ///
    /// # Errors
    /// [`Error::BadAddress`] never for options that were parsed.
    pub fn allows_from(&self, host: Option<&str>, client: IpAddr) -> Result<bool, Error> {
        match &self.from {
            None => Ok(true),
            Some(list) => address::matches_host_and_address(list, host, client),
        }
    }

    /// The second from which the key is of no use, since 1970, given what
    /// the local time zone is ahead of UTC.
    pub fn expires(&self, utc_offset_seconds: i64) -> Option<u64> {
        self.expiry_times.iter().map(|time| time.unix_seconds(utc_offset_seconds)).min()
    }
}

/// Reads one line; `None` for comments and blank lines.
///
/// # Errors
/// What is wrong with the key, or [`Error::BadOptions`].
pub fn parse_line(line: &str) -> Result<Option<Entry>, Error> {
    if line.len() > limits::LINE_BYTES {
        return Err(Error::TooLarge("line"));
    }
    let line = line.trim_matches([' ', '\t', '\r', '\n']);
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    match PublicKey::from_line(line) {
        Ok((key, comment)) => return Ok(Some(Entry { options: Options::default(), key, comment })),
        // Not a key type in front, so options.
        Err(Error::UnknownType(_) | Error::NoKey) => {}
        Err(error) => return Err(error),
    }
    let (options, rest) = split_options(line)?;
    // The key first: with a key type from the future in front, its name is a
    // better message than that of an unknown option.
    let (key, comment) = PublicKey::from_line(rest)
        .map_err(|error| if rest.is_empty() { Error::NoKey } else { error })?;
    let options = Options::parse(options)?;
    Ok(Some(Entry { options, key, comment }))
}

/// Options end at the first blank outside quotes.
fn split_options(line: &str) -> Result<(&str, &str), Error> {
    let mut quoted = false;
    let mut escaped = false;
    for (at, c) in line.char_indices() {
        match c {
            _ if escaped => escaped = false,
            // Only \" is an escape, and a lone backslash hides nothing.
            '\\' => escaped = line.get(at + 1..).is_some_and(|rest| rest.starts_with('"')),
            '"' => quoted = !quoted,
            ' ' | '\t' if !quoted => {
                let (options, rest) = line.split_at(at);
                return Ok((options, rest.trim_start_matches([' ', '\t'])));
            }
            _ => {}
        }
    }
    if quoted {
        return Err(Error::BadOptions("missing end quote".into()));
    }
    Err(Error::UnknownType(printable(line.as_bytes())))
}

#[cfg(test)]
mod tests;
