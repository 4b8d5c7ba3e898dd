//! `VerifyHostKeyDNS`: real zones, signed and served by foreign tools, asked through a real resolver.

use std::process::Command;

use keyway_testkit::process::{DEADLINE, run};

use crate::keygen_with;

/// What only this client says.
const OWN_WORDS: [&str; 2] = ["ssh: ", "The DNS has fingerprints for "];

/// The resolver validates and OpenSSH believes it; we validate ourselves and come to the same.
#[test]
fn records_are_believed_as_by_openssh() {
    let folder = tempfile::tempdir().expect("temporary folder");
    for name in ["host", "other", "user"] {
        keygen_with(&folder.path().join(name), "");
    }
    std::fs::write(folder.path().join("records.py"), include_str!("records.py")).expect("write");
    let mut command = Command::new("unshare");
    command.args(["-mn", "sh", "-c", include_str!("zones.sh"), "sh"]).arg(folder.path());
    command.arg(env!("CARGO_BIN_EXE_keyway"));
    let finished = run(&mut command, b"", DEADLINE);
    let text = finished.text();
    let runs: Vec<&str> = text.split("end\n").filter(|run| !run.is_empty()).collect();
    if runs.is_empty() {
        keyway_testkit::not_run("records_are_believed_as_by_openssh", &finished.stderr);
        return;
    }
    assert_eq!(runs.len(), 20, "{finished}");
    let pairs: Vec<(&str, &str)> = runs.chunks(2).map(|pair| (pair[0], pair[1])).collect();
    for (theirs, ours) in &pairs[..6] {
        assert_eq!(&without_own_words(ours), theirs);
    }
    let ours = |at: usize| pairs[at].1;
    assert_eq!(ours(0), "0\n", "a signed record is enough");
    assert_eq!(ours(1), "0\n", "and behind an alias");
    assert!(ours(2).contains("Matching host key fingerprint found in DNS."), "{}", ours(2));
    assert!(ours(3).contains("Update the SSHFP RR in DNS"), "{}", ours(3));
    assert!(ours(4).contains("signatures are not valid (DNSSEC: bogus)"), "{}", ours(4));
    assert!(ours(4).contains("No matching host key fingerprint found in DNS."), "{}", ours(4));
    assert!(ours(5).contains("its zone is not signed"), "{}", ours(5));
    assert!(ours(5).contains("Matching host key fingerprint found in DNS."), "{}", ours(5));
    // From here on OpenSSH believes a resolver that we need not believe.
    assert_eq!(pairs[6].0, "0\n");
    assert!(ours(6).contains("signatures are not valid (DNSSEC: bogus)"), "{}", ours(6));
    assert_eq!(ours(7), "0\n", "a zone's own anchor is enough");
    // Nothing leads to this zone, so nothing says that it is not signed.
    assert!(ours(8).contains("signatures are not valid (DNSSEC: bogus)"), "{}", ours(8));
    assert_eq!(pairs[9].0, "0\n");
    assert!(ours(9).contains("127.0.0.1 passes no signatures on"), "{}", ours(9));
    for refused in [6, 8, 9] {
        assert!(ours(refused).starts_with("255\n"), "{finished}");
    }
}

fn without_own_words(run: &str) -> String {
    let is_own = |line: &&str| OWN_WORDS.iter().any(|words| line.starts_with(words));
    run.split_inclusive('\n').filter(|line| !is_own(line)).collect()
}
