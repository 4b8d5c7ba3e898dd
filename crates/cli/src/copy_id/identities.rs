//! Which keys are to be copied: those of a file, else the agent's, else the newest of the user's.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use keys::{PrivateKey, PrivateKeyError, PublicKey};
use net::agent::AgentClient;
use zeroize::Zeroizing;

use super::args::Identity;
use crate::files::read_limited;
use crate::ui::clean;

/// Largest file of public keys that is read.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// How long the agent may take to list its keys.
const AGENT_TIMEOUT: Duration = Duration::from_secs(60);

/// The keys, and where they are from.
pub struct Chosen {
    /// Each with its comment.
    pub keys: Vec<(PublicKey, String)>,
    /// For the user.
    pub source: String,
    /// The private key's file, to log in with; nothing where the agent has it.
    pub private: Option<PathBuf>,
    in_agent: bool,
}

impl Chosen {
    /// Whether the agent has the private keys.
    pub fn source_is_agent(&self) -> bool {
        self.in_agent
    }
}

/// Chooses as OpenSSH does.
///
/// # Errors
/// There is no key.
pub fn choose(identity: &Identity) -> Result<Chosen, String> {
    match identity {
        Identity::File(file) => from_file(Path::new(file)),
        Identity::DefaultFile => from_file(&newest_file()?),
        Identity::Any => match from_agent() {
            Some(chosen) => Ok(chosen),
            None => from_file(&newest_file()?),
        },
    }
}

fn from_agent() -> Option<Chosen> {
    let socket = env::var_os("SSH_AUTH_SOCK").filter(|path| !path.is_empty())?;
    let mut agent = AgentClient::connect(Path::new(&socket), AGENT_TIMEOUT).ok()?;
    let mut keys = agent.identities().ok()?;
    // A certificate's key is what authorized_keys can name.
    keys.retain(|(key, _)| key.certificate().is_none());
    if keys.is_empty() {
        return None;
    }
    Some(Chosen {
        keys,
        source: "the agent (ssh-add -L)".to_owned(),
        private: None,
        in_agent: true,
    })
}

/// `FILE.pub` for `FILE`.
fn from_file(named: &Path) -> Result<Chosen, String> {
    let (public, private) = if named.extension() == Some(OsStr::new("pub")) {
        (named.to_owned(), named.with_extension(""))
    } else {
        let mut public = named.as_os_str().to_owned();
        public.push(".pub");
        (PathBuf::from(public), named.to_owned())
    };
    let shown = clean::visible(&public.display().to_string());
    let bytes = match read_limited(&public, FILE_BYTES_MAX) {
        Ok(bytes) => bytes,
        Err(source) => {
            // A private key carries its public half.
            let inside = read_limited(&private, FILE_BYTES_MAX).ok().map(Zeroizing::new);
            let inside = inside.and_then(|bytes| keys::public_of_private_file(&bytes).ok()?);
            let why = crate::text::reason(&source);
            let key = inside.ok_or_else(|| format!("failed to open ID file '{shown}': {why}"))?;
            let source = clean::visible(&private.display().to_string());
            let keys = vec![(key, source.clone())];
            return Ok(Chosen { keys, source, private: Some(private), in_agent: false });
        }
    };
    let text = String::from_utf8_lossy(&bytes);
    let lines =
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut keys = Vec::new();
    for line in lines {
        let (key, comment) = PublicKey::from_line(line)
            .map_err(|problem| format!("'{shown}' is no file of public keys: {problem}"))?;
        if key.certificate().is_some() {
            return Err(format!("'{shown}' is a certificate; name the key it belongs to"));
        }
        keys.push((key, comment));
    }
    if keys.is_empty() {
        return Err(format!("'{shown}' holds no public key"));
    }
    Ok(Chosen {
        keys,
        source: shown,
        private: Some(private).filter(|path| path.exists()),
        in_agent: false,
    })
}

/// The youngest of `~/.ssh/id*.pub`.
fn newest_file() -> Result<PathBuf, String> {
    let account = crate::ssh::paths::own_account();
    let home = env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
    let home = home.or(account.map(|account| account.home)).ok_or("no home folder")?;
    let folder = home.join(".ssh");
    let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
    let candidates = entries.filter(|entry| {
        let name = entry.file_name();
        let name = name.as_bytes();
        name.starts_with(b"id") && name.ends_with(b".pub") && !name.ends_with(b"-cert.pub")
    });
    let age = |entry: &fs::DirEntry| {
        let modified = entry.metadata().and_then(|metadata| metadata.modified());
        modified.unwrap_or(SystemTime::UNIX_EPOCH)
    };
    let newest = candidates.max_by_key(|entry| (age(entry), entry.file_name()));
    newest.map(|entry| entry.path()).ok_or_else(|| {
        let folder = clean::visible(&folder.display().to_string());
        format!(
            "No identities found: no agent has keys, and there is no {folder}/id*.pub; \
                 ssh-keygen makes one"
        )
    })
}

/// Whether the key in a file can be used without asking for its passphrase.
pub fn is_usable(private: &Path) -> bool {
    let limit = keys::limits::PRIVATE_FILE_BYTES as u64;
    let Ok(bytes) = read_limited(private, limit).map(Zeroizing::new) else { return false };
    !matches!(PrivateKey::parse(&bytes, None), Err(PrivateKeyError::PassphraseNeeded))
        || is_in_agent(&bytes)
}

fn is_in_agent(private: &[u8]) -> bool {
    let Ok(Some(public)) = keys::public_of_private_file(private) else { return false };
    from_agent().is_some_and(|agent| agent.keys.iter().any(|(key, _)| *key == public))
}
