//! What a refusal says, to the client and to the log, and how long it takes.

use std::time::{Duration, Instant};

use crypto::hash::HashAlgorithm;

use super::{Authentication, Facts};
use crate::monitor::log_lines::printable;
use crate::requests::Verdict;

/// RFC 4253 §11.1.
pub(super) const DISCONNECT_PROTOCOL_ERROR: u32 = 2;

/// A refusal takes at least so long, and up to as much again, always the same for the same name.
const REFUSAL_TIME: Duration = Duration::from_millis(5);

impl Authentication {
    pub(super) fn refuse(
        &mut self,
        method: &'static str,
        description: &str,
        facts: &Facts<'_>,
        started: Instant,
    ) -> Verdict {
        // The first question without a method is how a client learns what there is.
        let asking = method == "none" && self.attempts == 1;
        if !asking {
            self.failures += 1;
        }
        if method != "none" {
            self.log("Failed", method, description, facts);
            wait_until(started + self.refusal_time(facts), started);
        }
        if self.failures >= self.settings.max_auth_tries.value {
            let invalid = if self.valid { "" } else { "invalid user " };
            log::error!(
                "maximum authentication attempts exceeded for {invalid}{} from {} port {} ssh2 [preauth]",
                printable(&self.user, 100),
                facts.ends.remote_address,
                facts.ends.remote_port
            );
            return disconnect(
                DISCONNECT_PROTOCOL_ERROR,
                "Too many authentication failures".into(),
            );
        }
        Verdict::Reject { methods: self.can_continue(), partial_success: false }
    }

    pub(super) fn log(&self, what: &str, method: &str, description: &str, facts: &Facts<'_>) {
        let invalid = if self.valid { "" } else { "invalid user " };
        let line = format!(
            "{what} {method} for {invalid}{} from {} port {} ssh2{}{description}",
            printable(&self.user, 100),
            facts.ends.remote_address,
            facts.ends.remote_port,
            if description.is_empty() { "" } else { ": " },
        );
        let loud = what == "Accepted"
            || what == "Partial"
            || (what == "Failed"
                && (!self.valid
                    || self.failures >= self.settings.max_auth_tries.value / 2
                    || method == "password"));
        if loud {
            log::info!("{line}");
        } else {
            log::info!(target: crate::VERBOSE, "{line}");
        }
    }

    /// How long a refusal takes for this user: nobody can tell a name that exists by it.
    fn refusal_time(&self, facts: &Facts<'_>) -> Duration {
        let hash = HashAlgorithm::Sha512.digest(&[facts.timing_secret, self.user.as_bytes()]);
        let first = hash.as_ref().first_chunk::<4>().copied().unwrap_or_default();
        let share = u64::from(u32::from_be_bytes(first)) * REFUSAL_TIME.as_nanos() as u64;
        REFUSAL_TIME + Duration::from_nanos(share >> 32)
    }
}

pub(super) fn disconnect(reason: u32, text: String) -> Verdict {
    Verdict::Disconnect { reason, text }
}

/// Sleeps until `end`; work that took longer is rounded up to a multiple of it.
fn wait_until(end: Instant, started: Instant) {
    let mut span = end.duration_since(started);
    while span < started.elapsed() && span < Duration::from_secs(5) {
        span *= 2;
    }
    std::thread::sleep(span.saturating_sub(started.elapsed()));
}
