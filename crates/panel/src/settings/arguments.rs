//! The command line.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use lexopt::{Arg, Parser, ValueExt};

use super::file::{Given, read};
use super::{CloudKind, Command};

/// What `--help` prints.
pub const HELP: &str = "\
keyway-panel: pages and an API over a cloud

Usage:
  keyway-panel [OPTIONS]               run the panel
  keyway-panel backup FILE [OPTIONS]   copy the database while it is in use
  keyway-panel password NAME [OPTIONS] give a user a new password, and print it once
  keyway-panel console NAME [--system] a server's shell, or its system console

Options:
  --listen ADDRESS:PORT   where to listen (127.0.0.1:8080); beyond loopback only by HTTPS
  --public-url URL        where people reach it, when that is another address; for 0.0.0.0
                          this machine's own address otherwise
  --state FOLDER          its private folder (/var/lib/keyway-panel for root,
                          ~/.local/state/keyway-panel otherwise)
  --cloud KIND            embedded (this machine) or openstack (embedded)
  --os-cloud NAME         which cloud of clouds.yaml openstack is; it is looked for in the
                          working folder, ~/.config/openstack and /etc/openstack
  --database URL          sqlite:PATH or postgres://... (panel.db in the private folder)
  --tls-cert FILE         certificate chain in PEM; with --tls-key. Without them HTTPS takes a
                          certificate that the panel makes at its first start
  --tls-key FILE          its private key in PEM
  --https                 HTTPS on loopback, too
  --trusted-proxy NET     a proxy's address or network, such as 10.0.0.0/8, whose word on where
                          requests come from is taken (X-Forwarded-For, X-Forwarded-Proto)
  --config FILE           a file with the same settings
  --keyway FILE           the program keyway, whose sshd the servers run (beside this program)
  --log-json              log lines as JSON
  -h, --help              this text
  -V, --version           the version

The file is TOML, with the options' names and underscores:
  listen = \"0.0.0.0:8443\"
  tls_cert = \"/etc/keyway/panel.pem\"
  trusted_proxies = [\"127.0.0.1\"]
  between_servers = true               # servers reach each other; not so otherwise
  runtime = \"runc\"                   # auto, libcontainer or runc: what starts servers, as root
  [[region]]                           # in place of the two that are there otherwise
  id = \"ams\"
  name = \"Amsterdam\"
  range = \"10.78.0.0/16\"             # servers' addresses, as root
  user_range = \"127.78.0.0/16\"       # the same where an ordinary user runs the panel
";

/// Reads the command line behind the program's name, and the file that it names.
///
/// # Errors
/// What is wrong, with file and line where it is in the file.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, String> {
    let mut parser = Parser::from_args(arguments);
    let mut flags = Given::default();
    let mut file = None;
    let mut words: Vec<String> = Vec::new();
    let mut system = false;
    let said = |error: lexopt::Error| error.to_string();
    while let Some(argument) = parser.next().map_err(said)? {
        match argument {
            Arg::Short('h') | Arg::Long("help") => {
                return Ok(Command::Print(format!("{HELP}\n{}", crate::orders::HELP)));
            }
            Arg::Short('V') | Arg::Long("version") => {
                return Ok(Command::Print(format!("keyway-panel {}\n", env!("CARGO_PKG_VERSION"))));
            }
            Arg::Long("listen") => flags.listen = Some(address(&text(&mut parser)?)?),
            Arg::Long("public-url") => flags.public_url = Some(text(&mut parser)?),
            Arg::Long("state") => flags.state = Some(path(&mut parser)?),
            Arg::Long("cloud") => {
                flags.cloud = Some(match text(&mut parser)?.as_str() {
                    "embedded" => CloudKind::Embedded,
                    "openstack" => CloudKind::OpenStack,
                    other => return Err(format!("--cloud {other}: embedded or openstack")),
                });
            }
            Arg::Long("os-cloud") => flags.os_cloud = Some(text(&mut parser)?),
            Arg::Long("database") => flags.database = Some(text(&mut parser)?),
            Arg::Long("tls-cert") => flags.tls_cert = Some(path(&mut parser)?),
            Arg::Long("tls-key") => flags.tls_key = Some(path(&mut parser)?),
            Arg::Long("https") => flags.https = Some(true),
            Arg::Long("trusted-proxy") => flags.trusted_proxies.push(text(&mut parser)?.parse()?),
            Arg::Long("config") => file = Some(path(&mut parser)?),
            Arg::Long("keyway") => flags.keyway = Some(path(&mut parser)?),
            Arg::Long("log-json") => flags.log_json = Some(true),
            Arg::Long("system") => system = true,
            Arg::Long(name @ ("region" | "key" | "image" | "flavor" | "sha256" | "user-data")) => {
                let flag = format!("--{name}=");
                words.push(flag + &text(&mut parser)?);
            }
            Arg::Value(word) => words.push(word.string().map_err(said)?),
            other => return Err(other.unexpected().to_string()),
        }
    }
    let given = match file {
        Some(file) => flags.over(read(&file)?),
        None => flags,
    };
    let settings = given.settle()?;
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["fingerprint" | "key" | "image" | "server", ..] => {
            Ok(Command::Order(settings, words.into_iter().map(str::to_owned).collect()))
        }
        [] | ["run"] => Ok(Command::Run(settings)),
        ["backup", file] => Ok(Command::Backup(settings, PathBuf::from(file))),
        ["password", name] => Ok(Command::Password(settings, (*name).to_owned())),
        ["console", name] => Ok(Command::Console(settings, (*name).to_owned(), system)),
        ["backup"] => Err("backup needs the FILE to write".to_owned()),
        ["password"] => Err("password needs the user's NAME".to_owned()),
        ["console"] => Err("console needs the server's NAME".to_owned()),
        [other, ..] => Err(format!("there is no command {other}; see keyway-panel --help")),
    }
}

fn text(parser: &mut Parser) -> Result<String, String> {
    parser.value().and_then(ValueExt::string).map_err(|error| error.to_string())
}

fn path(parser: &mut Parser) -> Result<PathBuf, String> {
    parser.value().map(PathBuf::from).map_err(|error| error.to_string())
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        format!("--listen {text}: an address and a port are needed, like 127.0.0.1:8080")
    })
}
