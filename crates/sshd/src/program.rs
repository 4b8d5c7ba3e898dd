//! The program `sshd`: what it is asked for, its configuration, and its roles.

mod check;
mod configuration;
mod logs;
mod serve;

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;

use self::check::test;
use self::serve::{LISTENER, serve};
use crate::exit;
use crate::flags::{Flags, Task, USAGE};
use crate::gate;
use crate::monitor;
use crate::session;
use crate::spawn::{PROGRAM_NAME, Role};

pub use self::check::{Described, describe};
pub(crate) use self::configuration::{Generation, Setup, effective, read_sealed};
pub(crate) use self::logs::{level_of, start_logging, start_session_logging};
pub(crate) use self::serve::gate_environment;

/// What `-V` prints.
pub(crate) const VERSION: &str = concat!("Keyway_", env!("CARGO_PKG_VERSION"), ", AWS-LC");

/// Runs the program: `sshd` and its arguments, the name first, or `keyway sshd` and its
/// arguments. It executes itself again for its other processes, as `sshd` with the role as the
/// first argument. Returns the exit status.
pub fn main(args: Vec<OsString>) -> i32 {
    let mut args = args.as_slice();
    let is_ours =
        |name: &OsString| Path::new(name).file_name().is_some_and(|name| name == PROGRAM_NAME);
    if let [first, rest @ ..] = args
        && !is_ours(first)
    {
        args = rest;
    }
    let mut arguments = match args {
        [first, rest @ ..] if is_ours(first) => rest,
        // A role directly, as in `keyway sshd-gate`.
        all => all,
    };
    crate::sys::memory::be_frugal();
    match arguments.first().and_then(|word| Role::of_name(word)) {
        Some(Role::Monitor) => return monitor::main(),
        Some(Role::Gate) => return gate::main(),
        Some(Role::Session) => return session::main(),
        None => {}
    }
    let detached = arguments.first().is_some_and(|word| word == LISTENER);
    if let (true, [_, rest @ ..]) = (detached, arguments) {
        arguments = rest;
    }
    let flags = match Flags::parse(arguments) {
        Ok(flags) => flags,
        Err(error) => {
            complain(&error);
            let _ = std::io::stderr().write_all(USAGE.as_bytes());
            return 1;
        }
    };
    match flags.task {
        Task::Version => {
            complain(VERSION);
            0
        }
        Task::Usage => {
            complain(VERSION);
            let _ = std::io::stderr().write_all(USAGE.as_bytes());
            1
        }
        Task::Test | Task::Dump | Task::DumpUnchecked => test(flags),
        Task::Serve => serve(flags, detached, arguments),
    }
}

/// Runs the program `sshd-connection`: the processes of one connection, and nothing else. Returns
/// the exit status.
pub fn connection_main(args: Vec<OsString>) -> i32 {
    crate::sys::memory::be_frugal();
    let word = args.get(1);
    match word.and_then(|word| Role::of_name(word)) {
        Some(Role::Monitor) => monitor::main(),
        Some(Role::Gate) => gate::main(),
        Some(Role::Session) => session::main(),
        None if word.is_some_and(|word| word == "-V") => {
            let _ = writeln!(std::io::stdout(), "{VERSION}");
            0
        }
        None => {
            complain("sshd-connection is started by sshd, and of no use by itself");
            exit::FAILED
        }
    }
}

/// A line for whoever started the program.
pub(crate) fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
