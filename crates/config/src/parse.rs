//! From a line of text to a keyword and its words, and from words to numbers.

use std::collections::VecDeque;
use std::time::Duration;

/// A line that is neither empty nor a comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    /// The keyword as written.
    pub keyword: &'a str,
    /// What follows it, without the space or `=` between.
    pub rest: &'a str,
}

/// Splits a line after its keyword: `Keyword value`, `Keyword=value`, `Keyword = "value"`.
pub(crate) fn line(text: &str) -> Option<Line<'_>> {
    let text = text.trim_end_matches([' ', '\t', '\r', '\n', '\x0c']);
    let text = text.trim_start_matches([' ', '\t', '\r', '\x0c']);
    if text.is_empty() || text.starts_with('#') {
        return None;
    }
    if let Some(quoted) = text.strip_prefix('"')
        && let Some((keyword, rest)) = quoted.split_once('"')
    {
        return Some(Line { keyword, rest: after_keyword(rest) });
    }
    let end = text.find([' ', '\t', '\r', '=']).unwrap_or(text.len());
    let (keyword, rest) = text.split_at(end);
    Some(Line { keyword, rest: after_keyword(rest) })
}

/// Skips space and at most one `=`.
fn after_keyword(rest: &str) -> &str {
    let rest = rest.trim_start_matches([' ', '\t', '\r']);
    match rest.strip_prefix('=') {
        Some(rest) => rest.trim_start_matches([' ', '\t', '\r']),
        None => rest,
    }
}

/// The arguments of a keyword.
#[derive(Debug, Clone)]
pub(crate) struct Words<'a> {
    words: VecDeque<String>,
    raw: &'a str,
}

impl<'a> Words<'a> {
    /// Splits at spaces, honouring quotes, backslashes and a trailing comment.
    pub fn split(raw: &'a str) -> Result<Self, String> {
        let words = split(raw).ok_or_else(|| "invalid quotes".to_owned())?;
        Ok(Words { words: words.into(), raw })
    }

    /// The next word.
    pub fn next(&mut self) -> Option<String> {
        self.words.pop_front()
    }

    /// The next word, which must be there and not be empty.
    pub fn need(&mut self, missing: &str) -> Result<String, String> {
        match self.words.pop_front() {
            Some(word) if !word.is_empty() => Ok(word),
            _ => Err(missing.to_owned()),
        }
    }

    /// Everything after the keyword as it was written, quotes and all.
    pub fn whole_line(&mut self) -> &'a str {
        self.words.clear();
        self.raw
    }

    /// All the words that are left.
    pub fn drain(&mut self) -> impl Iterator<Item = String> + '_ {
        self.words.drain(..)
    }

    /// How many are left.
    pub fn len(&self) -> usize {
        self.words.len()
    }
}

/// Words of a shell-like line; nothing when a quote is not closed.
pub(crate) fn split(raw: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut characters = raw.chars().peekable();
    loop {
        while characters.next_if(|c| matches!(c, ' ' | '\t')).is_some() {}
        match characters.peek() {
            None | Some('#') => return Some(words),
            Some(_) => {}
        }
        let mut word = String::new();
        let mut quote = None;
        while let Some(c) = characters.next() {
            match c {
                '\\' => {
                    let escaped = characters.next_if(|&next| {
                        matches!(next, '\'' | '"' | '\\') || (quote.is_none() && next == ' ')
                    });
                    word.push(escaped.unwrap_or('\\'));
                }
                ' ' | '\t' if quote.is_none() => break,
                '"' | '\'' if quote.is_none() => quote = Some(c),
                _ if quote == Some(c) => quote = None,
                _ => word.push(c),
            }
        }
        if quote.is_some() {
            return None;
        }
        words.push(word);
    }
}

/// A decimal number as OpenSSH reads it, and its word for what is wrong.
pub(crate) fn number(word: &str, minimum: i64, maximum: i64) -> Result<i64, &'static str> {
    if word.is_empty() {
        return Err("missing");
    }
    let digits = word.strip_prefix(['-', '+']).unwrap_or(word);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err("invalid");
    }
    match word.parse::<i64>() {
        Ok(value) if value < minimum => Err("too small"),
        Ok(value) if value > maximum => Err("too large"),
        Ok(value) => Ok(value),
        Err(_) if word.starts_with('-') => Err("too small"),
        Err(_) => Err("too large"),
    }
}

/// A sum of times: `90`, `1h30m`, `2w`. No more than fits OpenSSH's own number.
pub fn time(text: &str) -> Option<Duration> {
    let (mut total, mut value, mut digits) = (0u64, 0u64, false);
    if text.is_empty() {
        return None;
    }
    let mut open = false;
    for byte in text.bytes() {
        if byte.is_ascii_digit() {
            value = value.checked_mul(10)?.checked_add(u64::from(byte - b'0'))?;
            (digits, open) = (true, true);
            continue;
        }
        if !digits {
            return None;
        }
        let unit = match byte.to_ascii_lowercase() {
            b's' => 1,
            b'm' => 60,
            b'h' => 60 * 60,
            b'd' => 24 * 60 * 60,
            b'w' => 7 * 24 * 60 * 60,
            _ => return None,
        };
        total = total.checked_add(value.checked_mul(unit)?)?;
        (value, digits, open) = (0, false, false);
    }
    if open {
        total = total.checked_add(value)?;
    }
    (i32::try_from(total).is_ok()).then(|| Duration::from_secs(total))
}

/// Bytes with a `K`, `M` or `G` behind.
pub(crate) fn scaled(text: &str) -> Result<u64, &'static str> {
    let (digits, shift) = match text.as_bytes().last().map(u8::to_ascii_uppercase) {
        Some(b'K') => (&text[..text.len() - 1], 10),
        Some(b'M') => (&text[..text.len() - 1], 20),
        Some(b'G') => (&text[..text.len() - 1], 30),
        _ => (text, 0),
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err("Invalid argument");
    }
    let value: u64 = digits.parse().map_err(|_| "Numerical result out of range")?;
    match value.checked_mul(1 << shift) {
        Some(value) if i64::try_from(value).is_ok() => Ok(value),
        _ => Err("Numerical result out of range"),
    }
}

/// A port number that can be connected to, or 0 where that has a meaning.
pub(crate) fn port(text: &str) -> Option<u16> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// Splits `a:b:c`, leaving `[::1]` and paths whole; the brackets go. As OpenSSH's forwards.
pub(crate) fn colon_fields(text: &str) -> Option<Vec<String>> {
    let mut fields = Vec::new();
    let mut rest = text;
    loop {
        let (field, after) = if let Some(inner) = rest.strip_prefix('[') {
            let (field, after) = inner.split_once(']')?;
            (field.to_owned(), after)
        } else {
            let end = rest.find(':').unwrap_or(rest.len());
            (rest[..end].to_owned(), &rest[end..])
        };
        fields.push(field);
        if after.is_empty() {
            return Some(fields);
        }
        rest = after.strip_prefix(':')?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let of = |text| line(text).map(|line| (line.keyword, line.rest));
        assert_eq!(of("Port 22"), Some(("Port", "22")));
        assert_eq!(of("  Port=22\r"), Some(("Port", "22")));
        assert_eq!(of("Port = =22"), Some(("Port", "=22")));
        assert_eq!(of("\"Port\" 22"), Some(("Port", "22")));
        assert_eq!(of("# x"), None);
        assert_eq!(of(" \t\r\n"), None);
    }

    #[test]
    fn words() {
        let of = |text: &str| split(text).map(|words| words.join("|"));
        assert_eq!(of("a b\tc").as_deref(), Some("a|b|c"));
        assert_eq!(of("\"a b\" 'c d'e # f").as_deref(), Some("a b|c de"));
        assert_eq!(of(r#"a\ b \"c \\ \d"#).as_deref(), Some(r#"a b|"c|\|\d"#));
        assert_eq!(of("a#b \"\"").as_deref(), Some("a#b|"));
        assert_eq!(of("\"a"), None);
    }

    #[test]
    fn times() {
        assert_eq!(time("90"), Some(Duration::from_secs(90)));
        assert_eq!(time("1h30m5"), Some(Duration::from_secs(5405)));
        assert_eq!(time("1W2d"), Some(Duration::from_secs(9 * 86400)));
        for bad in ["", "h", "1x", "-1", "1hh", "99999999999", "4000w", "1 h"] {
            assert_eq!(time(bad), None, "{bad}");
        }
    }

    #[test]
    fn numbers() {
        assert_eq!(number("12", 0, 20), Ok(12));
        assert_eq!(number("", 0, 20), Err("missing"));
        assert_eq!(number("1x", 0, 20), Err("invalid"));
        assert_eq!(number("-1", 0, 20), Err("too small"));
        assert_eq!(number("99999999999999999999", 0, 20), Err("too large"));
        assert_eq!(scaled("1G"), Ok(1 << 30));
        assert_eq!(scaled("16k"), Ok(16384));
        assert!(scaled("9999999999G").is_err() && scaled("G").is_err() && scaled("").is_err());
    }
}
