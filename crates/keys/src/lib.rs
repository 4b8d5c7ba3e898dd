//! SSH keys, certificates, and the texts that hold them.
//!
//! Everything here works on bytes and text: public and private keys,
//! signatures, OpenSSH certificates, `known_hosts` and `authorized_keys`
//! lines, and the agent protocol. Nothing here opens a file, asks for a
//! passphrase, reads the clock or waits; callers bring what is needed.
//!
//! ```
//! # use keyway_keys as keys;
//! use keys::{FingerprintHash, KeyKind, PrivateKey, VerifyOptions};
//!
//! let key = PrivateKey::generate(KeyKind::Ed25519, None, "me@example.org")?;
//! let signature = key.sign("ssh-ed25519", b"message")?;
//! key.public().verify("ssh-ed25519", b"message", &signature, &VerifyOptions::default())?;
//! assert!(key.public().fingerprint(FingerprintHash::Sha256).starts_with("SHA256:"));
//! # Ok::<(), keys::Error>(())
//! ```

pub mod address;
pub mod agent;
pub mod algorithms;
pub mod allowed_signers;
pub mod authorized_keys;
mod base64;
mod certificate;
mod components;
mod der;
mod error;
mod fingerprint;
pub mod hardware;
pub mod known_hosts;
pub mod krl;
pub mod limits;
mod openssh_key;
pub mod pattern;
mod pem;
mod pkcs;
mod pkcs_write;
mod ppk;
mod private;
mod public;
mod public_text;
mod secret;
mod signature;
mod ssh_com;
pub mod sshsig;
#[cfg(test)]
mod test_data;
pub mod time;
pub mod vouch;

pub use algorithms::KeyType;
pub use certificate::{
    Certificate, CertificateError, CertificateKind, CertificateOptions, USER_CRITICAL_OPTIONS,
};
pub use error::{Error, PrivateKeyError};
pub use fingerprint::FingerprintHash;
pub use openssh_key::is_file_cipher;
pub use ppk::{PpkDerivation, PpkFlavour, PpkFormat};
pub use private::{
    KeyKind, PrivateFileFormat, PrivateKey, comment_of_private_file, private_file_format,
    public_of_private_file,
};
pub use public::{KeyData, PublicKey};
pub use secret::SecurityKey;
pub use signature::{SkDetails, VerifyOptions};
