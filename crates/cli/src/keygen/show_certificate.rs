//! `-L`: what certificates say.

use std::process::ExitCode;

use keys::{Certificate, CertificateKind, PublicKey};

use super::load::KEYS_FILE_BYTES_MAX;
use super::options::is_stdin;
use super::{Failure, Options, load, validity};
use crate::ui::clean::visible;

/// Options whose value is text.
const WITH_TEXT: &[&str] = &["force-command", "source-address"];
/// Options without a value.
const WITHOUT_VALUE: &[&str] = &[
    "verify-required",
    "permit-X11-forwarding",
    "permit-agent-forwarding",
    "permit-port-forwarding",
    "permit-pty",
    "permit-user-rc",
    "no-touch-required",
];

/// Prints every certificate of a file.
pub fn run(options: &Options) -> Result<ExitCode, Failure> {
    let path = options.file_or_ask("Enter file in which the key is")?;
    let bytes = load::bytes(&path, KEYS_FILE_BYTES_MAX)
        .map_err(|why| format!("ssh-keygen: {}: {why}", path.display()))?;
    let shown = if is_stdin(&path) { "(stdin)".to_owned() } else { path.display().to_string() };
    let text = String::from_utf8_lossy(&bytes);
    let mut found = false;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let number = index + 1;
        let key = match PublicKey::from_line(line) {
            Ok((key, _)) => key,
            Err(problem) => {
                eprintln!("{shown}:{number}: invalid key: {problem}");
                continue;
            }
        };
        let Some(certificate) = key.certificate() else {
            eprintln!("{shown}:{number} is not a certificate");
            continue;
        };
        found = true;
        if is_stdin(&path) || index > 0 {
            println!("{shown}:{number}:");
        } else {
            println!("{shown}:");
        }
        print(options, &key, certificate);
    }
    Ok(ExitCode::from(u8::from(!found)))
}

fn print(options: &Options, key: &PublicKey, certificate: &Certificate) {
    let kind = match certificate.kind {
        CertificateKind::User => "user",
        CertificateKind::Host => "host",
    };
    let ca = &certificate.signature_key;
    println!("        Type: {} {kind} certificate", key.algorithm());
    println!("        Public key: {} {}", key.type_label(), key.fingerprint(options.hash));
    println!(
        "        Signing CA: {} {} (using {})",
        ca.type_label(),
        ca.fingerprint(options.hash),
        certificate.signature_algorithm
    );
    println!("        Key ID: \"{}\"", visible(&certificate.key_id));
    println!("        Serial: {}", certificate.serial);
    let valid = validity::describe(certificate.valid_after, certificate.valid_before);
    println!("        Valid: {valid}");
    if certificate.principals.is_empty() {
        println!("        Principals: (none)");
    } else {
        println!("        Principals: ");
        for principal in &certificate.principals {
            println!("                {}", visible(principal));
        }
    }
    print_options("Critical Options", &certificate.critical_options);
    print_options("Extensions", &certificate.extensions);
}

fn print_options(title: &str, fields: &[(String, Vec<u8>)]) {
    if fields.is_empty() {
        println!("        {title}: (none)");
        return;
    }
    println!("        {title}: ");
    for (name, data) in fields {
        let shown = visible(name);
        if WITH_TEXT.contains(&name.as_str())
            && let Some(value) = data.get(4..).and_then(|value| std::str::from_utf8(value).ok())
        {
            println!("                {shown} {}", visible(value));
        } else if WITHOUT_VALUE.contains(&name.as_str()) && data.is_empty() {
            println!("                {shown}");
        } else if data.is_empty() {
            println!("                {shown} UNKNOWN FLAG OPTION");
        } else {
            let (hex, length) = (crate::text::hex(data), data.len());
            println!("                {shown} UNKNOWN OPTION: {hex} (len {length})");
        }
    }
}
