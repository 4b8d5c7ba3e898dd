//! The server's `Match`, the last defaults, and the dump.

use std::net::IpAddr;
use std::path::PathBuf;

use crate::client_match::criteria;
use crate::codec::{Show, Side};
use crate::error::Error;
use crate::matching;
use crate::origin::{Origin, Setting};
use crate::server::ServerSettings;
use crate::trace::Effective;
use crate::value::{AddressFamily, AlgorithmLists};

/// Looks the names of a user's groups up.
pub type Groups<'a> = &'a dyn Fn(&str) -> Vec<String>;

/// What is known about a connection. What is not known does not match.
#[derive(Clone, Copy, Default)]
pub struct ConnectionInfo<'a> {
    /// The user to log in.
    pub user: Option<&'a str>,
    /// Whether there is no such user.
    pub user_is_invalid: bool,
    /// The groups of a user.
    pub groups: Option<Groups<'a>>,
    /// The client's host name, or its address where names are not looked up.
    pub host: Option<&'a str>,
    /// The client's address.
    pub address: Option<&'a str>,
    /// The address the client reached.
    pub local_address: Option<&'a str>,
    /// The port the client reached.
    pub local_port: Option<u16>,
    /// The routing domain the client came through.
    pub routing_domain: Option<&'a str>,
    /// Our version, as `Match version` sees it.
    pub version: &'a str,
}

/// One criterion.
#[derive(Debug, Clone)]
pub(crate) enum Condition {
    All,
    InvalidUser,
    Text { what: What, list: String, origin: Origin },
    LocalPort { port: u16 },
}

/// What a criterion looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    User,
    Group,
    Host,
    Address,
    LocalAddress,
    RoutingDomain,
    Version,
}

impl What {
    /// The criterion's name, and what it is compared with.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            What::User => ("User", "the user"),
            What::Group => ("Group", "the groups of the user"),
            What::Host => ("Host", "the client's host"),
            What::Address => ("Address", "the client's address"),
            What::LocalAddress => ("LocalAddress", "the local address"),
            What::RoutingDomain => ("RDomain", "the routing domain"),
            What::Version => ("Version", "the version"),
        }
    }
}

/// Why a criterion does not hold, in words.
fn unfit(name: &str, list: &str, value: Option<&str>, thing: &str) -> String {
    match value {
        Some(value) => format!("{name} {list}: not for {thing}: {value}"),
        None => format!("{name} {list}: {thing} is not known"),
    }
}

impl Condition {
    /// Reads the criteria of a `Match` line. The error is the whole message.
    pub(crate) fn parse(text: &str, origin: &Origin) -> Result<Vec<Condition>, String> {
        let bad = |why: &str| format!("{why}\n{origin}: Bad Match condition");
        let words = criteria(text).ok_or_else(|| format!("{origin}: Bad Match condition"))?;
        let count = words.len();
        let mut words = words.into_iter();
        let mut conditions = Vec::new();
        while let Some(word) = words.next() {
            // Unlike the client's, these criteria cannot be negated; only their patterns can.
            let name = word.to_ascii_lowercase();
            match name.as_str() {
                "all" if count == 1 => {
                    conditions.push(Condition::All);
                    continue;
                }
                "all" => return Err(bad("'all' cannot be combined with other Match attributes")),
                "invalid-user" => {
                    conditions.push(Condition::InvalidUser);
                    continue;
                }
                _ => {}
            }
            let what = match name.as_str() {
                "user" => What::User,
                "group" => What::Group,
                "host" => What::Host,
                "address" => What::Address,
                "localaddress" => What::LocalAddress,
                "rdomain" => What::RoutingDomain,
                "version" => What::Version,
                "localport" => {
                    let port = words.next().unwrap_or_default();
                    let port =
                        port.parse().ok().filter(|number| *number > 0).ok_or_else(|| {
                            bad(&format!("Invalid LocalPort '{port}' on Match line"))
                        })?;
                    conditions.push(Condition::LocalPort { port });
                    continue;
                }
                _ => return Err(bad(&format!("Unsupported Match attribute {word}"))),
            };
            let list = words
                .next()
                .filter(|list| !list.is_empty())
                .ok_or_else(|| bad(&format!("Missing Match criteria for {name}")))?;
            // A wrong mask must not wait for the first connection to be noticed.
            if matches!(what, What::Address | What::LocalAddress)
                && matching::address_list(&list, "").is_err()
            {
                return Err(bad_address(what, &list, origin));
            }
            conditions.push(Condition::Text { what, list, origin: origin.clone() });
        }
        if conditions.is_empty() {
            return Err(bad("One or more attributes required for Match"));
        }
        Ok(conditions)
    }

    /// Why it does not hold.
    pub(crate) fn unfit(&self, connection: &ConnectionInfo<'_>) -> String {
        let (word, is, what) = match self {
            Condition::All => return "it never fits".to_owned(),
            Condition::InvalidUser => return "Invalid-User: there is such a user".to_owned(),
            Condition::LocalPort { port } => {
                let is = connection.local_port.map(|port| port.to_string());
                return unfit("LocalPort", &port.to_string(), is.as_deref(), "the local port");
            }
            Condition::Text { what, list, .. } => (list, *what, what.names()),
        };
        let (name, thing) = what;
        let value = match is {
            What::User => connection.user,
            What::Group => {
                let groups = connection.user.zip(connection.groups);
                let names = groups.map(|(user, groups)| groups(user).join(", "));
                return unfit(name, word, names.as_deref(), thing);
            }
            What::Host => connection.host,
            What::Address => connection.address,
            What::LocalAddress => connection.local_address,
            What::RoutingDomain => connection.routing_domain,
            What::Version => Some(connection.version),
        };
        unfit(name, word, value, thing)
    }

    fn holds(&self, connection: &ConnectionInfo<'_>) -> Result<bool, Error> {
        let (what, list, origin) = match self {
            Condition::All => return Ok(true),
            Condition::InvalidUser => return Ok(connection.user_is_invalid),
            Condition::LocalPort { port } => {
                let same = connection.local_port.map(|ours| ours == *port);
                return Ok(same == Some(true));
            }
            Condition::Text { what, list, origin } => (*what, list, origin),
        };
        let fits = match what {
            What::User => connection.user.map(|user| plain(list, user)),
            What::Group => connection.user.map(|user| group(list, user, connection)),
            What::Host => connection.host.map(|host| matching::host_list(list, host)),
            What::Version => Some(plain(list, connection.version)),
            What::RoutingDomain => connection.routing_domain.map(|name| plain(list, name)),
            What::Address | What::LocalAddress => {
                let address = if what == What::Address {
                    connection.address
                } else {
                    connection.local_address
                };
                match address.map(|address| matching::address_list(list, address)) {
                    None => None,
                    Some(Ok(said)) => Some(said == Some(true)),
                    Some(Err(_)) => {
                        return Err(Error::Value {
                            origin: origin.clone(),
                            message: bad_address(what, list, origin),
                        });
                    }
                }
            }
        };
        Ok(fits == Some(true))
    }
}

fn bad_address(what: What, list: &str, origin: &Origin) -> String {
    let what = if what == What::Address { "address" } else { "localaddress" };
    let line = if let Origin::File { line, .. } = origin { *line } else { 0 };
    format!("Invalid Match {what} argument '{list}' at line {line}")
}

fn plain(list: &str, text: &str) -> bool {
    matching::list(list, text, false) == Some(true)
}

/// Whether one of the user's groups is in the list and none is refused by it.
fn group(list: &str, user: &str, connection: &ConnectionInfo<'_>) -> bool {
    let Some(groups) = connection.groups else { return false };
    let mut hit = false;
    for name in groups(user) {
        match matching::list(list, &name, false) {
            Some(false) => return false,
            Some(true) => hit = true,
            None => {}
        }
    }
    hit
}

/// The first criterion that does not hold, if there is one.
pub(crate) fn first_unfit<'a>(
    conditions: &'a [Condition],
    connection: &ConnectionInfo<'_>,
) -> Result<Option<&'a Condition>, Error> {
    for condition in conditions {
        if !condition.holds(connection)? {
            return Ok(Some(condition));
        }
    }
    Ok(None)
}

impl ServerSettings {
    /// Fills what nobody set and depends on more than the table.
    pub(crate) fn fill(&mut self, lists: &AlgorithmLists) {
        if self.ports.is_empty() {
            self.ports.push(22.into());
        }
        if self.host_keys.is_empty() {
            self.host_keys = ["rsa", "ecdsa", "ed25519"]
                .iter()
                .map(|kind| PathBuf::from(format!("/etc/ssh/ssh_host_{kind}_key")).into())
                .collect();
        }
        let mut set: Vec<Setting<(String, String)>> = Vec::new();
        for entry in std::mem::take(&mut self.set_env) {
            if !set.iter().any(|known| known.0 == entry.0) {
                set.push(entry);
            }
        }
        self.set_env = set;
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

    /// Where to listen: each address with its port, or with every `Port`.
    pub fn listen_on(&self) -> Vec<(String, u16)> {
        let any: &[&str] = match self.address_family.value {
            AddressFamily::Any => &["::", "0.0.0.0"],
            AddressFamily::Inet => &["0.0.0.0"],
            AddressFamily::Inet6 => &["::"],
        };
        let ports: Vec<u16> = self.ports.iter().map(|port| port.value).collect();
        let mut list = Vec::new();
        let mut add = |host: Option<&str>, ports: &[u16]| {
            for port in ports {
                match host {
                    Some(host) => list.push((host.to_owned(), *port)),
                    None => list.extend(any.iter().map(|host| ((*host).to_owned(), *port))),
                }
            }
        };
        if self.listen_addresses.is_empty() {
            add(None, &ports);
        }
        for address in &self.listen_addresses {
            match address.port {
                Some(port) => add(address.host.as_deref(), &[port]),
                None => add(address.host.as_deref(), &ports),
            }
        }
        list
    }

    /// Every value in force with what set it, in the order of the dump.
    pub fn effective_values(&self) -> Vec<Effective> {
        Self::ROWS.iter().flat_map(|row| row.effective(self, Side::Server)).collect()
    }

    /// The settings as `sshd -T` prints them, in small letters.
    pub fn dump(&self) -> String {
        let mut out = String::new();
        for row in Self::ROWS {
            let name = row.keyword.name.to_ascii_lowercase();
            let mut show = Show { side: Side::Server, name: &name, out: &mut out };
            if row.keyword.name != "ListenAddress" {
                (row.show)(self, &mut show);
                continue;
            }
            for (host, port) in self.listen_on() {
                match host.parse::<IpAddr>() {
                    Ok(IpAddr::V6(_)) => show.line(format_args!("[{host}]:{port}")),
                    _ => show.line(format_args!("{host}:{port}")),
                }
            }
        }
        out
    }
}
