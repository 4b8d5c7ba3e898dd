//! What can be wrong with a configuration.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use crate::origin::Origin;

/// Why a configuration cannot be used. The text is what OpenSSH prints.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Lines of one file, or one option of the command line, that make no sense.
    #[error("{}", report(.source_name.as_deref(), .problems))]
    Bad {
        /// The file's name, or nothing for the command line.
        source_name: Option<PathBuf>,
        /// One entry for each bad line.
        problems: Vec<Problem>,
    },
    /// A file that was asked for cannot be read.
    #[error("{what}{}: {}", .path.display(), crate::files::reason(.source))]
    Open {
        /// What ssh says before the name; sshd says nothing.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// Somebody else could have written the user's configuration.
    #[error("Bad owner or permissions on {}", .0.display())]
    Permissions(PathBuf),
    /// Files include each other without end.
    #[error("Too many recursive configuration includes")]
    IncludeDepth,
    /// Something other than a single line: a value that only fails in the end.
    #[error("{message}")]
    Value {
        /// What set the value.
        origin: Origin,
        /// The whole message.
        message: String,
    },
}

/// One bad line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The line.
    pub origin: Origin,
    /// The whole message, with file and line.
    pub message: String,
}

impl Problem {
    /// The same with the line itself below, for who has to find the word.
    pub(crate) fn showing(mut self, line: &str) -> Self {
        let line: String = line.trim().chars().take(SHOWN_CHARACTERS).collect();
        self.message.push_str("\n    ");
        self.message.push_str(&visible(&line));
        self
    }
}

/// As much of a bad line is shown.
const SHOWN_CHARACTERS: usize = 120;

/// The words of one kind of file, and those of the other.
pub(crate) struct Vocabulary {
    pub file: &'static str,
    pub words: fn() -> Vec<&'static str>,
    pub other_file: &'static str,
    pub other_words: fn() -> Vec<&'static str>,
}

impl Vocabulary {
    /// A further line that says what was probably meant by an unknown word, or nothing.
    pub fn meant(&self, word: &str) -> String {
        let Vocabulary { file, words, other_file, other_words } = self;
        if let Some(name) = (other_words)().iter().find(|name| name.eq_ignore_ascii_case(word)) {
            return format!("\n    {name} is a word of {other_file}, not of {file}");
        }
        match crate::suggest::closest(word, (words)()) {
            Some(name) => format!("\n    did you mean {name}?"),
            None => String::new(),
        }
    }
}

/// Something to mention about a line that is otherwise accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The line.
    pub origin: Origin,
    /// How loud.
    pub level: NoteLevel,
    /// The whole message, with file and line.
    pub message: String,
}

/// When a [`Note`] is to be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NoteLevel {
    /// With `-v`.
    Verbose,
    /// Always.
    Error,
}

/// A message that can go to a terminal: what a file says may hold escapes.
pub(crate) fn visible(message: &str) -> String {
    let mut out = String::with_capacity(message.len());
    for character in message.chars() {
        match character {
            // Lines of the file are split there, so these are ours.
            '\n' | '\t' => out.push(character),
            _ if character.is_control() => {
                // Writing to a String does not fail.
                let _ = write!(out, "\\{:03o}", u32::from(character));
            }
            _ => out.push(character),
        }
    }
    out
}

fn report(source_name: Option<&Path>, problems: &[Problem]) -> String {
    let mut text: Vec<String> = problems.iter().map(|p| p.message.clone()).collect();
    if let Some(path) = source_name {
        text.push(format!(
            "{}: terminating, {} bad configuration options",
            path.display(),
            problems.len()
        ));
    }
    text.join("\n")
}
