//! The last steps: defaults that depend on other values, tokens, and the dump.

use std::path::{Path, PathBuf};

use crate::client::ClientConfig;
use crate::client_context::ClientContext;
use crate::codec::{Row, Show, Side};
use crate::error::Error;
use crate::matching;
use crate::origin::{Origin, Setting};
use crate::tokens::{self, TokenError, Values, Variables};
use crate::trace::Effective;
use crate::value::{AgentSocket, Connect, ControlPersist, Forward, ForwardAgent, Listen, YesNoAsk};

/// Keys that are tried when none is configured.
const STANDARD_KEYS: [&str; 5] = [
    "~/.ssh/id_rsa",
    "~/.ssh/id_ecdsa",
    "~/.ssh/id_ecdsa_sk",
    "~/.ssh/id_ed25519",
    "~/.ssh/id_ed25519_sk",
];

/// The order of methods when none is configured.
const STANDARD_METHODS: [&str; 5] =
    ["gssapi-with-mic", "hostbased", "publickey", "keyboard-interactive", "password"];

impl ClientConfig {
    /// What `%` letters stand for, for the values that are expanded where they are used.
    pub fn tokens(&self) -> &Values {
        &self.token_values
    }

    /// The files of keys to try, expanded; without those set to `none`.
    ///
    /// # Errors
    /// A letter or variable without a value.
    pub fn identity_paths(
        &self,
        home: &Path,
        variable: Variables<'_>,
    ) -> Result<Vec<Setting<PathBuf>>, TokenError> {
        self.paths(&self.identity_files, home, variable)
    }

    /// The files of certificates, expanded; without those set to `none`.
    ///
    /// # Errors
    /// A letter or variable without a value.
    pub fn certificate_paths(
        &self,
        home: &Path,
        variable: Variables<'_>,
    ) -> Result<Vec<Setting<PathBuf>>, TokenError> {
        self.paths(&self.certificate_files, home, variable)
    }

    fn paths(
        &self,
        files: &[Setting<String>],
        home: &Path,
        variable: Variables<'_>,
    ) -> Result<Vec<Setting<PathBuf>>, TokenError> {
        files
            .iter()
            .filter(|file| !file.eq_ignore_ascii_case("none"))
            .map(|file| {
                let path = self.key_path(file, home, variable)?;
                Ok(Setting::new(path, file.origin.clone()))
            })
            .collect()
    }

    /// The file that a name of a key means, expanded.
    ///
    /// # Errors
    /// A letter or variable without a value.
    pub fn key_path(
        &self,
        name: &str,
        home: &Path,
        variable: Variables<'_>,
    ) -> Result<PathBuf, TokenError> {
        let path = tokens::tilde(name, home, &|_| None)?;
        let path = path.to_string_lossy();
        Ok(PathBuf::from(self.token_values.expand_with_environment(&path, variable)?))
    }

    /// Every value in force with what set it, in the order of the dump.
    pub fn effective(&self) -> Vec<Effective> {
        let rows = Self::ROWS.iter();
        // A list of jump hosts is a command to reach the server.
        let is_shown = |row: &&'static Row<Self>| {
            row.keyword.name != "ProxyCommand" || self.proxy_jump.is_empty()
        };
        rows.filter(is_shown).flat_map(|row| row.effective(self, Side::Client)).collect()
    }

    /// The settings as `ssh -G` prints them.
    pub fn dump(&self) -> String {
        let mut out = format!("host {}\n", self.original_host);
        for row in Self::ROWS {
            let proxied = row.keyword.name == "ProxyCommand" && !self.proxy_jump.is_empty();
            if proxied {
                continue;
            }
            let name = row.keyword.name.to_ascii_lowercase();
            (row.show)(self, &mut Show { side: Side::Client, name: &name, out: &mut out });
        }
        out
    }

    pub(crate) fn token_values_for(
        &self,
        host: &str,
        user: &str,
        context: &ClientContext<'_>,
    ) -> Values {
        let port = self.port.to_string();
        // The host that we connect to first is the first; the one next to the target counts.
        let jump = self.proxy_jump.last().map(|jump| jump.host.clone()).unwrap_or_default();
        let local = &context.local_host;
        let hash = [local, host, &port, user, jump.as_str()].concat();
        let short = local.split('.').next().unwrap_or_default();
        let alias = self.host_key_alias.as_deref().unwrap_or(context.host);
        Values::new()
            .with('C', context.surroundings.sha1_hex(hash.as_bytes()))
            .with('L', short)
            .with('d', context.local_user.home.to_string_lossy())
            .with('h', host)
            .with('i', context.local_user.id.to_string())
            .with('j', jump)
            .with('k', alias)
            .with('l', local.as_str())
            .with('n', context.host)
            .with('p', port)
            .with('r', user)
            .with('u', context.local_user.name.as_str())
    }

    /// Fills what nobody set and expands what tokens there are.
    pub(crate) fn finish(&mut self, host: &str, context: &ClientContext<'_>) -> Result<(), Error> {
        self.fill(host, context);
        let expand = Expand { home: &context.local_user.home, context };
        if !self.literal_user && self.user.is_set() {
            let values = self.token_values_for(host, &self.user, context);
            self.user.value = text(&values, &self.user, "User")?;
        }
        let values = self.token_values_for(host, &self.user, context);
        expand.all(self, &values)?;
        self.token_values = values;
        Ok(())
    }

    fn fill(&mut self, host: &str, context: &ClientContext<'_>) {
        host.clone_into(&mut self.host_name.value);
        if !self.user.is_set() {
            self.user.value.clone_from(&context.local_user.name);
        }
        if self.identity_files.is_empty() {
            self.identity_files =
                STANDARD_KEYS.iter().map(|path| Setting::from((*path).to_owned())).collect();
        }
        if !self.preferred_authentications.is_set() {
            self.preferred_authentications.value =
                STANDARD_METHODS.iter().map(|name| (*name).to_owned()).collect();
        }
        // Rotated keys go into a file we know, unless DNS vouches for them.
        let own_file = !self.user_known_hosts_files.is_set()
            || *self.user_known_hosts_files == [PathBuf::from("~/.ssh/known_hosts")];
        let by_name_service = self.verify_host_key_dns.value != YesNoAsk::No;
        if !self.update_host_keys.is_set() && (!own_file || by_name_service) {
            self.update_host_keys.value = YesNoAsk::No;
        }
        // The master of a shared connection has nobody to ask.
        let in_background = self.control_persist.value != ControlPersist::No
            && self.control_path.value.as_deref().is_some_and(|path| path != Path::new("none"));
        if self.update_host_keys.value == YesNoAsk::Ask && in_background {
            self.update_host_keys.value = YesNoAsk::No;
        }
        if let Some(alias) = &mut self.host_key_alias.value {
            alias.make_ascii_lowercase();
        }
        if self.clear_all_forwardings.value {
            self.local_forwards.clear();
            self.remote_forwards.clear();
            self.dynamic_forwards.clear();
        }
        self.reduce_environment();
        let lists = context.algorithms;
        for (setting, set) in [
            (&mut self.ciphers, &lists.ciphers),
            (&mut self.macs, &lists.macs),
            (&mut self.kex_algorithms, &lists.key_exchanges),
            (&mut self.host_key_algorithms, &lists.keys),
            (&mut self.pubkey_accepted_algorithms, &lists.keys),
            (&mut self.hostbased_accepted_algorithms, &lists.keys),
            (&mut self.ca_signature_algorithms, &lists.ca_signatures),
        ] {
            if !setting.is_set() {
                setting.value.clone_from(&set.defaults);
            }
        }
    }

    /// `SendEnv -pattern` takes back what came before; of `SetEnv` the first of a name wins.
    fn reduce_environment(&mut self) {
        let mut sent: Vec<Setting<String>> = Vec::new();
        for entry in std::mem::take(&mut self.send_env) {
            match entry.strip_prefix('-') {
                Some(pattern) => sent.retain(|known| !matching::pattern(pattern, known)),
                None => sent.push(entry),
            }
        }
        self.send_env = sent;
        let mut set: Vec<Setting<(String, String)>> = Vec::new();
        for entry in std::mem::take(&mut self.set_env) {
            if !set.iter().any(|known| known.0 == entry.0) {
                set.push(entry);
            }
        }
        self.set_env = set;
    }
}

/// Expands values in place.
struct Expand<'a> {
    home: &'a Path,
    context: &'a ClientContext<'a>,
}

impl Expand<'_> {
    fn all(&self, config: &mut ClientConfig, values: &Values) -> Result<(), Error> {
        if let Some(command) = &config.remote_command.value {
            let setting = Setting::new(command.clone(), config.remote_command.origin.clone());
            config.remote_command.value = Some(text(values, &setting, "RemoteCommand")?);
        }
        if let Some(path) = &config.control_path.value {
            let origin = &config.control_path.origin;
            config.control_path.value = Some(self.path(values, path, origin)?);
        }
        for list in [&mut config.user_known_hosts_files, &mut config.revoked_host_keys] {
            for path in &mut list.value {
                *path = self.path(values, path, &list.origin)?;
            }
        }
        if let AgentSocket::Path(path) = &config.identity_agent.value {
            let path = self.path(values, path, &config.identity_agent.origin)?;
            config.identity_agent.value = AgentSocket::Path(path);
        }
        if let ForwardAgent::Path(path) = &config.forward_agent.value {
            let path = self.path(values, path, &config.forward_agent.origin)?;
            config.forward_agent.value = ForwardAgent::Path(path);
        }
        let forwards = config.local_forwards.iter_mut().chain(&mut config.remote_forwards);
        for forward in forwards.chain(&mut config.dynamic_forwards) {
            self.forward(values, forward)?;
        }
        for entry in &mut config.set_env {
            let setting = Setting::new(entry.value.1.clone(), entry.origin.clone());
            entry.value.1 = text(values, &setting, "SetEnv")?;
        }
        if let Some(addendum) = &config.version_addendum.value {
            let setting = Setting::new(addendum.clone(), config.version_addendum.origin.clone());
            config.version_addendum.value = Some(text(values, &setting, "VersionAddendum")?);
        }
        Ok(())
    }

    fn forward(&self, values: &Values, forward: &mut Setting<Forward>) -> Result<(), Error> {
        let origin = forward.origin.clone();
        if let Listen::Socket(path) = &mut forward.value.listen {
            *path = self.path(values, path, &origin)?;
        }
        match &mut forward.value.connect {
            Connect::Socket(path) => *path = self.path(values, path, &origin)?,
            Connect::Tcp { host, .. } => {
                let setting = Setting::new(host.clone(), origin);
                *host = text(values, &setting, "forward")?;
            }
            Connect::Dynamic => {}
        }
        Ok(())
    }

    fn path(&self, values: &Values, path: &Path, origin: &Origin) -> Result<PathBuf, Error> {
        let surroundings = self.context.surroundings;
        let text = path.to_string_lossy();
        tokens::tilde(&text, self.home, &|user| surroundings.home_of(user))
            .and_then(|path| {
                values.expand_with_environment(&path.to_string_lossy(), &|name| {
                    surroundings.variable(name)
                })
            })
            .map(PathBuf::from)
            .map_err(|why| Error::Value {
                origin: origin.clone(),
                message: format!("{origin}: \"{text}\": {why}"),
            })
    }
}

fn text(values: &Values, setting: &Setting<String>, what: &str) -> Result<String, Error> {
    values.expand(setting).map_err(|why| Error::Value {
        origin: setting.origin.clone(),
        message: format!("{}: {what} \"{}\": {why}", setting.origin, setting.value),
    })
}
