//! Many channels on one connection.

use keyway_testkit::Implementation::{OpenSsh, Ours};
use keyway_testkit::process::{DEADLINE, run};
use keyway_testkit::python::{Library, client};
use keyway_testkit::{Server, not_run};

#[test]
fn two_hundred_at_once() {
    for implementation in [OpenSsh, Ours] {
        let server = Server::new(implementation).config("MaxSessions 250").start();
        let options = [("channels", "200")];
        match client(Library::AsyncSsh, &server, "ssh-ed25519", &options, "cat") {
            Ok(mut command) => {
                let run = run(&mut command, b"", DEADLINE * 2);
                assert_eq!(run.text(), "200 channels open at once\n", "{run}");
            }
            Err(reason) => return not_run("two_hundred_at_once", &reason),
        }
    }
}

#[test]
fn no_more_than_max_sessions() {
    let server = Server::new(Ours).config("MaxSessions 3").start();
    match client(Library::AsyncSsh, &server, "ssh-ed25519", &[("channels", "4")], "cat") {
        Ok(mut command) => {
            let run = run(&mut command, b"", DEADLINE);
            assert_eq!(run.code(), Some(255), "{run}");
            assert!(run.stderr.contains("ChannelOpenError"), "{run}");
        }
        Err(reason) => not_run("no_more_than_max_sessions", &reason),
    }
}
