//! Keys, certificates and the agent's messages.

use keys::agent::{self, Request, Response};
use keys::{
    CertificateKind, FingerprintHash, KeyKind, PpkFormat, PrivateKey, PublicKey, VerifyOptions,
    public_of_private_file,
};
use wire::Reader;

use crate::key_files::{self, Holder};

/// A key blob, and everything that is done with a stranger's key.
pub fn public_key(data: &[u8]) {
    if let Ok(key) = PublicKey::from_blob(data) {
        use_public(&key);
        assert_eq!(PublicKey::from_blob(key.blob()).as_ref().map(PublicKey::blob), Ok(key.blob()));
    }
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok((key, comment)) = PublicKey::from_line(text)
    {
        use_public(&key);
        let line = key.to_line(&comment);
        let again = PublicKey::from_line(&line);
        assert!(again.is_ok_and(|(again, _)| again == key), "{line:?}");
    }
}

fn use_public(key: &PublicKey) {
    let _ = key.fingerprint(FingerprintHash::Sha256);
    let _ = key.fingerprint(FingerprintHash::Md5);
    let _ = key.randomart(FingerprintHash::Sha256);
    let _ = (key.bits(), key.type_label(), key.plain());
    for algorithm in key.signature_algorithms() {
        // Nobody has signed this.
        let options = VerifyOptions::default();
        let forged = key.verify(algorithm, b"message", key.blob(), &options);
        assert!(forged.is_err());
    }
}

/// A private key file, with a passphrase and without.
pub fn private_key(data: &[u8]) {
    let _ = public_of_private_file(data);
    for passphrase in [None, Some(b"secret".as_slice())] {
        if passphrase.is_some() && asks_for_work(data) {
            continue;
        }
        if let Ok(key) = PrivateKey::parse(data, passphrase) {
            use_public(key.public());
            for algorithm in key.public().signature_algorithms() {
                let _ = key.sign(algorithm, b"message");
            }
        }
    }
}

/// Whether decrypting would take long: a file may ask for minutes, and a
/// person who waits for it is right to, but not a fuzzer.
fn asks_for_work(text: &[u8]) -> bool {
    // PuTTY's derivation; a file that was changed may ask for gigabytes.
    if text.windows(7).any(|window| window == b"Argon2-") {
        return true;
    }
    let mut bits = 0u32;
    let mut count = 0;
    let mut bytes = Vec::new();
    let body = text.split(|byte| *byte == b'\n').filter(|line| !line.starts_with(b"-"));
    for byte in body.flatten() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => continue,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    let name = b"\0\0\0\x06bcrypt";
    let Some(at) = bytes.windows(name.len()).position(|window| window == name) else {
        // PEM files name their iterations in ways not worth reading here.
        return text.windows(9).any(|window| window == b"ENCRYPTED");
    };
    let mut options = Reader::new(&bytes[at + name.len()..]);
    let rounds = options.string().and_then(|options| {
        let mut options = Reader::new(options);
        options.string()?;
        options.u32()
    });
    rounds.is_ok_and(|rounds| rounds > 8)
}

/// A certificate's blob, judged as a user's and as a host's.
pub fn certificate(data: &[u8]) {
    let Ok(key) = PublicKey::from_blob(data) else {
        return;
    };
    use_public(&key);
    let Some(certificate) = key.certificate() else {
        return;
    };
    for kind in [CertificateKind::User, CertificateKind::Host] {
        for principal in [None, Some("root"), Some("host.example.org")] {
            for wildcards in [false, true] {
                let _ = certificate.check(kind, principal, 1_700_000_000, wildcards);
            }
        }
    }
    let _ = certificate.options();
}

/// Messages of the agent protocol, from either side.
pub fn agent(data: &[u8]) {
    if let Ok(Some((message, used))) = agent::take_frame(data) {
        assert!(used <= data.len());
        let _ = Request::decode(message);
        let _ = Response::decode(message);
    }
    // What is understood can be said again, and is understood then too.
    let unframed = |framed: &[u8]| {
        let taken = agent::take_frame(framed).ok().flatten();
        taken.map(|(message, _)| message.to_vec())
    };
    if let Ok(request) = Request::decode(data)
        && let Ok(framed) = request.encode()
    {
        let again = unframed(&framed).map(|message| Request::decode(&message).is_ok());
        assert_eq!(again, Some(true));
    }
    if let Ok(response) = Response::decode(data)
        && let Ok(framed) = response.encode()
    {
        let taken = agent::take_answer(&framed).ok().flatten();
        let again = taken.map(|(message, _)| Response::decode(message).is_ok());
        assert_eq!(again, Some(true));
    }
}

fn lines() -> impl Iterator<Item = String> {
    key_files::kinds().map(|kind| key_files::public_line(Holder::User, kind))
}

fn blobs() -> impl Iterator<Item = Vec<u8>> {
    lines().filter_map(|line| Some(PublicKey::from_line(&line).ok()?.0.blob().to_vec()))
}

/// One of each kind, as blob and as line.
pub fn public_key_seeds() -> Vec<Vec<u8>> {
    blobs().chain(lines().map(String::into_bytes)).collect()
}

/// Files by the stock `ssh-keygen`, and one that is encrypted.
pub fn private_key_seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = key_files::kinds()
        .filter_map(|kind| std::fs::read(key_files::private(Holder::User, kind)).ok())
        .collect();
    if let Ok(key) = PrivateKey::generate(KeyKind::Ed25519, None, "seed")
        && let Ok(text) = key.to_openssh(Some(b"secret"), 1)
    {
        seeds.push(text.as_bytes().to_vec());
        for format in [PpkFormat::V2, PpkFormat::default()] {
            seeds.extend(key.to_ppk(None, format).map(|text| text.as_bytes().to_vec()));
        }
        seeds.extend(key.to_pkcs8(None).ok().flatten().map(|text| text.as_bytes().to_vec()));
    }
    seeds
}

/// Certificates by the stock `ssh-keygen`.
pub fn certificate_seeds() -> Vec<Vec<u8>> {
    let Ok(folder) = tempfile::tempdir() else {
        return Vec::new();
    };
    let mut seeds = Vec::new();
    for kind in key_files::kinds() {
        for (holder, more) in [
            (Holder::Host, &[][..]),
            (Holder::User, &["-O", "force-command=true", "-O", "source-address=10.0.0.0/8"][..]),
        ] {
            let key =
                key_files::certify(folder.path(), holder, kind, "root,host.example.org", more);
            let file = format!("{}-cert.pub", key.display());
            let line = std::fs::read_to_string(file).unwrap_or_default();
            if let Ok((key, _)) = PublicKey::from_line(line.trim()) {
                seeds.push(key.blob().to_vec());
            }
        }
    }
    seeds
}

/// A list, a signing request and a key to keep.
pub fn agent_seeds() -> Vec<Vec<u8>> {
    use wire::Writer;
    let mut seeds = vec![vec![11], vec![5], vec![19]];
    for blob in blobs() {
        let mut sign = vec![13];
        sign.put_string(&blob);
        sign.put_string(b"data to sign");
        sign.extend_from_slice(&[0, 0, 0, 2]);
        let mut framed = Vec::new();
        framed.put_string(&sign);
        seeds.push(framed);
        seeds.push(sign);
        let mut answer = vec![12, 0, 0, 0, 1];
        answer.put_string(&blob);
        answer.put_string(b"comment");
        seeds.push(answer);
        // The private half of an ed25519 key, as ssh-add sends it.
        let mut reader = Reader::new(&blob);
        if let (Ok(b"ssh-ed25519"), Ok(public)) = (reader.string(), reader.string()) {
            let mut add = vec![17];
            add.put_string(b"ssh-ed25519");
            add.put_string(public);
            add.put_string(&[[7; 32].as_slice(), public].concat());
            add.put_string(b"comment");
            seeds.push(add);
        }
    }
    seeds
}
