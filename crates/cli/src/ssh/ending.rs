//! The last words: why a connection ended, in OpenSSH's wording, and what could be done about it.

use std::io;
use std::time::Duration;

use config::Origin;
use net::End;
use proto::{Error, Incompatible, Misbehaved};

use super::client::{Login, Stage};
use crate::messages::{error, fatal, info};
use crate::text::reason;
use crate::ui::prompt;

/// An answer that takes longer may have cost the login.
const LONG_WAIT: Duration = Duration::from_secs(3);

/// Says how it ended and gives the exit status.
pub fn report(login: &mut Login, end: End, transport_error: Option<&io::Error>) -> u8 {
    login.session.close_terminal();
    if let Some(outcome) = login.session.outcome() {
        return outcome.status;
    }
    if login.stage == Stage::GaveUp {
        return 255;
    }
    match end {
        End::Finished => {}
        End::TimedOut => timed_out(login),
        End::Io(source) => fatal!("ssh: {}", reason(&source)),
        End::Ended(why) => {
            if login.stage < Stage::Authenticated {
                let config = &login.config;
                crate::doctor::after_failure(&config.original_host, *config.batch_mode);
            }
            explain(login, &why, transport_error);
        }
    }
    // A status that came before the connection broke is still the command's.
    login.session.told_status().and_then(|status| u8::try_from(status & 0xff).ok()).unwrap_or(255)
}

fn timed_out(login: &Login) {
    error!("Timeout, server {} not responding.", login.host);
}

fn explain(login: &Login, why: &Error, transport_error: Option<&io::Error>) {
    let peer = login.peer();
    match why {
        Error::Disconnected { reason, description } => {
            error!("Received disconnect from {peer}:{}: {description}", reason.code());
            info!("Disconnected from {peer}");
            advise_on_disconnect(description);
        }
        Error::ConnectionLost { received_ident } => lost(login, *received_ident, transport_error),
        Error::Incompatible(incompatible) => {
            fatal!(
                "Unable to negotiate with {peer}: no matching {} found. Their offer: {}",
                incompatible.what,
                incompatible.remote.join(",")
            );
            advise_on_algorithms(login, incompatible);
        }
        Error::HostKeyRefused => fatal!("Host key verification failed."),
        Error::TimedOut(_) => timed_out(login),
        Error::Misbehaved(rule @ (Misbehaved::BadIdent(_) | Misbehaved::IdentNoise)) => {
            error!("kex_exchange_identification: {rule}");
            fatal!("Connection closed by {peer}");
            info!("ssh: what answers there is not an SSH server; is the port right?");
        }
        Error::Misbehaved(rule @ Misbehaved::ProtocolVersion(_)) => fatal!("{rule}"),
        Error::Misbehaved(Misbehaved::CorruptedMac) => {
            error!("Corrupted MAC on input.");
            fatal!(
                "ssh_dispatch_run_fatal: Connection to {peer}: message authentication code \
                 incorrect"
            );
        }
        Error::Misbehaved(rule @ (Misbehaved::PacketLength(_) | Misbehaved::PaddingLength)) => {
            error!("{rule}");
            fatal!("ssh_dispatch_run_fatal: Connection to {peer}: Connection corrupted");
        }
        Error::Misbehaved(rule) => {
            fatal!("ssh_dispatch_run_fatal: Connection to {peer}: {rule}");
        }
        Error::Misuse(_) | Error::NoHostKeySignature | Error::ClosedByUs => fatal!("ssh: {why}"),
    }
}

fn lost(login: &Login, received_ident: bool, transport_error: Option<&io::Error>) {
    let kind = transport_error.map(io::Error::kind);
    let (peer, host) = (login.peer(), &login.host);
    if login.session.was_running() {
        match (kind, transport_error) {
            (Some(io::ErrorKind::BrokenPipe), _) => {
                error!("client_loop: send disconnect: Broken pipe");
            }
            (Some(_), Some(source)) => {
                error!("Read from remote host {host}: {}", reason(source));
                info!("Connection to {host} closed.");
                error!("client_loop: send disconnect: Broken pipe");
            }
            _ => info!("Connection to {host} closed by remote host."),
        }
        return;
    }
    let reset = kind == Some(io::ErrorKind::ConnectionReset);
    if !received_ident {
        let what = match transport_error {
            Some(source) => format!("read: {}", reason(source)),
            None => "Connection closed by remote host".to_owned(),
        };
        error!("kex_exchange_identification: {what}");
    }
    fatal!("Connection {} by {peer}", if reset { "reset" } else { "closed" });
    if login.address.is_none() {
        return;
    }
    let waited = prompt::longest_wait();
    if received_ident && waited >= LONG_WAIT {
        info!(
            "ssh: a question waited {} s for its answer, and the server gives a login only so \
             much time (LoginGraceTime).",
            waited.as_secs()
        );
    } else if received_ident {
        info!(
            "ssh: the server hung up before the login was decided; its log says why \
             (LoginGraceTime, MaxAuthTries, a penalty for this address)."
        );
    } else {
        info!(
            "ssh: the server hung up without a word: it may limit connections (MaxStartups, \
             PerSourcePenalties), or a firewall or TCP wrapper answers in its place."
        );
    }
}

fn advise_on_disconnect(description: &str) {
    if description.contains("Too many authentication failures") {
        info!(
            "ssh: too many keys were offered before the right one; name it with -i and \
             -o IdentitiesOnly=yes."
        );
    }
}

/// The lines of configuration that would let this one host in, if there are any.
fn advise_on_algorithms(login: &Login, incompatible: &Incompatible) {
    let (keyword, supported, chosen) = match incompatible.what {
        "key exchange method" => ("KexAlgorithms", "kex", &login.config.kex_algorithms.origin),
        "host key type" | "host key algorithm" => {
            ("HostKeyAlgorithms", "key-sig", &login.config.host_key_algorithms.origin)
        }
        "cipher" => ("Ciphers", "cipher", &login.config.ciphers.origin),
        "MAC" => ("MACs", "mac", &login.config.macs.origin),
        _ => return,
    };
    let supported = super::query::answer(supported).unwrap_or_default();
    let common = incompatible.remote.iter().find(|name| supported.contains(&name.as_str()));
    match (common, chosen) {
        (None, _) => info!("ssh: this version has none of them, so the server has to be updated."),
        (Some(name), Origin::Default) => {
            info!(
                "ssh: the server only has algorithms that are off because they are weak. For this \
                 host alone, put into ~/.ssh/config:"
            );
            info!("    Host {}\n        {keyword} +{name}", login.config.original_host);
        }
        (Some(name), origin) => {
            info!("ssh: {keyword} ({origin}) leaves out what both sides have, such as {name}.");
        }
    }
}
