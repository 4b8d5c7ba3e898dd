//! The program `keyway`: every SSH tool in one file.
//!
//! Which tool runs is decided by the name it was called by (`ssh`, `sshd`, `ssh-keygen`, through
//! links made by `keyway links DIR`) or by the first word (`keyway ssh host`).

mod add;
mod agent;
mod completions;
mod copy_id;
mod doctor;
mod explain;
mod files;
mod getopt;
mod hardware;
mod key_files;
mod keygen;
mod keyscan;
mod keysign;
mod manual;
mod messages;
mod puttygen;
mod ssh;
mod sys;
mod text;
mod tools;
mod ui;
mod vouch;

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;

/// The version of all tools.
pub const VERSION: &str = concat!("Keyway_", env!("CARGO_PKG_VERSION"));

/// The cryptographic library, which `-V` names behind the version as OpenSSH does.
pub const LIBRARY: &str = "AWS-LC";

fn main() -> ExitCode {
    // Whoever calls it chooses its name; with rights that are not the caller's it is one tool only.
    if rustix::process::geteuid() != rustix::process::getuid() {
        return keysign::main(&[]);
    }
    let mut words = env::args_os();
    let called = words.next().unwrap_or_default();
    let words: Vec<OsString> = words.collect();
    let name = Path::new(&called).file_name().unwrap_or_default();
    // A login shell's name starts with a dash.
    let name = name.to_str().map_or(name, |name| OsStr::new(name.trim_start_matches('-')));
    if let Some(tool) = tools::by_called_name(name) {
        return run_tool(tool, &words);
    }
    let Some((first, rest)) = words.split_first() else {
        print!("{}", manual::overview());
        return ExitCode::SUCCESS;
    };
    if let Some(tool) = tools::by_name(first) {
        return run_tool(tool, rest);
    }
    match first.to_str() {
        Some(vouch::WORD) => vouch::main(rest),
        Some("links") => tools::links(rest),
        Some("agent") => agent::service(rest),
        Some(explain::WORD) => explain::client(rest),
        Some(doctor::WORD) => doctor::client(rest),
        Some(hardware::helper::WORD) => hardware::helper::main(rest),
        Some("-V" | "--version" | "version") => {
            println!("{VERSION}");
            ExitCode::SUCCESS
        }
        Some("-h" | "--help" | "help") => help(rest),
        Some("man") => manual::main(rest),
        Some("completions") => completions::main(rest),
        _ => {
            let wanted = ui::clean::visible(&first.to_string_lossy());
            let names: Vec<&str> = tools::TOOLS.iter().map(|tool| tool.name).collect();
            eprintln!("keyway: this version has no tool {wanted:?}; it has {}.", names.join(", "));
            ExitCode::from(2)
        }
    }
}

/// `keyway help`, `keyway help TOOL`.
fn help(words: &[OsString]) -> ExitCode {
    sys::default_sigpipe();
    let Some(word) = words.first() else {
        print!("{}", manual::overview());
        return ExitCode::SUCCESS;
    };
    let Some(page) = word.to_str().and_then(manual::page) else {
        let wanted = ui::clean::visible(&word.to_string_lossy());
        eprintln!("keyway help: there is no tool {wanted:?}");
        return ExitCode::from(2);
    };
    print!("{}", manual::tool_help(page));
    ExitCode::SUCCESS
}

/// Runs a tool, or tells its options: no tool of OpenSSH's has `--help`, so nobody misses it.
fn run_tool(tool: &tools::Tool, words: &[OsString]) -> ExitCode {
    // PuTTY's has it, and says it in its own way.
    let asks = tool.name != "puttygen" && matches!(words, [word] if word == "--help");
    match manual::page(tool.name) {
        Some(_) if asks => help(&[tool.name.into()]),
        _ => (tool.main)(words),
    }
}

/// A signature of a host key that is in a security key. Nobody is there to type a PIN.
fn sign_for_host(
    provider: &str,
    key: &keys::PrivateKey,
    algorithm: &str,
    data: &[u8],
) -> Result<Vec<u8>, String> {
    hardware::security_key::sign(provider, key, algorithm, data, None)
        .map_err(|failure| failure.to_string())
}

/// The server decides by its own first words which of its processes to be.
fn sshd_main(words: &[OsString]) -> ExitCode {
    if explain::is_asked(words) {
        return explain::server(words.get(1..).unwrap_or_default());
    }
    if doctor::is_server_asked(words) {
        return doctor::server(words.get(1..).unwrap_or_default());
    }
    sshd::set_hardware(sign_for_host);
    let args = std::iter::once(OsString::from("sshd")).chain(words.iter().cloned()).collect();
    // Statuses of processes are small; anything else is a failure.
    ExitCode::from(u8::try_from(sshd::main(args)).unwrap_or(255))
}
