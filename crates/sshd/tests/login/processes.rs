//! The processes themselves: how they start, what they can do, and how they end.

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::Test;
use super::support::{
    Folder, Running, Server, assert_refused, connect, is_root, outcome, program, wait_until,
};

pub const TESTS: &[Test] = &[
    ("configuration_tests", configuration_tests),
    ("leaves_the_terminal", leaves_the_terminal),
    ("standard_input", standard_input),
    ("one_connection", one_connection),
    ("bad_ident", bad_ident),
    ("reload", reload),
    ("terminate", terminate),
    ("broken_after_the_start", broken_after_the_start),
    ("start_limit", start_limit),
    ("grace_time", grace_time),
    ("penalties", penalties),
    ("unprotected_host_key", unprotected_host_key),
    ("gate_is_locked_in", gate_is_locked_in),
    ("gate_is_nobody", gate_is_nobody),
    ("small_when_idle", small_when_idle),
];

fn configuration_tests() {
    let folder = Folder::new();
    folder.configure("");
    assert_eq!(outcome(folder.sshd(&["-t", "-f", "config"])).status, Some(0));
    let dump = outcome(folder.sshd(&["-T", "-f", "config", "-o", "MaxAuthTries=3"]));
    assert!(dump.out.contains("\nmaxauthtries 3\n"), "{}", dump.out);
    folder.configure("Match User ann\nForceCommand echo hers\n");
    let about = ["-T", "-f", "config", "-C", "user=ann,host=h,addr=192.0.2.1"];
    assert!(outcome(folder.sshd(&about)).out.contains("forcecommand echo hers"));
    assert!(!outcome(folder.sshd(&["-T", "-f", "config"])).out.contains("echo hers"));
    folder.configure("NoSuchKeyword yes");
    let bad = outcome(folder.sshd(&["-t", "-f", "config"]));
    assert_eq!(bad.status, Some(255));
    assert!(bad.err.contains("Bad configuration option: NoSuchKeyword"), "{}", bad.err);
    assert!(outcome(folder.sshd(&["-V"])).err.starts_with("Keyway_"));
    assert_eq!(outcome(folder.sshd(&["-z"])).status, Some(1));
    folder.configure("");
    std::fs::remove_file(folder.path("host")).unwrap();
    let keyless = outcome(folder.sshd(&["-t", "-f", "config"]));
    assert_eq!(keyless.status, Some(1));
    assert!(keyless.err.contains("no hostkeys available"), "{}", keyless.err);
}

fn leaves_the_terminal() {
    let folder = Folder::new();
    folder.configure("");
    // It has been bound by the time the first process ends.
    assert_eq!(outcome(folder.sshd(&["-f", "config", "-E", "log"])).status, Some(0));
    let pid = std::fs::read_to_string(folder.path("pid")).unwrap().trim().to_owned();
    let seen = outcome(folder.ssh(&[&folder.target(), "echo in"]));
    assert_eq!(seen.out, "in\n", "{}", seen.err);
    assert!(Command::new("kill").arg(&pid).status().unwrap().success());
    wait_until("the end of the pid file", || !folder.path("pid").exists());
    folder.wait_for("Received signal 15; terminating.");
    // What is wrong is told to whoever started it.
    folder.configure("ListenAddress 192.0.2.77");
    let text = std::fs::read_to_string(folder.path("config")).unwrap();
    let text = text.replace("ListenAddress 127.0.0.1", "");
    std::fs::write(folder.path("config"), text).unwrap();
    let failed = outcome(folder.sshd(&["-f", "config"]));
    assert_eq!(failed.status, Some(255));
    assert!(failed.err.contains("Cannot bind any address."), "{}", failed.err);
}

fn standard_input() {
    // As a proxy command: two pipes or a socket, with no network at all.
    let folder = Folder::new();
    folder.configure("");
    let script = format!(
        "exec -a sshd {} -i -f {} -E {}",
        program().display(),
        folder.show("config"),
        folder.show("log")
    );
    let script_file = folder.path("proxy");
    std::fs::write(&script_file, format!("#!/bin/bash\n{script}\n")).unwrap();
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(&script_file, std::fs::Permissions::from_mode(0o700)).unwrap();
    for command in [folder.show("proxy"), format!("cat | {} | cat", folder.show("proxy"))] {
        let proxy = format!("ProxyCommand={command}");
        let seen =
            outcome(folder.ssh(&["-o", &proxy, &folder.target(), "echo $SSH_CONNECTION; exit 9"]));
        assert_eq!(seen.status, Some(9), "{}\n{}", seen.err, folder.log());
        assert_eq!(seen.out, "UNKNOWN 65535 UNKNOWN 65535\n");
    }
    // The ident comes at once; nonsense ends it with 255.
    let mut child =
        Command::new(&script_file).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut ident = [0; 15];
    child.stdout.as_mut().unwrap().read_exact(&mut ident).unwrap();
    assert_eq!(&ident, b"SSH-2.0-Keyway_");
    child.stdin.as_mut().unwrap().write_all(b"not ssh at all\r\n").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(255));
}

fn one_connection() {
    let folder = Folder::new();
    folder.configure("");
    let mut server = Running::start(folder.sshd(&["-d", "-f", "config", "-E", "log"]));
    folder.wait_for("Server listening on");
    assert_eq!(outcome(folder.ssh(&[&folder.target(), "echo in"])).out, "in\n");
    assert_eq!(server.child().wait().unwrap().code(), Some(0));
    assert!(folder.log().contains("debug1: "));
}

fn bad_ident() {
    let server = Server::start("");
    let mut stream = connect(server.folder.port);
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(answer.starts_with("SSH-2.0-Keyway_"), "{answer}");
    server.folder.wait_for("banner exchange: Connection from 127.0.0.1 port ");
    assert_eq!(server.login("echo in").out, "in\n");
}

fn reload() {
    let server = Server::start("ForceCommand echo first");
    let folder = &server.folder;
    let target = folder.target();
    let socket = format!("ControlPath={}", folder.show("control"));
    let _master = Running::start(folder.ssh(&["-M", "-N", "-o", &socket, &target]));
    wait_until("the control socket", || folder.path("control").exists());
    assert_eq!(server.login("true").out, "first\n");
    folder.configure("ForceCommand echo second");
    // Until it is told to, it does not look.
    assert_eq!(server.login("true").out, "first\n");
    server.signal("HUP");
    wait_until("the new configuration", || server.login("true").out == "second\n");
    // A broken one changes nothing, and nobody was dropped.
    folder.configure("NoSuchKeyword");
    server.signal("HUP");
    folder.wait_for("the old one stays in force");
    assert_eq!(server.login("true").out, "second\n");
    let old = server
        .login_with(&["-o", &socket, "-o", "ControlMaster=no", "-o", "ProxyCommand=false"], "true");
    assert_eq!(old.out, "first\n");
}

fn terminate() {
    let mut server = Server::start("");
    let target = server.folder.target();
    let mut ssh = server.folder.ssh(&[&target, "echo ready; sleep 2; echo still here"]);
    let mut child = ssh.stdout(Stdio::piped()).spawn().unwrap();
    let mut byte = [0];
    child.stdout.as_mut().unwrap().read_exact(&mut byte).unwrap();
    server.signal("TERM");
    assert_eq!(server.wait(), Some(0));
    assert!(!server.folder.path("pid").exists());
    let output = child.wait_with_output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("still here"));
}

fn broken_after_the_start() {
    // Neither the files nor the program are needed any more once it runs.
    let folder = Folder::new();
    folder.configure("");
    let program = folder.path("program");
    std::fs::copy(super::support::program(), &program).unwrap();
    let mut command = Command::new(&program);
    use std::os::unix::process::CommandExt;
    command.arg0("sshd").args(["-D", "-f", "config", "-E", "log"]);
    command.current_dir(folder.path("."));
    let _server = Running::start(command);
    folder.wait_for("Server listening on");
    std::fs::remove_file(&program).unwrap();
    std::fs::remove_file(folder.path("host")).unwrap();
    std::fs::write(folder.path("config"), "NoSuchKeyword\n").unwrap();
    let seen = outcome(folder.ssh(&[&folder.target(), "echo in"]));
    assert_eq!(seen.out, "in\n", "{}", folder.log());
}

fn start_limit() {
    let server = Server::start("MaxStartups 2:100:2\nLoginGraceTime 30");
    let held: Vec<_> = (0..2).map(|_| connect(server.folder.port)).collect();
    std::thread::sleep(Duration::from_millis(500));
    let mut told = String::new();
    connect(server.folder.port).read_to_string(&mut told).unwrap();
    assert_eq!(told, "Exceeded MaxStartups\r\n");
    server.folder.wait_for("beginning MaxStartups throttling");
    server.folder.wait_for("drop connection #2 from [127.0.0.1]:");
    server.folder.wait_for(" past MaxStartups");
    drop(held);
    wait_until("the end of the refusals", || server.login("true").status == Some(0));
    server.folder.wait_for("exited MaxStartups throttling after ");
}

fn grace_time() {
    let server = Server::start("LoginGraceTime 1");
    let mut stream = connect(server.folder.port);
    let begun = Instant::now();
    let mut all = Vec::new();
    let _ = stream.read_to_end(&mut all);
    assert!((1..8).contains(&begun.elapsed().as_secs().max(1)));
    server.folder.wait_for("Timeout before authentication for connection from 127.0.0.1 to ");
    // It does not hold for who is in.
    assert_eq!(server.login("sleep 2; echo in").out, "in\n");
}

fn penalties() {
    let folder = Folder::new();
    folder.configure("");
    let text = std::fs::read_to_string(folder.path("config")).unwrap();
    let text = text.replace("PerSourcePenalties no", "PerSourcePenalties authfail:20s min:20s");
    std::fs::write(folder.path("config"), text).unwrap();
    folder.keygen("other");
    folder.authorize("", "other");
    let server = Server::start_in(folder, &[], &[]);
    assert_refused(&server.login("true"));
    server.folder.wait_for("activating penalty of 20 seconds for 127.0.0.1: failed authentication");
    let mut told = String::new();
    connect(server.folder.port).read_to_string(&mut told).unwrap();
    assert_eq!(told, "Not allowed at this time\r\n");
    server.folder.wait_for(" penalty: failed authentication");
}

fn unprotected_host_key() {
    let folder = Folder::new();
    folder.configure("");
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder.path("host"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let seen = outcome(folder.sshd(&["-D", "-f", "config"]));
    assert_eq!(seen.status, Some(1));
    assert!(seen.err.contains("UNPROTECTED PRIVATE KEY FILE"), "{}", seen.err);
    assert!(seen.err.contains("Permissions 0644 for "), "{}", seen.err);
}

fn gate_is_locked_in() {
    // Code that runs inside the gate, as an attacker's would.
    for (wish, killed) in [
        ("open", false),
        ("create", false),
        ("list", false),
        ("socket", true),
        ("unix", true),
        ("signal", true),
        ("execute", true),
    ] {
        let folder = Folder::new();
        folder.configure("");
        let server = Server::start_in(folder, &[], &[("KEYWAY_TEST_GATE", wish)]);
        let mut nothing = Vec::new();
        let _ = connect(server.folder.port).read_to_end(&mut nothing);
        if killed {
            server.folder.wait_for("the gate was ended by signal ");
        } else {
            server.folder.wait_for(&format!("takeover: {wish} failed: "));
        }
        assert!(!server.folder.log().contains("succeeded"), "{}", server.folder.log());
    }
    assert!(!std::path::Path::new("/tmp/keyway-gate-was-here").exists());
}

/// The processes of a logged-in connection: monitor, gate, session.
fn processes(listener: u32) -> Vec<(String, u32)> {
    let children = |pid: u32| -> Vec<u32> {
        let path = format!("/proc/{pid}/task/{pid}/children");
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.split_whitespace().filter_map(|word| word.parse().ok()).collect()
    };
    let role = |pid: u32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let mut words = line.split(|byte| *byte == 0).skip(1);
        String::from_utf8_lossy(words.next().unwrap_or_default()).into_owned()
    };
    let monitors = children(listener);
    let all =
        monitors.iter().flat_map(|monitor| std::iter::once(*monitor).chain(children(*monitor)));
    all.map(|pid| (role(pid), pid)).collect()
}

fn gate_is_nobody() {
    let server = Server::start("");
    let target = server.folder.target();
    let _ssh = Running::ready(server.folder.ssh(&[&target, "echo ready; sleep 20"]));
    let all = processes(server.pid());
    let names: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names.len(), 3, "{names:?}");
    let gate = all.iter().find(|(name, _)| name == "sshd-gate").unwrap().1;
    let status = std::fs::read_to_string(format!("/proc/{gate}/status")).unwrap();
    assert!(status.contains("Seccomp:\t2"), "{status}");
    assert!(status.contains("NoNewPrivs:\t1"), "{status}");
    if is_root() {
        assert!(!status.contains("Uid:\t0\t"), "{status}");
        assert!(status.contains("CapEff:\t0000000000000000"), "{status}");
        let root = std::fs::read_dir(format!("/proc/{gate}/root")).unwrap();
        assert_eq!(root.count(), 0);
    }
}

fn small_when_idle() {
    let server = Server::start("");
    let target = server.folder.target();
    let _ssh = Running::ready(server.folder.ssh(&[&target, "echo ready; exec sleep 20"]));
    std::thread::sleep(Duration::from_millis(300));
    let mut together = 0;
    for (name, pid) in processes(server.pid()) {
        let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
        let of = |field: &str| -> u64 {
            let line = text.lines().find(|line| line.starts_with(field)).unwrap_or_default();
            line.split_whitespace().nth(1).and_then(|word| word.parse().ok()).unwrap_or(0)
        };
        println!(
            "  {name}: {} KiB of its own, {} KiB with its share of the rest",
            of("Private_Dirty:"),
            of("Pss:")
        );
        together += of("Private_Dirty:");
    }
    assert!((1..4 * 1024).contains(&together), "{together} KiB");
}
