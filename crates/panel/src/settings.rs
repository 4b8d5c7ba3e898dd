//! How the panel is started: defaults, a file, flags, each over the one before.

mod arguments;
mod file;
mod net;
mod url;

use std::net::SocketAddr;
use std::path::PathBuf;

use cloud::embedded::{RegionSettings, Runtime};
use serde::Deserialize;

pub use arguments::{HELP, parse};
pub use net::Net;

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
    use std::ffi::OsString;

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
        assert!(wide.public_url.starts_with("https://") && wide.public_url.ends_with(":8443"));
        assert!(!wide.public_url.contains("0.0.0.0"), "nobody can open that");
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
