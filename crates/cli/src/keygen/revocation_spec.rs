//! The lines that say what a revocation list revokes: ssh-keygen(1), "KEY REVOCATION LISTS".

use keys::PublicKey;
use keys::krl::Krl;

/// Whose certificates serial numbers and key ids are about.
pub enum Scope {
    /// Nobody said.
    Unknown,
    /// Every CA's.
    Any,
    /// One CA's.
    Of(Box<PublicKey>),
}

impl Scope {
    /// The CA, or nothing for every one.
    fn ca(&self, by: &str) -> Result<Option<PublicKey>, String> {
        match self {
            Self::Any => Ok(None),
            Self::Of(ca) => Ok(Some((**ca).clone())),
            Self::Unknown => {
                Err(format!("revoking certificates by {by} requires specification of a CA key"))
            }
        }
    }
}

/// Adds what one line says. The error is the text behind file and line.
pub fn apply(krl: &mut Krl, scope: &Scope, line: &str) -> Result<(), String> {
    let line = line.split('#').next().unwrap_or_default().trim_matches([' ', '\t', '\r']);
    if line.is_empty() {
        return Ok(());
    }
    let (word, rest) = match line.split_once(':') {
        Some((word, rest)) if !word.contains([' ', '\t']) => {
            (word.to_ascii_lowercase(), rest.trim_start_matches([' ', '\t']))
        }
        _ => (String::new(), line),
    };
    match word.as_str() {
        "serial" => {
            let ca = scope.ca("serial number")?;
            let (first, last) = serials(rest)?;
            krl.revoke_serials(ca, first, last);
        }
        "id" => {
            let ca = scope.ca("key ID")?;
            krl.revoke_key_id(ca, rest);
        }
        "hash" => krl.revoke_fingerprint(rest).map_err(|why| why.to_string())?,
        "key" => krl.revoke_key(&key(rest)?),
        "sha1" => krl.revoke_sha1(&key(rest)?),
        "sha256" => krl.revoke_sha256(&key(rest)?),
        _ => krl.revoke(&key(line)?),
    }
    Ok(())
}

fn key(text: &str) -> Result<PublicKey, String> {
    PublicKey::from_line(text).map(|(key, _)| key).map_err(|why| format!("invalid key: {why}"))
}

fn serials(text: &str) -> Result<(u64, u64), String> {
    let number = |digits: &str| match digits.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => digits.parse(),
    };
    let bad = |_| format!("invalid serial \"{text}\"");
    let Some((first, last)) = text.split_once('-') else {
        let serial = number(text).map_err(bad)?;
        return Ok((serial, serial));
    };
    let (first, last) = (number(first.trim()).map_err(bad)?, number(last.trim()).map_err(bad)?);
    if last <= first {
        return Err(format!("invalid serial range {first}:{last}"));
    }
    Ok((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let mut krl = Krl::default();
        for line in ["serial: 1-4", "Serial:10 # ten", "serial: 0x10", "id: somebody else", "", "#"]
        {
            assert_eq!(apply(&mut krl, &Scope::Any, line), Ok(()), "{line}");
        }
        let authority = &krl.authorities()[0];
        assert_eq!(authority.serials().collect::<Vec<_>>(), [(1, 4), (10, 10), (16, 16)]);
        assert_eq!(authority.key_ids().collect::<Vec<_>>(), ["somebody else"]);
        for line in ["serial: x", "serial:", "serial: 4-4", "hash: MD5:00", "sha1: x", "nonsense"] {
            assert!(apply(&mut krl, &Scope::Any, line).is_err(), "{line}");
        }
        assert!(apply(&mut krl, &Scope::Unknown, "serial: 1").is_err());
        assert!(apply(&mut krl, &Scope::Unknown, "id: a").is_err());
    }
}
