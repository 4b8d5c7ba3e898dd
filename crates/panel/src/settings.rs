//! How the panel is started: defaults, a file, flags, each over the one before.

mod net;

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use cloud::embedded::{Range, RegionSettings, Runtime};
use cloud::model::Region;
use lexopt::{Arg, Parser, ValueExt};
use serde::Deserialize;

pub use net::Net;

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
  --public-url URL        where people reach it, when that is another address
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

/// Which cloud the pages and the API stand on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CloudKind {
    /// This machine.
    #[default]
    Embedded,
    /// A real OpenStack.
    OpenStack,
}

/// How the panel was started.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where people reach it, without a slash at the end: in links, catalogs, downloads, and as
    /// the only Origin that forms and consoles are taken from.
    pub public_url: String,
    /// Its private folder.
    pub state: PathBuf,
    /// Which cloud.
    pub cloud: CloudKind,
    /// The entry of clouds.yaml; none for the one that OS_CLOUD names, or the only one.
    pub os_cloud: Option<String>,
    /// The database, as a URL.
    pub database: String,
    /// Certificate chain and key in PEM files.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Whether it speaks HTTPS: cookies are then for HTTPS only.
    pub https: bool,
    /// Who may say in headers where a request comes from.
    pub trusted_proxies: Vec<Net>,
    /// Log lines as JSON.
    pub log_json: bool,
    /// The program `keyway`; none means beside this one.
    pub keyway: Option<PathBuf>,
    /// Whether the embedded cloud's servers reach each other.
    pub between_servers: bool,
    /// What starts the embedded cloud's servers.
    pub runtime: Runtime,
    /// The embedded cloud's regions; none means its own two.
    pub regions: Vec<RegionSettings>,
}

/// What the program is to do.
#[derive(Clone, Debug)]
pub enum Command {
    /// Run the panel.
    Run(Settings),
    /// Copy the database to a file.
    Backup(Settings, PathBuf),
    /// Give a user a new password.
    Password(Settings, String),
    /// Attach to a server's console; the system console when the last is true.
    Console(Settings, String, bool),
    /// Have the running panel do something.
    Order(Settings, Vec<String>),
    /// Print this.
    Print(String),
}

/// The file, and the flags in the same shape.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    listen: Option<SocketAddr>,
    public_url: Option<String>,
    state: Option<PathBuf>,
    cloud: Option<CloudKind>,
    os_cloud: Option<String>,
    database: Option<String>,
    tls_cert: Option<PathBuf>,
    tls_key: Option<PathBuf>,
    https: Option<bool>,
    #[serde(default)]
    trusted_proxies: Vec<Net>,
    log_json: Option<bool>,
    keyway: Option<PathBuf>,
    between_servers: Option<bool>,
    runtime: Option<Runtime>,
    #[serde(default)]
    region: Vec<RegionGiven>,
}

/// A region in the file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RegionGiven {
    id: String,
    name: String,
    range: String,
    user_range: String,
}

impl RegionGiven {
    fn settle(self) -> Result<RegionSettings, String> {
        let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if self.id.is_empty() || !self.id.chars().all(fine) {
            return Err(format!("region {:?}: an id is of a-z, 0-9 and -", self.id));
        }
        let range = |text: &str| {
            text.parse::<Range>().map_err(|error| format!("region {}: {error}", self.id))
        };
        Ok(RegionSettings {
            range: range(&self.range)?,
            user_range: range(&self.user_range)?,
            region: Region { id: self.id.clone(), name: self.name.clone() },
        })
    }
}

impl Given {
    fn over(self, other: Self) -> Self {
        Self {
            listen: self.listen.or(other.listen),
            public_url: self.public_url.or(other.public_url),
            state: self.state.or(other.state),
            cloud: self.cloud.or(other.cloud),
            os_cloud: self.os_cloud.or(other.os_cloud),
            database: self.database.or(other.database),
            tls_cert: self.tls_cert.or(other.tls_cert),
            tls_key: self.tls_key.or(other.tls_key),
            https: self.https.or(other.https),
            trusted_proxies: if self.trusted_proxies.is_empty() {
                other.trusted_proxies
            } else {
                self.trusted_proxies
            },
            log_json: self.log_json.or(other.log_json),
            keyway: self.keyway.or(other.keyway),
            between_servers: self.between_servers.or(other.between_servers),
            runtime: self.runtime.or(other.runtime),
            region: if self.region.is_empty() { other.region } else { self.region },
        }
    }

    fn settle(self) -> Result<Settings, String> {
        let listen = self.listen.unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)));
        let state = match self.state {
            Some(folder) => folder,
            None => default_state()?,
        };
        let tls = match (self.tls_cert, self.tls_key) {
            (Some(cert), Some(key)) => Some((cert, key)),
            (None, None) => None,
            (Some(_), None) => return Err("tls-cert is given without tls-key".to_owned()),
            (None, Some(_)) => return Err("tls-key is given without tls-cert".to_owned()),
        };
        let https = match (self.https, listen.ip().is_loopback()) {
            (Some(false), false) => {
                return Err(format!(
                    "{listen} can be reached from elsewhere, and passwords would travel in the \
                     clear: HTTPS cannot be turned off there. Listen on 127.0.0.1 behind a proxy"
                ));
            }
            (Some(https), _) => https || tls.is_some(),
            (None, loopback) => !loopback || tls.is_some(),
        };
        let scheme = if https { "https" } else { "http" };
        let public_url = match self.public_url {
            Some(url) => check_url(&url)?,
            None => format!("{scheme}://{}", shown_address(listen)),
        };
        let database = match self.database {
            Some(url) => url,
            None => crate::store::sqlite_url(&state.join("panel.db")).map_err(|e| e.to_string())?,
        };
        Ok(Settings {
            listen,
            public_url,
            state,
            cloud: self.cloud.unwrap_or_default(),
            os_cloud: self.os_cloud,
            database,
            tls,
            https,
            trusted_proxies: self.trusted_proxies,
            log_json: self.log_json.unwrap_or_default(),
            keyway: self.keyway,
            between_servers: self.between_servers.unwrap_or_default(),
            runtime: self.runtime.unwrap_or_default(),
            regions: self.region.into_iter().map(RegionGiven::settle).collect::<Result<_, _>>()?,
        })
    }
}

/// An address that a browser can open: "any" is no address.
fn shown_address(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        ip if !ip.is_unspecified() => ip,
        _ => IpAddr::V4(Ipv4Addr::LOCALHOST),
    };
    SocketAddr::new(ip, listen.port())
}

fn check_url(url: &str) -> Result<String, String> {
    let url = url.trim_end_matches('/');
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    match rest {
        Some(host) if !host.is_empty() && !host.contains(['/', '?', '#', ' ']) => {
            Ok(url.to_owned())
        }
        _ => Err(format!("public-url {url:?} is not like https://panel.example.org")),
    }
}

fn default_state() -> Result<PathBuf, String> {
    if rustix::process::geteuid().is_root() {
        return Ok(PathBuf::from("/var/lib/keyway-panel"));
    }
    let base = std::env::var_os("XDG_STATE_HOME")
        .filter(|folder| !folder.is_empty())
        .map(PathBuf::from)
        .or_else(|| {
            std::env::var_os("HOME")
                .filter(|home| !home.is_empty())
                .map(|home| PathBuf::from(home).join(".local/state"))
        });
    base.map(|base| base.join("keyway-panel"))
        .ok_or_else(|| "there is no HOME; say --state FOLDER".to_owned())
}

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

fn read(file: &Path) -> Result<Given, String> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    toml::from_str(&text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start).min(text.len());
        let before = text.get(..at).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        format!("{}:{line}: {}", file.display(), error.message())
    })
}

impl Settings {
    /// For tests: plain HTTP on the loopback, nothing opened yet.
    pub fn for_tests(state: PathBuf) -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            public_url: "http://127.0.0.1:8080".to_owned(),
            database: format!("sqlite:{}/panel.db", state.display()),
            state,
            cloud: CloudKind::Embedded,
            os_cloud: None,
            tls: None,
            https: false,
            trusted_proxies: Vec::new(),
            log_json: false,
            keyway: None,
            between_servers: false,
            runtime: Runtime::default(),
            regions: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(arguments: &[&str]) -> Result<Settings, String> {
        let state = ["--state", "/nowhere"].into_iter();
        match parse(state.chain(arguments.iter().copied()).map(OsString::from))? {
            Command::Run(settings) => Ok(settings),
            other => Err(format!("{other:?}")),
        }
    }

    #[test]
    fn https_beyond_loopback() {
        assert!(!run(&[]).unwrap().https);
        let wide = run(&["--listen", "0.0.0.0:8443"]).unwrap();
        assert!(wide.https);
        assert_eq!(wide.public_url, "https://127.0.0.1:8443");
        assert!(run(&["--https"]).unwrap().https);
        assert!(run(&["--tls-cert", "a"]).unwrap_err().contains("without tls-key"));
    }

    #[test]
    fn files_are_named_with_their_lines() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("panel.toml");
        let config = file.to_str().unwrap();
        let error = |text: &str| {
            std::fs::write(&file, text).unwrap();
            run(&["--config", config]).unwrap_err()
        };
        assert!(error("listen = \"127.0.0.1:1\"\nlissen = 2\n").contains("panel.toml:2: unknown"));
        assert!(error("\n\nlisten = \"nowhere\"\n").contains("panel.toml:3:"));
        assert!(error("listen = \"0.0.0.0:1\"\nhttps = false\n").contains("HTTPS"));
        std::fs::write(&file, "listen = \"127.0.0.1:99\"\nlog_json = true\n").unwrap();
        let settings = run(&["--config", config, "--listen", "127.0.0.1:100"]).unwrap();
        assert_eq!(settings.listen.port(), 100);
        assert!(settings.log_json);
    }

    #[test]
    fn refusals() {
        assert!(run(&["--listen", "80"]).unwrap_err().contains("--listen 80"));
        assert!(run(&["--public-url", "panel"]).unwrap_err().contains("public-url"));
        assert!(run(&["fly"]).unwrap_err().contains("no command fly"));
        assert!(run(&["--nonsense"]).is_err());
    }
}
