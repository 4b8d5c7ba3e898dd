//! `ssh explain`, `sshd explain`, `ssh -Z`, and names that are made canonical.

use std::fs;
use std::process::Command;

use keyway_testkit::Finished;
use keyway_testkit::key_files::{self, Holder};
use keyway_testkit::process::{DEADLINE, run};

use crate::keyway;

fn explain(tool: &str, words: &[&str]) -> Finished {
    run(keyway(tool).arg("explain").args(words), b"", DEADLINE)
}

#[test]
fn every_value_has_its_place() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (config, known) = (path("config"), path("known_hosts"));
    let key = key_files::private(Holder::User, "ssh-ed25519").display().to_string();
    fs::write(&known, key_files::known_hosts(2201, &["ssh-ed25519"])).expect("write");
    let text = format!(
        "Host web\n HostName 127.0.0.1\n Port 2201\n IdentityFile {key}\n\
         UserKnownHostsFile {known}\nHost other\n Port 1\nHost *\n Port 2\n\
         ProxyCommand nc %h %p\nMatch exec \"exit 1\"\n User x\n"
    );
    fs::write(&config, text).expect("write");
    let page = explain("ssh", &["-F", &config, "web"]);
    assert!(page.success(), "{page}");
    for part in [
        &format!("{config}:3"),
        &format!("applies  {config}:1  Host web"),
        &format!("skipped  {config}:6  Host other  (no pattern fits web)"),
        &format!("{config}:9  Port 2  ({config}:3 had set it)"),
        "exec: the command failed",
        "nc 127.0.0.1 2201",
        &format!("1. {key} ED25519 SHA256:"),
        &format!("{known}:1 ED25519 SHA256:"),
        "more have their built-in default",
    ] {
        assert!(page.text().contains(part), "{part}: {page}");
    }
    assert!(!page.text().contains('\x1b'), "no terminal, no colour: {page}");

    let json = explain("ssh", &["--json", "web", "-F", &config, "-p", "9"]);
    let json: serde_json::Value = serde_json::from_str(&json.text()).expect("JSON");
    assert_eq!((&json["hostname"], &json["port"]), (&"127.0.0.1".into(), &9.into()));
    let values = json["values"].as_array().expect("values");
    let port = values.iter().find(|one| one["keyword"] == "Port").expect("Port");
    assert_eq!(port["origin"]["kind"], "command-line");
    let agent = values.iter().find(|one| one["keyword"] == "ForwardAgent").expect("ForwardAgent");
    assert_eq!((&agent["value"], &agent["origin"]["kind"]), (&"no".into(), &"default".into()));
    assert_eq!(json["keys"][0]["origin"]["line"], 4);
    assert_eq!(json["known_hosts"]["name"], "[127.0.0.1]:9");

    let keys = run(keyway("ssh").args(["-Z", "-F", &config, "web"]), b"", DEADLINE);
    assert!(keys.text().starts_with(&format!("{key} ED25519 SHA256:")), "{keys}");
    assert_eq!(keys.text().lines().count(), 1, "{keys}");
    // The word alone is a host.
    let host = run(keyway("ssh").args(["-G", "explain"]), b"", DEADLINE);
    assert!(host.text().starts_with("host explain\n"), "{host}");
}

#[test]
fn servers_explain_themselves_too() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let config = folder.path().join("sshd_config").display().to_string();
    fs::write(
        &config,
        "MaxSessions 4\nMaxSessions 5\nMatch User ann\n PermitTTY no\n\
         Match Address 10.0.0.0/8\n Banner /x\n MaxSessions 6\n",
    )
    .expect("write");
    let page = explain("sshd", &["-f", &config, "--user", "root", "--addr", "10.1.1.1"]);
    assert!(page.success(), "{page}");
    for part in [
        &format!("MaxSessions  6   {config}:7"),
        &format!("skipped  {config}:3  Match User ann  (User ann: not for the user: root)"),
        &format!("applies  {config}:5  Match Address 10.0.0.0/8"),
        &format!("{config}:2  MaxSessions 5  ({config}:1 had set it)"),
    ] {
        assert!(page.text().contains(part.as_str()), "{part}: {page}");
    }
    let json = explain("sshd", &["--json", "-f", &config, "--user=ann"]);
    let json: serde_json::Value = serde_json::from_str(&json.text()).expect("JSON");
    let values = json["values"].as_array().expect("values");
    let tty = values.iter().find(|one| one["keyword"] == "PermitTTY").expect("PermitTTY");
    assert_eq!((&tty["value"], &tty["origin"]["line"]), (&"no".into(), &4.into()));
    assert_eq!(explain("sshd", &["--colour", "red"]).code(), Some(255));
}

/// OpenSSH and we look up the same names and read the configuration again for the same host.
#[test]
fn canonical_names() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let config = path("config");
    fs::write(
        &config,
        "CanonicalizeHostname yes\nCanonicalDomains a.test b.test\nCanonicalizeMaxDots 1\n\
         CanonicalizePermittedCNAMEs *.b.test:*.c.test\nHost *.a.test\n Port 2\n\
         Match canonical host *.c.test\n Port 3\nHost www\n User typed\n\
         Match host 10.* \n Port 4\n",
    )
    .expect("write");
    fs::write(path("names.py"), include_str!("names.py")).expect("write");
    // A name service of our own, in name spaces of our own.
    let script = format!(
        "ip link set lo up && echo 'nameserver 127.0.0.1' >'{0}' && \
         mount --bind '{0}' /etc/resolv.conf && echo 'hosts: files dns' >'{1}' && \
         mount --bind '{1}' /etc/nsswitch.conf && exec python3 '{2}' '{config}' '{3}'",
        path("resolv.conf"),
        path("nsswitch.conf"),
        path("names.py"),
        env!("CARGO_BIN_EXE_keyway"),
    );
    let answers = run(Command::new("unshare").args(["-mn", "sh", "-c", &script]), b"", DEADLINE);
    let Ok(answers) = serde_json::from_str::<serde_json::Value>(&answers.text()) else {
        eprintln!("not run: needs ssh, python3, and the right to name spaces: {answers}");
        return;
    };
    let answers = answers.as_array().expect("a list");
    assert!(answers.len() > 10);
    for answer in answers {
        assert_eq!(answer["ours"], answer["theirs"], "{answer:#}");
    }
    let hosts: Vec<_> = answers.iter().filter_map(|a| a["ours"][1][1].as_str()).collect();
    for host in ["hostname www.a.test", "hostname real.c.test", "hostname ftp.b.test"] {
        assert!(hosts.contains(&host), "{host}: {hosts:?}");
    }
}
