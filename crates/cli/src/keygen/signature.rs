//! `-Y`: signs files, and reads what such signatures need.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use keys::agent::flags_for;
use keys::sshsig::{MessageHash, SshSignature};
use keys::time::CivilTime;
use keys::{PrivateKey, PublicKey};
use net::agent::AgentClient;

use super::generate::may_overwrite;
use super::{Failure, Options, certificate, load, security_key, signature_check};
use crate::files;
use crate::messages::debug;
use crate::sys::clock;
use crate::text::reason;

/// Largest file that is signed or verified; it is held in memory.
pub const MESSAGE_BYTES_MAX: u64 = 4 << 30;

/// What `-O` says.
pub struct Choices {
    /// `hashalg=`
    pub hash: MessageHash,
    /// `print-pubkey`
    pub print_key: bool,
    /// `verify-time=`, else now; in seconds since 1970.
    pub time: u64,
}

/// Does what the word behind `-Y` says.
pub fn run(options: &Options, verb: &str) -> Result<ExitCode, Failure> {
    let missing = |what: &str| -> Failure {
        eprintln!("Too few arguments for {verb}: missing {what}");
        Failure::Code(1)
    };
    let namespace = || {
        let given = options.principals.as_deref().filter(|namespace| !namespace.is_empty());
        given.ok_or_else(|| missing("namespace"))
    };
    let signature = || options.ca_key.as_deref().ok_or_else(|| missing("signature file"));
    let signers = || options.file.as_deref().ok_or_else(|| missing("allowed keys file"));
    match verb {
        "sign" => {
            let namespace = namespace()?;
            let key = options.file.as_deref().ok_or_else(|| missing("key"))?;
            sign(options, key, namespace)
        }
        "verify" => {
            let (namespace, signature, signers) = (namespace()?, signature()?, signers()?);
            let principal =
                options.identity.as_deref().ok_or_else(|| missing("principal identity"))?;
            signature_check::verify(options, signature, namespace, Some((signers, principal)))
        }
        "check-novalidate" => {
            let (namespace, signature) = (namespace()?, signature()?);
            signature_check::verify(options, signature, namespace, None)
        }
        "find-principals" => {
            let signature = signature()?;
            signature_check::find_principals(options, signature, signers()?)
        }
        "match-principals" => {
            let signers = signers()?;
            let principal = options.identity.as_deref().ok_or_else(|| missing("principal ID"))?;
            signature_check::match_principals(signers, principal)
        }
        _ => Err(Failure::Usage(Some(format!("Unsupported operation for -Y: \"{verb}\"")))),
    }
}

impl Choices {
    /// Reads all `-O`.
    pub fn read(options: &Options) -> Result<Self, Failure> {
        let mut choices =
            Self { hash: MessageHash::default(), print_key: false, time: clock::now() };
        for option in &options.more {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            match name.to_ascii_lowercase().as_str() {
                "hashalg" => {
                    choices.hash = MessageHash::from_name(value)
                        .ok_or_else(|| format!("Hash algorithm \"{value}\" is not supported"))?;
                }
                "verify-time" => {
                    choices.time = CivilTime::parse(value)
                        .map(clock::unix_seconds)
                        .map_err(|_| "Invalid \"verify-time\" option")?;
                }
                "print-pubkey" => choices.print_key = true,
                _ => return Err(format!("Invalid option \"{option}\"").into()),
            }
        }
        Ok(choices)
    }
}

/// Who signs.
enum Signer {
    Key(Box<PrivateKey>),
    Agent(PublicKey, AgentClient),
}

fn sign(options: &Options, key: &Path, namespace: &str) -> Result<ExitCode, Failure> {
    let choices = Choices::read(options)?;
    let mut signer = signer(options, key)?;
    if options.files.is_empty() {
        if !options.quiet {
            eprintln!("Signing data on standard input");
        }
        let message = load::stdin(MESSAGE_BYTES_MAX).map_err(|why| format!("(stdin): {why}"))?;
        print!(
            "{}",
            signer.sign(options, namespace, choices.hash, &message, "(stdin)")?.to_armour()
        );
        return Ok(ExitCode::SUCCESS);
    }
    for file in &options.files {
        let path = PathBuf::from(file);
        if path == Path::new("-") {
            let message = load::stdin(MESSAGE_BYTES_MAX).map_err(|why| format!("-: {why}"))?;
            print!(
                "{}",
                signer.sign(options, namespace, choices.hash, &message, "(stdin)")?.to_armour()
            );
            continue;
        }
        sign_file(options, &mut signer, &path, namespace, choices.hash)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn sign_file(
    options: &Options,
    signer: &mut Signer,
    path: &Path,
    namespace: &str,
    hash: MessageHash,
) -> Result<(), Failure> {
    let shown = path.display();
    let message = files::read_limited(path, MESSAGE_BYTES_MAX)
        .map_err(|source| format!("Cannot open {shown} for signing: {}", reason(&source)))?;
    if !options.quiet {
        eprintln!("Signing file {shown}");
    }
    let signature = signer.sign(options, namespace, hash, &message, &shown.to_string())?;
    let mut out = path.as_os_str().to_owned();
    out.push(".sig");
    let out = PathBuf::from(out);
    if !may_overwrite(&out) {
        return Err(Failure::Code(255));
    }
    if !options.quiet {
        eprintln!("Write signature to {}", out.display());
    }
    let _held = crate::sys::signals::hold();
    files::replace_as(&out, signature.to_armour().as_bytes(), 0o644)
        .map_err(|source| format!("Cannot open {}: {}", out.display(), reason(&source)).into())
}

/// The agent where it has the key, else the private key file, which `-f` names or has beside it.
fn signer(options: &Options, path: &Path) -> Result<Signer, Failure> {
    let (public, _) = load::public(path)
        .map_err(|why| format!("Couldn't load public key {}: {why}", path.display()))
        .or_else(|why| {
            // Only the private half is here, and it hides the public one.
            let key = load::private(options, path).map_err(|_| why)?.key;
            Ok::<_, String>((key.public().clone(), String::new()))
        })?;
    match certificate::agent().and_then(|mut agent| {
        let held = agent.identities().map_err(|why| why.to_string())?;
        let has = held.iter().any(|(key, _)| *key == public);
        if has { Ok(agent) } else { Err("it does not have the key".to_owned()) }
    }) {
        Ok(agent) => return Ok(Signer::Agent(public, agent)),
        Err(why) if options.prefer_agent => {
            return Err(format!("Couldn't find key in agent: {why}").into());
        }
        Err(why) => debug!("the agent does not sign: {why}"),
    }
    let private_path = load::private_path_of(path);
    let key = load::private(options, &private_path)?.key;
    if key.public().plain() != public.plain() {
        return Err(format!(
            "Public key {} doesn't match private {}",
            path.display(),
            private_path.display()
        )
        .into());
    }
    let key = match public.certificate() {
        Some(_) => key.with_certificate(public).map_err(|why| why.to_string())?,
        None => key,
    };
    Ok(Signer::Key(Box::new(key)))
}

impl Signer {
    fn sign(
        &mut self,
        options: &Options,
        namespace: &str,
        hash: MessageHash,
        message: &[u8],
        shown: &str,
    ) -> Result<SshSignature, Failure> {
        let failed = |why: String| Failure::Fatal(format!("Signing {shown} failed: {why}"));
        match self {
            Self::Key(key) => {
                let question = format!("Enter PIN for {} key: ", key.public().type_label());
                let sign = |algorithm: &str, data: &[u8]| {
                    security_key::sign(options, key, algorithm, data, &question, true)
                        .map_err(Refusal::Hardware)
                };
                SshSignature::make(key.public(), namespace, hash, message, sign)
                    .map_err(|why| failed(why.to_string()))
            }
            Self::Agent(key, agent) => {
                let sign = |algorithm: &str, data: &[u8]| {
                    agent.sign(key, data, flags_for(algorithm)).map_err(Refusal::Agent)
                };
                SshSignature::make(key, namespace, hash, message, sign)
                    .map_err(|why| failed(why.to_string()))
            }
        }
    }
}

/// Why there is no signature.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("{0}")]
    Hardware(String),
    #[error(transparent)]
    Agent(net::agent::AgentError),
    #[error(transparent)]
    Key(#[from] keys::Error),
}
