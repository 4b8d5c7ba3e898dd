//! Signatures over files, who may make them, and lists of what is revoked.

use keys::allowed_signers;
use keys::krl::{self, Krl};
use keys::sshsig::{MessageHash, SshSignature};
use keys::{PrivateKey, PublicKey, VerifyOptions};

use crate::key_files::{self, Holder};

/// A signature file.
pub fn signature(data: &[u8]) {
    if let Ok(signature) = SshSignature::from_armour(data) {
        let again = SshSignature::from_armour(signature.to_armour().as_bytes());
        assert_eq!(again.as_ref(), Ok(&signature));
        let forged = signature.verify("file", b"nobody signed this", &VerifyOptions::default());
        assert!(forged.is_err());
    }
}

/// A file of allowed signers.
pub fn signers(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for line in text.lines() {
        if let Ok(Some(entry)) = allowed_signers::parse_line(line) {
            let _ = entry.names("me@example.org");
            let key = &entry.key;
            let unix = |time: keys::time::CivilTime| time.unix_seconds(3600);
            let _ = entry.check(key, "me@example.org", "file", 1_700_000_000, unix);
            let _ = entry.find_principals(key, 1_700_000_000, unix);
        }
    }
}

/// A file of revoked keys, of either kind.
pub fn revoked(data: &[u8]) {
    let Some(key) = public_key() else { return };
    let _ = krl::file_revokes(data, &key);
    if let Ok(krl) = Krl::from_bytes(data) {
        assert_eq!(Krl::from_bytes(&krl.to_bytes()).as_ref(), Ok(&krl));
    }
}

fn public_key() -> Option<PublicKey> {
    let line = key_files::public_words(Holder::User, "ssh-ed25519");
    PublicKey::from_line(&line).ok().map(|(key, _)| key)
}

/// Signatures by every type of key.
pub fn signature_seeds() -> Vec<Vec<u8>> {
    key_files::kinds()
        .filter_map(|kind| {
            let file = std::fs::read(key_files::private(Holder::User, kind)).ok()?;
            let key = PrivateKey::parse(&file, None).ok()?;
            let hash = MessageHash::Sha512;
            let signed = SshSignature::make(key.public(), "file", hash, b"text", |name, data| {
                key.sign(name, data)
            });
            Some(signed.ok()?.to_armour().into_bytes())
        })
        .collect()
}

/// A line for every option.
pub fn signers_seeds() -> Vec<Vec<u8>> {
    let key = key_files::public_words(Holder::User, "ssh-ed25519");
    [
        format!("me@example.org,*@corp {key}\n"),
        format!("\"a b\" cert-authority,namespaces=\"file,g*\" {key} comment\n"),
        format!("* valid-after=\"20200101\",valid-before=\"203001011200Z\" {key}\n"),
    ]
    .map(String::into_bytes)
    .into()
}

/// A list with every section, and lines.
pub fn revoked_seeds() -> Vec<Vec<u8>> {
    let Some(key) = public_key() else { return Vec::new() };
    let mut krl = Krl::default();
    krl.comment.push('c');
    krl.revoke(&key);
    krl.revoke_sha1(&key);
    krl.revoke_sha256(&key);
    for serial in [1, 2, 3, 5, 9, 20, 22, 24, 26, 28, 100] {
        krl.revoke_serials(Some(key.clone()), serial, serial);
    }
    krl.revoke_serials(None, 1000, 2000);
    krl.revoke_key_id(None, "somebody");
    vec![krl.to_bytes(), format!("{}\n", key.to_line("comment")).into_bytes()]
}
