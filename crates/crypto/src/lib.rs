//! Cryptography as SSH uses it, on top of AWS-LC.
//!
//! This crate is the only one that names a cryptographic library. It offers
//! what the layers above ask for: key exchanges as shares in and a secret out
//! ([`kex`]), whole packets sealed and opened in place ([`cipher`]), raw
//! signatures over raw key material ([`sign`]), hashes ([`hash`]), the key
//! derivation of RFC 4253 §7.2 ([`kdf`]) and one table of what is offered in
//! which order ([`tables`]).
//!
//! It deliberately lacks messages, key blobs and key files, negotiation,
//! password hashing, and any choice of randomness: secrets come from the
//! library's own generator, which the kernel seeds. Also absent on purpose are
//! DSA, RC4, Blowfish, MD5 and truncated MACs, and UMAC.
//!
//! ```
//! # use keyway_crypto as crypto;
//! use crypto::{cipher::Keys, kdf, kex::Encoding, tables};
//!
//! # fn main() -> Result<(), crypto::Error> {
//! let exchange = match tables::key_exchange("curve25519-sha256").map(|entry| entry.kind) {
//!     Some(tables::KexKind::Fixed(exchange)) => exchange,
//!     _ => return Err(crypto::Error::Unsupported("curve25519-sha256")),
//! };
//! assert_eq!(exchange.share_encoding(), Encoding::String);
//!
//! // The client starts, the server responds, the client finishes.
//! let started = exchange.start()?;
//! let response = exchange.respond(started.share())?;
//! let secret = started.finish(&response.share)?;
//! assert_eq!(secret.encoded(), response.secret.encoded());
//!
//! // Both derive the keys of a direction and move a packet.
//! let aes = tables::cipher("aes128-gcm@openssh.com").ok_or(crypto::Error::Unsupported("gcm"))?;
//! let exchange_hash = exchange.hash().digest(&[b"what both sides have seen"]);
//! let session_id = exchange_hash.as_ref();
//! let (mut iv, mut key) = (vec![0; aes.iv_len], vec![0; aes.key_len]);
//! kdf::derive(exchange.hash(), &secret, exchange_hash.as_ref(), b'A', session_id, &mut iv);
//! kdf::derive(exchange.hash(), &secret, exchange_hash.as_ref(), b'C', session_id, &mut key);
//! let keys = Keys { key: &key, iv: &iv, mac_key: &[] };
//! let mut sealer = aes.sealer(None, &keys)?;
//! let mut opener = aes.opener(None, &keys)?;
//!
//! let mut packet = [&[0, 0, 0, 16, 4][..], b"hello world", &[0; 4], &[0; 16]].concat();
//! sealer.seal(3, &mut packet)?;
//! assert_eq!(opener.open_length(3, &mut packet[..4])?, 16);
//! opener.open(3, &mut packet)?;
//! assert_eq!(&packet[5..16], b"hello world");
//! # Ok(())
//! # }
//! ```

#![deny(unsafe_code)]

pub mod cipher;
pub mod constant_time;
mod error;
pub mod hash;
pub mod kdf;
pub mod kex;
pub mod mac;
pub mod numbers;
pub mod random;
pub mod sign;
pub mod symmetric;
#[expect(unsafe_code, reason = "the library's C interface, wrapped in safe types")]
mod sys;
pub mod tables;

pub use error::Error;

#[cfg(test)]
mod test_support {
    /// Bytes from hexadecimal digits; spaces are skipped.
    pub fn hex(digits: &str) -> Vec<u8> {
        let digits: Vec<u8> =
            digits.chars().filter_map(|c| c.to_digit(16)).map(|digit| digit as u8).collect();
        digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()
    }
}
