//! What runs in a session, and how it ends.

use std::io::Write;
use std::process::Stdio;

use super::Test;
use super::support::{Running, Server, assert_refused, outcome, wait_until};

pub const TESTS: &[Test] = &[
    ("command", command),
    ("exit_status_and_signal", exit_status_and_signal),
    ("terminal", terminal),
    ("login_shell_on_a_terminal", login_shell_on_a_terminal),
    ("input_that_comes_early", input_that_comes_early),
    ("background_children", background_children),
    ("environment", environment),
    ("forced_command", forced_command),
    ("key_options", key_options),
    ("subsystems", subsystems),
    ("large_transfers", large_transfers),
    ("several_sessions", several_sessions),
    ("hang_up", hang_up),
];

/// What `ssh -tt` says when it gets no terminal.
pub const NO_TERMINAL: &str = "PTY allocation request failed";

fn command() {
    let server = Server::start("");
    let mut ssh = server.folder.ssh(&[&server.folder.target(), "cat; echo err >&2; pwd"]);
    let input = server.folder.path("input");
    std::fs::write(&input, "some input\n").unwrap();
    ssh.stdin(std::fs::File::open(input).unwrap());
    let seen = outcome(ssh);
    let home = std::env::var("HOME").unwrap();
    assert_eq!(
        (seen.status, seen.out, seen.err),
        (Some(0), format!("some input\n{home}\n"), "err\n".into())
    );
    server.folder.wait_for("Accepted publickey for ");
    server.folder.wait_for(" ssh2: ED25519 SHA256:");
    server.folder.wait_for("Disconnected from user ");
}

fn exit_status_and_signal() {
    let server = Server::start("");
    assert_eq!(server.login("exit 3").status, Some(3));
    assert_eq!(server.login("kill -TERM $$").status, Some(255));
    let unknown = server.login("/no/such/program");
    assert_eq!(unknown.status, Some(127), "{}", unknown.err);
}

fn terminal() {
    let server = Server::start("");
    let seen = server.login_with(&["-tt"], "tty; echo $SSH_TTY; test -t 1; exit 4");
    assert_eq!(seen.status, Some(4), "{}", seen.err);
    let lines: Vec<&str> = seen.out.lines().collect();
    assert!(lines[0].starts_with("/dev/pts/"), "{}", seen.out);
    assert_eq!(lines[0], lines[1]);
    assert!(!server.login("test -t 0 || echo none").out.contains("/dev"));
    let refused = Server::start("PermitTTY no");
    assert!(refused.login_with(&["-tt"], "tty").err.contains(NO_TERMINAL));
}

fn login_shell_on_a_terminal() {
    let server = Server::start("");
    let mut ssh = server.folder.ssh(&["-tt", &server.folder.target()]);
    let mut child = ssh.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"echo \"name is $0\"; exit 6\n").unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(6), "{text}");
    assert!(text.contains("name is -"), "{text}");
}

fn input_that_comes_early() {
    // All of it is sent before the command runs, and so is its end.
    let server = Server::start("");
    let data = "0123456789abcdef".repeat(60_000);
    std::fs::write(server.folder.path("data"), &data).unwrap();
    let mut ssh = server.folder.ssh(&[&server.folder.target(), "sleep 0.5; cat"]);
    ssh.stdin(std::fs::File::open(server.folder.path("data")).unwrap());
    let seen = outcome(ssh);
    assert_eq!(seen.status, Some(0));
    assert!(seen.out == data, "{} bytes came back", seen.out.len());
}

fn background_children() {
    // What holds the output keeps the channel open; what does not, does not.
    let server = Server::start("");
    assert_eq!(server.login("(sleep 0.3; echo late) & exit 2").out, "late\n");
    let begun = std::time::Instant::now();
    assert_eq!(server.login("sleep 30 >/dev/null 2>&1 </dev/null & echo x").out, "x\n");
    let on_terminal = server.login_with(&["-tt"], "(trap '' HUP; sleep 30) & echo x");
    assert_eq!(on_terminal.out, "x\r\n");
    assert!(begun.elapsed().as_secs() < 20);
}

fn environment() {
    let server = Server::start("AcceptEnv KW_*\nSetEnv FROM_SERVER=yes KW_SET=server");
    let command = "echo $KW_A-$OTHER-$FROM_SERVER-$KW_SET; echo $USER $HOME; echo $SSH_CONNECTION";
    let options = ["-o", "SetEnv=KW_A=1 OTHER=2 KW_SET=client"];
    let seen = server.login_with(&options, command).out;
    let lines: Vec<&str> = seen.lines().collect();
    assert_eq!(lines[0], "1--yes-server");
    let home = std::env::var("HOME").unwrap();
    assert_eq!(lines[1], format!("{} {home}", server.folder.user));
    assert!(
        lines[2].starts_with("127.0.0.1 ") && lines[2].ends_with(&server.folder.port.to_string())
    );
}

fn forced_command() {
    let server = Server::start("ForceCommand echo \"forced: $SSH_ORIGINAL_COMMAND\"");
    assert_eq!(server.login("rm -rf x").out, "forced: rm -rf x\n");
    // What the configuration says goes before what the key says.
    server.folder.authorize("command=\"echo key\"", "user");
    assert_eq!(server.login("ls").out, "forced: ls\n");
}

fn key_options() {
    let server = Server::start("PermitUserEnvironment yes");
    let folder = &server.folder;
    folder.authorize("command=\"echo only $SSH_ORIGINAL_COMMAND\"", "user");
    assert_eq!(server.login("ls").out, "only ls\n");
    folder.authorize("restrict", "user");
    assert!(server.login_with(&["-tt"], "tty").err.contains(NO_TERMINAL));
    folder.authorize("restrict,pty", "user");
    assert!(server.login_with(&["-tt"], "tty").out.contains("/dev/pts"));
    folder.authorize("environment=\"A_NAME=value\"", "user");
    assert_eq!(server.login("echo $A_NAME").out, "value\n");
    folder.authorize("from=\"192.0.2.0/24\"", "user");
    assert_refused(&server.login("true"));
    folder.authorize("from=\"127.0.0.0/8,!127.0.0.2\"", "user");
    assert_eq!(server.login("true").status, Some(0));
    folder.authorize("expiry-time=\"20200101\"", "user");
    assert_refused(&server.login("true"));
    folder.authorize("no-such-option", "user");
    assert_refused(&server.login("true"));
}

fn subsystems() {
    let server = Server::start(
        "Subsystem echo /bin/echo from the subsystem\nSubsystem inner internal-sftp\nSubsystem sftp /usr/lib/openssh/sftp-server",
    );
    assert_eq!(server.login_with(&["-s"], "echo").out, "from the subsystem\n");
    assert_refused(&server.login_with(&["-s"], "nothing"));
    // The client says nothing, so the server ends.
    assert_eq!(server.login_with(&["-s"], "inner").status, Some(0));
    // By that name only the configuration means the server inside.
    assert_eq!(server.login("internal-sftp").status, Some(127));
    if !std::path::Path::new("/usr/lib/openssh/sftp-server").exists() {
        println!("(no sftp-server: left out)");
        return;
    }
    let folder = &server.folder;
    std::fs::write(folder.path("file"), "contents").unwrap();
    let batch = format!("put {} {}\n", folder.show("file"), folder.show("copy"));
    std::fs::write(folder.path("batch"), batch).unwrap();
    let port = folder.port.to_string();
    let identity = folder.show("user");
    folder.run(
        "sftp",
        &[
            "-b",
            "batch",
            "-F",
            "none",
            "-P",
            &port,
            "-i",
            &identity,
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "UserKnownHostsFile=/dev/null",
            &folder.target(),
        ],
    );
    assert_eq!(std::fs::read_to_string(folder.path("copy")).unwrap(), "contents");
}

fn large_transfers() {
    // With new keys every megabyte, in both directions at once.
    let server = Server::start("RekeyLimit 1M");
    let folder = &server.folder;
    let mut data = Vec::new();
    let mut state = 1u32;
    while data.len() < 6_000_000 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        data.extend_from_slice(&state.to_le_bytes());
    }
    std::fs::write(folder.path("data"), &data).unwrap();
    for option in ["Compression=no", "Compression=yes"] {
        let mut ssh = folder.ssh(&["-o", option, &folder.target(), "cat"]);
        ssh.stdin(std::fs::File::open(folder.path("data")).unwrap());
        ssh.stdout(std::fs::File::create(folder.path("back")).unwrap());
        assert!(ssh.status().unwrap().success());
        assert!(std::fs::read(folder.path("back")).unwrap() == data, "{option}");
    }
}

fn several_sessions() {
    let server = Server::start("MaxSessions 2");
    let folder = &server.folder;
    let target = folder.target();
    let socket = format!("ControlPath={}", folder.show("control"));
    let _master = Running::start(folder.ssh(&["-M", "-N", "-o", &socket, &target]));
    wait_until("the control socket", || folder.path("control").exists());
    // What the shared connection refuses must not be tried over one of its own.
    let shared = [
        "-o",
        socket.as_str(),
        "-o",
        "ControlMaster=no",
        "-o",
        "ProxyCommand=false",
        target.as_str(),
    ];
    let session = |command: &'static str| {
        let mut arguments = shared.to_vec();
        arguments.push(command);
        folder.ssh(&arguments)
    };
    let _first = Running::ready(session("echo ready; sleep 20"));
    assert_eq!(outcome(session("echo second; exit 8")).status, Some(8));
    let _second = Running::ready(session("echo ready; sleep 20"));
    let third = outcome(session("echo third"));
    assert!(!third.out.contains("third"), "{}", third.out);
}

fn hang_up() {
    // When the client goes, what runs is told, on a terminal or not.
    let server = Server::start("");
    let folder = &server.folder;
    for (mark, option) in [("one", "-tt"), ("other", "-T")] {
        let path = folder.show(mark);
        let command = format!(
            "trap '' PIPE; trap 'touch {path}; exit' HUP; echo ready; while :; do sleep 0.1; done"
        );
        let mut ssh = folder.ssh(&[option, &folder.target(), &command]);
        ssh.stdin(Stdio::piped());
        drop(Running::ready(ssh));
        wait_until("the hang up", || folder.path(mark).exists());
    }
}
