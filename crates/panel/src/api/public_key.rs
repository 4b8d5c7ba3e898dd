//! Public keys that arrive by the API: checked before any cloud sees them, and key pairs made here
//! where an old microversion asks for that.

use cloud::model::KeyType;
use keys::{KeyKind, PrivateKey};
use zeroize::Zeroizing;

use super::fault::{Fault, Outcome};

/// More than any sensible key's line or certificate.
const PUBLIC_KEY_BYTES_MAX: usize = 64 * 1024;
/// What Nova generates.
const GENERATED_RSA_BITS: u32 = 2048;

/// One line or one PEM block, fit to be stored.
pub(super) fn check(kind: KeyType, text: &str) -> Outcome<String> {
    const FIELD: &str = "public_key";
    if text.len() > PUBLIC_KEY_BYTES_MAX {
        return Err(Fault::invalid(FIELD, "Keypair data is invalid: it is too long."));
    }
    let text = text.trim();
    if text.contains("PRIVATE KEY") {
        return Err(Fault::invalid(
            FIELD,
            "Keypair data is invalid: this is a private key. It was not stored. Send the public \
             half (the file that ends in .pub), and if the private one went over a network that \
             others see, make a new pair.",
        ));
    }
    match kind {
        KeyType::Ssh => check_ssh(text),
        KeyType::X509 => check_x509(text),
    }
}

fn check_ssh(text: &str) -> Outcome<String> {
    let bad =
        |why: &str| Fault::invalid("public_key", format_args!("Keypair data is invalid: {why}"));
    if text.lines().count() != 1 {
        return Err(bad("an SSH public key is one line."));
    }
    if text.chars().any(char::is_control) {
        return Err(bad("it has control characters."));
    }
    // The same rules as in the pages, but nothing is mended: a program gets back what it sent.
    crate::public_key::examine(text).map_err(|refusal| bad(&refusal.message()))?;
    Ok(text.to_owned())
}

/// The form only: a certificate is stored for those who ask for it and never used.
fn check_x509(text: &str) -> Outcome<String> {
    let bad = || {
        Fault::invalid("public_key", "Keypair data is invalid: failed to parse the certificate.")
    };
    let inner = text
        .strip_prefix("-----BEGIN CERTIFICATE-----")
        .and_then(|rest| rest.strip_suffix("-----END CERTIFICATE-----"))
        .ok_or_else(bad)?;
    let base64: String = inner.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let der = data_encoding::BASE64.decode(base64.as_bytes()).map_err(|_| bad())?;
    // A certificate is a DER SEQUENCE.
    if der.first() != Some(&0x30) || der.len() < 64 {
        return Err(bad());
    }
    Ok(text.to_owned())
}

/// A new pair: what is stored, and the private half that is told once.
pub(super) async fn generate(kind: KeyType, name: &str) -> Outcome<(String, Zeroizing<String>)> {
    let name = name.to_owned();
    // Finding primes takes a processor for a while.
    tokio::task::spawn_blocking(move || match kind {
        KeyType::Ssh => generate_ssh(),
        KeyType::X509 => generate_x509(&name),
    })
    .await
    .map_err(Fault::internal)?
}

fn generate_ssh() -> Outcome<(String, Zeroizing<String>)> {
    let key = PrivateKey::generate(KeyKind::Rsa, Some(GENERATED_RSA_BITS), "Generated-by-Nova")
        .map_err(Fault::internal)?;
    let private = key
        .to_pem(None)
        .map_err(Fault::internal)?
        .ok_or_else(|| Fault::internal("an RSA key has no PEM form"))?;
    Ok((key.public().to_line("Generated-by-Nova"), private))
}

fn generate_x509(name: &str) -> Outcome<(String, Zeroizing<String>)> {
    let key = rcgen::KeyPair::generate().map_err(Fault::internal)?;
    let mut params = rcgen::CertificateParams::default();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    let certificate = params.self_signed(&key).map_err(Fault::internal)?;
    Ok((certificate.pem().trim().to_owned(), Zeroizing::new(key.serialize_pem())))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ED25519: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILzGUay2BeHdvy8NHBrrDTAvetPXlxBEC9hHgv9P/20f root@vm";

    #[test]
    fn one_whole_line() {
        assert_eq!(check(KeyType::Ssh, &format!("{ED25519}\n")).unwrap(), ED25519);
        for text in [
            "",
            " ",
            "ssh-rsa AAAA openstack@ubuntu",
            "ssh-ed25519",
            "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----",
            &format!("{ED25519}\n{ED25519}"),
            &format!("{ED25519}\u{1b}[0m"),
        ] {
            assert_eq!(check(KeyType::Ssh, text).unwrap_err().status.as_u16(), 400, "{text:?}");
        }
    }

    #[test]
    fn generated_keys_pass_their_own_check() {
        let (public, private) = generate_ssh().unwrap();
        assert!(check(KeyType::Ssh, &public).is_ok());
        assert!(private.contains("PRIVATE KEY"));
        let (public, private) = generate_x509("me").unwrap();
        assert!(check(KeyType::X509, &public).is_ok());
        assert!(private.contains("PRIVATE KEY"));
        assert!(
            check(KeyType::X509, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----")
                .is_err()
        );
    }
}
