//! The keys that validation starts from: the root zone's, and what files add to them.

use std::path::Path;

use hickory_proto::dnssec::TrustAnchors;

use crate::files;
use crate::messages::{debug, error};
use crate::ssh::paths;
use crate::text::reason;

/// Files of DNSKEY records, all optional: the distribution's, the administrator's, the user's.
const FILES: [&str; 3] =
    ["/usr/share/dns/root.key", "/etc/ssh/dnssec_anchors", "~/.ssh/dnssec_anchors"];
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// The built-in keys of the root zone and those of the files.
pub(super) fn load() -> TrustAnchors {
    let mut text = String::new();
    for name in FILES {
        let path = paths::expand_tilde(name);
        match read(&path) {
            Ok(more) => text.push_str(&more),
            Err(why) => error!("{}: {why}; its DNSSEC keys are not used", path.display()),
        }
    }
    // Each file has been parsed.
    let mut anchors: TrustAnchors = text.parse().unwrap_or_else(|_| TrustAnchors::empty());
    let built_in = TrustAnchors::default();
    for key in (0..built_in.len()).filter_map(|at| built_in.get(at)) {
        anchors.insert(key);
    }
    debug!("DNSSEC: {} keys of the root zone are trusted", anchors.len());
    anchors
}

/// The records of a file; nothing where there is none.
fn read(path: &Path) -> Result<String, String> {
    let bytes = match files::read_limited(path, FILE_BYTES_MAX) {
        Ok(bytes) => bytes,
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => return Ok(String::new()),
        Err(source) => return Err(reason(&source)),
    };
    let mut text = String::from_utf8(bytes).map_err(|_| "not text".to_owned())?;
    text.push('\n');
    text.parse::<TrustAnchors>().map_err(|source| source.to_string())?;
    Ok(text)
}
