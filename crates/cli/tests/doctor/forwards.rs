//! Forwards and sessions that the server does not give after a login that worked.

use std::net::TcpListener;

use keyway_testkit::Implementation::{OpenSsh, Ours};
use keyway_testkit::key_files::{self, Holder};
use keyway_testkit::ssh::free_port;
use keyway_testkit::{Implementation, Server};

use crate::{Diagnosis, User, right_key};

/// With such a server and such a line for the user's key.
fn examine(server: Implementation, lines: &[&str], key_options: &str, forward: &str) -> Diagnosis {
    let key = key_files::public_line(Holder::User, "ssh-ed25519");
    let server = lines
        .iter()
        .fold(Server::new(server), |server, line| server.config(*line))
        .authorized(&[format!("{key_options} {key}").trim_start().to_owned()])
        .start();
    let user = User::knowing(&server);
    user.examine(server.port, &[&right_key()], &[forward])
}

#[test]
fn local_forwards_that_are_forbidden() {
    let forward = "LocalForward=9 127.0.0.1:9";
    for server in [OpenSsh, Ours] {
        for line in ["AllowTcpForwarding remote", "PermitOpen 127.0.0.1:8"] {
            examine(server, &[line], "", forward)
                .is("forward-forbidden")
                .mentions("administratively prohibited")
                .mentions("PermitOpen");
        }
        examine(server, &[], "restrict", forward).is("forward-forbidden");
    }
}

#[test]
fn local_forwards_without_another_end() {
    for server in [OpenSsh, Ours] {
        let forward = format!("LocalForward=9 127.0.0.1:{}", free_port());
        examine(server, &[], "", &forward).is("forward-target");
    }
}

#[test]
fn remote_forwards_that_are_refused() {
    for server in [OpenSsh, Ours] {
        let forward = format!("RemoteForward={} 127.0.0.1:9", free_port());
        for line in ["AllowTcpForwarding local", "PermitListen 7"] {
            examine(server, &[line], "", &forward).is("forward-forbidden").mentions("PermitListen");
        }
        examine(server, &[], "", &forward).found_sound();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let taken = listener.local_addr().expect("its address").port();
        // One of the two is enough for a server.
        let _other = TcpListener::bind(("::1", taken));
        let forward = format!("RemoteForward={taken} 127.0.0.1:9");
        examine(server, &[], "", &forward).is("forward-port").mentions("ss -ltnp");
    }
}

#[test]
fn sessions_that_are_refused() {
    for server in [OpenSsh, Ours] {
        examine(server, &["MaxSessions 0"], "", "BatchMode=yes").is("session-refused");
    }
}
