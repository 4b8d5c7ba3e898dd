//! OpenSSH's own format for private keys, PROTOCOL.key.

use wire::{Reader, Writer};
use zeroize::Zeroizing;

use crate::error::{Error, PrivateKeyError, printable};
use crate::public::PublicKey;
use crate::secret::{self, Secret};
use crate::{limits, pem};

/// What stands behind `BEGIN`.
pub(crate) const LABEL: &str = "OPENSSH PRIVATE KEY";
const MAGIC: &[u8] = b"openssh-key-v1\0";
const SALT_BYTES: usize = 16;
/// What a new file is encrypted with.
pub(crate) const CIPHER_DEFAULT: &str = "aes256-ctr";

/// A cipher as key files use it.
struct Cipher {
    name: &'static str,
    key_len: usize,
    iv_len: usize,
    block_len: usize,
    tag_len: usize,
}

const fn cipher(
    name: &'static str,
    key_len: usize,
    iv_len: usize,
    block_len: usize,
    tag_len: usize,
) -> Cipher {
    Cipher { name, key_len, iv_len, block_len, tag_len }
}

static CIPHERS: &[Cipher] = &[
    cipher("aes256-ctr", 32, 16, 16, 0),
    cipher("aes192-ctr", 24, 16, 16, 0),
    cipher("aes128-ctr", 16, 16, 16, 0),
    cipher("aes256-cbc", 32, 16, 16, 0),
    cipher("aes192-cbc", 24, 16, 16, 0),
    cipher("aes128-cbc", 16, 16, 16, 0),
    cipher("aes256-gcm@openssh.com", 32, 12, 16, 16),
    cipher("aes128-gcm@openssh.com", 16, 12, 16, 16),
    cipher("chacha20-poly1305@openssh.com", 64, 0, 8, 16),
];

/// Whether a key file can be encrypted with a cipher of this name: `ssh-keygen -Z`.
pub fn is_file_cipher(name: &str) -> bool {
    CIPHERS.iter().any(|cipher| cipher.name == name)
}

/// What can be read without a passphrase.
pub(crate) struct Envelope<'a> {
    pub(crate) public: PublicKey,
    cipher: Option<&'static Cipher>,
    kdf_options: &'a [u8],
    /// Encrypted, without and with its tag.
    private: &'a [u8],
    tagged: &'a [u8],
}

impl<'a> Envelope<'a> {
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, PrivateKeyError> {
        let rest =
            body.strip_prefix(MAGIC).ok_or(PrivateKeyError::Damaged("it has another magic"))?;
        let mut reader = Reader::new(rest);
        let cipher_name = reader.string()?;
        let kdf_name = reader.string()?;
        let kdf_options = reader.string()?;
        if reader.u32()? != 1 {
            return Err(PrivateKeyError::Unsupported("it holds more than one key"));
        }
        let public = PublicKey::from_blob(reader.string()?)?;
        let behind_length = reader.clone().rest().get(4..).unwrap_or_default();
        let private = reader.string()?;

        let cipher = match cipher_name {
            b"none" => None,
            name => Some(
                CIPHERS
                    .iter()
                    .find(|cipher| cipher.name.as_bytes() == name)
                    .ok_or_else(|| PrivateKeyError::UnknownCipher(printable(name)))?,
            ),
        };
        match (kdf_name, cipher) {
            (b"none", None) | (b"bcrypt", Some(_)) => {}
            (b"none", Some(_)) | (b"bcrypt", None) => {
                return Err(PrivateKeyError::Damaged("cipher and derivation do not fit"));
            }
            (name, _) => return Err(PrivateKeyError::UnknownDerivation(printable(name))),
        }
        let tag_len = cipher.map_or(0, |cipher| cipher.tag_len);
        let block_len = cipher.map_or(8, |cipher| cipher.block_len);
        reader.bytes(tag_len)?;
        reader.finish()?;
        if private.is_empty() || private.len() % block_len != 0 {
            return Err(PrivateKeyError::Damaged("the private part has an odd length"));
        }
        Ok(Self { public, cipher, kdf_options, private, tagged: behind_length })
    }

    pub(crate) fn open(
        &self,
        passphrase: Option<&[u8]>,
    ) -> Result<(PublicKey, String, Secret), PrivateKeyError> {
        let plain = match self.cipher {
            None => Zeroizing::new(self.private.to_vec()),
            Some(cipher) => {
                self.decrypt(cipher, passphrase.ok_or(PrivateKeyError::PassphraseNeeded)?)?
            }
        };
        let mut reader = Reader::new(&plain);
        if reader.u32()? != reader.u32()? {
            return Err(match self.cipher {
                Some(_) => PrivateKeyError::WrongPassphrase,
                None => PrivateKeyError::Damaged("the check numbers differ"),
            });
        }
        let (public, secret) = secret::decode(&mut reader)?;
        let comment = String::from_utf8_lossy(reader.string()?).into_owned();
        let padding = reader.rest();
        let expected = (1..=u8::MAX).take(padding.len());
        if padding.len() > 255 || !padding.iter().copied().eq(expected) {
            return Err(PrivateKeyError::Damaged("the padding is wrong"));
        }
        if public.plain() != self.public.plain() {
            return Err(PrivateKeyError::Mismatch);
        }
        Ok((public, comment, secret))
    }

    fn decrypt(
        &self,
        cipher: &Cipher,
        passphrase: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, PrivateKeyError> {
        let mut reader = Reader::new(self.kdf_options);
        let salt = reader.string()?;
        let rounds = reader.u32()?;
        reader.finish()?;
        if salt.is_empty() || rounds == 0 || rounds > limits::BCRYPT_ROUNDS {
            return Err(PrivateKeyError::Damaged("the salt or rounds are out of range"));
        }
        // bcrypt knows no empty passphrase, so none was ever used.
        let key =
            derive(cipher, passphrase, salt, rounds).ok_or(PrivateKeyError::WrongPassphrase)?;
        let (key, iv) = key.split_at(cipher.key_len);
        crypto::symmetric::crypt_key_file(cipher.name, key, iv, self.tagged, false).map_err(
            |error| match error {
                crypto::Error::Authentication => PrivateKeyError::WrongPassphrase,
                other => other.into(),
            },
        )
    }
}

/// Key and IV from one run of bcrypt.
fn derive(
    cipher: &Cipher,
    passphrase: &[u8],
    salt: &[u8],
    rounds: u32,
) -> Option<Zeroizing<Vec<u8>>> {
    let mut key = Zeroizing::new(vec![0; cipher.key_len + cipher.iv_len]);
    bcrypt_pbkdf::bcrypt_pbkdf(passphrase, salt, rounds, &mut key).ok()?;
    Some(key)
}

/// Writes the whole file; an empty passphrase is none.
pub(crate) fn write(
    public: &PublicKey,
    comment: &str,
    secret: &Secret,
    passphrase: Option<&[u8]>,
    rounds: u32,
    cipher: &str,
) -> Result<Zeroizing<String>, Error> {
    let passphrase = passphrase.filter(|passphrase| !passphrase.is_empty());
    let cipher = CIPHERS
        .iter()
        .find(|row| row.name == cipher)
        .ok_or(Error::InvalidKey("there is no such cipher for key files"))?;
    let cipher = passphrase.map(|passphrase| (cipher, passphrase));
    let fields = secret::encode(public, secret)?;
    let mut plain = Zeroizing::new(Vec::with_capacity(fields.len() + comment.len() + 32));
    let mut check = [0; 4];
    crypto::random::fill(&mut check);
    plain.put_bytes(&check);
    plain.put_bytes(&check);
    plain.put_bytes(&fields);
    plain.put_string(comment.as_bytes());
    let block_len = cipher.map_or(8, |(cipher, _)| cipher.block_len);
    let padding = plain.len().next_multiple_of(block_len) - plain.len();
    plain.extend((1..=u8::MAX).take(padding));

    let mut body = Zeroizing::new(Vec::with_capacity(plain.len() + public.blob().len() + 256));
    body.put_bytes(MAGIC);
    match cipher {
        None => {
            body.put_string(b"none");
            body.put_string(b"none");
            body.put_string(b"");
            body.put_u32(1);
            body.put_string(public.blob());
            body.put_string(&plain);
        }
        Some((cipher, passphrase)) => {
            let rounds = rounds.clamp(1, limits::BCRYPT_ROUNDS);
            let mut salt = [0; SALT_BYTES];
            crypto::random::fill(&mut salt);
            let key = derive(cipher, passphrase, &salt, rounds)
                .ok_or(Error::InvalidKey("the passphrase cannot be used"))?;
            let (key, iv) = key.split_at(cipher.key_len);
            let encrypted = crypto::symmetric::crypt_key_file(cipher.name, key, iv, &plain, true)?;
            let mut kdf_options = Vec::new();
            kdf_options.put_string(&salt);
            kdf_options.put_u32(rounds);
            body.put_string(cipher.name.as_bytes());
            body.put_string(b"bcrypt");
            body.put_string(&kdf_options);
            body.put_u32(1);
            body.put_string(public.blob());
            body.put_string(&encrypted);
        }
    }
    Ok(pem::armour(LABEL, &body))
}
