//! Is it the host it says it is? known_hosts, the question at first contact, and the alarms.

mod address;
mod alarms;
mod contact;
mod records;
mod update;
mod vouched;

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};

use config::{ClientConfig, FingerprintHash as HashChoice, YesNoAsk};
use keys::known_hosts::{Entry, HostName, KnownHosts, Marker, Verdict, new_lines};
use keys::{CertificateKind, FingerprintHash, PublicKey};

use self::records::Records;
use super::dns::Standing;
use super::memory::Sightings;
use crate::files;
use crate::messages::{debug, error, info};
use crate::text::reason;

/// Largest known_hosts file that is read.
const FILE_BYTES_MAX: u64 = 256 << 20;

/// What to do with a host key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Go on.
    Accept,
    /// Go on, but send nothing that a stranger could use.
    AcceptDistrusted,
    /// Stop here.
    Refuse,
}

/// What is known about the one host we connect to.
pub struct HostKeys {
    config: Rc<ClientConfig>,
    /// The name in known_hosts.
    name: HostName,
    /// The name a certificate must be for.
    principal: String,
    /// What the question shows behind the name.
    address: Option<SocketAddr>,
    port: u16,
    known: KnownHosts,
    /// Written by this connection, so that they are not learned a second time.
    written: Vec<PublicKey>,
    /// The key was found in a file of the user's, so that rotated keys may follow it there.
    is_in_user_file: bool,
    /// The key was known before this connection, or the user has vouched for it.
    is_trusted: bool,
    /// When known keys were seen.
    sightings: Sightings,
    /// What the DNS says about the key.
    records: Records,
}

impl HostKeys {
    /// Reads the files. `host` is the real name, in lower case.
    pub fn load(config: Rc<ClientConfig>, host: &str) -> Self {
        let port = *config.port;
        // An alias names a host as a whole, whatever the port.
        let name = match config.host_key_alias.as_deref() {
            Some(alias) => HostName::from_text(alias),
            None => HostName::new(host, port),
        };
        let principal = config.host_key_alias.as_deref().unwrap_or(host).to_owned();
        let mut known = KnownHosts::default();
        let user = config.user_known_hosts_files.iter();
        for path in user.chain(config.global_known_hosts_files.iter()) {
            match files::read_limited(path, FILE_BYTES_MAX) {
                Ok(bytes) => {
                    known.add(&String::from_utf8_lossy(&bytes), &path.display().to_string());
                }
                Err(source) => {
                    debug!("load_hostkeys: fopen {}: {}", path.display(), reason(&source));
                }
            }
        }
        let mut host_keys = HostKeys {
            config,
            name,
            principal,
            address: None,
            port,
            known,
            written: Vec::new(),
            is_in_user_file: false,
            is_trusted: false,
            sightings: Sightings::default(),
            records: Records::None,
        };
        // Failing is only decisive when the key itself is looked up.
        host_keys.ask_command("ORDER", None);
        host_keys
    }

    /// Adds what `KnownHostsCommand` prints, if there is one; false when it fails.
    fn ask_command(&mut self, why: &str, key: Option<&PublicKey>) -> bool {
        let Some(command) = self.config.known_hosts_command.as_deref() else { return true };
        let none = || "NONE".to_owned();
        let line = key.map(|key| key.plain().to_line(""));
        let encoded = line.as_deref().and_then(|line| line.split(' ').nth(1)).map(str::to_owned);
        let tokens = self
            .config
            .tokens()
            .clone()
            .with('H', self.name.as_str())
            .with('I', why)
            .with('t', key.map_or_else(none, |key| key.algorithm().to_owned()))
            .with('K', encoded.unwrap_or_else(none))
            .with('f', key.map_or_else(none, |key| key.fingerprint(self.hash())));
        let variable = |name: &str| std::env::var(name).ok();
        let command = match tokens.expand_with_environment(command, &variable) {
            Ok(command) => command,
            Err(problem) => {
                error!("KnownHostsCommand: {problem}");
                return false;
            }
        };
        let output = Command::new("/bin/sh")
            .arg("-c")
            .arg(&command)
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output();
        match output {
            Ok(output) if output.status.success() => {
                let source = format!("KnownHostsCommand-{why}");
                self.known.add(&String::from_utf8_lossy(&output.stdout), &source);
                true
            }
            Ok(output) => {
                error!("KnownHostsCommand failed: {}", output.status);
                false
            }
            Err(source) => {
                error!("KnownHostsCommand failed: {}", reason(&source));
                false
            }
        }
    }

    /// The address we are connected to; a proxy leaves it unknown.
    pub fn set_address(&mut self, address: SocketAddr) {
        self.address = Some(address);
    }

    /// The name in known_hosts.
    pub fn name(&self) -> &HostName {
        &self.name
    }

    /// Whether the key may be relied on the next time.
    pub fn is_trusted(&self) -> bool {
        self.is_trusted
    }

    /// The file new hosts are written to.
    pub fn first_user_file(&self) -> Option<&Path> {
        let file = self.config.user_known_hosts_files.first()?;
        (!is_nothing(file)).then_some(file.as_path())
    }

    /// The host key algorithms with those first that we know a key for, unless the user chose an
    /// order.
    pub fn ordered_algorithms(&self) -> Vec<String> {
        let all = self.config.host_key_algorithms.value.clone();
        if self.config.host_key_algorithms.is_set() {
            return all;
        }
        let (known, other): (Vec<String>, Vec<String>) =
            all.into_iter().partition(|name| self.knows_key_for(name));
        if !known.is_empty() {
            debug!("order_hostkeyalgs: prefer hostkeyalgs: {}", known.join(","));
        }
        known.into_iter().chain(other).collect()
    }

    /// Whether a host key of this algorithm could be checked without asking.
    pub fn knows_key_for(&self, algorithm: &str) -> bool {
        let Some(row) = keys::algorithms::lookup(algorithm) else { return false };
        self.known.lookup(&self.name).any(|entry| match entry.marker {
            None => !row.is_certificate && entry.key.key_type() == row.key_type,
            Some(Marker::CertAuthority) => row.is_certificate,
            Some(Marker::Revoked) => false,
        })
    }

    /// Decides about the key that the server has just proved to hold.
    pub fn check(&mut self, key: &PublicKey) -> Decision {
        let fingerprint = key.fingerprint(self.hash());
        debug!("Server host key: {} {fingerprint}", key.algorithm());
        if self.is_revoked_by_file(key) {
            return Decision::Refuse;
        }
        if self.is_excused() {
            debug!("Forcing accepting of host key for loopback/localhost.");
            return Decision::Accept;
        }
        if !self.ask_command("HOSTNAME", Some(key)) {
            return Decision::Refuse;
        }
        if key.certificate().is_some() {
            if let Some(decision) = self.check_certificate(key) {
                return decision;
            }
            debug!("No matching CA found. Retry with plain key");
        }
        let plain = key.plain();
        self.records = self.ask_records(&plain);
        let is_vouched = self.records == Records::Match(Standing::Secure)
            && *self.config.verify_host_key_dns == YesNoAsk::Yes;
        match self.records {
            Records::Mismatch => self.alarm_records(&plain),
            Records::Bogus => self.alarm_bogus_records(),
            Records::None | Records::Match(_) => {}
        }
        let known = std::mem::take(&mut self.known);
        let decision = match known.judge(&self.name, &plain) {
            Verdict::Known(entry) => {
                self.accept_known(&plain, entry, "key");
                self.check_address(&known, &plain, entry)
            }
            Verdict::Revoked(entry) => self.alarm_revoked(&plain, entry),
            // The DNS vouches for the key, and its signatures for the DNS.
            _ if is_vouched => Decision::Accept,
            other => match (self.ask_panels(&known, &plain), other) {
                (Some(decision), _) => decision,
                (None, Verdict::Changed(entries)) => {
                    self.alarm_address(&known, &plain);
                    self.alarm_changed(&plain, &entries)
                }
                (None, Verdict::OtherTypes(entries)) => self.meet(&known, &plain, &entries),
                // A plain key cannot be vouched for by a CA.
                (None, _) => self.meet(&known, &plain, &[]),
            },
        };
        self.known = known;
        decision
    }

    fn is_excused(&self) -> bool {
        *self.config.no_host_authentication_for_localhost
            && self.config.host_key_alias.is_none()
            && self.address.is_some_and(|address| address.ip().is_loopback())
    }

    /// Nothing when no CA speaks for the certificate, or not rightly.
    fn check_certificate(&mut self, key: &PublicKey) -> Option<Decision> {
        let known = std::mem::take(&mut self.known);
        let decision = match known.judge(&self.name, key) {
            Verdict::Revoked(entry) => Some(self.alarm_revoked(key, entry)),
            Verdict::CertAuthority(entry) => match self.certificate_problem(key) {
                None => {
                    self.accept_known(key, entry, "certificate");
                    Some(Decision::Accept)
                }
                Some(problem) => {
                    error!("{problem}");
                    None
                }
            },
            _ => None,
        };
        self.known = known;
        decision
    }

    fn certificate_problem(&self, key: &PublicKey) -> Option<String> {
        let certificate = key.certificate()?;
        let allowed = &self.config.ca_signature_algorithms;
        let algorithm = certificate.signature_algorithm;
        if !allowed.iter().any(|name| name == algorithm) {
            return Some(format!(
                "Certificate invalid: signed with algorithm {algorithm}, which \
                 CASignatureAlgorithms does not allow"
            ));
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
        // Host names in certificates may be patterns.
        certificate
            .check(CertificateKind::Host, Some(&self.principal), now, true)
            .err()
            .map(|problem| problem.to_string())
    }

    fn accept_known(&mut self, key: &PublicKey, entry: &Entry, what: &str) {
        let name = &self.name;
        let label = type_label(key);
        debug!("Host '{name}' is known and matches the {label} host {what}.");
        let found = if what == "key" { "key" } else { "CA key" };
        debug!("Found {found} in {}:{}", entry.source, entry.line);
        if *self.config.visual_host_key {
            info!(
                "Host key fingerprint is {}\n{}",
                key.fingerprint(self.hash()),
                key.randomart(self.hash())
            );
        }
        self.is_trusted = true;
        self.is_in_user_file = what == "key" && self.is_users(entry);
    }

    /// When the keys of this host were seen, as far as it is remembered.
    pub fn set_sightings(&mut self, sightings: Sightings) {
        self.sightings = sightings;
    }

    fn append(&self, file: &Path, keys: &[PublicKey]) -> std::io::Result<()> {
        self.append_names(file, std::slice::from_ref(&self.name), keys)
    }

    fn append_names(
        &self,
        file: &Path,
        names: &[HostName],
        keys: &[PublicKey],
    ) -> std::io::Result<()> {
        if files::make_private_folder(file)?
            && let Some(folder) = file.parent()
        {
            info!("Created directory '{}'.", folder.display());
        }
        let hashed = *self.config.hash_known_hosts;
        let lines: String = keys.iter().map(|key| new_lines(names, key, "", hashed)).collect();
        files::append_lines(file, &lines)
    }

    // ---- keys that the server announces ----

    fn is_users(&self, entry: &Entry) -> bool {
        let mut files = self.config.user_known_hosts_files.iter();
        files.any(|path| path.display().to_string() == *entry.source)
    }

    fn hash(&self) -> FingerprintHash {
        match *self.config.fingerprint_hash {
            HashChoice::Md5 => FingerprintHash::Md5,
            HashChoice::Sha256 => FingerprintHash::Sha256,
        }
    }

    fn user_file_shown(&self) -> String {
        let first = self.config.user_known_hosts_files.first();
        first.map_or_else(String::new, |path| path.display().to_string())
    }
}

/// `ED25519`, also for its certificates: the line says elsewhere what it is.
fn type_label(key: &PublicKey) -> &'static str {
    key.key_type().algorithm().label
}

/// Files that hold nothing.
fn is_nothing(path: &Path) -> bool {
    path == Path::new("/dev/null") || path.as_os_str().eq_ignore_ascii_case("none")
}
