//! Writing key files in ASN.1: PKCS#1 (RFC 8017), SEC 1 (RFC 5915), PKCS#8 (RFC 5958) plain and
//! with PBES2 (RFC 8018), and OpenSSL's older encryption, which old programs still expect.

use crypto::hash::HashAlgorithm;
use crypto::numbers::exponent_for_prime;
use crypto::sign::{Curve, PublicParts, SecretKey, SecretParts};
use crypto::symmetric::crypt_key_file;
use zeroize::Zeroizing;

use crate::der::{self, integer, value};
use crate::error::Error;
use crate::pem::armour_as;
use crate::pkcs::{legacy_key, oid, pbkdf2};

/// Characters in a line of OpenSSL's files.
const WIDTH: usize = 64;
/// Rounds of PBKDF2 in a file that is written. OpenSSL's 2048 are quickly tried.
const PBKDF2_ROUNDS: u32 = 100_000;

/// The object identifier of a curve.
pub(crate) fn curve_oid(curve: Curve) -> &'static [u8] {
    match curve {
        Curve::NistP256 => oid::NIST_P256,
        Curve::NistP384 => oid::NIST_P384,
        Curve::NistP521 => oid::NIST_P521,
    }
}

/// `BEGIN RSA PRIVATE KEY` or `BEGIN EC PRIVATE KEY`; `None` for key types that have no such
/// form. With a passphrase, as OpenSSL once encrypted: with AES-128-CBC behind RFC 1421 headers.
pub(crate) fn traditional(
    secret: &SecretKey,
    passphrase: Option<&[u8]>,
) -> Result<Option<Zeroizing<String>>, Error> {
    let (label, body) = match secret {
        SecretKey::Rsa(_) => ("RSA PRIVATE KEY", pkcs1(secret)?),
        SecretKey::Ecdsa(_) => ("EC PRIVATE KEY", sec1(secret, true)?),
        SecretKey::Ed25519(_) => return Ok(None),
    };
    let Some(passphrase) = passphrase else {
        return Ok(Some(armour_as(label, "", &body, WIDTH)));
    };
    let mut iv = [0; 16];
    crypto::random::fill(&mut iv);
    let key = legacy_key(passphrase, &iv, 16);
    let encrypted = crypt_key_file("aes128-cbc", &key, &iv, &padded(&body), true)?;
    let iv = crate::ppk::hex(&iv).to_ascii_uppercase();
    let headers = format!("Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,{iv}\n\n");
    Ok(Some(armour_as(label, &headers, &encrypted, WIDTH)))
}

/// `BEGIN PRIVATE KEY`, or `BEGIN ENCRYPTED PRIVATE KEY` with a passphrase.
pub(crate) fn pkcs8(
    secret: &SecretKey,
    passphrase: Option<&[u8]>,
) -> Result<Zeroizing<String>, Error> {
    let (algorithm, key) = match secret.public() {
        PublicParts::Rsa { .. } => (
            value(
                der::SEQUENCE,
                &[&value(der::OBJECT_IDENTIFIER, &[oid::RSA]), &value(der::NULL, &[])],
            ),
            pkcs1(secret)?,
        ),
        PublicParts::Ecdsa { curve, .. } => (ec_algorithm(curve), sec1(secret, false)?),
        PublicParts::Ed25519(_) => {
            let SecretParts::Ed25519(seed) = secret.parts()? else { return Err(OTHER_TYPE) };
            (
                value(der::SEQUENCE, &[&value(der::OBJECT_IDENTIFIER, &[oid::ED25519])]),
                value(der::OCTET_STRING, &[&*seed]),
            )
        }
    };
    let body =
        value(der::SEQUENCE, &[&integer(&[0]), &algorithm, &value(der::OCTET_STRING, &[&key])]);
    match passphrase {
        None => Ok(armour_as("PRIVATE KEY", "", &body, WIDTH)),
        Some(passphrase) => {
            let body = pbes2(&body, passphrase)?;
            Ok(armour_as("ENCRYPTED PRIVATE KEY", "", &body, WIDTH))
        }
    }
}

/// The algorithm of an EC key with its curve. RFC 5480 §2.1.
pub(crate) fn ec_algorithm(curve: Curve) -> Zeroizing<Vec<u8>> {
    value(
        der::SEQUENCE,
        &[
            &value(der::OBJECT_IDENTIFIER, &[oid::EC]),
            &value(der::OBJECT_IDENTIFIER, &[curve_oid(curve)]),
        ],
    )
}

const OTHER_TYPE: Error = Error::InvalidKey("the private half is of another type");

fn pkcs1(secret: &SecretKey) -> Result<Zeroizing<Vec<u8>>, Error> {
    let (PublicParts::Rsa { n, e }, SecretParts::Rsa { d, iqmp, p, q }) =
        (secret.public(), secret.parts()?)
    else {
        return Err(OTHER_TYPE);
    };
    let (d_p, d_q) = (exponent_for_prime(&d, &p)?, exponent_for_prime(&d, &q)?);
    let numbers = [&[0][..], &n, &e, &d, &p, &q, &d_p, &d_q, &iqmp].map(integer);
    let parts: Vec<&[u8]> = numbers.iter().map(|number| number.as_slice()).collect();
    Ok(value(der::SEQUENCE, &parts))
}

fn sec1(secret: &SecretKey, with_curve: bool) -> Result<Zeroizing<Vec<u8>>, Error> {
    let (PublicParts::Ecdsa { curve, point }, SecretParts::Ecdsa(scalar)) =
        (secret.public(), secret.parts()?)
    else {
        return Err(OTHER_TYPE);
    };
    let mut padded = Zeroizing::new(vec![0; curve.field_len().saturating_sub(scalar.len())]);
    padded.extend_from_slice(&scalar);
    let parameters = value(0xa0, &[&value(der::OBJECT_IDENTIFIER, &[curve_oid(curve)])]);
    Ok(value(
        der::SEQUENCE,
        &[
            &integer(&[1]),
            &value(der::OCTET_STRING, &[&padded]),
            if with_curve { &parameters } else { &[] },
            &value(0xa1, &[&value(der::BIT_STRING, &[&[0], &point])]),
        ],
    ))
}

/// RFC 8018 §6.2: PBKDF2 with HMAC-SHA256, and AES-256-CBC.
fn pbes2(body: &[u8], passphrase: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
    let (mut salt, mut iv) = ([0; 16], [0; 16]);
    crypto::random::fill(&mut salt);
    crypto::random::fill(&mut iv);
    let key = pbkdf2(HashAlgorithm::Sha256, passphrase, &salt, PBKDF2_ROUNDS, 32);
    let encrypted = crypt_key_file("aes256-cbc", &key, &iv, &padded(body), true)?;
    let function = value(
        der::SEQUENCE,
        &[&value(der::OBJECT_IDENTIFIER, &[oid::HMAC_SHA256]), &value(der::NULL, &[])],
    );
    let derivation = value(
        der::SEQUENCE,
        &[
            &value(der::OBJECT_IDENTIFIER, &[oid::PBKDF2]),
            &value(
                der::SEQUENCE,
                &[
                    &value(der::OCTET_STRING, &[&salt]),
                    &integer(&PBKDF2_ROUNDS.to_be_bytes()),
                    &function,
                ],
            ),
        ],
    );
    let encryption = value(
        der::SEQUENCE,
        &[&value(der::OBJECT_IDENTIFIER, &[oid::AES256_CBC]), &value(der::OCTET_STRING, &[&iv])],
    );
    let scheme = value(
        der::SEQUENCE,
        &[
            &value(der::OBJECT_IDENTIFIER, &[oid::PBES2]),
            &value(der::SEQUENCE, &[&derivation, &encryption]),
        ],
    );
    Ok(value(der::SEQUENCE, &[&scheme, &value(der::OCTET_STRING, &[&encrypted])]))
}

/// The padding of PKCS#7, to whole blocks of AES.
fn padded(body: &[u8]) -> Zeroizing<Vec<u8>> {
    let padding = 16 - body.len() % 16;
    let mut text = Zeroizing::new(Vec::with_capacity(body.len() + padding));
    text.extend_from_slice(body);
    text.resize(body.len() + padding, padding as u8);
    text
}
