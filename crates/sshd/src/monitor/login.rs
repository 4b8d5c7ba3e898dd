//! From a user who was authenticated to the session process, and to its end.

mod session_start;

use std::os::fd::AsFd;
use std::path::Path;
use std::process::Child;
use std::time::Duration;

use rustix::fs::{FileType, Mode};

use super::authentication::Authentication;
use super::log_lines::printable;
use super::{Error, Monitor, Phase, end_child};
use crate::accounts::Account;
use crate::login_records::{self, Entry, Files};
use crate::pam::Transaction;
use crate::requests::{Bytes, Channel, Ends, SessionFacts, SessionNews, ToGate};
use crate::spawn::{self, Role};

/// No connection has more terminals; `MaxSessions` says how many at a time.
const TERMINALS: usize = 1024;

/// A user who is in.
pub(super) struct Login {
    account: Account,
    session: Child,
    channel: Option<Channel>,
    transaction: Option<Box<Transaction>>,
    terminals: Vec<(String, u32)>,
}

impl Monitor {
    /// Starts the session process of the user who was accepted.
    pub(super) fn start_session(&mut self) -> Result<(), Error> {
        let auth = match std::mem::replace(&mut self.phase, Phase::New) {
            Phase::Accepted(auth) => *auth,
            other => {
                self.phase = other;
                return Err(Error::OutOfTurn("a session before there was a login"));
            }
        };
        let Authentication { account, settings, options, interactive, information, .. } = auth;
        let must_change = options.must_change_password || interactive.must_change_password();
        let options = if must_change { options.without_forwarding() } else { options };
        let remarks = options.remarks.clone();
        let mut transaction = interactive.into_transaction();
        let mut start = self.session_start(&account, &settings, options)?;
        start.must_change_password = must_change;
        start.authentication_information = settings.expose_auth_info.value.then_some(information);
        if let Some(transaction) = &mut transaction {
            // As OpenSSH: credentials, then the session, before anything of the user's runs.
            let opened =
                transaction.establish_credentials().and_then(|()| transaction.open_session());
            if let Err(error) = opened {
                log::error!("PAM: {error}");
                return Err(Error::Io(std::io::Error::other("PAM refused the session")));
            }
            let variables = transaction.environment();
            start.pam_environment = variables
                .into_iter()
                .map(|(name, value)| {
                    (Bytes(name.into_encoded_bytes()), Bytes(value.into_encoded_bytes()))
                })
                .collect();
            start.login_messages = transaction.take_text();
        }
        let zone = std::env::var_os("TZ");
        let environment: Vec<_> = zone.into_iter().map(|zone| ("TZ", zone)).collect();
        let (session, channel) = spawn::spawn(Role::Session, &account.name, &environment)?;
        log::debug!("User child is on pid {}", session.id());
        let (for_gate, for_session) = Channel::pair()?;
        channel.send(&start, &[for_session.as_fd()])?;
        drop(for_session);
        let facts = SessionFacts {
            client_alive_interval: settings.client_alive_interval.value.as_secs() as u32,
            client_alive_count_max: settings.client_alive_count_max.value,
            unused_connection_timeout: settings
                .unused_connection_timeout
                .value
                .map_or(0, |timeout| timeout.as_secs() as u32),
            channel_timeouts: settings
                .channel_timeout
                .value
                .iter()
                .filter(|timeout| !timeout.timeout.is_zero())
                .map(|timeout| (timeout.kind.clone(), timeout.timeout.as_secs()))
                .collect(),
            interactive_class: settings.ip_qos.value.interactive,
            bulk_class: settings.ip_qos.value.bulk,
            remarks,
        };
        self.gate.send(&ToGate::Session { facts }, &[for_gate.as_fd()])?;
        self.phase = Phase::LoggedIn(Box::new(Login {
            account,
            session,
            channel: Some(channel),
            transaction,
            terminals: Vec::new(),
        }));
        self.forget();
        Ok(())
    }

    /// Gives back the memory of what is settled once somebody is in.
    fn forget(&mut self) {
        self.config = None;
        self.settings = None;
        self.groups = Vec::new();
    }
}

impl Login {
    /// The login name.
    pub(super) fn user(&self) -> &str {
        &self.account.name
    }

    /// To the session process, while it lives.
    pub(super) fn channel(&self) -> Option<&Channel> {
        self.channel.as_ref()
    }

    /// It does not live any more.
    pub(super) fn forget_channel(&mut self) {
        self.channel = None;
    }

    /// News of the session process, which has the user's rights only and is believed no further.
    pub(super) fn hear(&mut self, news: SessionNews, ends: &Ends) {
        match news {
            SessionNews::Ready => {}
            SessionNews::TerminalOpened { line, process } => {
                if self.terminals.len() < TERMINALS && self.is_own_terminal(&line) {
                    self.record(&line, process, ends, true);
                    self.terminals.push((line, process));
                }
            }
            SessionNews::TerminalClosed { line } => {
                let at = self.terminals.iter().position(|(known, _)| *known == line);
                if let Some((line, process)) = at.map(|at| self.terminals.swap_remove(at)) {
                    self.record(&line, process, ends, false);
                }
            }
            SessionNews::Log { level: _, text } => log::info!("{}", printable(&text, 1000)),
        }
    }

    /// A terminal that the user has opened, and nothing else, goes into the system's records.
    fn is_own_terminal(&self, line: &str) -> bool {
        let number = line.strip_prefix(crate::sys::files::TERMINALS).unwrap_or_default();
        !number.is_empty()
            && number.bytes().all(|byte| byte.is_ascii_digit())
            && rustix::fs::lstat(line).is_ok_and(|status| {
                status.st_uid == self.account.uid
                    && FileType::from_raw_mode(status.st_mode) == FileType::CharacterDevice
                    && Mode::from_raw_mode(status.st_mode).contains(Mode::RUSR)
            })
    }

    fn record(&self, line: &str, process: u32, ends: &Ends, begins: bool) {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let entry = Entry {
            user: &self.account.name,
            uid: self.account.uid,
            terminal: Path::new(line),
            host: &ends.remote_host,
            address: ends.remote_address.parse().ok(),
            pid: process,
        };
        let files = Files::default();
        let recorded = if begins {
            login_records::record_login(&files, &entry)
        } else {
            login_records::record_logout(&files, &entry)
        };
        if let Err(error) = recorded {
            log::debug!("login records: {error}");
        }
    }

    /// Waits for the session process to end, and closes what was opened for it.
    pub(super) fn end(mut self, ends: &Ends, patience: Duration) {
        // What it still had to say, such as terminals that closed.
        if let Some(channel) = self.channel.take() {
            let _ = rustix::net::shutdown(&channel, rustix::net::Shutdown::Write);
            let status = end_child(&mut self.session, patience);
            log::debug!("session process ended: {status:?}");
            while let Ok(Some((news, _))) = channel.try_receive::<SessionNews>() {
                self.hear(news, ends);
            }
        } else {
            end_child(&mut self.session, patience);
        }
        for (line, process) in std::mem::take(&mut self.terminals) {
            self.record(&line, process, ends, false);
        }
        if let Some(mut transaction) = self.transaction.take()
            && let Err(error) = transaction.close()
        {
            log::debug!("PAM: {error}");
        }
    }
}
