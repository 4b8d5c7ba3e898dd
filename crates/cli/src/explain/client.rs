//! What `ssh` would do for a destination.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use config::{ClientConfig, Effective, Origin, Setting, Step};
use keys::FingerprintHash;
use keys::known_hosts::{HostName, KnownHosts, Marker};
use serde_json::{Value, json};

use super::Wishes;
use super::show::{self, Page};
use crate::ssh::args::{self, Arguments, Request};
use crate::ssh::identities::{Fate, Identities, Identity};
use crate::ssh::{agent_socket, key_files, paths, settings};
use crate::{files, sys};

/// Largest known_hosts file that is read.
const FILE_BYTES_MAX: u64 = 256 << 20;
/// Letters whose meaning is told.
const TOKENS: &str = "CLdhijklnpru";
/// More keys than this and most servers hang up before the last.
const MAX_AUTH_TRIES: usize = 6;

/// Everything that is told.
struct Report {
    config: ClientConfig,
    values: Vec<Effective>,
    steps: Vec<Step>,
    commands: Vec<(&'static str, String)>,
    agent: Option<PathBuf>,
    keys: Vec<Key>,
    known_name: HostName,
    known: Vec<KnownLine>,
    home: PathBuf,
}

/// One key, in the order of trying.
struct Key {
    name: String,
    public: Option<(String, String)>,
    in_agent: bool,
    why: String,
    origin: Origin,
    skipped: Option<String>,
}

/// One line about the host.
struct KnownLine {
    path: String,
    line: usize,
    marker: Option<Marker>,
    is_hashed: bool,
    key_type: String,
    fingerprint: String,
}

/// The whole answer. The error is the whole message.
pub fn explain(words: &[OsString], wishes: Wishes) -> Result<String, String> {
    let arguments = match args::parse(words) {
        Ok(Request::Run(arguments)) => arguments,
        Ok(_) | Err(args::Error::Usage) => return Err(super::CLIENT_USAGE.to_owned()),
        Err(problem) => return Err(problem.to_string()),
    };
    let report = gather(&arguments)?;
    Ok(if wishes.json { show::document(&report.json()) } else { report.page(wishes) })
}

fn gather(arguments: &Arguments) -> Result<Report, String> {
    let user = paths::own_account().ok_or("this user has no account")?;
    let (config, steps) = settings::load_traced(arguments, &user)?;
    let agent = agent_socket(&config);
    let (identity_files, certificate_files) = key_files(&config, &user)?;
    let identities =
        Identities::prepare(&config, &identity_files, &certificate_files, agent.as_deref());
    let origins = named_files(&config, &user)?;
    let keys = identities.list.iter().map(|one| Key::new(one, &origins)).collect();
    let known_name = match config.host_key_alias.as_deref() {
        Some(alias) => HostName::from_text(alias),
        None => HostName::new(&config.host_name, *config.port),
    };
    let expand = |keyword, text: Option<&String>| {
        let expanded = config.tokens().expand(text?).ok()?;
        Some((keyword, expanded))
    };
    let commands = [
        expand("ProxyCommand", config.proxy_command.as_ref()),
        expand("LocalCommand", config.local_command.as_ref()),
        // Its other letters are only known once there is a key.
        expand("KnownHostsCommand", config.known_hosts_command.as_ref()),
    ];
    Ok(Report {
        values: config.effective(),
        steps,
        commands: commands.into_iter().flatten().collect(),
        agent,
        keys,
        known: known_lines(&config, &known_name),
        known_name,
        home: user.home,
        config,
    })
}

/// The files that are named, and by which line.
fn named_files(
    config: &ClientConfig,
    user: &sys::Account,
) -> Result<Vec<Setting<PathBuf>>, String> {
    let variable = |name: &str| std::env::var(name).ok();
    let mut named =
        config.identity_paths(&user.home, &variable).map_err(|problem| problem.to_string())?;
    named.extend(
        config.certificate_paths(&user.home, &variable).map_err(|problem| problem.to_string())?,
    );
    Ok(named)
}

impl Key {
    fn new(identity: &Identity, named: &[Setting<PathBuf>]) -> Self {
        let name = identity.name.as_str();
        let plain = name.strip_suffix("-cert").unwrap_or(name);
        let line = named
            .iter()
            .find(|file| *file.value == *Path::new(name))
            .or_else(|| named.iter().find(|file| *file.value == *Path::new(plain)));
        let origin = line.map(|file| file.origin.clone()).unwrap_or_default();
        let why = match (identity.explicit, identity.in_agent, line.is_some()) {
            (true, true, _) => "named, and the agent holds it: such keys come first",
            (true, false, _) => "named",
            (false, true, true) => "a standard file, and the agent holds it: such keys come first",
            (false, true, false) => "the agent holds it, and IdentitiesOnly is off",
            (false, false, _) => "a standard file",
        };
        let gone = identity.public.is_none()
            && identity.file.as_deref().is_some_and(|file| !file.exists());
        let skipped = match &identity.fate {
            Fate::Skipped(why) => Some(why.clone()),
            _ if gone => Some("there is no such file".to_owned()),
            _ => None,
        };
        let why = match identity.public {
            None if !gone => format!("{why}; its public half is not known"),
            _ => why.to_owned(),
        };
        Key {
            name: identity.name.clone(),
            public: identity
                .public
                .as_ref()
                .map(|key| (key.type_label().to_owned(), key.fingerprint(FingerprintHash::Sha256))),
            in_agent: identity.in_agent,
            why,
            origin,
            skipped,
        }
    }

    fn describe(&self) -> String {
        match &self.public {
            Some((label, fingerprint)) => format!("{} {label} {fingerprint}", self.name),
            None => self.name.clone(),
        }
    }
}

fn known_lines(config: &ClientConfig, name: &HostName) -> Vec<KnownLine> {
    let mut known = KnownHosts::default();
    let all = config.user_known_hosts_files.iter().chain(config.global_known_hosts_files.iter());
    for path in all {
        if let Ok(bytes) = files::read_limited(path, FILE_BYTES_MAX) {
            known.add(&String::from_utf8_lossy(&bytes), &path.display().to_string());
        }
    }
    let line = |entry: &keys::known_hosts::Entry| KnownLine {
        path: entry.source.to_string(),
        line: entry.line,
        marker: entry.marker,
        is_hashed: entry.is_hashed(),
        key_type: entry.key.type_label().to_owned(),
        fingerprint: entry.key.fingerprint(FingerprintHash::Sha256),
    };
    known.lookup(name).map(line).collect()
}

impl Report {
    fn page(&self, wishes: Wishes) -> String {
        let config = &self.config;
        let mut page = Page::new(Some(&self.home));
        let (user, host, port) = (&*config.user, &*config.host_name, *config.port);
        page.say(&format!("{} means {user}@{host}, port {port}", config.original_host));
        page.values(&self.values, wishes);
        page.rules(&self.steps);
        page.heading("Tokens");
        let mut tokens: Vec<_> = self
            .tokens()
            .map(|(letter, value)| (format!("%{letter}"), value.to_owned(), String::new()))
            .collect();
        let commands = self.commands.iter();
        tokens
            .extend(commands.map(|(name, text)| ((*name).to_owned(), text.clone(), String::new())));
        page.table(&tokens);
        self.keys_part(&mut page);
        page.heading(&format!("Lines of known_hosts for {}", self.known_name));
        if self.known.is_empty() {
            page.aside("none: its key would be new");
        }
        for known in &self.known {
            let place = format!("{}:{}", page.shortened(Path::new(&known.path)), known.line);
            let marker = known.marker.map(|marker| format!(" {}", marker.name()));
            let hashed = if known.is_hashed { " (hashed)" } else { "" };
            page.say(&format!(
                "  {place} {marker}{} {}{hashed}",
                known.key_type,
                known.fingerprint,
                marker = marker.unwrap_or_default().trim_start(),
            ));
        }
        if !config.notes.is_empty() || !config.refused.is_empty() {
            page.heading("Notes");
        }
        for note in self.notes() {
            page.aside(&note);
        }
        page.into_text()
    }

    fn keys_part(&self, page: &mut Page) {
        page.heading("Keys, in the order they would be tried");
        match &self.agent {
            Some(socket) => page.aside(&format!("the agent is at {}", socket.display())),
            None => page.aside("no agent is asked"),
        }
        if *self.config.pubkey_authentication == config::PubkeyAuthentication::No {
            page.aside("none is tried: PubkeyAuthentication is off");
        }
        let mut number = 0;
        for key in &self.keys {
            let place = match &key.origin {
                Origin::Default => String::new(),
                origin => format!(", {}", page.place(origin)),
            };
            let text = key.describe();
            if let Some(why) = &key.skipped {
                page.say(&format!("  -  {text}  (not tried: {why}{place})"));
                continue;
            }
            number += 1;
            page.say(&format!("  {number}. {text}  ({}{place})", key.why));
        }
        if self.keys.is_empty() {
            page.aside("there is none: no file that is named exists, and no agent has one");
        }
        if number > MAX_AUTH_TRIES {
            page.aside(
                "most servers end a login after 6 attempts; name the right key with IdentityFile \
                 and set IdentitiesOnly",
            );
        }
    }

    fn tokens(&self) -> impl Iterator<Item = (char, &str)> {
        let tokens = self.config.tokens();
        TOKENS.chars().filter_map(|letter| Some((letter, tokens.get(letter)?)))
    }

    fn notes(&self) -> Vec<String> {
        let refused = self.config.refused.iter().map(|problem| problem.message.clone());
        let notes = self.config.notes.iter().map(|note| note.message.clone());
        refused.chain(notes).collect()
    }

    fn json(&self) -> Value {
        let config = &self.config;
        let key = |key: &Key| {
            json!({
                "name": key.name,
                "type": key.public.as_ref().map(|(label, _)| label),
                "fingerprint": key.public.as_ref().map(|(_, fingerprint)| fingerprint),
                "in_agent": key.in_agent,
                "why": key.why,
                "origin": show::origin_json(&key.origin),
                "skipped": key.skipped,
            })
        };
        let known = |known: &KnownLine| {
            json!({
                "path": known.path,
                "line": known.line,
                "marker": known.marker.map(Marker::name),
                "hashed": known.is_hashed,
                "type": known.key_type,
                "fingerprint": known.fingerprint,
            })
        };
        let tokens: serde_json::Map<String, Value> =
            self.tokens().map(|(letter, value)| (letter.to_string(), json!(value))).collect();
        let commands: serde_json::Map<String, Value> =
            self.commands.iter().map(|(name, text)| ((*name).to_owned(), json!(text))).collect();
        json!({
            "host": config.original_host,
            "user": *config.user,
            "hostname": *config.host_name,
            "port": *config.port,
            "values": show::values_json(&self.values),
            "lines": show::steps_json(&self.steps),
            "tokens": tokens,
            "commands": commands,
            "agent": self.agent.as_ref().map(|path| path.display().to_string()),
            "keys": self.keys.iter().map(key).collect::<Vec<_>>(),
            "known_hosts": {
                "name": self.known_name.as_str(),
                "lines": self.known.iter().map(known).collect::<Vec<_>>(),
            },
            "notes": self.notes(),
        })
    }
}
