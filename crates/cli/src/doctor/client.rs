//! `ssh doctor HOST`: goes there and gathers what the checks need.

mod own_keys;
mod target;
mod trust;
mod way;

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use config::{AgentSocket, ClientConfig, Setting};
use doctor::probe::agent;
use doctor::visit::{Agent, Fate, Visit};
use doctor::{Finding, Sure, checks, limits};
use keys::known_hosts::KnownHosts;

use self::target::target;
use self::trust::FILE_BYTES_MAX;
use super::{Outcome, Wishes};
use crate::messages::{self, Level};
use crate::ssh::args::{self, Arguments, Request};
use crate::ssh::identities::Identities;
use crate::ssh::{agent_socket, key_files, paths, settings};
use crate::{files, sys};

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
