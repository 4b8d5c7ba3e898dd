//! How findings are told.

use std::fs;

use keyway_testkit::process::run;
use keyway_testkit::ssh::free_port;

use crate::{DEADLINE, User, keyway, right_key};

#[test]
fn a_report_without_names() {
    let user = User::new();
    let file = user.path("report");
    let port = free_port().to_string();
    let config =
        format!("Host secret-box\n    HostName 127.0.0.1\n    Port {port}\n    User annabel\n");
    let config = user.write("config", &config, 0o600);
    let mut command = keyway("ssh");
    command.args(["doctor", "--report"]).arg(&file).arg("-F").arg(&config);
    let finished = run(command.arg("-i").arg(right_key()).arg("secret-box"), b"", DEADLINE);
    assert_eq!(finished.code(), Some(1), "{finished}");
    assert!(finished.text().contains("(certain, connection-refused)"), "{finished}");
    let report = fs::read_to_string(&file).unwrap_or_default();
    assert!(report.contains("connection-refused"), "{report}");
    for secret in ["secret-box", "annabel"] {
        assert!(!report.contains(secret), "{report}");
    }
}

#[test]
fn wrong_calls() {
    for words in
        [&["doctor", "--report"][..], &["doctor", "-Q", "cipher"], &["doctor", "--json", "-F"]]
    {
        let finished = run(keyway("ssh").args(words), b"", DEADLINE);
        assert_eq!(finished.code(), Some(2), "{words:?}: {finished}");
    }
    let finished = run(keyway("sshd").args(["doctor", "--nothing"]), b"", DEADLINE);
    assert_eq!(finished.code(), Some(2), "{finished}");
}
