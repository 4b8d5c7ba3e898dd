//! `ChannelTimeout` of the client: idle channels are closed, those that talk are not.

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use keyway_testkit::Implementation::{OpenSsh, Ours};
use keyway_testkit::Server;
use keyway_testkit::ssh::free_port;

use crate::User;

#[test]
fn an_idle_session_is_closed_and_a_talking_one_is_not() {
    for implementation in [OpenSsh, Ours] {
        let server = Server::new(implementation).start();
        let user = User::knowing(&server, &["ssh-ed25519"]);
        let limit = ["-o", "ChannelTimeout=session:command=2s"];

        let began = Instant::now();
        let silent = user.run(&limit, "sleep 20");
        assert_eq!(silent.code(), Some(255), "{silent}");
        assert!(began.elapsed() < Duration::from_secs(15), "{silent}");
        assert!(silent.stderr.contains("closing after inactivity"), "{silent}");

        let talking = user.run(&limit, "for i in 1 2 3 4 5; do echo $i; sleep 1; done");
        assert_eq!(talking.code(), Some(0), "{talking}");
        let other = user.run(&["-o", "ChannelTimeout=direct-tcpip=1"], "sleep 3; echo here");
        assert_eq!(
            (other.code(), other.stdout.as_slice()),
            (Some(0), b"here\n".as_slice()),
            "{other}"
        );
    }
}

#[test]
fn an_idle_forward_is_closed_and_the_session_stays() {
    let target = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = target.local_addr().expect("its address").port();
    let server = Server::new(OpenSsh).start();
    let user = User::knowing(&server, &["ssh-ed25519"]);
    let listens = free_port();
    let forward = format!("127.0.0.1:{listens}:127.0.0.1:{port}");
    let waiting = std::thread::spawn(move || {
        let until = Instant::now() + Duration::from_secs(20);
        let mut stream = loop {
            match TcpStream::connect(("127.0.0.1", listens)) {
                Ok(stream) => break stream,
                Err(_) if Instant::now() < until => {
                    std::thread::sleep(Duration::from_millis(50));
                }
                Err(error) => panic!("nothing listens: {error}"),
            }
        };
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a time limit");
        stream.read(&mut [0; 1])
    });
    let options = ["-L", &forward, "-o", "ChannelTimeout=direct-tcpip=1"];
    let finished = user.run(&options, "sleep 8; echo here");
    assert_eq!(
        (finished.code(), finished.stdout.as_slice()),
        (Some(0), b"here\n".as_slice()),
        "{finished}"
    );
    assert!(finished.stderr.contains("closing after inactivity"), "{finished}");
    let end = waiting.join().expect("who waited");
    assert_eq!(end.expect("an end, not a time-out"), 0);
    drop(target);
}
