//! Key files in ASN.1: PKCS#1 (RFC 8017), SEC 1 (RFC 5915), PKCS#8 (RFC 5958)
//! plain and with PBES2 (RFC 8018), and OpenSSL's older encryption.

use crypto::hash::{HashAlgorithm, hmac};
use crypto::sign::{Curve, SecretKey};
use crypto::symmetric::crypt_key_file;
use zeroize::Zeroizing;

use crate::der::{self, Der};
use crate::error::{PrivateKeyError, printable};
use crate::limits;
use crate::pem::Pem;

/// Object identifiers, as their octets.
pub(crate) mod oid {
    pub(crate) const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
    pub(crate) const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
    pub(crate) const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
    pub(crate) const DSA: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x38, 4, 1];
    pub(crate) const NIST_P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
    pub(crate) const NIST_P384: &[u8] = &[0x2b, 0x81, 4, 0, 0x22];
    pub(crate) const NIST_P521: &[u8] = &[0x2b, 0x81, 4, 0, 0x23];
    pub(crate) const PBES2: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5, 13];
    pub(crate) const PBKDF2: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5, 12];
    pub(crate) const HMAC_SHA1: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 2, 7];
    pub(crate) const HMAC_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 2, 9];
    pub(crate) const HMAC_SHA384: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 2, 10];
    pub(crate) const HMAC_SHA512: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 2, 11];
    pub(crate) const AES128_CBC: &[u8] = &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 1, 2];
    pub(crate) const AES192_CBC: &[u8] = &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 1, 22];
    pub(crate) const AES256_CBC: &[u8] = &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 1, 42];
}

/// Reads whatever the label says the object is.
pub(crate) fn parse(
    pem: &Pem<'_>,
    passphrase: Option<&[u8]>,
) -> Result<SecretKey, PrivateKeyError> {
    let decrypted;
    let (body, encrypted) = match pem.header("DEK-Info") {
        Some(info) => {
            decrypted = decrypt_legacy(info, &pem.body, passphrase)?;
            (decrypted.as_slice(), true)
        }
        None if pem.header("Proc-Type").is_some() => {
            return Err(PrivateKeyError::Damaged("it does not say how it is encrypted"));
        }
        None => (pem.body.as_slice(), false),
    };
    let parsed = match pem.label {
        "RSA PRIVATE KEY" => pkcs1(body),
        "EC PRIVATE KEY" => sec1(body, None),
        "PRIVATE KEY" => pkcs8(body),
        "ENCRYPTED PRIVATE KEY" => {
            let plain = decrypt_pbes2(body, passphrase)?;
            return pkcs8(&plain).map_err(|error| after_decryption(error, true));
        }
        "DSA PRIVATE KEY" => Err(crate::Error::Dsa.into()),
        _ => Err(PrivateKeyError::Unsupported("its kind is not known")),
    };
    parsed.map_err(|error| after_decryption(error, encrypted))
}

/// CBC has no tag: one wrong passphrase in 256 still leaves good padding, and
/// shows as a structure that makes no sense.
fn after_decryption(error: PrivateKeyError, encrypted: bool) -> PrivateKeyError {
    match error {
        PrivateKeyError::Damaged(_) | PrivateKeyError::Truncated if encrypted => {
            PrivateKeyError::WrongPassphrase
        }
        other => other,
    }
}

#[expect(clippy::many_single_char_names, reason = "the names of RFC 8017 §3.2")]
fn pkcs1(body: &[u8]) -> Result<SecretKey, PrivateKeyError> {
    let mut outer = Der::new(body);
    let mut fields = outer.sequence()?;
    outer.finish()?;
    if fields.small_integer()? != 0 {
        return Err(PrivateKeyError::Unsupported("RSA keys of more than two primes"));
    }
    let (n, e, d) = (fields.integer()?, fields.integer()?, fields.integer()?);
    let (p, q) = (fields.integer()?, fields.integer()?);
    let (_d_p, _d_q, iqmp) = (fields.integer()?, fields.integer()?, fields.integer()?);
    fields.finish()?;
    SecretKey::rsa_from_parts(n, e, d, iqmp, p, q).map_err(|_| PrivateKeyError::Mismatch)
}

fn sec1(body: &[u8], outer_curve: Option<Curve>) -> Result<SecretKey, PrivateKeyError> {
    let mut outer = Der::new(body);
    let mut fields = outer.sequence()?;
    outer.finish()?;
    if fields.small_integer()? != 1 {
        return Err(PrivateKeyError::Damaged("an EC key of another version"));
    }
    let scalar = fields.take(der::OCTET_STRING)?;
    let inner_curve = match fields.take_if(0xa0)? {
        Some(parameters) => Some(curve(&mut Der::new(parameters))?),
        None => None,
    };
    let curve = match (inner_curve, outer_curve) {
        (Some(inner), Some(outer)) if inner != outer => return Err(PrivateKeyError::Mismatch),
        (Some(curve), _) | (None, Some(curve)) => curve,
        (None, None) => return Err(PrivateKeyError::Damaged("an EC key without its curve")),
    };
    let point = match fields.take_if(0xa1)? {
        Some(bits) => {
            let mut bits = Der::new(bits);
            let point = bits.bit_string()?;
            bits.finish()?;
            Some(point)
        }
        None => None,
    };
    fields.finish()?;
    match point {
        Some(point) => SecretKey::ecdsa_from_scalar(curve, scalar, point),
        None => SecretKey::ecdsa_from_scalar_alone(curve, scalar),
    }
    .map_err(|_| PrivateKeyError::Mismatch)
}

pub(crate) fn curve(parameters: &mut Der<'_>) -> Result<Curve, PrivateKeyError> {
    if parameters.peek() != Some(der::OBJECT_IDENTIFIER) {
        return Err(PrivateKeyError::Unsupported("EC keys on a curve without a name"));
    }
    let curve = match parameters.take(der::OBJECT_IDENTIFIER)? {
        oid::NIST_P256 => Curve::NistP256,
        oid::NIST_P384 => Curve::NistP384,
        oid::NIST_P521 => Curve::NistP521,
        _ => return Err(PrivateKeyError::Unsupported("EC keys on this curve")),
    };
    parameters.finish()?;
    Ok(curve)
}

fn pkcs8(body: &[u8]) -> Result<SecretKey, PrivateKeyError> {
    let mut outer = Der::new(body);
    let mut fields = outer.sequence()?;
    outer.finish()?;
    if fields.small_integer()? > 1 {
        return Err(PrivateKeyError::Damaged("a PKCS#8 key of another version"));
    }
    let mut algorithm = fields.sequence()?;
    let name = algorithm.take(der::OBJECT_IDENTIFIER)?;
    let key = fields.take(der::OCTET_STRING)?;
    // Attributes and the public key may follow; nothing of theirs is needed.
    fields.take_if(0xa0)?;
    fields.take_if(0x81)?;
    fields.finish()?;
    match name {
        oid::RSA => pkcs1(key),
        oid::EC => sec1(key, Some(curve(&mut algorithm)?)),
        oid::ED25519 => {
            let mut inner = Der::new(key);
            let seed = inner.take(der::OCTET_STRING)?;
            inner.finish()?;
            let seed =
                seed.try_into().map_err(|_| PrivateKeyError::Damaged("private key length"))?;
            Ok(SecretKey::ed25519_from_seed(seed)?)
        }
        oid::DSA => Err(crate::Error::Dsa.into()),
        _ => Err(PrivateKeyError::Unsupported("its algorithm is not known")),
    }
}

/// RFC 8018 §6.2.
fn decrypt_pbes2(
    body: &[u8],
    passphrase: Option<&[u8]>,
) -> Result<Zeroizing<Vec<u8>>, PrivateKeyError> {
    let mut outer = Der::new(body);
    let mut fields = outer.sequence()?;
    outer.finish()?;
    let mut scheme = fields.sequence()?;
    let encrypted = fields.take(der::OCTET_STRING)?;
    fields.finish()?;
    if scheme.take(der::OBJECT_IDENTIFIER)? != oid::PBES2 {
        return Err(PrivateKeyError::Unsupported("its encryption is older than PBES2"));
    }
    let mut parameters = scheme.sequence()?;
    let mut derivation = parameters.sequence()?;
    let mut encryption = parameters.sequence()?;
    if derivation.take(der::OBJECT_IDENTIFIER)? != oid::PBKDF2 {
        return Err(PrivateKeyError::UnknownDerivation("not PBKDF2".into()));
    }
    let mut derivation = derivation.sequence()?;
    let salt = derivation.take(der::OCTET_STRING)?;
    let iterations = derivation.small_integer()?;
    if iterations == 0 || iterations > limits::PBKDF2_ITERATIONS {
        return Err(PrivateKeyError::Damaged("the iterations are out of range"));
    }
    if derivation.peek() == Some(der::INTEGER) {
        derivation.integer()?; // The length of the key, which the cipher says too.
    }
    let hash = if derivation.is_empty() {
        HashAlgorithm::Sha1
    } else {
        let mut function = derivation.sequence()?;
        let name = function.take(der::OBJECT_IDENTIFIER)?;
        function.take_if(der::NULL)?;
        match name {
            oid::HMAC_SHA1 => HashAlgorithm::Sha1,
            oid::HMAC_SHA256 => HashAlgorithm::Sha256,
            oid::HMAC_SHA384 => HashAlgorithm::Sha384,
            oid::HMAC_SHA512 => HashAlgorithm::Sha512,
            _ => return Err(PrivateKeyError::UnknownDerivation("PBKDF2 with another hash".into())),
        }
    };
    let (cipher, key_len) = match encryption.take(der::OBJECT_IDENTIFIER)? {
        oid::AES128_CBC => ("aes128-cbc", 16),
        oid::AES192_CBC => ("aes192-cbc", 24),
        oid::AES256_CBC => ("aes256-cbc", 32),
        _ => return Err(PrivateKeyError::UnknownCipher("not AES-CBC".into())),
    };
    let iv = encryption.take(der::OCTET_STRING)?;
    let passphrase = passphrase.ok_or(PrivateKeyError::PassphraseNeeded)?;
    let key = pbkdf2(hash, passphrase, salt, iterations, key_len);
    decrypt_cbc(cipher, &key, iv, encrypted)
}

/// RFC 8018 §5.2.
pub(crate) fn pbkdf2(
    hash: HashAlgorithm,
    passphrase: &[u8],
    salt: &[u8],
    iterations: u32,
    key_len: usize,
) -> Zeroizing<Vec<u8>> {
    let blocks = key_len.div_ceil(hash.output_len());
    let mut key = Zeroizing::new(Vec::with_capacity(blocks * hash.output_len()));
    for block in 1..=blocks as u32 {
        let mut round = hmac(hash, passphrase, &[salt, &block.to_be_bytes()]);
        let mut sum = Zeroizing::new(round.as_ref().to_vec());
        for _ in 1..iterations {
            round = hmac(hash, passphrase, &[round.as_ref()]);
            for (octet, other) in sum.iter_mut().zip(round.as_ref()) {
                *octet ^= other;
            }
        }
        key.extend_from_slice(&sum);
    }
    key.truncate(key_len);
    key
}

/// RFC 1421 headers as OpenSSL uses them.
fn decrypt_legacy(
    info: &str,
    encrypted: &[u8],
    passphrase: Option<&[u8]>,
) -> Result<Zeroizing<Vec<u8>>, PrivateKeyError> {
    let (name, iv) =
        info.split_once(',').ok_or(PrivateKeyError::Damaged("its DEK-Info has no IV"))?;
    let (cipher, key_len, iv_len) = match name {
        "AES-128-CBC" => ("aes128-cbc", 16, 16),
        "AES-192-CBC" => ("aes192-cbc", 24, 16),
        "AES-256-CBC" => ("aes256-cbc", 32, 16),
        // What OpenSSH itself wrote until 2014, and PuTTY still does.
        "DES-EDE3-CBC" => ("3des-cbc", 24, 8),
        _ => return Err(PrivateKeyError::UnknownCipher(printable(name.as_bytes()))),
    };
    let iv = hexadecimal(iv.trim())
        .filter(|iv| iv.len() == iv_len)
        .ok_or(PrivateKeyError::Damaged("its DEK-Info has a bad IV"))?;
    let passphrase = passphrase.ok_or(PrivateKeyError::PassphraseNeeded)?;
    let key = legacy_key(passphrase, &iv, key_len);
    decrypt_cbc(cipher, &key, &iv, encrypted)
}

/// The key is MD5 over and over, with the first eight octets of the IV as salt.
pub(crate) fn legacy_key(passphrase: &[u8], iv: &[u8], key_len: usize) -> Zeroizing<Vec<u8>> {
    let salt = iv.get(..8).unwrap_or(iv);
    let mut key = Zeroizing::new(Vec::with_capacity(48));
    let mut previous = HashAlgorithm::Md5.digest(&[passphrase, salt]);
    while key.len() < key_len {
        key.extend_from_slice(previous.as_ref());
        previous = HashAlgorithm::Md5.digest(&[previous.as_ref(), passphrase, salt]);
    }
    key.truncate(key_len);
    key
}

pub(crate) fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = text.chars().map(|digit| digit.to_digit(16)).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    Some(digits.chunks_exact(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect())
}

/// Decrypts and takes the padding of PKCS#7 off.
fn decrypt_cbc(
    cipher: &'static str,
    key: &[u8],
    iv: &[u8],
    encrypted: &[u8],
) -> Result<Zeroizing<Vec<u8>>, PrivateKeyError> {
    let block_len = iv.len();
    if !matches!(block_len, 8 | 16)
        || encrypted.is_empty()
        || !encrypted.len().is_multiple_of(block_len)
    {
        return Err(PrivateKeyError::Truncated);
    }
    let mut plain = crypt_key_file(cipher, key, iv, encrypted, false)?;
    let padding = plain.last().map_or(0, |last| usize::from(*last));
    let kept = plain
        .len()
        .checked_sub(padding)
        .filter(|kept| {
            (1..=block_len).contains(&padding)
                && plain[*kept..].iter().all(|octet| usize::from(*octet) == padding)
        })
        .ok_or(PrivateKeyError::WrongPassphrase)?;
    plain.truncate(kept);
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pbkdf2_of_rfc_6070() {
        let key = pbkdf2(HashAlgorithm::Sha1, b"password", b"salt", 2, 20);
        let expected = hexadecimal("ea6c014dc72d6f8ccd1ed92ace1d41f0d8de8957");
        assert_eq!(Some(key.to_vec()), expected);
        let key = pbkdf2(
            HashAlgorithm::Sha1,
            b"passwordPASSWORDpassword",
            b"saltSALTsaltSALTsaltSALTsaltSALTsalt",
            4096,
            25,
        );
        let expected = hexadecimal("3d2eec4fe41c849b80c8d83662c0e44a8b291a964cf2f07038");
        assert_eq!(Some(key.to_vec()), expected);
    }
}
