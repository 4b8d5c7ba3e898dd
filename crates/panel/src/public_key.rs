//! Public keys as people paste them: repaired where that is safe and said, refused with the
//! reason where it is not, and never a private key.

use keys::{Error as KeyError, FingerprintHash, PublicKey};

/// The least RSA size that is stored: NIST SP 800-131A.
const RSA_BITS_MIN: u32 = 2048;
/// More than any public key with its comment takes.
pub const TEXT_BYTES_MAX: usize = 32 * 1024;
const COMMENT_CHARACTERS_MAX: usize = 255;

/// A public key that may be stored.
#[derive(Clone, Debug)]
pub struct Examined {
    /// The key.
    pub key: PublicKey,
    /// What stood behind it.
    pub comment: String,
    /// What was mended on the way, in whole sentences.
    pub repairs: Vec<String>,
}

impl Examined {
    /// The one line that is stored.
    pub fn line(&self) -> String {
        self.key.to_line(&self.comment)
    }

    /// A name for it, from its comment, when the person gave none.
    pub fn proposed_name(&self) -> String {
        let name: String = self
            .comment
            .chars()
            .map(|c| if is_name_character(c) { c } else { '-' })
            .take(100)
            .collect();
        let name = name.trim_matches([' ', '-', '.']).to_owned();
        if name.is_empty() {
            let fingerprint = self.key.fingerprint(FingerprintHash::Md5);
            let short: String =
                fingerprint.chars().skip(4).filter(char::is_ascii_hexdigit).take(8).collect();
            return format!("{}-{short}", self.key.type_label().to_lowercase());
        }
        name
    }
}

/// Why a text is not stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is, or holds, a private key: nothing of it may be shown again.
    PrivateKey,
    /// Anything else, in words for the person.
    Bad(String),
}

impl Refusal {
    /// What to say beside the field.
    pub fn message(&self) -> String {
        match self {
            Self::PrivateKey => {
                "STOP: this is a PRIVATE key. It was not stored, and no part of it was kept. \
                 Never paste it anywhere; whoever reads it can log in as you. What belongs here \
                 is the public half, the file whose name ends in .pub. If anybody else may have \
                 seen this page, make a new key pair."
                    .to_owned()
            }
            Self::Bad(message) => message.clone(),
        }
    }
}

fn bad<T>(message: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::Bad(message.into()))
}

/// Reads a pasted text or an uploaded file.
///
/// # Errors
/// [`Refusal`] says why it is not a public key to store.
pub fn examine(text: &str) -> Result<Examined, Refusal> {
    if is_private(text) {
        return Err(Refusal::PrivateKey);
    }
    if text.len() > TEXT_BYTES_MAX {
        return bad("This is far too long for a public key.");
    }
    let mut repairs = Vec::new();
    let text = clean(text, &mut repairs);
    if text.is_empty() {
        return bad("Paste a public key, or choose its .pub file.");
    }
    let (key, comment) = if text.contains("BEGIN SSH2 PUBLIC KEY") {
        repairs.push("Converted from the SSH2 format (RFC 4716).".to_owned());
        PublicKey::from_rfc4716(&text).map_err(explain)?
    } else if text.contains("BEGIN PUBLIC KEY") || text.contains("BEGIN RSA PUBLIC KEY") {
        repairs.push("Converted from the PEM format.".to_owned());
        let key = PublicKey::from_pem(&text)
            .or_else(|error| bad(format!("This PEM text holds no usable public key: {error}.")))?;
        (key, String::new())
    } else if text.contains("BEGIN CERTIFICATE") {
        return bad("This is an X.509 certificate; SSH cannot use it. Paste an SSH public key.");
    } else {
        from_lines(&text, &mut repairs)?
    };
    if key.certificate().is_some() {
        return bad(
            "This is a certificate, not a public key. Paste the .pub file whose name does not \
             end in -cert.pub.",
        );
    }
    if key.key_type() == keys::KeyType::Rsa && key.bits() < RSA_BITS_MIN {
        return bad(too_short(key.bits()));
    }
    let mut comment = comment;
    if comment.chars().any(char::is_control) {
        comment.retain(|c| !c.is_control());
        repairs.push("Removed control characters from the comment.".to_owned());
    }
    if comment.chars().count() > COMMENT_CHARACTERS_MAX {
        comment = comment.chars().take(COMMENT_CHARACTERS_MAX).collect();
        repairs.push(format!("Cut the comment to {COMMENT_CHARACTERS_MAX} characters."));
    }
    Ok(Examined { key, comment, repairs })
}

/// A key pair's name, trimmed: the rule that OpenStack has since microversion 2.92.
///
/// # Errors
/// What is wrong with it, for beside the field.
pub fn check_name(name: &str) -> Result<String, String> {
    let name = name.trim();
    if name.is_empty() {
        return Err("Give the key a name.".to_owned());
    }
    if name.chars().count() > 255 {
        return Err("A name has at most 255 characters.".to_owned());
    }
    if let Some(c) = name.chars().find(|c| !is_name_character(*c)) {
        return Err(format!(
            "A name has letters, digits, spaces and . _ - @ only; {c:?} is none of these."
        ));
    }
    Ok(name.to_owned())
}

fn is_name_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, ' ' | '.' | '_' | '-' | '@')
}

/// Whether any part of it looks like a private key, in any format that people have.
fn is_private(text: &str) -> bool {
    const MARKS: [&str; 6] = [
        "PRIVATE KEY",
        "PUTTY-USER-KEY-FILE",
        "PRIVATE-LINES",
        "PRIVATE-MAC",
        "SSH PRIVATE KEY FILE FORMAT",
        // PKCS#12 and the like in PEM.
        "BEGIN PKCS12",
    ];
    // "openssh-key-v1" in base64: the body without its armour.
    if text.contains("b3BlbnNzaC1rZXktdjE") {
        return true;
    }
    // Breaks and blanks in the middle of the words must not hide them.
    let upper: String =
        text.to_uppercase().chars().map(|c| if c.is_whitespace() { ' ' } else { c }).collect();
    let squeezed: String = upper.chars().filter(|c| *c != ' ').collect();
    MARKS.iter().any(|mark| upper.contains(mark) || squeezed.contains(&mark.replace(' ', "")))
}

/// Takes away what copying adds: quotes and backticks around it, invisible characters.
fn clean(text: &str, repairs: &mut Vec<String>) -> String {
    let invisible =
        |c: char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{feff}' | '\u{2060}' | '\u{00ad}');
    let mut cleaned: String = text.chars().filter(|c| !invisible(*c)).collect();
    if cleaned.len() != text.len() {
        repairs.push("Removed invisible characters.".to_owned());
    }
    let trimmed = cleaned.trim();
    let bare = trimmed.trim_matches(|c: char| {
        matches!(c, '"' | '\'' | '`' | '\u{201c}' | '\u{201d}') || c.is_whitespace()
    });
    if bare.len() != trimmed.len() {
        repairs.push("Removed the quotes around it.".to_owned());
    }
    cleaned = bare.to_owned();
    cleaned
}

fn from_lines(text: &str, repairs: &mut Vec<String>) -> Result<(PublicKey, String), Refusal> {
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect();
    let whole = lines.iter().filter(|line| PublicKey::from_line(line).is_ok()).count();
    if whole > 1 {
        return bad(format!("These are {whole} keys. Add them one at a time."));
    }
    let first = match lines.as_slice() {
        [] => return bad("Paste a public key, or choose its .pub file."),
        [line] => return one_line(line, repairs),
        [first, ..] => *first,
    };
    if whole == 1 && PublicKey::from_line(first).is_err() {
        return bad("There is other text before the key. Paste only the key's line.");
    }
    // A comment may have been wrapped as well, so the first line alone is not taken as it is
    // unless joining does no better.
    let joined = join(text);
    match joined {
        Some(found) => {
            repairs.push(format!("Joined {} wrapped lines into one.", lines.len()));
            Ok(found)
        }
        None => one_line(first, repairs),
    }
}

fn one_line(line: &str, repairs: &mut Vec<String>) -> Result<(PublicKey, String), Refusal> {
    match PublicKey::from_line(line) {
        Ok(found) => Ok(found),
        Err(error) => {
            if let Some(found) = join(line) {
                repairs.push("Removed blanks from the middle of the key.".to_owned());
                return Ok(found);
            }
            if has_options(line) {
                return bad(
                    "The line begins with options, as in an authorized_keys file, or with a \
                     host's name, as in known_hosts. Paste only the part from the key's type on \
                     (ssh-ed25519 AAAA...).",
                );
            }
            Err(explain(error))
        }
    }
}

/// Puts the pieces behind the type together until they are a whole key; what is left is comment.
fn join(text: &str) -> Option<(PublicKey, String)> {
    // RSA of 16384 bits wrapped at 40 columns has fewer.
    const PIECES_MAX: usize = 100;
    let mut words = text.split_whitespace();
    let kind = words.next()?;
    let words: Vec<&str> = words.collect();
    let mut body = String::new();
    for (index, word) in words.iter().take(PIECES_MAX).enumerate() {
        body.push_str(word);
        if let Ok((key, _)) = PublicKey::from_line(&format!("{kind} {body}")) {
            let rest = words.get(index + 1..).unwrap_or_default();
            return Some((key, rest.join(" ")));
        }
    }
    None
}

fn has_options(line: &str) -> bool {
    ["ssh-", "ecdsa-", "sk-"].iter().any(|kind| line.find(kind).is_some_and(|at| at > 0))
        && line.contains(" AAAA")
}

fn too_short(bits: u32) -> String {
    format!(
        "An RSA key of {bits} bits is too weak; at least {RSA_BITS_MIN} are needed. Make a better \
         one with: ssh-keygen -t ed25519"
    )
}

fn explain(error: KeyError) -> Refusal {
    let message = match error {
        KeyError::Dsa => {
            "DSA keys are too weak, and no current SSH takes them. Make a new key with: \
             ssh-keygen -t ed25519"
                .to_owned()
        }
        KeyError::RsaBits(bits) if bits < RSA_BITS_MIN => too_short(bits),
        // A type inside the key that is no text was changed on the way.
        KeyError::UnknownType(kind) if !kind.chars().any(|c| c.is_control() || c == '\u{fffd}') => {
            format!(
                "This does not begin with a key type that is known (it begins with {kind:?}). A \
                 public key begins with ssh-ed25519, ssh-rsa, ecdsa-sha2- or sk-."
            )
        }
        KeyError::NoKey => {
            "There is no key here. A public key is one line: type, key, comment.".to_owned()
        }
        KeyError::BadBase64 | KeyError::Malformed(_) | KeyError::UnknownType(_) => {
            "The key is damaged: some of it is missing or was changed on the way. Copy the whole \
             line of the .pub file again."
                .to_owned()
        }
        error => format!("This key cannot be used: {error}."),
    };
    Refusal::Bad(message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use keys::{KeyKind, PrivateKey};

    const LINE: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl me@laptop";

    fn message(text: &str) -> String {
        examine(text).unwrap_err().message()
    }

    #[test]
    fn plain_lines_need_no_repair() {
        let examined = examine(LINE).unwrap();
        assert_eq!(examined.line(), LINE);
        assert!(examined.repairs.is_empty());
        assert_eq!(examined.proposed_name(), "me@laptop");
    }

    #[test]
    fn wrapped_lines_are_joined_and_it_is_said() {
        for cut in [20, 40, 60, 79] {
            let (a, b) = LINE.split_at(cut);
            let examined = examine(&format!("{a}\n{b}\n")).unwrap();
            assert_eq!(examined.line(), LINE, "{cut}");
            assert_eq!(examined.repairs, ["Joined 2 wrapped lines into one."]);
        }
        let spaced = LINE.replace("AAAAIOM", "AAAA IOM");
        assert_eq!(examine(&spaced).unwrap().line(), LINE);
        let quoted = format!("\"{LINE}\"");
        assert_eq!(examine(&quoted).unwrap().repairs, ["Removed the quotes around it."]);
    }

    #[test]
    fn wrapped_rsa_keys() {
        let key = PrivateKey::generate(KeyKind::Rsa, Some(3072), "").unwrap();
        let line = key.public().to_line("a comment of words");
        let wrapped: Vec<String> =
            line.as_bytes().chunks(70).map(|part| String::from_utf8_lossy(part).into()).collect();
        let examined = examine(&wrapped.join("\r\n")).unwrap();
        assert_eq!(examined.key, *key.public());
    }

    #[test]
    fn other_formats() {
        let key = examine(LINE).unwrap().key;
        let text = key.to_rfc4716("me", 70);
        assert_eq!(examine(&text).unwrap().key, key);
        assert_eq!(examine(&key.to_spki().unwrap()).unwrap().key, key);
    }

    #[test]
    fn private_keys_are_refused_in_every_format() {
        let key = PrivateKey::generate(KeyKind::Ed25519, None, "me").unwrap();
        let text = key.to_openssh(None, 0).unwrap();
        assert_eq!(examine(&text).unwrap_err(), Refusal::PrivateKey);
        let bare: String =
            text.lines().filter(|line| !line.starts_with('-')).collect::<Vec<_>>().join("\n");
        for text in [
            bare.as_str(),
            "-----BEGIN RSA PRIVATE KEY-----\nMIIE",
            "-----BEGIN ENCRYPTED\nPRIVATE KEY-----",
            "PuTTY-User-Key-File-3: ssh-ed25519",
            "---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----",
            &format!("{LINE}\n-----BEGIN OPENSSH PRIVATE KEY-----"),
        ] {
            assert_eq!(examine(text).unwrap_err(), Refusal::PrivateKey, "{text}");
        }
    }

    #[test]
    fn refusals_say_why() {
        assert!(message("").contains("Paste a public key"));
        assert!(message("hello world").contains("key type"));
        assert!(message(&LINE[..50]).contains("damaged"));
        // The type inside is no text any more.
        assert!(message(&LINE.replace("AAAAC3", "AAAAC4")).contains("damaged"));
        assert!(message(&format!("host.example {LINE}")).contains("known_hosts"));
        assert!(message(&format!("{LINE}\n{LINE}")).contains("2 keys"));
        assert!(message(&format!("no-pty {LINE}")).contains("options"));
        assert!(message("ssh-dss AAAAB3NzaC1kc3M=").contains("DSA"));
        assert!(message(&"x".repeat(TEXT_BYTES_MAX + 1)).contains("too long"));
    }

    #[test]
    fn names() {
        assert_eq!(check_name(" my key@home-1 ").unwrap(), "my key@home-1");
        assert!(check_name("").is_err());
        assert!(check_name("a/b").is_err());
        assert!(check_name(&"n".repeat(256)).is_err());
    }
}
