//! Takes names and addresses out of a report that goes to others.

use std::collections::HashMap;
use std::net::IpAddr;

/// Replaces what tells who and where, each always by the same word.
#[derive(Debug, Default)]
pub struct Mask {
    words: Vec<(String, String)>,
    addresses: HashMap<IpAddr, String>,
    counts: HashMap<&'static str, usize>,
}

impl Mask {
    /// Nothing is hidden but addresses.
    pub fn new() -> Self {
        Self::default()
    }

    /// Hides a word wherever it stands: `kind` and a number take its place.
    pub fn hide(&mut self, kind: &'static str, word: &str) {
        // A single letter would be found everywhere, and an address has its own way.
        if word.len() < 2 || word.parse::<IpAddr>().is_ok() || is_common(word) {
            return;
        }
        if self.words.iter().any(|(known, _)| known == word) {
            return;
        }
        let name = self.next(kind);
        self.words.push((word.to_owned(), name));
        // A longer name is replaced before one that is a part of it.
        self.words.sort_by_key(|(word, _)| std::cmp::Reverse(word.len()));
    }

    fn next(&mut self, kind: &'static str) -> String {
        let count = self.counts.entry(kind).or_default();
        *count += 1;
        format!("{kind}{count}")
    }

    /// The text without what is hidden.
    pub fn apply(&mut self, text: &str) -> String {
        let text = self.without_addresses(text);
        let mut masked = String::with_capacity(text.len());
        let mut rest = text.as_str();
        let mut before = ' ';
        'text: while let Some(c) = rest.chars().next() {
            if !is_part(before) {
                for (word, name) in &self.words {
                    if let Some(behind) = rest.strip_prefix(word.as_str())
                        && !behind.chars().next().is_some_and(is_part)
                    {
                        masked.push_str(name);
                        rest = behind;
                        before = 'x';
                        continue 'text;
                    }
                }
            }
            masked.push(c);
            before = c;
            rest = rest.get(c.len_utf8()..).unwrap_or_default();
        }
        masked
    }

    fn without_addresses(&mut self, text: &str) -> String {
        let mut masked = String::with_capacity(text.len());
        let mut run = String::new();
        let is_address_part = |c: char| c.is_ascii_hexdigit() || c == '.' || c == ':';
        for c in text.chars() {
            if is_address_part(c) {
                run.push(c);
                continue;
            }
            self.flush(&mut run, &mut masked);
            masked.push(c);
        }
        self.flush(&mut run, &mut masked);
        masked
    }

    fn flush(&mut self, run: &mut String, masked: &mut String) {
        let body = run.trim_end_matches(['.', ':']);
        let (body, port) = match body.parse::<IpAddr>() {
            Ok(_) => (body, ""),
            // 192.0.2.1:22
            Err(_) => match body.rsplit_once(':') {
                Some((host, _)) if host.parse::<IpAddr>().is_ok() => {
                    (host, body.get(host.len()..).unwrap_or_default())
                }
                _ => (body, ""),
            },
        };
        let tail = run.get(body.len() + port.len()..).unwrap_or_default().to_owned();
        match body.parse::<IpAddr>() {
            // Those that everybody has tell nothing.
            Ok(address) if !address.is_loopback() && !address.is_unspecified() => {
                if !self.addresses.contains_key(&address) {
                    let name = self.next("address");
                    self.addresses.insert(address, name);
                }
                if let Some(name) = self.addresses.get(&address) {
                    masked.push_str(name);
                }
            }
            _ => masked.push_str(body),
        }
        masked.push_str(port);
        masked.push_str(&tail);
        run.clear();
    }
}

/// What a name goes on with.
fn is_part(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '-'
}

/// Words that a report needs and that tell nothing.
fn is_common(word: &str) -> bool {
    matches!(word, "root" | "localhost" | "ssh" | "sshd" | "home" | "git" | "key" | "none")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_word_for_the_same_thing() {
        let mut mask = Mask::new();
        mask.hide("host", "db.example");
        mask.hide("host", "example");
        mask.hide("user", "anna");
        let text = "anna@db.example [192.0.2.7]:22, /home/anna/.ssh; 192.0.2.7:22, 2001:db8::1. annabel example";
        assert_eq!(
            mask.apply(text),
            "user1@host1 [address1]:22, /home/user1/.ssh; address1:22, address2. annabel host2"
        );
        assert_eq!(mask.apply("127.0.0.1 at 10:15:00, 3.14"), "127.0.0.1 at 10:15:00, 3.14");
    }
}
