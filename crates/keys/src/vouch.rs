//! What a control panel says about host keys, signed by the panel's own key.
//!
//! Two texts. An *introduction* says who the panel is and which addresses are its own; a client
//! reads it once, when a person enrols the panel by the fingerprint of its key. A *statement*
//! answers one question about one address and names the question's nonce, so that an old answer
//! is of no use. Both are lines of `word value`, followed by an SSHSIG signature over them.

use std::fmt::Write as _;

use crate::sshsig::{MessageHash, SshSignature};
use crate::{Error, PrivateKey, PublicKey, VerifyOptions, address};

/// The SSHSIG namespace of both texts.
pub const NAMESPACE: &str = "vouch@keyway";

/// Largest text that is read, signature included.
pub const BYTES_MAX: usize = 64 * 1024;

/// Most lines of one word: keys, former keys, ranges.
const LINES_MAX: usize = 256;

const INTRODUCTION: &str = "keyway-panel 1";
const STATEMENT: &str = "keyway-vouch 1";

/// Who a panel is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Introduction {
    /// What people call it; one word.
    pub name: String,
    /// Networks in CIDR form whose addresses only this panel gives out.
    pub ranges: Vec<String>,
    /// Ports of its servers' sshd, where they share addresses with something else; empty for all.
    pub ports: Vec<u16>,
}

/// What a panel knows about an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// A server has it, and these are its host keys.
    Present,
    /// A server has it whose keys have not been seen yet: it is being made or starts.
    Pending,
    /// No server has it now.
    Vacant,
}

impl Standing {
    fn word(self) -> &'static str {
        match self {
            Self::Present => "present",
            Self::Pending => "pending",
            Self::Vacant => "vacant",
        }
    }
}

/// A key that was at the address before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Former {
    /// The key.
    pub key: PublicKey,
    /// Seconds since 1970 when it was retired: a rebuild, a deletion.
    pub retired_at: u64,
    /// The server it belonged to.
    pub server: String,
}

/// The answer to one question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The question's nonce, given back.
    pub nonce: String,
    /// Seconds since 1970.
    pub at: u64,
    /// The address asked about.
    pub address: String,
    /// The port asked about.
    pub port: u16,
    /// What is known.
    pub standing: Standing,
    /// The server's identifier, empty when there is none.
    pub server: String,
    /// The server's present host keys.
    pub keys: Vec<PublicKey>,
    /// Earlier ones of this address.
    pub former: Vec<Former>,
}

impl Introduction {
    /// The text with its signature.
    ///
    /// # Errors
    /// What the key says when it cannot sign.
    pub fn sign(&self, key: &PrivateKey) -> Result<String, Error> {
        let mut text = format!("{INTRODUCTION}\nname {}\n", self.name);
        for range in &self.ranges {
            let _ = writeln!(text, "range {range}");
        }
        for port in &self.ports {
            let _ = writeln!(text, "port {port}");
        }
        signed(text, key)
    }

    /// Reads a signed text; the key is the one that it was signed with, for a person to compare.
    ///
    /// # Errors
    /// [`Error::BadVouch`] says what is wrong with it; [`Error::BadSignature`].
    pub fn open(text: &str) -> Result<(Self, PublicKey), Error> {
        let (body, key) = verified(text)?;
        let lines = lines_of(body, INTRODUCTION)?;
        let mut introduction = Self { name: String::new(), ranges: vec![], ports: vec![] };
        for (word, value) in lines {
            match word {
                "name" => value.clone_into(&mut introduction.name),
                "range" => {
                    let anywhere = std::net::Ipv4Addr::UNSPECIFIED.into();
                    address::matches_cidr_list(value, anywhere)?;
                    introduction.ranges.push(value.to_owned());
                }
                "port" => introduction.ports.push(number(value)?),
                // Later versions may say more.
                _ => {}
            }
            bounded(introduction.ranges.len() + introduction.ports.len())?;
        }
        let is_word = |name: &str| {
            (1..=64).contains(&name.len())
                && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
                && !name.starts_with('.')
        };
        if !is_word(&introduction.name) {
            return Err(Error::BadVouch("the panel's name is not one plain word"));
        }
        if introduction.ranges.is_empty() {
            return Err(Error::BadVouch("it names no addresses"));
        }
        Ok((introduction, key))
    }

    /// Whether the panel speaks for that address and port.
    pub fn covers(&self, ip: std::net::IpAddr, port: u16) -> bool {
        let ours = |range: &String| address::matches_cidr_list(range, ip).unwrap_or(false);
        self.ranges.iter().any(ours) && (self.ports.is_empty() || self.ports.contains(&port))
    }
}

impl Statement {
    /// The text with its signature.
    ///
    /// # Errors
    /// What the key says when it cannot sign.
    pub fn sign(&self, key: &PrivateKey) -> Result<String, Error> {
        let mut text = format!(
            "{STATEMENT}\nnonce {}\nat {}\naddress {}\nport {}\nstanding {}\n",
            self.nonce,
            self.at,
            self.address,
            self.port,
            self.standing.word()
        );
        if !self.server.is_empty() {
            let _ = writeln!(text, "server {}", self.server);
        }
        for key in &self.keys {
            let _ = writeln!(text, "key {}", key.plain().to_line(""));
        }
        for former in &self.former {
            let (at, server) = (former.retired_at, &former.server);
            let _ = writeln!(text, "former {at} {server} {}", former.key.plain().to_line(""));
        }
        signed(text, key)
    }

    /// Reads a signed text that must have been signed by `panel` in answer to `nonce` about
    /// `address` and `port`.
    ///
    /// # Errors
    /// [`Error::BadVouch`] says what does not fit; [`Error::BadSignature`].
    pub fn open(
        text: &str,
        panel: &PublicKey,
        nonce: &str,
        address: &str,
        port: u16,
    ) -> Result<Self, Error> {
        let (body, key) = verified(text)?;
        if key != *panel {
            return Err(Error::BadVouch("it is signed by another key than the enrolled panel's"));
        }
        let mut statement = Self {
            nonce: String::new(),
            at: 0,
            address: String::new(),
            port: 0,
            standing: Standing::Vacant,
            server: String::new(),
            keys: Vec::new(),
            former: Vec::new(),
        };
        for (word, value) in lines_of(body, STATEMENT)? {
            match word {
                "nonce" => value.clone_into(&mut statement.nonce),
                "at" => statement.at = number(value)?,
                "address" => value.clone_into(&mut statement.address),
                "port" => statement.port = number(value)?,
                "server" => value.clone_into(&mut statement.server),
                "standing" => {
                    let all = [Standing::Present, Standing::Pending, Standing::Vacant];
                    let named = all.into_iter().find(|standing| standing.word() == value);
                    statement.standing = named.ok_or(Error::BadVouch("an unknown standing"))?;
                }
                "key" => statement.keys.push(PublicKey::from_line(value)?.0),
                "former" => statement.former.push(former(value)?),
                // Later versions may say more.
                _ => {}
            }
            bounded(statement.keys.len() + statement.former.len())?;
        }
        if statement.nonce != nonce {
            return Err(Error::BadVouch("it answers another question"));
        }
        if statement.address != address || statement.port != port {
            return Err(Error::BadVouch("it is about another address"));
        }
        if statement.standing != Standing::Present && !statement.keys.is_empty() {
            return Err(Error::BadVouch("it names keys of a server that is not there"));
        }
        Ok(statement)
    }
}

fn former(value: &str) -> Result<Former, Error> {
    let mut words = value.splitn(3, ' ');
    let (Some(at), Some(server), Some(line)) = (words.next(), words.next(), words.next()) else {
        return Err(Error::BadVouch("a former key is not whole"));
    };
    let key = PublicKey::from_line(line)?.0;
    Ok(Former { key, retired_at: number(at)?, server: server.to_owned() })
}

fn number<T: std::str::FromStr>(value: &str) -> Result<T, Error> {
    value.parse().map_err(|_| Error::BadVouch("a number is not one"))
}

fn bounded(count: usize) -> Result<(), Error> {
    if count > LINES_MAX { Err(Error::TooLarge("panel's statement")) } else { Ok(()) }
}

fn signed(mut text: String, key: &PrivateKey) -> Result<String, Error> {
    let signature = SshSignature::make(
        key.public(),
        NAMESPACE,
        MessageHash::Sha512,
        text.as_bytes(),
        |a, d| key.sign(a, d),
    )?;
    text.push_str(&signature.to_armour());
    Ok(text)
}

/// The text without its signature, and the key that made that.
fn verified(text: &str) -> Result<(&str, PublicKey), Error> {
    if text.len() > BYTES_MAX {
        return Err(Error::TooLarge("panel's statement"));
    }
    let at = text
        .find("-----BEGIN SSH SIGNATURE-----")
        .ok_or(Error::BadVouch("there is no signature below it"))?;
    let (body, armour) = text.split_at(at);
    let signature = SshSignature::from_armour(armour.as_bytes())?;
    signature.verify(NAMESPACE, body.as_bytes(), &VerifyOptions::default())?;
    Ok((body, signature.public_key))
}

fn lines_of<'a>(
    body: &'a str,
    kind: &'static str,
) -> Result<impl Iterator<Item = (&'a str, &'a str)>, Error> {
    let mut lines = body.lines();
    if lines.next() != Some(kind) {
        return Err(Error::BadVouch("its first line is not that of such a text"));
    }
    Ok(lines.map(|line| line.split_once(' ').unwrap_or((line, ""))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::KeyKind;

    fn key() -> PrivateKey {
        PrivateKey::generate(KeyKind::Ed25519, None, "").unwrap()
    }

    fn statement() -> Statement {
        Statement {
            nonce: "abc".to_owned(),
            at: 1_700_000_000,
            address: "10.78.0.2".to_owned(),
            port: 22,
            standing: Standing::Present,
            server: "3b1f".to_owned(),
            keys: vec![key().public().clone(), key().public().clone()],
            former: vec![Former {
                key: key().public().clone(),
                retired_at: 1_600_000_000,
                server: "3b1f".to_owned(),
            }],
        }
    }

    #[test]
    fn a_statement_is_read_back() {
        let (panel, statement) = (key(), statement());
        let text = statement.sign(&panel).unwrap();
        let read = Statement::open(&text, panel.public(), "abc", "10.78.0.2", 22);
        assert_eq!(read, Ok(statement));
    }

    #[test]
    fn a_statement_that_does_not_fit_is_refused() {
        let (panel, statement) = (key(), statement());
        let text = statement.sign(&panel).unwrap();
        let open = |text: &str, panel: &PrivateKey, nonce: &str, address: &str, port| {
            Statement::open(text, panel.public(), nonce, address, port).unwrap_err()
        };
        let reason = |error| match error {
            Error::BadVouch(reason) => reason,
            other => panic!("{other}"),
        };
        let error = reason(open(&text, &key(), "abc", "10.78.0.2", 22));
        assert!(error.contains("another key"), "{error}");
        let error = reason(open(&text, &panel, "abd", "10.78.0.2", 22));
        assert!(error.contains("another question"), "{error}");
        for (address, port) in [("10.78.0.3", 22), ("10.78.0.2", 2222)] {
            let error = reason(open(&text, &panel, "abc", address, port));
            assert!(error.contains("another address"), "{error}");
        }
        let changed = text.replace("standing present", "standing vacant");
        assert_eq!(open(&changed, &panel, "abc", "10.78.0.2", 22), Error::BadSignature);
        let vacant = Statement { standing: Standing::Vacant, ..statement };
        let text = vacant.sign(&panel).unwrap();
        let error = reason(open(&text, &panel, "abc", "10.78.0.2", 22));
        assert!(error.contains("not there"), "{error}");
        let introduction = example().sign(&panel).unwrap();
        let error = reason(open(&introduction, &panel, "abc", "10.78.0.2", 22));
        assert!(error.contains("first line"), "{error}");
    }

    fn example() -> Introduction {
        Introduction {
            name: "demo".to_owned(),
            ranges: vec!["10.78.0.0/16".to_owned(), "fd00::/8".to_owned()],
            ports: vec![],
        }
    }

    #[test]
    fn an_introduction_is_read_back_and_covers_its_addresses() {
        let panel = key();
        let text = example().sign(&panel).unwrap();
        let (read, by) = Introduction::open(&text).unwrap();
        assert_eq!((&read, &by), (&example(), panel.public()));
        assert!(read.covers("10.78.200.1".parse().unwrap(), 22));
        assert!(read.covers("::ffff:10.78.200.1".parse().unwrap(), 22));
        assert!(!read.covers("10.79.0.1".parse().unwrap(), 22));
        let some = Introduction { ports: vec![2200], ..read };
        assert!(some.covers("10.78.0.1".parse().unwrap(), 2200));
        assert!(!some.covers("10.78.0.1".parse().unwrap(), 22));
    }

    #[test]
    fn an_introduction_with_a_path_for_a_name_is_refused() {
        for name in ["", "../x", "a/b", ".hidden", "two words"] {
            let bad = Introduction { name: name.to_owned(), ..example() };
            assert!(Introduction::open(&bad.sign(&key()).unwrap()).is_err(), "{name:?}");
        }
        let bad = Introduction { ranges: vec!["everything".to_owned()], ..example() };
        assert!(Introduction::open(&bad.sign(&key()).unwrap()).is_err());
    }
}
