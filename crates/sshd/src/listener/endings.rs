//! What the end of a monitor says of its client.

use std::net::IpAddr;
use std::time::Instant;

use rustix::io::Errno;
use rustix::process::{Pid, WaitOptions};

use super::{Listener, SWEEP_INTERVAL, Stop, penalties};
use crate::exit;
use crate::listener::penalties::Tariff;
use crate::program::Generation;

impl Listener<'_> {
    pub(super) fn reap(&mut self) -> Option<Stop> {
        loop {
            let (pid, status) = match rustix::process::wait(WaitOptions::NOHANG) {
                Ok(Some(ended)) => ended,
                Ok(None) | Err(Errno::CHILD) => return None,
                Err(Errno::INTR) => continue,
                Err(errno) => {
                    log::error!("wait: {errno}");
                    return None;
                }
            };
            let pid = Pid::as_raw(Some(pid));
            // The news may still be on its way when the monitor is gone already.
            self.hear(pid);
            let Some(monitor) = self.monitors.remove(&pid) else { continue };
            let authenticated = monitor.authenticated;
            let code = status.exit_status();
            if let (Some(offence), Some(source)) =
                (exit::offence(code, authenticated), monitor.source)
            {
                self.penalise(source, offence);
            }
            if self.setup.alone {
                return Some(Stop::Served(code.unwrap_or(exit::FAILED)));
            }
        }
    }

    fn penalise(&mut self, source: IpAddr, offence: penalties::Offence) {
        if self.is_exempt(source) {
            return;
        }
        let now = Instant::now();
        if let Some(length) = self.penalties.add(&self.tariff, source, offence, now) {
            log::info!(
                target: crate::VERBOSE,
                "activating penalty of {} seconds for {source}: {}",
                length.as_secs(),
                offence.name()
            );
        }
        if now.duration_since(self.swept) > SWEEP_INTERVAL {
            self.swept = now;
            self.penalties.sweep(now);
        }
    }

    pub(super) fn is_exempt(&self, source: IpAddr) -> bool {
        let list = self.generation.settings.per_source_penalty_exempt_list.value.as_deref();
        list.is_some_and(|list| {
            matches!(config::matching::address_list(list, &source.to_string()), Ok(Some(true)))
        })
    }
}

pub(super) fn tariff(generation: &Generation) -> Tariff {
    Tariff {
        penalties: generation.settings.per_source_penalties.value,
        blocks: generation.settings.per_source_net_block_size.value,
    }
}
