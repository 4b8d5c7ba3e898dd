//! Diffie-Hellman over the integers modulo a prime: RFC 4253 §8, RFC 8268 and
//! the groups of RFC 4419.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::{Encoding, KeyExchange, Response, SharedSecret, Started};
use crate::Error;
use crate::hash::HashAlgorithm;
use crate::random;
use crate::sys::{self, Number};

pub(crate) static DIFFIE_HELLMAN_GROUP1_SHA1: FixedGroup = FixedGroup {
    name: "diffie-hellman-group1-sha1",
    hash: HashAlgorithm::Sha1,
    prime: || Number::from_bytes(&OAKLEY_GROUP_2),
};
pub(crate) static DIFFIE_HELLMAN_GROUP14_SHA1: FixedGroup = FixedGroup {
    name: "diffie-hellman-group14-sha1",
    hash: HashAlgorithm::Sha1,
    prime: || sys::rfc3526_prime(2048),
};
pub(crate) static DIFFIE_HELLMAN_GROUP14_SHA256: FixedGroup = FixedGroup {
    name: "diffie-hellman-group14-sha256",
    hash: HashAlgorithm::Sha256,
    prime: || sys::rfc3526_prime(2048),
};
pub(crate) static DIFFIE_HELLMAN_GROUP16_SHA512: FixedGroup = FixedGroup {
    name: "diffie-hellman-group16-sha512",
    hash: HashAlgorithm::Sha512,
    prime: || sys::rfc3526_prime(4096),
};
pub(crate) static DIFFIE_HELLMAN_GROUP18_SHA512: FixedGroup = FixedGroup {
    name: "diffie-hellman-group18-sha512",
    hash: HashAlgorithm::Sha512,
    prime: || sys::rfc3526_prime(8192),
};

/// The sizes RFC 4419 groups may have here; RFC 8270 set the lower bound.
const GROUP_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// Twice the security level of the largest group, rounded up: a secret exponent
/// need not be longer, and shorter ones make the large groups bearable.
const EXPONENT_BYTES: usize = 64;

/// A key exchange with a group that its name fixes.
pub(crate) struct FixedGroup {
    name: &'static str,
    hash: HashAlgorithm,
    prime: fn() -> Result<Number, Error>,
}

impl FixedGroup {
    fn group(&self) -> Result<Group, Error> {
        Ok(Group::assemble(self.hash, (self.prime)()?, Number::from_bytes(&[2])?))
    }
}

impl KeyExchange for FixedGroup {
    fn name(&self) -> &'static str {
        self.name
    }

    fn hash(&self) -> HashAlgorithm {
        self.hash
    }

    fn share_encoding(&self) -> Encoding {
        Encoding::Mpint
    }

    fn start(&self) -> Result<Box<dyn Started>, Error> {
        self.group()?.start()
    }

    fn respond(&self, client_share: &[u8]) -> Result<Response, Error> {
        self.group()?.respond(client_share)
    }
}

/// A group for `diffie-hellman-group-exchange-*`: a prime p and a generator g.
pub struct Group {
    hash: HashAlgorithm,
    p: Vec<u8>,
    g: Vec<u8>,
    modulus: Arc<Number>,
    generator: Number,
}

impl Group {
    /// A group that a server sent or a moduli file holds, as magnitudes. RFC
    /// 4419 §3.
    ///
    /// Whether p is prime is not tested here: the server could lie about its
    /// own secret just as well, and its host key signs the choice.
    ///
    /// # Errors
    /// [`Error::InvalidShare`] unless p is odd and of 2048 to 8192 bits and
    /// 1 < g < p - 1.
    pub fn new(hash: HashAlgorithm, p: &[u8], g: &[u8]) -> Result<Self, Error> {
        // Before the library sees it, the length bounds the work.
        let longest = GROUP_BITS.end() / 8 + 1;
        if p.len() > longest || g.len() > longest {
            return Err(Error::InvalidShare);
        }
        let modulus = Number::from_bytes(p)?;
        let generator = Number::from_bytes(g)?;
        if !GROUP_BITS.contains(&modulus.bits()) || !modulus.is_odd() {
            return Err(Error::InvalidShare);
        }
        if !generator.is_inside_group(&modulus)? {
            return Err(Error::InvalidShare);
        }
        Ok(Self::assemble(hash, modulus, generator))
    }

    fn assemble(hash: HashAlgorithm, modulus: Number, generator: Number) -> Self {
        let (p, g) = (modulus.to_bytes().to_vec(), generator.to_bytes().to_vec());
        Self { hash, p, g, modulus: Arc::new(modulus), generator }
    }

    /// What a server without a moduli file gives: the smallest group of RFC
    /// 3526 with `bits_preferred` or more, or else the largest one, within
    /// `bits_min..=bits_max`. `None` when that range holds no group.
    pub fn well_known(
        bits_min: u32,
        bits_preferred: u32,
        bits_max: u32,
        hash: HashAlgorithm,
    ) -> Option<Self> {
        let mut allowed = [2048, 3072, 4096, 6144, 8192]
            .into_iter()
            .filter(|bits| (bits_min..=bits_max).contains(bits));
        let bits = allowed.clone().find(|bits| *bits >= bits_preferred).or(allowed.next_back())?;
        let generator = Number::from_bytes(&[2]).ok()?;
        Some(Self::assemble(hash, sys::rfc3526_prime(bits).ok()?, generator))
    }

    /// The hash of the key exchange that the group is for.
    pub fn hash(&self) -> HashAlgorithm {
        self.hash
    }

    /// The prime, as a magnitude without leading zeros.
    pub fn p(&self) -> &[u8] {
        &self.p
    }

    /// The generator, as a magnitude without leading zeros.
    pub fn g(&self) -> &[u8] {
        &self.g
    }

    /// The size of the prime.
    pub fn bits(&self) -> usize {
        self.modulus.bits()
    }

    /// Makes the client's secret and share `e`.
    ///
    /// # Errors
    /// [`Error::Internal`] when the library fails.
    pub fn start(&self) -> Result<Box<dyn Started>, Error> {
        let (exponent, share) = self.secret()?;
        Ok(Box::new(StartedGroup { modulus: Arc::clone(&self.modulus), exponent, share }))
    }

    /// Answers the client's share `e`, a magnitude.
    ///
    /// # Errors
    /// [`Error::InvalidShare`] unless 1 < e < p - 1.
    pub fn respond(&self, client_share: &[u8]) -> Result<Response, Error> {
        let (exponent, share) = self.secret()?;
        let secret = agree(&self.modulus, &exponent, client_share)?;
        Ok(Response { share, secret })
    }

    fn secret(&self) -> Result<(Number, Vec<u8>), Error> {
        let mut bytes = Zeroizing::new([0; EXPONENT_BYTES]);
        random::fill(&mut *bytes);
        // A fixed length, so that the time of the exponentiation tells nothing.
        bytes[0] |= 0x80;
        let exponent = Number::from_bytes(&*bytes)?;
        let share = self.generator.power_secret(&exponent, &self.modulus)?;
        Ok((exponent, share.to_bytes().to_vec()))
    }
}

struct StartedGroup {
    modulus: Arc<Number>,
    exponent: Number,
    share: Vec<u8>,
}

impl Started for StartedGroup {
    fn share(&self) -> &[u8] {
        &self.share
    }

    fn finish(self: Box<Self>, server_share: &[u8]) -> Result<SharedSecret, Error> {
        agree(&self.modulus, &self.exponent, server_share)
    }
}

/// RFC 4253 §8 refuses shares outside [1, p-1]; 1 and p-1 are refused too, as
/// they give secrets that everyone knows.
fn agree(modulus: &Number, exponent: &Number, share: &[u8]) -> Result<SharedSecret, Error> {
    if share.len() > modulus.bits().div_ceil(8) {
        return Err(Error::InvalidShare);
    }
    let share = Number::from_bytes(share)?;
    if !share.is_inside_group(modulus)? {
        return Err(Error::InvalidShare);
    }
    let secret = share.power_secret(exponent, modulus)?;
    if !secret.is_inside_group(modulus)? {
        return Err(Error::InvalidShare);
    }
    Ok(SharedSecret::from_magnitude(&secret.to_bytes()))
}

/// The Second Oakley Group, 1024 bits. RFC 2409 §6.2, used by RFC 4253 §8.1.
const OAKLEY_GROUP_2: [u8; 128] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xc9, 0x0f, 0xda, 0xa2, 0x21, 0x68, 0xc2, 0x34,
    0xc4, 0xc6, 0x62, 0x8b, 0x80, 0xdc, 0x1c, 0xd1, 0x29, 0x02, 0x4e, 0x08, 0x8a, 0x67, 0xcc, 0x74,
    0x02, 0x0b, 0xbe, 0xa6, 0x3b, 0x13, 0x9b, 0x22, 0x51, 0x4a, 0x08, 0x79, 0x8e, 0x34, 0x04, 0xdd,
    0xef, 0x95, 0x19, 0xb3, 0xcd, 0x3a, 0x43, 0x1b, 0x30, 0x2b, 0x0a, 0x6d, 0xf2, 0x5f, 0x14, 0x37,
    0x4f, 0xe1, 0x35, 0x6d, 0x6d, 0x51, 0xc2, 0x45, 0xe4, 0x85, 0xb5, 0x76, 0x62, 0x5e, 0x7e, 0xc6,
    0xf4, 0x4c, 0x42, 0xe9, 0xa6, 0x37, 0xed, 0x6b, 0x0b, 0xff, 0x5c, 0xb6, 0xf4, 0x06, 0xb7, 0xed,
    0xee, 0x38, 0x6b, 0xfb, 0x5a, 0x89, 0x9f, 0xa5, 0xae, 0x9f, 0x24, 0x11, 0x7c, 0x4b, 0x1f, 0xe6,
    0x49, 0x28, 0x66, 0x51, 0xec, 0xe6, 0x53, 0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::hex;

    fn sha256(bytes: &[u8]) -> Vec<u8> {
        HashAlgorithm::Sha256.digest(&[bytes]).as_ref().to_vec()
    }

    /// Digests of the primes as computed from their formulas, which begin with
    /// the digits of pi.
    #[test]
    fn primes_of_rfc_3526_and_2409() {
        for (bits, expected) in [
            (2048, "d66436f79bbd6b2e38c0ffbd079be904d2641415e2e67140e09448be9a60890e"),
            (3072, "48cf8b092fbce4359d9871abf74f98e25b6163379eaa15cd9087e800c6d1c55c"),
            (4096, "4ee95187682bcb230ad26a95205f6920e84708f6251b3894329b09ec23919e33"),
            (6144, "d1bfe6d0925ce7e4da262b62861514a7755e35831e429f343e7b864848657efd"),
            (8192, "39ab4feab950a3128fb71accb9fc3965d857012e081998a85996e3ea8b3c3bcf"),
        ] {
            let group = Group::well_known(bits, bits, bits, HashAlgorithm::Sha256).unwrap();
            assert_eq!(sha256(group.p()), hex(expected));
            assert_eq!((group.g(), group.bits()), (&[2][..], bits as usize));
            // And they pass the checks that are made on a server's group.
            assert!(Group::new(HashAlgorithm::Sha256, group.p(), group.g()).is_ok());
        }
        assert_eq!(
            sha256(&OAKLEY_GROUP_2),
            hex("3f35a3f5f6c4376a744acad409bb22f8d897f949d2311d885adaa890981b67a0")
        );
        for (exchange, bits) in [
            (&DIFFIE_HELLMAN_GROUP1_SHA1, 1024),
            (&DIFFIE_HELLMAN_GROUP14_SHA1, 2048),
            (&DIFFIE_HELLMAN_GROUP14_SHA256, 2048),
            (&DIFFIE_HELLMAN_GROUP16_SHA512, 4096),
            (&DIFFIE_HELLMAN_GROUP18_SHA512, 8192),
        ] {
            assert_eq!(exchange.group().unwrap().bits(), bits, "{}", exchange.name);
        }
    }

    /// Group 14 with the exponents SHA512("x") and SHA512("y"), computed with
    /// another implementation of big integers.
    #[test]
    fn known_secret() {
        let group = DIFFIE_HELLMAN_GROUP14_SHA256.group().unwrap();
        let [x, y] = [b"x", b"y"].map(|seed| {
            Number::from_bytes(HashAlgorithm::Sha512.digest(&[seed]).as_ref()).unwrap()
        });
        let share = |exponent| {
            group.generator.power_secret(exponent, &group.modulus).unwrap().to_bytes().to_vec()
        };
        let (x_share, y_share) = (share(&x), share(&y));
        assert_eq!(
            sha256(&x_share),
            hex("67395beb9f855bf01c117f7974444dcedbd2327f1bba41e0476a8630028960c0")
        );
        assert_eq!(
            sha256(&y_share),
            hex("07d72328b8beb4971e5d2f0f2f25e6ab2d80e85e165b4af4a03b3913fb3aab3f")
        );
        let secret = agree(&group.modulus, &x, &y_share).unwrap();
        assert_eq!(secret.encoded()[..6], [0, 0, 1, 0, 0x1d, 0x3a]);
        assert_eq!(
            sha256(&secret.encoded()[4..]),
            hex("81a36be3c6af545605e488670be55a28dc7bb5a8b9f71357e08c52e2ae218851")
        );
        assert_eq!(agree(&group.modulus, &y, &x_share).unwrap().encoded(), secret.encoded());
    }

    #[test]
    fn shares_out_of_range_are_refused() {
        let group = Group::well_known(2048, 2048, 2048, HashAlgorithm::Sha256).unwrap();
        let p = group.p();
        let last_byte = p[255];
        let plus = |difference: i8| {
            let mut bytes = p.to_vec();
            // p ends in ff, so p + 1 carries over.
            match difference {
                1 => {
                    let index = bytes.iter().rposition(|byte| *byte != 0xff).unwrap();
                    bytes[index] += 1;
                    bytes[index + 1..].fill(0);
                }
                _ => bytes[255] = last_byte.wrapping_add_signed(difference),
            }
            bytes
        };
        for share in [
            &[][..],
            &[0],
            &[0; 256],
            &[1],
            &plus(-1),
            p,
            &plus(1),
            &[0xff; 256],
            &[&[0][..], p].concat(),
            &[1; 257],
            &vec![0x7f; 1 << 16],
        ] {
            assert_eq!(group.respond(share).err(), Some(Error::InvalidShare));
            let started = group.start().unwrap();
            assert_eq!(started.finish(share).err(), Some(Error::InvalidShare));
        }
        for share in [&[2][..], &plus(-2)] {
            assert!(group.respond(share).is_ok());
        }
    }

    #[test]
    fn weak_groups_are_refused() {
        let new = |p: &[u8], g: &[u8]| Group::new(HashAlgorithm::Sha256, p, g).err();
        let group = Group::well_known(2048, 2048, 2048, HashAlgorithm::Sha256).unwrap();
        let (p, refused) = (group.p(), Some(Error::InvalidShare));
        let (mut even, mut minus_one) = (p.to_vec(), p.to_vec());
        even[255] = 0xfe;
        minus_one[255] -= 1;
        assert_eq!(new(&even, &[2]), refused);
        assert_eq!(new(p, &[]), refused);
        assert_eq!(new(p, &[1]), refused);
        assert_eq!(new(p, &minus_one), refused);
        assert_eq!(new(p, p), refused);
        assert_eq!(new(&[], &[2]), refused);
        assert_eq!(new(&OAKLEY_GROUP_2, &[2]), refused);
        assert_eq!(new(&[0x7f; 256], &[2]), refused, "2047 bits");
        assert_eq!(new(&[&[1][..], &[0xff; 1024]].concat(), &[2]), refused, "8193 bits");
        assert_eq!(new(&vec![0xff; 1 << 16], &[2]), refused);
        assert_eq!(new(p, &[2]), None);
    }

    #[test]
    fn well_known_groups_fit_the_request() {
        let bits = |min, preferred, max| {
            Group::well_known(min, preferred, max, HashAlgorithm::Sha256).map(|group| group.bits())
        };
        assert_eq!(bits(2048, 3072, 8192), Some(3072));
        assert_eq!(bits(2048, 3000, 8192), Some(3072));
        assert_eq!(bits(2048, 7680, 8192), Some(8192));
        assert_eq!(bits(2048, 8192, 6000), Some(4096));
        assert_eq!(bits(1024, 1024, 8192), Some(2048));
        assert_eq!(bits(1024, 1024, 1024), None);
        assert_eq!(bits(8192, 2048, 2048), None);
        assert_eq!(bits(u32::MAX, u32::MAX, u32::MAX), None);
    }

    #[test]
    fn exchanged_groups_agree() {
        let ours = Group::well_known(2048, 2048, 2048, HashAlgorithm::Sha1).unwrap();
        let theirs = Group::new(HashAlgorithm::Sha1, ours.p(), ours.g()).unwrap();
        assert_eq!(theirs.hash(), HashAlgorithm::Sha1);
        let started = theirs.start().unwrap();
        let response = ours.respond(started.share()).unwrap();
        let secret = started.finish(&response.share).unwrap();
        assert_eq!(secret.encoded(), response.secret.encoded());
    }
}
