//! Help that fits a screen.

use std::fmt::Write as _;

use super::Page;
use crate::tools;
use crate::ui::colour::Paint;

/// Options that are shown; a screen has 24 lines.
const ROWS: usize = 15;
/// Most columns of a line.
const WIDTH: usize = 78;

/// `keyway help`.
pub fn overview() -> String {
    let paint = Paint::for_stdout();
    let mut text = format!("{}: SSH tools in one program\n\n", crate::VERSION);
    let mut row = |name: &str, summary: &str| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {}  {summary}", paint.bold(&format!("{name:<22}")));
    };
    for tool in tools::TOOLS {
        row(tool.name, tool.summary);
    }
    row("explain HOST", "which line sets what for a host, and why");
    row("doctor HOST", "why a login fails, and what mends it");
    row("agent enable|disable", "an ssh-agent for every login session");
    row("enroll URL", "trust a control panel for its servers' host keys");
    row("links DIR", "a link in DIR for every tool");
    row("man DIR", "manual pages in DIR");
    row("completions SHELL", "completions for bash, zsh or fish");
    row("help TOOL", "the options of a tool");
    row("version", "the version");
    text.push_str("\nusage: keyway TOOL [...]\n");
    text
}

/// `keyway help TOOL`, `TOOL --help`.
pub fn tool_help(page: &Page) -> String {
    let paint = Paint::for_stdout();
    let form = page.synopsis.first().copied().unwrap_or_default().replace('\'', "");
    let mut text = format!("{}: {}\n\n", paint.bold(page.name), page.summary);
    let _ = writeln!(text, "usage: {} [options] {form}", page.name);
    for (word, what) in page.words {
        let what = clause(what, WIDTH - 12 - page.name.len() - word.len());
        let _ = writeln!(text, "       {} {word}  {what}", page.name);
    }
    text.push('\n');
    let told = || page.flags.iter().filter(|flag| !flag.text.is_empty());
    for flag in told().take(ROWS) {
        let value = flag.value.map(|value| format!(" {value}")).unwrap_or_default();
        let name = format!("-{}{value}", flag.letter);
        let what = clause(flag.text, WIDTH - 26);
        let _ = writeln!(text, "  {}  {what}", paint.bold(&format!("{name:<22}")));
    }
    let others: Vec<String> = told().skip(ROWS).map(|flag| format!("-{}", flag.letter)).collect();
    if !others.is_empty() {
        let _ = writeln!(text, "  and {}", others.join(" "));
    }
    let _ = writeln!(text, "\nThe whole story: man {} {}", page.section, page.name);
    text
}

/// The first sentence, as much of it as there is room for.
fn clause(text: &str, room: usize) -> String {
    let first = text.split_once(". ").map_or(text, |(first, _)| first).trim_end_matches('.');
    if first.chars().count() <= room {
        return first.to_owned();
    }
    let mut cut: String = first.chars().take(room.saturating_sub(3)).collect();
    if let Some(space) = cut.rfind(' ') {
        cut.truncate(space);
    }
    cut + "..."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_fits_a_screen() {
        for page in super::super::pages::PAGES {
            let text = tool_help(page);
            assert!(text.lines().count() <= 24, "{text}");
            assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
        }
        assert!(overview().lines().count() <= 24);
    }
}
