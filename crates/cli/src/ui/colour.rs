//! Colour, where somebody can see it and has not said no (<https://no-color.org>).

use std::io::{self, IsTerminal};

/// Paints words for standard output, or leaves them as they are.
#[derive(Debug, Clone, Copy)]
pub struct Paint {
    on: bool,
}

impl Paint {
    /// On for a terminal that can show colours, unless `NO_COLOR` is set to anything.
    pub fn for_stdout() -> Self {
        let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        Paint { on: io::stdout().is_terminal() && !is_set("NO_COLOR") && !is_dumb }
    }

    /// For headings.
    pub fn bold(self, text: &str) -> String {
        self.wrap("1", text)
    }

    /// For what matters less.
    pub fn dim(self, text: &str) -> String {
        self.wrap("2", text)
    }

    /// For what holds.
    pub fn green(self, text: &str) -> String {
        self.wrap("32", text)
    }

    /// For what does not.
    pub fn yellow(self, text: &str) -> String {
        self.wrap("33", text)
    }

    fn wrap(self, code: &str, text: &str) -> String {
        if self.on { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}
