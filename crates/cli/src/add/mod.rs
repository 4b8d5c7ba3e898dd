//! `ssh-add`: gives keys to an agent, lists them, takes them away.

mod args;
mod destinations;
mod files;
mod requests;

use std::env;
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use net::agent::AgentClient;

use args::{Action, Args, Problem, USAGE};
use requests::Session;

use crate::messages::{self, fatal};

/// How long an agent may take to answer: it may be asking its user.
const AGENT_TIMEOUT: Duration = Duration::from_secs(10 * 60);

/// There is no agent.
const NO_AGENT: u8 = 2;

/// The words make no sense: what OpenSSH ends with.
const FATAL: u8 = 255;

/// Why a whole run came to nothing, said already or not.
#[derive(Debug)]
enum Failure {
    /// To be said; with [`FATAL`].
    Fatal(String),
    /// Said already.
    Told,
}

/// `ssh-add`.
pub fn main(words: &[OsString]) -> ExitCode {
    messages::init();
    let args = match Args::parse(words) {
        Ok(args) => args,
        Err(problem) => return refuse(&problem),
    };
    messages::set_level(messages::Level::from_verbosity(args.verbosity));
    let agent = match connect() {
        Ok(agent) => agent,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::from(NO_AGENT);
        }
    };
    let result = Session::new(agent, &args).and_then(|session| perform(session, &args));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Told) => ExitCode::FAILURE,
        Err(Failure::Fatal(why)) => {
            fatal!("{why}");
            ExitCode::from(FATAL)
        }
    }
}

fn refuse(problem: &Problem) -> ExitCode {
    match problem {
        Problem::Usage(why) => {
            if !why.is_empty() {
                eprintln!("{why}");
            }
            eprintln!("{USAGE}");
            ExitCode::FAILURE
        }
        Problem::Told(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
        Problem::Fatal(why) => {
            fatal!("{why}");
            ExitCode::from(FATAL)
        }
    }
}

fn connect() -> Result<AgentClient, String> {
    let Some(socket) = env::var_os("SSH_AUTH_SOCK").filter(|path| !path.is_empty()) else {
        return Err("Could not open a connection to your authentication agent.".to_owned());
    };
    AgentClient::connect(Path::new(&socket), AGENT_TIMEOUT).map_err(|problem| match problem {
        net::agent::AgentError::Io(source) => {
            format!("Error connecting to agent: {}", crate::text::reason(&source))
        }
        other => format!("Error connecting to agent: {other}"),
    })
}

fn perform(mut session: Session<'_>, args: &Args) -> Result<(), Failure> {
    match &args.action {
        Action::List { full } => session.list(*full),
        Action::Lock => session.lock(),
        Action::Unlock => session.unlock(),
        Action::DeleteAll => session.delete_all(),
        Action::Extensions => session.extensions(),
        Action::Test if args.files.is_empty() => Err(Failure::Fatal("no keys to test".to_owned())),
        Action::Test => each(&args.files, |file| session.test(file)),
        Action::AddCard(provider) => session.add_card(provider, &args.files),
        Action::RemoveCard(provider) => session.remove_card(provider),
        Action::Resident => session.resident_keys(),
        Action::Delete | Action::Add if args.files.is_empty() => session.default_files(),
        Action::Delete => each(&args.files, |file| session.delete(file)),
        Action::Add => each(&args.files, |file| session.add(file)),
    }
}

/// All of them, even when one fails.
fn each(
    files: &[OsString],
    mut perform: impl FnMut(&OsString) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut result = Ok(());
    for file in files {
        match perform(file) {
            Err(Failure::Told) => result = Err(Failure::Told),
            other => other?,
        }
    }
    result
}
