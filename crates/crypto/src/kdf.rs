//! Key derivation of the transport. RFC 4253 §7.2.

use crate::hash::HashAlgorithm;
use crate::kex::SharedSecret;

/// Fills `out` with the key for `letter` (`b'A'` to `b'F'`).
///
/// K1 = HASH(K ‖ H ‖ letter ‖ `session_id`), K(n+1) = HASH(K ‖ H ‖ K1 ‖ … ‖ Kn),
/// and the key is K1 ‖ K2 ‖ … cut to size.
pub fn derive(
    hash: HashAlgorithm,
    secret: &SharedSecret,
    exchange_hash: &[u8],
    letter: u8,
    session_id: &[u8],
    out: &mut [u8],
) {
    let mut block = hash.digest(&[secret.encoded(), exchange_hash, &[letter], session_id]);
    let mut filled = 0;
    loop {
        let take = block.as_ref().len().min(out.len() - filled);
        out[filled..filled + take].copy_from_slice(&block.as_ref()[..take]);
        filled += take;
        if filled == out.len() {
            return;
        }
        block = hash.digest(&[secret.encoded(), exchange_hash, &out[..filled]]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::Digest;

    #[test]
    fn extends_as_rfc_4253_says() {
        let hash = HashAlgorithm::Sha256;
        let secret = SharedSecret::from_magnitude(&[0x80, 1, 2]);
        let k = [0, 0, 0, 4, 0, 0x80, 1, 2];
        let first: Digest = hash.digest(&[&k, b"H", b"C", b"session"]);
        let second = hash.digest(&[&k, b"H", first.as_ref()]);
        let third = hash.digest(&[&k, b"H", first.as_ref(), second.as_ref()]);
        let whole = [first.as_ref(), second.as_ref(), third.as_ref()].concat();
        for len in [0, 1, 31, 32, 33, 64, 65, 96] {
            let mut out = vec![0; len];
            derive(hash, &secret, b"H", b'C', b"session", &mut out);
            assert_eq!(out, whole[..len]);
        }
    }
}
