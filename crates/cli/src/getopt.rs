//! Short options the way `getopt(3)` of BSD takes them, which is what every OpenSSH tool does.
//!
//! Options may be combined (`-vN`), values may be attached (`-p22`), and the first word that is
//! no option ends the list; whether more options follow it is for the tool to say.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use crate::manual::Flag;

/// One option found.
#[derive(Debug, PartialEq, Eq)]
pub struct Found {
    /// The letter.
    pub letter: char,
    /// Its value; empty for a letter that takes none.
    pub value: OsString,
}

/// Why an option makes no sense; the text is getopt's.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The tool has no such letter.
    #[error("unknown option -- {0}")]
    Unknown(char),
    /// The letter needs a value and none is left.
    #[error("option requires an argument -- {0}")]
    MissingValue(char),
}

/// Walks over the words of a command line.
pub struct Getopt<'a> {
    words: &'a [OsString],
    /// What there is.
    flags: &'static [Flag],
    next_word: usize,
    /// Where in the current word the next letter is; 0 between words.
    next_byte: usize,
}

impl<'a> Getopt<'a> {
    /// Starts at the first of `words`, which do not include the program's name.
    pub fn new(words: &'a [OsString], flags: &'static [Flag]) -> Self {
        Getopt { words, flags, next_word: 0, next_byte: 0 }
    }

    /// The next option, or nothing at the end of the list.
    ///
    /// # Errors
    /// A letter that is unknown or lacks its value.
    pub fn next(&mut self) -> Result<Option<Found>, Error> {
        let Some(word) = self.words.get(self.next_word).map(|word| word.as_bytes()) else {
            return Ok(None);
        };
        if self.next_byte == 0 {
            if word == b"--" {
                self.next_word += 1;
                return Ok(None);
            }
            if word.len() < 2 || word[0] != b'-' {
                return Ok(None);
            }
            self.next_byte = 1;
        }
        let letter = char::from(word[self.next_byte]);
        self.next_byte += 1;
        let attached = word.get(self.next_byte..).unwrap_or_default();
        if attached.is_empty() {
            self.end_word();
        }
        let takes_value = self.takes_value(letter).ok_or(Error::Unknown(letter))?;
        if !takes_value {
            return Ok(Some(Found { letter, value: OsString::new() }));
        }
        if !attached.is_empty() {
            let value = OsString::from_vec(attached.to_vec());
            self.end_word();
            return Ok(Some(Found { letter, value }));
        }
        let value = self.words.get(self.next_word).ok_or(Error::MissingValue(letter))?.clone();
        self.next_word += 1;
        Ok(Some(Found { letter, value }))
    }

    /// Takes the next word as it is; more options may follow it.
    pub fn take_word(&mut self) -> Option<&'a OsStr> {
        let word = self.words.get(self.next_word)?;
        self.next_word += 1;
        Some(word)
    }

    /// Whether the next word would be read as an option.
    pub fn at_option(&self) -> bool {
        self.words.get(self.next_word).is_some_and(|word| word.as_bytes().starts_with(b"-"))
    }

    /// All words not taken yet.
    pub fn rest(&self) -> &'a [OsString] {
        self.words.get(self.next_word..).unwrap_or_default()
    }

    fn end_word(&mut self) {
        self.next_word += 1;
        self.next_byte = 0;
    }

    fn takes_value(&self, letter: char) -> Option<bool> {
        let flag = self.flags.iter().find(|flag| flag.letter == letter)?;
        Some(flag.value.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn flag(letter: char, value: Option<&'static str>) -> Flag {
        Flag { letter, value, text: "" }
    }

    static SOME: &[Flag] = &[
        flag('v', None),
        flag('N', None),
        flag('p', Some("port")),
        flag('o', Some("option")),
        flag('t', None),
    ];

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    fn found(letter: char, value: &str) -> Found {
        Found { letter, value: value.into() }
    }

    #[test]
    fn combined_attached_and_separate() {
        let words = words("-vNp22 -o A=b host -t");
        let mut options = Getopt::new(&words, SOME);
        assert_eq!(options.next(), Ok(Some(found('v', ""))));
        assert_eq!(options.next(), Ok(Some(found('N', ""))));
        assert_eq!(options.next(), Ok(Some(found('p', "22"))));
        assert_eq!(options.next(), Ok(Some(found('o', "A=b"))));
        assert_eq!(options.next(), Ok(None));
        assert_eq!(options.take_word(), Some(OsStr::new("host")));
        assert_eq!(options.next(), Ok(Some(found('t', ""))));
        assert_eq!(options.rest().len(), 0);
    }

    #[test]
    fn errors_and_double_dash() {
        let unknown = words("-z");
        assert_eq!(Getopt::new(&unknown, SOME).next(), Err(Error::Unknown('z')));
        let missing = words("-p");
        assert_eq!(Getopt::new(&missing, SOME).next(), Err(Error::MissingValue('p')));
        let dashes = words("-- -v");
        let mut options = Getopt::new(&dashes, SOME);
        assert_eq!(options.next(), Ok(None));
        assert_eq!(options.rest(), ["-v"]);
    }
}
