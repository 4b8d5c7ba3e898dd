//! Private keys as texts: OpenSSH's form, PEM, PKCS#8, PuTTY's.

use zeroize::Zeroizing;

use super::PrivateKey;
use crate::error::Error;
use crate::openssh_key;
use crate::pkcs_write;
use crate::ppk::{self, PpkFormat};
use crate::secret::Secret;

impl PrivateKey {
    /// The file in OpenSSH's format, encrypted with aes256-ctr when there is
    /// a passphrase. `rounds` of bcrypt;
    /// [`BCRYPT_ROUNDS_DEFAULT`](crate::limits::BCRYPT_ROUNDS_DEFAULT) is
    /// what OpenSSH takes.
    ///
    /// # Errors
    /// [`Error::Crypto`] when the encryption fails.
    pub fn to_openssh(
        &self,
        passphrase: Option<&[u8]>,
        rounds: u32,
    ) -> Result<Zeroizing<String>, Error> {
        self.to_openssh_with(passphrase, rounds, openssh_key::CIPHER_DEFAULT)
    }

    /// [`Self::to_openssh`] with a cipher by name. It matters only with a passphrase.
    ///
    /// # Errors
    /// [`Error::InvalidKey`] for a cipher that key files do not know.
    pub fn to_openssh_with(
        &self,
        passphrase: Option<&[u8]>,
        rounds: u32,
        cipher: &str,
    ) -> Result<Zeroizing<String>, Error> {
        openssh_key::write(&self.public, &self.comment, &self.secret, passphrase, rounds, cipher)
    }

    /// The file as OpenSSL wrote it before PKCS#8: `RSA PRIVATE KEY` or `EC PRIVATE KEY`.
    /// `None` for key types that never had such files.
    ///
    /// # Errors
    /// [`Error::Crypto`] when the encryption fails.
    pub fn to_pem(&self, passphrase: Option<&[u8]>) -> Result<Option<Zeroizing<String>>, Error> {
        let passphrase = passphrase.filter(|passphrase| !passphrase.is_empty());
        match &self.secret {
            Secret::Software(secret) => pkcs_write::traditional(secret, passphrase),
            Secret::Hardware(_) => Ok(None),
        }
    }

    /// The file in PKCS#8 (RFC 5958), encrypted with PBES2 when there is a passphrase. `None`
    /// for security keys.
    ///
    /// # Errors
    /// [`Error::Crypto`] when the encryption fails.
    pub fn to_pkcs8(&self, passphrase: Option<&[u8]>) -> Result<Option<Zeroizing<String>>, Error> {
        let passphrase = passphrase.filter(|passphrase| !passphrase.is_empty());
        match &self.secret {
            Secret::Software(secret) => pkcs_write::pkcs8(secret, passphrase).map(Some),
            Secret::Hardware(_) => Ok(None),
        }
    }

    /// The file as PuTTY keeps it.
    ///
    /// # Errors
    /// [`Error::SecurityKeySigning`] for security keys, which PuTTY has no file for,
    /// [`Error::InvalidKey`] for parameters that Argon2 does not take.
    pub fn to_ppk(
        &self,
        passphrase: Option<&[u8]>,
        format: PpkFormat,
    ) -> Result<Zeroizing<String>, Error> {
        match &self.secret {
            Secret::Software(secret) => {
                ppk::write(&self.public, &self.comment, secret, passphrase, format)
            }
            Secret::Hardware(_) => Err(Error::SecurityKeySigning),
        }
    }
}
