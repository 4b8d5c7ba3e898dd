//! Signatures over files and commits, PROTOCOL.sshsig.
//!
//! A signature carries the key that made it; whether that key may sign for somebody is what
//! [`crate::allowed_signers`] is for.

use crypto::hash::{Digest, HashAlgorithm};
use wire::{Reader, Writer};

use crate::algorithms::KeyType;
use crate::base64;
use crate::error::Error;
use crate::limits;
use crate::pem::put_lines;
use crate::public::PublicKey;
use crate::signature::{SkDetails, VerifyOptions};

const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----";
const END: &str = "-----END SSH SIGNATURE-----";
const MAGIC: &[u8] = b"SSHSIG";
const VERSION: u32 = 1;

/// How the message was shortened before it was signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum MessageHash {
    /// SHA-256.
    Sha256,
    /// SHA-512, what is taken when nothing is said.
    #[default]
    Sha512,
}

impl MessageHash {
    /// By the name in a signature and in `-O hashalg=`.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "sha256" => Some(Self::Sha256),
            "sha512" => Some(Self::Sha512),
            _ => None,
        }
    }

    /// As it stands in a signature.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    /// The digest of a message.
    pub fn digest(self, message: &[u8]) -> Digest {
        let hash = match self {
            Self::Sha256 => HashAlgorithm::Sha256,
            Self::Sha512 => HashAlgorithm::Sha512,
        };
        hash.digest(&[message])
    }
}

/// One signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshSignature {
    /// Who signed, perhaps by a certificate.
    pub public_key: PublicKey,
    /// What for, such as `git` or `file`; a signature for one thing is of no use for another.
    pub namespace: String,
    /// How the message was shortened.
    pub hash: MessageHash,
    /// The signature blob over [`signed_data`].
    pub signature: Vec<u8>,
}

/// What is signed in place of the message.
pub fn signed_data(namespace: &str, hash: MessageHash, message: &[u8]) -> Vec<u8> {
    let mut data = Vec::with_capacity(160 + namespace.len());
    data.put_bytes(MAGIC);
    data.put_string(namespace.as_bytes());
    data.put_string(b""); // reserved
    data.put_string(hash.name().as_bytes());
    data.put_string(hash.digest(message).as_ref());
    data
}

/// Whether this is what [`signed_data`] makes, so that a signature over it is good for nothing
/// but SSHSIG.
pub fn is_signed_data(data: &[u8]) -> bool {
    let read = || {
        let mut reader = Reader::new(data.strip_prefix(MAGIC)?);
        let namespace = reader.string().ok()?;
        reader.string().ok()?;
        let hash = MessageHash::from_name(reader.text().ok()?)?;
        let digest = reader.string().ok()?;
        reader.finish().ok()?;
        Some(!namespace.is_empty() && digest.len() == hash.digest(b"").as_ref().len())
    };
    read().unwrap_or(false)
}

/// The algorithm to sign with: for RSA SHA-512, as SHA-1 is not accepted.
pub fn algorithm(key: &PublicKey) -> &'static str {
    match key.signature_algorithms() {
        [first, ..] => first,
        [] => key.algorithm(),
    }
}

impl SshSignature {
    /// Signs `message` with `sign`, which is given what to sign and the algorithm to use.
    ///
    /// # Errors
    /// What `sign` returns, or [`Error::BadSignatureFile`] for an empty namespace.
    pub fn make<E: From<Error>>(
        public_key: &PublicKey,
        namespace: &str,
        hash: MessageHash,
        message: &[u8],
        sign: impl FnOnce(&str, &[u8]) -> Result<Vec<u8>, E>,
    ) -> Result<Self, E> {
        if namespace.is_empty() {
            return Err(Error::BadSignatureFile("the namespace is empty").into());
        }
        let signature = sign(algorithm(public_key), &signed_data(namespace, hash, message))?;
        Ok(Self {
            public_key: public_key.clone(),
            namespace: namespace.to_owned(),
            hash,
            signature,
        })
    }

    /// Reads the text of a signature file.
    ///
    /// # Errors
    /// [`Error::BadSignatureFile`], or what is wrong with the key.
    pub fn from_armour(text: &[u8]) -> Result<Self, Error> {
        if text.len() > limits::SIGNATURE_FILE_BYTES {
            return Err(Error::TooLarge("signature file"));
        }
        let text =
            std::str::from_utf8(text).map_err(|_| Error::BadSignatureFile("it is not text"))?;
        let body = text
            .trim_start()
            .strip_prefix(BEGIN)
            .ok_or(Error::BadSignatureFile("its first line is not that of a signature"))?;
        let (body, _) =
            body.split_once(END).ok_or(Error::BadSignatureFile("its last line is missing"))?;
        let encoded: String = body.split_ascii_whitespace().collect();
        let blob = base64::decode(encoded.as_bytes()).ok_or(Error::BadBase64)?;
        Self::from_blob(&blob)
    }

    fn from_blob(blob: &[u8]) -> Result<Self, Error> {
        let rest = blob.strip_prefix(MAGIC).ok_or(Error::BadSignatureFile("another magic"))?;
        let mut reader = Reader::new(rest);
        if reader.u32()? != VERSION {
            return Err(Error::BadSignatureFile("it is of another version"));
        }
        let public_key = PublicKey::from_blob(reader.string()?)?;
        let namespace = reader.text()?.to_owned();
        let _reserved = reader.string()?;
        let hash = MessageHash::from_name(reader.text()?)
            .ok_or(Error::BadSignatureFile("its hash is not known"))?;
        let signature = reader.string()?.to_vec();
        reader.finish()?;
        if namespace.is_empty() {
            return Err(Error::BadSignatureFile("the namespace is empty"));
        }
        Ok(Self { public_key, namespace, hash, signature })
    }

    /// The text of a signature file.
    pub fn to_armour(&self) -> String {
        let mut blob = Vec::new();
        blob.put_bytes(MAGIC);
        blob.put_u32(VERSION);
        blob.put_string(self.public_key.blob());
        blob.put_string(self.namespace.as_bytes());
        blob.put_string(b"");
        blob.put_string(self.hash.name().as_bytes());
        blob.put_string(&self.signature);
        let mut text = format!("{BEGIN}\n");
        put_lines(&mut text, &base64::encode(&blob), 70);
        text.push_str(END);
        text.push('\n');
        text
    }

    /// Whether the signature is over `message`, made by [`Self::public_key`] for `namespace`.
    ///
    /// # Errors
    /// [`Error::BadSignatureFile`] for another namespace, [`Error::AlgorithmMismatch`] for RSA
    /// with SHA-1, [`Error::BadSignature`].
    pub fn verify(
        &self,
        namespace: &str,
        message: &[u8],
        options: &VerifyOptions,
    ) -> Result<Option<SkDetails>, Error> {
        if self.namespace != namespace {
            return Err(Error::BadSignatureFile("namespace does not match"));
        }
        let key = self.public_key.plain();
        let name = Reader::new(&self.signature).text()?;
        if key.key_type() == KeyType::Rsa && name != "rsa-sha2-512" && name != "rsa-sha2-256" {
            return Err(Error::AlgorithmMismatch {
                algorithm: name.chars().take(64).collect(),
                key: key.algorithm(),
            });
        }
        let data = signed_data(namespace, self.hash, message);
        key.verify(name, &data, &self.signature, options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{KeyKind, PrivateKey};

    fn signed(kind: KeyKind, hash: MessageHash) -> SshSignature {
        let key = PrivateKey::generate(kind, None, "").unwrap();
        SshSignature::make(key.public(), "file", hash, b"text", |name, data| key.sign(name, data))
            .unwrap()
    }

    #[test]
    fn signed_data_is_recognised() {
        for hash in [MessageHash::Sha256, MessageHash::Sha512] {
            let data = signed_data("git", hash, b"message");
            assert!(is_signed_data(&data));
            assert!(!is_signed_data(&data[..data.len() - 1]));
            assert!(!is_signed_data(&data[1..]));
        }
        assert!(!is_signed_data(b""));
    }

    #[test]
    fn signatures_read_back_and_bind_everything() {
        for kind in [KeyKind::Ed25519, KeyKind::Ecdsa, KeyKind::Rsa] {
            for hash in [MessageHash::Sha256, MessageHash::Sha512] {
                let signature = signed(kind, hash);
                let read = SshSignature::from_armour(signature.to_armour().as_bytes()).unwrap();
                assert_eq!(read, signature);
                let any = VerifyOptions::default();
                assert!(read.verify("file", b"text", &any).is_ok());
                assert!(read.verify("file", b"test", &any).is_err());
                assert!(read.verify("git", b"text", &any).is_err());
                let other = SshSignature { namespace: "git".into(), ..read };
                assert!(other.verify("git", b"text", &any).is_err());
            }
        }
    }

    #[test]
    fn what_is_no_signature() {
        let text = signed(KeyKind::Ed25519, MessageHash::Sha512).to_armour();
        for bad in [
            String::new(),
            "hello".to_owned(),
            text.replace("END", "AND"),
            text.replace("U1NIU0lH", "U1NIU0lI"),
            text.replacen("AAAAAQ", "AAAAAA", 1),
        ] {
            assert!(SshSignature::from_armour(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn rsa_with_sha1_is_refused() {
        let key = PrivateKey::generate(KeyKind::Rsa, Some(2048), "").unwrap();
        let signature =
            SshSignature::make(key.public(), "n", MessageHash::Sha512, b"", |_, data| {
                key.sign("ssh-rsa", data)
            })
            .unwrap();
        let refused = signature.verify("n", b"", &VerifyOptions::default());
        assert!(matches!(refused, Err(Error::AlgorithmMismatch { .. })));
    }
}
