//! A console's output as Nova hands it out: it takes control characters away, the escape before a
//! terminal's commands among them, and leaves the rest of each command in the text.

/// A command's numbers are shorter than this.
const NUMBERS_MAX: usize = 24;

/// Puts the escapes back where a command of a terminal surely was, so that readers can carry it out
/// or leave it away. Text that has escapes is left alone.
pub(super) fn with_escapes(text: String) -> String {
    if text.contains('\u{1b}') || !text.contains('[') {
        return text;
    }
    let mut out = String::with_capacity(text.len() + 64);
    let mut rest = text.as_str();
    while let Some(at) = rest.find('[') {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let inside = from.strip_prefix('[').unwrap_or_default();
        if is_command(inside) {
            out.push('\u{1b}');
        }
        out.push('[');
        rest = inside;
    }
    out.push_str(rest);
    out
}

/// Whether what comes after a bracket is a command of ECMA-48 §5.4, and not somebody's words.
fn is_command(text: &str) -> bool {
    let private = text.starts_with(['?', '=']);
    let from = usize::from(private);
    let text = text.get(from..).unwrap_or_default();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != ';').unwrap_or(text.len());
    let (numbers, rest) = text.split_at(end);
    let mut rest = rest.chars();
    let (Some(last), next) = (rest.next(), rest.next()) else { return false };
    if numbers.len() > NUMBERS_MAX {
        return false;
    }
    if private {
        return !numbers.is_empty() && matches!(last, 'h' | 'l' | 'c' | 'n');
    }
    // `[m`, `[K` and the like are words' beginnings, too.
    if numbers.is_empty() {
        return matches!(last, 'm' | 'H' | 'J' | 'K')
            && next.is_none_or(|c| c.is_whitespace() || c == '[');
    }
    match last {
        'm' => numbers.split(';').all(|number| number.parse().is_ok_and(is_rendition)),
        // `[3h]` and `[10K]` are words; so is `[5d ago]`.
        'A' | 'B' | 'C' | 'D' | 'G' | 'H' | 'J' | 'K' | 'n' | 'r' => next != Some(']'),
        _ => false,
    }
}

/// The numbers that systems use: not italics and blinking, which `[3m 20s]` would be.
fn is_rendition(number: u16) -> bool {
    matches!(number, 0..=2 | 4 | 7 | 22..=24 | 27 | 30..=49 | 90..=97 | 100..=107)
}

#[cfg(test)]
mod tests {
    use super::with_escapes;

    #[test]
    fn commands_get_their_escape_again() {
        for (text, wanted) in [
            ("[[0;32m  OK  [0m] Started", "[\u{1b}[0;32m  OK  \u{1b}[0m] Started"),
            ("[1mDebian[m\n", "\u{1b}[1mDebian\u{1b}[m\n"),
            ("[2J[1;1H[?25l[=3h", "\u{1b}[2J\u{1b}[1;1H\u{1b}[?25l\u{1b}[=3h"),
            ("[K\n", "\u{1b}[K\n"),
        ] {
            assert_eq!(with_escapes(text.to_owned()), wanted);
        }
    }

    #[test]
    fn words_are_left_alone() {
        for text in [
            "[    1.000000] boot\n",
            "[10K] [3h] [5d ago] [3m 20s]",
            "[Kernel] [m] [Hello [",
            "cloud-init[512]: [1;2;3]",
            "\u{1b}[1m already [1m",
            "[?",
            "[1111111111111111111111111111m",
        ] {
            assert_eq!(with_escapes(text.to_owned()), text);
        }
    }
}
