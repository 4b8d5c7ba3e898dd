//! Keys in security keys: `-t ed25519-sk`, `-t ecdsa-sk` and `-K`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use keys::{KeyType, PrivateKey, PublicKey};
use wire::Writer;
use zeroize::Zeroizing;

use super::generate::{ask_for_passphrase, default_comment, may_overwrite, public_path, save_new};
use super::{Failure, Options, save};
use crate::files;
use crate::hardware::message::{Attestation, Enroll, FailureKind, NewKey};
use crate::hardware::security_key::{
    self, Asking, FORCE_OPERATION, RESIDENT_KEY, USER_PRESENCE, USER_VERIFICATION,
};
use crate::messages::error;
use crate::text::{hex, reason};
use crate::ui::prompt::{self, Place};

/// How often a PIN may be wrong, as in OpenSSH. Devices lock themselves after eight times.
const PIN_TRIES: u32 = 3;

/// The relying party where none is named.
const APPLICATION: &str = "ssh:";

/// Longest challenge that is read.
const CHALLENGE_BYTES_MAX: u64 = 64 * 1024;

/// A type of security keys by its short name or its name on the wire, and what questions call it.
pub fn kind(name: &str) -> Option<(KeyType, &'static str)> {
    match name.to_ascii_lowercase().as_str() {
        "ed25519-sk" | "sk-ssh-ed25519@openssh.com" => Some((KeyType::SkEd25519, "ed25519-sk")),
        "ecdsa-sk" | "sk-ecdsa-sha2-nistp256@openssh.com" => Some((KeyType::SkEcdsa, "ecdsa-sk")),
        _ => None,
    }
}

/// What `-O` says about a new key.
struct Choices {
    flags: u8,
    device: String,
    user: String,
    application: String,
    challenge: Vec<u8>,
    attestation: Option<PathBuf>,
}

impl Choices {
    fn read(options: &Options) -> Result<Self, Failure> {
        let mut challenge = vec![0; 32];
        crypto::random::fill(&mut challenge);
        let mut choices = Choices {
            flags: USER_PRESENCE,
            device: String::new(),
            user: String::new(),
            application: APPLICATION.to_owned(),
            challenge,
            attestation: None,
        };
        for option in &options.more {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            let has_value = name.len() < option.len();
            match (name.to_ascii_lowercase().as_str(), has_value) {
                ("no-touch-required", false) => choices.flags &= !USER_PRESENCE,
                ("verify-required", false) => choices.flags |= USER_VERIFICATION,
                ("resident", false) => choices.flags |= RESIDENT_KEY,
                ("device", true) => value.clone_into(&mut choices.device),
                ("user", true) => value.clone_into(&mut choices.user),
                ("write-attestation", true) => choices.attestation = Some(PathBuf::from(value)),
                ("challenge", true) => {
                    choices.challenge = files::read_limited(Path::new(value), CHALLENGE_BYTES_MAX)
                        .map_err(|source| {
                            let why = reason(&source);
                            format!("Unable to load FIDO enrollment challenge \"{value}\": {why}")
                        })?;
                }
                ("application", true) => {
                    if !value.starts_with(APPLICATION) {
                        return Err("FIDO application string must begin with \"ssh:\"".into());
                    }
                    value.clone_into(&mut choices.application);
                }
                _ => {
                    return Err(format!(
                        "Option \"{option}\" is unsupported for FIDO authenticator enrollment"
                    )
                    .into());
                }
            }
        }
        Ok(choices)
    }
}

/// Makes a key in a device.
pub fn generate(options: &Options, key_type: KeyType, label: &str) -> Result<ExitCode, Failure> {
    let choices = Choices::read(options)?;
    if !options.quiet {
        println!("Generating public/private {label} key pair.");
    }
    let comment = options.comment.clone().unwrap_or_else(default_comment);
    let made = enroll(options, key_type, &choices)?;
    let key = security_key::private_key(&made, &comment).map_err(|why| why.to_string())?;
    save_new(options, label, &key)?;
    if let Some(path) = &choices.attestation {
        write_attestation(options, path, &made.attestation)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn enroll(options: &Options, key_type: KeyType, choices: &Choices) -> Result<NewKey, Failure> {
    let provider = security_key::provider(options.provider.as_deref());
    let (mut flags, mut pin, mut tries) = (choices.flags, None, 0);
    let mut again = "";
    loop {
        if !options.quiet {
            println!(
                "You may need to touch your authenticator{again} to authorize key generation."
            );
        }
        let request = Enroll {
            provider: provider.clone(),
            key_type,
            device: choices.device.clone(),
            application: choices.application.clone(),
            user: choices.user.clone(),
            flags,
            challenge: choices.challenge.clone(),
            pin: pin.clone(),
        };
        let failure = match security_key::enroll(request) {
            Ok(mut key) => {
                // It was a way to ask, and is nothing about the key.
                key.flags &= !FORCE_OPERATION;
                return Ok(key);
            }
            Err(failure) => failure,
        };
        match failure.kind {
            FailureKind::Exists if flags & FORCE_OPERATION == 0 && may_replace(choices) => {
                flags |= FORCE_OPERATION;
            }
            FailureKind::Pin => {
                if pin.is_some() {
                    error!("PIN incorrect");
                }
                tries += 1;
                if tries >= PIN_TRIES {
                    return Err("Too many incorrect PINs".into());
                }
                pin = Some(ask_for_pin()?);
            }
            _ => return Err(format!("Key enrollment failed: {failure}").into()),
        }
        again = " again";
    }
}

fn ask_for_pin() -> Result<Zeroizing<String>, Failure> {
    let pin = prompt::secret("Enter PIN for authenticator: ", Place::StandardInput);
    pin.ok_or_else(|| "couldn't read PIN".into())
}

/// Asks before a key in the device is replaced.
fn may_replace(choices: &Choices) -> bool {
    println!(
        "A resident key scoped to '{}' with user id '{}' already exists.",
        choices.application,
        if choices.user.is_empty() { "null" } else { &choices.user }
    );
    let answer = prompt::plain_line("Overwrite key in token (y/n)? ");
    answer.is_some_and(|answer| answer.starts_with(['y', 'Y']))
}

/// In the format of PROTOCOL.u2f, "ssh-sk-attest-v01".
fn write_attestation(
    options: &Options,
    path: &Path,
    attestation: &Attestation,
) -> Result<(), Failure> {
    if attestation.certificate.is_empty() {
        eprintln!("The authenticator gave no attestation; none was saved.");
        return Ok(());
    }
    let mut out = Vec::new();
    out.put_string(b"ssh-sk-attest-v01");
    out.put_string(&attestation.certificate);
    out.put_string(&attestation.signature);
    out.put_string(&attestation.authenticator_data);
    // Reserved.
    out.put_u32(0);
    out.put_string(b"");
    files::replace_as(path, &out, 0o644).map_err(|source| {
        format!("Unable to write FIDO attestation to {}: {}", path.display(), reason(&source))
    })?;
    if !options.quiet {
        println!("Your FIDO attestation certificate has been saved in {}", path.display());
    }
    Ok(())
}

/// `-K`: saves the keys that devices keep into files.
pub fn download(options: &Options) -> Result<ExitCode, Failure> {
    let provider = security_key::provider(options.provider.as_deref());
    let mut device = String::new();
    for option in &options.more {
        match option.split_once('=') {
            Some((name, value)) if name.eq_ignore_ascii_case("device") => {
                value.clone_into(&mut device);
            }
            _ => {
                return Err(format!(
                    "Option \"{option}\" is unsupported for FIDO authenticator download"
                )
                .into());
            }
        }
    }
    let pin = ask_for_pin()?;
    if !options.quiet {
        println!("You may need to touch your authenticator to authorize key download.");
    }
    let found = security_key::resident_keys(&provider, &device, Some(&pin)).map_err(|failure| {
        if failure.kind == FailureKind::Pin {
            error!("PIN incorrect");
        }
        eprintln!("Unable to load resident keys: {failure}");
        Failure::Code(255)
    })?;
    if found.is_empty() {
        eprintln!("No keys to download");
        return Ok(ExitCode::SUCCESS);
    }
    let mut passphrase = options.new_passphrase.clone();
    for resident in &found {
        let application = String::from_utf8_lossy(security_key::application(&resident.public));
        let key =
            security_key::private_key(resident, &application).map_err(|why| why.to_string())?;
        let path = PathBuf::from(download_name(&resident.public, &resident.user));
        if !may_overwrite(&path) {
            return Ok(ExitCode::from(1));
        }
        let passphrase = match &passphrase {
            Some(passphrase) => passphrase.clone(),
            None => passphrase.insert(ask_for_passphrase(&path)?).clone(),
        };
        save_one(options, &path, &key, &passphrase)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn save_one(
    options: &Options,
    path: &Path,
    key: &PrivateKey,
    passphrase: &str,
) -> Result<(), Failure> {
    let text = save::private_text(options, key, passphrase, None)
        .map_err(|failure| save::failed(path, failure))?;
    save::new_private(path, &text).map_err(|source| {
        eprintln!("Saving key \"{}\" failed: {}", path.display(), reason(&source));
        Failure::Code(1)
    })?;
    save::public(&public_path(path), key.public(), key.comment())?;
    if !options.quiet {
        let (space, application) = match key.comment() {
            APPLICATION => ("", ""),
            application => (" ", application),
        };
        println!(
            "Saved {} key{space}{application} to {}",
            key.public().type_label(),
            path.display()
        );
    }
    Ok(())
}

/// The file's name for a resident key, as OpenSSH has it: its type, application and user.
fn download_name(key: &PublicKey, user: &[u8]) -> String {
    let kind = if key.key_type() == KeyType::SkEcdsa { "ecdsa_sk" } else { "ed25519_sk" };
    let application = String::from_utf8_lossy(security_key::application(key)).into_owned();
    let scope = application
        .strip_prefix("ssh://")
        .or_else(|| application.strip_prefix("ssh:"))
        .unwrap_or(&application);
    let mut ending = safe(scope.as_bytes());
    let length = user.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    if let Some(user) = user.get(..length).filter(|user| !user.is_empty()) {
        ending.push('_');
        ending.push_str(&safe(user));
    }
    let between = if ending.is_empty() { "" } else { "_" };
    format!("id_{kind}_rk{between}{ending}")
}

/// Nothing that would lead a path elsewhere or that a terminal would obey.
fn safe(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text)
            if !text.contains(['/', '\\'])
                && !text.contains("..")
                && !text.chars().any(char::is_control) =>
        {
            text.to_owned()
        }
        _ => hex(bytes),
    }
}

/// Signs with a private key wherever its private half is.
pub fn sign(
    options: &Options,
    key: &PrivateKey,
    algorithm: &str,
    data: &[u8],
    question: &str,
    always_told: bool,
) -> Result<Vec<u8>, String> {
    let Some(handle) = key.security_key() else {
        return key.sign(algorithm, data).map_err(|why| why.to_string());
    };
    let provider = security_key::provider(options.provider.as_deref());
    let fingerprint = key.public().fingerprint(options.hash);
    let notice =
        format!("Confirm user presence for key {} {fingerprint}", key.public().type_label());
    if always_told && handle.flags & USER_PRESENCE != 0 {
        eprintln!("{notice}");
    }
    let asking = Asking {
        question,
        place: Place::StandardInput,
        notice: (!always_told).then_some(&notice),
        in_window: false,
    };
    security_key::sign_asking(&provider, key, algorithm, data, &asking)
        .map_err(|why| why.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(application: &str, user: &[u8]) -> String {
        let key = security_key::public_key(KeyType::SkEd25519, &[7; 32], application);
        download_name(&key.map_err(|why| why.to_string()).unwrap(), user)
    }

    #[test]
    fn names_of_resident_keys() {
        assert_eq!(name("ssh:", &[0; 32]), "id_ed25519_sk_rk");
        assert_eq!(name("ssh:", b"me\0\0"), "id_ed25519_sk_rk__me");
        assert_eq!(name("ssh://example.org", b""), "id_ed25519_sk_rk_example.org");
        assert_eq!(name("ssh:a", b"b/c\0"), "id_ed25519_sk_rk_a_622f63");
        assert_eq!(name("ssh:../../x", b""), "id_ed25519_sk_rk_2e2e2f2e2e2f78");
    }
}
