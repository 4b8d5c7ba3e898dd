//! Real logins: Debian's `ssh` against this server on a loopback port.
//!
//! This file is its own program: started under the name `sshd` it is the server, which in turn
//! executes it again for its other processes. So it has no usual test harness.

mod support;

use support::Server;

fn main() -> std::process::ExitCode {
    let args: Vec<std::ffi::OsString> = std::env::args_os().collect();
    let is_server = args.first().is_some_and(|name| {
        let name = std::path::Path::new(name).file_name();
        name.is_some_and(|name| name.as_encoded_bytes().starts_with(b"sshd"))
    });
    if is_server {
        return std::process::ExitCode::from(keyway_sshd::main(args) as u8);
    }
    std::process::ExitCode::SUCCESS
}
