//! Every fuzz target over seeded noise: less than a fuzzer finds, but on every
//! machine and with every run of the tests.
//!
//! `KEYWAY_MUTATION_SECONDS` says how long each target gets (default 2).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use keyway_testkit::program::peers;
use keyway_testkit::targets::TARGETS;

/// No single input may take longer, unoptimised and on a busy machine.
const LONGEST: Duration = Duration::from_secs(10);

struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    fn mutate(&mut self, bytes: &mut Vec<u8>, others: &[Vec<u8>]) {
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len());
            match self.below(8) {
                0 | 1 if !bytes.is_empty() => bytes[at] ^= 1 << self.below(8),
                2 if !bytes.is_empty() => bytes[at] = self.next() as u8,
                3 => bytes.insert(at, self.next() as u8),
                4 => {
                    let end = (at + self.below(16)).min(bytes.len());
                    bytes.drain(at..end);
                }
                // Sizes and counts are where the trouble is.
                5 if bytes.len() >= 4 => {
                    let at = self.below(bytes.len() - 3);
                    let size = [0, 1, 0x7fff_ffff, 0x8000_0000, u32::MAX, 0x4_0000, 255];
                    let size: u32 = size[self.below(size.len())];
                    bytes[at..at + 4].copy_from_slice(&size.to_be_bytes());
                }
                6 => {
                    let other = &others[self.below(others.len())];
                    let from = self.below(other.len());
                    let piece = &other[from..(from + self.below(64)).min(other.len())];
                    bytes.splice(at..at, piece.iter().copied());
                }
                _ => bytes.truncate(at),
            }
        }
    }
}

#[test]
fn every_target() {
    let seconds = std::env::var("KEYWAY_MUTATION_SECONDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(2);
    for target in TARGETS {
        let seeds = (target.seeds)();
        assert!(!seeds.is_empty(), "{} has no seeds", target.name);
        let mut noise = Noise(0x5EED_0000_0000_0001);
        let until = Instant::now() + Duration::from_secs(seconds);
        let mut inputs = seeds.clone();
        let mut runs = 0;
        while Instant::now() < until || runs < seeds.len() {
            let input = inputs.pop().unwrap_or_else(|| {
                let mut input = seeds[noise.below(seeds.len())].clone();
                noise.mutate(&mut input, &seeds);
                input
            });
            let began = Instant::now();
            let outcome = catch_unwind(AssertUnwindSafe(|| (target.run)(&input)));
            runs += 1;
            if outcome.is_err() || began.elapsed() > LONGEST {
                let file = peers().join(format!("failed-{}", target.name));
                let _ = std::fs::write(&file, &input);
                panic!(
                    "{} after {runs} inputs, in {:?}: the input is {}",
                    target.name,
                    began.elapsed(),
                    file.display()
                );
            }
        }
        println!("{}: {runs} inputs", target.name);
    }
}
