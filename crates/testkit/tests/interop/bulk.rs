//! Much data, both ways at once, every byte compared.

use std::io::{Read, Write};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use keyway_testkit::{Client, Implementation, Server};

use crate::PAIRS;

/// Not a multiple of any packet size, so that the borders wander.
const BLOCK_BYTES: usize = 1_000_003;

fn mebibytes() -> usize {
    std::env::var("KEYWAY_TEST_MIB").ok().and_then(|text| text.parse().ok()).unwrap_or(1024)
}

/// Block `number` of the stream: noise that compression cannot shrink, with
/// the number in it every 4 KiB.
struct Source {
    block: Vec<u8>,
}

impl Source {
    fn new() -> Self {
        let mut state = 0x9E37_79B9_7F4A_7C15u64;
        let mut block = Vec::with_capacity(BLOCK_BYTES + 8);
        while block.len() < BLOCK_BYTES {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            block.extend_from_slice(&state.to_le_bytes());
        }
        block.truncate(BLOCK_BYTES);
        Self { block }
    }

    fn block(&mut self, number: usize) -> &[u8] {
        for at in (0..BLOCK_BYTES - 8).step_by(4096) {
            self.block[at..at + 8].copy_from_slice(&(number as u64).to_le_bytes());
        }
        &self.block
    }
}

/// Sends `blocks` blocks through `cat` on the far side and compares what
/// comes back while the rest still goes out.
fn both_ways(
    client: &mut Client,
    blocks: usize,
    deadline: Duration,
) -> Result<(Duration, String), String> {
    let began = Instant::now();
    let mut child = client
        .finish()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut output = child.stdout.take().unwrap();
    let mut errors = child.stderr.take().unwrap();
    let writer = thread::spawn(move || {
        let mut source = Source::new();
        for number in 0..blocks {
            if let Err(error) = input.write_all(source.block(number)) {
                return Err(format!("block {number} did not go in: {error}"));
            }
        }
        Ok(())
    });
    let log = thread::spawn(move || {
        let mut text = Vec::new();
        let _ = errors.read_to_end(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    });
    let reader = thread::spawn(move || {
        let mut source = Source::new();
        let mut block = vec![0; BLOCK_BYTES];
        for number in 0..blocks {
            output
                .read_exact(&mut block)
                .map_err(|error| format!("block {number} did not come out: {error}"))?;
            if block != source.block(number) {
                return Err(format!("block {number} came back changed"));
            }
        }
        match output.read(&mut block) {
            Ok(0) => Ok(()),
            other => Err(format!("after the last block: {other:?}")),
        }
    });
    let status = keyway_testkit::process::wait(&mut child, began + deadline);
    if status.is_none() {
        let _ = child.kill();
        let _ = child.wait();
    }
    let log = log.join().unwrap();
    let tail = log.lines().rev().take(20).collect::<Vec<_>>();
    let tail = tail.into_iter().rev().collect::<Vec<_>>().join("\n");
    let with_log = |reason: String| format!("{reason}\n{tail}");
    let Some(status) = status else {
        return Err(with_log(format!("not done after {deadline:?}")));
    };
    reader.join().unwrap().map_err(with_log)?;
    writer.join().unwrap().map_err(with_log)?;
    if status.code() == Some(9) {
        Ok((began.elapsed(), log))
    } else {
        Err(with_log(format!("expected code 9, got {status}")))
    }
}

fn transfer(pair: (Implementation, Implementation), options: &[&str]) -> (usize, String) {
    let blocks = (mebibytes() << 20).div_ceil(BLOCK_BYTES);
    let server = Server::new(pair.1).config("RekeyLimit 1M").start();
    let mut client = Client::new(pair.0, &server).arg("-v").command("cat; exit 9");
    for option in options {
        client = client.option(option);
    }
    match both_ways(&mut client, blocks, Duration::from_secs(900)) {
        Ok((elapsed, log)) => {
            let moved = (blocks * BLOCK_BYTES) >> 20;
            println!("{pair:?} {options:?}: {moved} MiB each way in {elapsed:.1?}");
            (moved, log)
        }
        Err(reason) => panic!("{pair:?} {options:?}: {reason}"),
    }
}

/// A new key exchange for every megabyte, while both directions are full.
#[test]
fn both_ways_while_rekeying() {
    for pair in PAIRS {
        let (moved, log) = transfer(
            pair,
            &["RekeyLimit=1M", "KexAlgorithms=curve25519-sha256", "Ciphers=aes128-gcm@openssh.com"],
        );
        let exchanges = log.matches("SSH2_MSG_NEWKEYS sent").count();
        assert!(exchanges >= moved / 4, "{pair:?}: {exchanges} key exchanges for {moved} MiB");
    }
}
