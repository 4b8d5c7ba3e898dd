use super::*;
use crate::PrivateKey;
use crate::test_data::{self, PASSPHRASE};

#[test]
fn files_of_puttygen() {
    for (kind, text, encrypted) in test_data::PPK_FILES {
        let expected = PublicKey::from_line(test_data::public_line(kind)).unwrap().0;
        for text in [(*text).to_owned(), text.replace('\n', "\r\n"), text.replace('\n', "\r")] {
            let passphrase = encrypted.then_some(PASSPHRASE);
            let key = PrivateKey::parse(text.as_bytes(), passphrase).unwrap();
            assert_eq!((key.public(), key.comment()), (&expected, *kind));
            let public = crate::public_of_private_file(text.as_bytes()).unwrap();
            assert_eq!(public, Some(expected.clone()));
        }
        let without = PrivateKey::parse(text.as_bytes(), None);
        let wrong = PrivateKey::parse(text.as_bytes(), Some(b"wrong"));
        if *encrypted {
            assert!(matches!(without, Err(PrivateKeyError::PassphraseNeeded)));
            assert!(matches!(wrong, Err(PrivateKeyError::WrongPassphrase)));
        } else {
            assert!(without.is_ok());
            let changed = text.replacen(&format!("Comment: {kind}"), "Comment: x", 1);
            let refused = PrivateKey::parse(changed.as_bytes(), None);
            assert!(matches!(refused, Err(PrivateKeyError::Damaged(_))));
        }
        let half = &text[..text.len() / 2];
        assert!(PrivateKey::parse(half.as_bytes(), Some(PASSPHRASE)).is_err());
    }
}

#[test]
fn written_files_read_back() {
    let small = |flavour| {
        PpkFormat::V3(PpkDerivation { flavour, memory_kib: 32, passes: 1, parallelism: 1 })
    };
    for (kind, text, _) in test_data::PPK_FILES.iter().filter(|(_, _, encrypted)| !encrypted) {
        let key = PrivateKey::parse(text.as_bytes(), None).unwrap();
        for format in PpkFlavour::ALL.map(small).into_iter().chain([PpkFormat::V2]) {
            for passphrase in [None, Some(PASSPHRASE)] {
                let written = key.to_ppk(passphrase, format).unwrap();
                let read = PrivateKey::parse(written.as_bytes(), passphrase).unwrap();
                assert_eq!((read.public(), read.comment()), (key.public(), *kind));
            }
            // Without a passphrase there is nothing random in the file.
            let version = if format == PpkFormat::V2 { "-2" } else { "-3" };
            if text.starts_with(&format!("PuTTY-User-Key-File{version}")) {
                assert_eq!(*key.to_ppk(None, format).unwrap(), *text);
            }
        }
    }
}

#[test]
fn hostile_parameters() {
    let (_, text, _) =
        test_data::PPK_FILES.iter().find(|(_, text, _)| text.contains("Argon2")).unwrap();
    for (from, to) in [
        ("Argon2-Memory: 64", "Argon2-Memory: 4294967295"),
        ("Argon2-Passes: 2", "Argon2-Passes: 4000000000"),
        ("Argon2-Passes: 2", "Argon2-Passes: 0"),
        ("Argon2-Parallelism: 1", "Argon2-Parallelism: 0"),
        ("Argon2-Memory: 64", "Argon2-Memory: -1"),
        ("Public-Lines: ", "Public-Lines: 9"),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(&changed, text);
        assert!(PrivateKey::parse(changed.as_bytes(), Some(PASSPHRASE)).is_err(), "{to}");
    }
}
