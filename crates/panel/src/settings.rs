//! How the panel is started: defaults, a file, flags, each over the one before.

use std::net::SocketAddr;
use std::path::PathBuf;

/// Which cloud the pages and the API stand on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
    /// The database, as a URL.
    pub database: String,
    /// Certificate chain and key in PEM files.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Whether it speaks HTTPS: cookies are then for HTTPS only.
    pub https: bool,
    /// Log lines as JSON.
    pub log_json: bool,
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
            tls: None,
            https: false,
            log_json: false,
        }
    }
}
