//! What happens on the way in, and once the user is.

use std::io::{self, Write};
use std::time::Duration;

use config::ControlPersist;
use keys::FingerprintHash;
use net::Link;
use proto::Client;

use super::{Login, Stage};
use crate::messages::{self, Level, debug, debug2, say};
use crate::ssh::authentication::Step;
use crate::ssh::mux::master::Master;
use crate::ssh::{memory, plan};
use crate::ui::clean;

/// A session that is over waits so long for proofs of new host keys.
const PROOF_TIME: Duration = Duration::from_secs(2);

impl Login {
    /// `ADDRESS port N`, as messages name the other end.
    pub fn peer(&self) -> String {
        match self.address {
            Some(address) => format!("{} port {}", address.ip(), address.port()),
            None => "UNKNOWN port 65535".to_owned(),
        }
    }

    pub(super) fn tell_negotiated(&self, link: &Link<Client>) {
        let connection = link.connection();
        if self.stage == Stage::Connected
            && let Some(ident) = connection.remote_ident()
        {
            let software = ident.splitn(3, '-').nth(2).unwrap_or_default();
            debug!("Remote protocol version 2.0, remote software version {software}");
        }
        debug!("SSH2_MSG_KEXINIT sent");
        debug!("SSH2_MSG_KEXINIT received");
        let Some(chosen) = connection.negotiated() else { return };
        debug!("kex: algorithm: {}", chosen.kex);
        debug!("kex: host key algorithm: {}", chosen.host_key);
        for (direction, one) in [
            ("server->client", &chosen.server_to_client),
            ("client->server", &chosen.client_to_server),
        ] {
            debug!(
                "kex: {direction} cipher: {} MAC: {} compression: {}",
                one.cipher,
                one.mac.as_deref().unwrap_or("<implicit>"),
                one.compression
            );
        }
    }

    pub(super) fn new_keys(&mut self, first: bool) {
        debug!("SSH2_MSG_NEWKEYS sent");
        debug!("SSH2_MSG_NEWKEYS received");
        if first {
            self.stage = Stage::Keyed;
            self.connect_deadline = None;
        }
    }

    pub(super) fn follow(&mut self, link: &mut Link<Client>, step: Step) {
        if step == Step::GiveUp {
            self.authentication.report_denial();
            self.give_up(link);
        }
    }

    /// Ends without another word to the server, which OpenSSH's logs call "closed by".
    pub(super) fn give_up(&mut self, link: &mut Link<Client>) {
        self.stage = Stage::GaveUp;
        link.abort();
    }

    pub(super) fn authenticated(&mut self, link: &mut Link<Client>) {
        self.stage = Stage::Authenticated;
        self.start_liveness(link);
        if !self.is_proxied {
            self.tell_authenticated();
        }
        self.remember(link);
        crate::ssh::local_command(&self.config);
        if self.to_background || self.may_persist() {
            self.forwards.hold();
        }
        if let Err(problem) = self.forwards.start(link) {
            self.session.abandon(link, &problem);
            return;
        }
        if Master::is_wanted(&self.config) && !self.is_proxied {
            if let Err(problem) = self.mux.listen() {
                self.session.abandon(link, &problem);
                return;
            }
            self.mux.may_forward_agent = self.session.forwards_agent();
        }
        let keeps = self.mux.is_listening() && *self.config.control_persist != ControlPersist::No;
        if keeps {
            // This process stays for all sessions; the first one gets another like the rest.
            self.aside = Some(self.session.set_aside());
            self.to_background = true;
        }
        self.session.authenticated(link, self.mux.is_listening());
        if !self.to_background {
            self.settle(link);
        }
        if self.to_background && self.forwards.is_undecided() {
            debug!("deferring postauth fork until remote forward confirmation received");
        } else if self.to_background {
            // The run is taken up again in the background.
            link.finish();
        }
    }

    fn tell_authenticated(&self) {
        let place = match self.address {
            Some(address) => format!("([{}]:{})", address.ip(), address.port()),
            None => "(via proxy)".to_owned(),
        };
        say(
            Level::Verbose,
            format_args!(
                "Authenticated to {} {place} using \"{}\".",
                self.host,
                self.authentication.method_used()
            ),
        );
    }

    /// Whether there may be a process that stays, of which this is not the one.
    fn may_persist(&self) -> bool {
        Master::is_wanted(&self.config) && *self.config.control_persist != ControlPersist::No
    }

    /// This is the process that stays: it may be told things now.
    pub fn settle(&mut self, link: &mut Link<Client>) {
        self.session.hear_signals(link);
        self.mux.watch(link, self.aside.is_some());
        self.forwards.resume(link);
    }

    fn remember(&mut self, link: &Link<Client>) {
        if !self.host_keys.is_trusted() {
            return;
        }
        let Some(memory) = &mut self.memory else { return };
        let connection = link.connection();
        let (Some(ident), Some(proposal)) =
            (connection.remote_ident(), connection.remote_proposal())
        else {
            return;
        };
        let mut remembered = plan::worth_remembering(&self.config, ident, proposal);
        // A password this time does not mean that the key has gone bad.
        let before = memory.remembered.clone().unwrap_or_default();
        let used = self.authentication.key_used();
        (remembered.key, remembered.sign) = match used {
            Some((key, algorithm)) => (Some(key), Some(algorithm)),
            None => (before.key, before.sign),
        };
        remembered.early = memory::takes_early_channels(ident);
        remembered.idle = before.idle;
        remembered.unmarked = self.watch.unmarked_day().or(before.unmarked);
        remembered.sightings = before.sightings;
        if let Some(key) = connection.host_key().filter(|key| key.certificate().is_none()) {
            remembered.sightings.saw(&key.fingerprint(FingerprintHash::Sha256));
        }
        memory.store(remembered);
    }

    pub(super) fn host_keys_announced(
        &mut self,
        link: &mut Link<Client>,
        keys: &[keys::PublicKey],
    ) {
        debug!("client_input_hostkeys: {} keys from server", keys.len());
        let used = link.connection().host_key().map(keys::PublicKey::plain);
        if !used.is_some_and(|used| keys.contains(&used)) {
            // A server that leaves out the key it has just used tells nothing that
            // could be believed; the key must not be forgotten on its word.
            debug!("client_input_hostkeys: the key in use is not among them");
            return;
        }
        let wanted = self.host_keys.keys_to_prove(keys);
        let obsolete = self.host_keys.keys_to_forget(keys);
        if wanted.is_empty() && !obsolete.is_empty() {
            self.host_keys.update(&[], &obsolete);
            return;
        }
        if wanted.is_empty() {
            debug!("client_input_hostkeys: no new or deprecated keys from server");
            return;
        }
        self.obsolete_host_keys = obsolete;
        self.host_keys_to_prove = wanted.len();
        debug!("client_input_hostkeys: asking for proof of {} keys", wanted.len());
        // Refused only when the connection ended meanwhile.
        if link.connection_mut().request_host_key_proofs(wanted).is_ok() {
            self.session.proofs_until = Some(link.now() + PROOF_TIME);
        }
    }
}

/// The server's text before login, to standard error itself: it is not a message of ours.
pub(super) fn show_banner(message: &str) {
    if messages::level() < Level::Info {
        return;
    }
    // Nobody is left to be told when it cannot be shown.
    let _ = io::stderr().write_all(clean::visible_lines(message).as_bytes());
}

/// The sizes of a group exchange.
pub(super) fn tell_group(link: &Link<Client>) {
    let connection = link.connection();
    let is_group_exchange =
        connection.negotiated().is_some_and(|names| names.kex.contains("group-exchange"));
    let Some(group) = connection.group_exchange().filter(|_| is_group_exchange) else { return };
    debug!("SSH2_MSG_KEX_DH_GEX_REQUEST({}<{}<{}) sent", group.min, group.n, group.max);
    debug!("SSH2_MSG_KEX_DH_GEX_GROUP received");
    debug2!("bits set: {}/{}", group.bits_set, group.bits);
}
