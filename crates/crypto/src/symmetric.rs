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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::hex;

    /// SP 800-38A, F.2 and F.5: one plaintext, one IV for each mode.
    #[test]
    fn aes_of_sp_800_38a() {
        let plain = hex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51\
                         30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710");
        let keys = [
            "2b7e151628aed2a6abf7158809cf4f3c",
            "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
            "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
        ];
        let (cbc, ctr) = ("000102030405060708090a0b0c0d0e0f", "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff");
        for (name, key, iv, expected) in [
            (
                "aes128-cbc",
                keys[0],
                cbc,
                "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2\
                 73bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a7",
            ),
            (
                "aes192-cbc",
                keys[1],
                cbc,
                "4f021db243bc633d7178183a9fa071e8b4d9ada9ad7dedf4e5e738763f69145a\
                 571b242012fb7ae07fa9baac3df102e008b0e27988598881d920a9e64f5615cd",
            ),
            (
                "aes256-cbc",
                keys[2],
                cbc,
                "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d\
                 39f23369a9d9bacfa530e26304231461b2eb05e2c39be9fcda6c19078c6a9d1b",
            ),
            (
                "aes128-ctr",
                keys[0],
                ctr,
                "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff\
                 5ae4df3edbd5d35e5b4f09020db03eab1e031dda2fbe03d1792170a0f3009cee",
            ),
            (
                "aes192-ctr",
                keys[1],
                ctr,
                "1abc932417521ca24f2b0459fe7e6e0b090339ec0aa6faefd5ccc2c6f4ce8e94\
                 1e36b26bd1ebc670d1bd1d665620abf74f78a7f6d29809585a97daec58c6b050",
            ),
            (
                "aes256-ctr",
                keys[2],
                ctr,
                "601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c5\
                 2b0930daa23de94ce87017ba2d84988ddfc9c58db67aada613c2dd08457941a6",
            ),
        ] {
            let sealed = crypt_key_file(name, &hex(key), &hex(iv), &plain, true).unwrap();
            assert_eq!(*sealed, hex(expected), "{name}");
            let opened = crypt_key_file(name, &hex(key), &hex(iv), &sealed, false).unwrap();
            assert_eq!(*opened, plain, "{name}");
        }
    }

    /// Test cases 3 and 15 of the GCM specification.
    #[test]
    fn gcm_of_its_specification() {
        let plain = hex("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72\
                         1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255");
        let iv = hex("cafebabefacedbaddecaf888");
        let key = hex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308");
        for (name, key, expected) in [
            (
                "aes128-gcm@openssh.com",
                &key[..16],
                "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e\
                 21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091473f5985\
                 4d5c2af327cd64a62cf35abd2ba6fab4",
            ),
            (
                "aes256-gcm@openssh.com",
                &key[..],
                "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa\
                 8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad\
                 b094dac5d93471bdec1a502270e3cc6c",
            ),
        ] {
            let sealed = crypt_key_file(name, key, &iv, &plain, true).unwrap();
            assert_eq!(*sealed, hex(expected), "{name}");
            let opened = crypt_key_file(name, key, &iv, &sealed, false).unwrap();
            assert_eq!(*opened, plain, "{name}");
        }
    }

    #[test]
    fn chacha20_poly1305_without_a_length() {
        let (name, key) = ("chacha20-poly1305@openssh.com", (0..64).collect::<Vec<u8>>());
        let plain = b"thirty-two bytes of a key file..";
        let sealed = crypt_key_file(name, &key, &[], plain, true).unwrap();
        assert_eq!(
            *sealed,
            hex("6cd02b43d99f8ba5640e7c03d6372b54d8de95d5808d303995d89a7b46505b72\
                 3ed17d45780f12b7583008cc43abb979")
        );
        assert_eq!(*crypt_key_file(name, &key, &[], &sealed, false).unwrap(), plain);
    }

    #[test]
    fn changed_key_files_are_refused() {
        for (name, key_len, iv_len) in [
            ("aes128-gcm@openssh.com", 16, 12),
            ("aes256-gcm@openssh.com", 32, 12),
            ("chacha20-poly1305@openssh.com", 64, 0),
        ] {
            let (key, iv) = (vec![1; key_len], vec![2; iv_len]);
            let sealed = crypt_key_file(name, &key, &iv, &[3; 40], true).unwrap();
            for index in 0..sealed.len() {
                let mut changed = sealed.clone();
                changed[index] ^= 1;
                let opened = crypt_key_file(name, &key, &iv, &changed, false);
                assert_eq!(opened.err(), Some(Error::Authentication), "{name} byte {index}");
            }
            let opened = crypt_key_file(name, &key, &iv, &sealed[..15], false);
            assert_eq!(opened.err(), Some(Error::BadLength));
        }
    }

    #[test]
    fn wrong_names_and_lengths_are_refused() {
        let crypt = |name, key_len: usize, iv_len: usize, len: usize| {
            let (key, iv, text) = (vec![0; key_len], vec![0; iv_len], vec![0; len]);
            crypt_key_file(name, &key, &iv, &text, false).err()
        };
        assert_eq!(crypt("none", 0, 0, 8), Some(Error::Unsupported("this cipher")));
        assert_eq!(crypt("aes256-ctr", 32, 16, 17), Some(Error::BadLength));
        assert_eq!(crypt("aes256-cbc", 32, 16, 17), Some(Error::BadLength));
        assert_eq!(crypt("3des-cbc", 24, 8, 9), Some(Error::BadLength));
        assert_eq!(crypt("aes256-cbc", 31, 16, 16), Some(Error::BadLength));
        assert_eq!(crypt("aes256-cbc", 32, 15, 16), Some(Error::BadLength));
        assert_eq!(crypt("3des-cbc", 24, 8, 8), None);
        assert_eq!(crypt("aes256-ctr", 32, 16, 0), None);
    }
}
