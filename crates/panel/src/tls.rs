//! HTTPS: the certificate that was given, or one that is made at the first start.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crypto::hash::HashAlgorithm;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::settings::Settings;

/// HTTPS, ready to be used.
pub struct Https {
    /// For the listener.
    pub config: Arc<ServerConfig>,
    /// `SHA256:` and hexadecimal with colons, as browsers show it.
    pub fingerprint: String,
    /// The certificate's file.
    pub file: PathBuf,
    /// Whether it was made just now.
    pub fresh: bool,
}

/// Reads, or makes, certificate and key.
///
/// # Errors
/// What is wrong with which file.
pub fn load(settings: &Settings) -> Result<Https, String> {
    let (cert, key, fresh) = match &settings.tls {
        Some((cert, key)) => (cert.clone(), key.clone(), false),
        None => own(settings)?,
    };
    let wrong = |file: &Path, error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let chain = CertificateDer::pem_file_iter(&cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| wrong(&cert, &error))?;
    let first = chain.first().ok_or_else(|| wrong(&cert, &"there is no certificate in it"))?;
    let digest = HashAlgorithm::Sha256.digest(&[first.as_ref()]);
    let octets: Vec<String> = digest.as_ref().iter().map(|octet| format!("{octet:02X}")).collect();
    let fingerprint = format!("SHA256:{}", octets.join(":"));
    let private = PrivateKeyDer::from_pem_file(&key).map_err(|error| wrong(&key, &error))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(|error| {
            wrong(&cert, &format!("it does not go with {}: {error}", key.display()))
        })?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Https { config: Arc::new(config), fingerprint, file: cert, fresh })
}

/// Where the panel's own certificate is.
pub fn own_file(settings: &Settings) -> PathBuf {
    settings.state.join("certificate.pem")
}

/// The panel's own: made once, and kept, so that its fingerprint stays.
fn own(settings: &Settings) -> Result<(PathBuf, PathBuf, bool), String> {
    let cert = own_file(settings);
    let key = settings.state.join("certificate.key");
    if cert.exists() && key.exists() {
        return Ok((cert, key, false));
    }
    let host = settings
        .public_url
        .trim_start_matches("https://")
        .trim_start_matches('[')
        .split([']', ':'])
        .next()
        .unwrap_or_default();
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let any = settings.listen.ip().is_unspecified();
    let listen = if any { String::new() } else { settings.listen.ip().to_string() };
    // As somebody in the same house may call it.
    let machine = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let fine = |name: &str| !name.is_empty() && !name.contains(|c: char| !c.is_ascii() || c == ' ');
    for name in [host.to_owned(), listen, machine] {
        if fine(&name) && !names.contains(&name) {
            names.push(name);
        }
    }
    let failed = |error: rcgen::Error| format!("cannot make a certificate: {error}");
    let mut params = CertificateParams::new(names).map_err(failed)?;
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, "Keyway panel");
    params.distinguished_name = name;
    // Browsers and Apple's systems take no longer ones; it is pinned by its fingerprint anyway.
    let now = time::OffsetDateTime::now_utc();
    params.not_before = now - time::Duration::days(1);
    params.not_after = now + time::Duration::days(824);
    let pair = KeyPair::generate().map_err(failed)?;
    let certificate = params.self_signed(&pair).map_err(failed)?;
    write(&key, pair.serialize_pem().as_bytes(), 0o600)?;
    write(&cert, certificate.pem().as_bytes(), 0o644)?;
    Ok((cert, key, true))
}

fn write(file: &Path, content: &[u8], mode: u32) -> Result<(), String> {
    std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(file)
        .and_then(|mut file| file.write_all(content).and_then(|()| file.sync_all()))
        .map_err(|error| format!("{}: {error}", file.display()))
}
