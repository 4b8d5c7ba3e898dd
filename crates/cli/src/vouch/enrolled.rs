//! The panels a user has enrolled: one file each, beside the user's keys.
//!
//! A file holds the panel's address and its signed introduction. The signature is checked again
//! whenever it is read; the key that made it is the one the person compared.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use keys::PublicKey;
use keys::vouch::{BYTES_MAX, Introduction};

use crate::files;
use crate::ssh::paths;
use crate::text::reason;

/// Panels that one user can have.
const PANELS_MAX: usize = 64;

/// One panel.
pub struct Panel {
    /// Where it is asked: `http://` or `https://`, without a slash at the end.
    pub url: String,
    /// What it said about itself.
    pub introduction: Introduction,
    /// The key it is known by.
    pub key: PublicKey,
    /// The file it is kept in.
    pub file: PathBuf,
}

impl Panel {
    /// Reads what a file or an answer holds.
    pub fn read(url: &str, text: &str, file: PathBuf) -> Result<Self, String> {
        let (introduction, key) =
            Introduction::open(text).map_err(|problem| problem.to_string())?;
        Ok(Self { url: url.trim_end_matches('/').to_owned(), introduction, key, file })
    }

    fn load(file: &Path) -> Result<Self, String> {
        let bytes =
            files::read_limited(file, BYTES_MAX as u64 + 1024).map_err(|source| reason(&source))?;
        let text = String::from_utf8(bytes).map_err(|_| "it is not text".to_owned())?;
        let (first, rest) = text.split_once('\n').unwrap_or_default();
        let url = first.strip_prefix("url ").ok_or("its first line names no url")?;
        Self::read(url, rest, file.to_owned())
    }

    /// Whether it speaks for that address.
    pub fn covers(&self, address: IpAddr, port: u16) -> bool {
        self.introduction.covers(address, port)
    }
}

/// Names another folder than the one in the user's home.
const VARIABLE: &str = "KEYWAY_PANELS";

/// Where the files are; nothing for a user without a home.
pub fn folder() -> Option<PathBuf> {
    if let Some(folder) = std::env::var_os(VARIABLE).filter(|folder| !folder.is_empty()) {
        return Some(folder.into());
    }
    Some(paths::own_account()?.home.join(".ssh/keyway/panels"))
}

/// Every panel, and what is wrong with files that are not usable.
pub fn all(folder: &Path) -> (Vec<Panel>, Vec<String>) {
    let (mut panels, mut problems) = (Vec::new(), Vec::new());
    let Ok(entries) = fs::read_dir(folder) else { return (panels, problems) };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    let is_hidden = |path: &&PathBuf| {
        path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."))
    };
    for path in paths.iter().filter(|path| !is_hidden(path)).take(PANELS_MAX) {
        match Panel::load(path) {
            Ok(panel) => panels.push(panel),
            Err(problem) => problems.push(format!("{}: {problem}", path.display())),
        }
    }
    (panels, problems)
}

/// Writes one, replacing what was there.
pub fn store(panel: &Panel, text: &str) -> Result<(), String> {
    let said = |source: std::io::Error| format!("{}: {}", panel.file.display(), reason(&source));
    let mut parents: Vec<&Path> = panel.file.ancestors().skip(1).take(3).collect();
    parents.reverse();
    for folder in parents {
        files::make_private_folder(&folder.join("file")).map_err(said)?;
    }
    let content = format!("url {}\n{text}", panel.url);
    files::replace_as(&panel.file, content.as_bytes(), 0o600).map_err(said)
}
