//! The program `keyway-shim`: the two processes that each server of the embedded cloud has all its
//! life, the shim and the server's first process, for whom a small program is a smaller memory.
//! `keyway-panel` starts it, and does without it where it is not installed.

use std::ffi::OsString;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let code = match arguments.split_first() {
        Some((word, rest)) if word == "shim" => cloud::embedded::shim_main(rest),
        Some((word, rest)) if word == "init" => cloud::embedded::init_main(rest),
        Some((word, [])) if word == "-V" => {
            println!("{}", env!("CARGO_PKG_VERSION"));
            0
        }
        _ => {
            eprintln!("keyway-shim is started by keyway-panel, and of no use by itself");
            2
        }
    };
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}
