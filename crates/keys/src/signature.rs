//! Verifying signatures: RFC 4253 §6.6, RFC 5656 §3.1.2, RFC 8332, RFC 8709,
//! and PROTOCOL.u2f for security keys.

use crypto::hash::HashAlgorithm;
use crypto::sign::{self, Curve};
use wire::Reader;

use crate::algorithms;
use crate::base64;
use crate::error::{Error, printable};
use crate::public::{KeyData, PublicKey};

/// The user touched the security key. PROTOCOL.u2f.
const FLAG_USER_PRESENT: u8 = 0x01;
/// The security key verified its user. PROTOCOL.u2f.
const FLAG_USER_VERIFIED: u8 = 0x04;
/// WebAuthn §6.1: attested credential data follow. Never so in an assertion.
const FLAG_ATTESTED: u8 = 0x40;
/// WebAuthn §6.1: extension data follow.
const FLAG_EXTENSIONS: u8 = 0x80;

const WEBAUTHN: &str = "webauthn-sk-ecdsa-sha2-nistp256@openssh.com";

/// What a signature of a security key must show. Other keys do not care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifyOptions {
    /// The user touched the key (unless `no-touch-required`).
    pub require_touch: bool,
    /// The key verified the user (`verify-required`).
    pub require_verification: bool,
}

impl Default for VerifyOptions {
    /// What `sshd` asks for when nothing is said: a touch.
    fn default() -> Self {
        Self { require_touch: true, require_verification: false }
    }
}

impl VerifyOptions {
    /// Asks for nothing beyond the signature: for signatures of CAs and hosts.
    pub const ANY: Self = Self { require_touch: false, require_verification: false };
}

/// What a security key said beside its signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SkDetails {
    /// The flags of PROTOCOL.u2f.
    pub flags: u8,
    /// How often the key has signed.
    pub counter: u32,
}

impl SkDetails {
    /// Whether the user touched the key.
    pub fn user_present(&self) -> bool {
        self.flags & FLAG_USER_PRESENT != 0
    }

    /// Whether the key verified its user.
    pub fn user_verified(&self) -> bool {
        self.flags & FLAG_USER_VERIFIED != 0
    }
}

impl PublicKey {
    /// Verifies a whole signature blob, name and all.
    ///
    /// `algorithm` is what was negotiated or what the request names. The
    /// signature must carry the name of its plain sibling (RFC 8332 §3), so a
    /// peer cannot fall back to SHA-1. Whether `algorithm` is allowed at all
    /// is the caller's to decide.
    ///
    /// # Errors
    /// [`Error::AlgorithmMismatch`] when the names do not fit each other or
    /// the key, [`Error::BadSignature`], and [`Error::TouchRequired`] or
    /// [`Error::VerificationRequired`] by `options`.
    pub fn verify(
        &self,
        algorithm: &str,
        message: &[u8],
        signature: &[u8],
        options: &VerifyOptions,
    ) -> Result<Option<SkDetails>, Error> {
        let mismatch = |name: &[u8]| Error::AlgorithmMismatch {
            algorithm: printable(name),
            key: self.algorithm(),
        };
        let row = algorithms::lookup(algorithm)
            .filter(|row| row.key_name == self.algorithm())
            .ok_or_else(|| mismatch(algorithm.as_bytes()))?;
        let mut reader = Reader::new(signature);
        let name = reader.string()?;
        if name != row.signature_name.as_bytes() {
            return Err(mismatch(name));
        }
        let details =
            verify_fields(self.data(), row.signature_name, row.hash, message, &mut reader)?;
        reader.finish()?;
        if let Some(details) = details {
            if options.require_touch && !details.user_present() {
                return Err(Error::TouchRequired);
            }
            if options.require_verification && !details.user_verified() {
                return Err(Error::VerificationRequired);
            }
        }
        Ok(details)
    }
}

fn verify_fields(
    data: &KeyData,
    signature_name: &str,
    hash: HashAlgorithm,
    message: &[u8],
    reader: &mut Reader<'_>,
) -> Result<Option<SkDetails>, Error> {
    let signature = reader.string()?;
    match data {
        KeyData::Ed25519 { public } => {
            valid(sign::verify_ed25519(public, message, signature))?;
        }
        KeyData::Ecdsa { curve, point } => {
            verify_ecdsa(*curve, point, message, signature)?;
        }
        KeyData::Rsa { e, n } => {
            valid(sign::verify_rsa(hash, n, e, message, signature))?;
        }
        KeyData::SkEd25519 { public, application } => {
            let details = sk_details(reader)?;
            let signed = sk_signed(application, details, &[], message);
            valid(sign::verify_ed25519(public, &signed, signature))?;
            return Ok(Some(details));
        }
        KeyData::SkEcdsa { point, application } => {
            let details = sk_details(reader)?;
            let signed = if signature_name == WEBAUTHN {
                webauthn_signed(application, details, message, reader)?
            } else {
                sk_signed(application, details, &[], message)
            };
            verify_ecdsa(Curve::NistP256, point, &signed, signature)?;
            return Ok(Some(details));
        }
    }
    Ok(None)
}

/// The signature holds r and s once more as fields. RFC 5656 §3.1.2.
fn verify_ecdsa(curve: Curve, point: &[u8], message: &[u8], signature: &[u8]) -> Result<(), Error> {
    let mut reader = Reader::new(signature);
    let r = reader.mpint()?;
    let s = reader.mpint()?;
    reader.finish()?;
    valid(sign::verify_ecdsa(curve, point, message, r.magnitude(), s.magnitude()))
}

fn valid(result: Result<(), crypto::Error>) -> Result<(), Error> {
    result.map_err(|error| match error {
        crypto::Error::Unsupported(_) | crypto::Error::Internal => error.into(),
        _ => Error::BadSignature,
    })
}

fn sk_details(reader: &mut Reader<'_>) -> Result<SkDetails, Error> {
    Ok(SkDetails { flags: reader.u8()?, counter: reader.u32()? })
}

/// What the hardware signs. PROTOCOL.u2f, "SSH U2F signatures".
fn sk_signed(application: &[u8], details: SkDetails, extensions: &[u8], message: &[u8]) -> Vec<u8> {
    let mut signed = Vec::with_capacity(69 + extensions.len());
    signed.extend_from_slice(HashAlgorithm::Sha256.digest(&[application]).as_ref());
    signed.push(details.flags);
    signed.extend_from_slice(&details.counter.to_be_bytes());
    signed.extend_from_slice(extensions);
    signed.extend_from_slice(HashAlgorithm::Sha256.digest(&[message]).as_ref());
    signed
}

/// What the hardware signs for a browser: the client data stand for the
/// message, so they must begin with it. PROTOCOL.u2f, "webauthn signatures".
fn webauthn_signed(
    application: &[u8],
    details: SkDetails,
    message: &[u8],
    reader: &mut Reader<'_>,
) -> Result<Vec<u8>, Error> {
    let origin = reader.string()?;
    let client_data = reader.string()?;
    let extensions = reader.string()?;
    let announced = details.flags & FLAG_EXTENSIONS != 0;
    if details.flags & FLAG_ATTESTED != 0
        || announced == extensions.is_empty()
        || origin.contains(&b'"')
    {
        return Err(Error::BadSignature);
    }
    let mut expected = b"{\"type\":\"webauthn.get\",\"challenge\":\"".to_vec();
    expected.extend_from_slice(base64::encode_url(message).as_bytes());
    expected.extend_from_slice(b"\",\"origin\":\"");
    expected.extend_from_slice(origin);
    expected.push(b'"');
    if !client_data.starts_with(&expected) {
        return Err(Error::BadSignature);
    }
    Ok(sk_signed(application, details, extensions, client_data))
}

#[cfg(test)]
mod tests {
    use crypto::sign::{RawSignature, SecretKey};
    use wire::Writer;

    use super::*;
    use crate::{KeyKind, PrivateKey};

    const ED25519_SK: &str = "sk-ssh-ed25519@openssh.com";
    const ECDSA_SK: &str = "sk-ecdsa-sha2-nistp256@openssh.com";

    fn raw(signature: RawSignature) -> Vec<u8> {
        match signature {
            RawSignature::Bytes(bytes) => bytes,
            RawSignature::Ecdsa { r, s } => {
                let mut bytes = Vec::new();
                bytes.put_mpint(&r);
                bytes.put_mpint(&s);
                bytes
            }
        }
    }

    /// A security key in software: signs as the hardware would.
    fn sk_sign(secret: &SecretKey, name: &str, flags: u8, message: &[u8]) -> Vec<u8> {
        let details = SkDetails { flags, counter: 7 };
        let signed = sk_signed(b"ssh:", details, &[], message);
        let mut blob = Vec::new();
        blob.put_string(name.as_bytes());
        blob.put_string(&raw(secret.sign(HashAlgorithm::Sha256, &signed).unwrap()));
        blob.put_u8(flags);
        blob.put_u32(7);
        blob
    }

    fn sk_ed25519() -> (SecretKey, PublicKey) {
        let secret = SecretKey::generate_ed25519().unwrap();
        let plain = PublicKey::from_parts(secret.public()).unwrap();
        let KeyData::Ed25519 { public } = *plain.data() else { unreachable!() };
        let data = KeyData::SkEd25519 { public, application: b"ssh:".to_vec() };
        (secret, PublicKey::from_data(data).unwrap())
    }

    fn sk_ecdsa() -> (SecretKey, PublicKey) {
        let secret = SecretKey::generate_ecdsa(Curve::NistP256).unwrap();
        let plain = PublicKey::from_parts(secret.public()).unwrap();
        let KeyData::Ecdsa { point, .. } = plain.data().clone() else { unreachable!() };
        let data = KeyData::SkEcdsa { point, application: b"ssh:".to_vec() };
        (secret, PublicKey::from_data(data).unwrap())
    }

    #[test]
    fn security_keys() {
        for (name, (secret, public)) in [(ED25519_SK, sk_ed25519()), (ECDSA_SK, sk_ecdsa())] {
            let options = VerifyOptions::default();
            let touched = sk_sign(&secret, name, FLAG_USER_PRESENT, b"message");
            let details = public.verify(name, b"message", &touched, &options).unwrap();
            assert_eq!(details, Some(SkDetails { flags: 1, counter: 7 }));
            assert!(public.verify(name, b"another", &touched, &options).is_err());

            let strict = VerifyOptions { require_verification: true, ..options };
            let refused = public.verify(name, b"message", &touched, &strict);
            assert!(matches!(refused, Err(Error::VerificationRequired)));

            let untouched = sk_sign(&secret, name, 0, b"message");
            let refused = public.verify(name, b"message", &untouched, &options);
            assert!(matches!(refused, Err(Error::TouchRequired)));
            assert!(public.verify(name, b"message", &untouched, &VerifyOptions::ANY).is_ok());

            // The flags are under the signature.
            let mut lifted = untouched.clone();
            let at = lifted.len() - 5;
            lifted[at] = FLAG_USER_PRESENT;
            let refused = public.verify(name, b"message", &lifted, &options);
            assert!(matches!(refused, Err(Error::BadSignature)));
        }
    }

    #[test]
    fn webauthn() {
        let (secret, public) = sk_ecdsa();
        let sign = |challenge: &[u8], origin: &str, flags: u8| {
            let client_data = format!(
                "{{\"type\":\"webauthn.get\",\"challenge\":\"{}\",\"origin\":\"{origin}\",\"x\":1}}",
                base64::encode_url(challenge)
            );
            let details = SkDetails { flags, counter: 1 };
            let signed = sk_signed(b"ssh:", details, &[], client_data.as_bytes());
            let mut blob = Vec::new();
            blob.put_string(WEBAUTHN.as_bytes());
            blob.put_string(&raw(secret.sign(HashAlgorithm::Sha256, &signed).unwrap()));
            blob.put_u8(flags);
            blob.put_u32(1);
            blob.put_string(origin.as_bytes());
            blob.put_string(client_data.as_bytes());
            blob.put_string(b"");
            blob
        };
        let options = VerifyOptions::default();
        let verify = |signature: &[u8]| public.verify(WEBAUTHN, b"message", signature, &options);
        assert!(verify(&sign(b"message", "https://example.org", 1)).is_ok());
        assert!(verify(&sign(b"another", "https://example.org", 1)).is_err());
        assert!(verify(&sign(b"message", "https://example.org\"", 1)).is_err());
        assert!(verify(&sign(b"message", "https://example.org", 0x81)).is_err());
        assert!(verify(&sign(b"message", "https://example.org", 0x41)).is_err());
        // The plain form of the signature is another algorithm.
        let signature = sign(b"message", "https://example.org", 1);
        assert!(public.verify(ECDSA_SK, b"message", &signature, &options).is_err());
    }

    #[test]
    fn the_names_must_agree() {
        let key = PrivateKey::generate(KeyKind::Rsa, Some(2048), "").unwrap();
        let options = VerifyOptions::default();
        let signature = key.sign("rsa-sha2-256", b"message").unwrap();
        let public = key.public();
        assert!(public.verify("rsa-sha2-256", b"message", &signature, &options).is_ok());
        for name in ["rsa-sha2-512", "ssh-rsa", "ssh-ed25519", "rsa-sha2-256-cert-v01@openssh.com"]
        {
            let refused = public.verify(name, b"message", &signature, &options);
            assert!(matches!(refused, Err(Error::AlgorithmMismatch { .. })), "{name}");
        }
        let mut longer = signature.clone();
        longer.push(0);
        assert!(public.verify("rsa-sha2-256", b"message", &longer, &options).is_err());
    }
}
