//! One forwarded TCP connection (`-L`): how much goes through, and how long a byte takes there and
//! back.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use keyway_testkit::ssh::free_port;

use crate::Effort;
use crate::report::{Table, median, times_better};
use crate::rig::{self, PAIRS, Pair};

const BLOCK: usize = 256 * 1024;
/// Bytes that are sent there and back, one at a time.
const PINGS: usize = 4000;

/// What a connection to the far end is for, as its first byte.
const UP: u8 = b'u';
const DOWN: u8 = b'd';
const ECHO: u8 = b'e';

/// How long the bytes took.
#[derive(Clone, Copy)]
struct Bulk {
    up: Duration,
    down: Duration,
}

/// The far end: takes, gives or sends back, as asked. Ends with the process.
fn far_end(bytes: u64) -> io::Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || serve(stream, bytes));
        }
    });
    Ok(port)
}

fn serve(mut stream: TcpStream, bytes: u64) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut wish = [0];
    stream.read_exact(&mut wish)?;
    match wish[0] {
        UP => {
            swallow(&mut stream, bytes)?;
            stream.write_all(&wish)
        }
        DOWN => pour(&mut stream, bytes),
        _ => loop {
            stream.read_exact(&mut wish)?;
            stream.write_all(&wish)?;
        },
    }
}

fn pour(stream: &mut TcpStream, bytes: u64) -> io::Result<()> {
    let block = vec![0x5a; BLOCK];
    let mut left = bytes;
    while left > 0 {
        let now = left.min(BLOCK as u64) as usize;
        stream.write_all(&block[..now])?;
        left -= now as u64;
    }
    Ok(())
}

fn swallow(stream: &mut TcpStream, bytes: u64) -> io::Result<()> {
    let mut block = vec![0; BLOCK];
    let mut left = bytes;
    while left > 0 {
        match stream.read(&mut block)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => left = left.saturating_sub(count as u64),
        }
    }
    Ok(())
}

fn connect(port: u16, wish: u8) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_nodelay(true)?;
    stream.write_all(&[wish])?;
    Ok(stream)
}

/// Moves the bytes through `port`, there and then back.
fn bulk(port: u16, bytes: u64) -> io::Result<Bulk> {
    let mut stream = connect(port, UP)?;
    let began = Instant::now();
    pour(&mut stream, bytes)?;
    stream.read_exact(&mut [0])?;
    let up = began.elapsed();
    let began = Instant::now();
    swallow(&mut connect(port, DOWN)?, bytes)?;
    Ok(Bulk { up, down: began.elapsed() })
}

/// How long one byte takes through `port`, there and back.
fn echo(port: u16) -> io::Result<Duration> {
    let mut stream = connect(port, ECHO)?;
    let mut byte = [7];
    let mut ping = |times: usize| -> io::Result<Duration> {
        let began = Instant::now();
        for _ in 0..times {
            stream.write_all(&byte)?;
            stream.read_exact(&mut byte)?;
        }
        Ok(began.elapsed())
    };
    ping(50)?;
    let time = ping(PINGS)? / PINGS as u32;
    stream.shutdown(Shutdown::Both)?;
    Ok(time)
}

/// Runs `work`, and every program that it starts, on one processor. On several, the way of a byte
/// mostly tells how the kernel spread four programs over them and how long idle ones take to wake.
#[cfg(target_os = "linux")]
fn on_one_processor<T>(work: impl FnOnce() -> T) -> T {
    let before = rustix::thread::sched_getaffinity(None).ok();
    if let Some(before) = &before {
        let first = (0..rustix::thread::CpuSet::MAX_CPU).find(|cpu| before.is_set(*cpu));
        let mut one = rustix::thread::CpuSet::new();
        one.set(first.unwrap_or(0));
        // Where it is refused, everything is measured as it comes.
        let _ = rustix::thread::sched_setaffinity(None, &one);
    }
    let done = work();
    if let Some(before) = &before {
        let _ = rustix::thread::sched_setaffinity(None, before);
    }
    done
}

#[cfg(not(target_os = "linux"))]
fn on_one_processor<T>(work: impl FnOnce() -> T) -> T {
    work()
}

/// A client that ends when dropped.
struct Forward(Child);

impl Drop for Forward {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Does something through a forward of a pair's own.
fn through<T>(pair: Pair, far: u16, work: impl FnOnce(u16) -> io::Result<T>) -> io::Result<T> {
    let server = rig::start(pair.server);
    let port = free_port();
    let options = ["Ciphers=aes128-gcm@openssh.com", "ExitOnForwardFailure=yes"];
    let mut client = rig::client(pair, &server, &options, "true")
        .arg("-N")
        .arg("-L")
        .arg(format!("127.0.0.1:{port}:127.0.0.1:{far}"));
    let _child = Forward(rig::quiet(&mut client).spawn()?);
    let until = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(("127.0.0.1", port)).is_err() && Instant::now() < until {
        thread::sleep(Duration::from_millis(5));
    }
    work(port)
}

/// What all runs of one pair took.
#[derive(Default)]
struct Runs {
    up: Vec<Duration>,
    down: Vec<Duration>,
    echo: Vec<Duration>,
}

impl Runs {
    fn add(&mut self, bulk: Bulk, echo: Duration) {
        self.up.push(bulk.up);
        self.down.push(bulk.down);
        self.echo.push(echo);
    }
}

fn middle(times: &[Duration]) -> f64 {
    median(times).unwrap_or_default().as_secs_f64()
}

/// In turns, so that what else the machine does hits all alike; without SSH first.
fn measured(effort: &Effort) -> io::Result<(Runs, Vec<Runs>)> {
    let far = far_end(effort.bytes)?;
    let near = on_one_processor(|| far_end(effort.bytes))?;
    let mut direct = Runs::default();
    let mut runs: Vec<Runs> = PAIRS.iter().map(|_| Runs::default()).collect();
    for _ in 0..effort.transfers {
        direct.add(bulk(far, effort.bytes)?, on_one_processor(|| echo(near))?);
        for (pair, runs) in PAIRS.into_iter().zip(&mut runs) {
            let moved = through(pair, far, |port| bulk(port, effort.bytes))?;
            let sent_back = on_one_processor(|| through(pair, near, echo))?;
            runs.add(moved, sent_back);
        }
    }
    Ok((direct, runs))
}

/// The throughput and the added latency, all pairs.
pub fn section(effort: &Effort) -> String {
    let (direct, runs) = match measured(effort) {
        Ok(measured) => measured,
        Err(error) => return format!("forwards: {error}\n"),
    };
    let mut table = Table::new(
        &format!("One connection through `-L`, {} MiB each way, aes128-gcm", effort.bytes >> 20),
        &[
            "client to server",
            "up MiB/s",
            "ratio",
            "down MiB/s",
            "ratio",
            "added to a byte's way there and back",
            "ratio",
        ],
    );
    let alone = middle(&direct.echo);
    let mebibytes = effort.bytes as f64 / f64::from(1 << 20);
    let speeds: Vec<[f64; 3]> = runs
        .iter()
        .map(|runs| {
            let added = (middle(&runs.echo) - alone).max(0.0);
            [middle(&runs.up), middle(&runs.down), added]
        })
        .collect();
    let base = speeds[0];
    for (pair, [up, down, added]) in PAIRS.into_iter().zip(speeds) {
        table.row(&[
            pair.to_string(),
            format!("{:.0}", mebibytes / up),
            times_better(base[0], up),
            format!("{:.0}", mebibytes / down),
            times_better(base[1], down),
            format!("{:.0} µs", added * 1e6),
            times_better(base[2], added),
        ]);
    }
    table.finish(&format!(
        "Both ends of the forwarded connection are threads of the benchmark. Without SSH between them they move \
         {:.0} MiB/s up and {:.0} MiB/s down, and a byte is back after {:.0} µs, which is taken off. \
         The bytes that go there and back are measured with everything on one processor.",
        mebibytes / middle(&direct.up),
        mebibytes / middle(&direct.down),
        alone * 1e6
    ))
}
