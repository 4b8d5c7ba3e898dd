//! Connections and sockets for the client.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::Test;
use super::support::{Folder, Running, Server, connect, free_port, outcome, wait_until};

pub const TESTS: &[Test] = &[
    ("connect_through", connect_through),
    ("forbidden_connections", forbidden_connections),
    ("local_forward", local_forward),
    ("remote_forward", remote_forward),
    ("agent_forward", agent_forward),
    ("no_agent", no_agent),
    ("unix_socket", unix_socket),
    ("remote_unix_socket", remote_unix_socket),
    ("idle_channels", idle_channels),
    ("jump", jump),
    ("more_channels_than_descriptors", more_channels_than_descriptors),
];

/// A port where everybody is told something.
fn speaker(text: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().take(4) {
            let _ = stream.unwrap().write_all(text.as_bytes());
        }
    });
    port
}

fn through(server: &Server, port: u16) -> super::support::Outcome {
    let place = format!("127.0.0.1:{port}");
    outcome(server.folder.ssh(&["-W", &place, &server.folder.target()]))
}

fn connect_through() {
    let server = Server::start("");
    assert_eq!(through(&server, speaker("hello")).out, "hello");
    let nobody = through(&server, free_port());
    assert!(nobody.out.is_empty() && nobody.status != Some(0), "{}", nobody.err);
}

fn forbidden_connections() {
    let port = speaker("hello");
    let server = Server::start("AllowTcpForwarding no");
    let seen = through(&server, port);
    assert!(seen.err.contains("administratively prohibited"), "{}", seen.err);
    server.folder.wait_for("but the request was denied.");
    assert_eq!(through(&Server::start("DisableForwarding yes"), port).out, "");
    let server = Server::start(&format!("PermitOpen 127.0.0.1:{port}"));
    assert_eq!(through(&server, port).out, "hello");
    assert_eq!(through(&server, speaker("other")).out, "");
    server.folder.authorize("permitopen=\"127.0.0.1:1\"", "user");
    assert_eq!(through(&server, port).out, "");
    server.folder.authorize("restrict", "user");
    assert_eq!(through(&server, port).out, "");
}

fn local_forward() {
    let server = Server::start("");
    let (here, there) = (free_port(), speaker("through the tunnel"));
    let forward = format!("127.0.0.1:{here}:localhost:{there}");
    let _ssh = Running::start(server.folder.ssh(&["-N", "-L", &forward, &server.folder.target()]));
    let mut stream = None;
    wait_until("the forward", || {
        stream = std::net::TcpStream::connect(("127.0.0.1", here)).ok();
        stream.is_some()
    });
    let mut stream = stream.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert_eq!(text, "through the tunnel");
}

fn remote_forward() {
    let server = Server::start("");
    let (there, here) = (free_port(), speaker("from the client"));
    let forward = format!("{there}:127.0.0.1:{here}");
    let options = ["-o", "ExitOnForwardFailure=yes", "-R", &forward];
    let mut arguments = options.to_vec();
    let target = server.folder.target();
    arguments.extend([target.as_str(), "echo ready; sleep 20"]);
    let ssh = Running::ready(server.folder.ssh(&arguments));
    let mut text = String::new();
    connect(there).read_to_string(&mut text).unwrap();
    assert_eq!(text, "from the client");
    drop(ssh);
    // A port of the server's choice is told to the client.
    let seen = server.login_with(&["-R", &format!("0:127.0.0.1:{here}")], "true");
    assert!(seen.err.contains("Allocated port "), "{}", seen.err);
    let forbidden = Server::start("AllowTcpForwarding local");
    let seen = forbidden.login_with(&options, "true");
    assert_eq!(seen.status, Some(255), "{}", seen.err);
}

/// An agent with the user's key. Ends with the value.
struct Agent {
    socket: String,
    process: std::process::Child,
}

impl Agent {
    fn start(folder: &Folder) -> Agent {
        let socket = folder.show("agent");
        let process =
            Command::new("ssh-agent").args(["-D", "-a", &socket]).stdout(Stdio::null()).spawn();
        let agent = Agent { socket, process: process.unwrap() };
        while !folder.path("agent").exists() {
            std::thread::sleep(Duration::from_millis(10));
        }
        let added = Command::new("ssh-add")
            .args(["-q", &folder.show("user")])
            .env("SSH_AUTH_SOCK", &agent.socket)
            .status();
        assert!(added.unwrap().success());
        agent
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn agent_forward() {
    let server = Server::start("");
    let agent = Agent::start(&server.folder);
    let target = server.folder.target();
    let command =
        "ssh-add -l; ssh-add -L | wc -l; stat -c %a $(dirname $SSH_AUTH_SOCK); echo $SSH_AUTH_SOCK";
    let mut ssh = server.folder.ssh(&["-A", &target, command]);
    ssh.env("SSH_AUTH_SOCK", &agent.socket);
    let seen = outcome(ssh);
    let lines: Vec<&str> = seen.out.lines().collect();
    assert!(lines[0].contains("SHA256:"), "{} {}", seen.out, seen.err);
    assert_eq!(lines[1..3], ["1", "700"]);
    let socket = std::path::Path::new(lines[3]).to_owned();
    wait_until("the end of the socket", || !socket.exists());
}

fn no_agent() {
    let server = Server::start("AllowAgentForwarding no");
    let agent = Agent::start(&server.folder);
    let target = server.folder.target();
    let mut ssh = server.folder.ssh(&["-A", &target, "echo \"[$SSH_AUTH_SOCK]\""]);
    ssh.env("SSH_AUTH_SOCK", &agent.socket);
    assert_eq!(outcome(ssh).out, "[]\n");
}

fn unix_socket() {
    let server = Server::start("");
    let path = server.folder.path("there");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    std::thread::spawn(move || {
        let _ = listener.accept().unwrap().0.write_all(b"by path");
    });
    let (here, there) = (free_port(), server.folder.show("there"));
    let forward = format!("127.0.0.1:{here}:{there}");
    let target = server.folder.target();
    let _ssh = Running::start(server.folder.ssh(&["-N", "-L", &forward, &target]));
    let mut stream = None;
    wait_until("the forward", || {
        stream = std::net::TcpStream::connect(("127.0.0.1", here)).ok();
        stream.is_some()
    });
    let mut stream = stream.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert_eq!(text, "by path");
}

fn remote_unix_socket() {
    let server = Server::start("StreamLocalBindUnlink yes");
    let port = speaker("by the client");
    let path = server.folder.path("listening");
    // A stale one is in the way.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let forward = format!("{}:127.0.0.1:{port}", path.display());
    let target = server.folder.target();
    let ssh = Running::ready(server.folder.ssh(&[
        "-o",
        "ExitOnForwardFailure=yes",
        "-R",
        &forward,
        &target,
        "echo ready; sleep 20",
    ]));
    let mut text = String::new();
    std::os::unix::net::UnixStream::connect(&path).unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "by the client");
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    drop(ssh);
    wait_until("the end of the socket", || !path.exists());
    let refused = Server::start("AllowStreamLocalForwarding local");
    let seen = refused.login_with(&["-o", "ExitOnForwardFailure=yes", "-R", &forward], "true");
    assert_eq!(seen.status, Some(255), "{}", seen.err);
}

fn idle_channels() {
    let server = Server::start("ChannelTimeout session:command=1");
    assert_eq!(server.login("sleep 5; exit 3").status, Some(255));
    server.folder.wait_for("closed after inactivity");
    assert_eq!(
        server.login("for i in 1 2 3 4; do echo $i; sleep 0.5; done; exit 3").status,
        Some(3)
    );
    let server = Server::start("ChannelTimeout session:shell=1");
    assert_eq!(server.login("sleep 2; exit 3").status, Some(3));
    // A connection with no channel at all.
    let server = Server::start("UnusedConnectionTimeout 1");
    let begun = Instant::now();
    let seen = outcome(server.folder.ssh(&["-N", &server.folder.target()]));
    assert_eq!(seen.status, Some(255), "{}", seen.err);
    assert!(begun.elapsed() < Duration::from_secs(15));
}

fn jump() {
    // The second login goes through the first one's connection, as `-J` does it.
    let server = Server::start("");
    let folder = &server.folder;
    let proxy = format!(
        "ProxyCommand=ssh -F none -i {} -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -p {} -W 127.0.0.1:%p {}",
        folder.show("user"),
        folder.port,
        folder.target()
    );
    assert_eq!(server.login_with(&["-o", &proxy], "echo twice").out, "twice\n");
}

/// What there is no room for is refused, and the rest of the connection goes on.
fn more_channels_than_descriptors() {
    let folder = Folder::new();
    folder.configure("");
    let sshd = folder.sshd(&["-D", "-f", "config", "-E", "log"]);
    let mut command = Command::new("bash");
    command.args(["-c", "ulimit -n 64; exec -a sshd \"$0\" \"$@\""]);
    command.arg(sshd.get_program()).args(sshd.get_args());
    command.current_dir(folder.path(".")).stdin(Stdio::null());
    let server = Server::start_as(folder, command);
    // Says back what it is told.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let there = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut back = stream.try_clone().unwrap();
            std::thread::spawn(move || std::io::copy(&mut stream, &mut back));
        }
    });
    let here = free_port();
    let forward = format!("127.0.0.1:{here}:127.0.0.1:{there}");
    let target = server.folder.target();
    let ssh = server.folder.ssh(&["-L", &forward, &target, "echo ready; exec sleep 600"]);
    let _ssh = Running::ready(ssh);
    let echoes = |stream: &mut std::net::TcpStream| {
        let mut word = [0; 4];
        stream.write_all(b"word").is_ok() && stream.read_exact(&mut word).is_ok()
    };
    let mut all: Vec<_> = (0..80).map(|_| connect(here)).collect();
    let good = all.iter_mut().map(echoes).filter(|good| *good).count();
    println!("  {good} of 80");
    assert!((10..60).contains(&good), "{good}");
    assert!(all.first_mut().is_some_and(echoes));
    drop(all);
    wait_until("room", || echoes(&mut connect(here)));
}
