//! Who is let in, and what is logged of those who are not.

use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{SendFlags, sockopt};

use super::{Listener, ends, sockets, startups};
use crate::requests::Ends;
use crate::sys::descriptors::domain_of;

/// How often a run of refused connections shows in the log at the usual level.
const REFUSAL_LOG_INTERVAL: Duration = Duration::from_secs(300);

/// How many connections are taken from one socket before the others have their turn.
const ACCEPTS_AT_ONCE: usize = 64;

/// A time of refused connections.
pub(super) struct Throttling {
    since: Instant,
    logged: Instant,
    refused: u64,
}

impl Listener<'_> {
    pub(super) fn accept(&mut self, at: usize) {
        for _ in 0..ACCEPTS_AT_ONCE {
            let Some(listening) = self.sockets.get(at) else { return };
            let socket = match net::open::accept(&listening.socket) {
                Ok(socket) => socket,
                Err(Errno::AGAIN) => return,
                Err(Errno::INTR | Errno::CONNABORTED | Errno::PROTO) => continue,
                Err(errno) => {
                    log::error!("accept: {errno}");
                    // Out of descriptors or memory: asking at once would only be answered alike.
                    std::thread::sleep(Duration::from_millis(100));
                    return;
                }
            };
            self.admit(socket);
            if self.setup.alone {
                // The one connection of `-d` has come.
                self.sockets.clear();
                return;
            }
        }
    }

    fn admit(&mut self, socket: OwnedFd) {
        let remote = sockets::remote_address(&socket);
        let local = sockets::local_address(&socket);
        let ends = ends(remote, local, domain_of(&socket));
        if let Some((why, farewell)) = self.refusal(remote.map(|remote| remote.ip())) {
            let _ =
                rustix::net::send(&socket, farewell, SendFlags::DONTWAIT | net::open::NO_SIGNAL);
            self.log_refusal(&ends, &why);
            return;
        }
        self.end_throttling();
        if self.generation.settings.tcp_keep_alive.value {
            let _ = sockopt::set_socket_keepalive(&socket, true);
        }
        log::debug!(
            "Connection from {} port {} on {} port {}",
            ends.remote_address,
            ends.remote_port,
            ends.local_address,
            ends.local_port
        );
        if let Err(error) = self.start_monitor(&socket, ends, remote.map(|remote| remote.ip())) {
            log::error!("cannot start a monitor: {error}");
        }
    }

    /// Why a connection is not taken, and what its client is told.
    fn refusal(&self, source: Option<IpAddr>) -> Option<(String, &'static [u8])> {
        let settings = &self.generation.settings;
        if let Some(source) = source
            && !self.is_exempt(source)
            && let Some(why) = self.penalties.refuses(&self.tariff, source, Instant::now())
        {
            return Some((format!("penalty: {why}"), b"Not allowed at this time\r\n"));
        }
        let started = self.starting().count() as u32;
        let dice = crate::moduli::random_below(100) as u32;
        if startups::refuses(&settings.max_startups.value, started, dice) {
            return Some(("past MaxStartups".into(), b"Exceeded MaxStartups\r\n"));
        }
        let most = settings.per_source_max_startups.value?;
        let source = self.tariff.source(source?);
        let same = self.starting().filter(|(_, monitor)| {
            monitor.source.is_some_and(|other| self.tariff.source(other) == source)
        });
        (same.count() as u32 >= most)
            .then(|| ("past PerSourceMaxStartups".into(), &b"Exceeded MaxStartups\r\n"[..]))
    }

    fn log_refusal(&mut self, ends: &Ends, why: &str) {
        let started = self.starting().count();
        let line = format!(
            "drop connection #{started} from [{}]:{} on [{}]:{} {why}",
            ends.remote_address, ends.remote_port, ends.local_address, ends.local_port
        );
        if why.starts_with("penalty") {
            log::info!("{line}");
            return;
        }
        let now = Instant::now();
        let throttling = self.throttling.get_or_insert_with(|| {
            log::error!("beginning MaxStartups throttling");
            let long_ago = now.checked_sub(REFUSAL_LOG_INTERVAL).unwrap_or(now);
            Throttling { since: now, logged: long_ago, refused: 0 }
        });
        throttling.refused += 1;
        if throttling.refused == 1 || now.duration_since(throttling.logged) >= REFUSAL_LOG_INTERVAL
        {
            throttling.logged = now;
            log::info!("{line}");
        } else {
            log::info!(target: crate::VERBOSE, "{line}");
        }
    }

    fn end_throttling(&mut self) {
        let Some(throttling) = &self.throttling else { return };
        if self.starting().count() as u32 >= self.generation.settings.max_startups.value.start {
            return;
        }
        let lasted = throttling.since.elapsed().as_secs();
        log::info!(
            "exited MaxStartups throttling after {:02}:{:02}:{:02}, {} connections dropped",
            lasted / 3600,
            lasted / 60 % 60,
            lasted % 60,
            throttling.refused
        );
        self.throttling = None;
    }
}
