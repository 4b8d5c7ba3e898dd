//! In test builds: tries, inside the sandbox, what an attacker's code would try.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::process::Command;

use super::TAKEOVER_VARIABLE;

/// Does what the environment says, and tells how it went; whoever was not killed ends here.
pub(super) fn run() {
    let Ok(wish) = std::env::var(TAKEOVER_VARIABLE) else { return };
    let outcome = match wish.as_str() {
        "open" => std::fs::File::open("/etc/passwd").map(drop),
        "create" => std::fs::File::create("/tmp/keyway-gate-was-here").map(drop),
        "list" => std::fs::read_dir("/").map(drop),
        "socket" => std::net::TcpStream::connect("127.0.0.1:9").map(drop),
        "unix" => UnixStream::connect("/dev/log").map(drop),
        "signal" => rustix::process::getppid()
            .ok_or_else(|| std::io::Error::other("no parent"))
            .and_then(|parent| Ok(rustix::process::test_kill_process(parent)?)),
        "execute" => Command::new("/bin/true").status().map(drop),
        _ => Ok(()),
    };
    match outcome {
        Ok(()) => log::info!("takeover: {wish} succeeded"),
        Err(error) => log::info!("takeover: {wish} failed: {error}"),
    }
    let _ = std::io::stdout().flush();
    std::process::exit(0);
}
