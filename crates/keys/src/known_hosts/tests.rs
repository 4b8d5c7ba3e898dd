use super::*;
use crate::test_data::{self, public_line};

/// The last three lines were hashed by `ssh-keygen -H`.
const TEXT: &str = include_str!("../test_data/known_hosts.txt");

fn key(comment: &str) -> PublicKey {
    PublicKey::from_line(public_line(comment)).unwrap().0
}

fn lines(known: &KnownHosts, host: &str, port: u16) -> Vec<usize> {
    let host = HostName::new(host, port);
    // Every host matches the revoked key, which is of no interest here.
    known
        .lookup(&host)
        .filter(|entry| entry.marker != Some(Marker::Revoked))
        .map(|entry| entry.line)
        .collect()
}

#[test]
fn lookups() {
    let known = KnownHosts::parse(TEXT, "file");
    assert_eq!(lines(&known, "wild1.example.org", 22), [3]);
    assert_eq!(lines(&known, "WILD1.Example.org", 22), [3]);
    assert_eq!(lines(&known, "wild2.example.org", 22), [0; 0]);
    assert_eq!(lines(&known, "indented.example.org", 22), [4]);
    assert_eq!(lines(&known, "indented.example.org", 2222), [0; 0]);
    assert_eq!(lines(&known, "x.ca.example.org", 22), [5]);
    assert_eq!(lines(&known, "two.example.org", 2222), [10]);
    assert_eq!(lines(&known, "two.example.org", 22), [10, 11]);
    assert_eq!(lines(&known, "plain.example.org", 22), [12]);
    assert_eq!(lines(&known, "Plain.example.org", 22), [12]);
    assert_eq!(lines(&known, "192.0.2.1", 22), [13]);
    assert_eq!(lines(&known, "port.example.org", 2222), [14]);
    assert_eq!(lines(&known, "port.example.org", 22), [0; 0]);
    let entry = known.lookup(&HostName::new("indented.example.org", 22)).nth(1).unwrap();
    assert_eq!((&*entry.source, entry.comment.as_str(), entry.is_hashed()), ("file", "", false));
    let entry = known.lookup(&HostName::new("indented.example.org", 22)).next().unwrap();
    assert_eq!(entry.comment, "with a comment");
    assert!(known.entries().last().unwrap().is_hashed());
}

#[test]
fn bad_lines_are_counted_and_skipped() {
    let known = KnownHosts::parse(TEXT, "file");
    let bad: Vec<_> = known.bad_lines().iter().map(|bad| bad.line).collect();
    assert_eq!(bad, [7, 8, 9]);
    assert!(matches!(known.bad_lines()[0].error, Error::UnknownType(_)));
    let known = KnownHosts::parse("|1|AAAA|AAAA ssh-ed25519 x\nhost\n", "");
    assert_eq!(known.bad_lines().len(), 2);
}

#[test]
fn verdicts() {
    let known = KnownHosts::parse(TEXT, "file");
    let judge = |host: &str, key: &PublicKey| known.judge(&HostName::new(host, 22), key);
    assert!(
        matches!(judge("two.example.org", &key("ed25519")), Verdict::Known(entry) if entry.line == 10)
    );
    assert!(matches!(judge("two.example.org", &key("rsa")), Verdict::Known(_)));
    assert!(matches!(judge("nobody.example.org", &key("rsa")), Verdict::Unknown));
    assert!(matches!(judge("plain.example.org", &key("rsa")), Verdict::OtherTypes(_)));
    assert!(matches!(judge("two.example.org", &key("ecdsa256")), Verdict::Revoked(_)));

    let user = key("user-cert-ed25519");
    assert!(matches!(judge("a.ca.example.org", &user), Verdict::CertAuthority(_)));
    assert!(matches!(judge("two.example.org", &user), Verdict::Known(_)));
    let ca = &user.certificate().unwrap().signature_key;
    let Verdict::Changed(entries) = judge("two.example.org", ca) else { panic!() };
    assert_eq!(entries.len(), 1);
}

#[test]
fn edits_leave_other_lines_alone() {
    let without = remove_host(TEXT, &HostName::new("plain.example.org", 22));
    assert_eq!(without.lines, [12]);
    let expected: String = TEXT
        .split_inclusive('\n')
        .enumerate()
        .filter(|(at, _)| *at != 11)
        .map(|(_, l)| l)
        .collect();
    assert_eq!(without.text, expected);
    // The marked lines match too, but stay.
    let none = remove_host(TEXT, &HostName::new("x.ca.example.org", 22));
    assert_eq!((none.text.as_str(), none.lines.len()), (TEXT, 0));
    // A line of a type from the future is the host's too.
    assert_eq!(remove_host(TEXT, &HostName::new("future.example.org", 22)).lines, [7]);

    let host = HostName::new("two.example.org", 22);
    assert_eq!(remove_keys(TEXT, &host, &[key("rsa")]).lines, [11]);
    let replaced = replace_host(TEXT.trim_end(), &host, &[key("ecdsa384")], true);
    assert_eq!(replaced.lines, [10, 11]);
    let known = KnownHosts::parse(&replaced.text, "");
    assert!(matches!(known.judge(&host, &key("ecdsa384")), Verdict::Known(_)));
    assert!(matches!(known.judge(&host, &key("rsa")), Verdict::OtherTypes(_)));
}

#[test]
fn hashing_keeps_what_is_known() {
    let edit = hash_names(TEXT);
    assert_eq!(edit.lines, [4, 10, 11]);
    assert!(!edit.text.contains("two.example.org") && edit.text.contains("wild*"));
    let known = KnownHosts::parse(&edit.text, "");
    for (host, port) in [("two.example.org", 22), ("two.example.org", 2222), ("192.0.2.1", 22)] {
        let verdict = known.judge(&HostName::new(host, port), &key("ed25519"));
        assert!(matches!(verdict, Verdict::Known(_)), "{host}");
    }
}

#[test]
fn new_lines_read_back() {
    let hosts = [HostName::new("a.example.org", 22), HostName::new("192.0.2.9", 2222)];
    for comment in test_data::PUBLIC_LINES.lines().filter_map(|line| line.split(' ').nth(2)) {
        let key = key(comment);
        for hashed in [false, true] {
            let text = new_lines(&hosts, &key, "c", hashed);
            assert_eq!(text.lines().count(), if hashed { 2 } else { 1 });
            let known = KnownHosts::parse(&text, "");
            for host in &hosts {
                assert!(matches!(known.judge(host, &key.plain()), Verdict::Known(_)));
            }
        }
    }
}
