//! PKCS#11: SoftHSM, a token in software, with keys that our `ssh-keygen` has made.

use keyway_testkit::{Client, Implementation, Running, Server};

use crate::{Place, first_of};

/// The keys that go into the token.
const KEYS: [(&str, &[&str]); 4] = [
    ("rsa", &["-t", "rsa", "-b", "2048"]),
    ("p256", &["-t", "ecdsa", "-b", "256"]),
    ("p384", &["-t", "ecdsa", "-b", "384"]),
    ("ed25519", &["-t", "ed25519"]),
];

/// A token with these keys, and the library that reaches it.
fn token(test: &str) -> Option<(Place, String)> {
    let library = first_of(
        test,
        "SoftHSM (softhsm2)",
        &["/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so"],
    )?;
    let place = Place::new();
    std::fs::create_dir(place.path("tokens")).expect("a folder");
    place.write(
        "softhsm.conf",
        &format!("directories.tokendir = {}\nlog.level = ERROR\n", place.text("tokens")),
    );
    let place = {
        let settings = place.text("softhsm.conf");
        place.with("SOFTHSM2_CONF", &settings)
    };
    place.good(
        "softhsm2-util",
        &["--init-token", "--free", "--label", "box", "--pin", "1234", "--so-pin", "5678"],
    );
    for (index, (name, flags)) in KEYS.iter().enumerate() {
        place.good("our ssh-keygen", &[*flags, &["-q", "-N", "", "-f", name]].concat());
        let key = std::fs::read(place.path(name)).expect("a key");
        let key = keys::PrivateKey::parse(&key, None).expect("a key");
        let text = key.to_pkcs8(None).expect("PKCS#8").expect("PKCS#8");
        place.write("import", &text);
        let id = format!("0{index}");
        let words = ["--import", "import", "--token", "box", "--label", name, "--id", &id];
        let mut words = words.to_vec();
        words.extend(["--pin", "1234"]);
        place.good("softhsm2-util", &words);
        std::fs::remove_file(place.path(name)).expect("the token alone has it");
    }
    Some((place, library))
}

/// Type and text of public keys in order, with and without comments.
fn sorted(lines: &str) -> Vec<String> {
    let mut lines: Vec<String> = lines
        .lines()
        .map(|line| line.split_whitespace().take(2).collect::<Vec<_>>().join(" "))
        .collect();
    lines.sort();
    lines
}

#[test]
fn keys_are_listed() {
    let Some((place, library)) = token("keys_are_listed") else { return };
    let ours = place.good("our ssh-keygen", &["-D", &library]);
    let made: String = KEYS.iter().map(|(name, _)| place.read(&format!("{name}.pub"))).collect();
    assert_eq!(sorted(&ours), sorted(&made));
    assert!(ours.lines().any(|line| line.ends_with(" p256")), "{ours}");
    // OpenSSH 9.2 knows no Ed25519 there.
    for line in place.good("ssh-keygen", &["-D", &library]).lines() {
        assert!(ours.contains(line), "{line}");
    }
    let fingerprints = place.good("our ssh-keygen", &["-l", "-D", &library]);
    assert!(fingerprints.contains(" RSA (PKCS11 key)\n"), "{fingerprints}");
    let refused = place.run("our ssh-keygen", &["-D", "/nowhere.so"]);
    assert!(refused.stderr.starts_with("cannot read public key from pkcs11: "), "{refused}");
    let refused = place.run("our ssh-keygen", &["-D", "libc.so.6"]);
    assert!(refused.stderr.contains("is not a PKCS11 library"), "{refused}");
    // A CA in the token.
    place.good("our ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", "user"]);
    for name in ["rsa", "p384", "ed25519"] {
        let ca = format!("{name}.pub");
        let words = ["-s", &ca, "-D", &library, "-I", "id", "-n", "me", "user.pub"];
        place.good("our ssh-keygen", &words);
        let shown = place.good("ssh-keygen", &["-L", "-f", "user-cert.pub"]);
        assert!(shown.contains("Key ID: \"id\""), "{shown}");
    }
}

#[test]
fn agents_hold_tokens() {
    let Some((token, library)) = token("agents_hold_tokens") else { return };
    for (agent, adder, count) in [
        ("our ssh-agent", "ssh-add", 4),
        ("our ssh-agent", "our ssh-add", 4),
        ("ssh-agent", "our ssh-add", 3),
    ] {
        let (place, running) = token.with_agent(agent, &[]);
        place.good(adder, &["-q", "-s", &library]);
        let listed = place.good(adder, &["-l"]);
        assert_eq!(listed.lines().count(), count, "{listed}");
        for (name, _) in KEYS.iter().take(count) {
            place.good(adder, &["-T", &format!("{name}.pub")]);
        }
        assert_eq!(place.run(adder, &["-s", "/nowhere.so"]).code(), Some(1));
        place.good(adder, &["-e", &library]);
        assert_eq!(place.run(adder, &["-l"]).code(), Some(1));
        if agent.starts_with("our ") {
            assert_eq!(helpers_of(&running), 0, "no key is left for a helper");
        }
    }
}

/// The agent's processes for libraries.
fn helpers_of(agent: &Running) -> usize {
    let id = agent.id();
    let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
    children.unwrap_or_default().split_whitespace().count()
}

#[test]
fn logins_with_a_token() {
    let Some((place, library)) = token("logins_with_a_token") else { return };
    let settings = place.text("softhsm.conf");
    for (name, _) in KEYS {
        let line = place.read(&format!("{name}.pub"));
        let server = Server::new(Implementation::OpenSsh).authorized(&[line]).start();
        let mut client = Client::new(Implementation::Ours, &server)
            .arg("-I")
            .arg(&library)
            .option("BatchMode=no")
            .key(&place.path("none"))
            .env("SOFTHSM2_CONF", &settings)
            .answering("1234")
            .command("echo in");
        let ran = client.run();
        assert_eq!(ran.text().trim(), "in", "{name}: {ran}");
        assert!(client.questions().contains("Enter PIN for 'box': "), "{}", client.questions());
    }
}

#[test]
fn a_wrong_pin_is_tried_once() {
    let Some((place, library)) = token("a_wrong_pin_is_tried_once") else { return };
    place.write("askpass", "#!/bin/sh\necho wrong\n");
    std::fs::set_permissions(
        place.path("askpass"),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .expect("chmod");
    let (place, _agent) = place.with_agent("our ssh-agent", &[]);
    assert_eq!(place.run("our ssh-add", &["-s", &library]).code(), Some(1));
    let log = place.read("agent.log");
    assert_eq!(log.matches("PIN incorrect").count(), 2, "said and reported: {log}");
}
