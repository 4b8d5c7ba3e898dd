//! Encryption of key files, where the whole text is at hand.

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

use crate::sys::{self, CipherContext, Direction};
use crate::{Error, constant_time, tables};

const TAG_LEN: usize = 16;

/// Encrypts or decrypts the private part of a key file.
///
/// `cipher` is the name of any packet cipher. CTR and CBC take whole blocks:
/// padding is the file format's affair. The AEADs append their tag when
/// encrypting and check and drop it when decrypting, and authenticate nothing
/// beside the text.
///
/// # Errors
/// [`Error::Unsupported`] for another name, [`Error::BadLength`] for a key, IV
/// or text of the wrong length, [`Error::Authentication`] for a wrong tag.
pub fn crypt_key_file(
    cipher: &str,
    key: &[u8],
    iv: &[u8],
    data: &[u8],
    encrypt: bool,
) -> Result<Zeroizing<Vec<u8>>, Error> {
    let cipher = tables::cipher(cipher).ok_or(Error::Unsupported("this cipher"))?;
    if key.len() != cipher.key_len || iv.len() != cipher.iv_len {
        return Err(Error::BadLength);
    }
    // Room for the tag, so that appending it leaves no copy behind.
    let mut text = Zeroizing::new(Vec::with_capacity(data.len() + TAG_LEN));
    text.extend_from_slice(data);
    match (cipher.block_cipher(), cipher.iv_len) {
        (Some(block_cipher), _) => {
            let direction = if encrypt { Direction::Encrypt } else { Direction::Decrypt };
            CipherContext::new(block_cipher, key, iv, direction)?.apply(&mut text)?;
        }
        (None, 0) => chacha20_poly1305(key, &mut text, encrypt)?,
        (None, _) => gcm(key, iv, &mut text, encrypt)?,
    }
    Ok(text)
}

fn gcm(key: &[u8], iv: &[u8], text: &mut Vec<u8>, encrypt: bool) -> Result<(), Error> {
    let algorithm = if key.len() == 16 { &AES_128_GCM } else { &AES_256_GCM };
    let key = LessSafeKey::new(UnboundKey::new(algorithm, key).map_err(|_| Error::BadLength)?);
    let nonce = Nonce::try_assume_unique_for_key(iv).map_err(|_| Error::BadLength)?;
    if encrypt {
        let tag = key
            .seal_in_place_separate_tag(nonce, Aad::empty(), text)
            .map_err(|_| Error::Internal)?;
        text.extend_from_slice(tag.as_ref());
        return Ok(());
    }
    if text.len() < TAG_LEN {
        return Err(Error::BadLength);
    }
    let len =
        key.open_in_place(nonce, Aad::empty(), text).map_err(|_| Error::Authentication)?.len();
    text.truncate(len);
    Ok(())
}

/// chacha20-poly1305@openssh.com without a length field: sequence number 0, and
/// only the first half of the key is used.
fn chacha20_poly1305(key: &[u8], text: &mut Vec<u8>, encrypt: bool) -> Result<(), Error> {
    let key = key.first_chunk::<32>().ok_or(Error::BadLength)?;
    let nonce = [0; 12];
    let mut one_time_key = Zeroizing::new([0; 32]);
    sys::chacha20(key, &nonce, 0, &mut *one_time_key);
    if encrypt {
        sys::chacha20(key, &nonce, 1, text);
        let tag = sys::poly1305(&one_time_key, text);
        text.extend_from_slice(&tag);
        return Ok(());
    }
    let len = text.len().checked_sub(TAG_LEN).ok_or(Error::BadLength)?;
    let (sealed, tag) = text.split_at(len);
    if !constant_time::equal(&sys::poly1305(&one_time_key, sealed), tag) {
        return Err(Error::Authentication);
    }
    text.truncate(len);
    sys::chacha20(key, &nonce, 1, text);
    Ok(())
}
