//! Comparison without a timing difference.

/// Whether `a` and `b` are equal. Takes the same time for all contents of the
/// same length; the lengths themselves are not hidden.
pub fn equal(a: &[u8], b: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(a, b).is_ok()
}

#[cfg(test)]
mod tests {
    use super::equal;

    #[test]
    fn compares_contents_and_lengths() {
        assert!(equal(b"", b""));
        assert!(equal(b"abc", b"abc"));
        assert!(!equal(b"abc", b"abd"));
        assert!(!equal(b"abc", b"ab"));
    }
}
