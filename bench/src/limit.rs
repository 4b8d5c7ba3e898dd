//! What is left when SSH is taken away: the cipher at both ends, one TCP
//! connection over loopback, one pipe, and the reads and writes between them.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::thread;
use std::time::Instant;

use crypto::cipher::{Keys, Opener, Sealer};

use crate::proc;
use crate::rig::Cost;

/// Which way the data goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From a file of the client through a command of the server.
    Up,
    /// From a command of the server to the client.
    Down,
}

/// The payload of a packet, as OpenSSH cuts them.
const PAYLOAD_BYTES: usize = 32 * 1024;
/// Packets in one write, as many as fit a comfortable socket buffer.
const BATCH: usize = 8;

struct Shape {
    packet: usize,
    tag: usize,
}

/// Both ends of one cipher.
type Ends = (Box<dyn Sealer>, Box<dyn Opener>, Shape);

fn cipher(name: &str) -> io::Result<Ends> {
    let algorithm = crypto::tables::cipher(name)
        .ok_or_else(|| io::Error::other(format!("no cipher {name}")))?;
    let key = vec![1; algorithm.key_len];
    let iv = vec![2; algorithm.iv_len];
    let keys = || Keys { key: &key, iv: &iv, mac_key: &[] };
    let sealer = algorithm.sealer(None, &keys()).map_err(other)?;
    let opener = algorithm.opener(None, &keys()).map_err(other)?;
    // Length field, padding length and seven bytes of padding keep the rest a
    // multiple of both ciphers' block sizes.
    let shape =
        Shape { packet: 4 + 8 + PAYLOAD_BYTES + 8 + sealer.tag_len(), tag: sealer.tag_len() };
    Ok((sealer, opener, shape))
}

fn other(error: crypto::Error) -> io::Error {
    io::Error::other(error.to_string())
}

/// Seals what it reads.
fn send(
    mut from: impl Read,
    mut to: TcpStream,
    mut sealer: Box<dyn Sealer>,
    shape: &Shape,
) -> io::Result<()> {
    let mut buffer = vec![0; shape.packet * BATCH];
    let length = (shape.packet - shape.tag - 4) as u32;
    let mut number = 0u32;
    loop {
        let mut filled = 0;
        for packet in buffer.chunks_exact_mut(shape.packet) {
            let mut got = 0;
            while got < PAYLOAD_BYTES {
                let count = from.read(&mut packet[12 + got..12 + PAYLOAD_BYTES])?;
                if count == 0 {
                    break;
                }
                got += count;
            }
            if got < PAYLOAD_BYTES {
                break;
            }
            packet[..4].copy_from_slice(&length.to_be_bytes());
            packet[4] = 8;
            sealer.seal(number, packet).map_err(other)?;
            number = number.wrapping_add(1);
            filled += shape.packet;
        }
        to.write_all(&buffer[..filled])?;
        if filled < buffer.len() {
            return Ok(());
        }
    }
}

/// Opens what comes and passes it on.
fn receive(
    mut from: TcpStream,
    mut to: impl Write,
    mut opener: Box<dyn Opener>,
    shape: &Shape,
) -> io::Result<()> {
    let mut buffer = vec![0; shape.packet * BATCH];
    let mut filled = 0;
    let mut number = 0u32;
    loop {
        let count = from.read(&mut buffer[filled..])?;
        if count == 0 {
            return Ok(());
        }
        filled += count;
        let whole = filled / shape.packet * shape.packet;
        for packet in buffer[..whole].chunks_exact_mut(shape.packet) {
            let head = opener.head_len();
            opener.open_length(number, &mut packet[..head]).map_err(other)?;
            opener.open(number, packet).map_err(other)?;
            number = number.wrapping_add(1);
            to.write_all(&packet[12..12 + PAYLOAD_BYTES])?;
        }
        buffer.copy_within(whole..filled, 0);
        filled -= whole;
    }
}

/// What `cat` does.
fn copy(mut from: impl Read, mut to: impl Write) -> io::Result<()> {
    let mut buffer = vec![0; 128 * 1024];
    loop {
        let count = from.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        to.write_all(&buffer[..count])?;
    }
}

/// Moves the file once and says what that cost.
///
/// # Errors
/// Whatever the system says.
pub fn run(name: &str, direction: Direction, path: &Path) -> io::Result<Cost> {
    let (sealer, opener, shape) = cipher(name)?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let out = TcpStream::connect(listener.local_addr()?)?;
    let (into, _) = listener.accept()?;
    out.set_nodelay(true)?;
    let file = File::open(path)?;
    let null = File::options().write(true).open("/dev/null")?;
    let (pipe_out, pipe_in) = io::pipe()?;

    let cpu_before = proc::own_time();
    let began = Instant::now();
    thread::scope(|scope| -> io::Result<()> {
        let shape = &shape;
        let threads = match direction {
            Direction::Up => [
                scope.spawn(move || send(file, out, sealer, shape)),
                scope.spawn(move || receive(into, pipe_in, opener, shape)),
                scope.spawn(move || copy(pipe_out, null)),
            ],
            Direction::Down => [
                scope.spawn(move || copy(file, pipe_in)),
                scope.spawn(move || send(pipe_out, out, sealer, shape)),
                scope.spawn(move || receive(into, null, opener, shape)),
            ],
        };
        for thread in threads {
            thread
                .join()
                .map_err(|_| io::Error::other("a thread of the limit program panicked"))??;
        }
        Ok(())
    })?;
    let wall = began.elapsed();
    let client = proc::own_time().saturating_sub(cpu_before);
    Ok(Cost { wall, client, ..Cost::default() })
}
