mod file_format;
mod writing;

use crypto::sign::{Curve, RawSignature, SecretKey};
use wire::{Reader, Writer};
use zeroize::Zeroizing;

use self::file_format::{armour_of, ppk_text};
use crate::algorithms;
use crate::error::{Error, PrivateKeyError, printable};
use crate::openssh_key::{self, Envelope};
use crate::ppk::Ppk;
use crate::public::PublicKey;
use crate::secret::{self, Secret, SecurityKey};
use crate::{limits, pkcs};

pub use self::file_format::{
    PrivateFileFormat, comment_of_private_file, private_file_format, public_of_private_file,
};

/// A private key, its public half and its comment.
///
/// The public half may be a certificate ([`Self::with_certificate`]); the key
/// signs under its certificate's names either way.
pub struct PrivateKey {
    public: PublicKey,
    comment: String,
    secret: Secret,
}

/// What kind of key to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// RFC 8709.
    Ed25519,
    /// RFC 5656, on the curve that the bits say: 256, 384 or 521.
    Ecdsa,
    /// RFC 4253 §6.6.
    Rsa,
}

impl PrivateKey {
    /// Reads a private key file: openssh-key-v1, PEM with PKCS#1, SEC 1 or
    /// PKCS#8 inside, or PuTTY's (PPK), encrypted or not. Lines may end in CR LF.
    ///
    /// # Errors
    /// [`PrivateKeyError::PassphraseNeeded`] when `passphrase` is `None` and
    /// the file is encrypted; the others say what is wrong with the file.
    pub fn parse(text: &[u8], passphrase: Option<&[u8]>) -> Result<Self, PrivateKeyError> {
        if let Some(text) = ppk_text(text)? {
            let (public, comment, secret) = Ppk::parse(text)?.open(passphrase)?;
            return Ok(Self { public, comment, secret: Secret::Software(secret) });
        }
        let pem = armour_of(text)?;
        if pem.label == openssh_key::LABEL {
            let (public, comment, secret) = Envelope::parse(&pem.body)?.open(passphrase)?;
            return Ok(Self { public, comment, secret });
        }
        Ok(Self::from_secret(pkcs::parse(&pem, passphrase)?, String::new())?)
    }

    /// Makes a new key. Without `bits`, ECDSA keys have 256 and RSA keys
    /// [`limits::RSA_BITS_DEFAULT`]; Ed25519 keys do not care.
    ///
    /// # Errors
    /// [`Error::InvalidKey`] or [`Error::RsaBits`] for a size that does not
    /// exist or is refused.
    pub fn generate(kind: KeyKind, bits: Option<u32>, comment: &str) -> Result<Self, Error> {
        let secret = match kind {
            KeyKind::Ed25519 => SecretKey::generate_ed25519()?,
            KeyKind::Ecdsa => SecretKey::generate_ecdsa(match bits {
                None | Some(256) => Curve::NistP256,
                Some(384) => Curve::NistP384,
                Some(521) => Curve::NistP521,
                Some(_) => {
                    return Err(Error::InvalidKey("ECDSA keys have 256, 384 or 521 bits"));
                }
            })?,
            KeyKind::Rsa => {
                let bits = bits.unwrap_or(limits::RSA_BITS_DEFAULT);
                if !(limits::RSA_BITS_MIN..=limits::RSA_BITS_MAX).contains(&bits) {
                    return Err(Error::RsaBits(bits));
                }
                SecretKey::generate_rsa(bits)?
            }
        };
        Self::from_secret(secret, comment.to_owned())
    }

    /// The public half, in its certificate when it has one.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// What the file says about the key; empty for PEM files.
    pub fn comment(&self) -> &str {
        &self.comment
    }

    /// The same key with another comment.
    #[must_use]
    pub fn with_comment(self, comment: &str) -> Self {
        Self { comment: comment.to_owned(), ..self }
    }

    /// The same key in `certificate`, or in none when a plain key is given.
    ///
    /// # Errors
    /// [`Error::InvalidCertificate`] when it is another key's.
    pub fn with_certificate(self, certificate: PublicKey) -> Result<Self, Error> {
        if certificate.plain() != self.public.plain() {
            return Err(Error::InvalidCertificate("it belongs to another key"));
        }
        Ok(Self { public: certificate, ..self })
    }

    /// A key whose private half is in a security key. PROTOCOL.u2f.
    ///
    /// # Errors
    /// [`Error::InvalidKey`] when the public half is not of such a type.
    pub fn from_security_key(
        public: PublicKey,
        handle: SecurityKey,
        comment: &str,
    ) -> Result<Self, Error> {
        if !public.key_type().is_security_key() {
            return Err(Error::InvalidKey("it is not of a type that security keys make"));
        }
        Ok(Self { public, comment: comment.to_owned(), secret: Secret::Hardware(handle) })
    }

    /// The handle of a key whose private half is in hardware.
    pub fn security_key(&self) -> Option<&SecurityKey> {
        match &self.secret {
            Secret::Software(_) => None,
            Secret::Hardware(key) => Some(key),
        }
    }

    /// Signs `message` and returns the whole signature blob. `algorithm` is
    /// the negotiated name; of a certificate's name the plain sibling stands
    /// in the signature.
    ///
    /// # Errors
    /// [`Error::AlgorithmMismatch`] when this key cannot sign under that
    /// name, [`Error::SecurityKeySigning`] when hardware would have to.
    pub fn sign(&self, algorithm: &str, message: &[u8]) -> Result<Vec<u8>, Error> {
        let row = algorithms::lookup(algorithm)
            .filter(|row| row.key_type == self.public.key_type())
            .ok_or_else(|| Error::AlgorithmMismatch {
                algorithm: printable(algorithm.as_bytes()),
                key: self.public.algorithm(),
            })?;
        let Secret::Software(secret) = &self.secret else {
            return Err(Error::SecurityKeySigning);
        };
        let raw = match secret.sign(row.hash, message)? {
            RawSignature::Bytes(bytes) => bytes,
            RawSignature::Ecdsa { r, s } => {
                let mut fields = Vec::new();
                fields.put_mpint(&r);
                fields.put_mpint(&s);
                fields
            }
        };
        let mut blob = Vec::with_capacity(raw.len() + row.signature_name.len() + 8);
        blob.put_string(row.signature_name.as_bytes());
        blob.put_string(&raw);
        Ok(blob)
    }

    pub(crate) fn secret(&self) -> &Secret {
        &self.secret
    }

    pub(crate) fn from_secret(secret: SecretKey, comment: String) -> Result<Self, Error> {
        let public = PublicKey::from_parts(secret.public())?;
        Ok(Self { public, comment, secret: Secret::Software(secret) })
    }

    /// The fields that an agent takes, without the comment.
    pub(crate) fn encode(&self) -> Result<Zeroizing<Vec<u8>>, Error> {
        secret::encode(&self.public, &self.secret)
    }

    /// Reads what [`Self::encode`] writes, and the comment behind it.
    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, PrivateKeyError> {
        let (public, secret) = secret::decode(reader)?;
        let comment = String::from_utf8_lossy(reader.string()?).into_owned();
        Ok(Self { public, comment, secret })
    }
}

impl std::fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PrivateKey(of {:?})", self.public)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pem::Pem;
    use crate::test_data::{self, PASSPHRASE, PrivateFile};
    use crate::{KeyData, KeyType, VerifyOptions};

    fn check(file: &PrivateFile, text: &[u8]) -> PrivateKey {
        let (public, comment) = PublicKey::from_line(test_data::public_line(file.public)).unwrap();
        let passphrase = file.encrypted.then_some(PASSPHRASE);
        let key = PrivateKey::parse(text, passphrase)
            .unwrap_or_else(|error| panic!("{}: {error}", file.name));
        assert_eq!(key.public(), &public, "{}", file.name);
        if file.text.contains("OPENSSH") {
            assert_eq!(key.comment(), comment, "{}", file.name);
            assert_eq!(public_of_private_file(text).unwrap(), Some(public), "{}", file.name);
        } else {
            assert!(public_of_private_file(text).unwrap().is_none());
        }
        key
    }

    #[test]
    fn files_of_openssh_and_openssl() {
        for file in test_data::PRIVATE_FILES {
            let key = check(file, file.text.as_bytes());
            for algorithm in key.public().signature_algorithms() {
                let signature = key.sign(algorithm, b"message").unwrap();
                let options = VerifyOptions::default();
                key.public().verify(algorithm, b"message", &signature, &options).unwrap();
                assert!(key.public().verify(algorithm, b"other", &signature, &options).is_err());
            }
            if file.encrypted {
                let without = PrivateKey::parse(file.text.as_bytes(), None);
                assert!(matches!(without, Err(PrivateKeyError::PassphraseNeeded)), "{}", file.name);
                for wrong in [&b"wrong"[..], b""] {
                    let refused = PrivateKey::parse(file.text.as_bytes(), Some(wrong));
                    assert!(
                        matches!(refused, Err(PrivateKeyError::WrongPassphrase)),
                        "{}: {refused:?}",
                        file.name
                    );
                }
            }
        }
    }

    #[test]
    fn line_ends_of_windows_and_none_at_the_end() {
        for file in test_data::PRIVATE_FILES {
            check(file, file.text.replace('\n', "\r\n").as_bytes());
            check(file, file.text.trim_end().as_bytes());
        }
    }

    #[test]
    fn truncated_files() {
        for file in test_data::PRIVATE_FILES {
            let lines: Vec<_> = file.text.lines().collect();
            let cut = lines[..lines.len() - 1].join("\n");
            let refused = PrivateKey::parse(cut.as_bytes(), Some(PASSPHRASE));
            assert!(matches!(refused, Err(PrivateKeyError::Truncated)), "{}", file.name);
        }
    }

    #[test]
    fn what_is_no_private_key_is_named() {
        let parse = |text: &str| PrivateKey::parse(text.as_bytes(), None).map(|_| ());
        let public = test_data::PUBLIC_LINES.lines().next().unwrap();
        assert!(matches!(parse(public), Err(PrivateKeyError::IsPublicKey)));
        let rfc4716 = "---- BEGIN SSH2 PUBLIC KEY ----\nAAAA\n---- END SSH2 PUBLIC KEY ----\n";
        assert!(matches!(parse(rfc4716), Err(PrivateKeyError::IsPublicKey)));
        let spki = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n";
        assert!(matches!(parse(spki), Err(PrivateKeyError::IsPublicKey)));
        let putty = "PuTTY-User-Key-File-3: ssh-ed25519\n";
        assert!(matches!(parse(putty), Err(PrivateKeyError::Truncated)));
        assert!(matches!(parse("hello\n"), Err(PrivateKeyError::NotAKey)));
        assert!(matches!(parse(""), Err(PrivateKeyError::NotAKey)));
    }

    #[test]
    fn unknown_ciphers_and_foreign_public_halves() {
        let own = PrivateKey::generate(KeyKind::Ed25519, None, "").unwrap();
        let other = PrivateKey::generate(KeyKind::Ed25519, None, "").unwrap();
        let text = own.to_openssh(None, 1).unwrap();
        let body = Pem::parse(&text).unwrap().body;
        let replace = |from: &[u8], to: &[u8]| {
            let at = body.windows(from.len()).position(|window| window == from).unwrap();
            let mut changed = body.to_vec();
            changed[at..at + to.len()].copy_from_slice(to);
            let text = crate::pem::armour(openssh_key::LABEL, &changed);
            PrivateKey::parse(text.as_bytes(), None).map(|_| ())
        };
        assert!(matches!(replace(b"none", b"nope"), Err(PrivateKeyError::UnknownCipher(_))));
        let swapped = replace(own.public().blob(), other.public().blob());
        assert!(matches!(swapped, Err(PrivateKeyError::Mismatch)));
    }

    #[test]
    fn written_files_read_back() {
        for (kind, bits) in [
            (KeyKind::Ed25519, None),
            (KeyKind::Ecdsa, None),
            (KeyKind::Ecdsa, Some(384)),
            (KeyKind::Ecdsa, Some(521)),
            (KeyKind::Rsa, Some(2048)),
        ] {
            let key = PrivateKey::generate(kind, bits, "a comment").unwrap();
            for passphrase in [None, Some(PASSPHRASE)] {
                let text = key.to_openssh(passphrase, 2).unwrap();
                let read = PrivateKey::parse(text.as_bytes(), passphrase).unwrap();
                assert_eq!((read.public(), read.comment()), (key.public(), "a comment"));
                assert_eq!(*read.encode().unwrap(), *key.encode().unwrap());
                for text in [key.to_pem(passphrase).unwrap(), key.to_pkcs8(passphrase).unwrap()] {
                    let Some(text) = text else { continue };
                    let read = PrivateKey::parse(text.as_bytes(), passphrase).unwrap();
                    assert_eq!(*read.encode().unwrap(), *key.encode().unwrap());
                }
            }
        }
        assert!(PrivateKey::generate(KeyKind::Ecdsa, Some(255), "").is_err());
        assert!(matches!(
            PrivateKey::generate(KeyKind::Rsa, Some(512), ""),
            Err(Error::RsaBits(512))
        ));
    }

    #[test]
    fn keys_can_go_to_other_threads() {
        fn assert<T: Send + Sync>() {}
        assert::<PrivateKey>();
        assert::<PublicKey>();
    }

    #[test]
    fn security_keys_are_read_and_do_not_sign() {
        for line in test_data::PUBLIC_LINES.lines() {
            let (public, _) = PublicKey::from_line(line).unwrap();
            if !public.key_type().is_security_key() {
                continue;
            }
            let secret = Secret::Hardware(SecurityKey {
                flags: 1,
                key_handle: Zeroizing::new(vec![9; 64]),
                reserved: Vec::new(),
            });
            let text =
                openssh_key::write(&public, "token", &secret, None, 1, openssh_key::CIPHER_DEFAULT)
                    .unwrap();
            let key = PrivateKey::parse(text.as_bytes(), None).unwrap();
            assert_eq!(key.public(), &public);
            let handle = key.security_key().unwrap();
            assert_eq!((handle.flags, handle.key_handle.len()), (1, 64));
            let refused = key.sign(public.signature_algorithms()[0], b"");
            assert!(matches!(refused, Err(Error::SecurityKeySigning)));
        }
    }

    #[test]
    fn keys_with_certificates() {
        let ca = PrivateKey::generate(KeyKind::Ed25519, None, "").unwrap();
        for (kind, bits) in
            [(KeyKind::Ed25519, None), (KeyKind::Ecdsa, None), (KeyKind::Rsa, Some(2048))]
        {
            let key = PrivateKey::generate(kind, bits, "c").unwrap();
            let certificate = crate::Certificate {
                serial: 0,
                kind: crate::CertificateKind::User,
                key_id: String::new(),
                principals: vec!["me".into()],
                valid_after: 0,
                valid_before: u64::MAX,
                critical_options: Vec::new(),
                extensions: Vec::new(),
                signature_key: ca.public().clone(),
                signature_algorithm: "ssh-ed25519",
            }
            .issue_with(key.public(), &ca)
            .unwrap();
            let key = key.with_certificate(certificate.clone()).unwrap();
            let text = key.to_openssh(None, 1).unwrap();
            let read = PrivateKey::parse(text.as_bytes(), None).unwrap();
            assert_eq!(read.public(), &certificate);
            for algorithm in certificate.signature_algorithms() {
                let signature = read.sign(algorithm, b"message").unwrap();
                let options = VerifyOptions::default();
                certificate.verify(algorithm, b"message", &signature, &options).unwrap();
            }
            assert!(ca.public().key_type() == KeyType::Ed25519);
            let stranger = PrivateKey::generate(KeyKind::Ed25519, None, "").unwrap();
            assert!(stranger.with_certificate(certificate).is_err());
        }
        assert!(matches!(ca.public().data(), KeyData::Ed25519 { .. }));
    }
}
