//! The mdoc(7) language of manual pages.

use std::fmt::Write as _;

use super::{Flag, Page};

/// The day of the texts; pages must not differ from build to build.
const DATE: &str = "November 22, 2026";
/// Longest line of text; longer ones are split.
const WIDTH: usize = 76;

/// A page being written.
pub struct Mdoc(String);

impl Mdoc {
    /// The head and the name.
    pub fn new(name: &str, section: u8, summary: &str) -> Self {
        let upper = name.to_ascii_uppercase();
        Mdoc(format!(
            ".Dd {DATE}\n.Dt {upper} {section}\n.Os\n.Sh NAME\n.Nm {name}\n.Nd {}\n",
            escaped(summary)
        ))
    }

    /// The finished text.
    pub fn into_text(self) -> String {
        self.0
    }

    /// A section.
    pub fn section(&mut self, title: &str) {
        self.request(&format!(".Sh {title}"));
    }

    /// A line of the language itself.
    pub fn request(&mut self, line: &str) {
        self.0.push_str(line);
        self.0.push('\n');
    }

    /// Text: each sentence on lines of its own.
    pub fn text(&mut self, text: &str) {
        for sentence in sentences(text) {
            let mut column = 0;
            for word in sentence.split(' ') {
                let word = escaped(word);
                if column > 0 && column + word.len() >= WIDTH {
                    self.0.push('\n');
                    column = 0;
                } else if column > 0 {
                    self.0.push(' ');
                    column += 1;
                }
                if column == 0 && word.starts_with(['.', '\'']) {
                    self.0.push_str("\\&");
                }
                self.0.push_str(&word);
                column += word.len();
            }
            self.0.push('\n');
        }
    }

    /// Paragraphs.
    pub fn paragraphs(&mut self, texts: &[&str]) {
        for (index, text) in texts.iter().enumerate() {
            if index > 0 {
                self.request(".Pp");
            }
            self.text(text);
        }
    }

    /// Terms and what they are, with the macro of the terms.
    pub fn list(&mut self, term_macro: &str, items: &[(&str, &str)]) {
        self.request(".Bl -tag -width Ds");
        for (term, text) in items {
            self.request(&format!(".It {term_macro} {}", argument(term)));
            self.text(text);
        }
        self.request(".El");
    }
}

/// The page of a tool.
pub fn tool(page: &Page) -> String {
    let mut mdoc = Mdoc::new(page.name, page.section, page.summary);
    mdoc.section("SYNOPSIS");
    let switches: String = shown(page).filter(|f| f.value.is_none()).map(|f| f.letter).collect();
    if page.synopsis.is_empty() {
        mdoc.request(".Nm");
    }
    for (index, form) in page.synopsis.iter().enumerate() {
        let name = if index == 0 { "" } else { page.name };
        mdoc.request(format!(".Nm {name}").trim_end());
        if index == 0 {
            if !switches.is_empty() {
                mdoc.request(&format!(".Op Fl {switches}"));
            }
            for flag in shown(page) {
                if let Some(value) = flag.value {
                    mdoc.request(&format!(".Op Fl {} Ar {value}", flag.letter));
                }
            }
        }
        for word in form.split(' ').filter(|word| !word.is_empty()) {
            mdoc.request(&form_word(word));
        }
    }
    mdoc.section("DESCRIPTION");
    mdoc.paragraphs(page.text);
    if shown(page).next().is_some() {
        mdoc.request(".Pp");
        mdoc.text("The options are as follows:");
        mdoc.request(".Bl -tag -width Ds");
        for flag in shown(page) {
            match flag.value {
                Some(value) => mdoc.request(&format!(".It Fl {} Ar {value}", flag.letter)),
                None => mdoc.request(&format!(".It Fl {}", flag.letter)),
            }
            mdoc.text(flag.text);
        }
        mdoc.request(".El");
    }
    if !page.words.is_empty() {
        mdoc.request(".Pp");
        mdoc.text("These first words ask for something else:");
        mdoc.list("Cm", page.words);
    }
    if !page.environment.is_empty() {
        mdoc.section("ENVIRONMENT");
        mdoc.list("Ev", page.environment);
    }
    if !page.files.is_empty() {
        mdoc.section("FILES");
        mdoc.list("Pa", page.files);
    }
    mdoc.section("EXIT STATUS");
    mdoc.text(page.status);
    if !page.see.is_empty() {
        mdoc.section("SEE ALSO");
        references(&mut mdoc, page.see);
    }
    mdoc.into_text()
}

/// Other pages, by section and name.
pub fn references(mdoc: &mut Mdoc, pages: &[(&str, u8)]) {
    let mut pages = pages.to_vec();
    pages.sort_by_key(|(name, section)| (*section, *name));
    for (index, (name, section)) in pages.iter().enumerate() {
        let comma = if index + 1 < pages.len() { " ," } else { "" };
        mdoc.request(&format!(".Xr {name} {section}{comma}"));
    }
}

fn shown(page: &Page) -> impl Iterator<Item = &'static Flag> {
    let mut flags: Vec<&'static Flag> =
        page.flags.iter().filter(|flag| !flag.text.is_empty()).collect();
    flags.sort_by_key(|flag| (flag.letter.to_ascii_lowercase(), flag.letter.is_ascii_lowercase()));
    flags.into_iter()
}

/// A word of a form: `-x`, `--word`, `[argument]`, a literal in single quotes, or an argument.
fn form_word(word: &str) -> String {
    if let Some(inner) = word.strip_prefix('[').and_then(|word| word.strip_suffix(']')) {
        let inner = form_word(inner);
        return format!(".Op {}", inner.trim_start_matches('.'));
    }
    if let Some(flag) = word.strip_prefix('-') {
        return format!(".Fl {flag}");
    }
    match word.strip_prefix('\'').and_then(|word| word.strip_suffix('\'')) {
        Some(literal) => format!(".Cm {literal}"),
        None => format!(".Ar {word}"),
    }
}

/// An argument of a macro: quoted when it has spaces.
pub fn argument(text: &str) -> String {
    let text = escaped(text);
    if text.contains(' ') { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

/// Text without anything that the language would take for its own.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\e"),
            '~' => out.push_str("\\(ti"),
            '^' => out.push_str("\\(ha"),
            '`' => out.push_str("\\(ga"),
            _ if c.is_ascii() => out.push(c),
            _ => {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\[u{:04X}]", u32::from(c));
            }
        }
    }
    out
}

/// Sentences end with a full stop before a space and a capital.
fn sentences(text: &str) -> Vec<&str> {
    let mut sentences = Vec::new();
    let mut start = 0;
    for (at, _) in text.match_indices(". ") {
        let next = text.get(at + 2..).and_then(|rest| rest.chars().next());
        if next.is_some_and(char::is_uppercase) {
            sentences.extend(text.get(start..=at));
            start = at + 2;
        }
    }
    sentences.extend(text.get(start..).filter(|rest| !rest.is_empty()));
    sentences
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_made_harmless() {
        let mut page = Mdoc::new("x", 1, "tries");
        page.text("One \\ two. Three: e.g. ~/x. .Dots and 'quotes'.");
        let text = page.into_text();
        assert!(
            text.ends_with("One \\e two.\nThree: e.g. \\(ti/x. .Dots and 'quotes'.\n"),
            "{text}"
        );
        let mut page = Mdoc::new("x", 1, "tries");
        page.text(".Dd");
        assert!(page.into_text().ends_with("\\&.Dd\n"));
        assert_eq!(form_word("[-i]"), ".Op Fl i");
        assert_eq!(form_word("destination"), ".Ar destination");
    }
}
