//! Which algorithms there are, in order of preference, with what is offered by
//! default. Negotiation, `ssh -Q` and the documentation read these tables.

use std::time::Instant;

use crate::Error;
use crate::cipher::{self, CipherAlgorithm, Keys};
use crate::hash::HashAlgorithm;
use crate::kex::{self, KeyExchange};
use crate::mac::{self, MacAlgorithm};

/// Whether to use an algorithm: RFC 9142 and later practice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advice {
    /// Everyone has it.
    Must,
    /// Good.
    Should,
    /// Acceptable.
    May,
    /// Only for a peer that knows nothing better, and by hand.
    ShouldNot,
}

/// One key exchange method.
pub struct KexEntry {
    /// The name that is negotiated.
    pub name: &'static str,
    /// How it runs.
    pub kind: KexKind,
    /// Whether to use it.
    pub advice: Advice,
    /// Whether a client offers it by default.
    pub client: bool,
    /// Whether a server offers it by default.
    pub server: bool,
}

/// How a key exchange runs.
#[derive(Clone, Copy)]
pub enum KexKind {
    /// With parameters that its name fixes.
    Fixed(&'static dyn KeyExchange),
    /// With a group that the server picks, RFC 4419, and this hash.
    GroupExchange(HashAlgorithm),
}

/// One packet cipher.
#[derive(Debug)]
pub struct CipherEntry {
    /// The cipher itself.
    pub algorithm: &'static CipherAlgorithm,
    /// Whether to use it.
    pub advice: Advice,
    /// Whether a client offers it by default.
    pub client: bool,
    /// Whether a server offers it by default.
    pub server: bool,
}

/// One MAC.
#[derive(Debug)]
pub struct MacEntry {
    /// The MAC itself.
    pub algorithm: &'static MacAlgorithm,
    /// Whether to use it.
    pub advice: Advice,
    /// Whether a client offers it by default.
    pub client: bool,
    /// Whether a server offers it by default.
    pub server: bool,
}

/// Key exchange methods in order of preference.
pub static KEY_EXCHANGES: &[KexEntry] = &[
    both("mlkem768x25519-sha256", &kex::MLKEM768X25519_SHA256, Advice::Should),
    both("sntrup761x25519-sha512", &kex::SNTRUP761X25519_SHA512, Advice::Should),
    both(
        "sntrup761x25519-sha512@openssh.com",
        &kex::SNTRUP761X25519_SHA512_OPENSSH,
        Advice::Should,
    ),
    both("curve25519-sha256", &kex::CURVE25519_SHA256, Advice::Should),
    both("curve25519-sha256@libssh.org", &kex::CURVE25519_SHA256_LIBSSH, Advice::Should),
    both("ecdh-sha2-nistp256", &kex::ECDH_NISTP256, Advice::Should),
    both("ecdh-sha2-nistp384", &kex::ECDH_NISTP384, Advice::Should),
    both("ecdh-sha2-nistp521", &kex::ECDH_NISTP521, Advice::Should),
    KexEntry {
        name: "diffie-hellman-group-exchange-sha256",
        kind: KexKind::GroupExchange(HashAlgorithm::Sha256),
        advice: Advice::May,
        client: true,
        server: true,
    },
    both("diffie-hellman-group16-sha512", &kex::DIFFIE_HELLMAN_GROUP16_SHA512, Advice::Should),
    both("diffie-hellman-group18-sha512", &kex::DIFFIE_HELLMAN_GROUP18_SHA512, Advice::May),
    both("diffie-hellman-group14-sha256", &kex::DIFFIE_HELLMAN_GROUP14_SHA256, Advice::Must),
    named_only("mlkem768nistp256-sha256", &kex::MLKEM768NISTP256_SHA256, Advice::May),
    named_only("diffie-hellman-group14-sha1", &kex::DIFFIE_HELLMAN_GROUP14_SHA1, Advice::ShouldNot),
    KexEntry {
        name: "diffie-hellman-group-exchange-sha1",
        kind: KexKind::GroupExchange(HashAlgorithm::Sha1),
        advice: Advice::ShouldNot,
        client: false,
        server: false,
    },
    named_only("diffie-hellman-group1-sha1", &kex::DIFFIE_HELLMAN_GROUP1_SHA1, Advice::ShouldNot),
];

const fn both(name: &'static str, kex: &'static dyn KeyExchange, advice: Advice) -> KexEntry {
    KexEntry { name, kind: KexKind::Fixed(kex), advice, client: true, server: true }
}

const fn named_only(name: &'static str, kex: &'static dyn KeyExchange, advice: Advice) -> KexEntry {
    KexEntry { name, kind: KexKind::Fixed(kex), advice, client: false, server: false }
}

/// Ciphers in order of preference where the processor has AES instructions; see
/// [`default_ciphers`] for other processors.
pub static CIPHERS: &[CipherEntry] = &[
    cipher_entry(&cipher::AES128_GCM, Advice::Should, true),
    cipher_entry(&cipher::AES256_GCM, Advice::Should, true),
    cipher_entry(&cipher::CHACHA20_POLY1305, Advice::Should, true),
    cipher_entry(&cipher::AES128_CTR, Advice::May, true),
    cipher_entry(&cipher::AES192_CTR, Advice::May, true),
    cipher_entry(&cipher::AES256_CTR, Advice::May, true),
    cipher_entry(&cipher::AES128_CBC, Advice::ShouldNot, false),
    cipher_entry(&cipher::AES192_CBC, Advice::ShouldNot, false),
    cipher_entry(&cipher::AES256_CBC, Advice::ShouldNot, false),
    cipher_entry(&cipher::TRIPLE_DES_CBC, Advice::ShouldNot, false),
];

const fn cipher_entry(
    algorithm: &'static CipherAlgorithm,
    advice: Advice,
    offered: bool,
) -> CipherEntry {
    CipherEntry { algorithm, advice, client: offered, server: offered }
}

/// MACs in order of preference.
pub static MACS: &[MacEntry] = &[
    mac_entry(&mac::HMAC_SHA2_256_ETM, Advice::Should),
    mac_entry(&mac::HMAC_SHA2_512_ETM, Advice::Should),
    mac_entry(&mac::HMAC_SHA2_256, Advice::May),
    mac_entry(&mac::HMAC_SHA2_512, Advice::May),
    mac_entry(&mac::HMAC_SHA1_ETM, Advice::May),
    mac_entry(&mac::HMAC_SHA1, Advice::May),
];

const fn mac_entry(algorithm: &'static MacAlgorithm, advice: Advice) -> MacEntry {
    MacEntry { algorithm, advice, client: true, server: true }
}

/// The key exchange method of that name.
pub fn key_exchange(name: &str) -> Option<&'static KexEntry> {
    KEY_EXCHANGES.iter().find(|entry| entry.name == name)
}

/// The cipher of that name.
pub fn cipher(name: &str) -> Option<&'static CipherAlgorithm> {
    CIPHERS.iter().map(|entry| entry.algorithm).find(|algorithm| algorithm.name == name)
}

/// The MAC of that name.
pub fn mac(name: &str) -> Option<&'static MacAlgorithm> {
    MACS.iter().map(|entry| entry.algorithm).find(|algorithm| algorithm.name == name)
}

/// The ciphers offered by default, the fastest on this machine first: AES-GCM
/// where the processor has AES and carry-less multiplication instructions,
/// ChaCha20-Poly1305 where it has not. [`measure_aead`] gives the figures.
pub fn default_ciphers() -> Vec<&'static str> {
    order_ciphers(has_aes_hardware())
}

fn order_ciphers(aes_hardware: bool) -> Vec<&'static str> {
    let offered = CIPHERS.iter().filter(|entry| entry.client).map(|entry| entry.algorithm);
    let mut names: Vec<_> = offered.map(|algorithm| algorithm.name).collect();
    if !aes_hardware {
        let chacha = cipher::CHACHA20_POLY1305.name;
        // A stable sort: the rest keeps its order.
        names.sort_by_key(|name| *name != chacha);
    }
    names
}

/// Whether the processor has the instructions that make AES-GCM fast.
pub fn has_aes_hardware() -> bool {
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    {
        std::arch::is_x86_feature_detected!("aes")
            && std::arch::is_x86_feature_detected!("pclmulqdq")
    }
    #[cfg(target_arch = "aarch64")]
    {
        std::arch::is_aarch64_feature_detected!("aes")
    }
    #[cfg(not(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64")))]
    {
        false
    }
}

/// Nanoseconds that sealing a packet of 16 KiB takes with each AEAD, the best of
/// a few tries. Takes some milliseconds: for benchmarks, not for start-up.
///
/// # Errors
/// [`Error::Internal`] when the library fails.
pub fn measure_aead() -> Result<Vec<(&'static str, u64)>, Error> {
    const PACKET_LEN: usize = 16 * 1024;
    let aeads = CIPHERS.iter().map(|entry| entry.algorithm).filter(|cipher| cipher.is_aead());
    aeads
        .map(|algorithm| {
            let (key, iv) = (vec![7; algorithm.key_len], vec![7; algorithm.iv_len]);
            let keys = Keys { key: &key, iv: &iv, mac_key: &[] };
            let mut sealer = algorithm.sealer(None, &keys)?;
            let mut packet = vec![0; 4 + PACKET_LEN + algorithm.tag_len];
            let mut best = u64::MAX;
            for sequence_number in 0..64 {
                let start = Instant::now();
                sealer.seal(sequence_number, &mut packet)?;
                best = best.min(u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX));
            }
            Ok((algorithm.name, best))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_agree() {
        for (index, entry) in KEY_EXCHANGES.iter().enumerate() {
            assert!(KEY_EXCHANGES[..index].iter().all(|earlier| earlier.name != entry.name));
            if let KexKind::Fixed(exchange) = entry.kind {
                assert_eq!(exchange.name(), entry.name);
            }
            assert!(key_exchange(entry.name).is_some());
        }
        for entry in CIPHERS {
            assert!(std::ptr::eq(cipher(entry.algorithm.name).unwrap(), entry.algorithm));
        }
        for entry in MACS {
            assert!(std::ptr::eq(mac(entry.algorithm.name).unwrap(), entry.algorithm));
        }
        assert!(key_exchange("none").is_none());
        assert!(cipher("none").is_none());
        assert!(mac("hmac-md5").is_none());
    }

    #[test]
    fn nothing_discouraged_is_offered() {
        assert!(
            KEY_EXCHANGES.iter().all(|entry| {
                entry.advice != Advice::ShouldNot || !(entry.client || entry.server)
            })
        );
        assert!(
            CIPHERS.iter().all(|entry| {
                entry.advice != Advice::ShouldNot || !(entry.client || entry.server)
            })
        );
    }

    #[test]
    fn the_first_cipher_depends_on_the_processor() {
        let (gcm, chacha) = ("aes128-gcm@openssh.com", "chacha20-poly1305@openssh.com");
        assert_eq!(order_ciphers(true)[..3], [gcm, "aes256-gcm@openssh.com", chacha]);
        assert_eq!(order_ciphers(false)[..3], [chacha, gcm, "aes256-gcm@openssh.com"]);
        assert_eq!(order_ciphers(false).len(), 6);
        assert_eq!(default_ciphers(), order_ciphers(has_aes_hardware()));
    }

    #[test]
    fn measures_every_aead() {
        let names: Vec<_> = measure_aead().unwrap().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, order_ciphers(true)[..3]);
    }
}
