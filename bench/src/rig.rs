//! A server, clients of it, and what a run of both cost.

use std::fmt;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use keyway_testkit::Implementation::{self, OpenSsh, Ours};
use keyway_testkit::{Client, Server, StartedServer};

use crate::proc;

/// Who is the client, who the server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Pair {
    pub client: Implementation,
    pub server: Implementation,
}

/// The base of all ratios first.
pub const PAIRS: [Pair; 4] = [
    Pair { client: OpenSsh, server: OpenSsh },
    Pair { client: Ours, server: Ours },
    Pair { client: Ours, server: OpenSsh },
    Pair { client: OpenSsh, server: Ours },
];

impl fmt::Display for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |implementation| match implementation {
            Ours => "Keyway",
            OpenSsh => "OpenSSH",
        };
        write!(f, "{} to {}", name(self.client), name(self.server))
    }
}

/// What one run took.
#[derive(Clone, Copy, Default)]
pub struct Cost {
    /// From start to end.
    pub wall: Duration,
    /// CPU time of the client's processes.
    pub client: Duration,
    /// CPU time of the server's, the command it ran included.
    pub server: Duration,
}

impl Cost {
    /// Of both ends.
    pub fn cpu(&self) -> Duration {
        self.client + self.server
    }
}

/// A server that takes what the benchmarks ask for.
pub fn start(implementation: Implementation) -> StartedServer {
    Server::new(implementation)
        .config("Ciphers aes128-gcm@openssh.com,chacha20-poly1305@openssh.com")
        .start()
}

/// Runs a client's command and says what it cost both ends.
///
/// # Panics
/// When the command fails: a failed transfer has no speed.
pub fn measure(server: &StartedServer, command: &mut Command) -> Cost {
    measure_many(server, 1, || {
        let status = command.status();
        check(command, status);
    })
}

/// What `times` calls of `work` cost together.
pub fn measure_many(server: &StartedServer, times: usize, mut work: impl FnMut()) -> Cost {
    let root = server.process.id();
    let server_before = settled(root);
    let client_before = proc::children_time();
    let began = Instant::now();
    for _ in 0..times {
        work();
    }
    let wall = began.elapsed();
    let client = proc::children_time().saturating_sub(client_before);
    let server = settled(root).saturating_sub(server_before);
    Cost { wall, client, server }
}

/// The server's time once nothing is left of earlier connections, so that all
/// their processes have been waited for and count.
fn settled(root: u32) -> Duration {
    let until = Instant::now() + Duration::from_secs(5);
    while proc::tree(root).len() > 1 && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(2));
    }
    proc::tree_time(root)
}

/// # Panics
/// When the command did not end with 0.
pub fn check(command: &Command, status: std::io::Result<ExitStatus>) {
    let line = keyway_testkit::process::line_of(command);
    match status {
        Ok(status) if status.success() => {}
        Ok(status) => panic!("{line}: {status}"),
        Err(error) => panic!("{line}: {error}"),
    }
}

/// A client's command that prints nothing.
pub fn client(pair: Pair, server: &StartedServer, options: &[&str], remote: &str) -> Client {
    // One file for all of a server's clients, as a user has one: what a client
    // keeps beside it for the next login counts.
    let mut client = Client::to_port(pair.client, server.port, &server.user)
        .known_hosts_file(&server.folder().join("known_hosts"))
        .command(remote);
    for option in options {
        client = client.option(option);
    }
    client
}

/// Its output goes nowhere, its input is empty.
pub fn quiet(client: &mut Client) -> &mut Command {
    client.finish().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null())
}
