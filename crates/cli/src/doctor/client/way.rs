//! The way there, the conversation at its end, and what is tried when it ends early.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Instant;

use doctor::probe::{greeting, path, proposal, reach};
use doctor::visit::{Change, Ending, Fate, HostKey, Moment, Stage, Trial};
use doctor::{firewall, limits};
use keys::PublicKey;
use net::Transport;
use net::dial::{Dial, set_type_of_service};

use super::Tour;
use super::trust::{is_excused, revoked_by, trust};
use crate::doctor::login::{Examiner, Seen};
use crate::doctor::place;
use crate::ssh::host_keys::HostKeys;
use crate::ssh::{connection, plan, query};

/// Connections that are made to try all keys, where a server takes few on each.
const CONNECTIONS_MAX: usize = 4;

impl Tour<'_> {
    pub(super) fn directly(&mut self) {
        let dial = connection::dial(&self.config);
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

    pub(super) fn over_proxy(&mut self) {
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
            ..connection::dial(&self.config)
        };
        let socket = dial.connect().ok()?.socket;
        if let Some(class) = class {
            // A socket that takes no class sends without one.
            let _ = set_type_of_service(&socket, class);
        }
        Some(socket)
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
