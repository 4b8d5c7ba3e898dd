//! `puttygen`: makes keys and turns them into PuTTY's formats and back, by command line.

mod certificate;
mod options;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use keys::{FingerprintHash, KeyKind, PrivateKey, PrivateKeyError, PublicKey, limits};
use zeroize::Zeroizing;

use self::options::{HELP, Options, Output, Request, USAGE};
use crate::files;
use crate::keygen::load;
use crate::keygen::save;
use crate::sys::clock;
use crate::text::reason;
use crate::ui::clean;
use crate::ui::prompt::{self, Place};

/// What an encrypted key file's comment is when the format has none.
const IMPORTED: &str = "imported-openssh-key";
/// Bits of a new RSA key when nothing is said.
const RSA_BITS: u32 = 2048;
/// Bits of a new ECDSA key when nothing is said.
const ECDSA_BITS: u32 = 384;

/// A key as far as it is needed.
enum Key {
    /// With its private half, and the passphrase it was under.
    Private(Box<PrivateKey>, Zeroizing<String>),
    /// Only the public half, and its comment.
    Public(PublicKey, String),
}

/// Runs the tool.
pub fn main(words: &[OsString]) -> ExitCode {
    crate::sys::default_sigpipe();
    crate::messages::init();
    if words.is_empty() {
        eprintln!("{USAGE}Use \"puttygen --help\" for more detail.");
        return ExitCode::SUCCESS;
    }
    let done = match options::read(words) {
        Ok(Request::Run(options)) => run(&options),
        Ok(Request::Version) => {
            println!("puttygen: {}", crate::VERSION);
            Ok(())
        }
        Ok(Request::Help) => {
            print!("PuTTYgen of {}\n{USAGE}{HELP}", crate::VERSION);
            Ok(())
        }
        Err(problem) => Err(problem),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("puttygen: {}", clean::visible_lines(&problem));
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), String> {
    let output = options.output.unwrap_or(Output::Private);
    let out = out_path(options, output)?;
    let generated = match (&options.kind, &options.file) {
        (Some(_), Some(_)) => return Err("cannot both load and generate a key".to_owned()),
        (None, None) => return Err("this command would perform no useful action".to_owned()),
        (Some(kind), None) => Some(generate(options, kind)?),
        (None, Some(_)) => None,
    };
    let is_new = generated.is_some();
    let key = match (generated, &options.file) {
        (Some(key), _) => Key::Private(Box::new(key), Zeroizing::default()),
        (None, Some(path)) => load(options, path, output)?,
        (None, None) => return Err("there is no key".to_owned()),
    };
    match key {
        Key::Private(key, old) if output.is_private() => {
            let key = match &options.comment {
                Some(comment) => key.with_comment(comment),
                None => *key,
            };
            let passphrase =
                if is_new || options.change_passphrase { new_passphrase(options)? } else { old };
            let text = private_text(options, output, &key, &passphrase)?;
            let path = out.ok_or("need to specify an output file")?;
            save::new_private(&path, &text).map_err(|source| {
                format!("unable to write `{}': {}", path.display(), reason(&source))
            })
        }
        Key::Private(key, _) if output == Output::Text => {
            let text = key.components().map_err(|why| format!("the key's numbers: {why}"))?;
            write_out(text.ok_or_else(no_components)?.as_bytes(), out.as_deref(), 0o600)
        }
        Key::Private(key, _) => {
            let comment = options.comment.as_deref().unwrap_or(key.comment());
            write_public(options, output, key.public(), comment, out.as_deref())
        }
        Key::Public(_, _) if output.is_private() => {
            Err("this is a public key file, and a private key is needed".to_owned())
        }
        Key::Public(key, comment) => {
            let comment = options.comment.as_deref().unwrap_or(&comment);
            write_public(options, output, &key, comment, out.as_deref())
        }
    }
}

/// `-o`; a key that is only changed goes back to where it was.
fn out_path(options: &Options, output: Output) -> Result<Option<PathBuf>, String> {
    if options.out.is_some() || !output.is_private() {
        return Ok(options.out.clone().filter(|path| path.as_path() != Path::new("-")));
    }
    let changes = options.change_passphrase || options.comment.is_some() || options.rewrite;
    match &options.file {
        Some(file) if output == Output::Private && changes => Ok(Some(file.clone())),
        Some(_) if output == Output::Private => {
            Err("this command would perform no useful action".to_owned())
        }
        _ => Err(format!(
            "need to specify an output file\n{USAGE}Use \"puttygen --help\" for more detail."
        )),
    }
}

fn generate(options: &Options, kind: &str) -> Result<PrivateKey, String> {
    let (kind, name, bits) = match kind {
        "rsa" | "rsa2" => (KeyKind::Rsa, "rsa", Some(options.bits.unwrap_or(RSA_BITS))),
        "ecdsa" => (KeyKind::Ecdsa, "ecdsa", Some(options.bits.unwrap_or(ECDSA_BITS))),
        "ed25519" => (KeyKind::Ed25519, "ed25519", None),
        "eddsa" if matches!(options.bits, None | Some(255 | 256)) => {
            (KeyKind::Ed25519, "ed25519", None)
        }
        "eddsa" | "ed448" | "dsa" | "rsa1" => {
            return Err(format!(
                "this version of Keyway makes no keys of type `{kind}': no current SSH uses them"
            ));
        }
        other => return Err(format!("unknown key type `{other}'")),
    };
    if kind == KeyKind::Ecdsa && !matches!(bits, Some(256 | 384 | 521)) {
        return Err("invalid bits for ECDSA, choose 256, 384 or 521".to_owned());
    }
    if let (KeyKind::Rsa, Some(bits)) = (kind, bits) {
        if bits < limits::RSA_BITS_MIN {
            let least = limits::RSA_BITS_MIN;
            return Err(format!("cannot generate RSA keys shorter than {least} bits"));
        }
        if bits < RSA_BITS {
            eprintln!("puttygen: warning: RSA keys shorter than 2048 bits are probably not secure");
        }
    }
    let date = clock::local(clock::now(), "%Y%m%d");
    PrivateKey::generate(kind, bits, &format!("{name}-key-{date}"))
        .map_err(|why| format!("the key cannot be made: {why}"))
}

/// Loads as much of the key as the output needs.
fn load(options: &Options, path: &Path, output: Output) -> Result<Key, String> {
    let failed = |why: &str| format!("error loading `{}': {why}", path.display());
    let bytes = files::read_limited(path, limits::PRIVATE_FILE_BYTES as u64).map_err(|source| {
        format!("unable to load file `{}': {}", path.display(), reason(&source))
    })?;
    let bytes = Zeroizing::new(bytes);
    let named = |key: PrivateKey| {
        if key.comment().is_empty() { key.with_comment(IMPORTED) } else { key }
    };
    match PrivateKey::parse(&bytes, None) {
        Ok(key) => Ok(Key::Private(Box::new(named(key)), Zeroizing::default())),
        Err(PrivateKeyError::PassphraseNeeded) => {
            if let (false, Ok(Some(public))) =
                (output.needs_private(), keys::public_of_private_file(&bytes))
            {
                let comment =
                    keys::comment_of_private_file(&bytes).unwrap_or_else(|| IMPORTED.to_owned());
                return Ok(Key::Public(public, comment));
            }
            let passphrase = match &options.old_passphrase {
                Some(file) => passphrase_in(file)?,
                None => prompt::secret("Enter passphrase to load key: ", Place::Terminal)
                    .ok_or("a passphrase is needed, and there is nobody to ask")?,
            };
            let key =
                PrivateKey::parse(&bytes, Some(passphrase.as_bytes())).map_err(
                    |why| match why {
                        PrivateKeyError::WrongPassphrase => failed("wrong passphrase"),
                        other => failed(&other.to_string()),
                    },
                )?;
            Ok(Key::Private(Box::new(named(key)), passphrase))
        }
        Err(PrivateKeyError::NotAKey | PrivateKeyError::IsPublicKey) => {
            let (key, comment) = load::public(path).map_err(|why| failed(&why))?;
            Ok(Key::Public(key, comment))
        }
        Err(why) => Err(failed(&why.to_string())),
    }
}

/// The first line of a file.
fn passphrase_in(path: &Path) -> Result<Zeroizing<String>, String> {
    let bytes = files::read_limited(path, 1 << 16).map_err(|source| {
        format!("cannot open passphrase file `{}': {}", path.display(), reason(&source))
    })?;
    let bytes = Zeroizing::new(bytes);
    let end = bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n')).unwrap_or(bytes.len());
    let text = std::str::from_utf8(&bytes[..end])
        .map_err(|_| format!("the passphrase in `{}' is not text", path.display()))?;
    Ok(Zeroizing::new(text.to_owned()))
}

fn new_passphrase(options: &Options) -> Result<Zeroizing<String>, String> {
    if let Some(file) = &options.new_passphrase {
        return passphrase_in(file);
    }
    let ask = |question: &str| {
        prompt::secret(question, Place::Terminal)
            .ok_or("a passphrase is needed, and there is nobody to ask; see --new-passphrase")
    };
    let first = ask("Enter passphrase to save key: ")?;
    let again = ask("Re-enter passphrase to verify: ")?;
    if *first == *again { Ok(first) } else { Err("passphrases do not match".to_owned()) }
}

fn private_text(
    options: &Options,
    output: Output,
    key: &PrivateKey,
    passphrase: &str,
) -> Result<Zeroizing<String>, String> {
    let secret = (!passphrase.is_empty()).then_some(passphrase.as_bytes());
    let openssh = || key.to_openssh(secret, limits::BCRYPT_ROUNDS_DEFAULT);
    match output {
        Output::Private => key.to_ppk(secret, options.format),
        Output::SshCom if secret.is_some() => {
            return Err(
                "ssh.com's files are written in the clear only: their cipher is 3DES under \
                        MD5; give an empty passphrase"
                    .to_owned(),
            );
        }
        Output::SshCom => match key.to_ssh_com() {
            Ok(Some(text)) => Ok(text),
            Ok(None) => return Err("unable to export key: ssh.com had RSA keys only".to_owned()),
            Err(why) => Err(why),
        },
        Output::OpenSsh => match key.to_pem(secret) {
            Ok(Some(text)) => Ok(text),
            Ok(None) => openssh(),
            Err(why) => Err(why),
        },
        _ => openssh(),
    }
    .map_err(|why| format!("the key cannot be written: {why}"))
}

fn write_public(
    options: &Options,
    output: Output,
    key: &PublicKey,
    comment: &str,
    out: Option<&Path>,
) -> Result<(), String> {
    let text = match output {
        Output::PublicOpenSsh => format!("{}\n", key.to_line(comment)),
        Output::Fingerprint => format!("{}\n", fingerprint(key, options.hash)),
        Output::CertificateInfo => certificate::describe(key).ok_or("key is not a certificate")?,
        Output::Text => key.components().ok_or_else(no_components)?,
        _ => key.to_rfc4716(comment, 64),
    };
    write_out(text.as_bytes(), out, 0o644)
}

fn write_out(text: &[u8], out: Option<&Path>, mode: u32) -> Result<(), String> {
    match out {
        None => io::stdout().write_all(text).map_err(|source| reason(&source)),
        Some(path) => files::replace_as(path, text, mode)
            .map_err(|source| format!("unable to write `{}': {}", path.display(), reason(&source))),
    }
}

fn no_components() -> String {
    "this version of Keyway takes only RSA and ECDSA keys apart".to_owned()
}

/// PuTTY counts the bits of an Ed25519 key by its field, and puts no `MD5:` in front.
fn fingerprint(key: &PublicKey, hash: FingerprintHash) -> String {
    let bits = certificate::bits(key);
    let text = key.fingerprint(hash);
    let text = text.strip_prefix("MD5:").unwrap_or(&text);
    format!("{} {bits} {text}", key.algorithm())
}
