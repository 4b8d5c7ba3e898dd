//! The configuration and the host keys, read for the listener and sealed for its monitors.

use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use config::{
    AlgorithmLists, AlgorithmSet, ConnectionInfo, NoteLevel, RealFiles, Recorder, ServerConfig,
    ServerSettings, ServerSources, Snapshot,
};
use net::logging::LogLevel;

use super::{complain, start_logging};
use crate::accounts::Account;
use crate::flags::{Flags, Task};
use crate::hardware;
use crate::host_keys::{self, HostKeys};
use crate::listener::sockets;
use crate::moduli;
use crate::requests::{Bytes, Ends, LogTarget, SecretBytes};
use crate::settings::Sealed;

/// Where the configuration is when nothing else is said.
const CONFIG_FILE: &str = "/etc/ssh/sshd_config";

/// What the command line says, for as long as the program runs.
pub(crate) struct Setup {
    pub(super) flags: Flags,
    config_file: Option<PathBuf>,
    pub(super) stderr: bool,
    /// Serve one connection, then end.
    pub(crate) alone: bool,
}

/// One reading of the configuration.
pub(crate) struct Generation {
    /// For everybody.
    pub(crate) settings: ServerSettings,
    /// For the monitors.
    pub(crate) sealed: OwnedFd,
}

impl Setup {
    pub(super) fn new(flags: Flags) -> Result<Self, String> {
        let current = std::env::current_dir().unwrap_or_default();
        let config_file = match &flags.config_file {
            // By another working directory, and a SIGHUP later, it must still be the same file.
            Some(path) if path == Path::new("none") => None,
            Some(path) => Some(current.join(path)),
            None if Path::new(CONFIG_FILE).exists() => Some(CONFIG_FILE.into()),
            None => {
                complain(&format!("{CONFIG_FILE} is not there; using the built-in defaults"));
                None
            }
        };
        let checking = flags.task != Task::Serve;
        if let Some(path) = &flags.log_file {
            let file = std::fs::OpenOptions::new().append(true).create(true).mode(0o600).open(path);
            let file = file.map_err(|error| {
                format!("Couldn't open logfile {}: {}", path.display(), sockets::reason(&error))
            })?;
            // Every process of the server inherits it this way.
            rustix::stdio::dup2_stderr(&file).map_err(|error| error.to_string())?;
        }
        let stderr = flags.log_to_stderr || flags.log_file.is_some() || flags.debug > 0 || checking;
        let alone = flags.debug > 0 || flags.inetd;
        Ok(Setup { flags, config_file, stderr, alone })
    }

    /// Where this server's processes log to.
    pub(crate) fn log_target(&self) -> LogTarget {
        let level = match (self.flags.quiet, self.flags.debug) {
            (true, _) => Some(LogLevel::Quiet),
            (false, 0) => None,
            (false, debug) => Some(LogLevel::from_verbosity(u32::from(debug))),
        };
        LogTarget { stderr: self.stderr, level: level.map(|level| level as u8) }
    }

    /// Logs as the configuration says.
    pub(crate) fn apply_logging(&self, settings: &ServerSettings) {
        start_logging(&self.log_target(), settings);
    }

    fn sources(&self) -> ServerSources {
        ServerSources { options: self.flags.options.clone(), file: self.config_file.clone() }
    }

    /// Reads the configuration alone.
    pub(super) fn read_config(&self) -> Result<(ServerConfig, Snapshot), String> {
        let files = RealFiles;
        let recorder = Recorder::new(&files);
        let config = ServerConfig::load(&self.sources(), &recorder, &algorithm_lists())
            .map_err(|error| error.to_string())?;
        Ok((config, recorder.into_snapshot()))
    }

    /// Reads the configuration and the keys.
    ///
    /// # Errors
    /// What is wrong, in lines.
    pub(crate) fn read(&self) -> Result<Generation, String> {
        let (config, snapshot) = self.read_config()?;
        for note in &config.notes {
            match note.level {
                NoteLevel::Error => log::error!("{}", note.message),
                NoteLevel::Verbose => log::debug!("{}", note.message),
            }
        }
        let settings = config.settings.clone();
        check_commands(&settings)?;
        let keys = load_host_keys(&settings, true)?;
        let in_hardware = |key: &keys::PrivateKey| key.public().key_type().is_security_key();
        hardware::set_needed(keys.keys.iter().any(in_hardware));
        let sealed = Sealed {
            config_file: self.config_file.clone(),
            options: self.flags.options.clone(),
            snapshot: Bytes(snapshot.encode()),
            host_keys: keys
                .keys
                .iter()
                .map(|key| {
                    let text = key.to_openssh(None, 0).map_err(|error| error.to_string())?;
                    Ok(SecretBytes(zeroize::Zeroizing::new(text.as_bytes().to_vec())))
                })
                .collect::<Result<Vec<_>, String>>()?,
            agent_keys: keys.in_agent.iter().map(|key| Bytes(key.blob().to_vec())).collect(),
            agent: keys.agent,
            host_certificates: keys
                .certificates
                .iter()
                .map(|certificate| Bytes(certificate.blob().to_vec()))
                .collect(),
            groups: moduli::load(&settings.moduli_file.value),
        };
        let sealed = sealed.seal().map_err(|error| format!("memfd: {error}"))?;
        Ok(Generation { settings, sealed })
    }
}

/// A program of the administrator's is run by somebody, who has to be named.
pub(super) fn check_commands(settings: &ServerSettings) -> Result<(), String> {
    let keys = (&settings.authorized_keys_command, &settings.authorized_keys_command_user);
    let principals =
        (&settings.authorized_principals_command, &settings.authorized_principals_command_user);
    for (keyword, (command, user)) in
        [("AuthorizedKeysCommand", keys), ("AuthorizedPrincipalsCommand", principals)]
    {
        if command.value.is_some() && user.value.is_none() {
            return Err(format!("{keyword} set without {keyword}User"));
        }
    }
    Ok(())
}

/// The host keys; `may_make` says whether the usual ones are made when there are none.
pub(super) fn load_host_keys(
    settings: &ServerSettings,
    may_make: bool,
) -> Result<HostKeys, String> {
    let named = settings.host_keys.iter().any(config::Setting::is_set);
    let paths = |list: &[config::Setting<PathBuf>]| -> Vec<PathBuf> {
        list.iter().map(|setting| setting.value.clone()).collect()
    };
    let mut configured = Vec::new();
    if named {
        configured = paths(&settings.host_keys);
    } else if may_make && rustix::process::geteuid().is_root() {
        for line in host_keys::make_missing() {
            log::info!("{line}");
        }
    }
    let agent = settings.host_key_agent.value.as_deref();
    let keys = HostKeys::load(&configured, &paths(&settings.host_certificates), agent);
    if keys.keys.is_empty() && keys.in_agent.is_empty() {
        return Err("sshd: no hostkeys available -- exiting.".into());
    }
    Ok(keys)
}

/// The names that the configuration may use.
fn algorithm_lists() -> AlgorithmLists {
    use crypto::tables::{CIPHERS, KEY_EXCHANGES, MACS, default_ciphers};
    fn set<'a>(
        defaults: impl Iterator<Item = &'a str>,
        supported: impl Iterator<Item = &'a str>,
    ) -> AlgorithmSet {
        AlgorithmSet {
            defaults: defaults.map(str::to_owned).collect(),
            supported: supported.map(str::to_owned).collect(),
        }
    }
    let all_signatures = || keys::algorithms::SIGNATURE_ALGORITHMS.iter().map(|entry| entry.name);
    AlgorithmLists {
        ciphers: set(default_ciphers().into_iter(), CIPHERS.iter().map(|e| e.algorithm.name)),
        macs: set(
            MACS.iter().filter(|e| e.server).map(|e| e.algorithm.name),
            MACS.iter().map(|e| e.algorithm.name),
        ),
        key_exchanges: set(
            KEY_EXCHANGES.iter().filter(|e| e.server).map(|e| e.name),
            KEY_EXCHANGES.iter().map(|e| e.name),
        ),
        keys: set(keys::algorithms::default_signature_algorithms().into_iter(), all_signatures()),
        ca_signatures: set(
            keys::algorithms::default_ca_signature_algorithms().into_iter(),
            keys::algorithms::SIGNATURE_ALGORITHMS
                .iter()
                .filter(|entry| !entry.is_certificate)
                .map(|entry| entry.name),
        ),
    }
}

/// In a monitor: the configuration as the listener read it.
pub(crate) fn read_sealed(sealed: &Sealed) -> Result<ServerConfig, String> {
    let snapshot =
        Snapshot::decode(&sealed.snapshot.0).ok_or("the sealed configuration is malformed")?;
    let sources =
        ServerSources { options: sealed.options.clone(), file: sealed.config_file.clone() };
    ServerConfig::load(&sources, &snapshot, &algorithm_lists()).map_err(|error| error.to_string())
}

/// What holds for a user who comes by this connection.
pub(crate) fn effective(
    config: &ServerConfig,
    user: &str,
    account: Option<&Account>,
    ends: &Ends,
) -> Result<ServerSettings, String> {
    let groups =
        |_: &str| account.and_then(|account| account.group_names().ok()).unwrap_or_default();
    let connection = ConnectionInfo {
        user: Some(user),
        user_is_invalid: account.is_none(),
        groups: Some(&groups),
        host: Some(&ends.remote_host),
        address: Some(&ends.remote_address),
        local_address: Some(&ends.local_address),
        local_port: Some(ends.local_port),
        routing_domain: Some(&ends.routing_domain),
        version: crate::SOFTWARE_VERSION,
    };
    config.effective(&connection).map_err(|error| error.to_string())
}
