//! The lines that a monitor writes about a connection, in the words that tools look for.

use net::logging::LogLevel;

use super::{Monitor, Phase};
use crate::requests::HowEnded;

impl Monitor {
    /// Marks lines from before there was a login.
    pub(super) fn preauth(&self) -> &'static str {
        match self.phase {
            Phase::LoggedIn(_) => "",
            _ => " [preauth]",
        }
    }

    /// Who is at the other end, as far as it is known.
    fn connection(&self) -> String {
        let whom = match &self.phase {
            Phase::New | Phase::Offered => String::new(),
            Phase::Authenticating(auth) | Phase::Accepted(auth) => {
                let kind = if auth.is_valid() { "authenticating" } else { "invalid" };
                format!("{kind} user {} ", printable(auth.user(), 100))
            }
            Phase::LoggedIn(login) => format!("user {} ", printable(login.user(), 100)),
        };
        format!("{whom}{} port {}", self.ends.remote_address, self.ends.remote_port)
    }

    /// The end of the connection, as the gate tells it.
    pub(super) fn log_end(&self, how: HowEnded, text: &str) {
        let connection = self.connection();
        let preauth = self.preauth();
        let text = printable(text, 400);
        let address = &self.ends.remote_address;
        let port = self.ends.remote_port;
        match how {
            HowEnded::Closed => log::info!("Connection closed by {connection}{preauth}"),
            HowEnded::Reset => log::info!("Connection reset by {connection}{preauth}"),
            HowEnded::TimedOut => {
                log::info!("Timeout, client not responding from {connection}{preauth}");
            }
            HowEnded::RemoteDisconnect => {
                log::info!("Received disconnect from {address} port {port}:{text}{preauth}");
                log::info!("Disconnected from {connection}{preauth}");
            }
            HowEnded::LocalDisconnect => log::info!("Disconnecting {connection}: {text}{preauth}"),
            HowEnded::Incompatible => {
                log::info!("Unable to negotiate with {address} port {port}: {text}{preauth}");
            }
            HowEnded::BadIdent => log::error!(
                "banner exchange: Connection from {address} port {port}: invalid format"
            ),
            HowEnded::Failed => {
                log::error!(
                    "ssh_dispatch_run_fatal: Connection from {connection}: {text}{preauth}"
                );
            }
        }
    }
}

/// A text that others chose, fit for a line of the log: without control characters, and not too long.
pub(crate) fn printable(text: &str, most: usize) -> String {
    let mut clean = String::with_capacity(text.len().min(most));
    for character in text.chars() {
        if clean.len() >= most {
            break;
        }
        if character.is_control() {
            clean.extend(character.escape_default());
        } else {
            clean.push(character);
        }
    }
    clean
}

/// How many log lines of a gate are believed before there was a login: nobody fills our log.
const GATE_LINES: u32 = 1000;

impl Monitor {
    pub(super) fn log_for_gate(&mut self, level: u8, text: &str) {
        let level = crate::program::level_of(level);
        if level == LogLevel::Quiet {
            // From a place of `LogVerbose`, or so it says.
            if !net::places::are_set() {
                return;
            }
        } else if level <= LogLevel::Verbose && !matches!(self.phase, Phase::LoggedIn(_)) {
            self.gate_lines = self.gate_lines.saturating_add(1);
            if self.gate_lines > GATE_LINES {
                return;
            }
        }
        net::logging::write(level, &format!("{}{}", printable(text, 1000), self.preauth()));
    }
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn nobody_writes_a_second_line() {
        assert_eq!(printable("a\nb\x1b[2J", 100), "a\\nb\\u{1b}[2J");
        assert_eq!(printable(&"x".repeat(500), 100).len(), 100);
    }
}
