//! Connections that do nothing, and how their packets are marked.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::Test;
use super::support::{Folder, Running, Server, outcome, wait_until};

pub const TESTS: &[Test] = &[
    ("traffic_class", traffic_class),
    ("client_alive", client_alive),
    ("unused_connection", unused_connection),
    ("channel_timeout", channel_timeout),
];

/// What ss(8) says of the server's sockets for connections to this port.
fn marks(folder: &Folder) -> Option<String> {
    let filter = format!("sport = :{}", folder.port);
    let mut ss = Command::new("ss");
    ss.args(["-tnH", "--tos", "state", "established", &filter]);
    let text = ss.output().ok().filter(|output| output.status.success())?.stdout;
    Some(String::from_utf8_lossy(&text).into_owned())
}

fn traffic_class() {
    for (configuration, terminal, class) in [
        ("IPQoS af21 cs1", true, Some("tos:0x48")),
        ("IPQoS af21 cs1", false, Some("tos:0x20")),
        ("IPQoS ef", false, Some("tos:0xb8")),
        ("IPQoS none", true, None),
    ] {
        let server = Server::start(configuration);
        let folder = &server.folder;
        let target = folder.target();
        let option = if terminal { "-tt" } else { "-T" };
        // The client marks its own end only.
        let arguments = [option, "-o", "IPQoS=none", &target, "echo ready; sleep 20"];
        let _ssh = Running::ready(folder.ssh(&arguments));
        let Some(seen) = marks(folder) else {
            println!("(no ss: left out)");
            return;
        };
        match class {
            Some(class) => assert!(seen.contains(class), "{configuration}: {seen}"),
            None => assert!(!seen.contains("tos:") || seen.contains("tos:0 "), "{seen}"),
        }
    }
}

fn stop(running: &mut Running, signal: &str) {
    let pid = running.child().id().to_string();
    assert!(Command::new("kill").args(["-s", signal, &pid]).status().unwrap().success());
}

fn client_alive() {
    let server = Server::start("ClientAliveInterval 1\nClientAliveCountMax 2");
    let folder = &server.folder;
    let target = folder.target();
    // Silence is no reason while the client answers.
    let seen = outcome(folder.ssh(&[&target, "sleep 5; echo still here"]));
    assert_eq!(seen.out, "still here\n", "{}", seen.err);
    let begun = Instant::now();
    let mut stalled = Running::ready(folder.ssh(&[&target, "echo ready; sleep 60"]));
    stop(&mut stalled, "STOP");
    folder.wait_for("Timeout, client not responding from user ");
    let lasted = begun.elapsed().as_secs_f32();
    assert!((2.0..10.0).contains(&lasted), "{lasted}");
    wait_until("the end of its processes", || super::load::descendants(server.pid()).is_empty());
    stop(&mut stalled, "CONT");
    assert_eq!(stalled.child().wait().unwrap().code(), Some(255));
}

fn unused_connection() {
    let server = Server::start("UnusedConnectionTimeout 2");
    let folder = &server.folder;
    let target = folder.target();
    // Not while anything is open.
    let seen = outcome(folder.ssh(&[&target, "sleep 4; echo in use"]));
    assert_eq!(seen.out, "in use\n", "{}", seen.err);
    let begun = Instant::now();
    let seen = outcome(folder.ssh(&["-N", &target]));
    assert_eq!(seen.status, Some(255));
    let lasted = begun.elapsed().as_secs_f32();
    assert!((1.5..10.0).contains(&lasted), "{lasted}");
    folder.wait_for("no channels open");
    // It begins anew when the last channel has closed.
    let socket = format!("ControlPath={}", folder.show("control"));
    let mut master = Running::start(folder.ssh(&["-M", "-N", "-o", &socket, &target]));
    wait_until("the control socket", || folder.path("control").exists());
    let seen = outcome(folder.ssh(&["-o", &socket, &target, "sleep 3; echo in use"]));
    assert_eq!(seen.out, "in use\n", "{}", seen.err);
    let begun = Instant::now();
    assert_eq!(master.child().wait().unwrap().code(), Some(255));
    assert!(begun.elapsed() > Duration::from_secs(1), "{:?}", begun.elapsed());
}

fn channel_timeout() {
    let server = Server::start("ChannelTimeout session:command=2 session:shell=60");
    let folder = &server.folder;
    let target = folder.target();
    let begun = Instant::now();
    let seen = outcome(folder.ssh(&[&target, "echo first; trap '' HUP; sleep 20; echo last"]));
    assert_eq!(seen.out, "first\n");
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    folder.wait_for("closed after inactivity");
    // Two that are timed together: one that is busy keeps the other.
    let together = Server::start("ChannelTimeout global=2");
    let socket = format!("ControlPath={}", together.folder.show("control"));
    let target_there = together.folder.target();
    let begin = || together.folder.ssh(&["-M", "-N", "-o", &socket, &target_there]);
    let _master = Running::start(begin());
    wait_until("the control socket", || together.folder.path("control").exists());
    let options = ["-o", &socket, "-o", "ControlMaster=no"];
    let quiet = "echo ready; trap '' HUP; sleep 30; echo last";
    let arguments = [&options[..], &[&target_there, quiet]].concat();
    let mut quiet = Running::ready(together.folder.ssh(&arguments));
    let busy = "for n in 1 2 3 4 5 6; do echo $n; sleep 0.7; done; echo last";
    let seen = together.login_with(&options, busy);
    assert!(seen.out.ends_with("last\n"), "{} {}", seen.out, seen.err);
    assert!(quiet.child().try_wait().unwrap().is_none());
    let begun = Instant::now();
    let _ = quiet.child().wait();
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    // Not while there is something to say, and not for other kinds.
    let busy = "for n in 1 2 3 4 5 6 7 8; do echo $n; sleep 0.5; done; echo last";
    let seen = outcome(folder.ssh(&[&target, busy]));
    assert!(seen.out.ends_with("last\n"), "{} {}", seen.out, seen.err);
    std::fs::write(folder.path("input"), "sleep 4; echo last\n").unwrap();
    let mut shell = folder.ssh(&["-T", &target]);
    shell.stdin(Stdio::from(std::fs::File::open(folder.path("input")).unwrap()));
    let seen = outcome(shell);
    assert!(seen.out.ends_with("last\n"), "{} {}", seen.out, seen.err);
}
