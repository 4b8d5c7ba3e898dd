//! How long a login takes, near and far, alone and in a crowd.

use std::process::Child;
use std::time::{Duration, Instant};

use keyway_testkit::Client;

use crate::Effort;
use crate::delay::Delay;
use crate::report::{Table, median_time, milliseconds, times_better};
use crate::rig::{self, PAIRS, Pair};

/// Key exchanges to compare: what each pair agrees on by itself, and one that
/// all have.
const EXCHANGES: [(&str, &[&str]); 2] = [
    ("each pair's own key exchange", &[]),
    ("curve25519-sha256", &["KexAlgorithms=curve25519-sha256"]),
];

/// `ssh host true`, one after another.
pub fn section(effort: &Effort) -> String {
    let mut text = String::new();
    for (name, options) in EXCHANGES {
        let mut table = Table::new(
            &format!("`ssh host true` by ed25519 key, {name}"),
            &["client to server", "wall", "ratio", "CPU", "client", "server", "ratio"],
        );
        let mut base = None;
        for pair in PAIRS {
            let server = rig::start(pair.server);
            let mut walls = Vec::new();
            let cost = rig::measure_many(&server, effort.logins, || {
                let mut client = rig::client(pair, &server, options, "true");
                let command = rig::quiet(&mut client);
                let began = Instant::now();
                let status = command.status();
                walls.push(began.elapsed());
                rig::check(command, status);
            });
            let count = effort.logins.max(1) as u32;
            let wall = median_time(&walls);
            let cpu = cost.cpu() / count;
            let (base_wall, base_cpu) = *base.get_or_insert((wall, cpu));
            table.row(&[
                pair.to_string(),
                milliseconds(wall),
                times_better(base_wall.as_secs_f64(), wall.as_secs_f64()),
                milliseconds(cpu),
                milliseconds(cost.client / count),
                milliseconds(cost.server / count),
                times_better(base_cpu.as_secs_f64(), cpu.as_secs_f64()),
            ]);
        }
        text.push_str(
            &table.finish(&format!("Median wall of {} logins, mean CPU.", effort.logins)),
        );
    }
    text
}

/// A client that reaches the server through the delay.
fn through(pair: Pair, server: &keyway_testkit::StartedServer, delay: &Delay) -> Client {
    let known = server.known_hosts();
    let known = known.replace(&server.port.to_string(), &delay.port.to_string());
    let file = server.folder().join(format!("known_hosts-{}", delay.port));
    if !file.exists() {
        std::fs::write(&file, known).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }
    Client::to_port(pair.client, delay.port, &server.user).known_hosts_file(&file)
}

/// How many times a login waits for the other side.
pub fn round_trips(_effort: &Effort) -> String {
    const EACH_WAY: Duration = Duration::from_millis(100);
    let mut table = Table::new(
        "`ssh host true` at 200 ms round trip",
        &["client to server", "first", "later", "round trips of a later one", "ratio"],
    );
    let mut base = None;
    for pair in PAIRS {
        let server = rig::start(pair.server);
        let delay = Delay::start(server.port, EACH_WAY, None);
        let near = Delay::start(server.port, Duration::ZERO, None);
        let time = |delay: &Delay| {
            let mut client = through(pair, &server, delay).command("true");
            let command = rig::quiet(&mut client);
            let began = Instant::now();
            let status = command.status();
            rig::check(command, status);
            began.elapsed()
        };
        let first = time(&delay);
        let later = median_time(&[time(&delay), time(&delay), time(&delay)]);
        let alone = median_time(&[time(&near), time(&near), time(&near)]);
        let trips = later.saturating_sub(alone).as_secs_f64() / (2.0 * EACH_WAY.as_secs_f64());
        let base = *base.get_or_insert(later);
        table.row(&[
            pair.to_string(),
            milliseconds(first),
            milliseconds(later),
            format!("{trips:.1}"),
            times_better(base.as_secs_f64(), later.as_secs_f64()),
        ]);
    }
    table.finish(
        "The delay is in a relay of ours at the socket: TCP's own handshake is not in it. \
         The time of the same login without delay is taken off before counting.",
    )
}

/// Many logins that all begin at once.
pub fn burst(effort: &Effort) -> String {
    let mut table = Table::new(
        &format!("{} logins at once", effort.burst),
        &["client to server", "until the last is done", "ratio", "failed"],
    );
    let mut base = None;
    for pair in PAIRS {
        let server = rig::start(pair.server);
        let mut clients: Vec<Client> =
            (0..effort.burst).map(|_| rig::client(pair, &server, &[], "true")).collect();
        let began = Instant::now();
        let mut running: Vec<Child> =
            clients.iter_mut().filter_map(|client| rig::quiet(client).spawn().ok()).collect();
        let mut failed = effort.burst - running.len();
        for child in &mut running {
            failed += usize::from(!child.wait().is_ok_and(|status| status.success()));
        }
        let wall = began.elapsed();
        let base = *base.get_or_insert(wall);
        table.row(&[
            pair.to_string(),
            format!("{:.2} s", wall.as_secs_f64()),
            times_better(base.as_secs_f64(), wall.as_secs_f64()),
            failed.to_string(),
        ]);
    }
    table.finish("Clients and server share the machine's cores.")
}
