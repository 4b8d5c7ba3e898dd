//! Algorithm lists with `+`, `-` and `^` before them.

use crate::matching;
use crate::value::AlgorithmSet;

/// What a configured list comes to, or nothing when it names something unknown.
///
/// Without a sign the list stands for itself; `+` adds to the defaults, `-` takes away from them,
/// `^` puts its names first. Names may be patterns.
pub(crate) fn resolve(text: &str, set: &AlgorithmSet) -> Option<Vec<String>> {
    let (sign, list) = match text.chars().next() {
        Some(sign @ ('+' | '-' | '^')) => (Some(sign), &text[1..]),
        _ => (None, text),
    };
    if sign == Some('-') {
        let mut names = set.defaults.clone();
        names.retain(|name| !list.split(',').any(|pattern| matching::pattern(pattern, name)));
        return Some(names);
    }
    let named = expand(list, &set.supported)?;
    let lists: [&[String]; 2] = match sign {
        Some('+') => [&set.defaults, &named],
        Some('^') => [&named, &set.defaults],
        _ => [&named, &[]],
    };
    let mut names: Vec<String> = Vec::new();
    for name in lists.into_iter().flatten() {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    Some(names)
}

/// The supported names that the patterns of a list match, in the list's order.
fn expand(list: &str, supported: &[String]) -> Option<Vec<String>> {
    let mut names = Vec::new();
    for pattern in list.split(',').filter(|pattern| !pattern.is_empty()) {
        let before = names.len();
        names.extend(supported.iter().filter(|name| matching::pattern(pattern, name)).cloned());
        if names.len() == before {
            return None;
        }
    }
    (!names.is_empty()).then_some(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs() {
        let set = AlgorithmSet {
            defaults: vec!["a1".into(), "a2".into(), "b".into()],
            supported: vec!["a1".into(), "a2".into(), "b".into(), "old".into()],
        };
        let of = |text: &str| resolve(text, &set).map(|names| names.join(","));
        assert_eq!(of("b,a1").as_deref(), Some("b,a1"));
        assert_eq!(of("a*").as_deref(), Some("a1,a2"));
        assert_eq!(of("+old,b").as_deref(), Some("a1,a2,b,old"));
        assert_eq!(of("-a*").as_deref(), Some("b"));
        assert_eq!(of("^b").as_deref(), Some("b,a1,a2"));
        assert_eq!(of("-unknown").as_deref(), Some("a1,a2,b"));
        for bad in ["x", "a1,x", "+x", "^x", ",", "+"] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }
}
