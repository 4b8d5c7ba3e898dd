//! `-M`: finds primes for Diffie-Hellman group exchange, and tests them.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crypto::numbers::is_probably_prime;

use super::moduli_table::{self as table, Candidate, kind, tests};
use super::options::is_stdin;
use super::{Failure, Options};
use crate::files;
use crate::text::reason;

/// Bits of a modulus when `-O bits=` is not given.
const BITS_DEFAULT: u32 = 2048;
/// Smallest and largest modulus that is worth testing.
const BITS: std::ops::RangeInclusive<u32> = 512..=32768;
/// Rounds of Miller and Rabin's test.
const ROUNDS_DEFAULT: u32 = 100;
/// How often a checkpoint is written.
const CHECKPOINT: Duration = Duration::from_secs(10);
/// Odd numbers that are sieved from one start.
const SIEVED: usize = 1 << 24;
/// Primes below this are sieved with.
const SMALL: usize = 1 << 20;

/// What `-O` says.
#[derive(Default)]
struct Choices {
    bits: Option<u32>,
    lines: Option<u64>,
    start_line: u64,
    checkpoint: Option<PathBuf>,
    generator: Option<u32>,
    rounds: Option<u32>,
    start: Option<Vec<u8>>,
}

impl Choices {
    fn read(options: &Options) -> Result<Self, Failure> {
        let mut choices = Self::default();
        for option in &options.more {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            let bad = || Failure::Fatal(format!("Invalid \"{name}\" option: \"{value}\""));
            let number = || value.parse::<u32>().map_err(|_| bad());
            match name {
                "lines" => choices.lines = Some(value.parse().map_err(|_| bad())?),
                "start-line" => choices.start_line = value.parse().map_err(|_| bad())?,
                "checkpoint" => choices.checkpoint = Some(PathBuf::from(value)),
                "generator" => {
                    choices.generator = Some(number()?).filter(|generator| *generator > 1);
                    choices.generator.ok_or_else(bad)?;
                }
                "prime-tests" => choices.rounds = Some(number()?).filter(|rounds| *rounds > 0),
                "memory" => {
                    number()?;
                }
                "start" => {
                    let line = format!("20000101000000 0 0 0 0 0 {value}");
                    choices.start = Some(table::parse(&line).ok_or_else(bad)?.number);
                }
                "bits" => choices.bits = Some(number()?).filter(|bits| BITS.contains(bits)),
                _ => return Err(format!("Option \"{option}\" is unsupported for moduli").into()),
            }
        }
        Ok(choices)
    }
}

fn output(options: &Options) -> Result<(PathBuf, Box<dyn Write>), Failure> {
    let [path] = options.files.as_slice() else {
        return Err("No output file specified".into());
    };
    let path = PathBuf::from(path);
    if is_stdin(&path) {
        return Ok((path, Box::new(io::stdout())));
    }
    let file = File::create(&path).map_err(|source| {
        format!("Couldn't open moduli file \"{}\": {}", path.display(), reason(&source))
    })?;
    Ok((path, Box::new(BufWriter::new(file))))
}

/// `-M screen`: keeps the lines whose numbers are safe primes.
pub fn screen(options: &Options) -> Result<ExitCode, Failure> {
    let choices = Choices::read(options)?;
    let input: Box<dyn BufRead> = match options.file.as_deref() {
        Some(path) if !is_stdin(path) => {
            let file = File::open(path).map_err(|source| {
                format!("Couldn't open moduli file \"{}\": {}", path.display(), reason(&source))
            })?;
            Box::new(BufReader::new(file))
        }
        _ => Box::new(BufReader::new(io::stdin())),
    };
    let (path, mut out) = output(options)?;
    let first = choices.checkpoint.as_deref().and_then(read_checkpoint);
    let first = first.unwrap_or(0).max(choices.start_line);
    let mut written_at = Instant::now();
    let (mut found, mut tested) = (0u64, 0u64);
    for (index, line) in input.lines().enumerate() {
        let number = index as u64 + 1;
        if number <= first {
            continue;
        }
        if choices.lines.is_some_and(|lines| number - first > lines) {
            break;
        }
        if let Some(checkpoint) = &choices.checkpoint
            && written_at.elapsed() > CHECKPOINT
        {
            out.flush().map_err(|source| format!("{}: {}", path.display(), reason(&source)))?;
            write_checkpoint(checkpoint, number)?;
            written_at = Instant::now();
        }
        let line = line.map_err(|source| format!("reading moduli: {}", reason(&source)))?;
        let Some(candidate) = table::parse(&line) else { continue };
        tested += 1;
        if let Some(safe) = test(&choices, candidate)? {
            out.write_all(safe.to_line().as_bytes())
                .map_err(|source| format!("{}: {}", path.display(), reason(&source)))?;
            found += 1;
        }
    }
    out.flush().map_err(|source| format!("{}: {}", path.display(), reason(&source)))?;
    if let Some(checkpoint) = &choices.checkpoint {
        // Done: the next run begins at the beginning. That it is gone already is as well.
        let _ = fs::remove_file(checkpoint);
    }
    eprintln!("Found {found} safe primes of {tested} candidates");
    Ok(ExitCode::SUCCESS)
}

/// The candidate as a safe prime; nothing when it is none, or is of no use.
fn test(choices: &Choices, candidate: Candidate) -> Result<Option<Candidate>, Failure> {
    if candidate.tests & tests::COMPOSITE != 0 || candidate.kind > kind::LAST {
        return Ok(None);
    }
    let (p, q, size, known) = if candidate.kind == kind::SOPHIE_GERMAIN {
        let p = table::double_and_one(&candidate.number);
        (p, candidate.number, candidate.size.saturating_add(1), 0)
    } else {
        let q = table::half(&candidate.number);
        (candidate.number, q, candidate.size, candidate.generator)
    };
    // What the line says and what the number is must agree.
    if table::bits(&p) != size.saturating_add(1) || !BITS.contains(&table::bits(&p)) {
        return Ok(None);
    }
    let generator = match (known, table::modulo(&p, 24), table::modulo(&p, 10)) {
        (0, 11, _) => 2,
        (0, _, 3 | 7) => 5,
        (known, _, _) => known,
    };
    if generator == 0 || choices.generator.is_some_and(|wanted| wanted != generator) {
        return Ok(None);
    }
    let rounds = choices.rounds.unwrap_or(ROUNDS_DEFAULT);
    let prime = |number: &[u8], rounds: u32| {
        is_probably_prime(number, u16::try_from(rounds).unwrap_or(u16::MAX))
            .map_err(|why| Failure::Fatal(format!("the primality test failed: {why}")))
    };
    // One round finds nearly all that are composite.
    if !prime(&q, 1)? || !prime(&p, rounds)? || !prime(&q, rounds)? {
        return Ok(None);
    }
    let before = if candidate.tests & tests::MILLER_RABIN != 0 { candidate.tries } else { 0 };
    Ok(Some(Candidate {
        kind: kind::SAFE,
        tests: candidate.tests | tests::MILLER_RABIN,
        tries: before.saturating_add(rounds),
        size,
        generator,
        number: p,
    }))
}

fn read_checkpoint(path: &Path) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    Some(text.trim().parse::<u64>().ok()?.saturating_sub(1))
}

fn write_checkpoint(path: &Path, line: u64) -> Result<(), Failure> {
    files::replace(path, format!("{line}\n").as_bytes(), 0o600)
        .map_err(|source| format!("{}: {}", path.display(), reason(&source)).into())
}

/// `-M generate`: writes numbers that may be half of a safe prime.
pub fn generate(options: &Options) -> Result<ExitCode, Failure> {
    let choices = Choices::read(options)?;
    let bits = choices.bits.or(options.bits).unwrap_or(BITS_DEFAULT);
    if !BITS.contains(&bits) {
        return Err(format!("Invalid number of bits {bits}").into());
    }
    let (path, mut out) = output(options)?;
    let start = match choices.start {
        Some(start) if table::bits(&start) == bits - 1 => start,
        Some(_) => return Err(format!("the start must have {} bits", bits - 1).into()),
        None => random_odd(bits - 1),
    };
    let start =
        if start.last().is_some_and(|byte| byte & 1 == 0) { table::plus(&start, 1) } else { start };
    let composite = sieve(&start);
    let mut count = 0u64;
    for (index, composite) in composite.into_iter().enumerate() {
        if composite {
            continue;
        }
        let number = table::plus(&start, index as u64 * 2);
        if table::bits(&number) != bits - 1 {
            break;
        }
        let candidate = Candidate {
            kind: kind::SOPHIE_GERMAIN,
            tests: tests::SIEVE,
            tries: 0,
            size: bits - 2,
            generator: 0,
            number,
        };
        out.write_all(candidate.to_line().as_bytes())
            .map_err(|source| format!("{}: {}", path.display(), reason(&source)))?;
        count += 1;
    }
    out.flush().map_err(|source| format!("{}: {}", path.display(), reason(&source)))?;
    eprintln!("Found {count} candidates of {bits} bits");
    Ok(ExitCode::SUCCESS)
}

/// A random odd number of so many bits.
fn random_odd(bits: u32) -> Vec<u8> {
    let mut number = vec![0; bits.div_ceil(8) as usize];
    crypto::random::fill(&mut number);
    let top = (bits - 1) % 8;
    if let Some(first) = number.first_mut() {
        *first = *first & ((1 << top) - 1) | 1 << top;
    }
    if let Some(last) = number.last_mut() {
        *last |= 1;
    }
    number
}

/// Marks each odd number q from `start` on for which q or 2q + 1 has a small factor.
fn sieve(start: &[u8]) -> Vec<bool> {
    let mut composite = vec![false; SIEVED];
    for prime in small_primes() {
        let rest = table::modulo(start, prime);
        let half = prime.div_ceil(2); // the inverse of 2
        // start + 2i = 0, so i = -start / 2; for 2q + 1 = 0 it is i = (-1 - 2 start) / 4.
        let first = (prime - rest) % prime * half % prime;
        let second = (2 * prime - 1 - rest * 2 % prime) % prime * half % prime * half % prime;
        for first in [first, second] {
            for index in (first as usize..SIEVED).step_by(prime as usize) {
                composite[index] = true;
            }
        }
    }
    composite
}

fn small_primes() -> Vec<u64> {
    let mut composite = vec![false; SMALL];
    let mut primes = Vec::new();
    for number in (3..SMALL).step_by(2) {
        if !composite[number] {
            primes.push(number as u64);
            for multiple in (number * number..SMALL).step_by(number) {
                composite[multiple] = true;
            }
        }
    }
    primes
}

#[cfg(test)]
mod test {
    use super::*;

    #[test]
    fn the_sieve_marks_what_has_small_factors() {
        let start = 1_000_003u64.to_be_bytes();
        let composite = sieve(&start);
        let small =
            |number: u64| [3, 5, 7, 11, 13, 17, 19, 23].iter().any(|p| number.is_multiple_of(*p));
        for (index, marked) in composite.iter().take(2000).enumerate() {
            let q = 1_000_003 + 2 * index as u64;
            assert!(*marked || !(small(q) || small(2 * q + 1)), "{q}");
        }
    }

    #[test]
    fn random_numbers_have_their_bits() {
        for bits in [511, 512, 513, 1023] {
            let number = random_odd(bits);
            assert_eq!(table::bits(&number), bits);
        }
    }
}
