//! What the system gives a server and takes from it: sockets, notices, host keys, the log.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::time::Duration;

use keyway_sshd::sys::process::ChildSetup;

use super::Test;
use super::private;
use super::support::{Folder, Running, Server, connect, is_root, outcome, program, wait_until};

pub const TESTS: &[Test] = &[
    ("socket_activation", socket_activation),
    ("sockets_for_another", sockets_for_another),
    ("service_notices", service_notices),
    ("first_start", first_start),
    ("standard_output_to_a_file", standard_output_to_a_file),
    ("closed_standard_streams", closed_standard_streams),
    ("system_log", system_log),
];

/// A script that becomes the server, its arguments at the end.
fn script(folder: &Folder, lines: &str, arguments: &str) -> Command {
    let program = program();
    let script = format!("{lines} exec -a sshd {} {arguments}", program.display());
    let mut command = Command::new("bash");
    command.args(["-c", &script]).current_dir(folder.path(".")).stdin(Stdio::null());
    command
}

/// The server with listening sockets from 3 on, as the service manager starts it.
fn activated(folder: &Folder, sockets: &[TcpListener], for_whom: &str) -> Command {
    let mut lines = String::new();
    let mut inherit = Vec::new();
    for (number, socket) in (3..).zip(sockets) {
        // Out of the way of the numbers that they are to have.
        let copy = rustix::io::fcntl_dupfd_cloexec(socket, 50 + number).unwrap();
        let from = std::os::fd::AsRawFd::as_raw_fd(&copy);
        write!(lines, "exec {number}<&{from} {from}<&-; ").unwrap();
        inherit.push(copy);
    }
    write!(lines, "LISTEN_PID={for_whom} LISTEN_FDS={} ", sockets.len()).unwrap();
    let mut command = script(folder, &lines, "-D -f config -E log");
    ChildSetup { inherit, ..ChildSetup::default() }.install(&mut command);
    command
}

fn socket_activation() {
    for count in [1, 2] {
        let mut folder = Folder::new();
        // What the configuration says of addresses does not matter then.
        folder.configure("ListenAddress 192.0.2.77");
        let sockets: Vec<TcpListener> =
            (0..count).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let ports: Vec<u16> = sockets.iter().map(|s| s.local_addr().unwrap().port()).collect();
        let command = activated(&folder, &sockets, "$$");
        drop(sockets);
        let key = std::fs::read_to_string(folder.path("host.pub")).unwrap();
        let mut known = String::new();
        for port in &ports {
            write!(known, "[127.0.0.1]:{port} {key}").unwrap();
        }
        std::fs::write(folder.path("known"), known).unwrap();
        folder.port = ports[0];
        let mut server = Server::start_as(folder, command);
        for reloaded in [false, true] {
            for port in &ports {
                server.folder.port = *port;
                let seen = server.login("echo $SSH_CONNECTION; ls /proc/self/fd | wc -l; env");
                assert!(seen.out.contains(&format!(" {port}\n")), "{} {}", seen.out, seen.err);
                // Nothing of it reaches the sessions.
                assert!(!seen.out.contains("LISTEN_"), "{}", seen.out);
            }
            if !reloaded {
                // What was given stays, whatever is read again.
                server.signal("HUP");
                server.folder.wait_for("Received SIGHUP");
            }
        }
        assert_eq!(server.folder.log().matches("given by the service manager").count(), count);
        assert!(!server.folder.log().contains("192.0.2.77"));
        server.signal("TERM");
        assert_eq!(server.wait(), Some(0));
    }
}

fn sockets_for_another() {
    // The variables were inherited by a process that they do not name.
    let folder = Folder::new();
    folder.configure("");
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let command = activated(&folder, &[socket], "1");
    let server = Server::start_as(folder, command);
    assert!(!server.folder.log().contains("given by the service manager"));
    assert_eq!(server.login("echo in").out, "in\n");
}

fn service_notices() {
    let folder = Folder::new();
    folder.configure("");
    let manager = UnixDatagram::bind(folder.path("notify")).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let next = || {
        let mut room = [0; 200];
        let length = manager.recv(&mut room).unwrap();
        String::from_utf8_lossy(&room[..length]).into_owned()
    };
    let address = folder.show("notify");
    let mut server = Server::start_in(folder, &[], &[("NOTIFY_SOCKET", &address)]);
    assert_eq!(next(), "READY=1\n");
    for broken in [false, true] {
        if broken {
            server.folder.configure("NoSuchKeyword");
        }
        let before = monotonic_microseconds();
        server.signal("HUP");
        let text = next();
        let time = text.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap().trim();
        let time: i64 = time.parse().unwrap();
        assert!((before..=monotonic_microseconds()).contains(&time), "{text}");
        assert_eq!(next(), "READY=1\n");
    }
    assert!(!server.login("env").out.contains("NOTIFY_SOCKET"));
    server.signal("TERM");
    assert_eq!(next(), "STOPPING=1\n");
    assert_eq!(server.wait(), Some(0));
}

fn monotonic_microseconds() -> i64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec * 1_000_000 + now.tv_nsec / 1000
}

fn first_start() {
    if !private::is_ours() {
        return;
    }
    let mut before = Vec::new();
    for kind in ["rsa", "ecdsa", "ed25519"] {
        for end in ["", ".pub"] {
            let path = format!("/etc/ssh/ssh_host_{kind}_key{end}");
            before.push((path.clone(), std::fs::read(&path).ok()));
            let _ = std::fs::remove_file(path);
        }
    }
    let folder = Folder::new();
    folder.configure("");
    let text = std::fs::read_to_string(folder.path("config")).unwrap();
    let text: Vec<&str> = text.lines().filter(|line| !line.starts_with("HostKey ")).collect();
    std::fs::write(folder.path("config"), text.join("\n")).unwrap();
    // To test is not to start.
    let tested = outcome(folder.sshd(&["-t", "-f", "config"]));
    assert_eq!(tested.status, Some(1), "{}", tested.err);
    assert!(tested.err.contains("no hostkeys available"), "{}", tested.err);
    assert!(!std::path::Path::new("/etc/ssh/ssh_host_rsa_key").exists());
    let server = Server::start_in(folder, &[], &[]);
    let log = server.folder.log();
    assert!(log.contains("No host keys yet: making them."), "{log}");
    let mut known = String::new();
    for (kind, bits, label) in
        [("rsa", "3072", "RSA"), ("ecdsa", "256", "ECDSA"), ("ed25519", "256", "ED25519")]
    {
        let path = format!("/etc/ssh/ssh_host_{kind}_key");
        let mode = |path: &str| {
            let metadata = std::fs::metadata(path).unwrap();
            (metadata.mode() & 0o7777, metadata.uid())
        };
        assert_eq!(mode(&path), (0o600, 0));
        assert_eq!(mode(&format!("{path}.pub")), (0o644, 0));
        let seen = server.folder.run("ssh-keygen", &["-l", "-f", &path]);
        let words: Vec<&str> = seen.split_whitespace().collect();
        assert_eq!((words[0], words.last().copied()), (bits, Some(&*format!("({label})"))));
        assert!(log.contains(&format!("{path}: {label} {}", words[1])), "{log}");
        let public = std::fs::read_to_string(format!("{path}.pub")).unwrap();
        assert_eq!(server.folder.run("ssh-keygen", &["-y", "-f", &path]), public);
        write!(known, "[127.0.0.1]:{} {public}", server.folder.port).unwrap();
    }
    let left = std::fs::read_dir("/etc/ssh").unwrap().filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        name.to_string_lossy().contains(".new.")
    });
    assert_eq!(left.count(), 0);
    std::fs::write(server.folder.path("known"), known).unwrap();
    for kind in ["rsa-sha2-512", "ecdsa-sha2-nistp256", "ssh-ed25519"] {
        let only = format!("HostKeyAlgorithms={kind}");
        assert_eq!(server.login_with(&["-o", &only], "echo in").out, "in\n", "{kind}");
    }
    // The second time they are there.
    let keys = || std::fs::read("/etc/ssh/ssh_host_rsa_key").unwrap();
    let first = keys();
    let Server { folder, .. } = &server;
    let again = Folder::new();
    std::fs::copy(folder.path("config"), again.path("config")).unwrap();
    let port = format!("Port={}", again.port);
    let pid = format!("PidFile={}", again.show("pid"));
    let second = Server::start_in(again, &["-o", &port, "-o", &pid], &[]);
    assert!(!second.folder.log().contains("making them"));
    assert_eq!(keys(), first);
    // One that is missing is not made when there are others.
    std::fs::remove_file("/etc/ssh/ssh_host_ecdsa_key").unwrap();
    server.signal("HUP");
    server.folder.wait_for("Received SIGHUP");
    assert_eq!(server.login("echo in").out, "in\n");
    assert!(!std::path::Path::new("/etc/ssh/ssh_host_ecdsa_key").exists());
    for (path, bytes) in before {
        let _ = std::fs::remove_file(&path);
        if let Some(bytes) = bytes {
            std::fs::write(&path, bytes).unwrap();
            let mode = if path.contains(".pub") { 0o644 } else { 0o600 };
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        }
    }
}

fn standard_output_to_a_file() {
    // With -i the output may be a file; the gate may then write files, and only then.
    let folder = Folder::new();
    folder.configure("");
    let mut command = folder.sshd(&["-i", "-f", "config", "-E", "log"]);
    let output = std::fs::File::create(folder.path("output")).unwrap();
    let mut child = command.stdin(Stdio::piped()).stdout(output).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let written = || std::fs::read(folder.path("output")).unwrap();
    wait_until("the ident", || written().starts_with(b"SSH-2.0-Keyway_"));
    input.write_all(b"SSH-2.0-test\r\n").unwrap();
    // The key exchange follows: SSH_MSG_KEXINIT is the first packet.
    wait_until("the first packet", || {
        let bytes = written();
        let at = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        bytes.get(at + 5) == Some(&20)
    });
    drop(input);
    assert_eq!(child.wait().unwrap().code(), Some(255));
}

fn closed_standard_streams() {
    // Nothing that is opened later may get one of their numbers.
    let folder = Folder::new();
    folder.configure("");
    let command = script(&folder, "exec 0<&- 1>&- 2>&-;", "-D -f config -E log");
    let server = Server::start_as(folder, command);
    let seen = server.login("echo out; echo err >&2");
    assert_eq!((seen.out.as_str(), seen.err.as_str()), ("out\n", "err\n"));
    assert!(server.login_with(&["-tt"], "tty").out.contains("/dev/pts/"));
    drop(server);
    // And so when it leaves the terminal by itself.
    let folder = Folder::new();
    folder.configure("");
    let mut command = script(&folder, "exec 0<&- 1>&- 2>&-;", "-f config -E log");
    assert_eq!(command.status().unwrap().code(), Some(0));
    let seen = outcome(folder.ssh(&[&folder.target(), "echo in"]));
    assert_eq!(seen.out, "in\n", "{}", seen.err);
    let pid = std::fs::read_to_string(folder.path("pid")).unwrap().trim().to_owned();
    // Its descriptors are for root only to see.
    for number in (0..3).filter(|_| is_root()) {
        let place = std::fs::read_link(format!("/proc/{pid}/fd/{number}")).unwrap();
        let place = place.display().to_string();
        assert!(place == "/dev/null" || (number == 2 && place.ends_with("/log")), "{place}");
    }
    assert!(Command::new("kill").arg(&pid).status().unwrap().success());
    wait_until("the end of the pid file", || !folder.path("pid").exists());
}

fn system_log() {
    if !private::is_ours() {
        return;
    }
    let log = UnixDatagram::bind("/dev/log").unwrap();
    log.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let wait_for = |words: &str| {
        loop {
            let mut room = [0; 4096];
            let length = log.recv(&mut room).unwrap_or_else(|error| panic!("{words}: {error}"));
            let line = String::from_utf8_lossy(&room[..length]).into_owned();
            if line.contains(words) {
                return line;
            }
        }
    };
    let folder = Folder::new();
    folder.configure("SyslogFacility LOCAL3");
    let mut server = Running::start(folder.sshd(&["-D", "-f", "config"]));
    let line = wait_for("Server listening on 127.0.0.1");
    // Facility 19, severity 6.
    assert!(line.starts_with("<158>"), "{line}");
    assert!(line.contains(&format!("sshd[{}]: ", server.child().id())), "{line}");
    assert_eq!(outcome(folder.ssh(&[&folder.target(), "echo in"])).out, "in\n");
    let line = wait_for("Accepted publickey for ");
    assert!(line.starts_with("<158>") && line.contains("sshd"), "{line}");
    wait_for("Starting session: command for ");
    wait_for("Received disconnect from 127.0.0.1 port ");
    wait_for("Disconnected from user ");
    // From the gate, by way of its monitor.
    let mut stream = connect(folder.port);
    stream.write_all(b"nonsense\r\n\r\n").unwrap();
    let _ = stream.read_to_end(&mut Vec::new());
    wait_for("banner exchange: Connection from 127.0.0.1 port ");
    // A restart of the logger is survived.
    drop(log);
    std::fs::remove_file("/dev/log").unwrap();
    assert_eq!(outcome(folder.ssh(&[&folder.target(), "echo in"])).out, "in\n");
    let log = UnixDatagram::bind("/dev/log").unwrap();
    log.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    assert_eq!(outcome(folder.ssh(&[&folder.target(), "echo in"])).out, "in\n");
    let mut room = [0; 4096];
    assert!(log.recv(&mut room).is_ok());
    drop(server);
    std::fs::remove_file("/dev/log").unwrap();
}
