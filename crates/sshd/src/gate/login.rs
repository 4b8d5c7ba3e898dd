//! A login as the gate sees it: what the engine asks, the monitor answers.

use std::os::fd::AsFd;
use std::time::Duration;

use net::{Interest, KeepAlive, Link};
use proto::{AuthAnswer, AuthMethod, AuthRequest, DisconnectReason, Prompt, Server, SignAsk};

use super::{Gate, SESSION, channels};
use crate::requests::{Bytes, Channel, Method, SessionFacts, ToGate, ToMonitor, Verdict};

impl Gate {
    pub(super) fn sign(&mut self, link: &mut Link<Server>, ask: SignAsk, proof: bool) {
        let plain = ask.key().plain();
        let key = self
            .host_keys
            .iter()
            .position(|known| known == ask.key())
            .or_else(|| self.host_keys.iter().position(|known| *known == plain));
        let Some(key) = key else { return self.fail(link, &"an unknown host key") };
        let (key, algorithm) = (key as u32, ask.algorithm().to_owned());
        let data = Bytes(ask.data().to_vec());
        let request = if proof {
            ToMonitor::SignProof { key, algorithm, data }
        } else {
            ToMonitor::SignExchange { key, algorithm, hash: data }
        };
        match self.monitor.ask::<ToGate>(&request) {
            Ok((ToGate::Signature { signature }, _)) => {
                let signature = signature.map(|signature| signature.0);
                if let Err(error) = link.connection_mut().answer_sign(ask, signature) {
                    self.fail(link, &error);
                }
            }
            Ok(_) => self.fail(link, &"an answer without a question"),
            Err(error) => self.fail(link, &error),
        }
    }

    pub(super) fn authenticate(&mut self, link: &mut Link<Server>, request: AuthRequest) {
        let AuthRequest { user, service, method } = request;
        let request = ToMonitor::Authenticate { user, service, method: method_of(method) };
        let (banner, verdict) = match self.monitor.ask::<ToGate>(&request) {
            Ok((ToGate::Judged { banner, verdict }, _)) => (banner, verdict),
            Ok(_) => return self.fail(link, &"an answer without a question"),
            Err(error) => return self.fail(link, &error),
        };
        let connection = link.connection_mut();
        let told = if banner.is_empty() { Ok(()) } else { connection.send_banner(&banner) };
        let answer = match verdict {
            Verdict::Accept => AuthAnswer::Accept,
            Verdict::Reject { methods, partial_success } => {
                AuthAnswer::Reject { methods, partial_success }
            }
            Verdict::PublicKeyOk => AuthAnswer::PublicKeyOk,
            Verdict::InfoRequest { name, instruction, prompts } => {
                let prompts = prompts.into_iter().map(|(text, echo)| Prompt { text, echo });
                AuthAnswer::InfoRequest { name, instruction, prompts: prompts.collect() }
            }
            Verdict::PasswordChange { prompt } => AuthAnswer::PasswordChange { prompt },
            Verdict::Disconnect { reason, text } => {
                self.failure = Some(text.clone());
                link.disconnect(DisconnectReason::from_code(reason), &text);
                return;
            }
        };
        if let Err(error) = told.and_then(|()| connection.answer_auth(answer)) {
            self.fail(link, &error);
        }
    }

    pub(super) fn start_session(&mut self, link: &mut Link<Server>) {
        let (facts, channel) = match self.monitor.ask::<ToGate>(&ToMonitor::StartSession) {
            Ok((ToGate::Session { facts }, descriptors)) => (facts, descriptors.into_iter().next()),
            Ok(_) => return self.fail(link, &"an answer without a question"),
            Err(error) => return self.fail(link, &error),
        };
        let Some(channel) = channel else { return self.fail(link, &"no session was passed") };
        if let Err(error) = link.watch(channel.as_fd(), SESSION, Interest::Readable) {
            return self.fail(link, &error);
        }
        self.session = Some(Channel::from_descriptor(channel));
        let SessionFacts {
            client_alive_interval,
            client_alive_count_max,
            unused_connection_timeout,
            channel_timeouts,
            interactive_class,
            bulk_class,
            remarks,
        } = facts;
        for remark in &remarks {
            channels::remark(link, remark);
        }
        self.traffic_classes = (interactive_class, bulk_class);
        self.channel_timeouts = channel_timeouts
            .into_iter()
            .map(|(kind, seconds)| (kind, Duration::from_secs(seconds)))
            .collect();
        if client_alive_interval > 0 {
            link.set_keep_alive(Some(KeepAlive {
                interval: Duration::from_secs(u64::from(client_alive_interval)),
                // Zero means never to give up.
                count_max: (client_alive_count_max > 0).then_some(client_alive_count_max),
            }));
        }
        if unused_connection_timeout > 0 {
            self.unused_timeout = Some(Duration::from_secs(u64::from(unused_connection_timeout)));
            self.unused_since = link.now();
        }
        if let Err(error) = link.connection_mut().advertise_host_keys() {
            log::debug!("host keys are not advertised: {error}");
        }
    }
}

fn method_of(method: AuthMethod) -> Method {
    match method {
        AuthMethod::None => Method::None,
        AuthMethod::PublicKey { algorithm, key, signed, host_bound } => Method::PublicKey {
            algorithm,
            key: Bytes(key.blob().to_vec()),
            // Over what, the monitor knows better than we may.
            signature: signed.map(|signed| Bytes(signed.signature)),
            host_bound,
        },
        AuthMethod::UnusableKey { algorithm, reason } => {
            Method::UnusableKey { reason: format!("{algorithm}: {reason}") }
        }
        AuthMethod::Password { password, new_password } => {
            Method::Password { password, new_password }
        }
        AuthMethod::KeyboardInteractive { submethods } => {
            Method::KeyboardInteractive { submethods }
        }
        AuthMethod::InfoResponse { responses } => Method::InfoResponse { responses },
        AuthMethod::HostBased { voucher, signed } => Method::HostBased {
            algorithm: voucher.algorithm,
            key: Bytes(voucher.key.blob().to_vec()),
            client_host: voucher.client_host,
            client_user: voucher.client_user,
            signature: Bytes(signed.signature),
        },
        AuthMethod::Other(name) => Method::Other { name },
    }
}
