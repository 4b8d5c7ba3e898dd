//! What a terminal shows of the bytes that were printed on it: lines of text in colours, without
//! the commands that made them so (ECMA-48).

use std::iter::Peekable;
use std::str::Chars;

/// What is longer than this is cut: a line of the log, in characters.
const LINE_CHARACTERS_MAX: usize = 8192;
/// As wide as a terminal that somebody printed a table for.
const COLUMNS_MAX: usize = 240;
/// More digits than any command has.
const NUMBERS_MAX: usize = 64;

/// How a character looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Look {
    bold: bool,
    /// 1 to 6; black and white are the page's own colour, which can be read on its ground.
    colour: Option<u8>,
}

/// A piece of a line that looks the same throughout.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Run {
    look: Look,
    /// Its text.
    pub(super) text: String,
}

impl Run {
    /// The classes of the style sheet; none for what is plain.
    pub(super) fn class(&self) -> Option<&'static str> {
        const PLAIN: [&str; 6] =
            ["log-red", "log-green", "log-yellow", "log-blue", "log-magenta", "log-cyan"];
        const BOLD: [&str; 6] = [
            "log-bold log-red",
            "log-bold log-green",
            "log-bold log-yellow",
            "log-bold log-blue",
            "log-bold log-magenta",
            "log-bold log-cyan",
        ];
        let names = if self.look.bold { &BOLD } else { &PLAIN };
        match self.look.colour {
            Some(colour) => names.get(usize::from(colour).checked_sub(1)?).copied(),
            None => self.look.bold.then_some("log-bold"),
        }
    }
}

/// The text in runs; a line's end is in the run before it.
pub(super) fn runs(log: &[u8]) -> Vec<Run> {
    let text = String::from_utf8_lossy(log);
    let mut terminal = Terminal::default();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => terminal.escape(&mut chars),
            '\n' => terminal.line_ends(),
            '\r' => terminal.column = 0,
            '\u{8}' => terminal.column = terminal.column.saturating_sub(1),
            '\t' => terminal.put('\t'),
            c if c.is_control() => {}
            c => terminal.put(c),
        }
    }
    terminal.flush();
    terminal.runs
}

/// The line that is being printed, and those before it.
#[derive(Default)]
struct Terminal {
    runs: Vec<Run>,
    line: Vec<(char, Look)>,
    column: usize,
    look: Look,
}

impl Terminal {
    fn put(&mut self, c: char) {
        // A progress bar's line is printed again and again.
        if let Some(place) = self.line.get_mut(self.column) {
            *place = (c, self.look);
        } else if self.line.len() < LINE_CHARACTERS_MAX {
            self.line.push((c, self.look));
        } else {
            return;
        }
        self.column += 1;
    }

    fn line_ends(&mut self) {
        self.column = self.line.len();
        self.line.push(('\n', self.line.last().map_or(self.look, |(_, look)| *look)));
        self.flush();
    }

    fn flush(&mut self) {
        for (c, look) in self.line.drain(..) {
            match self.runs.last_mut() {
                Some(run) if run.look == look => run.text.push(c),
                _ => self.runs.push(Run { look, text: c.into() }),
            }
        }
        self.column = 0;
    }

    /// What comes after an escape.
    fn escape(&mut self, chars: &mut Peekable<Chars<'_>>) {
        match chars.next() {
            Some('[') => {
                let mut numbers = String::new();
                for c in chars.by_ref() {
                    match c {
                        '@'..='~' => return self.command(c, &numbers),
                        c if numbers.len() < NUMBERS_MAX => numbers.push(c),
                        _ => {}
                    }
                }
            }
            // A title, or another text for the terminal itself: up to BEL or ST.
            Some(']' | 'P' | 'X' | '^' | '_') => {
                while let Some(c) = chars.next() {
                    if c == '\u{7}' {
                        return;
                    }
                    if c == '\u{1b}' {
                        chars.next();
                        return;
                    }
                }
            }
            // A choice of characters has one more.
            Some('(' | ')' | '*' | '+' | '#' | '%' | ' ') => {
                chars.next();
            }
            _ => {}
        }
    }

    fn command(&mut self, last: char, numbers: &str) {
        let first = || numbers.split(';').next().and_then(|number| number.parse::<usize>().ok());
        match last {
            'm' => self.rendition(numbers),
            'K' if matches!(first(), None | Some(0)) => self.line.truncate(self.column),
            'K' if first() == Some(2) => self.line.clear(),
            'D' => self.column = self.column.saturating_sub(first().unwrap_or(1).max(1)),
            'C' => {
                let wanted = self.column.saturating_add(first().unwrap_or(1).max(1));
                while self.line.len() < wanted.min(COLUMNS_MAX) {
                    self.line.push((' ', Look::default()));
                }
                self.column = wanted;
            }
            // Moving about the screen, clearing it, asking: a log has no screen.
            _ => {}
        }
        self.column = self.column.min(self.line.len());
    }

    fn rendition(&mut self, numbers: &str) {
        let mut numbers =
            numbers.split([';', ':']).map(|number| number.parse::<u16>().unwrap_or(0));
        while let Some(number) = numbers.next() {
            match number {
                0 => self.look = Look::default(),
                1 => self.look.bold = true,
                22 => self.look.bold = false,
                30..=37 | 90..=97 => self.look.colour = colour(number % 10),
                39 => self.look.colour = None,
                // One of 256, or three bytes.
                38 | 48 => {
                    let which = match numbers.next() {
                        Some(5) => {
                            numbers.next().filter(|which| *which < 16).map(|which| which % 8)
                        }
                        Some(2) => {
                            numbers.nth(2);
                            None
                        }
                        _ => None,
                    };
                    if number == 38 {
                        self.look.colour = which.and_then(colour);
                    }
                }
                _ => {}
            }
        }
    }
}

fn colour(number: u16) -> Option<u8> {
    u8::try_from(number).ok().filter(|number| (1..=6).contains(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(log: &[u8]) -> String {
        runs(log).into_iter().map(|run| run.text).collect()
    }

    #[test]
    fn bytes_for_a_terminal_become_text() {
        let log = b"\x1b[31mred\x1b[0m\r\n\x1b]0;title\x07ok\x08K\x00\xff\n\x1b(B\x1b[?25lend\x1b[";
        assert_eq!(text(log), "red\noK\u{fffd}\nend");
    }

    #[test]
    fn colours() {
        let shown = runs(
            b"[\x1b[0;32m  OK  \x1b[0m] up\n\x1b[1mbold \x1b[31mred\x1b[39m\x1b[38;5;4mblue\n",
        );
        let shown: Vec<_> = shown.iter().map(|run| (run.class(), run.text.as_str())).collect();
        assert_eq!(
            shown,
            [
                (None, "["),
                (Some("log-green"), "  OK  "),
                (None, "] up\n"),
                (Some("log-bold"), "bold "),
                (Some("log-bold log-red"), "red"),
                (Some("log-bold log-blue"), "blue\n"),
            ]
        );
        assert_eq!(text(b"\x1b[38;2;1;2;3ma\x1b[48;5;1mb"), "ab");
        assert!(runs(b"\x1b[37mwhite").iter().all(|run| run.class().is_none()));
    }

    #[test]
    fn a_line_printed_again() {
        assert_eq!(text(b"10%\r20%\r\ndone\x1b[2D\x1b[Kwn\n"), "20%\ndown\n");
        assert_eq!(text(b"a\x1b[3Cb\r\n"), "a   b\n");
        assert_eq!(text(b"\x1b[99999999999999999999C\x1b[9999Cx").len(), COLUMNS_MAX + 1);
    }

    #[test]
    fn a_line_without_end_is_cut() {
        assert_eq!(text(&vec![b'x'; 100_000]).len(), LINE_CHARACTERS_MAX);
        assert!(text(&b"\x1b[9999C".repeat(1000)).len() <= LINE_CHARACTERS_MAX);
    }
}
