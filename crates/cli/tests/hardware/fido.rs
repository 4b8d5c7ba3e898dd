//! Security keys through the system's libfido2, with an authenticator that is a pseudo-terminal:
//! the library takes any character device that answers as CTAP wants.

use crate::authenticator::Authenticator;
use crate::{Place, first_of};

/// A device, where the library to reach it is here.
fn device(test: &str) -> Option<Authenticator> {
    let paths = [
        "/usr/lib/x86_64-linux-gnu/libfido2.so.1",
        "/usr/lib/aarch64-linux-gnu/libfido2.so.1",
        "/usr/lib64/libfido2.so.1",
        "/usr/lib/libfido2.so.1",
    ];
    first_of(test, "libfido2", &paths)?;
    Some(Authenticator::start())
}

#[test]
fn keys_of_an_authenticator() {
    let Some(device) = device("keys_of_an_authenticator") else { return };
    let place = Place::new();
    place.write("message", "what is signed\n");
    place.write("challenge", "a challenge");
    let option = format!("device={}", device.path);
    let provider = format!("internal:{}", device.path);
    for kind in ["ecdsa-sk", "ed25519-sk"] {
        for maker in ["our ssh-keygen", "ssh-keygen"] {
            let name = format!("{}-{kind}", maker.len());
            let words =
                ["-t", kind, "-N", "", "-f", &name, "-O", &option, "-O", "application=ssh:test"];
            place.good(maker, &words);
            let words = ["-Y", "sign", "-w", &provider, "-f", &name, "-n", "file", "message"];
            place.good("our ssh-keygen", &words);
            place.check_signature(&name);
        }
        // The user proves who they are to the device, which signs that they did.
        let words = ["-q", "-t", kind, "-N", "", "-f", "verified", "-O", &option];
        let scope = format!("application=ssh:{kind}");
        let words =
            [&words[..], &["-O", "verify-required", "-O", "resident", "-O", &scope]].concat();
        let made = place.run("our ssh-keygen", &words);
        assert!(made.success(), "{made}");
        std::fs::remove_file(place.path("verified")).expect("a key");
        std::fs::remove_file(place.path("verified.pub")).expect("a key");
        // A second one for the same user would take the first one's place.
        let again = place.run("our ssh-keygen", &words);
        assert!(again.text().contains("already exists."), "{again}");
        assert!(!again.success() && !place.path("verified").exists());
    }
    let words = ["-t", "ecdsa-sk", "-N", "", "-f", "attested", "-O", &option];
    let words =
        [&words[..], &["-O", "challenge=challenge", "-O", "write-attestation=proof"]].concat();
    let said = place.good("our ssh-keygen", &words);
    assert!(said.contains("You may need to touch your authenticator"), "{said}");
    let asked = device.asked();
    assert!(asked.iter().any(|asked| asked == "make ssh: touch"), "{asked:?}");
    assert!(asked.iter().any(|asked| asked == "sign ssh:test touch"), "{asked:?}");
    assert!(
        asked.iter().any(|asked| asked == "make ssh:ecdsa-sk touch verified kept 3"),
        "{asked:?}"
    );
}

#[test]
fn no_device_is_said() {
    if device("no_device_is_said").is_none() {
        return;
    }
    let place = Place::new();
    let words = ["-q", "-t", "ecdsa-sk", "-N", "", "-f", "key", "-O", "device=/dev/null"];
    let refused = place.run("our ssh-keygen", &words);
    assert!(refused.stderr.contains("device /dev/null cannot be used"), "{refused}");
    assert_eq!(refused.code(), Some(255));
}
