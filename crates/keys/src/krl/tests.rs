use super::*;
use crate::test_data;

fn key(comment: &str) -> PublicKey {
    PublicKey::from_line(test_data::public_line(comment)).unwrap().0
}

fn read_back(krl: &Krl) -> Krl {
    let read = Krl::from_bytes(&krl.to_bytes()).unwrap();
    assert_eq!(&read, krl);
    read
}

#[test]
fn keys_and_hashes() {
    let (one, two) = (key("ed25519"), key("rsa"));
    let by: [fn(&mut Krl, &PublicKey); 4] = [
        |krl, key| krl.revoke(key),
        |krl, key| krl.revoke_sha1(key),
        |krl, key| krl.revoke_sha256(key),
        |krl, key| {
            krl.revoke_fingerprint(&key.fingerprint(crate::FingerprintHash::Sha256)).unwrap();
        },
    ];
    for revoke in by {
        let mut krl = Krl { version: 7, generated: 8, comment: "c".into(), ..Krl::default() };
        assert!(!read_back(&krl).is_revoked(&one));
        revoke(&mut krl, &one);
        let krl = read_back(&krl);
        assert!(krl.is_revoked(&one) && !krl.is_revoked(&two));
    }
    assert!(Krl::default().revoke_fingerprint("MD5:00").is_err());
}

#[test]
fn serials_join() {
    let mut krl = Krl::default();
    for (first, last) in
        [(10, 20), (30, 40), (21, 21), (5, 9), (35, 50), (u64::MAX, u64::MAX), (0, 1)]
    {
        krl.revoke_serials(None, first, last);
    }
    krl.revoke_serials(None, 22, 29);
    let ranges: Vec<_> = krl.authorities()[0].serials().collect();
    assert_eq!(ranges, [(0, 1), (5, 50), (u64::MAX, u64::MAX)]);
    read_back(&krl);
    krl.revoke_serials(None, 0, u64::MAX);
    assert_eq!(krl.authorities()[0].serials().collect::<Vec<_>>(), [(0, u64::MAX)]);
    read_back(&krl);
}

#[test]
fn every_way_to_write_serials_reads_back() {
    let mut krl = Krl::default();
    for serial in [1, 2, 3, 4, 10, 15, 30, 50, 90, 999, 1001, 1003, 1005, 1007, u64::MAX - 1] {
        krl.revoke_serials(Some(key("ed25519")), serial, serial);
    }
    for (first, last) in [(500, 799), (10_000, 20_000), (30_000, 40_000)] {
        krl.revoke_serials(Some(key("ed25519")), first, last);
    }
    krl.revoke_key_id(None, "somebody");
    krl.revoke_key_id(Some(key("rsa")), "someone else");
    let bytes = krl.to_bytes();
    let read = read_back(&krl);
    assert_eq!(read.authorities().len(), 3);
    for end in 0..bytes.len() {
        // Cut anywhere: an error or a shorter list, and never a panic.
        let _ = Krl::from_bytes(&bytes[..end]);
    }
}

#[test]
fn what_is_refused() {
    let base = Krl::default().to_bytes();
    let with = |section: &[u8]| Krl::from_bytes(&[base.as_slice(), section].concat());
    assert!(with(&[]).is_ok());
    assert!(with(&[4, 0, 0, 0, 0]).is_err(), "signatures");
    assert!(with(&[9, 0, 0, 0, 0]).is_err(), "unknown sections");
    let extension = |critical| [255, 0, 0, 0, 9, 0, 0, 0, 0, critical, 0, 0, 0, 0];
    assert!(with(&extension(0)).is_ok());
    assert!(with(&extension(1)).is_err());
    assert!(Krl::from_bytes(b"SSHKRL\n").is_err());
}

#[test]
fn lists_of_lines() {
    let lines = format!("# old\n{}\n", test_data::public_line("rsa"));
    assert!(file_revokes(lines.as_bytes(), &key("rsa")).unwrap());
    assert!(!file_revokes(lines.as_bytes(), &key("ed25519")).unwrap());
}
