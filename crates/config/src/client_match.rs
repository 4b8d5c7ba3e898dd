//! The client's `Match` and the name that the host goes by.

use std::net::IpAddr;

use crate::client_load::Loader;
use crate::error::Error;
use crate::matching;
use crate::origin::Origin;
use crate::parse;
use crate::tokens::Values;
use crate::value::{CanonicalizeHostname, SessionType};

impl Loader<'_> {
    /// Whether a `Match` line applies. `never`: only look whether it makes sense.
    ///
    /// The error is what to print before "Bad Match condition".
    pub(crate) fn match_line(
        &mut self,
        text: &str,
        origin: &Origin,
        never: bool,
    ) -> Result<bool, Option<String>> {
        let words = criteria(text).ok_or(None)?;
        let mut words = words.into_iter().peekable();
        let (mut applies, mut count, mut after_pass_word) = (true, 0, false);
        while let Some(word) = words.next() {
            let (negated, name) = match word.strip_prefix('!') {
                Some(name) => (true, name.to_ascii_lowercase()),
                None => (false, word.to_ascii_lowercase()),
            };
            count += 1;
            let hit = match name.as_str() {
                "all" => {
                    let alone = count == 1 || (count == 2 && after_pass_word);
                    if !alone || words.peek().is_some() {
                        return Err(Some(format!(
                            "{origin}: 'all' cannot be combined with other Match attributes"
                        )));
                    }
                    true
                }
                "canonical" | "final" => {
                    if name == "final" && !self.last_pass {
                        self.wants_last_pass = true;
                    }
                    after_pass_word = true;
                    self.last_pass
                }
                _ => {
                    let argument = words.next().filter(|argument| {
                        // An empty tag or command can be asked for.
                        !argument.is_empty() || matches!(name.as_str(), "tagged" | "command")
                    });
                    let Some(argument) = argument else {
                        return Err(Some(format!("Missing Match criteria for {name}")));
                    };
                    self.criterion(&name, &argument, never || !applies)?
                }
            };
            if applies && hit == negated && self.is_traced() {
                self.why = self.unfit(&word, &name, negated);
            }
            applies &= hit != negated;
        }
        if count == 0 {
            return Err(Some("One or more attributes required for Match".to_owned()));
        }
        if never && self.is_traced() {
            self.why = String::from("the block that includes this file does not apply");
        }
        Ok(applies && !never)
    }

    /// Why a criterion keeps a block from applying.
    fn unfit(&self, word: &str, name: &str, negated: bool) -> String {
        let context = self.context;
        let is = match name {
            "host" => format!("the host is {}", self.current_host()),
            "originalhost" => format!("the host was named {}", context.host),
            "user" => format!("the user is {}", self.current_user()),
            "localuser" => format!("the local user is {}", context.local_user.name),
            "version" => format!("the version is {}", context.version),
            "tagged" => match self.config.tag.value.as_deref() {
                Some(tag) => format!("the tag is {tag}"),
                None => "there is no tag".to_owned(),
            },
            "command" => match context.command {
                Some(command) => format!("the command is {command}"),
                None => "there is no command".to_owned(),
            },
            "sessiontype" => format!("the session is of type {}", self.session_type()),
            "localnetwork" if negated => "an address of this machine is in it".to_owned(),
            "localnetwork" => "no address of this machine is in it".to_owned(),
            "exec" if negated => "the command succeeded".to_owned(),
            "exec" => "the command failed".to_owned(),
            "final" | "canonical" if negated => "this is the second pass".to_owned(),
            "final" | "canonical" => "only the second pass can fit".to_owned(),
            _ => "it never fits".to_owned(),
        };
        format!("{word}: {is}")
    }

    /// One criterion with an argument. `skip`: it cannot change anything, so run nothing.
    fn criterion(&self, name: &str, argument: &str, skip: bool) -> Result<bool, Option<String>> {
        let context = self.context;
        let text = |value: &str| matching::list(argument, value, false) == Some(true);
        Ok(match name {
            "host" => matching::host_list(argument, &self.current_host()),
            "originalhost" => matching::host_list(argument, context.host),
            "user" => text(self.current_user()),
            "localuser" => text(&context.local_user.name),
            "version" => text(context.version),
            "tagged" => match self.config.tag.value.as_deref() {
                Some(tag) => text(tag),
                None => argument.is_empty(),
            },
            "command" => match context.command {
                Some(command) => text(command),
                None => argument.is_empty(),
            },
            "sessiontype" => text(self.session_type()),
            "localnetwork" => {
                local_network(argument, &context.surroundings.local_addresses()).map_err(Some)?
            }
            "exec" if skip => false,
            "exec" => {
                let command = self.values().expand(argument).map_err(|e| Some(e.to_string()))?;
                context
                    .surroundings
                    .run(&command)
                    .map_err(|why| Some(format!("match exec '{argument:.100}' error: {why}")))?
            }
            _ => return Err(Some(format!("Unsupported Match attribute {name}"))),
        })
    }

    fn session_type(&self) -> &'static str {
        match self.config.session_type.value {
            SessionType::None => "none",
            SessionType::Subsystem => "subsystem",
            SessionType::Default if self.context.command.is_some_and(|c| !c.is_empty()) => "exec",
            SessionType::Default => "shell",
        }
    }

    /// The user as far as it is known.
    fn current_user(&self) -> &str {
        let user = &self.config.user;
        if user.is_set() { user } else { &self.context.local_user.name }
    }

    /// The host that would be connected to as things stand.
    fn current_host(&self) -> String {
        if !self.config.host_name.is_set() {
            return self.host.clone();
        }
        let values = Values::new().with('h', self.host.as_str());
        values.expand(&self.config.host_name).unwrap_or_else(|_| self.host.clone())
    }

    /// What tokens stand for as things stand.
    pub(crate) fn values(&self) -> Values {
        self.config.token_values_for(&self.current_host(), self.current_user(), self.context)
    }

    /// After the first pass: takes `HostName` into use and canonicalises. Whether that asks for
    /// another pass.
    pub(crate) fn resolve_host(&mut self) -> Result<bool, Error> {
        if self.config.host_name.is_set() {
            let values = Values::new().with('h', self.host.as_str());
            self.host = values.expand(&self.config.host_name).map_err(|why| Error::Value {
                origin: self.config.host_name.origin.clone(),
                message: format!("Invalid HostName \"{}\": {why}", self.config.host_name.value),
            })?;
            self.config.host_name.value.clone_from(&self.host);
        }
        if self.host.parse::<IpAddr>().is_err() {
            self.host = self.host.to_ascii_lowercase();
        }
        let config = &self.config;
        let direct = config.proxy_command.value.is_none() && config.proxy_jump.value.is_empty();
        match config.canonicalize_hostname.value {
            CanonicalizeHostname::No => return Ok(false),
            CanonicalizeHostname::Yes if !direct => return Ok(true),
            CanonicalizeHostname::Yes | CanonicalizeHostname::Always => {}
        }
        if let Some(name) = self.canonical_name(direct)? {
            self.host = name;
        }
        Ok(true)
    }

    /// Looks for the host in each of the `CanonicalDomains`, and follows aliases where that is
    /// allowed.
    fn canonical_name(&self, direct: bool) -> Result<Option<String>, Error> {
        let config = &self.config;
        if let Ok(address) = self.host.parse::<IpAddr>() {
            // The same address can be written in several ways; files name it in one.
            return Ok(Some(address.to_string()));
        }
        // An address with a scope, or one that is misspelled.
        if self.host.contains([':', '%']) {
            return Ok(None);
        }
        let dots = self.host.bytes().filter(|byte| *byte == b'.').count();
        let is_absolute = self.host.ends_with('.');
        let mut full_names = Vec::new();
        if is_absolute {
            full_names.push(self.host.clone());
        } else if dots <= config.canonicalize_max_dots.value as usize {
            // The dot at the end keeps the resolver from trying domains of its own.
            let domains = config.canonical_domains.value.iter();
            full_names.extend(domains.map(|domain| format!("{}.{domain}.", self.host)));
        } else {
            return Ok(direct.then(|| self.followed(&self.host)).flatten());
        }
        for name in &full_names {
            if let Some(canonical) = self.look_up(name) {
                let name = name.trim_end_matches('.');
                return Ok(Some(
                    self.permitted(name, &canonical).unwrap_or_else(|| name.to_owned()),
                ));
            }
        }
        if !config.canonicalize_fallback_local.value {
            return Err(Error::Value {
                origin: config.canonicalize_fallback_local.origin.clone(),
                message: format!("ssh: Could not resolve host \"{}\"", self.host),
            });
        }
        Ok(direct.then(|| self.followed(&self.host)).flatten())
    }

    /// What an alias stands for, if it is one that may be followed.
    fn followed(&self, name: &str) -> Option<String> {
        if self.config.canonicalize_permitted_cnames.value.is_empty() {
            return None;
        }
        let canonical = self.look_up(name)?;
        self.permitted(name, &canonical)
    }

    /// The name that a host has in the name service, if it has any.
    fn look_up(&self, name: &str) -> Option<String> {
        let canonical = self.context.surroundings.canonical_name(name)?;
        let canonical = canonical.trim_end_matches('.').to_ascii_lowercase();
        // A name service could put anything here; what is no name is not used as one.
        Some(if is_domain(&canonical) { canonical } else { String::new() })
    }

    /// `canonical`, if the rules let `name` be replaced by it.
    fn permitted(&self, name: &str, canonical: &str) -> Option<String> {
        let rules = &self.config.canonicalize_permitted_cnames.value;
        let may = !canonical.is_empty()
            && canonical != name
            && rules.iter().any(|rule| {
                matching::host_list(&rule.source, name)
                    && matching::host_list(&rule.target, canonical)
            });
        may.then(|| canonical.to_owned())
    }
}

/// Whether a text can be a host name: labels of letters, digits, `-` and `_`.
fn is_domain(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..64).contains(&label.len())
            && !label.starts_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    name.len() < 256 && name.split('.').all(is_label)
}

/// Splits criteria: `name argument`, `name=argument`, with quotes.
pub(crate) fn criteria(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    for word in parse::split(text)? {
        words.push(word);
    }
    let mut split = Vec::new();
    for word in words {
        let name_end = word.find('=');
        let name = name_end.and_then(|end| word.get(..end));
        let is_name = name.is_some_and(|name| {
            let name = name.strip_prefix('!').unwrap_or(name);
            CRITERIA.iter().any(|known| known.eq_ignore_ascii_case(name))
        });
        match (is_name, name_end) {
            (true, Some(end)) => {
                split.push(word[..end].to_owned());
                split.push(word[end + 1..].to_owned());
            }
            _ => split.push(word),
        }
    }
    Some(split)
}

/// The criteria of both sides that take an argument.
const CRITERIA: &[&str] = &[
    "host",
    "originalhost",
    "user",
    "localuser",
    "exec",
    "tagged",
    "version",
    "sessiontype",
    "command",
    "localnetwork",
    "group",
    "address",
    "localaddress",
    "localport",
    "rdomain",
];

/// Whether one of our addresses lies in one of the networks.
fn local_network(list: &str, addresses: &[IpAddr]) -> Result<bool, String> {
    let mut hit = false;
    for entry in list.split(',') {
        let network = matching::Network::parse(entry)
            .ok()
            .flatten()
            .ok_or_else(|| format!("Invalid network entry \"{entry}\""))?;
        hit |= addresses.iter().any(|address| network.contains(*address));
    }
    Ok(hit)
}
