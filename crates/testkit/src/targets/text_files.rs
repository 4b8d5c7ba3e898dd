//! The line-based files that say whom to trust.

use std::net::{IpAddr, Ipv4Addr};

use keys::PublicKey;
use keys::authorized_keys::parse_line;
use keys::known_hosts::{HostName, KnownHosts};

use crate::key_files::{self, Holder};

/// A known_hosts file, and a host looked up in it.
pub fn known_hosts(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let file = KnownHosts::parse(&text, "known_hosts");
    assert!(file.entries().len() + file.bad_lines().len() <= text.lines().count() + 1);
    let key = file.entries().iter().map(|entry| &entry.key).next();
    for host in [
        HostName::new("host.example.org", 22),
        HostName::new("127.0.0.1", 2222),
        HostName::new("::1", 22),
    ] {
        let _ = file.lookup(&host).count();
        if let Some(key) = key {
            let _ = file.judge(&host, key);
        }
    }
}

/// An authorized_keys file, and a client judged by it.
pub fn authorized_keys(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for line in text.lines() {
        if let Ok(Some(entry)) = parse_line(line) {
            let client = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
            let _ = entry.options.allows_from(Some("host.example.org"), client);
            let _ = entry.options.expires(3600);
            let _ = PublicKey::from_blob(entry.key.blob());
        }
    }
}

/// Plain, hashed, marked and with patterns.
pub fn known_hosts_seeds() -> Vec<Vec<u8>> {
    let key = key_files::public_words(Holder::Host, "ssh-ed25519");
    [
        format!("host.example.org,127.0.0.1 {key}\n[127.0.0.1]:2222 {key} comment\n"),
        format!("@revoked * {key}\n@cert-authority *.example.org,!bad.example.org {key}\n"),
        format!("|1|F1E1KeoE/eEWhi10WpGv4OdiO6Y=|3988QV0VE8wmZL7suNrYQLITLCg= {key}\n"),
        "# comment\n\nbroken line\n".to_owned(),
    ]
    .map(String::into_bytes)
    .to_vec()
}

/// With every option.
pub fn authorized_keys_seeds() -> Vec<Vec<u8>> {
    let key = key_files::public_line(Holder::User, "ssh-ed25519");
    [
        key.clone(),
        format!("restrict,pty,command=\"echo \\\"$SSH_ORIGINAL_COMMAND\\\"\" {key}"),
        format!("from=\"*.example.org,!10.0.0.0/8,192.0.2.0/24\",expiry-time=\"20300101Z\" {key}"),
        format!(
            "environment=\"A=b\",permitopen=\"host:22\",permitlisten=\"*:80\",tunnel=\"1\" {key}"
        ),
        format!("cert-authority,principals=\"a,b\",no-pty,no-touch-required,verify-required {key}"),
    ]
    .map(String::into_bytes)
    .to_vec()
}
