//! The server as it is installed: with a smaller program for its connections beside it.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use super::Test;
use super::support::{Folder, Running, Server};

pub const TESTS: &[Test] = &[
    ("smaller_program_serves", smaller_program_serves),
    ("other_version_is_left_alone", other_version_is_left_alone),
];

/// A server from `PREFIX/bin`, with `companion` in `PREFIX/libexec`.
fn start(companion: &str) -> Server {
    let folder = Folder::new();
    folder.configure("LogLevel DEBUG1");
    for place in ["bin", "libexec/keyway"] {
        std::fs::create_dir_all(folder.path(place)).unwrap();
    }
    std::fs::copy(std::env::current_exe().unwrap(), folder.path("bin/sshd")).unwrap();
    std::fs::copy(companion, folder.path("libexec/keyway/sshd-connection")).unwrap();
    let mut command = Command::new(folder.path("bin/sshd"));
    command.arg0("sshd").args(["-D", "-f", "config", "-E", "log"]).stdin(Stdio::null());
    command.current_dir(folder.path(""));
    Server::start_as(folder, command)
}

/// The program that a process runs, where it may be known.
fn program_of(pid: &str) -> Option<String> {
    let program = std::fs::read_link(Path::new("/proc").join(pid).join("exe")).ok()?;
    Some(program.file_name()?.to_string_lossy().into_owned())
}

fn smaller_program_serves() {
    let server = start(env!("CARGO_BIN_EXE_sshd-connection"));
    server.folder.wait_for("connections are served by");
    let target = server.folder.target();
    // Gone from its path, as in the middle of an upgrade: the server has it open.
    std::fs::remove_file(server.folder.path("libexec/keyway/sshd-connection")).unwrap();
    let _ssh = Running::ready(server.folder.ssh(&[&target, "echo here; sleep 20"]));
    let children = server.folder.run("pgrep", &["-P", &server.pid().to_string()]);
    let monitor = children.lines().next().unwrap();
    let gate = server.folder.run("pgrep", &["-P", monitor]);
    for pid in [monitor, gate.lines().next().unwrap()] {
        if let Some(program) = program_of(pid) {
            assert_eq!(program, "sshd-connection (deleted)");
        }
    }
    let seen = server.login("echo $((6 * 7))");
    assert_eq!((seen.status, seen.out.as_str()), (Some(0), "42\n"), "{}", seen.err);
}

fn other_version_is_left_alone() {
    // It says "-V" when it is asked for its version.
    let server = start("/bin/echo");
    server.folder.wait_for("is of another version than this program");
    let seen = server.login("echo $((6 * 7))");
    assert_eq!((seen.status, seen.out.as_str()), (Some(0), "42\n"), "{}", seen.err);
}
