//! The program `keyway`: every SSH tool in one file.
//!
//! Which tool runs is decided by the name it was called by (`ssh`, `sshd`, `ssh-keygen`, through
//! links made by `keyway links DIR`) or by the first word (`keyway ssh host`).

mod add;
mod agent;
mod copy_id;
mod explain;
mod files;
mod getopt;
mod hardware;
mod key_files;
mod keygen;
mod messages;
mod puttygen;
mod ssh;
mod sys;
mod text;
mod tools;
mod ui;

use std::env;
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

/// The version of all tools.
pub const VERSION: &str = concat!("Keyway_", env!("CARGO_PKG_VERSION"));

/// The cryptographic library, which `-V` names behind the version as OpenSSH does.
pub const LIBRARY: &str = "AWS-LC";

fn main() -> ExitCode {
    let mut words = env::args_os();
    let called = words.next().unwrap_or_default();
    let words: Vec<OsString> = words.collect();
    let name = Path::new(&called).file_name().unwrap_or_default();
    // A login shell's name starts with a dash.
    let name = name.to_str().map_or(name, |name| OsStr::new(name.trim_start_matches('-')));
    if let Some(tool) = tools::by_called_name(name) {
        return (tool.main)(&words);
    }
    let Some((first, rest)) = words.split_first() else {
        print!("{}", overview());
        return ExitCode::SUCCESS;
    };
    if let Some(tool) = tools::by_name(first) {
        return (tool.main)(rest);
    }
    match first.to_str() {
        Some("links") => tools::links(rest),
        Some("agent") => agent::service(rest),
        Some(explain::WORD) => explain::client(rest),
        Some(hardware::helper::WORD) => hardware::helper::main(rest),
        Some("-V" | "--version" | "version") => {
            println!("{VERSION}");
            ExitCode::SUCCESS
        }
        Some("-h" | "--help" | "help") => {
            print!("{}", overview());
            ExitCode::SUCCESS
        }
        _ => {
            let wanted = ui::clean::visible(&first.to_string_lossy());
            let names: Vec<&str> = tools::TOOLS.iter().map(|tool| tool.name).collect();
            eprintln!("keyway: this version has no tool {wanted:?}; it has {}.", names.join(", "));
            ExitCode::from(2)
        }
    }
}

fn overview() -> String {
    let mut text = format!("{VERSION}: SSH tools in one program\n\nusage: keyway TOOL [...]\n\n");
    for tool in tools::TOOLS {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "    {:<12} {}", tool.name, tool.summary);
    }
    text.push_str(
        "    agent enable|disable\n                 an ssh-agent for every login session\n",
    );
    text.push_str("    links DIR    make a link in DIR for every tool\n");
    text
}

/// The server decides by its own first words which of its processes to be.
fn sshd_main(words: &[OsString]) -> ExitCode {
    if explain::is_asked(words) {
        return explain::server(words.get(1..).unwrap_or_default());
    }
    let args = std::iter::once(OsString::from("sshd")).chain(words.iter().cloned()).collect();
    // Statuses of processes are small; anything else is a failure.
    ExitCode::from(u8::try_from(sshd::main(args)).unwrap_or(255))
}
