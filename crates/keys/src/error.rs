/// Why a public key, certificate, signature or line is not usable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes do not follow RFC 4251.
    #[error("malformed key data: {0}")]
    Malformed(#[from] wire::Error),
    /// The cryptography refused.
    #[error("{0}")]
    Crypto(#[from] crypto::Error),
    /// No such key type is known.
    #[error("unknown key type {0:?}")]
    UnknownType(String),
    /// `ssh-dss`, known but gone.
    #[error("DSA keys are not usable in any current SSH")]
    Dsa,
    /// Larger than [`crate::limits`] allows.
    #[error("too large: {0}")]
    TooLarge(&'static str),
    /// An RSA modulus outside the sizes that are accepted.
    #[error(
        "an RSA key of {0} bits is refused; {min} to {max} are accepted",
        min = crate::limits::RSA_BITS_MIN,
        max = crate::limits::RSA_BITS_MAX
    )]
    RsaBits(u32),
    /// A key whose numbers cannot be right.
    #[error("invalid key: {0}")]
    InvalidKey(&'static str),
    /// A certificate whose fields cannot be right.
    #[error("invalid certificate: {0}")]
    InvalidCertificate(&'static str),
    /// The name in front does not agree with the key.
    #[error("the line says {stated:?} but the key is {actual}")]
    TypeMismatch {
        /// What stands in front of the base64 text.
        stated: String,
        /// What the key's own data says.
        actual: &'static str,
    },
    /// Text that should be base64 is not.
    #[error("the key is not base64 text")]
    BadBase64,
    /// There is nothing where a key should be.
    #[error("there is no key on the line")]
    NoKey,
    /// The signature algorithm is unknown, or not one of this key's.
    #[error("signature algorithm {algorithm:?} does not fit a key of type {key}")]
    AlgorithmMismatch {
        /// The algorithm that was asked for or named by the signature.
        algorithm: String,
        /// The key's type.
        key: &'static str,
    },
    /// A panel's text that is not what it should be ([`crate::vouch`]).
    #[error("the panel's statement is not usable: {0}")]
    BadVouch(&'static str),
    /// The signature is not one that this key made over this message.
    #[error("the signature is not valid")]
    BadSignature,
    /// The security key was not touched (PROTOCOL.u2f).
    #[error("the signature was made without a touch of the security key")]
    TouchRequired,
    /// The security key did not verify its user (PROTOCOL.u2f).
    #[error("the signature was made without verifying the user by PIN or biometry")]
    VerificationRequired,
    /// Signing needs the hardware.
    #[error("only its security key can sign with it")]
    SecurityKeySigning,
    /// A pattern list for addresses that makes no sense.
    #[error("bad address or mask {0:?}")]
    BadAddress(String),
    /// A time that makes no sense.
    #[error("bad time {0:?}")]
    BadTime(String),
    /// An option of an `authorized_keys` line.
    #[error("bad key options: {0}")]
    BadOptions(String),
    /// A `known_hosts` line.
    #[error("bad line: {0}")]
    BadLine(&'static str),
    /// A revocation list that does not follow PROTOCOL.krl.
    #[error("bad revocation list: {0}")]
    BadKrl(&'static str),
    /// A signature file that does not follow PROTOCOL.sshsig.
    #[error("bad signature file: {0}")]
    BadSignatureFile(&'static str),
    /// An agent message that does not follow RFC 9987.
    #[error("bad agent message: {0}")]
    BadAgentMessage(&'static str),
}

/// A peer's name for something, short enough and clean enough to print.
pub(crate) fn printable(name: &[u8]) -> String {
    String::from_utf8_lossy(&name[..name.len().min(64)]).into_owned()
}

/// Why a private key file is not usable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PrivateKeyError {
    /// The file is encrypted and no passphrase was given.
    #[error("the key is encrypted and needs its passphrase")]
    PassphraseNeeded,
    /// The passphrase does not open the file.
    #[error("incorrect passphrase supplied to decrypt private key")]
    WrongPassphrase,
    /// A public key file was given.
    #[error("this is a public key, not a private key")]
    IsPublicKey,
    /// Nothing in the file looks like a private key.
    #[error("no private key found")]
    NotAKey,
    /// The file stops before its end mark or inside its data.
    #[error("the key file is truncated")]
    Truncated,
    /// Larger than [`crate::limits`] allows.
    #[error("the key file is too large")]
    TooLarge,
    /// The structure inside is damaged.
    #[error("the key file is damaged: {0}")]
    Damaged(&'static str),
    /// Encrypted in a way that is not known.
    #[error("unknown cipher {0:?}")]
    UnknownCipher(String),
    /// A passphrase derivation that is not known.
    #[error("unknown key derivation {0:?}")]
    UnknownDerivation(String),
    /// A kind of file that is not known.
    #[error("unsupported key file: {0}")]
    Unsupported(&'static str),
    /// The private half does not belong to the public half in the file.
    #[error("the private key does not match its public key")]
    Mismatch,
    /// The key inside.
    #[error(transparent)]
    Key(#[from] Error),
}

impl From<wire::Error> for PrivateKeyError {
    fn from(error: wire::Error) -> Self {
        match error {
            wire::Error::Truncated => PrivateKeyError::Truncated,
            other => PrivateKeyError::Key(other.into()),
        }
    }
}

impl From<crypto::Error> for PrivateKeyError {
    fn from(error: crypto::Error) -> Self {
        PrivateKeyError::Key(error.into())
    }
}
