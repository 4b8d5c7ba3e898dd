//! The patterns of `ssh_config`(5): `*`, `?`, and lists with negation.

use crate::limits;

/// Whether `text` as a whole is what `pattern` describes: `*` is any number
/// of characters, `?` exactly one. Case matters. Takes time in proportion to
/// the product of the lengths at worst; a later `*` makes earlier ones final.
pub fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut at_pattern, mut at_text) = (0, 0);
    // Behind the last `*`, and how much of the text it has swallowed.
    let mut star: Option<(usize, usize)> = None;
    while at_text < text.len() {
        match pattern.get(at_pattern) {
            Some(b'*') => {
                at_pattern += 1;
                star = Some((at_pattern, at_text));
                continue;
            }
            Some(expected) if *expected == b'?' || *expected == text[at_text] => {
                at_pattern += 1;
                at_text += 1;
                continue;
            }
            _ => {}
        }
        let Some((behind_star, swallowed)) = star else { return false };
        star = Some((behind_star, swallowed + 1));
        at_pattern = behind_star;
        at_text = swallowed + 1;
    }
    pattern[at_pattern..].iter().all(|byte| *byte == b'*')
}

/// Holds `text` against patterns separated by commas. `Some(true)` is a hit,
/// `Some(false)` a hit of a pattern with `!` in front, which outweighs every
/// other, and `None` no hit at all.
pub fn matches_list(list: &str, text: &str) -> Option<bool> {
    let mut found = None;
    for entry in list.split(',') {
        let (negated, pattern) = match entry.strip_prefix('!') {
            Some(pattern) => (true, pattern),
            None => (false, entry),
        };
        // Over-long patterns hit nothing; OpenSSH gives up on the list.
        if pattern.len() > limits::PATTERN_BYTES {
            return None;
        }
        if matches(pattern, text) {
            if negated {
                return Some(false);
            }
            found = Some(true);
        }
    }
    found
}

/// [`matches_list`] for host names, whose case does not matter.
pub fn matches_host_list(list: &str, host: &str) -> Option<bool> {
    matches_list(&list.to_ascii_lowercase(), &host.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_patterns() {
        for (pattern, text) in [
            ("", ""),
            ("*", ""),
            ("*", "aaa"),
            ("**", ""),
            ("?", "a"),
            ("a*", "a"),
            ("*a*", "xax"),
            ("a?c", "abc"),
            ("*.example.org", "a.b.example.org"),
            ("a*b*c", "a-b-b-c"),
            ("192.168.?.*", "192.168.1.77"),
        ] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in
            [("", "a"), ("?", ""), ("a", "A"), ("a*c", "ab"), ("*b", "a"), ("??", "a"), ("a", "aa")]
        {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn many_stars_take_no_exponential_time() {
        let pattern = "*a".repeat(500);
        assert!(!matches(&format!("{pattern}b"), &"a".repeat(5000)));
    }

    #[test]
    fn lists() {
        assert_eq!(matches_list("a,b*", "bc"), Some(true));
        assert_eq!(matches_list("*,!bc", "bc"), Some(false));
        assert_eq!(matches_list("!x", "bc"), None);
        assert_eq!(matches_list("", "bc"), None);
        assert_eq!(matches_list("B*", "bc"), None);
        assert_eq!(matches_host_list("B*", "bC"), Some(true));
    }
}
