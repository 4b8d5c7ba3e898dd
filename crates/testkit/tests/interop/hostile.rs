//! Peers that are not what they should be, or stop being it.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use keyway_testkit::Implementation::{self, OpenSsh, Ours};
use keyway_testkit::relay::Relay;
use keyway_testkit::{Client, Finished, Server};

use crate::{PAIRS, check};

/// What no SSH peer would say first.
fn garbage() -> Vec<(&'static str, Vec<u8>)> {
    let mut huge_packet = b"SSH-2.0-Odd\r\n".to_vec();
    huge_packet.extend_from_slice(&[0x7f, 0xff, 0xff, 0xff, 4, 20]);
    huge_packet.extend_from_slice(&[0; 64]);
    let mut noise = b"SSH-2.0-Odd\r\n".to_vec();
    noise.extend((0..4096u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8));
    let mut short = b"SSH-2.0-Odd\r\n".to_vec();
    short.extend_from_slice(&[0, 0, 0, 12, 10, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    vec![
        ("closes at once", Vec::new()),
        ("a web server", b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n".to_vec()),
        ("SSH 1", b"SSH-1.5-OpenSSH_1.2\r\n".to_vec()),
        ("a line without end", vec![b'x'; 100_000]),
        ("zero bytes", vec![0; 5000]),
        ("a packet of 2 GiB", huge_packet),
        ("noise after the ident", noise),
        ("a KEXINIT of one byte", short),
    ]
}

/// Says `bytes` to whoever connects, then keeps reading until the peer goes.
fn speak(bytes: Vec<u8>, close: bool) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for mut socket in listener.incoming().flatten() {
            let _ = socket.write_all(&bytes);
            if close {
                continue;
            }
            let mut sink = [0; 4096];
            while matches!(socket.read(&mut sink), Ok(1..)) {}
        }
    });
    port
}

fn refused_soon(run: &Finished, what: &str) {
    assert_eq!(run.code(), Some(255), "{what}: {run}");
    assert!(!run.stderr.trim().is_empty(), "{what}: no message\n{run}");
    assert!(!run.stderr.contains("panicked"), "{what}: {run}");
}

#[test]
fn garbage_instead_of_a_server() {
    for implementation in [OpenSsh, Ours] {
        for (what, bytes) in garbage() {
            let port = speak(bytes, true);
            let run = Client::to_port(implementation, port, "x").command("true").run();
            refused_soon(&run, what);
        }
    }
}

#[test]
fn nobody_listens() {
    let port = keyway_testkit::ssh::free_port();
    for implementation in [OpenSsh, Ours] {
        let run = Client::to_port(implementation, port, "x").command("true").run();
        refused_soon(&run, "closed port");
        assert!(run.stderr.contains("Connection refused"), "{run}");
        assert!(run.stderr.contains(&port.to_string()), "{run}");
    }
}

#[test]
fn server_that_says_nothing() {
    for implementation in [OpenSsh, Ours] {
        let port = speak(Vec::new(), false);
        let run = Client::to_port(implementation, port, "x")
            .option("ConnectTimeout=2")
            .command("true")
            .run();
        refused_soon(&run, "silent server");
        assert!(run.elapsed < Duration::from_secs(20), "{run}");
        assert!(run.stderr.to_lowercase().contains("timed out"), "{run}");
    }
    let port = speak(b"SSH-2.0-Silent\r\n".to_vec(), false);
    let run = Client::to_port(Ours, port, "x").option("ConnectTimeout=2").command("true").run();
    refused_soon(&run, "silent after its ident");
    assert!(run.elapsed < Duration::from_secs(20), "{run}");
}

/// Sends garbage to a server: it hangs up, and lets the next one in.
#[test]
fn garbage_instead_of_a_client() {
    for implementation in [OpenSsh, Ours] {
        let server = Server::new(implementation).start();
        for (what, bytes) in garbage() {
            let mut socket = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            // The server may hang up before it has all of it.
            let _ = socket.write_all(&bytes);
            let _ = socket.shutdown(std::net::Shutdown::Write);
            let mut answer = Vec::new();
            match socket.read_to_end(&mut answer) {
                Ok(_) => {}
                Err(error) => assert_eq!(
                    error.kind(),
                    ErrorKind::ConnectionReset,
                    "{implementation:?} {what}: {error}"
                ),
            }
        }
        let run = Client::new(OpenSsh, &server).command("echo well").run();
        check(&run, 0, "well\n");
        assert!(!server.process.log().contains("panicked"), "{}", server.process.log());
    }
}

#[test]
fn client_that_says_nothing() {
    for implementation in [OpenSsh, Ours] {
        let server = Server::new(implementation).config("LoginGraceTime 2").start();
        for ident in [&b""[..], b"SSH-2.0-Silent\r\n"] {
            let began = Instant::now();
            let mut socket = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
            socket.write_all(ident).unwrap();
            let mut answer = Vec::new();
            if let Err(error) = socket.read_to_end(&mut answer) {
                assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{implementation:?}");
            }
            assert!(began.elapsed() < Duration::from_secs(15), "{implementation:?}");
            assert!(answer.starts_with(b"SSH-2.0-"), "{implementation:?}");
        }
    }
}

/// A client's run against `server` through `relay`, disturbed once a megabyte
/// went through.
fn disturbed(
    implementation: Implementation,
    server: &keyway_testkit::StartedServer,
    relay: &Relay,
    options: &[&str],
    disturb: impl FnOnce(),
) -> (Option<i32>, String) {
    let known = server.known_hosts().replace(&server.port.to_string(), &relay.port.to_string());
    let mut client = Client::to_port(implementation, relay.port, &server.user)
        .known_hosts(&known)
        .command("cat /dev/zero");
    for option in options {
        client = client.option(option);
    }
    let mut child = client
        .finish()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    relay.wait_for_bytes(1 << 20);
    disturb();
    let until = Instant::now() + Duration::from_secs(30);
    let status = keyway_testkit::process::wait(&mut child, until);
    if status.is_none() {
        let _ = child.kill();
    }
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    let status = status.unwrap_or_else(|| panic!("{implementation:?} hangs: {stderr}"));
    (status.code(), stderr)
}

#[test]
fn connection_cut_during_a_transfer() {
    for pair in PAIRS {
        let server = Server::new(pair.1).start();
        let relay = Relay::start(server.port);
        let (code, stderr) = disturbed(pair.0, &server, &relay, &[], || relay.cut());
        assert_eq!(code, Some(255), "{pair:?} {stderr}");
        assert!(!stderr.trim().is_empty(), "{pair:?}: no message");
        // Nothing of the connection is left on the server.
        for _ in 0..1000 {
            if children(server.process.id()) == 0 {
                break;
            }
            thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(children(server.process.id()), 0, "{pair:?}: processes stay");
    }
}

#[test]
fn connection_that_stalls() {
    for pair in PAIRS {
        let server = Server::new(pair.1)
            .config("ClientAliveInterval 1")
            .config("ClientAliveCountMax 2")
            .start();
        let relay = Relay::start(server.port);
        let options = ["ServerAliveInterval=1", "ServerAliveCountMax=2"];
        let (code, stderr) = disturbed(pair.0, &server, &relay, &options, || relay.hold());
        assert_eq!(code, Some(255), "{pair:?} {stderr}");
        assert!(stderr.contains("not responding"), "{pair:?} {stderr}");
        for _ in 0..2000 {
            if children(server.process.id()) == 0 {
                break;
            }
            thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(children(server.process.id()), 0, "{pair:?}: the server still waits");
    }
}

/// How many child processes a process has, the dead ones aside.
fn children(parent: u32) -> usize {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return 0;
    };
    entries
        .flatten()
        .filter_map(|entry| std::fs::read_to_string(entry.path().join("stat")).ok())
        .filter(|stat| {
            // The name in parentheses may hold anything, spaces included.
            let rest = stat.rsplit(')').next().unwrap_or_default();
            let mut fields = rest.split_whitespace();
            let state = fields.next().unwrap_or_default();
            let its_parent = fields.next().and_then(|text| text.parse().ok());
            state != "Z" && its_parent == Some(parent)
        })
        .count()
}
