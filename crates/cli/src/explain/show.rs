//! The parts that both explanations have.

use std::fmt::Write as _;
use std::path::Path;

use config::{Effective, Origin, Outcome, Step};
use serde_json::{Value, json};

use super::Wishes;
use crate::ui::clean::visible;
use crate::ui::colour::Paint;

/// Text for people, part by part.
pub struct Page {
    text: String,
    paint: Paint,
    home: Option<String>,
}

impl Page {
    /// An empty page. `home` is written `~`.
    pub fn new(home: Option<&Path>) -> Self {
        let home = home.map(|home| home.display().to_string()).filter(|home| home.len() > 1);
        Page { text: String::new(), paint: Paint::for_stdout(), home }
    }

    /// The whole page.
    pub fn into_text(self) -> String {
        self.text
    }

    /// A heading with an empty line before it.
    pub fn heading(&mut self, text: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        let text = self.paint.bold(text);
        self.line(&text);
    }

    /// A line that is clean already.
    fn line(&mut self, text: &str) {
        self.text.push_str(text);
        self.text.push('\n');
    }

    /// A line of text from anywhere.
    pub fn say(&mut self, text: &str) {
        self.line(&visible(text));
    }

    /// The same, indented and pale.
    pub fn aside(&mut self, text: &str) {
        let text = self.paint.dim(&visible(text));
        self.line(&format!("  {text}"));
    }

    /// Rows of a table: a name, a value, and where it comes from.
    pub fn table(&mut self, rows: &[(String, String, String)]) {
        let width = |of: fn(&(String, String, String)) -> &String, most: usize| {
            rows.iter().map(|row| of(row).chars().count()).max().unwrap_or(0).min(most)
        };
        let (first, second) = (width(|row| &row.0, 32), width(|row| &row.1, 40));
        for (name, value, origin) in rows {
            let (name, value) = (visible(name), visible(value));
            let origin = self.paint.dim(&visible(origin));
            self.line(format!("  {name:first$}  {value:second$}  {origin}").trim_end());
        }
    }

    /// A place in a file, as editors take it.
    pub fn place(&self, origin: &Origin) -> String {
        match origin {
            Origin::Default => "default".to_owned(),
            Origin::CommandLine => "command line".to_owned(),
            Origin::File { path, line } => format!("{}:{line}", self.shortened(path)),
        }
    }

    /// A path with `~` for the home folder.
    pub fn shortened(&self, path: &Path) -> String {
        let path = path.display().to_string();
        match self.home.as_deref().and_then(|home| path.strip_prefix(home)) {
            Some(rest) if rest.starts_with('/') => format!("~{rest}"),
            _ => path,
        }
    }

    /// The values in force: those that somebody set, and with `--all` the others.
    pub fn values(&mut self, values: &[Effective], wishes: Wishes) {
        self.heading("Values");
        let is_default = |one: &&Effective| one.origin == Origin::Default;
        let shown: Vec<_> = values
            .iter()
            .filter(|one| wishes.all || !is_default(one))
            .map(|one| (one.keyword.name.to_owned(), one.value.clone(), self.place(&one.origin)))
            .collect();
        self.table(&shown);
        let others = values.iter().filter(is_default).count();
        if !wishes.all && others > 0 {
            self.aside(&format!("{others} more have their built-in default (--all prints them)"));
        }
    }

    /// The lines that select, and the lines that did not count.
    pub fn rules(&mut self, steps: &[Step]) {
        let selecting = |step: &&Step| {
            matches!(step.outcome, Outcome::Applies | Outcome::Skipped(_) | Outcome::Read)
        };
        if steps.iter().any(|step| selecting(&step)) {
            self.heading("Rules");
        }
        for step in steps.iter().filter(selecting) {
            let again = if step.second_pass { ", in the second pass" } else { "" };
            let (mark, why) = match &step.outcome {
                Outcome::Skipped(why) => {
                    (self.paint.yellow("skipped"), format!("  ({why}{again})"))
                }
                Outcome::Read => (self.paint.green("read   "), String::new()),
                _ if again.is_empty() => (self.paint.green("applies"), String::new()),
                _ => (self.paint.green("applies"), "  (in the second pass)".to_owned()),
            };
            let place = visible(&self.place(&step.origin));
            let text = visible(&format!("{} {}", step.keyword, step.text));
            let why = self.paint.dim(&visible(&why));
            self.line(&format!("  {mark}  {place}  {text}{why}"));
        }
        let lost: Vec<_> = steps
            .iter()
            .filter(|step| !step.second_pass)
            .filter_map(|step| match &step.outcome {
                Outcome::TooLate(winner) => Some((step, self.place(winner))),
                _ => None,
            })
            .collect();
        if lost.is_empty() {
            return;
        }
        self.heading("Lines that came too late");
        for (step, winner) in lost {
            let place = self.place(&step.origin);
            let (keyword, text) = (&step.keyword, &step.text);
            self.say(&format!("  {place}  {keyword} {text}  ({winner} had set it)"));
        }
    }
}

/// Where something comes from.
pub fn origin_json(origin: &Origin) -> Value {
    match origin {
        Origin::Default => json!({ "kind": "default" }),
        Origin::CommandLine => json!({ "kind": "command-line" }),
        Origin::File { path, line } => {
            json!({ "kind": "file", "path": path.display().to_string(), "line": line })
        }
    }
}

/// Every value in force.
pub fn values_json(values: &[Effective]) -> Value {
    let one = |value: &Effective| {
        json!({
            "keyword": value.keyword.name,
            "value": value.value,
            "origin": origin_json(&value.origin),
        })
    };
    values.iter().map(one).collect()
}

/// What became of every line.
pub fn steps_json(steps: &[Step]) -> Value {
    let one = |step: &Step| {
        let mut row = json!({
            "keyword": step.keyword,
            "text": step.text,
            "origin": origin_json(&step.origin),
            "second_pass": step.second_pass,
        });
        let (outcome, more) = match &step.outcome {
            Outcome::Applies => ("applies", None),
            Outcome::Read => ("read", None),
            Outcome::Taken => ("taken", None),
            Outcome::OutOfScope => ("out-of-scope", None),
            Outcome::Skipped(why) => ("skipped", Some(("why", json!(why)))),
            Outcome::TooLate(winner) => ("too-late", Some(("winner", origin_json(winner)))),
        };
        row["outcome"] = json!(outcome);
        if let Some((name, value)) = more {
            row[name] = value;
        }
        row
    };
    steps.iter().map(one).collect()
}

/// A document with a line end.
pub fn document(value: &Value) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{value:#}");
    text
}
