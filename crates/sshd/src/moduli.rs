//! Groups for Diffie-Hellman group exchange, from the moduli file (moduli(5)).

use std::path::Path;

use crate::requests::{Bytes, Group};
use crate::settings::read_limited;

/// The whole file may have this much.
const FILE_BYTES: u64 = 8 * 1024 * 1024;
/// So many groups of each size go to a connection; which ones is drawn at each start.
const GROUPS_PER_SIZE: usize = 3;
/// No more sizes than this are taken.
const SIZES: usize = 8;

/// Some groups of every size in the file; none when there is no file.
pub(crate) fn load(path: &Path) -> Vec<Group> {
    match read_limited(path, FILE_BYTES) {
        Ok(bytes) => draw(&String::from_utf8_lossy(&bytes)),
        Err(error) => {
            log::debug!("{}: {error}; using the groups of RFC 3526", path.display());
            Vec::new()
        }
    }
}

/// The group for what a client wants, RFC 4419 §3: of a size between `min` and
/// `max`, as near to `wanted` as there is, rather above than below.
pub(crate) fn choose(groups: &[Group], min: u32, wanted: u32, max: u32) -> Option<&Group> {
    let fits = |group: &&Group| (min..=max).contains(&group.bits);
    let above = groups.iter().filter(fits).filter(|group| group.bits >= wanted);
    let bits = above
        .map(|group| group.bits)
        .min()
        .or_else(|| groups.iter().filter(fits).map(|group| group.bits).max())?;
    let candidates: Vec<&Group> = groups.iter().filter(|group| group.bits == bits).collect();
    candidates.get(random_below(candidates.len())).copied()
}

fn draw(text: &str) -> Vec<Group> {
    let mut sizes: Vec<(u32, usize, Vec<&str>)> = Vec::new();
    for line in text.lines() {
        let Some(bits) = usable(line) else { continue };
        let at = match sizes.iter().position(|(size, _, _)| *size == bits) {
            Some(at) => at,
            None if sizes.len() < SIZES => {
                sizes.push((bits, 0, Vec::new()));
                sizes.len() - 1
            }
            None => continue,
        };
        let Some((_, seen, kept)) = sizes.get_mut(at) else { continue };
        // Each line has the same chance to be among those that are kept.
        *seen += 1;
        if kept.len() < GROUPS_PER_SIZE {
            kept.push(line);
        } else if let Some(place) = kept.get_mut(random_below(*seen)) {
            *place = line;
        }
    }
    let lines = sizes
        .into_iter()
        .flat_map(|(bits, _, lines)| lines.into_iter().map(move |line| (bits, line)));
    lines.filter_map(|(bits, line)| group(bits, line)).collect()
}

/// The size of the prime in a line that holds a safe prime which was tested.
fn usable(line: &str) -> Option<u32> {
    let mut words = line.split_whitespace();
    let _time = words.next().filter(|word| !word.starts_with('#'))?;
    let safe = words.next()? == "2";
    let tests: u32 = words.next()?.parse().ok()?;
    let _tries = words.next()?;
    let bits: u32 = words.next()?.parse::<u32>().ok()?.checked_add(1)?;
    // Bit 0: found to be composite. Any other bit: one of the tests.
    (safe && tests & 1 == 0 && tests & !1 != 0 && (2048..=8192).contains(&bits)).then_some(bits)
}

fn group(bits: u32, line: &str) -> Option<Group> {
    let mut words = line.split_whitespace().skip(5);
    let g = hexadecimal(words.next()?)?;
    let p = hexadecimal(words.next()?)?;
    // The size is the file's word; the prime itself must agree.
    let first = *p.first()?;
    let real = p.len() * 8 - first.leading_zeros() as usize;
    (real == bits as usize).then_some(Group { bits, p: Bytes(p), g: Bytes(g) })
}

fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    let padded = if text.len() % 2 == 1 { format!("0{text}") } else { text.to_owned() };
    if !padded.is_ascii() {
        return None;
    }
    padded
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

/// Below `limit`; 0 when there is nothing to choose from. A choice among public
/// groups need not be perfectly even.
pub(crate) fn random_below(limit: usize) -> usize {
    let mut bytes = [0; 8];
    crypto::random::fill(&mut bytes);
    if limit == 0 { 0 } else { (u64::from_ne_bytes(bytes) % limit as u64) as usize }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(bits: u32, tests: u32) -> String {
        let prime = format!("8{}7", "0".repeat(bits as usize / 4 - 2));
        format!("20240101000000 2 {tests} 100 {} 2 {prime}\n", bits - 1)
    }

    #[test]
    fn the_nearest_size_from_above_is_chosen() {
        let text = format!(
            "# comment\n{}{}{}{}",
            line(2048, 6),
            line(3072, 6),
            line(4096, 6),
            line(6144, 1)
        );
        let groups = draw(&text);
        let bits = |min, wanted, max| choose(&groups, min, wanted, max).map(|group| group.bits);
        assert_eq!(groups.len(), 3, "the composite one is left out");
        assert_eq!(bits(2048, 3000, 8192), Some(3072));
        assert_eq!(bits(2048, 8192, 8192), Some(4096));
        assert_eq!(bits(2048, 2048, 2048), Some(2048));
        assert_eq!(bits(5000, 6000, 8192), None);
    }

    #[test]
    fn no_more_than_a_few_of_each_size() {
        let groups = draw(&line(2048, 6).repeat(100));
        assert_eq!(groups.len(), GROUPS_PER_SIZE);
    }

    #[test]
    fn a_size_that_is_not_the_primes_is_refused() {
        let text = "20240101000000 2 6 100 3071 2 8000000000000007\n";
        assert!(draw(text).is_empty());
        assert!(draw("20240101000000 2 6 100 3071 2 \u{e9}\u{e9}").is_empty());
    }
}
