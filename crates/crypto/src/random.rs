//! Random bytes.

/// Fills `bytes` from the library's generator, which the kernel seeds.
///
/// Aborts the process when there is no entropy: going on with weak bytes would
/// be worse, and no caller could do better.
pub fn fill(bytes: &mut [u8]) {
    if aws_lc_rs::rand::fill(bytes).is_err() {
        std::process::abort();
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn fills_differently_each_time() {
        let (mut a, mut b) = ([0; 32], [0; 32]);
        super::fill(&mut a);
        super::fill(&mut b);
        assert_ne!(a, b);
        assert_ne!(a, [0; 32]);
    }
}
