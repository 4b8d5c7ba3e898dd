//! Tables, and their place in the README.

use std::fmt::Write;
use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

/// A table of text cells.
pub struct Table {
    text: String,
}

impl Table {
    /// With a title and what the columns say.
    pub fn new(title: &str, columns: &[&str]) -> Self {
        let mut text = format!("\n### {title}\n\n");
        let _ = writeln!(text, "| {} |", columns.join(" | "));
        let _ = writeln!(text, "|{}", "---|".repeat(columns.len()));
        Self { text }
    }

    /// One more row.
    pub fn row(&mut self, cells: &[String]) {
        let _ = writeln!(self.text, "| {} |", cells.join(" | "));
    }

    /// The whole, with a line of explanation below.
    pub fn finish(mut self, note: &str) -> String {
        let _ = writeln!(self.text, "\n{note}");
        self.text
    }
}

/// The middle one.
pub fn median<T: PartialOrd + Copy>(values: &[T]) -> Option<T> {
    let mut sorted = values.to_vec();
    sorted.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
    sorted.get(sorted.len() / 2).copied()
}

/// The middle duration; zero of none.
pub fn median_time(values: &[Duration]) -> Duration {
    median(values).unwrap_or_default()
}

/// In milliseconds.
pub fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

/// How many times as good as the base, where less is better.
pub fn times_better(base: f64, value: f64) -> String {
    if value > 0.0 { format!("{:.2}x", base / value) } else { "-".to_owned() }
}

const BEGIN: &str = "<!-- results: written by make bench WRITE=1 -->";
const END: &str = "<!-- end of results -->";

/// Puts `text` between the marks of a file.
pub fn write(path: &Path, text: &str) -> io::Result<()> {
    let file = fs::read_to_string(path)?;
    let (Some(begin), Some(end)) = (file.find(BEGIN), file.find(END)) else {
        return Err(io::Error::other("has no marks to put the results between"));
    };
    let head = &file[..begin + BEGIN.len()];
    fs::write(path, format!("{head}\n\n{}\n{}", text.trim(), &file[end..]))
}
