//! What answers on a port: other services, silence, and servers that have enough.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::thread;
use std::time::Duration;

use keyway_testkit::Implementation::{OpenSsh, Ours};
use keyway_testkit::Server;
use keyway_testkit::key_files::{self, Holder};
use keyway_testkit::process::{Running, run};
use keyway_testkit::ssh::free_port;

use crate::{DEADLINE, User, keyway, right_key, wrong_key};

/// A service whose every connection is treated so. It ends with the tests.
fn service(treat: impl Fn(TcpStream) + Send + Sync + Clone + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("its address").port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let treat = treat.clone();
            thread::spawn(move || treat(stream));
        }
    });
    port
}

fn say(text: &'static [u8]) -> impl Fn(TcpStream) + Send + Sync + Clone {
    move |mut stream| {
        let _ = stream.write_all(text);
        let _ = stream.read(&mut [0; 512]);
    }
}

fn examine(port: u16) -> crate::Diagnosis {
    User::new().examine(port, &[&right_key()], &["ConnectTimeout=1"])
}

#[test]
fn other_services() {
    let mail = service(say(b"220 mx.example ESMTP\r\n"));
    examine(mail).is("wrong-port").mentions("a mail server");
    let web = service(|mut stream: TcpStream| {
        let _ = stream.read(&mut [0; 512]);
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
    });
    examine(web).is("wrong-port").mentions("a web server");
    let tls = service(|mut stream: TcpStream| {
        let _ = stream.read(&mut [0; 512]);
        let _ = stream.write_all(&[0x15, 3, 1, 0, 2, 2, 70]);
    });
    examine(tls).is("wrong-port").mentions("TLS");
}

#[test]
fn nobody_silence_and_closed_doors() {
    examine(free_port()).is("connection-refused");
    let silent = service(|stream: TcpStream| {
        thread::sleep(Duration::from_secs(30));
        drop(stream);
    });
    examine(silent).is("server-silent");
    let closing = service(drop);
    examine(closing).is("closed-at-once");
    let resetting = service(|stream: TcpStream| {
        let _ = rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO));
    });
    examine(resetting).is("connection-reset");
}

#[test]
fn a_name_without_an_address() {
    let mut command = keyway("ssh");
    command.args(["doctor", "--json", "-F", "none", "no-such-host.invalid"]);
    let found = crate::Diagnosis::of(&mut command);
    // Without a name service nobody can say that there is no such name.
    let names = ["name-unknown", "name-service"];
    assert!(names.iter().any(|name| found.names == [*name]), "{}", found.finished);
}

#[test]
fn a_full_server() {
    for implementation in [OpenSsh, Ours] {
        let user = User::new();
        let port = free_port();
        let key = key_files::private(Holder::Host, "ssh-ed25519");
        let lines = format!("Port {port}\nListenAddress 127.0.0.1\nPidFile none\nMaxStartups 1\n");
        let config =
            user.write("sshd_config", &format!("{lines}HostKey {}\n", key.display()), 0o600);
        let mut command = Command::new(implementation.tool("sshd"));
        let log = user.path("sshd.log");
        let mut server = Running::start(command.args(["-D", "-e", "-f"]).arg(&config), &log);
        let listens = |log: &str| log.contains("Server listening").then_some(());
        server.wait_for_log(DEADLINE, listens).expect("a server");
        let held = TcpStream::connect(("127.0.0.1", port)).expect("connect");
        // Its ident shows that it counts.
        let _ = (&held).read(&mut [0; 64]);
        user.examine(port, &[&right_key()], &[]).is("max-startups");
    }
}

/// What a machine without memory or processes looks like from outside.
#[test]
fn a_stopped_server() {
    for implementation in [OpenSsh, Ours] {
        let server = Server::new(implementation).start();
        server.process.signal(rustix::process::Signal::STOP);
        let user = User::knowing(&server);
        user.examine(server.port, &[&right_key()], &["ConnectTimeout=1"]).is("server-silent");
        server.process.signal(rustix::process::Signal::CONT);
    }
}

#[test]
fn a_punished_address() {
    let server = Server::new(Ours).config("PerSourcePenalties authfail:60s min:1s").start();
    let user = User::knowing(&server);
    for _ in 0..3 {
        let mut command = keyway("ssh");
        command.args(["-F", "none", "-p", &server.port.to_string(), "-i"]).arg(wrong_key());
        command.arg("-o").arg(format!("UserKnownHostsFile={}", user.path("known_hosts").display()));
        run(command.args(["-oBatchMode=yes", "127.0.0.1", "true"]), b"", DEADLINE);
    }
    user.examine(server.port, &[&right_key()], &[]).is("penalty");
}

#[test]
fn lines_before_the_ident() {
    let server = Server::new(OpenSsh).start();
    let inner = server.port;
    let port = service(move |mut stream: TcpStream| {
        let Ok(mut behind) = TcpStream::connect(("127.0.0.1", inner)) else { return };
        let _ = stream.write_all(b"mounting something\r\n");
        let (Ok(mut from), Ok(mut to)) = (stream.try_clone(), behind.try_clone()) else { return };
        let up = thread::spawn(move || {
            let _ = std::io::copy(&mut from, &mut to);
            let _ = to.shutdown(std::net::Shutdown::Write);
        });
        let _ = std::io::copy(&mut behind, &mut stream);
        let _ = stream.shutdown(std::net::Shutdown::Both);
        let _ = up.join();
    });
    let user = User::new();
    user.write("known_hosts", &key_files::known_hosts(port, &["ssh-ed25519"]), 0o600);
    user.examine(port, &[&right_key()], &[]).is("ident-noise").mentions("mounting something");
}

#[test]
fn a_proxy_that_ends() {
    let user = User::new();
    user.examine(22, &[&right_key()], &["ProxyCommand=exit 3"]).is("proxy-failed");
    let jump = format!("ProxyJump=127.0.0.1:{}", free_port());
    user.examine(22, &[&right_key()], &[&jump]).is("jump-failed").mentions("ssh doctor");
}
