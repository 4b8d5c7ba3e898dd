//! Certificates: what one writes the other tells alike.

use crate::{Folder, KINDS};

/// Flags that sign, and what they are about.
const WAYS: &[&str] = &[
    "-I id -n a,b -z 7",
    "-I id -h -n host.example",
    "-I id -n a -V 20200101:20300101Z",
    "-I id -n a -V always:0x7fffffff",
    "-I id -n a -V 20200101123456:forever",
    "-I id -n a -O clear -O permit-pty -O no-touch-required -O verify-required",
    "-I id -n a -O force-command=/bin/true -O source-address=10.0.0.0/8,::1",
    "-I id -n a -O critical:foo@bar=baz -O extension:x@y -O extension:z@y=1 -O no-pty",
];

#[test]
fn both_say_the_same() {
    let folder = Folder::new();
    for (kind, flags) in KINDS {
        folder.good("ssh-keygen", &[*flags, &["-q", "-N", "", "-f", kind, "-C", "c"]].concat());
    }
    for (index, way) in WAYS.iter().enumerate() {
        let ca = KINDS[index % KINDS.len()].0;
        for (kind, _) in KINDS {
            let mut told = Vec::new();
            for signer in ["ours", "ssh-keygen"] {
                folder.line(signer, &format!("-q -s {ca} {way} {kind}.pub"));
                let show = format!("-L -f {kind}-cert.pub");
                let (ours, theirs) = (folder.line("ours", &show), folder.line("ssh-keygen", &show));
                assert_eq!(ours, theirs, "{way}");
                told.push(theirs);
                let show = format!("-lv -f {kind}-cert.pub");
                assert_eq!(folder.line("ours", &show), folder.line("ssh-keygen", &show));
            }
            assert_eq!(told[0], told[1], "{way}");
        }
    }
}

#[test]
fn serial_numbers_count_up_and_rsa_chooses_its_hash() {
    let folder = Folder::new();
    folder.line("ssh-keygen", "-q -t rsa -b 2048 -N  -f ca");
    for name in ["a", "b"] {
        folder.line("ssh-keygen", &format!("-q -t ed25519 -N  -f {name}"));
    }
    folder.line("ours", "-q -s ca -I id -n x -t rsa-sha2-256 -z +41 a.pub b.pub");
    let told = folder.line("ssh-keygen", "-L -f b-cert.pub");
    assert!(told.contains("Serial: 42\n") && told.contains("(using rsa-sha2-256)"), "{told}");
}

#[test]
fn what_cannot_be_signed() {
    let folder = Folder::new();
    folder.line("ours", "-q -t ed25519 -N  -f k");
    folder.line("ours", "-q -s k -I id -n a k.pub");
    for (line, expected) in [
        ("-s k -n a k.pub", "Must specify key id (-I) when certifying"),
        ("-s k -I id -n a, k.pub", "Empty principal name"),
        ("-s k -I id k-cert.pub", "type ED25519-CERT cannot be certified"),
        ("-s k -I id -O foo k.pub", "Unsupported certificate option \"foo\""),
        ("-s k -I id -V x k.pub", "Invalid certificate life specification x"),
        ("-s k -I id -V 20200101:20190101 k.pub", "Empty certificate validity interval"),
        ("-s k -I id -z x k.pub", "Invalid serial number \"x\""),
        ("-s k -I id nothing", "load pubkey \"nothing\": No such file or directory"),
    ] {
        let words: Vec<&str> = line.split(' ').collect();
        let (ours, theirs) = (folder.run("ours", &words, ""), folder.run("ssh-keygen", &words, ""));
        assert_eq!((ours.code(), theirs.code()), (Some(255), Some(255)), "{ours}");
        assert!(ours.stderr.contains(expected), "{ours}");
        assert!(theirs.stderr.contains(expected), "{theirs}");
    }
    assert_eq!(folder.run("ours", &["-s", "k", "-I", "id"], "").code(), Some(1));
    assert_eq!(folder.run("ours", &["-L", "-f", "k.pub"], "").code(), Some(1));
}
