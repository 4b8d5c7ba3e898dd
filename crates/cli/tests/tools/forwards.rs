//! Forwarded connections, against OpenSSH's server and ours.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use keyway_testkit::Implementation::{OpenSsh, Ours};
use keyway_testkit::process::{DEADLINE, Running, run};
use keyway_testkit::ssh::free_port;
use keyway_testkit::{Implementation, Server};

use crate::User;
use crate::terminal::Terminal;

const ED25519: &[&str] = &["ssh-ed25519"];
const SERVERS: [Implementation; 2] = [OpenSsh, Ours];
const INSIST: [&str; 2] = ["-o", "ExitOnForwardFailure=yes"];

/// Both kinds of sockets.
trait Stream: Read + Write + Send + 'static {
    fn end(&self);
}

impl Stream for TcpStream {
    fn end(&self) {
        let _ = self.shutdown(Shutdown::Write);
    }
}

impl Stream for UnixStream {
    fn end(&self) {
        let _ = self.shutdown(Shutdown::Write);
    }
}

/// Reads to the end, then answers with all of it backwards: only whoever passes the first end on
/// and leaves the other direction open gets an answer.
fn answer_backwards(mut stream: impl Stream) {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if stream.read_to_end(&mut bytes).is_ok() {
            bytes.reverse();
            let _ = stream.write_all(&bytes);
        }
    });
}

/// A target on a port.
fn target() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("its address").port();
    thread::spawn(move || listener.incoming().flatten().for_each(answer_backwards));
    port
}

/// A target on a socket.
fn target_at(path: &Path) {
    let listener = UnixListener::bind(path).expect("a socket");
    thread::spawn(move || listener.incoming().flatten().for_each(answer_backwards));
}

fn pattern(length: u32, seed: u32) -> Vec<u8> {
    (0..length).map(|n| (n.wrapping_mul(n.wrapping_add(seed)) >> 7) as u8).collect()
}

/// Sends, ends, and checks the answer.
fn exchange(mut stream: impl Stream, length: u32, seed: u32) {
    let bytes = pattern(length, seed);
    stream.write_all(&bytes).expect("sent");
    stream.end();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    answer.reverse();
    assert!(answer == bytes, "{} bytes came of {}", answer.len(), bytes.len());
}

fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("connected");
    stream.set_read_timeout(Some(DEADLINE)).expect("a limit");
    stream
}

/// `ssh -v -N OPTIONS...`, ready to forward.
fn forwarding(user: &User, options: &[&str], remotes: usize) -> Running {
    let mut all = vec!["-v", "-N"];
    all.extend(options);
    let mut ssh = Running::start(&mut user.ssh(&all), &user.path("ssh.log"));
    let ready = ssh.wait_for_log(DEADLINE, |log| {
        let answered = log.matches("remote forward success for").count();
        (log.contains("Entering interactive session.") && answered >= remotes).then_some(())
    });
    ready.expect("a login");
    ssh
}

fn wait_for(ssh: &mut Running, text: &str) {
    let found = ssh.wait_for_log(DEADLINE, |log| log.contains(text).then_some(()));
    found.unwrap_or_else(|log| panic!("no {text:?}: {log}"));
}

#[test]
fn local_and_remote_ports() {
    for implementation in SERVERS {
        let server = Server::new(implementation).start();
        let user = User::knowing(&server, ED25519);
        let (to, from) = (target(), free_port());
        let local = format!("{from}:127.0.0.1:{to}");
        let remote = format!("0:127.0.0.1:{to}");
        let mut ssh = forwarding(&user, &["-L", &local, "-R", &remote], 1);
        exchange(connect(from), 3_000_000, 1);
        let told = ssh.wait_for_log(DEADLINE, |log| {
            let (_, after) = log.split_once("Allocated port ")?;
            let (port, to) = after.split_once(" for remote forward to ")?;
            to.starts_with("127.0.0.1:").then(|| port.parse().ok()).flatten()
        });
        exchange(connect(told.expect("a port")), 3_000_000, 2);
        exchange(connect(from), 0, 3);
    }
}

#[test]
fn unix_sockets() {
    for implementation in SERVERS {
        let server = Server::new(implementation).start();
        let user = User::knowing(&server, ED25519);
        let (target, local, remote) =
            (user.path("target"), user.path("local"), user.path("remote"));
        target_at(&target);
        let text = |path: &Path| path.display().to_string();
        let port = free_port();
        // What an earlier one left is in the way.
        drop(UnixListener::bind(&local).expect("a socket"));
        let ssh = forwarding(
            &user,
            &[
                "-o",
                "StreamLocalBindUnlink=yes",
                "-L",
                &format!("{}:{}", text(&local), text(&target)),
                "-L",
                &format!("[127.0.0.1]:{port}:[{}]", text(&target)),
                "-R",
                &format!("{}:{}", text(&remote), text(&target)),
            ],
            1,
        );
        exchange(UnixStream::connect(&local).expect("local"), 500_000, 1);
        exchange(UnixStream::connect(&remote).expect("remote"), 500_000, 2);
        exchange(connect(port), 500_000, 3);
        let mode = local.metadata().expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "StreamLocalBindMask");
        drop(ssh);
        assert!(!local.exists(), "the socket outlives its listener");
    }
}

/// Says hello to a SOCKS server; the stream is where it leads, or the server's last answer.
fn socks(port: u16, version: u8, host: &str, to: u16) -> Result<TcpStream, Vec<u8>> {
    let mut stream = connect(port);
    let name = host.as_bytes();
    let length = u8::try_from(name.len()).expect("a short name");
    let port = to.to_be_bytes();
    let mut hello = Vec::new();
    let expected = if version == 5 {
        // Without waiting for the first answer.
        hello.extend([5, 2, 2, 0, 5, 1, 0, 3, length]);
        hello.extend(name);
        hello.extend(port);
        vec![5, 0, 5, 0, 0, 1, 0, 0, 0, 0, 0, 0]
    } else {
        hello.extend([4, 1]);
        hello.extend(port);
        hello.extend([0, 0, 0, 1, b'm', b'e', 0]);
        hello.extend(name);
        hello.push(0);
        vec![0, 90, 0, 0, 0, 0, 0, 0]
    };
    stream.write_all(&hello).expect("sent");
    let mut answer = vec![0; expected.len()];
    match stream.read_exact(&mut answer) {
        Ok(()) if answer == expected => Ok(stream),
        Ok(()) => Err(answer),
        Err(problem) => {
            assert_ne!(problem.kind(), ErrorKind::WouldBlock, "no answer");
            Err(Vec::new())
        }
    }
}

#[test]
fn dynamic_ports() {
    for implementation in SERVERS {
        let server = Server::new(implementation).start();
        let user = User::knowing(&server, ED25519);
        let (to, local, remote) = (target(), free_port(), free_port());
        let (l, r) = (local.to_string(), remote.to_string());
        let permitted = format!("PermitRemoteOpen=127.0.0.1:{to} 127.0.0.1:1");
        let options = ["-D", &l, "-R", &r, "-o", &permitted];
        let mut ssh = forwarding(&user, &options, 1);
        for port in [local, remote] {
            for version in [4, 5] {
                let stream = socks(port, version, "127.0.0.1", to).expect("a connection");
                exchange(stream, 300_000, u32::from(version));
            }
            let refused = socks(port, 5, "127.0.0.1", 1).expect_err("nobody there");
            assert_eq!(refused.get(..4), Some(&[5, 0, 5, 5][..]), "{refused:?}");
            assert_eq!(socks(port, 4, "127.0.0.1", 1).expect_err("nobody").get(1), Some(&91));
            let mut stream = connect(port);
            stream.write_all(b"GET / HTTP/1.0\r\n\r\n").expect("sent");
            assert_eq!(stream.read(&mut [0; 9]).unwrap_or(0), 0, "no SOCKS, no service");
        }
        wait_for(&mut ssh, "open failed: connect failed");
        wait_for(&mut ssh, "connect_to 127.0.0.1 port 1: failed.");
        // Only what the server's side asks for is restricted.
        assert!(socks(local, 5, "localhost", to).is_ok());
        let forbidden = socks(remote, 5, "localhost", to).expect_err("not permitted");
        assert_eq!(forbidden.get(..4), Some(&[5, 0, 5, 2][..]), "{forbidden:?}");
        wait_for(&mut ssh, "requested forward not permitted");
    }
}

#[test]
fn what_is_refused_closes_the_connection() {
    let server = Server::new(OpenSsh).config("PermitOpen 127.0.0.1:1").start();
    let user = User::knowing(&server, ED25519);
    let (closed, forbidden, remote) = (free_port(), free_port(), free_port());
    let options = [
        "-L",
        &format!("{closed}:127.0.0.1:1"),
        "-L",
        &format!("{forbidden}:127.0.0.1:2"),
        "-R",
        &format!("{remote}:127.0.0.1:1"),
    ];
    let mut ssh = forwarding(&user, &options, 1);
    for port in [closed, forbidden, remote] {
        assert_eq!(connect(port).read(&mut [0; 9]).unwrap_or(0), 0);
    }
    wait_for(&mut ssh, ": open failed: connect failed: Connection refused");
    wait_for(&mut ssh, ": open failed: administratively prohibited: open failed");
    wait_for(&mut ssh, "connect_to 127.0.0.1 port 1: failed.");
}

#[test]
fn a_port_that_is_taken() {
    // With both families one that is free would do.
    let server = Server::new(OpenSsh).config("AddressFamily inet").start();
    let user = User::knowing(&server, ED25519);
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("its address").port();
    let spec = format!("127.0.0.1:{port}:127.0.0.1:1");
    let remote = format!("localhost:{port}:127.0.0.1:1");

    let local_text = format!(
        "bind [127.0.0.1]:{port}: Address already in use\r\n\
         channel_setup_fwd_listener_tcpip: cannot listen to port: {port}\r\n\
         Could not request local forwarding.\r\n"
    );
    for dynamic in [false, true] {
        let there = format!("127.0.0.1:{port}");
        let flag = if dynamic { ["-D", there.as_str()] } else { ["-L", spec.as_str()] };
        let finished = user.run(&flag, "echo runs");
        assert_eq!((finished.code(), finished.text().as_str()), (Some(0), "runs\n"), "{finished}");
        assert_eq!(finished.stderr, local_text);
        let finished = user.run(&[&flag[..], &INSIST].concat(), "echo runs");
        assert_eq!((finished.code(), finished.text().as_str()), (Some(255), ""), "{finished}");
        assert_eq!(finished.stderr, local_text);
    }

    let finished = user.run(&["-R", &remote], "echo runs");
    assert_eq!((finished.code(), finished.text().as_str()), (Some(0), "runs\n"), "{finished}");
    let what = format!("remote port forwarding failed for listen port {port}\r\n");
    assert_eq!(finished.stderr, format!("Warning: {what}"));
    // Also with what is known from the login before, which makes the session travel early.
    for target in ["true", "sleep 30"] {
        let finished = user.run(&[&["-R", &remote][..], &INSIST].concat(), target);
        assert_eq!(finished.code(), Some(255), "{finished}");
        assert_eq!(finished.stderr, format!("Error: {what}"));
    }
    let cleared = ["-L", &spec, "-R", &remote, "-o", "ClearAllForwardings=yes"];
    let finished = user.run(&[&cleared[..], &INSIST].concat(), "echo runs");
    assert_eq!((finished.text().as_str(), finished.stderr.as_str()), ("runs\n", ""), "{finished}");
}

#[test]
fn many_connections_at_once() {
    for implementation in SERVERS {
        let server = Server::new(implementation).start();
        let user = User::knowing(&server, ED25519);
        let (to, local, remote) = (target(), free_port(), free_port());
        let options =
            ["-L", &format!("{local}:127.0.0.1:{to}"), "-R", &format!("{remote}:127.0.0.1:{to}")];
        let _ssh = forwarding(&user, &options, 1);
        for port in [local, remote] {
            // All are open before the first one ends.
            let streams: Vec<TcpStream> = (0..50).map(|_| connect(port)).collect();
            thread::scope(|scope| {
                for (stream, seed) in streams.into_iter().zip(0..) {
                    scope.spawn(move || exchange(stream, 60_000, seed));
                }
            });
        }
    }
}

#[test]
fn the_last_connection_is_waited_for() {
    let server = Server::new(OpenSsh).start();
    let user = User::knowing(&server, ED25519);
    let (to, from) = (target(), free_port());
    let local = format!("{from}:127.0.0.1:{to}");
    let mut command = user.ssh(&["-v", "-L", &local]);
    let mut ssh = Running::start(command.arg("sleep 2; exit 7"), &user.path("ssh.log"));
    wait_for(&mut ssh, "Entering interactive session.");
    let mut stream = connect(from);
    stream.write_all(b"abc").expect("sent");
    wait_for(&mut ssh, "waiting for forwarded connections to terminate");
    stream.shutdown(Shutdown::Write).expect("ended");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert_eq!(answer, "cba");
    let status = ssh.wait(DEADLINE).expect("it ends");
    assert_eq!(status.code(), Some(7));
}

#[test]
fn from_the_background() {
    // With both families one that is free would do.
    let server = Server::new(OpenSsh).config("AddressFamily inet").start();
    let user = User::knowing(&server, ED25519);
    let (to, local, remote) = (target(), free_port(), free_port());
    user.write(
        "config",
        &format!(
            "LocalForward {local} 127.0.0.1:{to}\nRemoteForward localhost:{remote} 127.0.0.1:{to}\n"
        ),
    );
    let config = user.path("config").display().to_string();
    for insist in ["ExitOnForwardFailure=no", "ExitOnForwardFailure=yes"] {
        let mut ssh = user.ssh(&["-F", &config, "-f", "-o", insist]);
        // The session's end is the end of it all; nothing else would end the process.
        ssh.arg("sleep 3 >/dev/null 2>&1");
        let words: Vec<String> = std::iter::once(ssh.get_program())
            .chain(ssh.get_args())
            .map(|word| format!("'{}'", word.to_string_lossy()))
            .collect();
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("{} >/dev/null 2>&1", words.join(" "))]);
        let began = Instant::now();
        let finished = run(&mut shell, b"", DEADLINE);
        assert!(finished.success(), "{finished}");
        exchange(connect(local), 200_000, 1);
        if insist.ends_with("yes") {
            // Otherwise the server may not be listening yet.
            exchange(connect(remote), 200_000, 2);
        }
        while TcpStream::connect(("127.0.0.1", local)).is_ok() && began.elapsed() < DEADLINE {
            thread::sleep(Duration::from_millis(50));
        }
    }
    let taken = TcpListener::bind(("127.0.0.1", remote)).expect("the port is free again");
    let options = ["-F", &config, "-f", "-o", "ExitOnForwardFailure=yes"];
    let failed = run(user.ssh(&options).arg("sleep 3"), b"", DEADLINE);
    assert_eq!(failed.code(), Some(255), "{failed}");
    drop(taken);
}

#[test]
fn connections_are_listed() {
    let server = Server::new(OpenSsh).start();
    let user = User::knowing(&server, ED25519);
    let (to, from) = (target(), free_port());
    let mut terminal = Terminal::start(&user.ssh(&["-L", &format!("{from}:localhost:{to}")]));
    terminal.type_keys("PS1='rea''dy> '; export PS1\n");
    terminal.expect("ready> ");
    let stream = connect(from);
    let own = stream.local_addr().expect("its address").port();
    thread::sleep(Duration::from_millis(300));
    terminal.type_keys("\r~#");
    terminal.expect("#0 client-session");
    terminal.expect(&format!(
        "#1 direct-tcpip: listening port {from} for localhost port {to}, connect from 127.0.0.1 \
         port {own} to 127.0.0.1 port {from}"
    ));
    terminal.type_keys("\r~.");
    assert_eq!(terminal.finish().0, 255);
}

#[test]
fn a_damaged_list_of_wishes_is_refused() {
    let server = Server::new(OpenSsh).start();
    let user = User::knowing(&server, ED25519);
    let long = format!("/{}:127.0.0.1:1", "x".repeat(120));
    let finished = user.run(&[&["-L", &long][..], &INSIST].concat(), "true");
    assert_eq!(finished.code(), Some(255), "{finished}");
    assert!(finished.stderr.starts_with("Local listening path too long: /xxx"), "{finished}");
    let missing = user.path("no/such/folder").display().to_string();
    let finished = user.run(&["-L", &format!("{missing}:127.0.0.1:1")], "true");
    assert_eq!(finished.code(), Some(0), "{finished}");
    let text = format!("unix_listener: cannot bind to path {missing}: No such file or directory");
    assert!(finished.stderr.starts_with(&text), "{finished}");
}
