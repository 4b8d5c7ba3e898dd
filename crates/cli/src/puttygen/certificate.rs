//! What a certificate says, in PuTTY's words.

use std::fmt::Write;

use keys::{CertificateKind, FingerprintHash, KeyData, PublicKey};

use crate::sys::clock;
use crate::ui::clean::visible;

/// What a user's certificate allows by an extension of that name.
const PERMISSIONS: [(&str, &str); 5] = [
    ("permit-X11-forwarding", "X11 forwarding"),
    ("permit-agent-forwarding", "Agent forwarding"),
    ("permit-port-forwarding", "Port forwarding"),
    ("permit-pty", "PTY allocation"),
    ("permit-user-rc", "Running user ~/.ssh.rc"),
];

/// Nothing for a key without a certificate.
pub fn describe(key: &PublicKey) -> Option<String> {
    let certificate = key.certificate()?;
    let is_host = certificate.kind == CertificateKind::Host;
    let (kind, names) =
        if is_host { ("host key", "host") } else { ("user authentication key", "user") };
    let principals: Vec<String> = certificate.principals.iter().map(|name| visible(name)).collect();
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(text, "Certificate type: {kind}");
    let _ = writeln!(text, "Valid {names} names: {}", principals.join(","));
    let period = period(certificate.valid_after, certificate.valid_before);
    let _ = writeln!(text, "Validity period: {period}");
    for (name, data) in &certificate.critical_options {
        let what = match name.as_str() {
            "force-command" => "Forced remote command",
            "source-address" => "Permitted client IP addresses",
            _ => continue,
        };
        let value = String::from_utf8_lossy(data.get(4..).unwrap_or_default()).into_owned();
        let _ = writeln!(text, "{what}: {}", visible(&value));
    }
    for (extension, what) in PERMISSIONS {
        let is_permitted = certificate.extensions.iter().any(|(name, _)| name == extension);
        if !is_host && !is_permitted {
            let _ = writeln!(text, "{what} permitted: no");
        }
    }
    let _ = writeln!(text, "Certificate ID string: {}", visible(&certificate.key_id));
    let _ = writeln!(text, "Certificate serial number: {}", certificate.serial);
    let ca = &certificate.signature_key;
    let ca_print = ca.fingerprint(FingerprintHash::Sha256);
    let (algorithm, bits) = (ca.algorithm(), bits(ca));
    let _ = writeln!(text, "Fingerprint of signing CA key: {algorithm} {bits} {ca_print}");
    let (algorithm, bits) = (key.algorithm(), self::bits(key));
    let whole = key.whole_fingerprint(FingerprintHash::Sha256);
    let _ = writeln!(text, "Fingerprint including certificate: {algorithm} {bits} {whole}");
    Some(text)
}

/// PuTTY counts the bits of an Ed25519 key by its field.
pub fn bits(key: &PublicKey) -> u32 {
    if matches!(key.data(), KeyData::Ed25519 { .. }) { 255 } else { key.bits() }
}

fn period(after: u64, before: u64) -> String {
    let moment = |seconds| clock::utc(seconds, "%Y-%m-%d %H:%M:%S UTC");
    match (after, before) {
        (0, u64::MAX) => "forever".to_owned(),
        (0, before) => format!("until {}", moment(before)),
        (after, u64::MAX) => format!("after {}", moment(after)),
        (after, before) => format!("{} - {}", moment(after), moment(before)),
    }
}
