//! Distance: a relay that holds every byte for a while, and what a transfer
//! makes of it.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use keyway_testkit::Client;

use crate::Effort;
use crate::report::{Table, times_better};
use crate::rig::{self, PAIRS};

/// What may be on its way at once: more than 2 Gbit/s in half a second.
const ON_THE_WAY_BYTES: usize = 256 << 20;

#[derive(Default)]
struct Way {
    chunks: VecDeque<(Instant, Vec<u8>)>,
    bytes: usize,
    closed: bool,
}

type Shared = Arc<(Mutex<Way>, Condvar)>;

/// A relay that delays; ends with the process.
pub struct Delay {
    /// Where clients connect, on 127.0.0.1.
    pub port: u16,
}

impl Delay {
    /// Delays each direction by `each_way`, and passes no more than
    /// `bytes_per_second`.
    ///
    /// # Panics
    /// Without a port to listen on.
    pub fn start(to: u16, each_way: Duration, bytes_per_second: Option<u64>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0")
            .unwrap_or_else(|error| panic!("no port for a relay: {error}"));
        let port = listener.local_addr().map_or(0, |address| address.port());
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(("127.0.0.1", to)) else {
                    continue;
                };
                let _ = client.set_nodelay(true);
                let _ = server.set_nodelay(true);
                for (from, to) in [(&client, &server), (&server, &client)] {
                    if let (Ok(from), Ok(to)) = (from.try_clone(), to.try_clone()) {
                        let shared = Shared::default();
                        let other = Arc::clone(&shared);
                        thread::spawn(move || take_in(from, &other, each_way));
                        thread::spawn(move || give_out(to, &shared, bytes_per_second));
                    }
                }
            }
        });
        Self { port }
    }
}

fn take_in(mut from: TcpStream, shared: &Shared, each_way: Duration) {
    let (way, changed) = &**shared;
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let count = from.read(&mut buffer).unwrap_or(0);
        let due = Instant::now() + each_way;
        let Ok(mut way) = way.lock() else { return };
        if count == 0 {
            way.closed = true;
            changed.notify_all();
            return;
        }
        while way.bytes > ON_THE_WAY_BYTES {
            let Ok(again) = changed.wait(way) else { return };
            way = again;
        }
        way.bytes += count;
        way.chunks.push_back((due, buffer[..count].to_vec()));
        changed.notify_all();
    }
}

fn give_out(mut to: TcpStream, shared: &Shared, bytes_per_second: Option<u64>) {
    let (way, changed) = &**shared;
    let mut free_at = Instant::now();
    loop {
        let (due, chunk) = {
            let Ok(mut way) = way.lock() else { return };
            loop {
                if let Some(next) = way.chunks.pop_front() {
                    way.bytes -= next.1.len();
                    changed.notify_all();
                    break next;
                }
                if way.closed {
                    let _ = to.shutdown(Shutdown::Write);
                    return;
                }
                let Ok(again) = changed.wait(way) else { return };
                way = again;
            }
        };
        let at = due.max(free_at);
        thread::sleep(at.saturating_duration_since(Instant::now()));
        if let Some(rate) = bytes_per_second {
            free_at = at + Duration::from_secs_f64(chunk.len() as f64 / rate as f64);
        }
        if to.write_all(&chunk).is_err() {
            return;
        }
    }
}

/// A long transfer over a long line.
pub fn section(effort: &Effort) -> String {
    const EACH_WAY: Duration = Duration::from_millis(50);
    const RATE: u64 = 2_000_000_000 / 8;
    let bytes = effort.bytes;
    let mut text = String::new();
    for (name, up) in [("up", true), ("down", false)] {
        let mut table = Table::new(
            &format!("{} MiB {name} at 100 ms round trip and 2 Gbit/s, aes128-gcm", bytes >> 20),
            &["client to server", "MiB/s", "ratio"],
        );
        let mut base = None;
        for pair in PAIRS {
            let server = rig::start(pair.server);
            let delay = Delay::start(server.port, EACH_WAY, Some(RATE));
            let port = server.port.to_string();
            let known = server.known_hosts().replace(&port, &delay.port.to_string());
            let remote =
                if up { "cat >/dev/null".to_owned() } else { format!("head -c {bytes} /dev/zero") };
            let mut client = Client::to_port(pair.client, delay.port, &server.user)
                .known_hosts(&known)
                .option("Ciphers=aes128-gcm@openssh.com")
                .command(&remote);
            let command = rig::quiet(&mut client);
            let mut source = None;
            if up {
                let mut head = std::process::Command::new("head");
                head.arg("-c").arg(bytes.to_string()).arg("/dev/zero");
                let mut child = head
                    .stdout(std::process::Stdio::piped())
                    .spawn()
                    .unwrap_or_else(|error| panic!("head: {error}"));
                if let Some(output) = child.stdout.take() {
                    command.stdin(output);
                }
                source = Some(child);
            }
            let began = Instant::now();
            let status = command.status();
            let wall = began.elapsed();
            rig::check(command, status);
            if let Some(mut child) = source {
                let _ = child.wait();
            }
            let base = *base.get_or_insert(wall);
            table.row(&[
                pair.to_string(),
                format!("{:.0}", bytes as f64 / f64::from(1 << 20) / wall.as_secs_f64()),
                times_better(base.as_secs_f64(), wall.as_secs_f64()),
            ]);
        }
        text.push_str(
            &table.finish("The login is in the time; the delay is in a relay at the socket."),
        );
    }
    text
}
