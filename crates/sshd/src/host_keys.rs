//! The keys by which clients know this host.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use keys::{FingerprintHash, KeyKind, PrivateKey, PublicKey};
use net::agent::AgentClient;
use zeroize::Zeroizing;

use crate::hardware;
use crate::settings::read_limited;

/// Where host keys are when the configuration names none, and what is made there.
pub(crate) const DEFAULTS: [(&str, KeyKind, Option<u32>); 3] = [
    ("/etc/ssh/ssh_host_rsa_key", KeyKind::Rsa, Some(3072)),
    ("/etc/ssh/ssh_host_ecdsa_key", KeyKind::Ecdsa, None),
    ("/etc/ssh/ssh_host_ed25519_key", KeyKind::Ed25519, None),
];

/// No key file is larger than this.
const FILE_BYTES: u64 = 64 * 1024;
/// An agent that takes longer to say what it holds is none.
const AGENT_TIME: Duration = Duration::from_secs(5);

/// The keys, and certificates for some of them.
pub(crate) struct HostKeys {
    /// The private keys, in the order of the configuration.
    pub(crate) keys: Vec<PrivateKey>,
    /// Keys whose private halves are in the agent of `HostKeyAgent`, and where it listens.
    pub(crate) in_agent: Vec<PublicKey>,
    pub(crate) agent: Option<PathBuf>,
    /// Certificates, each of one of the keys.
    pub(crate) certificates: Vec<PublicKey>,
}

impl HostKeys {
    /// Loads what the configuration names, or what is in the usual places.
    /// What cannot be used is logged and left out.
    pub(crate) fn load(
        paths: &[PathBuf],
        certificates: &[PathBuf],
        agent: Option<&str>,
    ) -> HostKeys {
        let named = !paths.is_empty();
        let usual: Vec<PathBuf> = DEFAULTS.iter().map(|(path, ..)| PathBuf::from(path)).collect();
        let agent = agent.and_then(agent_socket);
        let held = agent.as_deref().map(keys_of_agent).unwrap_or_default();
        let mut found =
            HostKeys { keys: Vec::new(), in_agent: Vec::new(), agent, certificates: Vec::new() };
        for path in if named { paths } else { &usual } {
            let loaded = load_key(path);
            if loaded.is_err()
                && let Some(key) = load_public(path).filter(|key| held.contains(key))
            {
                log::debug!("will rely on agent for hostkey {}", path.display());
                found.in_agent.push(key);
                continue;
            }
            match loaded {
                Ok(key) => found.keys.push(key),
                // The usual keys need not all be there.
                Err(Unusable::Unreadable(error))
                    if !named && error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => error.log(path),
            }
        }
        for path in certificates {
            match load_certificate(path) {
                Ok(certificate) if found.holds(&certificate.plain()) => {
                    found.certificates.push(certificate);
                }
                Ok(_) => log::error!("No matching private key for certificate: {}", path.display()),
                Err(error) => {
                    log::error!("Could not load host certificate \"{}\": {error}", path.display());
                }
            }
        }
        found
    }

    fn holds(&self, key: &PublicKey) -> bool {
        self.keys.iter().any(|private| private.public() == key) || self.in_agent.contains(key)
    }
}

/// Where the agent listens: the word `SSH_AUTH_SOCK` stands for what that variable says.
fn agent_socket(word: &str) -> Option<PathBuf> {
    match word {
        "SSH_AUTH_SOCK" => std::env::var_os(word).map(PathBuf::from),
        path => Some(path.into()),
    }
}

fn keys_of_agent(socket: &Path) -> Vec<PublicKey> {
    let asked = AgentClient::connect(socket, AGENT_TIME).and_then(|mut agent| agent.identities());
    match asked {
        Ok(identities) => identities.into_iter().map(|(key, _comment)| key).collect(),
        Err(error) => {
            log::error!("Could not connect to agent \"{}\": {error}", socket.display());
            Vec::new()
        }
    }
}

/// The public half beside a private key, or in its place.
fn load_public(path: &Path) -> Option<PublicKey> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".pub");
    [path, Path::new(&beside)].into_iter().find_map(|path| {
        let bytes = read_limited(path, FILE_BYTES).ok()?;
        let (key, _comment) =
            PublicKey::from_line(std::str::from_utf8(&bytes).ok()?.trim()).ok()?;
        Some(key)
    })
}

/// Makes the usual host keys when there is none at all. Returns lines to show.
pub(crate) fn make_missing() -> Vec<String> {
    if DEFAULTS.iter().any(|(path, ..)| Path::new(path).symlink_metadata().is_ok()) {
        return Vec::new();
    }
    let mut lines = vec!["No host keys yet: making them.".to_owned()];
    for (path, kind, bits) in DEFAULTS {
        match make(Path::new(path), kind, bits) {
            Ok(public) => lines.push(format!(
                "{path}: {} {}",
                public.type_label(),
                public.fingerprint(FingerprintHash::Sha256)
            )),
            Err(error) => lines.push(format!("{path}: cannot be made: {error}")),
        }
    }
    lines
}

fn make(path: &Path, kind: KeyKind, bits: Option<u32>) -> Result<PublicKey, String> {
    let comment = format!("root@{}", rustix::system::uname().nodename().to_string_lossy());
    let key = PrivateKey::generate(kind, bits, &comment).map_err(|error| error.to_string())?;
    let text = key.to_openssh(None, 0).map_err(|error| error.to_string())?;
    write_new(path, text.as_bytes(), 0o600).map_err(|error| error.to_string())?;
    let mut public_path = path.as_os_str().to_owned();
    public_path.push(".pub");
    let line = format!("{}\n", key.public().to_line(&comment));
    write_new(Path::new(&public_path), line.as_bytes(), 0o644)
        .map_err(|error| error.to_string())?;
    Ok(key.public().clone())
}

/// Writes a file that must not be there yet, whole or not at all: under another
/// name first, and then linked, which fails when somebody else was quicker.
fn write_new(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".new.{}", std::process::id()));
    let temporary = PathBuf::from(temporary);
    let written = (|| {
        let mut file = File::options().write(true).create_new(true).mode(mode).open(&temporary)?;
        file.set_permissions(std::fs::Permissions::from_mode(mode))?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::hard_link(&temporary, path)
    })();
    let _ = std::fs::remove_file(&temporary);
    written
}

enum Unusable {
    Unreadable(io::Error),
    /// Others may read it.
    Open(u32),
    Other(String),
}

impl Unusable {
    fn log(&self, path: &Path) {
        let path = path.display();
        match self {
            Unusable::Unreadable(error) => {
                let reason = error.to_string();
                let reason = reason.split(" (os error").next().unwrap_or_default();
                log::error!("Unable to load host key \"{path}\": {reason}");
            }
            Unusable::Open(mode) => {
                log::error!("@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@");
                log::error!("@         WARNING: UNPROTECTED PRIVATE KEY FILE!          @");
                log::error!("@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@");
                log::error!("Permissions 0{:03o} for '{path}' are too open.", mode & 0o777);
                log::error!(
                    "It is required that your private key files are NOT accessible by others."
                );
                log::error!("This private key will be ignored.");
                log::error!("Unable to load host key \"{path}\": bad permissions");
            }
            Unusable::Other(reason) => log::error!("Unable to load host key \"{path}\": {reason}"),
        }
    }
}

fn load_key(path: &Path) -> Result<PrivateKey, Unusable> {
    let metadata = std::fs::metadata(path).map_err(Unusable::Unreadable)?;
    // Only the owner's own carelessness is held against the file; root may read any.
    if metadata.uid() == rustix::process::getuid().as_raw() && metadata.mode() & 0o077 != 0 {
        return Err(Unusable::Open(metadata.mode()));
    }
    let bytes: Zeroizing<Vec<u8>> = read_limited(path, FILE_BYTES).map_err(Unusable::Unreadable)?;
    let key =
        PrivateKey::parse(&bytes, None).map_err(|error| Unusable::Other(error.to_string()))?;
    if key.public().key_type().is_security_key() {
        if !hardware::is_there() {
            let why = "this program cannot use security keys; an agent can (HostKeyAgent)";
            return Err(Unusable::Other(why.to_owned()));
        }
        return hardware::without_touch(key).map_err(|error| Unusable::Other(error.to_string()));
    }
    Ok(key)
}

fn load_certificate(path: &Path) -> Result<PublicKey, String> {
    let bytes = read_limited(path, FILE_BYTES).map_err(|error| error.to_string())?;
    let text = std::str::from_utf8(&bytes).map_err(|error| error.to_string())?;
    let (key, _comment) = PublicKey::from_line(text.trim()).map_err(|error| error.to_string())?;
    match key.certificate() {
        Some(certificate) if certificate.kind == keys::CertificateKind::Host => Ok(key),
        Some(_) => Err("not a host certificate".into()),
        None => Err("not a certificate".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let public = make(&path, KeyKind::Ed25519, None).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let found = HostKeys::load(std::slice::from_ref(&path), &[], None);
        assert_eq!(found.keys.len(), 1);
        assert!(*found.keys[0].public() == public);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(load_key(&path), Err(Unusable::Open(_))));
        assert!(HostKeys::load(&[path], &[], None).keys.is_empty());
    }

    #[test]
    fn a_file_that_is_there_is_not_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, "mine").unwrap();
        assert!(write_new(&path, b"other", 0o600).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"mine");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
