//! Text of others made fit for a terminal.

use std::fmt::Write;

/// Shows control characters as `\ooo` (octal), for one-line messages.
///
/// Printable text in any script stays; so do backslashes, because no reader needs the original.
pub fn visible(text: &str) -> String {
    filtered(text, |c| matches!(c, '\t' | '\n'))
}

/// The same for text of several lines, such as a banner: line ends stay too. A carriage return
/// alone is none: what follows would stand over what was there.
pub fn visible_lines(text: &str) -> String {
    let mut lines = text.split("\r\n").map(visible);
    let mut out = lines.next().unwrap_or_default();
    for line in lines {
        out.extend(["\r\n", &line]);
    }
    out
}

fn filtered(text: &str, keep: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if keep(c) || !(c.is_control() || is_format_trick(c)) {
            out.push(c);
            continue;
        }
        let mut utf8 = [0; 4];
        for byte in c.encode_utf8(&mut utf8).bytes() {
            // Writing to a string cannot fail.
            let _ = write!(out, "\\{byte:03o}");
        }
    }
    out
}

/// Characters that reorder or hide their neighbours, so that text does not read as it is.
fn is_format_trick(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_do_not_pass() {
        assert_eq!(visible("a\x1b[31mb\r"), "a\\033[31mb\\015");
        assert_eq!(visible("c1 \u{9b}x"), "c1 \\302\\233x");
        assert_eq!(visible("Grüße, 世界"), "Grüße, 世界");
        assert_eq!(visible_lines("one\r\ntwo\x07"), "one\r\ntwo\\007");
        assert_eq!(visible_lines("me: \rroot: \n"), "me: \\015root: \n");
        assert_eq!(visible("abc\u{202e}def"), "abc\\342\\200\\256def");
    }
}
