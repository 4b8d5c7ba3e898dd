//! Real logins: Debian's `ssh` against this server on a loopback port.
//!
//! This file is its own program: called `sshd` it is the server, which executes it again for its
//! other processes. So it has no usual test harness. Words on the command line choose tests.

#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

mod accounts;
mod authentication;
mod commands;
mod forwarding;
mod greeting;
mod hostile;
mod idle;
mod installed;
mod load;
mod private;
mod processes;
mod services;
mod sessions;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

type Test = (&'static str, fn());

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    if args.first().is_some_and(|name| name == "sshd") {
        return ExitCode::from(u8::try_from(keyway_sshd::main(args)).unwrap_or(255));
    }
    if !Path::new("/usr/bin/ssh").exists() {
        println!("no /usr/bin/ssh here: nothing is tested");
        return ExitCode::SUCCESS;
    }
    if let Some(code) = private::enter(&args) {
        return ExitCode::from(u8::try_from(code).unwrap_or(1));
    }
    let chosen: Vec<String> =
        args.into_iter().skip(1).filter_map(|a| a.into_string().ok()).collect();
    let chosen: Vec<&String> = chosen.iter().filter(|word| !word.starts_with('-')).collect();
    let mut failed = Vec::new();
    let groups = [
        sessions::TESTS,
        authentication::TESTS,
        forwarding::TESTS,
        processes::TESTS,
        services::TESTS,
        greeting::TESTS,
        accounts::TESTS,
        commands::TESTS,
        idle::TESTS,
        installed::TESTS,
        load::TESTS,
        hostile::TESTS,
    ];
    for (name, test) in groups.into_iter().flatten() {
        if !chosen.is_empty() && !chosen.iter().any(|word| name.contains(word.as_str())) {
            continue;
        }
        println!("test {name} ...");
        if std::panic::catch_unwind(test).is_err() {
            println!("test {name} ... FAILED");
            failed.push(*name);
        }
    }
    if failed.is_empty() {
        return ExitCode::SUCCESS;
    }
    println!("failed: {failed:?}");
    ExitCode::FAILURE
}
