//! What a connection that does nothing costs the server.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use keyway_testkit::Implementation::{self, OpenSsh, Ours};
use keyway_testkit::{Client, StartedServer};

use crate::report::{Table, times_better};
use crate::rig::Pair;
use crate::{Effort, proc, rig};

/// The server's own processes beside the listener; not what users run.
fn connection_processes(server: &StartedServer) -> Vec<u32> {
    let listener = server.process.id();
    let listener_program = proc::program(listener);
    let serves = |process: &u32| {
        let program = proc::program(*process);
        program == listener_program
            || program.is_some_and(|program| program.ends_with("libexec/keyway/sshd-connection"))
    };
    proc::tree(listener)
        .into_iter()
        .filter(|process| *process != listener && serves(process))
        .collect()
}

/// Logged-in clients that wait; killed when dropped.
struct Idle {
    /// They keep the folders with the clients' files.
    clients: Vec<Client>,
    running: Vec<Child>,
    /// Until all were logged in.
    took: Duration,
}

impl Idle {
    fn start(implementation: Implementation, server: &StartedServer, count: usize) -> Self {
        let folder = server.folder();
        let pair = Pair { client: Ours, server: implementation };
        let began = Instant::now();
        let mut idle = Self { clients: Vec::new(), running: Vec::new(), took: Duration::ZERO };
        for number in 0..count {
            let mark = folder.join(format!("in-{number}"));
            let remote = format!("touch {}; exec cat", mark.display());
            let mut client = rig::client(pair, server, &[], &remote);
            let command = rig::quiet(&mut client).stdin(Stdio::piped());
            match command.spawn() {
                Ok(child) => idle.running.push(child),
                Err(error) => panic!("a client did not start: {error}"),
            }
            idle.clients.push(client);
            // A few dozen on their way at a time: this is about waiting, not
            // about arriving together.
            if number >= 30 {
                wait_for(&folder.join(format!("in-{}", number - 30)));
            }
        }
        for number in 0..count {
            wait_for(&folder.join(format!("in-{number}")));
        }
        idle.took = began.elapsed();
        // Buffers of the login are given back after a moment.
        std::thread::sleep(Duration::from_secs(2));
        idle
    }
}

fn wait_for(file: &std::path::Path) {
    let until = Instant::now() + Duration::from_secs(120);
    while !file.exists() {
        assert!(Instant::now() < until, "a client is not logged in after two minutes");
        std::thread::sleep(Duration::from_millis(5));
    }
}

impl Drop for Idle {
    fn drop(&mut self) {
        for child in &mut self.running {
            let _ = child.kill();
        }
        for child in &mut self.running {
            let _ = child.wait();
        }
        self.clients.clear();
    }
}

fn name(implementation: Implementation) -> &'static str {
    if implementation == Ours { "Keyway" } else { "OpenSSH" }
}

fn table(title: &str, count: usize) -> String {
    let mut table = Table::new(
        title,
        &["server", "processes of one", "memory of one", "ratio", "logged in after"],
    );
    let mut base = None;
    for implementation in [OpenSsh, Ours] {
        let server = rig::start(implementation);
        let idle = Idle::start(implementation, &server, count);
        let processes = connection_processes(&server);
        let pss: u64 = processes.iter().filter_map(|process| proc::pss_kib(*process)).sum();
        let each = pss as f64 / count as f64;
        let base = *base.get_or_insert(each);
        table.row(&[
            name(implementation).to_owned(),
            format!("{:.1}", processes.len() as f64 / count as f64),
            format!("{each:.0} KiB"),
            times_better(base, each),
            format!("{:.2} s", idle.took.as_secs_f64()),
        ]);
    }
    table.finish(
        "Proportional set size of the server's processes for a connection with one session, \
         without the listener and without what the user runs. The clients are Keyway's.",
    )
}

/// One connection.
pub fn one(_effort: &Effort) -> String {
    table("An idle connection", 1)
}

/// Many, which share their code's pages.
pub fn many(effort: &Effort) -> String {
    table(&format!("{} idle connections", effort.idle), effort.idle)
}
