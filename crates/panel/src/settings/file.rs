//! The settings' file, and the flags in the same shape.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use cloud::embedded::{Range, RegionSettings, Runtime};
use cloud::model::Region;
use serde::Deserialize;

use super::url::{check_url, shown_address};
use super::{CloudKind, Net, Settings};

/// The file, and the flags in the same shape.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Given {
    pub(super) listen: Option<SocketAddr>,
    pub(super) public_url: Option<String>,
    pub(super) state: Option<PathBuf>,
    pub(super) cloud: Option<CloudKind>,
    pub(super) os_cloud: Option<String>,
    pub(super) database: Option<String>,
    pub(super) tls_cert: Option<PathBuf>,
    pub(super) tls_key: Option<PathBuf>,
    pub(super) https: Option<bool>,
    #[serde(default)]
    pub(super) trusted_proxies: Vec<Net>,
    pub(super) log_json: Option<bool>,
    pub(super) keyway: Option<PathBuf>,
    pub(super) between_servers: Option<bool>,
    pub(super) runtime: Option<Runtime>,
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
    pub(super) fn over(self, other: Self) -> Self {
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

    pub(super) fn settle(self) -> Result<Settings, String> {
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

/// Reads the file; what is wrong is said with its line.
pub(super) fn read(file: &Path) -> Result<Given, String> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    toml::from_str(&text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start).min(text.len());
        let before = text.get(..at).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        format!("{}:{line}: {}", file.display(), error.message())
    })
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
