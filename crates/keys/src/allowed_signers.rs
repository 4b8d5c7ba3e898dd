//! The file of who may sign for whom: ssh-keygen(1), "ALLOWED SIGNERS".

use crate::certificate::{CertificateError, CertificateKind};
use crate::error::{Error, printable};
use crate::public::PublicKey;
use crate::time::CivilTime;
use crate::{limits, pattern};

/// One line.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Patterns over principals, separated by commas.
    pub principals: String,
    /// The key, or the CA with [`Self::cert_authority`].
    pub key: PublicKey,
    /// The key signs certificates, and those make signatures.
    pub cert_authority: bool,
    /// Patterns over namespaces, separated by commas.
    pub namespaces: Option<String>,
    /// The key is good from then on.
    pub valid_after: Option<CivilTime>,
    /// The key is good until then.
    pub valid_before: Option<CivilTime>,
}

/// Why a line that has the right key is still no permission. The texts are OpenSSH's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The certificate does not serve.
    #[error("certificate not authorized: {0}")]
    Certificate(#[from] CertificateError),
    /// The line is for other namespaces.
    #[error("key is not permitted for use in signature namespace \"{0}\"")]
    Namespace(String),
    /// Too early.
    #[error("key is not yet valid")]
    NotYetValid,
    /// Too late.
    #[error("key has expired")]
    Expired,
}

/// Reads one line; `None` for comments and blank lines.
///
/// # Errors
/// What is wrong with the key, [`Error::BadLine`] or [`Error::BadOptions`].
pub fn parse_line(line: &str) -> Result<Option<Entry>, Error> {
    if line.len() > limits::LINE_BYTES {
        return Err(Error::TooLarge("line"));
    }
    let line = line.trim_matches([' ', '\t', '\r', '\n']);
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let (principals, rest) = take_principals(line)?;
    let (options, key) = if let Ok((key, _)) = PublicKey::from_line(rest) {
        ("", key)
    } else {
        let (options, rest) = rest.split_at(end_of_options(rest)?);
        (options, PublicKey::from_line(rest.trim_start_matches([' ', '\t']))?.0)
    };
    let mut entry = Entry {
        principals,
        key,
        cert_authority: false,
        namespaces: None,
        valid_after: None,
        valid_before: None,
    };
    entry.take_options(options)?;
    Ok(Some(entry))
}

/// The first field, which may stand in quotes.
fn take_principals(line: &str) -> Result<(String, &str), Error> {
    let (field, rest) = if let Some(quoted) = line.strip_prefix('"') {
        quoted.split_once('"').ok_or(Error::BadLine("a quote is missing its end"))?
    } else {
        line.split_at(line.find([' ', '\t']).ok_or(Error::NoKey)?)
    };
    Ok((field.to_owned(), rest.trim_start_matches([' ', '\t'])))
}

/// Options end at the first blank outside quotes.
fn end_of_options(text: &str) -> Result<usize, Error> {
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in text.char_indices() {
        match c {
            '"' if !escaped => quoted = !quoted,
            ' ' | '\t' if !quoted => return Ok(at),
            _ => {}
        }
        escaped = c == '\\';
    }
    Err(Error::NoKey)
}

impl Entry {
    fn take_options(&mut self, text: &str) -> Result<(), Error> {
        let bad = |reason: String| Error::BadOptions(reason);
        let mut rest = text;
        while !rest.is_empty() {
            let end = rest.find(['=', ',']).unwrap_or(rest.len());
            let (name, behind) = rest.split_at(end);
            let name = name.to_ascii_lowercase();
            rest = match behind.strip_prefix("=\"") {
                Some(value) => {
                    let (value, behind) =
                        value.split_once('"').ok_or_else(|| bad("missing end quote".to_owned()))?;
                    self.take_value(&name, value)?;
                    behind
                }
                None if name == "cert-authority" => {
                    self.cert_authority = true;
                    behind
                }
                None => {
                    let name = printable(name.as_bytes());
                    return Err(bad(format!("unknown key option \"{name}\"")));
                }
            };
            match rest.strip_prefix(',') {
                Some("") => return Err(bad("unexpected end-of-options".to_owned())),
                Some(next) => rest = next,
                None if rest.is_empty() => {}
                None => return Err(bad("a comma is missing between options".to_owned())),
            }
        }
        Ok(())
    }

    fn take_value(&mut self, name: &str, value: &str) -> Result<(), Error> {
        let bad = |reason: String| Error::BadOptions(reason);
        let twice = || bad(format!("multiple \"{name}\" clauses"));
        let time = || CivilTime::parse(value).map_err(|_| bad(format!("invalid \"{name}\" time")));
        match name {
            "namespaces" if self.namespaces.is_some() => return Err(twice()),
            "namespaces" => self.namespaces = Some(value.to_owned()),
            "valid-after" if self.valid_after.is_some() => return Err(twice()),
            "valid-after" => self.valid_after = Some(time()?),
            "valid-before" if self.valid_before.is_some() => return Err(twice()),
            "valid-before" => self.valid_before = Some(time()?),
            _ => {
                let name = printable(name.as_bytes());
                return Err(bad(format!("unknown key option \"{name}\"")));
            }
        }
        Ok(())
    }

    /// Whether the line is about `principal`.
    pub fn names(&self, principal: &str) -> bool {
        pattern::matches_list(&self.principals, principal) == Some(true)
    }

    /// Whether the line's key is the one that signed: the key itself, or the CA of its
    /// certificate.
    pub fn has_key(&self, signer: &PublicKey) -> bool {
        if self.cert_authority {
            signer.certificate().is_some_and(|certificate| certificate.signature_key == self.key)
        } else {
            self.key == *signer
        }
    }

    /// Whether a signature of `signer` at `time` (in seconds since 1970) counts for `principal`,
    /// given that the line names it and has the key. `unix_seconds` knows the local time zone.
    ///
    /// # Errors
    /// [`Refusal`] gives the reason.
    pub fn check(
        &self,
        signer: &PublicKey,
        principal: &str,
        namespace: &str,
        time: u64,
        unix_seconds: impl Fn(CivilTime) -> u64,
    ) -> Result<(), Refusal> {
        if let (true, Some(certificate)) = (self.cert_authority, signer.certificate()) {
            certificate.check(CertificateKind::User, Some(principal), time, false)?;
        }
        if let Some(namespaces) = &self.namespaces
            && pattern::matches_list(namespaces, namespace) != Some(true)
        {
            return Err(Refusal::Namespace(namespace.to_owned()));
        }
        self.check_time(time, unix_seconds)
    }

    /// The principals a signature of `signer` at `time` may count for: those of the line, or
    /// those of the certificate that the line's patterns cover.
    ///
    /// # Errors
    /// [`Refusal`] gives the reason when there is none.
    pub fn find_principals(
        &self,
        signer: &PublicKey,
        time: u64,
        unix_seconds: impl Fn(CivilTime) -> u64,
    ) -> Result<Vec<String>, Refusal> {
        let found: Vec<String> = match signer.certificate().filter(|_| self.cert_authority) {
            None => self.principals.split(',').map(str::to_owned).collect(),
            Some(certificate) => {
                certificate.check(CertificateKind::User, None, time, false)?;
                certificate.principals.iter().filter(|name| self.names(name)).cloned().collect()
            }
        };
        if found.is_empty() {
            return Err(CertificateError::NotListed.into());
        }
        self.check_time(time, unix_seconds)?;
        Ok(found)
    }

    fn check_time(
        &self,
        time: u64,
        unix_seconds: impl Fn(CivilTime) -> u64,
    ) -> Result<(), Refusal> {
        if self.valid_after.is_some_and(|after| time < unix_seconds(after)) {
            return Err(Refusal::NotYetValid);
        }
        if self.valid_before.is_some_and(|before| time > unix_seconds(before)) {
            return Err(Refusal::Expired);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_data;

    fn key() -> &'static str {
        test_data::public_line("ed25519")
    }

    fn parse(line: &str) -> Result<Entry, Error> {
        parse_line(&line.replace("KEY", key())).map(Option::unwrap)
    }

    #[test]
    fn lines() {
        let entry = parse("a@b,*@c KEY").unwrap();
        assert!(entry.names("a@b") && entry.names("x@c") && !entry.names("a@d"));
        let entry = parse(
            "\"a b\" namespaces=\"git,f*\",valid-after=\"19800101\",valid-before=\"19900101Z\" KEY",
        )
        .unwrap();
        assert_eq!(entry.principals, "a b");
        let unix = |time: CivilTime| time.unix_seconds(0);
        let check = |namespace, time| entry.check(&entry.key, "a b", namespace, time, unix);
        assert_eq!(check("git", 500_000_000), Ok(()));
        assert_eq!(check("file", 500_000_000), Ok(()));
        assert!(matches!(check("git2", 500_000_000), Err(Refusal::Namespace(_))));
        assert_eq!(check("git", 1), Err(Refusal::NotYetValid));
        assert_eq!(check("git", 1_000_000_000), Err(Refusal::Expired));
        assert!(parse("a cert-authority KEY").unwrap().cert_authority);
        assert!(parse_line("# a").unwrap().is_none() && parse_line(" \t").unwrap().is_none());
    }

    #[test]
    fn bad_lines() {
        for line in [
            "a",
            "KEY",
            "a octopus KEY",
            "a namespaces=x KEY",
            "a namespaces=\"x KEY",
            "a cert-authority, KEY",
            "a valid-after=\"never\" KEY",
            "a namespaces=\"x\",namespaces=\"y\" KEY",
            "\"a KEY",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
