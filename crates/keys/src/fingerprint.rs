use crypto::hash::HashAlgorithm;

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
        let digest = hash.algorithm().digest(&[self.plain().blob()]);
        let text = match hash {
            FingerprintHash::Sha256 => {
                base64::encode(digest.as_ref()).trim_end_matches('=').to_owned()
            }
            FingerprintHash::Md5 => {
                let octets: Vec<_> =
                    digest.as_ref().iter().map(|octet| format!("{octet:02x}")).collect();
                octets.join(":")
            }
        };
        format!("{}:{text}", hash.name())
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

    #[test]
    fn names() {
        assert_eq!(FingerprintHash::from_name("sha256"), Some(FingerprintHash::Sha256));
        assert_eq!(FingerprintHash::from_name("MD5"), Some(FingerprintHash::Md5));
        assert_eq!(FingerprintHash::from_name("sha1"), None);
    }
}
