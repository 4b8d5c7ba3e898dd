//! When keys are pressed is not to be seen in when packets leave.

use std::thread::sleep;
use std::time::{Duration, Instant};

use keyway_testkit::Implementation::{OpenSsh, Ours};
use keyway_testkit::relay::Relay;
use keyway_testkit::{Server, StartedServer};

use crate::User;
use crate::terminal::Terminal;

/// Pauses of somebody who types.
const PAUSES: [u64; 10] = [130, 35, 71, 22, 93, 57, 110, 44, 84, 65];

/// What a watcher of the wire sees: when packets left, from the first key on.
struct Seen {
    packets: Vec<Duration>,
    /// When the last key was pressed.
    last_key: Duration,
}

impl Seen {
    fn between(&self, from: Duration, to: Duration) -> usize {
        self.packets.iter().filter(|at| (from..to).contains(at)).count()
    }

    /// After the last key.
    fn after(&self, from: u64, to: u64) -> usize {
        let at = |milliseconds| self.last_key + Duration::from_millis(milliseconds);
        self.between(at(from), at(to))
    }
}

fn watch(server: &StartedServer, obscure: &str) -> Seen {
    let relay = Relay::start(server.port);
    let mut user = User::new(server);
    user.port = relay.port;
    let obscure = format!("ObscureKeystrokeTiming={obscure}");
    let options =
        ["-tt", "-o", &obscure, "-o", "StrictHostKeyChecking=no", "-o", "UpdateHostKeys=no"];
    let mut command = user.ssh(&options);
    command.arg("stty raw -echo; echo rea''dy; sleep 5");
    let mut terminal = Terminal::start(&command);
    terminal.expect("ready");
    sleep(Duration::from_millis(300));
    let begin = Instant::now();
    let mut last_key = Duration::ZERO;
    for pause in PAUSES {
        last_key = begin.elapsed();
        terminal.type_keys("k");
        sleep(Duration::from_millis(pause));
    }
    let (code, seen) = terminal.finish();
    assert_eq!(code, 0, "{seen}");
    Seen { packets: relay.pieces_since(begin), last_key }
}

#[test]
fn packets_leave_at_a_pace_of_their_own() {
    let server = Server::new(Ours).start();
    let seen = watch(&server, "interval:40");
    // One every 36 to 40 ms, whatever the keys do; a busy machine may miss some.
    let typing = seen.between(Duration::ZERO, seen.last_key) as u128;
    let milliseconds = seen.last_key.as_millis();
    let expected = milliseconds / 40 * 2 / 3..=milliseconds / 36 + 2;
    assert!(expected.contains(&typing), "{typing} in {:?}", seen.packets);
    let gaps: Vec<Duration> =
        seen.packets.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).take(40).collect();
    let mut sorted = gaps.clone();
    sorted.sort_unstable();
    let middle = sorted[sorted.len() / 2].as_millis();
    assert!((32..=48).contains(&middle), "{gaps:?}");
    // Chaff goes on for 1 to 2 seconds.
    assert!(seen.after(40, 1000) >= 15, "{:?}", seen.packets);
    assert_eq!(seen.after(2150, 3000), 0, "{:?}", seen.packets);
}

#[test]
fn without_it_packets_leave_with_the_keys() {
    let server = Server::new(Ours).start();
    let seen = watch(&server, "no");
    let packets = seen.between(Duration::ZERO, Duration::from_secs(3));
    // A busy machine may put two keys into one.
    assert!((7..=PAUSES.len()).contains(&packets), "{:?}", seen.packets);
    assert_eq!(seen.after(100, 3000), 0, "{:?}", seen.packets);
}

#[test]
fn a_server_that_does_not_answer_gets_no_chaff() {
    let server = Server::new(OpenSsh).start();
    let seen = watch(&server, "yes");
    let packets = seen.between(Duration::ZERO, Duration::from_secs(3));
    // A busy machine may put two keys into one.
    assert!((7..=PAUSES.len()).contains(&packets), "{:?}", seen.packets);
    assert_eq!(seen.after(100, 3000), 0, "{:?}", seen.packets);
}
