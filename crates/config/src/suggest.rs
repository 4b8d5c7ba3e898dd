//! The word that somebody probably meant.

/// The longest word that is looked at; keywords are shorter by far.
const MAX_LENGTH: usize = 64;

/// Which of `known` is closest to `word`, if one is close enough to be a slip of the hand.
///
/// Capitals do not count. Of several that are equally close, the first.
pub fn closest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.is_empty() || word.len() > MAX_LENGTH {
        return None;
    }
    let wanted = word.to_ascii_lowercase();
    // One slip in three letters; in the shortest words one.
    let allowed = (wanted.len() / 3).clamp(1, 4);
    let mut best: Option<(usize, &str)> = None;
    for candidate in known {
        if candidate.len().abs_diff(wanted.len()) > allowed {
            continue;
        }
        let distance = distance(wanted.as_bytes(), candidate.to_ascii_lowercase().as_bytes());
        if distance <= allowed && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// How many letters must be added, left out, changed or swapped with their neighbour.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, &x) in a.iter().enumerate() {
        let mut row = Vec::with_capacity(b.len() + 1);
        row.push(i + 1);
        for (j, &y) in b.iter().enumerate() {
            let mut least = (last[j] + usize::from(x != y)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i - 1] == y && b[j - 1] == x {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips() {
        let known = ["HostName", "Host", "Port", "ProxyJump", "IdentityFile", "User"];
        let meant = |word| closest(word, known);
        assert_eq!(meant("Hostnmae"), Some("HostName"));
        assert_eq!(meant("IdentityFiles"), Some("IdentityFile"));
        assert_eq!(meant("Prot"), Some("Port"));
        assert_eq!(meant("proxyjmp"), Some("ProxyJump"));
        assert_eq!(meant("Banana"), None);
        assert_eq!(meant(""), None);
        assert_eq!(distance(b"abc", b"abc"), 0);
        assert_eq!(distance(b"abc", b"acb"), 1);
        assert_eq!(distance(b"", b"abc"), 3);
    }
}
