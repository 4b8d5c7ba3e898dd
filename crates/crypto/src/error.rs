/// Why an operation was refused.
///
/// The variants say whose input was at fault and nothing about secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A key is malformed, inconsistent or out of range.
    #[error("invalid key")]
    InvalidKey,
    /// The remote's key exchange share is malformed or of a weak kind.
    #[error("invalid key exchange share")]
    InvalidShare,
    /// A signature does not verify.
    #[error("invalid signature")]
    InvalidSignature,
    /// The tag or MAC of a packet or key file is wrong.
    #[error("message authentication code incorrect")]
    Authentication,
    /// Bytes of a length that the algorithm cannot take.
    #[error("invalid length")]
    BadLength,
    /// The named algorithm or size is not available.
    #[error("{0} is not supported")]
    Unsupported(&'static str),
    /// The library failed where it should not, such as for lack of memory.
    #[error("error in the cryptographic library")]
    Internal,
}
