//! What is to be scanned: words, lists in files, and ranges of addresses.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::net::IpAddr;
use std::path::PathBuf;

use crate::messages::debug;

/// A line longer than this is no list of hosts.
const LINE_BYTES_MAX: u64 = 64 * 1024;

/// One host under all its names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Whom to connect to; a later one when an earlier one does not answer.
    pub names: VecDeque<String>,
    /// What is printed for it, with commas between.
    pub output: String,
}

/// All targets, one after another: nothing is read or counted before it is its turn, so ranges may
/// be as large as they like.
pub struct Hosts {
    files: VecDeque<Option<PathBuf>>,
    reading: Option<(Box<dyn BufRead>, String)>,
    words: VecDeque<String>,
    range: Option<Range>,
}

impl Hosts {
    /// Files come first, then words.
    pub fn new(files: &[Option<PathBuf>], words: &[String]) -> Self {
        Hosts {
            files: files.iter().cloned().collect(),
            reading: None,
            words: words.iter().cloned().collect(),
            range: None,
        }
    }

    /// The next target.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn next(&mut self) -> Result<Option<Target>, String> {
        loop {
            if let Some(address) = self.range.as_mut().and_then(Iterator::next) {
                let name = address.to_string();
                debug!("CIDR expand: address {name}");
                return Ok(Some(Target { names: [name.clone()].into(), output: name }));
            }
            self.range = None;
            let Some(line) = self.line()? else { return Ok(None) };
            if let Some(range) = Range::parse(&line) {
                debug!("CIDR range {line}");
                self.range = Some(range);
                continue;
            }
            if let Some(target) = target(&line) {
                return Ok(Some(target));
            }
        }
    }

    /// The next line of a file, or the next word.
    fn line(&mut self) -> Result<Option<String>, String> {
        loop {
            if let Some((reader, name)) = &mut self.reading {
                let mut bytes = Vec::new();
                let count = reader.take(LINE_BYTES_MAX).read_until(b'\n', &mut bytes);
                match count {
                    Err(source) => {
                        return Err(format!("{name}: {}", crate::text::reason(&source)));
                    }
                    Ok(0) => self.reading = None,
                    Ok(_) => {
                        let text = String::from_utf8_lossy(&bytes);
                        let text = text.split('#').next().unwrap_or_default();
                        let text = text.trim_end_matches([' ', '\t', '\n']);
                        if !text.is_empty() {
                            return Ok(Some(text.to_owned()));
                        }
                    }
                }
                continue;
            }
            let Some(file) = self.files.pop_front() else { return Ok(self.words.pop_front()) };
            self.reading = Some(match file {
                None => (Box::new(BufReader::new(io::stdin())), "(stdin)".to_owned()),
                Some(path) => {
                    let name = path.display().to_string();
                    let file = File::open(&path)
                        .map_err(|source| format!("{name}: {}", crate::text::reason(&source)))?;
                    (Box::new(BufReader::new(file)), name)
                }
            });
        }
    }
}

/// `names` or `addresses names`, as an old list of hosts has them.
fn target(line: &str) -> Option<Target> {
    let line = line.trim_start_matches([' ', '\t', '\n']);
    let (names, rest) = line.split_once([' ', '\t', '\n']).unwrap_or((line, ""));
    let output = if rest.is_empty() { names } else { rest };
    let output = output.trim_matches([' ', '\t']).to_owned();
    let names: VecDeque<String> =
        names.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    (!names.is_empty()).then_some(Target { names, output })
}

/// Addresses one behind the other, the first and the last of the network included.
#[derive(Debug)]
struct Range {
    next: Option<u128>,
    last: u128,
    is_ipv4: bool,
}

impl Range {
    /// An address, or a network without bits set that do not count.
    fn parse(text: &str) -> Option<Range> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let (first, bits) = match address {
            IpAddr::V4(address) => (u128::from(address.to_bits()), 32),
            IpAddr::V6(address) => (address.to_bits(), 128),
        };
        let prefix = match prefix {
            None => bits,
            Some(digits) if digits.bytes().all(|digit| digit.is_ascii_digit()) => {
                digits.parse::<u32>().ok().filter(|prefix| *prefix <= bits)?
            }
            Some(_) => return None,
        };
        let hosts = 1u128.checked_shl(bits - prefix).map_or(u128::MAX, |count| count - 1);
        (first & hosts == 0).then_some(Range {
            next: Some(first),
            last: first | hosts,
            is_ipv4: address.is_ipv4(),
        })
    }
}

impl Iterator for Range {
    type Item = IpAddr;

    fn next(&mut self) -> Option<IpAddr> {
        let now = self.next?;
        self.next = now.checked_add(1).filter(|next| *next <= self.last);
        Some(match u32::try_from(now) {
            Ok(bits) if self.is_ipv4 => IpAddr::V4(bits.into()),
            _ => IpAddr::V6(now.into()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(text: &str) -> Option<Vec<String>> {
        Range::parse(text).map(|range| range.map(|address| address.to_string()).collect())
    }

    #[test]
    fn ranges() {
        let all = ["10.0.0.252", "10.0.0.253", "10.0.0.254", "10.0.0.255"];
        assert_eq!(addresses("10.0.0.252/30").unwrap(), all);
        assert_eq!(addresses("255.255.255.255").unwrap(), ["255.255.255.255"]);
        assert_eq!(addresses("fe80::/127").unwrap(), ["fe80::", "fe80::1"]);
        assert_eq!(addresses("10.0.0.1/30"), None, "bits that do not count");
        assert_eq!(addresses("10.0.0.0/33"), None);
        assert_eq!(addresses("host"), None);
        assert_eq!(Range::parse("::/0").unwrap().last, u128::MAX);
        assert_eq!(Range::parse("0.0.0.0/0").unwrap().last, u128::from(u32::MAX));
    }

    #[test]
    fn lines() {
        let of = |line: &str| target(line).map(|one| (Vec::from(one.names), one.output));
        let words = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(of("a"), Some((words(&["a"]), "a".to_owned())));
        assert_eq!(of("1.2.3.4,a b,c"), Some((words(&["1.2.3.4", "a"]), "b,c".to_owned())));
        assert_eq!(of("a,b"), Some((words(&["a", "b"]), "a,b".to_owned())));
        assert_eq!(of(" , "), None);
    }
}
