mod options;

use wire::{Reader, Writer};

use self::options::{decode_options, put_options};
use crate::algorithms;
use crate::error::{Error, printable};
use crate::private::PrivateKey;
use crate::public::{self, PublicKey};
use crate::signature::VerifyOptions;
use crate::{limits, pattern};

pub use self::options::{CertificateOptions, USER_CRITICAL_OPTIONS};

/// What a certificate says about its key: PROTOCOL.certkeys.
///
/// One that was read carries a valid signature of [`Self::signature_key`];
/// whether that CA is trusted is for the caller to know.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// The CA's number for it.
    pub serial: u64,
    /// For whom.
    pub kind: CertificateKind,
    /// The CA's words about it; they go to logs.
    pub key_id: String,
    /// User names or host names.
    pub principals: Vec<String>,
    /// The first second it is valid, since 1970.
    pub valid_after: u64,
    /// The first second it is no longer valid; the largest number is forever.
    pub valid_before: u64,
    /// Who does not understand one of these must refuse the certificate.
    pub critical_options: Vec<(String, Vec<u8>)>,
    /// Who does not understand one of these goes on without it.
    pub extensions: Vec<(String, Vec<u8>)>,
    /// The CA.
    pub signature_key: PublicKey,
    /// What the CA signed with, such as `rsa-sha2-512`; to be held against
    /// `CASignatureAlgorithms`.
    pub signature_algorithm: &'static str,
}

/// For whom a certificate is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CertificateKind {
    /// A user who logs in.
    User,
    /// A host that is logged in to.
    Host,
}

/// Why a certificate does not serve here and now. The texts are those that
/// OpenSSH logs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// It is for hosts.
    #[error("Certificate invalid: not a user certificate")]
    NotUser,
    /// It is for users.
    #[error("Certificate invalid: not a host certificate")]
    NotHost,
    /// Too early.
    #[error("Certificate invalid: not yet valid")]
    NotYetValid,
    /// Too late.
    #[error("Certificate invalid: expired")]
    Expired,
    /// It names nobody, which once meant everybody.
    #[error("Certificate lacks principal list")]
    NoPrincipals,
    /// It names others.
    #[error("Certificate invalid: name is not a listed principal")]
    NotListed,
    /// It asks for something that is not understood.
    #[error("Certificate has the unsupported critical option {0:?}")]
    UnknownCriticalOption(String),
    /// A critical option or an extension has data that make no sense.
    #[error("Certificate has a bad value for the option {0:?}")]
    BadOption(&'static str),
}

impl Certificate {
    /// Whether it serves as `kind`, at `now_seconds` since 1970, for
    /// `principal`. Without one, only that it names somebody is checked: the
    /// caller has its own list of principals. With `wildcard_principals`, as
    /// is right for hosts, the names in the certificate are patterns.
    ///
    /// # Errors
    /// [`CertificateError`] gives the reason.
    pub fn check(
        &self,
        kind: CertificateKind,
        principal: Option<&str>,
        now_seconds: u64,
        wildcard_principals: bool,
    ) -> Result<(), CertificateError> {
        if self.kind != kind {
            return Err(match kind {
                CertificateKind::User => CertificateError::NotUser,
                CertificateKind::Host => CertificateError::NotHost,
            });
        }
        if now_seconds < self.valid_after {
            return Err(CertificateError::NotYetValid);
        }
        if now_seconds >= self.valid_before {
            return Err(CertificateError::Expired);
        }
        if self.principals.is_empty() {
            return Err(CertificateError::NoPrincipals);
        }
        let is_named = |name: &str| {
            self.principals.iter().any(|listed| {
                if wildcard_principals { pattern::matches(listed, name) } else { listed == name }
            })
        };
        if principal.is_some_and(|name| !is_named(name)) {
            return Err(CertificateError::NotListed);
        }
        let known = match kind {
            CertificateKind::User => USER_CRITICAL_OPTIONS,
            CertificateKind::Host => &[],
        };
        match self.critical_options.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            Some((name, _)) => {
                Err(CertificateError::UnknownCriticalOption(printable(name.as_bytes())))
            }
            None => Ok(()),
        }
    }

    /// Makes a certificate for `key`, signed by `sign` with the CA's key: the
    /// other fields are those of `self`. `nonce` is random.
    ///
    /// # Errors
    /// [`Error::InvalidCertificate`] when the result would not be readable, or
    /// what `sign` returns.
    pub fn issue(
        &self,
        key: &PublicKey,
        nonce: &[u8; 32],
        sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, Error>,
    ) -> Result<PublicKey, Error> {
        let mut blob = Vec::new();
        blob.put_string(key.key_type().algorithm().certificate_name.as_bytes());
        blob.put_string(nonce);
        key.data().encode(&mut blob);
        blob.put_u64(self.serial);
        blob.put_u32(self.kind as u32 + 1);
        blob.put_string(self.key_id.as_bytes());
        let mut principals = Vec::new();
        for principal in &self.principals {
            principals.put_string(principal.as_bytes());
        }
        blob.put_string(&principals);
        blob.put_u64(self.valid_after);
        blob.put_u64(self.valid_before);
        put_options(&mut blob, &self.critical_options);
        put_options(&mut blob, &self.extensions);
        blob.put_string(b""); // reserved
        blob.put_string(self.signature_key.blob());
        let signature = sign(&blob)?;
        blob.put_string(&signature);
        PublicKey::from_blob(&blob)
    }

    /// [`Self::issue`] with a CA key at hand, which must be that of
    /// [`Self::signature_key`], and [`Self::signature_algorithm`].
    ///
    /// # Errors
    /// As [`Self::issue`].
    pub fn issue_with(&self, key: &PublicKey, ca: &PrivateKey) -> Result<PublicKey, Error> {
        let mut nonce = [0; 32];
        crypto::random::fill(&mut nonce);
        self.issue(key, &nonce, |signed| ca.sign(self.signature_algorithm, signed))
    }
}

/// Reads what follows the key's own fields, and verifies the CA's signature,
/// which is over everything in `blob` before it.
pub(crate) fn decode(
    blob: &[u8],
    nonce: &[u8],
    reader: &mut Reader<'_>,
) -> Result<Certificate, Error> {
    if nonce.is_empty() {
        return Err(Error::InvalidCertificate("the nonce is empty"));
    }
    let serial = reader.u64()?;
    let kind = match reader.u32()? {
        1 => CertificateKind::User,
        2 => CertificateKind::Host,
        _ => return Err(Error::InvalidCertificate("it is neither for users nor for hosts")),
    };
    let key_id = reader.text()?.to_owned();
    let principals = decode_principals(reader.string()?)?;
    let valid_after = reader.u64()?;
    let valid_before = reader.u64()?;
    let critical_options = decode_options(reader.string()?)?;
    let extensions = decode_options(reader.string()?)?;
    let _reserved = reader.string()?;
    let signature_key = decode_signature_key(reader.string()?)?;
    let signed = &blob[..blob.len() - reader.rest().len()];
    let signature = reader.string()?;
    let signature_algorithm = signature_name(signature)?;
    signature_key.verify(signature_algorithm, signed, signature, &VerifyOptions::ANY)?;
    Ok(Certificate {
        serial,
        kind,
        key_id,
        principals,
        valid_after,
        valid_before,
        critical_options,
        extensions,
        signature_key,
        signature_algorithm,
    })
}

fn decode_principals(packed: &[u8]) -> Result<Vec<String>, Error> {
    let mut reader = Reader::new(packed);
    let mut principals = Vec::new();
    while !reader.is_empty() {
        if principals.len() == limits::CERTIFICATE_PRINCIPALS {
            return Err(Error::InvalidCertificate("it has too many principals"));
        }
        principals.push(reader.text()?.to_owned());
    }
    Ok(principals)
}

/// A CA is a plain key; chains do not exist, and reading one would recurse as
/// deep as the peer likes.
fn decode_signature_key(blob: &[u8]) -> Result<PublicKey, Error> {
    let (_, is_certificate) = public::key_type(Reader::new(blob).string()?)?;
    if is_certificate {
        return Err(Error::InvalidCertificate("its CA is a certificate itself"));
    }
    PublicKey::from_blob(blob)
}

fn signature_name(signature: &[u8]) -> Result<&'static str, Error> {
    let name = Reader::new(signature).string()?;
    std::str::from_utf8(name)
        .ok()
        .and_then(algorithms::lookup)
        .map(|row| row.name)
        .ok_or_else(|| Error::UnknownType(printable(name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{KeyKind, test_data};

    fn user_certificate(ca: &PrivateKey) -> Certificate {
        Certificate {
            serial: 42,
            kind: CertificateKind::User,
            key_id: "me".into(),
            principals: vec!["root".into(), "a*".into()],
            valid_after: 100,
            valid_before: 200,
            critical_options: Vec::new(),
            extensions: vec![("permit-pty".into(), Vec::new())],
            signature_key: ca.public().clone(),
            signature_algorithm: "ssh-ed25519",
        }
    }

    fn key() -> PrivateKey {
        PrivateKey::generate(KeyKind::Ed25519, None, "").unwrap()
    }

    #[test]
    fn certificates_of_openssh() {
        let (user, _) = PublicKey::from_line(test_data::public_line("user-cert-ed25519")).unwrap();
        let certificate = user.certificate().unwrap();
        assert_eq!(certificate.kind, CertificateKind::User);
        assert_eq!((certificate.serial, certificate.key_id.as_str()), (7, "an id"));
        assert_eq!(certificate.principals, ["alice", "bob"]);
        assert_eq!(certificate.valid_before, u64::MAX);
        let options = certificate.options().unwrap();
        assert_eq!(options.force_command.as_deref(), Some("/bin/true"));
        assert_eq!(options.source_address.as_deref(), Some("10.0.0.0/8,::1/128"));
        assert!(options.permit_pty && options.permit_user_rc && !options.verify_required);
        assert_eq!(certificate.check(CertificateKind::User, Some("bob"), 1, false), Ok(()));
        let refused = certificate.check(CertificateKind::Host, None, 1, false);
        assert_eq!(refused, Err(CertificateError::NotHost));

        let (host, _) = PublicKey::from_line(test_data::public_line("host-cert-rsa")).unwrap();
        let certificate = host.certificate().unwrap();
        assert_eq!(certificate.signature_algorithm, "rsa-sha2-512");
        let check = |name| certificate.check(CertificateKind::Host, Some(name), 1, true);
        assert_eq!(check("www.example.org"), Ok(()));
        assert_eq!(check("example.com"), Err(CertificateError::NotListed));
    }

    #[test]
    fn refusals() {
        let (ca, key) = (key(), key());
        let good = user_certificate(&ca);
        let issued = good.issue_with(key.public(), &ca).unwrap();
        assert_eq!(issued.plain(), *key.public());
        let check = |certificate: &Certificate, principal, now, wildcard| {
            let issued = certificate.issue_with(key.public(), &ca).unwrap();
            let read = issued.certificate().unwrap();
            read.check(CertificateKind::User, principal, now, wildcard)
        };
        assert_eq!(check(&good, Some("root"), 100, false), Ok(()));
        assert_eq!(check(&good, None, 199, false), Ok(()));
        assert_eq!(check(&good, None, 99, false), Err(CertificateError::NotYetValid));
        assert_eq!(check(&good, None, 200, false), Err(CertificateError::Expired));
        assert_eq!(check(&good, Some("ab"), 150, false), Err(CertificateError::NotListed));
        assert_eq!(check(&good, Some("ab"), 150, true), Ok(()));

        let nobody = Certificate { principals: Vec::new(), ..good.clone() };
        assert_eq!(check(&nobody, Some("root"), 150, true), Err(CertificateError::NoPrincipals));
        assert_eq!(check(&nobody, None, 150, true), Err(CertificateError::NoPrincipals));
        let host = Certificate { kind: CertificateKind::Host, ..good.clone() };
        assert_eq!(check(&host, None, 150, true), Err(CertificateError::NotUser));
        let strange = vec![("strange".to_owned(), Vec::new())];
        let critical = Certificate { critical_options: strange.clone(), ..good.clone() };
        let refused = check(&critical, None, 150, false);
        assert_eq!(refused, Err(CertificateError::UnknownCriticalOption("strange".into())));
        let extended = Certificate { extensions: strange, ..good.clone() };
        assert_eq!(check(&extended, None, 150, false), Ok(()));
    }

    #[test]
    fn what_does_not_read() {
        let (ca, key) = (key(), key());
        let good = user_certificate(&ca);
        let names = vec!["x".to_owned(); limits::CERTIFICATE_PRINCIPALS];
        let full = Certificate { principals: names.clone(), ..good.clone() };
        assert!(full.issue_with(key.public(), &ca).is_ok());
        let crowd = Certificate { principals: [names, vec!["x".into()]].concat(), ..good.clone() };
        assert!(crowd.issue_with(key.public(), &ca).is_err());
        let twice = vec![("a".to_owned(), Vec::new()); 2];
        let doubled = Certificate { extensions: twice, ..good.clone() };
        assert!(doubled.issue_with(key.public(), &ca).is_err());

        let nested = good.issue_with(ca.public(), &ca).unwrap();
        let chained = Certificate { signature_key: nested, ..good.clone() };
        let refused = chained.issue_with(key.public(), &ca);
        assert!(matches!(refused, Err(Error::InvalidCertificate(_))));

        let other = PrivateKey::generate(KeyKind::Ed25519, None, "").unwrap();
        assert!(matches!(good.issue_with(key.public(), &other), Err(Error::BadSignature)));
        let mut blob = good.issue_with(key.public(), &ca).unwrap().blob().to_vec();
        let at = blob.windows(4).position(|window| window == b"root").unwrap();
        blob[at] = b'R';
        assert!(matches!(PublicKey::from_blob(&blob), Err(Error::BadSignature)));
    }

    #[test]
    fn options_with_bad_data() {
        let ca = key();
        let mut certificate = user_certificate(&ca);
        certificate.critical_options = vec![("force-command".into(), b"ls".to_vec())];
        assert_eq!(certificate.options(), Err(CertificateError::BadOption("force-command")));
        certificate.critical_options = vec![("verify-required".into(), b"x".to_vec())];
        assert_eq!(certificate.options(), Err(CertificateError::BadOption("verify-required")));
    }
}
