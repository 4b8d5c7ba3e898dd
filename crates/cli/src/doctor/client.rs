//! `ssh doctor HOST`: goes there and gathers what the checks need.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use config::{AddressFamily, AgentSocket, ClientConfig, Origin, Setting, StrictHostKeyChecking};
use doctor::probe::{agent, greeting, key_file, path, proposal, reach};
use doctor::visit::{
    Agent, Certificate, CertificateProblem, Change, Ending, Fate, HostKey, Key, Moment, Proxy,
    Stage, Target, Trial, Visit,
};
use doctor::{Finding, Sure, checks, firewall, limits};
use keys::known_hosts::{HostName, KnownHosts, Verdict};
use keys::{CertificateKind, FingerprintHash, PublicKey, krl};
use net::Transport;
use net::dial::{Dial, Family, set_type_of_service};

use super::login::{Examiner, Seen, Trust};
use super::{Outcome, Wishes};
use crate::messages::{self, Level};
use crate::ssh::args::{self, Arguments, Request};
use crate::ssh::host_keys::HostKeys;
use crate::ssh::identities::Identities;
use crate::ssh::{agent_socket, connection, key_files, paths, plan, query, settings};
use crate::{files, sys};

/// Largest file of known or revoked keys that is read.
const FILE_BYTES_MAX: u64 = 256 << 20;
/// Connections that are made to try all keys, where a server takes few on each.
const CONNECTIONS_MAX: usize = 4;

/// Examines the way to a host. The error is the whole message about a wrong call.
pub fn examine(wishes: &Wishes, words: &[OsString]) -> Result<Outcome, String> {
    let arguments = match args::parse(words) {
        Ok(Request::Run(arguments)) => arguments,
        Ok(_) | Err(args::Error::Usage) => return Err(String::new()),
        Err(problem) => return Err(problem.to_string()),
    };
    // What the parts of ssh would say on the way is said by the findings.
    messages::set_level(Level::Quiet);
    let user = paths::own_account().ok_or("this user has no account")?;
    let typed = arguments.destination.host.clone();
    let mut config = match settings::load(&arguments, &user) {
        Ok(config) => config,
        Err(problem) => return Ok(bad_configuration(&typed, &problem)),
    };
    if let Some(refused) = config.refused.first() {
        return Ok(bad_configuration(&typed, &refused.message));
    }
    let batch_mode = *config.batch_mode;
    // Nothing here may ask the user.
    config.batch_mode.value = true;
    let config = Rc::new(config);
    let mut tour = Tour::new(&arguments, &config, &user, batch_mode)?;
    tour.try_shell = wishes.shell;
    Ok(tour.go(words))
}

fn bad_configuration(typed: &str, problem: &str) -> Outcome {
    let mut lines = problem.lines();
    let first = lines.next().unwrap_or_default();
    let finding = Finding::new(
        "configuration",
        Sure::Certain,
        format!("The configuration cannot be used: {first}"),
    )
    .seen_all(lines.map(|line| line.trim_end().to_owned()))
    .mend(format!("ssh explain {typed}    # once the line is right"));
    Outcome {
        title: format!("The way to {typed}"),
        secrets: vec![("host", typed.to_owned())],
        seen: Vec::new(),
        findings: vec![finding],
    }
}

/// One examination.
struct Tour<'a> {
    arguments: &'a Arguments,
    config: Rc<ClientConfig>,
    identities: Identities,
    named: Vec<Setting<PathBuf>>,
    fates: Vec<Option<Fate>>,
    visit: Visit,
    try_shell: bool,
    patience: Duration,
    /// The socket of the conversation, beside it.
    watched: Option<OwnedFd>,
}

impl<'a> Tour<'a> {
    fn new(
        arguments: &'a Arguments,
        config: &Rc<ClientConfig>,
        user: &sys::Account,
        batch_mode: bool,
    ) -> Result<Self, String> {
        let socket = agent_socket(config);
        let (identity_files, certificate_files) = key_files(config, user)?;
        let mut visit = Visit {
            target: target(config, batch_mode),
            now_seconds: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |now| now.as_secs()),
            ..Visit::default()
        };
        visit.agent = match (&*config.identity_agent, &socket) {
            (AgentSocket::None, _) => Agent::Unwanted,
            (_, None) => Agent::Missing,
            (_, Some(socket)) => agent::look(socket),
        };
        let all =
            config.user_known_hosts_files.iter().chain(config.global_known_hosts_files.iter());
        let mut known = KnownHosts::default();
        for file in all {
            if let Ok(bytes) = files::read_limited(file, FILE_BYTES_MAX) {
                known.add(&String::from_utf8_lossy(&bytes), &file.display().to_string());
            }
        }
        visit.known = known;
        let variable = |name: &str| std::env::var(name).ok();
        let mut named =
            config.identity_paths(&user.home, &variable).map_err(|problem| problem.to_string())?;
        named.extend(
            config
                .certificate_paths(&user.home, &variable)
                .map_err(|problem| problem.to_string())?,
        );
        Ok(Tour {
            arguments,
            identities: Identities::prepare(
                config,
                &identity_files,
                &certificate_files,
                socket.as_deref(),
            ),
            config: Rc::clone(config),
            named,
            fates: Vec::new(),
            visit,
            try_shell: false,
            watched: None,
            patience: config.connect_timeout.map_or(limits::GREETING, |set| {
                set.clamp(Duration::from_millis(500), 2 * limits::GREETING)
            }),
        })
    }

    fn go(mut self, words: &[OsString]) -> Outcome {
        if self.visit.target.proxy.is_some() {
            self.over_proxy();
        } else {
            self.directly();
        }
        self.collect_keys();
        self.collect_missing(words);
        let findings = checks::judge(&self.visit);
        Outcome {
            title: format!(
                "The way to {}: {}@{}",
                self.visit.target.typed,
                self.visit.target.user,
                self.visit.place()
            ),
            secrets: self.secrets(),
            seen: super::hint::account(&self.visit),
            findings,
        }
    }

    fn directly(&mut self) {
        let dial = self.dial();
        let start = Instant::now();
        let resolved = reach::resolve(&dial);
        self.visit.reach.resolve_time = start.elapsed();
        match resolved {
            Err(problem) => self.visit.reach.unresolved = Some(problem),
            Ok(addresses) => {
                self.visit.reach.tries = reach::connect_all(&dial, &addresses);
                self.visit.reach.addresses = addresses;
            }
        }
        let connected = |one: &&reach::Try| one.outcome == reach::Outcome::Connected;
        let first = self.visit.reach.tries.iter().find(connected);
        let Some((address, took)) = first.map(|one| (one.address, one.took)) else {
            self.unreached();
            return;
        };
        self.visit.talk.address = Some(address);
        self.visit.talk.moments.push(Moment { what: "connection".to_owned(), took });
        let class = self.visit.target.service_class;
        let Some(socket) = self.connect(address, class) else {
            self.visit.talk.stage = Stage::Connected;
            self.visit.talk.ending = Ending::Reset;
            self.look_closer(address);
            return;
        };
        self.watched = socket.try_clone().ok();
        let seen = self.converse(Transport::socket(socket), Some(address), false);
        self.visit.talk.path = self.watched.take().as_ref().and_then(path::state);
        self.take(seen);
        for _ in 1..CONNECTIONS_MAX {
            let full = self.visit.login.offers_until_goodbye.is_some();
            let untried = self.fates.iter().any(Option::is_none);
            if !full || !untried || self.visit.is_in() || self.found_key() {
                break;
            }
            let Some(socket) = self.connect(address, class) else { break };
            let seen = self.converse(Transport::socket(socket), Some(address), false);
            if seen.stage < Stage::Keyed {
                break;
            }
            // The cause stays the first connection's end.
            self.visit.login.remarks.extend(seen.remarks);
        }
        self.look_closer(address);
    }

    fn found_key(&self) -> bool {
        let good = |fate: &Option<Fate>| {
            matches!(fate, Some(Fate::WouldDo | Fate::Worked | Fate::CannotSign(_)))
        };
        self.fates.iter().any(good)
    }

    /// No address took a connection: is it this machine, and does SSH answer on another port?
    fn unreached(&mut self) {
        let Some(first) = self.visit.reach.tries.first().map(|one| one.address) else { return };
        let packet =
            firewall::Packet { outgoing: true, remote: Some(first.ip()), port: first.port() };
        if let firewall::Look::Blocked(obstacle) = firewall::look(&packet) {
            self.visit.obstacle = Some(obstacle);
            return;
        }
        let no_way = |one: &reach::Try| {
            matches!(one.outcome, reach::Outcome::NoRoute(_) | reach::Outcome::NoSource(_))
        };
        if !self.visit.reach.tries.iter().all(no_way) {
            self.visit.reach.elsewhere = elsewhere(first);
        }
    }

    /// The conversation went wrong early: what is there, and would another way do?
    fn look_closer(&mut self, address: SocketAddr) {
        let talk = &self.visit.talk;
        let turned_away = talk.before_ident.iter().any(|line| is_turned_away(line));
        if talk.stage <= Stage::Connected && !turned_away {
            let answer = greeting::ask(address, self.patience);
            match answer {
                // The line was lost with the first connection.
                greeting::Answer::Other { line, .. } if is_turned_away(&line) => {
                    self.visit.talk.before_ident.push(line);
                }
                answer => {
                    let is_ssh = matches!(answer, greeting::Answer::Ssh(_));
                    // A close while something of ours is unread becomes a reset; nothing was said
                    // this time, so this is how it really ends.
                    match (&self.visit.talk.ending, &answer) {
                        (Ending::Reset, greeting::Answer::Closes) => {
                            self.visit.talk.ending = Ending::Closed;
                        }
                        (Ending::Closed, greeting::Answer::Resets) => {
                            self.visit.talk.ending = Ending::Reset;
                        }
                        _ => {}
                    }
                    self.visit.talk.answer = Some(answer);
                    if !is_ssh {
                        self.visit.reach.elsewhere = elsewhere(address);
                    }
                }
            }
        }
        match &self.visit.talk.ending {
            Ending::Incompatible => self.read_proposal(address),
            Ending::Silent(_) if self.visit.talk.stage < Stage::Keyed => {
                self.try_otherwise(address);
            }
            _ => {}
        }
    }

    fn read_proposal(&mut self, address: SocketAddr) {
        let Ok(theirs) = proposal::read(address) else { return };
        let config = &self.config;
        let ours = proposal::Lists {
            kex: config.kex_algorithms.value.clone(),
            host_key: config.host_key_algorithms.value.clone(),
            ciphers_out: config.ciphers.value.clone(),
            ciphers_in: config.ciphers.value.clone(),
            macs_out: config.macs.value.clone(),
            macs_in: config.macs.value.clone(),
        };
        let possible = |keyword: &str| {
            let question = match keyword {
                "KexAlgorithms" => "kex",
                "HostKeyAlgorithms" => "key-sig",
                "Ciphers" => "cipher",
                _ => "mac",
            };
            let names = query::answer(question).unwrap_or_default();
            names.into_iter().map(str::to_owned).collect()
        };
        let origin = |keyword: &str| {
            place(match keyword {
                "KexAlgorithms" => &config.kex_algorithms.origin,
                "HostKeyAlgorithms" => &config.host_key_algorithms.origin,
                "Ciphers" => &config.ciphers.origin,
                _ => &config.macs.origin,
            })
        };
        self.visit.talk.mismatches =
            proposal::Lists::mismatches(&ours, &theirs, &possible, &origin);
    }

    /// The same again, with one thing changed each time.
    fn try_otherwise(&mut self, address: SocketAddr) {
        let stage = self.visit.talk.stage;
        if self.visit.target.service_class.is_some()
            && let Some(socket) = self.connect(address, None)
        {
            let seen = self.converse(Transport::socket(socket), Some(address), true);
            let helped = seen.stage > stage;
            self.visit.talk.trials.push(Trial { change: Change::Unmarked, helped });
            if helped {
                return;
            }
        }
        if let Ok(stream) = path::connect_with_small_segments(address) {
            let seen = self.converse(Transport::socket(stream.into()), Some(address), true);
            let helped = seen.stage > stage;
            self.visit.talk.trials.push(Trial { change: Change::SmallSegments, helped });
        }
    }

    fn over_proxy(&mut self) {
        let reached = connection::reach(self.arguments, &self.config, true);
        match reached {
            Err(problem) => {
                self.visit.talk.stage = Stage::Connected;
                if let Some(proxy) = &mut self.visit.target.proxy {
                    proxy.problem = Some(problem);
                }
            }
            Ok(mut reached) => {
                let seen = self.converse(reached.transport, None, false);
                let silent = seen.ident.is_none();
                self.take(seen);
                if let Some(child) = &mut reached.proxy {
                    if silent
                        && let Ok(Some(status)) = child.try_wait()
                        && let Some(proxy) = &mut self.visit.target.proxy
                    {
                        proxy.problem = Some(format!("it ended with {status}"));
                    }
                    connection::end_proxy(child);
                }
            }
        }
    }

    fn converse(&mut self, transport: Transport, address: Option<SocketAddr>, brief: bool) -> Seen {
        let config = Rc::clone(&self.config);
        let mut host_keys =
            HostKeys::load(Rc::clone(&config), &config.host_name.to_ascii_lowercase());
        if let Some(address) = address {
            host_keys.set_address(address);
        }
        let engine = plan::engine_config(&config, &host_keys, None);
        let visit = &self.visit;
        let judge = |key: &PublicKey| trust(visit, &config, address, key);
        let mut nobody = Vec::new();
        let fates = if brief { &mut nobody } else { &mut self.fates };
        let mut examiner =
            Examiner::new(&config, &mut self.identities, fates, &judge, self.patience);
        examiner.only_exchange = brief;
        examiner.watched = self.watched.as_ref();
        examiner.try_shell = self.try_shell && !brief;
        examiner.run(engine, transport)
    }

    fn take(&mut self, seen: Seen) {
        let config = Rc::clone(&self.config);
        let address = self.visit.talk.address;
        let talk = &mut self.visit.talk;
        talk.stage = seen.stage;
        talk.ending = seen.ending;
        talk.before_ident = seen.before_ident;
        talk.ident = seen.ident;
        talk.moments.extend(seen.moments);
        talk.lasted = seen.lasted;
        talk.hung_up_while_signing = seen.hung_up_while_signing;
        let login = &mut self.visit.login;
        login.methods = seen.methods;
        login.wants_more = seen.wants_more;
        login.by_nothing = seen.by_nothing;
        login.offers_until_goodbye = seen.offers_until_goodbye;
        login.banners = seen.banners;
        login.last_words = seen.last_words;
        login.shell = seen.shell;
        login.session_refused = seen.session_refused;
        login.forwards_refused = seen.forwards_refused;
        login.remarks = seen.remarks;
        self.visit.host_key = seen.host_key.map(|key| HostKey {
            revoked_by: revoked_by(&config, &key),
            excused: is_excused(&config, address),
            key,
        });
    }

    fn connect(&self, address: SocketAddr, class: Option<u8>) -> Option<OwnedFd> {
        let dial = Dial {
            host: address.ip().to_string(),
            timeout: Some(limits::CONNECT),
            attempts: 1,
            ..self.dial()
        };
        let socket = dial.connect().ok()?.socket;
        if let Some(class) = class {
            // A socket that takes no class sends without one.
            let _ = set_type_of_service(&socket, class);
        }
        Some(socket)
    }

    fn dial(&self) -> Dial {
        let config = &self.config;
        Dial {
            family: match *config.address_family {
                AddressFamily::Any => Family::Any,
                AddressFamily::Inet => Family::Inet,
                AddressFamily::Inet6 => Family::Inet6,
            },
            bind_address: config.bind_address.value.clone(),
            bind_interface: config.bind_interface.value.clone(),
            timeout: *config.connect_timeout,
            ..Dial::new(config.host_name.value.clone(), *config.port)
        }
    }

    fn collect_keys(&mut self) {
        for (index, identity) in self.identities.list.iter().enumerate() {
            let name = identity.name.as_str();
            let plain = name.strip_suffix("-cert").unwrap_or(name);
            let line = self
                .named
                .iter()
                .find(|file| *file.value == *Path::new(name) || *file.value == *Path::new(plain));
            let source = match line.map(|file| &file.origin) {
                _ if identity.in_agent => "from the agent".to_owned(),
                Some(Origin::Default) | None => "a standard file".to_owned(),
                Some(origin) => place(origin).unwrap_or_default(),
            };
            let fate = match self.fates.get(index).cloned().flatten() {
                Some(fate) => fate,
                None => Fate::NotReached,
            };
            let certificate = identity.public.as_ref().and_then(PublicKey::certificate);
            self.visit.login.keys.push(Key {
                name: identity.name.clone(),
                label: identity.public.as_ref().map(|key| {
                    format!("{} {}", key.type_label(), key.fingerprint(FingerprintHash::Sha256))
                }),
                source,
                named: identity.explicit,
                in_agent: identity.in_agent,
                certificate: certificate.map(|one| self.certificate(one)),
                file: match &identity.file {
                    Some(file) if !identity.in_agent => Some(key_file::look(file)),
                    _ => None,
                },
                fate,
            });
        }
    }

    /// What a certificate says about this login.
    fn certificate(&self, certificate: &keys::Certificate) -> Certificate {
        let now = self.visit.now_seconds;
        let checked = certificate.check(CertificateKind::User, None, now, false);
        let is_for = |user: &String| certificate.principals.contains(user);
        let date = |seconds: u64| sys::clock::utc(seconds, "%Y-%m-%d %H:%M:%S UTC");
        let source = certificate.options().ok().and_then(|options| options.source_address);
        let problem = match checked {
            Err(keys::CertificateError::Expired) => {
                Some(CertificateProblem::Expired(date(certificate.valid_before)))
            }
            Err(keys::CertificateError::NotYetValid) => {
                Some(CertificateProblem::NotYetValid(date(certificate.valid_after)))
            }
            Err(problem) => Some(CertificateProblem::Other(problem.to_string())),
            Ok(()) if !certificate.principals.is_empty() && !is_for(&self.visit.target.user) => {
                Some(CertificateProblem::OtherName(certificate.principals.join(",")))
            }
            Ok(()) => source.map(CertificateProblem::OtherSource),
        };
        let authority = &certificate.signature_key;
        let fingerprint = authority.fingerprint(FingerprintHash::Sha256);
        Certificate { problem, authority: format!("{} {fingerprint}", authority.type_label()) }
    }

    /// Files behind `-i` that are not there, which ssh leaves out.
    fn collect_missing(&mut self, words: &[OsString]) {
        let own = paths::own_account().map(|own| own.home);
        let mut words = words.iter().filter_map(|word| word.to_str());
        while let Some(word) = words.next() {
            let name = match word.strip_prefix("-i") {
                Some("") => words.next().unwrap_or_default(),
                Some(name) => name,
                None => continue,
            };
            let path = match (name.strip_prefix("~/"), &own) {
                (Some(rest), Some(home)) => home.join(rest),
                _ => PathBuf::from(name),
            };
            if name.is_empty()
                || path.exists()
                || self.visit.login.keys.iter().any(|key| key.name == name)
            {
                continue;
            }
            self.visit.login.keys.push(Key {
                name: name.to_owned(),
                label: None,
                source: "the command line".to_owned(),
                named: true,
                in_agent: false,
                fate: Fate::Skipped("there is no such file".to_owned()),
                certificate: None,
                file: Some(key_file::look(&path)),
            });
        }
    }

    /// Names that a report for others must not have.
    fn secrets(&self) -> Vec<(&'static str, String)> {
        let target = &self.visit.target;
        let mut secrets = vec![
            ("host", target.host_name.clone()),
            ("host", target.typed.clone()),
            ("user", target.user.clone()),
            ("host", target.principal.clone()),
        ];
        let own = paths::own_account();
        secrets.extend(own.map(|own| ("user", own.name)));
        let node = rustix::system::uname();
        secrets.push(("host", node.nodename().to_string_lossy().into_owned()));
        let jump = target.proxy.as_ref().and_then(|proxy| proxy.jump.clone());
        secrets.extend(jump.map(|jump| ("host", jump)));
        for key in self.visit.login.keys.iter().filter(|key| key.file.is_none()) {
            secrets.push(("comment", key.name.clone()));
        }
        secrets
    }
}

/// What a server says when it will not talk to this client now.
fn is_turned_away(line: &str) -> bool {
    ["Exceeded MaxStartups", "Not allowed at this time", "refused connect"]
        .iter()
        .any(|text| line.contains(text))
}

/// Who answers on the ports where SSH often is.
fn elsewhere(address: SocketAddr) -> Vec<(u16, greeting::Answer)> {
    let ports = limits::USUAL_PORTS.iter().filter(|port| **port != address.port());
    let ask =
        |port: &u16| (*port, greeting::ask(SocketAddr::new(address.ip(), *port), limits::ANSWER));
    ports.map(ask).collect()
}

fn trust(
    visit: &Visit,
    config: &ClientConfig,
    address: Option<SocketAddr>,
    key: &PublicKey,
) -> Trust {
    if revoked_by(config, key).is_some() {
        return Trust::Bad;
    }
    if is_excused(config, address) {
        return Trust::Known;
    }
    let name = &visit.target.known_name;
    match visit.known.judge(name, key) {
        Verdict::Known(_) => Trust::Known,
        Verdict::Revoked(_) | Verdict::Changed(_) => Trust::Bad,
        Verdict::CertAuthority(_) => {
            let good = key.certificate().is_some_and(|certificate| {
                let principal = Some(visit.target.principal.as_str());
                certificate.check(CertificateKind::Host, principal, visit.now_seconds, true).is_ok()
            });
            let plain = key.plain();
            match visit.known.judge(name, &plain) {
                _ if good => Trust::Known,
                Verdict::Known(_) => Trust::Known,
                _ => Trust::Bad,
            }
        }
        Verdict::OtherTypes(_) | Verdict::Unknown => Trust::Unknown,
    }
}

fn is_excused(config: &ClientConfig, address: Option<SocketAddr>) -> bool {
    *config.no_host_authentication_for_localhost
        && config.host_key_alias.is_none()
        && address.is_some_and(|address| address.ip().is_loopback())
}

/// The list of revoked keys that has the key, or that cannot be read.
fn revoked_by(config: &ClientConfig, key: &PublicKey) -> Option<(PathBuf, Option<String>)> {
    config.revoked_host_keys.iter().find_map(|path| {
        let judged = files::read_limited(path, FILE_BYTES_MAX)
            .map_err(|source| crate::text::reason(&source))
            .and_then(|file| krl::file_revokes(&file, key).map_err(|why| why.to_string()));
        match judged {
            Ok(false) => None,
            Ok(true) => Some((path.clone(), None)),
            Err(why) => Some((path.clone(), Some(why))),
        }
    })
}

fn target(config: &ClientConfig, batch_mode: bool) -> Target {
    let known_name = match config.host_key_alias.as_deref() {
        Some(alias) => HostName::from_text(alias),
        None => HostName::new(&config.host_name, *config.port),
    };
    let host = config.host_name.to_ascii_lowercase();
    let jump = config.proxy_jump.last().map(|jump| {
        let user = jump.user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
        let port = jump.port.map(|port| format!("-p {port} ")).unwrap_or_default();
        format!("{port}{user}{}", jump.host)
    });
    let command = config.proxy_command.as_deref().map(str::to_owned);
    let proxy = match (command, jump) {
        (Some(command), _) => {
            let expanded = config.tokens().only("hnpr").expand(&command).unwrap_or(command);
            Some(Proxy { command: expanded, jump: None, problem: None })
        }
        (None, Some(jump)) => {
            let command = format!("ssh -J {}", config::show_jumps(&config.proxy_jump));
            Some(Proxy { command, jump: Some(jump), problem: None })
        }
        (None, None) => None,
    };
    Target {
        typed: config.original_host.clone(),
        host_name: config.host_name.value.clone(),
        port: *config.port,
        port_origin: place(&config.port.origin),
        host_name_origin: place(&config.host_name.origin),
        user: config.user.value.clone(),
        proxy,
        known_name,
        principal: config.host_key_alias.as_deref().unwrap_or(&host).to_owned(),
        known_hosts_file: config.user_known_hosts_files.first().cloned(),
        batch_mode,
        accepts_new_hosts: matches!(
            *config.strict_host_key_checking,
            StrictHostKeyChecking::AcceptNew | StrictHostKeyChecking::Off
        ),
        keys_enabled: *config.pubkey_authentication != config::PubkeyAuthentication::No,
        password_enabled: *config.password_authentication,
        interactive_enabled: *config.kbd_interactive_authentication,
        identities_only: *config.identities_only,
        service_class: config.ip_qos.interactive,
    }
}

/// A place in a file, as editors take it; nothing for what nobody chose.
fn place(origin: &Origin) -> Option<String> {
    match origin {
        Origin::Default => None,
        Origin::CommandLine => Some("the command line".to_owned()),
        Origin::File { path, line } => Some(format!("{}:{line}", path.display())),
    }
}
