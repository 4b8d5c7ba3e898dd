//! `-s`: signs certificates.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use keys::agent::flags_for;
use keys::{Certificate, CertificateKind, PrivateKey, PublicKey};
use net::agent::AgentClient;

use super::options::path_of;
use super::{Failure, Options, certificate_options, load, save, security_key, token, validity};
use crate::hardware::card::Card;

/// How long an agent may take to answer.
const AGENT_TIMEOUT: Duration = Duration::from_secs(60);

/// Who signs.
enum Authority {
    /// The private half is here.
    Key(PrivateKey),
    /// It is in the agent.
    Agent(PublicKey, AgentClient),
    /// It is in a PKCS#11 token.
    Card(PublicKey, Card),
}

/// Signs every file's key.
pub fn sign(options: &Options, ca_path: &Path) -> Result<ExitCode, Failure> {
    let key_id = options.identity.clone().ok_or("Must specify key id (-I) when certifying")?;
    let (critical_options, extensions) =
        certificate_options::parse(&options.more, options.host_certificate)?;
    let mut authority = authority(options, ca_path)?;
    let signature_key = authority.public().plain();
    let signature_algorithm = signature_algorithm(options, &signature_key)?;
    let principals = principals(options)?;
    let mut serial = options.serial.unwrap_or(0);
    for file in &options.files {
        let path = path_of(file.clone());
        let (public, comment) = load::public(&path)
            .map_err(|why| format!("load pubkey \"{}\": {why}", path.display()))?;
        if public.certificate().is_some() {
            return Err(format!(
                "do_ca_sign: key \"{}\" type {} cannot be certified",
                path.display(),
                public.type_label()
            )
            .into());
        }
        let validity = options.validity.unwrap_or_default();
        let certificate = Certificate {
            serial,
            kind: kind(options),
            key_id: key_id.clone(),
            principals: principals.clone(),
            valid_after: validity.after,
            valid_before: validity.before,
            critical_options: critical_options.clone(),
            extensions: extensions.clone(),
            signature_key: signature_key.clone(),
            signature_algorithm,
        };
        let issued = authority.issue(options, &certificate, &public).map_err(|why| {
            format!("Couldn't certify key {} via {}: {why}", path.display(), ca_path.display())
        })?;
        let out = certificate_path(&path);
        save::public(&out, &issued, &comment)?;
        if !options.quiet {
            report(options, &out, &certificate);
        }
        if options.serial_counts_up {
            serial = serial.wrapping_add(1);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn report(options: &Options, out: &Path, certificate: &Certificate) {
    let kind = match certificate.kind {
        CertificateKind::User => "user",
        CertificateKind::Host => "host",
    };
    let names = match &options.principals {
        Some(names) => format!(" for {names}"),
        None => String::new(),
    };
    let valid = validity::describe(certificate.valid_after, certificate.valid_before);
    eprintln!(
        "Signed {kind} key {}: id \"{}\" serial {}{names} valid {valid}",
        out.display(),
        certificate.key_id,
        certificate.serial
    );
}

fn kind(options: &Options) -> CertificateKind {
    if options.host_certificate { CertificateKind::Host } else { CertificateKind::User }
}

fn principals(options: &Options) -> Result<Vec<String>, Failure> {
    let Some(list) = &options.principals else { return Ok(Vec::new()) };
    let names: Vec<String> = list.split(',').map(str::to_owned).collect();
    if names.iter().any(String::is_empty) {
        return Err("Empty principal name".into());
    }
    if names.len() > keys::limits::CERTIFICATE_PRINCIPALS {
        return Err("Too many certificate principals specified".into());
    }
    Ok(names)
}

/// `-t` chooses the hash of an RSA signature.
fn signature_algorithm(options: &Options, ca: &PublicKey) -> Result<&'static str, Failure> {
    let names = ca.signature_algorithms();
    match &options.kind {
        None => names.first().copied().ok_or_else(|| "the CA key cannot sign".into()),
        Some(short) if ca.type_label().eq_ignore_ascii_case(short) => {
            names.first().copied().ok_or_else(|| "the CA key cannot sign".into())
        }
        Some(wanted) => names.iter().copied().find(|name| name == wanted).ok_or_else(|| {
            let ca = ca.algorithm();
            format!("CA key type {ca} doesn't match specified {wanted}").into()
        }),
    }
}

fn authority(options: &Options, path: &Path) -> Result<Authority, Failure> {
    if let Some(library) = &options.library {
        let (public, _) = load::public(path)
            .map_err(|why| format!("Cannot load CA public key {}: {why}", path.display()))?;
        let card = token::with_key(library, &public)?;
        return Ok(Authority::Card(public, card));
    }
    if !options.prefer_agent {
        let path = load::private_path_of(path);
        return Ok(Authority::Key(load::private(options, &path)?.key));
    }
    let (public, _) = load::public(path)
        .map_err(|why| format!("Cannot load CA public key {}: {why}", path.display()))?;
    let mut agent =
        agent().map_err(|why| format!("Cannot use public key for CA signature: {why}"))?;
    let held = agent.identities().map_err(|why| format!("Retrieve agent key list: {why}"))?;
    if !held.iter().any(|(key, _)| *key == public) {
        return Err(format!("CA key {} not found in agent", path.display()).into());
    }
    Ok(Authority::Agent(public, agent))
}

/// The agent that `SSH_AUTH_SOCK` names.
pub fn agent() -> Result<AgentClient, String> {
    let socket = std::env::var_os("SSH_AUTH_SOCK")
        .filter(|socket| !socket.is_empty())
        .ok_or("there is no agent: SSH_AUTH_SOCK is not set")?;
    AgentClient::connect(Path::new(&socket), AGENT_TIMEOUT).map_err(|why| why.to_string())
}

impl Authority {
    fn public(&self) -> &PublicKey {
        match self {
            Self::Key(key) => key.public(),
            Self::Agent(key, _) | Self::Card(key, _) => key,
        }
    }

    fn issue(
        &mut self,
        options: &Options,
        certificate: &Certificate,
        key: &PublicKey,
    ) -> Result<PublicKey, String> {
        let algorithm = certificate.signature_algorithm;
        let mut nonce = [0; 32];
        crypto::random::fill(&mut nonce);
        let mut refusal = None;
        let issued = certificate.issue(key, &nonce, |signed| {
            let signature = match self {
                Self::Key(ca) => {
                    let question = "Enter PIN for CA key: ";
                    security_key::sign(options, ca, algorithm, signed, question, false)
                }
                Self::Agent(ca, agent) => {
                    agent.sign(ca, signed, flags_for(algorithm)).map_err(|why| why.to_string())
                }
                Self::Card(ca, card) => {
                    card.sign(ca, algorithm, signed, token::ask).map_err(|why| why.to_string())
                }
            };
            signature.map_err(|why| {
                refusal = Some(why);
                keys::Error::BadSignature
            })
        });
        issued.map_err(|why| refusal.unwrap_or_else(|| why.to_string()))
    }
}

/// The key's name without `.pub`, and `-cert.pub`.
fn certificate_path(path: &Path) -> PathBuf {
    let stem = if path.extension().is_some_and(|ending| ending == "pub") {
        path.with_extension("")
    } else {
        path.to_owned()
    };
    let mut out = stem.into_os_string();
    out.push("-cert.pub");
    out.into()
}
