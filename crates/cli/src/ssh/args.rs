//! The command line of `ssh`.
//!
//! Most flags are another way of writing a keyword, so they become configuration lines; what
//! no keyword can say stays here.

#[cfg(test)]
mod tests;
mod values;

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use self::values::text;
use super::destination::{self, Destination};
use super::mux::client::Command;
use crate::getopt::{self, Getopt};
use crate::messages::Level;

/// What OpenSSH prints when called without arguments.
pub const USAGE: &str = "\
usage: ssh [-46AaCfGgkMNnqsTtVvXxY] [-B bind_interface] [-b bind_address]
           [-c cipher_spec] [-D [bind_address:]port] [-E log_file]
           [-e escape_char] [-F configfile] [-i identity_file]
           [-J destination] [-L address] [-l login_name] [-m mac_spec]
           [-O ctl_cmd] [-o option] [-p port] [-R address] [-S ctl_path]
           [-W host:port]
           destination [command [argument ...]]
       ssh [-Q query_option]
";

/// What the command line asks for.
#[derive(Debug)]
pub enum Request {
    /// `-V`.
    Version,
    /// `-Q NAME`.
    Query(String),
    /// Everything else.
    Run(Box<Arguments>),
}

/// A login, or what it would use (`-G`).
#[derive(Debug, Default)]
pub struct Arguments {
    /// Keyword and value, strongest first, as if at the top of the configuration.
    pub settings: Vec<Setting>,
    /// `-F`.
    pub config_file: Option<PathBuf>,
    /// `-E`.
    pub log_file: Option<PathBuf>,
    /// `-y`: messages go to the system's log.
    pub syslog: bool,
    /// `-G`.
    pub print_config: bool,
    /// `-Z`.
    pub list_keys: bool,
    /// How many `-v`.
    pub verbosity: u8,
    /// `-q` was given after the last `-v`.
    pub quiet: bool,
    /// Where to.
    pub destination: Destination,
    /// The command as the server's shell will get it; empty for a login.
    pub command: Vec<u8>,
    /// `-s`: the command is a subsystem's name.
    pub subsystem: bool,
    /// `-W host:port`.
    pub stdio_forward: Option<(String, u16)>,
    /// `-O`.
    pub control: Option<Command>,
}

/// One keyword from the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setting {
    /// `-o`, as the user wrote it.
    Line(String),
    /// A flag, as the keyword it stands for and the value.
    Flag(&'static str, String),
}

impl Arguments {
    /// The level that `-v` and `-q` ask for.
    pub fn level(&self) -> Option<Level> {
        match self.verbosity {
            _ if self.quiet => Some(Level::Quiet),
            0 => None,
            1 => Some(Level::Debug1),
            2 => Some(Level::Debug2),
            _ => Some(Level::Debug3),
        }
    }
}

/// Why the command line cannot be used. All end with status 255.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No destination: only the usage is printed.
    #[error("usage")]
    Usage,
    /// getopt's complaint, followed by the usage.
    #[error("{0}")]
    Option(#[from] getopt::Error),
    /// A flag of OpenSSH's.
    #[error("ssh: option -{0} ({1}) is not in this version of Keyway")]
    Lacking(char, &'static str),
    /// A value that makes no sense, in OpenSSH's words.
    #[error("{0}")]
    Bad(String),
}

/// Reads the words behind the program's name.
///
/// # Errors
/// [`Error`] says why not.
pub fn parse(words: &[OsString]) -> Result<Request, Error> {
    let mut reader = Reader::default();
    let mut options = Getopt::new(words, crate::manual::flags::SSH);
    let mut destination = None;
    loop {
        while let Some(found) = options.next()? {
            if let Some(request) = reader.take(found.letter, found.value)? {
                return Ok(request);
            }
        }
        // Options may also stand between the destination and the command.
        if destination.is_some() || options.at_option() {
            break;
        }
        let Some(word) = options.take_word() else { break };
        let word = word.to_str().ok_or_else(bad_hostname)?;
        destination = Some(reader.destination(word)?);
    }
    let destination = destination.ok_or(Error::Usage)?;
    Ok(reader.finish(destination, options.rest()))
}

fn bad_hostname() -> Error {
    Error::Bad("hostname contains invalid characters".to_owned())
}

/// Collects flags in the order given.
#[derive(Default)]
struct Reader {
    arguments: Arguments,
    /// Flags whose last use wins, over every `-o`.
    last_wins: Vec<Setting>,
    /// What obeys "first value wins", in order.
    first_wins: Vec<Setting>,
    jumps: bool,
    tty: Option<bool>,
    no_session: bool,
}

impl Reader {
    fn take(&mut self, letter: char, value: OsString) -> Result<Option<Request>, Error> {
        match letter {
            '2' | 'k' => {}
            '1' => return Err(Error::Bad("SSH protocol v.1 is no longer supported".to_owned())),
            '4' => self.flag("AddressFamily", "inet"),
            '6' => self.flag("AddressFamily", "inet6"),
            'A' => self.flag("ForwardAgent", "yes"),
            'a' => self.flag("ForwardAgent", "no"),
            'B' => self.flag_value("BindInterface", value)?,
            'b' => self.flag_value("BindAddress", value)?,
            'C' => self.flag("Compression", "yes"),
            'c' => self.algorithm("Ciphers", "cipher", value)?,
            'm' => self.algorithm("MACs", "mac", value)?,
            'D' => self.forward("DynamicForward", "dynamic", value)?,
            'L' => self.forward("LocalForward", "local", value)?,
            'R' => self.forward("RemoteForward", "remote", value)?,
            'g' => self.flag("GatewayPorts", "yes"),
            'E' => self.arguments.log_file = Some(value.into()),
            'e' => self.escape_character(value)?,
            'F' => self.arguments.config_file = Some(value.into()),
            'f' => {
                self.flag("ForkAfterAuthentication", "yes");
                self.flag("StdinNull", "yes");
            }
            'G' => self.arguments.print_config = true,
            'Z' => self.arguments.list_keys = true,
            'I' => self.flag("PKCS11Provider", &text(value)?),
            'i' => self.identity(value)?,
            'J' => self.jump(value)?,
            'l' => {
                let user = text(value)?;
                destination::check_user(&user).map_err(Error::Bad)?;
                self.first_wins.push(Setting::Flag("User", user));
            }
            'N' => self.no_session()?,
            'n' => self.flag("StdinNull", "yes"),
            'o' => self.first_wins.push(Setting::Line(text(value)?)),
            'P' => self.flag_value("Tag", value)?,
            'p' => self.port(value)?,
            'Q' => return Ok(Some(Request::Query(text(value)?))),
            'q' => self.arguments.quiet = true,
            'M' => {
                let again = self.last_wins.contains(&Setting::Flag("ControlMaster", "yes".into()));
                self.flag("ControlMaster", if again { "ask" } else { "yes" });
            }
            'O' => self.control(value)?,
            'S' => self.flag_value("ControlPath", value)?,
            's' => self.subsystem()?,
            'T' => {
                self.tty = None;
                self.flag("RequestTTY", "no");
            }
            't' => {
                let force = self.tty.is_some();
                self.tty = Some(force);
                self.flag("RequestTTY", if force { "force" } else { "yes" });
            }
            'V' => return Ok(Some(Request::Version)),
            'v' => {
                let verbosity = if self.arguments.quiet { 0 } else { self.arguments.verbosity };
                self.arguments.quiet = false;
                self.arguments.verbosity = verbosity.saturating_add(1);
            }
            'W' => self.stdio_forward(value)?,
            'X' => self.flag("ForwardX11", "yes"),
            'w' => {
                let value = text(value)?;
                let is_unit = |unit: &str| unit == "any" || unit.parse::<u32>().is_ok();
                if !value.splitn(2, ':').all(is_unit) {
                    return Err(Error::Bad(format!("Bad tun device '{value}'")));
                }
                self.first_wins.push(Setting::Flag("Tunnel", "point-to-point".to_owned()));
                self.flag("TunnelDevice", &value);
            }
            'x' => self.flag("ForwardX11", "no"),
            'y' => self.arguments.syslog = true,
            'Y' => {
                self.flag("ForwardX11", "yes");
                self.flag("ForwardX11Trusted", "yes");
            }
            other => return Err(Error::Lacking(other, lacking(other))),
        }
        Ok(None)
    }

    /// The user and port in a destination count from where it stands.
    fn destination(&mut self, word: &str) -> Result<Destination, Error> {
        let to = destination::parse(word).map_err(Error::Bad)?;
        if let Some(user) = &to.user {
            self.first_wins.push(Setting::Flag("User", user.clone()));
        }
        if let Some(port) = to.port {
            self.first_wins.push(Setting::Flag("Port", port.to_string()));
        }
        Ok(to)
    }

    fn finish(mut self, to: Destination, command: &[OsString]) -> Request {
        let mut joined = Vec::new();
        for (index, word) in command.iter().enumerate() {
            if index > 0 {
                joined.push(b' ');
            }
            joined.extend_from_slice(word.as_bytes());
        }
        self.last_wins.reverse();
        self.last_wins.append(&mut self.first_wins);
        if self.arguments.stdio_forward.is_some() {
            // Weaker than what was asked for explicitly.
            for keyword in ["ExitOnForwardFailure", "ClearAllForwardings"] {
                self.last_wins.push(Setting::Flag(keyword, "yes".to_owned()));
            }
        }
        self.arguments.settings = self.last_wins;
        self.arguments.command = joined;
        self.arguments.destination = to;
        Request::Run(Box::new(self.arguments))
    }
}

/// What a flag of OpenSSH's that is missing here would do.
fn lacking(letter: char) -> &'static str {
    match letter {
        'K' => "GSSAPI",
        _ => "unknown",
    }
}
