use crypto::hash::HashAlgorithm;

use crate::algorithms::KeyType;
use crate::base64;
use crate::public::PublicKey;

/// How a key is shortened for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum FingerprintHash {
    /// `SHA256:` and base64 without padding.
    #[default]
    Sha256,
    /// `MD5:` and hexadecimal with colons, as before OpenSSH 6.8.
    Md5,
}

impl FingerprintHash {
    /// By the name that `-E` and `FingerprintHash` take, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        [FingerprintHash::Sha256, FingerprintHash::Md5]
            .into_iter()
            .find(|hash| hash.name().eq_ignore_ascii_case(name))
    }

    /// As it stands in front of a fingerprint.
    pub fn name(self) -> &'static str {
        match self {
            FingerprintHash::Sha256 => "SHA256",
            FingerprintHash::Md5 => "MD5",
        }
    }

    fn algorithm(self) -> HashAlgorithm {
        match self {
            FingerprintHash::Sha256 => HashAlgorithm::Sha256,
            FingerprintHash::Md5 => HashAlgorithm::Md5,
        }
    }
}

impl PublicKey {
    /// The fingerprint of the plain key, in a certificate too.
    pub fn fingerprint(&self, hash: FingerprintHash) -> String {
        fingerprint_of(self.plain().blob(), hash)
    }

    /// The fingerprint of all that [`Self::blob`] holds: of the certificate, where there is one.
    pub fn whole_fingerprint(&self, hash: FingerprintHash) -> String {
        fingerprint_of(self.blob(), hash)
    }

    /// The picture that `ssh-keygen -lv` draws, eleven lines without a final
    /// line end.
    pub fn randomart(&self, hash: FingerprintHash) -> String {
        let digest = hash.algorithm().digest(&[self.plain().blob()]);
        let mut title = format!("[{} {}]", self.type_label(), self.bits());
        if title.len() > WIDTH {
            title = format!("[{}]", self.type_label());
        }
        // OpenSSH's buffers hold one character less than the field is wide.
        title.truncate(WIDTH - 1);
        draw(digest.as_ref(), &title, &format!("[{}]", hash.name()))
    }
}

impl PublicKey {
    /// The fingerprint that can be pronounced, of SHA-1: `ssh-keygen -B`.
    pub fn bubble_babble(&self) -> String {
        bubble_babble(HashAlgorithm::Sha1.digest(&[self.plain().blob()]).as_ref())
    }

    /// The picture beside [`Self::bubble_babble`].
    pub fn bubble_babble_art(&self) -> String {
        let digest = HashAlgorithm::Sha1.digest(&[self.plain().blob()]);
        let mut title = format!("[{} {}]", self.type_label(), self.bits());
        title.truncate(WIDTH - 1);
        draw(digest.as_ref(), &title, "[SHA1]")
    }

    /// The numbers and hexadecimal digests of the key's SSHFP records, SHA-1 and SHA-256:
    /// algorithm, type of fingerprint, digest. RFC 4255 §3.1, RFC 6594, RFC 7479. Empty for
    /// keys that have no number.
    pub fn sshfp(&self) -> Vec<(u8, u8, Vec<u8>)> {
        let algorithm = match self.key_type() {
            KeyType::Rsa => 1,
            KeyType::EcdsaNistP256 | KeyType::EcdsaNistP384 | KeyType::EcdsaNistP521 => 3,
            KeyType::Ed25519 => 4,
            KeyType::SkEd25519 | KeyType::SkEcdsa => return Vec::new(),
        };
        let plain = self.plain();
        [(1, HashAlgorithm::Sha1), (2, HashAlgorithm::Sha256)]
            .into_iter()
            .map(|(kind, hash)| (algorithm, kind, hash.digest(&[plain.blob()]).as_ref().to_vec()))
            .collect()
    }
}

const VOWELS: &[u8; 6] = b"aeiouy";
const CONSONANTS: &[u8; 17] = b"bcdfghklmnprstvzx";

/// Antti Huima's encoding: pairs of octets as five letters, with a check in the vowels.
fn bubble_babble(digest: &[u8]) -> String {
    let vowel = |index: usize| char::from(VOWELS[index % 6]);
    let consonant = |octet: u8| char::from(CONSONANTS[usize::from(octet & 15)]);
    let mut text = String::from("x");
    let mut seed = 1usize;
    let mut pairs = digest.chunks_exact(2);
    let put_first = |text: &mut String, octet: u8, seed: usize| {
        text.push(vowel(usize::from(octet >> 6) + seed));
        text.push(consonant(octet >> 2));
        text.push(vowel(usize::from(octet & 3) + seed / 6));
    };
    for pair in pairs.by_ref() {
        put_first(&mut text, pair[0], seed);
        text.push(consonant(pair[1] >> 4));
        text.push('-');
        text.push(consonant(pair[1]));
        seed = (seed * 5 + usize::from(pair[0]) * 7 + usize::from(pair[1])) % 36;
    }
    match pairs.remainder() {
        [octet] => put_first(&mut text, *octet, seed),
        _ => text.extend([vowel(seed), 'x', vowel(seed / 6)]),
    }
    text.push('x');
    text
}

const WIDTH: usize = 17;
const HEIGHT: usize = 9;
/// How often a square was visited; the last two are start and end.
const SQUARES: &[u8; 17] = b" .o+=*BOX@%&#/^SE";
const START: usize = 15;
const END: usize = 16;

/// The drunken bishop: every two bits are one step, diagonal, along the wall
/// where there is one.
fn draw(digest: &[u8], title: &str, footer: &str) -> String {
    let mut visits = [[0usize; WIDTH]; HEIGHT];
    let (mut x, mut y) = (WIDTH / 2, HEIGHT / 2);
    for byte in digest {
        for shift in [0, 2, 4, 6] {
            let step = byte >> shift;
            x = if step & 1 == 0 { x.saturating_sub(1) } else { (x + 1).min(WIDTH - 1) };
            y = if step & 2 == 0 { y.saturating_sub(1) } else { (y + 1).min(HEIGHT - 1) };
            visits[y][x] = (visits[y][x] + 1).min(START - 1);
        }
    }
    visits[HEIGHT / 2][WIDTH / 2] = START;
    visits[y][x] = END;

    let mut picture = border(title);
    for row in visits {
        picture.push_str("\n|");
        picture.extend(row.iter().map(|count| char::from(SQUARES[*count])));
        picture.push('|');
    }
    picture.push('\n');
    picture.push_str(&border(footer));
    picture
}

fn border(text: &str) -> String {
    let left = (WIDTH - text.len()) / 2;
    let right = WIDTH - left - text.len();
    format!("+{}{text}{}+", "-".repeat(left), "-".repeat(right))
}

fn fingerprint_of(blob: &[u8], hash: FingerprintHash) -> String {
    let digest = hash.algorithm().digest(&[blob]);
    let text = match hash {
        FingerprintHash::Sha256 => base64::encode(digest.as_ref()).trim_end_matches('=').to_owned(),
        FingerprintHash::Md5 => {
            let octets: Vec<_> =
                digest.as_ref().iter().map(|octet| format!("{octet:02x}")).collect();
            octets.join(":")
        }
    };
    format!("{}:{text}", hash.name())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_data;

    /// The fixtures are what `ssh-keygen -lv` printed for the same keys.
    #[test]
    fn pictures_of_openssh() {
        for (hash, printed) in [
            (FingerprintHash::Sha256, test_data::FINGERPRINTS_SHA256),
            (FingerprintHash::Md5, test_data::FINGERPRINTS_MD5),
        ] {
            let ours: Vec<_> = test_data::PUBLIC_LINES
                .lines()
                .map(|line| {
                    let (key, comment) = PublicKey::from_line(line).unwrap();
                    let (bits, label) = (key.bits(), key.type_label());
                    let (fingerprint, picture) = (key.fingerprint(hash), key.randomart(hash));
                    format!("{bits} {fingerprint} {comment} ({label})\n{picture}\n")
                })
                .collect();
            assert_eq!(ours.concat(), printed);
        }
    }

    /// The vectors of the encoding's specification.
    #[test]
    fn bubble_babble_of_its_specification() {
        assert_eq!(bubble_babble(b""), "xexax");
        assert_eq!(bubble_babble(b"1234567890"), "xesef-disof-gytuf-katof-movif-baxux");
        assert_eq!(bubble_babble(b"Pineapple"), "xigak-nyryk-humil-bosek-sonax");
    }

    #[test]
    fn names() {
        assert_eq!(FingerprintHash::from_name("sha256"), Some(FingerprintHash::Sha256));
        assert_eq!(FingerprintHash::from_name("MD5"), Some(FingerprintHash::Md5));
        assert_eq!(FingerprintHash::from_name("sha1"), None);
    }
}
