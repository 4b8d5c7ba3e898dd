//! The command line behind `~C`: forwards that are opened and closed while a session runs.

use config::{Direction, Forward};
use net::Link;
use proto::Client;

use super::Session;
use super::keyboard::shown;
use crate::messages::{error, info};
use crate::ssh::forwards::{COMMAND_LINE, Forwards, Opened};
use crate::ssh::settings;

const HELP: &str = "\
Commands:\r
      -L[bind_address:]port:host:hostport    Request local forward\r
      -R[bind_address:]port:host:hostport    Request remote forward\r
      -D[bind_address:]port                  Request dynamic forward\r
      -KL[bind_address:]port                 Cancel local forward\r
      -KR[bind_address:]port                 Cancel remote forward\r
      -KD[bind_address:]port                 Cancel dynamic forward\r
";
const HELP_LOCAL: &str = "      !args                                  Execute local command\r\n";

/// What a line asks for.
#[derive(Debug, PartialEq, Eq)]
enum Line<'a> {
    Nothing,
    Help,
    Local(&'a str),
    Open(Direction, Forward),
    Cancel(Direction, Forward),
    Bad(&'static str),
}

fn parse(line: &str) -> Line<'_> {
    let line = line.trim_start();
    let line = line.strip_prefix('-').unwrap_or(line);
    if let Some(command) = line.strip_prefix('!') {
        return Line::Local(command);
    }
    let (cancel, rest) = match line.strip_prefix('K') {
        Some(rest) => (true, rest),
        None => (false, line),
    };
    let mut letters = rest.chars();
    let direction = match letters.next() {
        None if !cancel => return Line::Nothing,
        Some('h' | 'H' | '?') if !cancel => return Line::Help,
        Some('L') => Direction::Local,
        Some('R') => Direction::Remote,
        Some('D') => Direction::Dynamic,
        _ => return Line::Bad("Invalid command."),
    };
    let text = letters.as_str().trim();
    if cancel {
        // Where it starts is enough, and reads like a forward that ends wherever its client asks.
        return match config::parse_forward(text, Direction::Remote) {
            Some(forward) => Line::Cancel(direction, forward),
            None => Line::Bad("Bad forwarding close specification."),
        };
    }
    match config::parse_forward(text, direction) {
        Some(forward) => Line::Open(direction, forward),
        None => Line::Bad("Bad forwarding specification."),
    }
}

impl Session {
    /// Does what a command line says.
    pub(super) fn command(&mut self, link: &mut Link<Client>, line: &str, forwards: &mut Forwards) {
        match parse(line) {
            Line::Nothing => {}
            Line::Help => {
                shown(HELP);
                if *self.config.permit_local_command {
                    shown(HELP_LOCAL);
                }
            }
            Line::Local(command) if *self.config.permit_local_command => self.run_here(command),
            Line::Local(_) => info!("Invalid command."),
            Line::Bad(problem) => info!("{problem}"),
            Line::Open(direction, forward) => {
                match forwards.open(link, direction, forward, COMMAND_LINE) {
                    Ok(Opened::Made(_) | Opened::Asked) => info!("Forwarding port."),
                    Err(()) => info!("Port forwarding failed."),
                }
            }
            Line::Cancel(direction, forward) => {
                let found = forwards.cancel(link, direction, &forward.listen, None);
                info!(
                    "{}",
                    if found { "Canceled forwarding." } else { "Unknown port forwarding." }
                );
            }
        }
    }

    /// The server answered about a forward that was asked for here.
    #[expect(clippy::unused_self, reason = "the session is who is told")]
    pub fn forward_answered(&self, answer: Result<u16, String>) {
        if let Err(problem) = answer {
            info!("Warning: {problem}");
        }
    }

    /// Runs a command of the user's while nothing else goes on.
    fn run_here(&mut self, command: &str) {
        if let Some(raw) = &mut self.raw_terminal {
            raw.leave();
        }
        let mut shell = std::process::Command::new(settings::shell());
        if !command.trim().is_empty() {
            shell.arg("-c").arg(command.trim());
        }
        if let Err(source) = shell.status() {
            error!("{}: {}", command.trim(), crate::text::reason(&source));
        }
        if let Some(raw) = &mut self.raw_terminal {
            raw.enter();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        assert_eq!(parse("  "), Line::Nothing);
        assert_eq!(parse("?"), Line::Help);
        assert_eq!(parse("-h"), Line::Help);
        assert_eq!(parse("!ls -l"), Line::Local("ls -l"));
        let forward = |text, direction| config::parse_forward(text, direction).expect("forward");
        let local = forward("1:h:2", Direction::Local);
        assert_eq!(parse("-L 1:h:2"), Line::Open(Direction::Local, local.clone()));
        assert_eq!(parse("L1:h:2 "), Line::Open(Direction::Local, local));
        let start = forward("localhost:1", Direction::Remote);
        assert_eq!(parse("-KD localhost:1"), Line::Cancel(Direction::Dynamic, start));
        assert_eq!(parse("-L 1"), Line::Bad("Bad forwarding specification."));
        assert_eq!(parse("-KL x"), Line::Bad("Bad forwarding close specification."));
        assert_eq!(parse("-X"), Line::Bad("Invalid command."));
        assert_eq!(parse("K"), Line::Bad("Invalid command."));
    }
}
