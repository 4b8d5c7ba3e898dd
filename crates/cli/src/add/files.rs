//! Keys in files: given to the agent with their certificates, and taken away again.

mod deleting;

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use keys::agent::{Constraint, Request};
use keys::{Certificate, PrivateKey, PrivateKeyError, PublicKey};
use zeroize::Zeroizing;

use super::Failure;
use super::args::Action;
use super::requests::Session;
use crate::hardware::message::FailureKind;
use crate::hardware::security_key::{self, application};
use crate::messages::{debug, error};
use crate::ui::clean;
use crate::ui::prompt::{self, Place};
use crate::{files, key_files};

/// The files of a user who names none, under `~/.ssh`, in OpenSSH's order.
const DEFAULT_FILES: [&str; 5] =
    ["id_rsa", "id_ecdsa", "id_ecdsa_sk", "id_ed25519", "id_ed25519_sk"];

/// What stands for standard input.
const STANDARD_INPUT: &str = "-";

/// Largest public key file, or list of keys to delete, that is read.
const PUBLIC_BYTES_MAX: u64 = 1 << 20;

/// How long an agent keeps a certificate that has expired, for clocks that differ.
const GRACE_SECONDS: u64 = 5 * 60;

impl Session<'_> {
    /// The user's usual files, as many as there are.
    pub fn default_files(&mut self) -> Result<(), Failure> {
        let account = crate::ssh::paths::own_account();
        let Some(account) = account else {
            eprintln!("No user found with uid {}", rustix::process::getuid().as_raw());
            return Err(Failure::Told);
        };
        let mut found = false;
        let mut result = Ok(());
        for name in DEFAULT_FILES {
            let path = account.home.join(".ssh").join(name);
            if fs::metadata(&path).is_err() {
                continue;
            }
            let done = match self.args.action {
                Action::Delete => self.delete(path.as_os_str()),
                _ => self.add(path.as_os_str()),
            };
            match done {
                Ok(()) => found = true,
                Err(Failure::Told) => result = Err(Failure::Told),
                fatal @ Err(_) => return fatal,
            }
        }
        if found { result } else { Err(Failure::Told) }
    }

    /// Gives the key in a file to the agent, and its certificate.
    pub fn add(&mut self, file: &OsStr) -> Result<(), Failure> {
        let shown = shown(file);
        let bytes = read_private(file)?;
        let key = self.open(&bytes, &shown)?;
        let key = if key.comment().is_empty() { key.with_comment(&shown) } else { key };
        let provider = self.provider(&key)?;
        let certificate = self.certificate_of(file, key.public());
        let spare = certificate.as_ref().map(|_| copy_of(&key)).transpose()?;
        let certificates_only = self.args.certificates_only;
        let given = if certificates_only {
            Err(Failure::Told)
        } else {
            self.give(key, &shown, provider.clone())
        };
        let Some((spare, (path, certificate))) = spare.zip(certificate) else {
            if certificates_only {
                eprintln!("{shown} has no certificate to add");
            }
            return given;
        };
        let added = self.add_certificate(spare, &path, certificate, provider);
        if certificates_only && added { Ok(()) } else { given }
    }

    fn give(
        &mut self,
        key: PrivateKey,
        shown: &str,
        provider: Option<Constraint>,
    ) -> Result<(), Failure> {
        let comment = clean::visible(key.comment());
        let lifetime = self.args.lifetime;
        let mut constraints = self.constraints(lifetime);
        constraints.extend(provider);
        let request = Request::AddIdentity { key: Box::new(key), constraints };
        if let Err(problem) = self.agent.perform(&request) {
            eprintln!("Could not add identity \"{shown}\": {problem}");
            return Err(Failure::Told);
        }
        self.tell("Identity", shown, &comment, lifetime);
        Ok(())
    }

    /// False when it did not work; what went well before still counts.
    fn add_certificate(
        &mut self,
        key: PrivateKey,
        path: &Path,
        certificate: PublicKey,
        provider: Option<Constraint>,
    ) -> bool {
        let shown = shown(path.as_os_str());
        let Some(details) = certificate.certificate() else { return false };
        let name = clean::visible(&details.key_id);
        let lifetime = self.certificate_lifetime(details);
        if lifetime == Some(0) {
            error!("Certificate {shown} ({name}) has expired");
        }
        let key = match key.with_certificate(certificate) {
            Ok(key) => key,
            Err(problem) => {
                error!("Certificate {shown}: {problem}");
                return false;
            }
        };
        let mut constraints = self.constraints(lifetime);
        constraints.extend(provider);
        let request = Request::AddIdentity { key: Box::new(key), constraints };
        if let Err(problem) = self.agent.perform(&request) {
            error!("Certificate {shown} ({name}) add failed: {problem}");
            return false;
        }
        self.tell("Certificate", &shown, &name, lifetime);
        true
    }

    /// A certificate is of no use after it has expired: the agent need not keep it. One that has
    /// expired already is given for ever (0): its owner must know what for.
    fn certificate_lifetime(&self, certificate: &Certificate) -> Option<u32> {
        let given = self.args.lifetime.filter(|life| *life != 0);
        if self.args.keep_expired || certificate.valid_before == u64::MAX {
            return given;
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let left = certificate.valid_before.saturating_add(GRACE_SECONDS).saturating_sub(now);
        if left == 0 {
            return given.or(Some(0));
        }
        let left = u32::try_from(left).unwrap_or(u32::MAX);
        Some(given.map_or(left, |given| given.min(left)))
    }

    fn tell(&self, what: &str, shown: &str, comment: &str, lifetime: Option<u32>) {
        if self.args.quiet {
            return;
        }
        eprintln!("{what} added: {shown} ({comment})");
        if let Some(lifetime) = lifetime.filter(|life| *life != 0) {
            eprintln!("Lifetime set to {lifetime} seconds");
        }
        if self.args.confirm {
            eprintln!("The user must confirm each use of the key");
        }
    }

    /// The certificate beside a key's file, unless the options leave it out.
    fn certificate_of(&self, file: &OsStr, key: &PublicKey) -> Option<(PathBuf, PublicKey)> {
        if self.args.keys_only || file == STANDARD_INPUT {
            return None;
        }
        let path = PathBuf::from(with_suffix(file, "-cert.pub"));
        let shown = shown(path.as_os_str());
        let bytes = match files::read_limited(&path, PUBLIC_BYTES_MAX) {
            Ok(bytes) => bytes,
            Err(source) => {
                if source.kind() != io::ErrorKind::NotFound {
                    let why = crate::text::reason(&source);
                    error!("Failed to load certificate \"{shown}\": {why}");
                }
                return None;
            }
        };
        let found = first_line(&bytes).filter(|(found, _)| found.certificate().is_some());
        let Some((certificate, _)) = found else {
            error!("Failed to load certificate \"{shown}\": invalid format");
            return None;
        };
        if certificate.plain() != key.plain() {
            error!("Certificate {shown} does not match private key {}", self::shown(file));
            return None;
        }
        Some((path, certificate))
    }

    /// Reads a private key, asking for its passphrase until it is right or empty.
    fn open(&mut self, bytes: &[u8], shown: &str) -> Result<PrivateKey, Failure> {
        let failed = |problem: &PrivateKeyError| {
            eprintln!("Error loading key \"{shown}\": {problem}");
            Failure::Told
        };
        match PrivateKey::parse(bytes, None) {
            Ok(key) => return Ok(key),
            Err(PrivateKeyError::PassphraseNeeded) => {}
            Err(problem) => return Err(failed(&problem)),
        }
        let confirming = if self.args.confirm { " (will confirm each use)" } else { "" };
        let mut question = format!("Enter passphrase for {shown}{confirming}: ");
        let mut passphrase = self.passphrase.take();
        loop {
            if let Some(tried) = &passphrase {
                match PrivateKey::parse(bytes, Some(tried.as_bytes())) {
                    Ok(key) => {
                        self.passphrase = passphrase;
                        return Ok(key);
                    }
                    Err(PrivateKeyError::WrongPassphrase) => {}
                    Err(problem) => return Err(failed(&problem)),
                }
            }
            let typed = prompt::secret(&question, Place::StandardInput);
            passphrase = Some(typed.filter(|typed| !typed.is_empty()).ok_or(Failure::Told)?);
            question = format!("Bad passphrase, try again for {shown}{confirming}: ");
        }
    }

    /// What the agent must know to use a key that is in a security key.
    fn provider(&self, key: &PrivateKey) -> Result<Option<Constraint>, Failure> {
        if key.security_key().is_none() {
            return Ok(None);
        }
        let provider = security_key::provider(self.args.provider.as_deref());
        let real = security_key::real_provider(&provider).map_err(|source| {
            let why = crate::text::reason(&source);
            Failure::Fatal(format!("FIDO provider {}: {why}", clean::visible(&provider)))
        })?;
        Ok(Some(Constraint::SkProvider(real)))
    }

    /// `-K`: the keys that authenticators keep.
    pub fn resident_keys(&mut self) -> Result<(), Failure> {
        let provider = security_key::provider(self.args.provider.as_deref());
        let pin = prompt::secret("Enter PIN for authenticator: ", Place::StandardInput)
            .ok_or(Failure::Told)?;
        if !self.args.quiet {
            eprintln!("You may need to touch your authenticator to authorize key download.");
        }
        let found = security_key::resident_keys(&provider, "", Some(&pin)).map_err(|failure| {
            if failure.kind == FailureKind::Pin {
                error!("PIN incorrect");
            }
            eprintln!("Unable to load resident keys: {failure}");
            Failure::Told
        })?;
        let mut result = Err(Failure::Told);
        for resident in &found {
            let application = String::from_utf8_lossy(application(&resident.public)).into_owned();
            let key = security_key::private_key(resident, &application)
                .map_err(|failure| Failure::Fatal(failure.to_string()))?;
            let constraint = self.provider(&key)?;
            let mut constraints = self.constraints(self.args.lifetime);
            constraints.extend(constraint);
            let name = format!(
                "{} {}",
                resident.public.type_label(),
                resident.public.fingerprint(self.args.hash)
            );
            let request = Request::AddIdentity { key: Box::new(key), constraints };
            if let Err(problem) = self.agent.perform(&request) {
                error!("Unable to add key {name}: {problem}");
                continue;
            }
            result = Ok(());
            if !self.args.quiet {
                eprintln!("Resident identity added: {name}");
                if let Some(lifetime) = self.args.lifetime.filter(|life| *life != 0) {
                    eprintln!("Lifetime set to {lifetime} seconds");
                }
                if self.args.confirm {
                    eprintln!("The user must confirm each use of the key");
                }
            }
        }
        if found.is_empty() {
            eprintln!("No keys to download");
        }
        result
    }
}

/// A public key and its comment: the file itself, the clear half of a private key file, or `.pub`
/// beside it.
///
/// # Errors
/// There is none.
pub fn load_public(path: &Path) -> Result<(PublicKey, String), String> {
    let own = files::read_limited(path, PUBLIC_BYTES_MAX).map(Zeroizing::new);
    if let Some(found) = own.as_ref().ok().and_then(|bytes| first_line(bytes)) {
        return Ok(found);
    }
    let beside = PathBuf::from(with_suffix(path.as_os_str(), ".pub"));
    let beside = files::read_limited(&beside, PUBLIC_BYTES_MAX).ok();
    let beside = beside.and_then(|bytes| first_line(&bytes));
    let inside = own.as_ref().ok().and_then(|bytes| keys::public_of_private_file(bytes).ok()?);
    match (inside, beside, own) {
        (Some(inside), Some((key, comment)), _) if inside == key => Ok((key, comment)),
        (Some(inside), _, _) => Ok((inside, shown(path.as_os_str()))),
        (None, Some(beside), _) => Ok(beside),
        (None, None, Err(source)) => Err(crate::text::reason(&source)),
        (None, None, Ok(_)) => Err("invalid format".to_owned()),
    }
}

fn first_line(bytes: &[u8]) -> Option<(PublicKey, String)> {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.lines().map(str::trim);
    let line = lines.find(|line| !line.is_empty() && !line.starts_with('#'))?;
    PublicKey::from_line(line).ok()
}

fn read_private(file: &OsStr) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let limit = keys::limits::PRIVATE_FILE_BYTES as u64;
    let shown = shown(file);
    if file == STANDARD_INPUT {
        let mut bytes = Zeroizing::new(Vec::with_capacity(keys::limits::PRIVATE_FILE_BYTES + 1));
        return match io::stdin().take(limit + 1).read_to_end(&mut bytes) {
            Ok(_) => Ok(bytes),
            Err(source) => {
                eprintln!("Error loading key \"{shown}\": {}", crate::text::reason(&source));
                Err(Failure::Told)
            }
        };
    }
    let path = Path::new(file);
    let bytes = files::read_limited(path, limit).map(Zeroizing::new);
    // A file that is missing is no file that others may read.
    if bytes.is_ok()
        && let Some(warning) = key_files::too_open(path)
    {
        for line in warning.lines() {
            error!("{line}");
        }
        return Err(Failure::Told);
    }
    bytes.map_err(|source| {
        debug!("read {shown}: {source}");
        eprintln!("{shown}: {}", crate::text::reason(&source));
        Failure::Told
    })
}

/// The same key once more: giving one to the agent uses it up.
fn copy_of(key: &PrivateKey) -> Result<PrivateKey, Failure> {
    let failed = |problem: String| Failure::Fatal(format!("copying the key: {problem}"));
    let text = key.to_openssh(None, 1).map_err(|problem| failed(problem.to_string()))?;
    PrivateKey::parse(text.as_bytes(), None).map_err(|problem| failed(problem.to_string()))
}

fn with_suffix(file: &OsStr, suffix: &str) -> OsString {
    let mut path = file.to_owned();
    path.push(suffix);
    path
}

fn shown(file: &OsStr) -> String {
    if file == STANDARD_INPUT {
        return "(stdin)".to_owned();
    }
    clean::visible(&file.to_string_lossy())
}
