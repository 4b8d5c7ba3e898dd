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
use crate::rig::{self, PAIRS};

const BLOCK: usize = 256 * 1024;
/// Bytes that are sent there and back, one at a time.
const PINGS: usize = 4000;

/// What a connection to the far end is for, as its first byte.
const UP: u8 = b'u';
const DOWN: u8 = b'd';
const ECHO: u8 = b'e';

/// What one connection did.
#[derive(Clone, Copy)]
struct Run {
    up: Duration,
    down: Duration,
    echo: Duration,
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

/// Uses the far end through `port`, once for each purpose.
fn run(port: u16, bytes: u64) -> io::Result<Run> {
    let connect = |wish: u8| -> io::Result<TcpStream> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.write_all(&[wish])?;
        Ok(stream)
    };
    let mut echo = connect(ECHO)?;
    let mut byte = [7];
    let mut ping = |times: usize| -> io::Result<Duration> {
        let began = Instant::now();
        for _ in 0..times {
            echo.write_all(&byte)?;
            echo.read_exact(&mut byte)?;
        }
        Ok(began.elapsed())
    };
    ping(50)?;
    let echo_time = ping(PINGS)? / PINGS as u32;
    echo.shutdown(Shutdown::Both)?;
    let mut stream = connect(UP)?;
    let began = Instant::now();
    pour(&mut stream, bytes)?;
    stream.read_exact(&mut byte)?;
    let up = began.elapsed();
    let began = Instant::now();
    swallow(&mut connect(DOWN)?, bytes)?;
    Ok(Run { up, down: began.elapsed(), echo: echo_time })
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

/// The throughput and the added latency, all pairs.
pub fn section(effort: &Effort) -> String {
    let far = match far_end(effort.bytes) {
        Ok(port) => port,
        Err(error) => return format!("forwards: no port: {error}\n"),
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
    let middle = |runs: &[Run], part: fn(&Run) -> Duration| {
        median(&runs.iter().map(part).collect::<Vec<_>>()).unwrap_or_default().as_secs_f64()
    };
    let direct: Vec<Run> =
        (0..effort.transfers).filter_map(|_| run(far, effort.bytes).ok()).collect();
    let mut runs: Vec<Vec<Run>> = PAIRS.iter().map(|_| Vec::new()).collect();
    // In turns, so that what else the machine does hits all alike.
    for _ in 0..effort.transfers {
        for (pair, runs) in PAIRS.into_iter().zip(&mut runs) {
            let server = rig::start(pair.server);
            let port = free_port();
            let options = ["Ciphers=aes128-gcm@openssh.com", "ExitOnForwardFailure=yes"];
            let mut client = rig::client(pair, &server, &options, "true")
                .arg("-N")
                .arg("-L")
                .arg(format!("127.0.0.1:{port}:127.0.0.1:{far}"));
            let child = match rig::quiet(&mut client).spawn() {
                Ok(child) => Forward(child),
                Err(error) => return format!("forwards: {error}\n"),
            };
            let until = Instant::now() + Duration::from_secs(10);
            while TcpStream::connect(("127.0.0.1", port)).is_err() && Instant::now() < until {
                thread::sleep(Duration::from_millis(5));
            }
            match run(port, effort.bytes) {
                Ok(run) => runs.push(run),
                Err(error) => return format!("forwards, {pair}: {error}\n"),
            }
            drop(child);
        }
    }
    let alone = middle(&direct, |run| run.echo);
    let mebibytes = effort.bytes as f64 / f64::from(1 << 20);
    let speeds: Vec<[f64; 3]> = runs
        .iter()
        .map(|runs| {
            let added = (middle(runs, |run| run.echo) - alone).max(0.0);
            [middle(runs, |run| run.up), middle(runs, |run| run.down), added]
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
         {:.0} MiB/s up and {:.0} MiB/s down, and a byte is back after {:.0} µs, which is taken off.",
        mebibytes / middle(&direct, |run| run.up),
        mebibytes / middle(&direct, |run| run.down),
        alone * 1e6
    ))
}
