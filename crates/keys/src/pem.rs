//! The text armour of RFC 7468, with the headers of RFC 1421 that old
//! encrypted key files carry.

use zeroize::Zeroizing;

use crate::base64;
use crate::error::PrivateKeyError;

/// One armoured object.
pub(crate) struct Pem<'a> {
    /// What stands behind `BEGIN`.
    pub label: &'a str,
    /// Headers in front of the body.
    pub headers: Vec<(&'a str, &'a str)>,
    /// The body, decoded.
    pub body: Zeroizing<Vec<u8>>,
}

impl<'a> Pem<'a> {
    /// Finds the first object in `text`. Lines may end in CR LF, the last one
    /// in nothing; text before the object is skipped.
    pub(crate) fn parse(text: &'a str) -> Result<Self, PrivateKeyError> {
        let mut lines = text.lines().map(str::trim_end);
        let label = lines
            .by_ref()
            .filter_map(|line| line.strip_prefix("-----BEGIN ")?.strip_suffix("-----"))
            // OpenSSL can put the curve in front of the key, which names it too.
            .find(|label| *label != "EC PARAMETERS")
            .ok_or(PrivateKeyError::NotAKey)?;
        let mut headers = Vec::new();
        let mut joined = Zeroizing::new(String::with_capacity(text.len()));
        for line in lines {
            if let Some(end) = line.strip_prefix("-----END ") {
                if end.strip_suffix("-----") != Some(label) {
                    return Err(PrivateKeyError::Damaged("the end mark is of something else"));
                }
                let body = base64::decode(joined.as_bytes())
                    .ok_or(PrivateKeyError::Damaged("the text is not base64"))?;
                return Ok(Self { label, headers, body: Zeroizing::new(body) });
            }
            match line.split_once(": ") {
                Some((name, value)) if joined.is_empty() => headers.push((name, value.trim())),
                _ => joined.push_str(line.trim_start()),
            }
        }
        Err(PrivateKeyError::Truncated)
    }

    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> Option<&'a str> {
        self.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }
}

/// Writes an object with lines of 70 characters, as OpenSSH does.
pub(crate) fn armour(label: &str, body: &[u8]) -> Zeroizing<String> {
    armour_as(label, "", body, 70)
}

/// Writes an object with lines of `width` characters behind `headers`, each of which has its
/// line end.
pub(crate) fn armour_as(
    label: &str,
    headers: &str,
    body: &[u8],
    width: usize,
) -> Zeroizing<String> {
    let encoded = Zeroizing::new(base64::encode(body));
    let len = encoded.len() + encoded.len() / width + headers.len() + 2 * label.len() + 64;
    let mut text = Zeroizing::new(String::with_capacity(len));
    text.push_str("-----BEGIN ");
    text.push_str(label);
    text.push_str("-----\n");
    text.push_str(headers);
    put_lines(&mut text, &encoded, width);
    text.push_str("-----END ");
    text.push_str(label);
    text.push_str("-----\n");
    text
}

/// Breaks base64 text into lines.
pub(crate) fn put_lines(text: &mut String, encoded: &str, width: usize) {
    let mut rest = encoded;
    while !rest.is_empty() {
        let (line, behind) = rest.split_at(rest.len().min(width));
        text.push_str(line);
        text.push('\n');
        rest = behind;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_do_not_matter() {
        for text in [
            "-----BEGIN X-----\nZm9v\nYmFy\n-----END X-----\n",
            "-----BEGIN X-----\r\nZm9v\r\nYmFy\r\n-----END X-----",
            "-----BEGIN EC PARAMETERS-----\nAA==\n-----END EC PARAMETERS-----\n\
             -----BEGIN X-----\nZm9vYmFy\n-----END X-----\n",
            "a comment\n-----BEGIN X-----\nZm9vYmFy \n-----END X-----\nmore",
        ] {
            let pem = Pem::parse(text).unwrap();
            assert_eq!((pem.label, pem.body.as_slice()), ("X", &b"foobar"[..]));
        }
        let text = "-----BEGIN X-----\nA: b c\nD: e\n\nZm9v\n-----END X-----\n";
        let pem = Pem::parse(text).unwrap();
        assert_eq!((pem.header("A"), pem.header("D")), (Some("b c"), Some("e")));
        assert_eq!(pem.body.as_slice(), b"foo");
    }

    #[test]
    fn what_is_not_whole() {
        let parse = |text| Pem::parse(text).map(|_| ());
        assert!(matches!(parse("hello"), Err(PrivateKeyError::NotAKey)));
        assert!(matches!(parse("-----BEGIN X-----\nZm9v"), Err(PrivateKeyError::Truncated)));
        let other = "-----BEGIN X-----\nZm9v\n-----END Y-----\n";
        assert!(matches!(parse(other), Err(PrivateKeyError::Damaged(_))));
    }

    #[test]
    fn armour_reads_back() {
        let body: Vec<u8> = (0..=255).collect();
        let text = armour("X", &body);
        assert!(text.lines().all(|line| line.len() <= 70));
        assert_eq!(Pem::parse(&text).unwrap().body.as_slice(), body);
    }
}
