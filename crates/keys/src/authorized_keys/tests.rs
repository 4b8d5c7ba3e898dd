use super::*;
use crate::test_data;

fn key() -> &'static str {
    test_data::public_line("ed25519")
}

fn options(text: &str) -> Options {
    parse_line(&format!("{text} {}", key())).unwrap().unwrap().options
}

fn refused(text: &str) -> String {
    parse_line(&format!("{text} {}", key())).unwrap_err().to_string()
}

#[test]
fn lines_without_options() {
    for line in test_data::PUBLIC_LINES.lines() {
        let entry = parse_line(line).unwrap().unwrap();
        assert_eq!(entry.options, Options::default());
        assert_eq!(entry.key.to_line(&entry.comment), line);
    }
    assert!(parse_line("").unwrap().is_none());
    assert!(parse_line("  # ssh-ed25519").unwrap().is_none());
    assert!(parse_line("\r\n").unwrap().is_none());
}

#[test]
fn every_option() {
    let all = options(concat!(
        r#"RESTRICT,Pty,cert-authority,command="echo \"a, b\" \\ $X",environment="A=b c","#,
        r#"environment="B=",environment="A=second",expiry-time="20300101Z",expiry-time="20290101Z","#,
        r#"from="10.0.0.0/8,!*.example.org",permitopen="a.example.org:80",permitopen="[::1]:*","#,
        r#"permitlisten="8080",permitlisten="localhost:*",principals="alice,bob",tunnel="3","#,
        r#"X11-forwarding,no-touch-required,verify-required"#
    ));
    let expected = Options {
        cert_authority: true,
        restrict: true,
        command: Some(r#"echo "a, b" \\ $X"#.into()),
        environment: vec![("A".into(), "b c".into()), ("B".into(), String::new())],
        expiry_times: vec![
            CivilTime::parse("20300101Z").unwrap(),
            CivilTime::parse("20290101Z").unwrap(),
        ],
        from: Some("10.0.0.0/8,!*.example.org".into()),
        permit_open: vec![
            Permit { host: "a.example.org".into(), port: Some(80) },
            Permit { host: "::1".into(), port: None },
        ],
        permit_listen: vec![
            Permit { host: "*".into(), port: Some(8080) },
            Permit { host: "localhost".into(), port: None },
        ],
        principals: Some(vec!["alice".into(), "bob".into()]),
        tunnel: Some(Tunnel::Unit(3)),
        agent_forwarding: false,
        port_forwarding: false,
        x11_forwarding: true,
        pty: true,
        user_rc: false,
        no_touch_required: true,
        verify_required: true,
    };
    assert_eq!(all, expected);
    assert_eq!(all.expires(0), Some(1_861_920_000));
    let client = "10.1.1.1".parse().unwrap();
    assert!(all.allows_from(None, client).unwrap());
    assert!(!all.allows_from(Some("x.example.org"), client).unwrap());

    let off = options("no-pty,no-port-forwarding,no-agent-forwarding,no-X11-forwarding,no-user-rc");
    assert!(!off.pty && !off.port_forwarding && !off.agent_forwarding);
    assert!(!off.x11_forwarding && !off.user_rc && !off.restrict);
}

#[test]
fn refusals_say_why() {
    for (text, reason) in [
        ("nonsense", "unknown key option \"nonsense\""),
        ("no-restrict", "unknown key option"),
        ("no-cert-authority", "unknown key option"),
        ("nonsense=\"x\"", "unknown key option"),
        ("command=x", "missing start quote"),
        ("command=\"x", "missing end quote"),
        ("command=\"x\",command=\"y\"", "multiple \"command\""),
        ("from=\"a\",from=\"b\"", "multiple \"from\""),
        ("from=\"10.0.0.1/8\"", "invalid \"from\""),
        ("principals=\"a\",principals=\"b\"", "multiple \"principals\""),
        ("expiry-time=\"soon\"", "invalid expires time"),
        ("environment=\"A\"", "invalid environment"),
        ("environment=\"A-B=c\"", "invalid environment"),
        ("permitopen=\"host\"", "invalid permission port"),
        ("permitopen=\"80\"", "invalid permission port"),
        ("permitopen=\"host:0\"", "invalid permission port"),
        ("permitopen=\":80\"", "invalid permission hostname"),
        ("permitlisten=\"host:x\"", "invalid permission port"),
        ("tunnel=\"x\"", "invalid tun device"),
        ("pty,", "unexpected end-of-options"),
        ("command=\"x\"pty", "a comma is missing"),
    ] {
        let message = refused(text);
        assert!(message.contains(reason), "{text}: {message}");
    }
    assert!(matches!(parse_line("restrict"), Err(Error::UnknownType(_))));
    assert!(matches!(parse_line("restrict ssh-ed25519"), Err(Error::NoKey)));
    assert!(matches!(parse_line("ssh-ed25519 AAAA"), Err(Error::Malformed(_))));
    assert!(matches!(parse_line("restrict ssh-dss AAAA"), Err(Error::Dsa)));
}

#[test]
fn limits_hold() {
    let many = vec!["permitopen=\"a:1\""; limits::PERMITS].join(",");
    assert_eq!(options(&many).permit_open.len(), limits::PERMITS);
    assert!(refused(&format!("{many},permitopen=\"a:1\"")).contains("too many"));
}
