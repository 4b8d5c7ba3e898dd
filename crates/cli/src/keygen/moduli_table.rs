//! One line of a file of Diffie-Hellman groups: moduli(5).

use crate::sys::clock;

/// What is known about a number. The numbers are the file's.
pub mod tests {
    /// Found not to be prime.
    pub const COMPOSITE: u32 = 1;
    /// Went through a sieve.
    pub const SIEVE: u32 = 2;
    /// Went through Miller and Rabin's test.
    pub const MILLER_RABIN: u32 = 4;
}

/// The kind of a prime.
pub mod kind {
    /// A prime p with (p - 1) / 2 prime.
    pub const SAFE: u32 = 2;
    /// A prime q with 2q + 1 prime.
    pub const SOPHIE_GERMAIN: u32 = 4;
    /// The last one there is.
    pub const LAST: u32 = 5;
}

/// One number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// See [`kind`].
    pub kind: u32,
    /// See [`tests`].
    pub tests: u32,
    /// How often the last test was made.
    pub tries: u32,
    /// One less than its bits.
    pub size: u32,
    /// 0 while it is not known.
    pub generator: u32,
    /// Big-endian, without leading zeros.
    pub number: Vec<u8>,
}

/// Reads a line; nothing for comments and lines that make no sense.
pub fn parse(line: &str) -> Option<Candidate> {
    let mut words = line.split_ascii_whitespace();
    let time = words.next()?;
    if time.len() < 14 || !time.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let mut number = || words.next()?.parse::<u32>().ok();
    let (kind, tests, tries, size) = (number()?, number()?, number()?, number()?);
    let generator = u32::from_str_radix(words.next()?, 16).ok()?;
    let number = from_hex(words.next()?)?;
    Some(Candidate { kind, tests, tries, size, generator, number })
}

impl Candidate {
    /// The line, with the time it is now.
    pub fn to_line(&self) -> String {
        let time = clock::utc(clock::now(), "%Y%m%d%H%M%S");
        let hex = crate::text::hex(&self.number).to_ascii_uppercase();
        format!(
            "{time} {} {} {} {} {:x} {hex}\n",
            self.kind, self.tests, self.tries, self.size, self.generator
        )
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if text.len() > 4096 {
        return None;
    }
    let digits: Vec<u8> =
        text.chars().map(|c| c.to_digit(16).map(|digit| digit as u8)).collect::<Option<_>>()?;
    let odd = digits.len() % 2;
    let mut bytes = Vec::with_capacity(digits.len() / 2 + 1);
    if odd == 1 {
        bytes.extend(digits.first());
    }
    bytes.extend(digits[odd..].chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]));
    let start = bytes.iter().take_while(|byte| **byte == 0).count();
    Some(bytes.split_off(start))
}

/// How many bits a number has.
pub fn bits(number: &[u8]) -> u32 {
    match number {
        [] => 0,
        [first, rest @ ..] => rest.len() as u32 * 8 + 8 - first.leading_zeros(),
    }
}

/// A number modulo a small one.
pub fn modulo(number: &[u8], small: u64) -> u64 {
    number.iter().fold(0, |rest, byte| (rest << 8 | u64::from(*byte)) % small)
}

/// 2n + 1.
pub fn double_and_one(number: &[u8]) -> Vec<u8> {
    let mut carry = 1;
    let mut doubled: Vec<u8> = number
        .iter()
        .rev()
        .map(|byte| {
            let value = u16::from(*byte) << 1 | carry;
            carry = value >> 8;
            value as u8
        })
        .collect();
    if carry > 0 {
        doubled.push(carry as u8);
    }
    doubled.reverse();
    doubled
}

/// n / 2, without its remainder.
pub fn half(number: &[u8]) -> Vec<u8> {
    let mut carry = 0;
    let halved: Vec<u8> = number
        .iter()
        .map(|byte| {
            let value = byte >> 1 | carry << 7;
            carry = byte & 1;
            value
        })
        .collect();
    let start = halved.iter().take_while(|byte| **byte == 0).count();
    halved[start..].to_vec()
}

/// n + a small number.
pub fn plus(number: &[u8], small: u64) -> Vec<u8> {
    let mut carry = u128::from(small);
    let mut sum: Vec<u8> = number
        .iter()
        .rev()
        .map(|byte| {
            carry += u128::from(*byte);
            let digit = carry as u8;
            carry >>= 8;
            digit
        })
        .collect();
    while carry > 0 {
        sum.push(carry as u8);
        carry >>= 8;
    }
    sum.reverse();
    sum
}

#[cfg(test)]
mod test {
    use super::*;

    #[test]
    fn arithmetic() {
        for number in [0u64, 1, 5, 255, 256, 65_535, 0xffff_ffff] {
            let bytes = number.to_be_bytes();
            let value = |bytes: &[u8]| bytes.iter().fold(0u64, |n, byte| n << 8 | u64::from(*byte));
            assert_eq!(value(&double_and_one(&bytes)), 2 * number + 1);
            assert_eq!(value(&half(&bytes)), number / 2);
            assert_eq!(value(&plus(&bytes, 1000)), number + 1000);
            assert_eq!(modulo(&bytes, 24), number % 24);
        }
        assert_eq!((bits(&[]), bits(&[1]), bits(&[0x80, 0])), (0, 1, 16));
        assert_eq!(double_and_one(&[0xff]), [1, 0xff]);
    }

    #[test]
    fn lines() {
        let line = "20260101000000 2 6 100 2047 5 0ABC";
        let candidate = parse(line).unwrap();
        assert_eq!((candidate.size, candidate.number.as_slice()), (2047, &[0x0a, 0xbc][..]));
        assert_eq!(parse(&candidate.to_line()), Some(candidate));
        for bad in ["", "# x", "2026 2 6 100 2047 5 AB", "20260101000000 2 6 100 2047 5 xy"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
