//! Two drivers joined by a socket pair: throughput, fairness and endings.

#![expect(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod support;

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::Receiver;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use keyway_net::{
    Application, End, Endpoint, EndpointEvent, Endpoints, KeepAlive, Link, Transport,
};
use proto::{Client, Compression, Config, Event};
use support::{Commands, Pattern, TestClient, run};

const CHUNK: usize = 64 * 1024;

fn pipe() -> (OwnedFd, OwnedFd) {
    keyway_net::open::pipe().unwrap()
}

/// Writes so many pattern bytes into a pipe and closes it.
fn producer(seed: u64, bytes: usize) -> (OwnedFd, JoinHandle<()>) {
    let (reader, writer) = pipe();
    let thread = std::thread::spawn(move || {
        let (mut pattern, mut writer) = (Pattern::new(seed), File::from(writer));
        let mut chunk = vec![0; CHUNK];
        for _ in 0..bytes / CHUNK {
            pattern.fill(&mut chunk);
            writer.write_all(&chunk).unwrap();
        }
    });
    (reader, thread)
}

/// Reads a pipe to its end, compares with the pattern and counts.
fn consumer(seed: u64) -> (OwnedFd, JoinHandle<usize>) {
    let (reader, writer) = pipe();
    (writer, std::thread::spawn(move || consume(reader, seed)))
}

fn consume(reader: OwnedFd, seed: u64) -> usize {
    let (mut pattern, mut reader) = (Pattern::new(seed), File::from(reader));
    let (mut chunk, mut expected) = (vec![0; CHUNK], vec![0; CHUNK]);
    let mut total = 0;
    loop {
        let mut filled = 0;
        while filled < CHUNK {
            match reader.read(&mut chunk[filled..]).unwrap() {
                0 => break,
                count => filled += count,
            }
        }
        pattern.fill(&mut expected);
        assert!(chunk[..filled] == expected[..filled], "wrong bytes after {total}");
        total += filled;
        if filled < CHUNK {
            return total;
        }
    }
}

fn ends(input: OwnedFd, output: OwnedFd) -> Endpoints {
    Endpoints {
        input: Some(Endpoint::pipe(input)),
        output: Some(Endpoint::pipe(output)),
        ..Endpoints::default()
    }
}

/// What is written comes back.
fn echo() -> Endpoints {
    let (reader, writer) = pipe();
    ends(reader, writer)
}

#[test]
fn both_directions_at_once() {
    const BYTES: usize = 64 * 1024 * 1024;
    let (up_in, up_producer) = producer(1, BYTES);
    let (up_out, up_consumer) = consumer(1);
    let (down_in, down_producer) = producer(2, BYTES);
    let (down_out, down_consumer) = consumer(2);
    let client = TestClient::with(vec![(b"x", ends(up_in, down_out))]);
    let commands = Commands::from([(b"x".to_vec(), ends(down_in, up_out))]);
    let started = Instant::now();
    let (end, client, _) = run(client, commands);
    let rate = u128::from(BYTES as u64) / started.elapsed().as_micros().max(1);
    eprintln!("{rate} MB/s each way");
    assert!(matches!(end, End::Finished), "{end:?}");
    assert_eq!(client.statuses, 1);
    assert_eq!(down_consumer.join().unwrap(), BYTES);
    up_producer.join().unwrap();
    down_producer.join().unwrap();
    assert_eq!(up_consumer.join().unwrap(), BYTES);
}

/// Sends bytes there and back.
fn round_trip(transports: (Transport, Transport), config: Config) {
    const BYTES: usize = 8 * 1024 * 1024;
    let (source, producer) = producer(1, BYTES);
    let (sink, consumer) = consumer(1);
    let client = TestClient::with(vec![(b"x", ends(source, sink))]);
    let commands = Commands::from([(b"x".to_vec(), echo())]);
    let (end, _, _) = support::run_over(transports, config, client, commands);
    assert!(matches!(end, End::Finished), "{end:?}");
    assert_eq!(consumer.join().unwrap(), BYTES);
    producer.join().unwrap();
}

#[test]
fn over_a_pair_of_pipes() {
    round_trip(support::pipes(), Config::client());
}

#[test]
fn through_many_key_exchanges() {
    let config = Config { rekey_bytes: Some(512 * 1024), ..Config::client() };
    round_trip(support::sockets(), config);
}

#[test]
fn compressed() {
    let config = Config { compression: Compression::Yes, ..Config::client() };
    round_trip(support::sockets(), config);
}

#[test]
fn through_a_small_window() {
    let config = Config { window_bytes: Some(10_000), ..Config::client() };
    round_trip(support::sockets(), config);
}

/// A pty in raw mode: the master, and the slave as a program has it.
fn terminal() -> (OwnedFd, OwnedFd) {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    let master = keyway_net::open::received(master).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let path = ptsname(&master, Vec::new()).unwrap();
    let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY;
    let slave = rustix::fs::open(path, flags, rustix::fs::Mode::empty()).unwrap();
    let mut modes = tcgetattr(&slave).unwrap();
    modes.make_raw();
    tcsetattr(&slave, OptionalActions::Now, &modes).unwrap();
    (master, slave)
}

#[test]
fn between_terminals() {
    const BYTES: usize = 1024 * 1024;
    // The program writes to its terminal, which the server reads; the client
    // writes that to the user's, whose master is read slowly.
    let (program_master, program_slave) = terminal();
    let (user_master, user_slave) = terminal();
    let program = std::thread::spawn(move || {
        let (mut pattern, mut slave) = (Pattern::new(3), File::from(program_slave));
        let mut chunk = vec![0; CHUNK];
        for _ in 0..BYTES / CHUNK {
            pattern.fill(&mut chunk);
            slave.write_all(&chunk).unwrap();
        }
    });
    let user = std::thread::spawn(move || {
        let mut master = File::from(user_master);
        let (mut all, mut chunk) = (Vec::new(), [0; 1000]);
        while all.len() < BYTES {
            let count = master.read(&mut chunk).unwrap();
            all.extend_from_slice(&chunk[..count]);
            if all.len() % 64 < 4 {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        (all, master)
    });
    let output = Endpoint::inherited(user_slave.as_fd()).unwrap();
    let input = Endpoint::inherited(user_slave.as_fd()).unwrap().filtered();
    let user_ends = Endpoints { input: Some(input), output: Some(output), ..Endpoints::default() };
    let commands =
        Commands::from([(b"x".to_vec(), Endpoints::duplex(Endpoint::pty(program_master)))]);
    let (ours, theirs) = support::sockets();
    let server = std::thread::spawn(move || support::serve(theirs, commands, None));
    let mut driver = support::client_driver(ours);
    // The server waits for our EOF; its own shows that the program has ended.
    let mut client = TestClient::with(vec![(b"x", user_ends)]);
    client.finish_at_eof = true;
    let end = driver.run(&mut client);
    assert!(matches!(end, End::Finished), "{end:?}");
    drop(driver);
    server.join().unwrap();
    program.join().unwrap();
    let (all, _master) = user.join().unwrap();
    let mut expected = vec![0; BYTES];
    Pattern::new(3).fill(&mut expected);
    assert!(all == expected);
    let flags = rustix::fs::fcntl_getfl(&user_slave).unwrap();
    assert!(!flags.contains(rustix::fs::OFlags::NONBLOCK));
}

#[test]
fn many_channels_of_files() {
    const CHANNELS: usize = 100;
    const BYTES: usize = 300_000;
    let directory = tempfile::tempdir().unwrap();
    let (mut jobs, mut commands) = (Vec::new(), Commands::new());
    let names: Vec<String> = (0..CHANNELS).map(|number| format!("echo {number}")).collect();
    for (number, name) in names.iter().enumerate() {
        let mut bytes = vec![0; BYTES];
        Pattern::new(number as u64).fill(&mut bytes);
        let (from, to) = (directory.path().join(format!("{name}.in")), directory.path().join(name));
        std::fs::write(&from, bytes).unwrap();
        let endpoints = Endpoints {
            input: Some(Endpoint::probe(File::open(from).unwrap().into()).unwrap()),
            output: Some(Endpoint::probe(File::create(to).unwrap().into()).unwrap()),
            ..Endpoints::default()
        };
        jobs.push((name.as_bytes(), endpoints));
        commands.insert(name.clone().into_bytes(), echo());
    }
    let (end, client, _) = run(TestClient::with(jobs), commands);
    assert!(matches!(end, End::Finished), "{end:?}");
    assert_eq!(client.closed.len(), CHANNELS);
    for (number, name) in names.iter().enumerate() {
        let mut expected = vec![0; BYTES];
        Pattern::new(number as u64).fill(&mut expected);
        assert!(std::fs::read(directory.path().join(name)).unwrap() == expected, "{name}");
    }
}

#[test]
fn a_stalled_reader_stops_nobody_else() {
    const BYTES: usize = 16 * 1024 * 1024;
    // Nobody reads this pipe until the other channel is through.
    let (stalled_reader, stalled_writer) = pipe();
    let (stalled_source, stalled_producer) = producer(1, BYTES);
    let (source, quick_producer) = producer(2, BYTES);
    let (sink, quick_consumer) = consumer(2);
    let none = File::open("/dev/null").unwrap();
    let null = || Endpoint::probe(none.try_clone().unwrap().into()).unwrap();
    let stalled_ends = Endpoints {
        input: Some(null()),
        output: Some(Endpoint::pipe(stalled_writer)),
        ..Endpoints::default()
    };
    let client = TestClient::with(vec![(b"stalled", stalled_ends), (b"quick", ends(source, sink))]);
    let producing =
        Endpoints { input: Some(Endpoint::pipe(stalled_source)), ..Endpoints::default() };
    let commands = Commands::from([(b"stalled".to_vec(), producing), (b"quick".to_vec(), echo())]);
    let unblock = std::thread::spawn(move || {
        assert_eq!(quick_consumer.join().unwrap(), BYTES);
        consume(stalled_reader, 1)
    });
    let (end, client, _) = run(client, commands);
    assert!(matches!(end, End::Finished), "{end:?}");
    assert_eq!(unblock.join().unwrap(), BYTES);
    assert_eq!(client.closed.first().unwrap(), b"quick");
    stalled_producer.join().unwrap();
    quick_producer.join().unwrap();
}

#[test]
fn standard_error_has_its_own_way() {
    let (out, err, input) = (pipe(), pipe(), pipe());
    let client_ends = Endpoints {
        input: Some(Endpoint::pipe(input.0)),
        output: Some(Endpoint::pipe(out.1)),
        stderr_output: Some(Endpoint::pipe(err.1)),
        ..Endpoints::default()
    };
    let (server_out, server_err) = (pipe(), pipe());
    let server_ends = Endpoints {
        input: Some(Endpoint::pipe(server_out.0)),
        stderr_input: Some(Endpoint::pipe(server_err.0)),
        ..Endpoints::default()
    };
    File::from(server_out.1).write_all(b"out").unwrap();
    File::from(server_err.1).write_all(b"err").unwrap();
    let commands = Commands::from([(b"x".to_vec(), server_ends)]);
    let (end, client, server) = run(TestClient::with(vec![(b"x", client_ends)]), commands);
    assert!(matches!(end, End::Finished), "{end:?}");
    let read = |fd: OwnedFd| std::io::read_to_string(File::from(fd)).unwrap();
    assert_eq!((read(out.0).as_str(), read(err.0).as_str()), ("out", "err"));
    let seen: Vec<_> = server.seen.iter().map(|(_, event)| *event).collect();
    assert_eq!(seen, [EndpointEvent::InputEnded, EndpointEvent::Done]);
    assert_eq!(client.statuses, 1);
}

#[test]
fn a_socket_is_shut_down_one_way_at_a_time() {
    let (client_end, mut user) = UnixStream::pair().unwrap();
    let (server_end, mut program) = UnixStream::pair().unwrap();
    let program = std::thread::spawn(move || {
        let mut text = String::new();
        program.read_to_string(&mut text).unwrap();
        program.write_all(text.to_uppercase().as_bytes()).unwrap();
    });
    let user = std::thread::spawn(move || {
        user.write_all(b"hello").unwrap();
        user.shutdown(std::net::Shutdown::Write).unwrap();
        let mut text = String::new();
        user.read_to_string(&mut text).unwrap();
        text
    });
    let duplex = |socket: UnixStream| Endpoints::duplex(Endpoint::socket(socket.into()));
    let commands = Commands::from([(b"x".to_vec(), duplex(server_end))]);
    let (end, _, _) = run(TestClient::with(vec![(b"x", duplex(client_end))]), commands);
    assert!(matches!(end, End::Finished), "{end:?}");
    assert_eq!(user.join().unwrap(), "HELLO");
    program.join().unwrap();
}

#[test]
fn a_reader_that_goes_away_stops_the_writer() {
    let (reader, writer) = pipe();
    drop(reader);
    let (source, endless) = pipe();
    let endless = std::thread::spawn(move || {
        let mut endless = File::from(endless);
        let chunk = vec![0; CHUNK];
        // Until the server, told by the client, closes the other end.
        while endless.write_all(&chunk).is_ok() {}
    });
    let (quiet, _open) = pipe();
    let client = TestClient::with(vec![(b"yes", ends(quiet, writer))]);
    let producing = Endpoints { input: Some(Endpoint::pipe(source)), ..Endpoints::default() };
    let (end, client, _) = run(client, Commands::from([(b"yes".to_vec(), producing)]));
    assert!(matches!(end, End::Finished), "{end:?}");
    endless.join().unwrap();
    let broken = EndpointEvent::OutputEnded { broken: true };
    assert!(client.seen.iter().any(|(_, event)| *event == broken), "{:?}", client.seen);
}

#[test]
fn filtered_input_is_what_the_application_leaves() {
    let (source, mut typed) = {
        let (reader, writer) = pipe();
        (reader, File::from(writer))
    };
    typed.write_all(b"a~b~~c").unwrap();
    drop(typed);
    let (result, sink) = pipe();
    let client_ends = Endpoints {
        input: Some(Endpoint::pipe(source).filtered()),
        output: Some(Endpoint::pipe(sink)),
        ..Endpoints::default()
    };
    let mut client = TestClient::with(vec![(b"x", client_ends)]);
    client.filter = Some(|data| data.retain(|byte| *byte != b'~'));
    let (end, _, _) = run(client, Commands::from([(b"x".to_vec(), echo())]));
    assert!(matches!(end, End::Finished), "{end:?}");
    assert_eq!(std::io::read_to_string(File::from(result)).unwrap(), "abc");
}

/// Ends its run after some time; no ping's answer may reach it.
struct Until(TestClient, Instant);

impl Application<Client> for Until {
    fn event(&mut self, link: &mut Link<Client>, event: Event<'static>) {
        assert!(!matches!(event, Event::GlobalAnswered { .. }));
        self.0.event(link, event);
    }

    fn deadline(&self) -> Option<Instant> {
        Some(self.1)
    }

    fn timeout(&mut self, link: &mut Link<Client>) {
        self.1 += Duration::from_secs(3600);
        link.finish();
    }
}

fn keeping_alive(hang: Option<Receiver<()>>) -> (End, JoinHandle<()>) {
    let (ours, theirs) = support::sockets();
    let server = std::thread::spawn(move || {
        let (end, _) = support::serve(theirs, Commands::new(), hang);
        assert!(matches!(end, End::Ended(_)), "{end:?}");
    });
    let client = TestClient {
        authenticated: Some(|link| {
            let interval = Duration::from_millis(100);
            link.set_keep_alive(Some(KeepAlive { interval, count_max: Some(3) }));
        }),
        ..TestClient::default()
    };
    let mut driver = support::client_driver(ours);
    (driver.run(&mut Until(client, Instant::now() + Duration::from_millis(1500))), server)
}

#[test]
fn a_silent_remote_is_given_up() {
    let (release, hang) = std::sync::mpsc::channel();
    let (end, server) = keeping_alive(Some(hang));
    assert!(matches!(end, End::TimedOut), "{end:?}");
    drop(release);
    server.join().unwrap();
}

#[test]
fn a_remote_that_answers_is_kept() {
    let (end, server) = keeping_alive(None);
    assert!(matches!(end, End::Finished), "{end:?}");
    server.join().unwrap();
}

#[test]
fn a_program_that_reads_nothing_does_not_keep_the_server() {
    const BYTES: usize = 1024 * 1024;
    let (source, producer) = producer(1, BYTES);
    let (_unread, stuck) = pipe();
    let (quiet, _open) = pipe();
    let (_result, sink) = pipe();
    let mut client = TestClient::with(vec![(b"x", ends(source, sink))]);
    client.finish_at_input_end = true;
    let commands = Commands::from([(b"x".to_vec(), ends(quiet, stuck))]);
    // Ends with the test, or not at all.
    let (end, _, _) = run(client, commands);
    assert!(matches!(end, End::Finished), "{end:?}");
    producer.join().unwrap();
}

#[test]
fn a_lost_connection_is_told() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut driver = support::client_driver(Transport::socket(ours.into()));
    let lost = std::thread::spawn(move || {
        let mut theirs = theirs;
        let mut ident = [0; 4];
        theirs.read_exact(&mut ident).unwrap();
    });
    let end = driver.run(&mut TestClient::default());
    let expected = proto::Error::ConnectionLost { received_ident: false };
    assert!(matches!(&end, End::Ended(error) if *error == expected), "{end:?}");
    lost.join().unwrap();
}
