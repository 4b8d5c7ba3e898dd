//! Security keys through a library of OpenSSH's middleware interface: `sk-dummy.so`, which its
//! own tests use.

use keyway_testkit::{Client, Implementation, Server};

use crate::{Place, first_of};

fn sk_dummy(test: &str) -> Option<String> {
    let paths = ["/usr/lib/openssh/regress/misc/sk-dummy/sk-dummy.so"];
    first_of(test, "sk-dummy.so (openssh-tests)", &paths)
}

#[test]
fn keys_and_signatures_go_both_ways() {
    let Some(library) = sk_dummy("keys_and_signatures_go_both_ways") else { return };
    let place = Place::new().with("SSH_SK_PROVIDER", &library);
    place.write("message", "what is signed\n");
    for kind in ["ed25519-sk", "ecdsa-sk"] {
        for maker in ["our ssh-keygen", "ssh-keygen"] {
            let name = format!("{}-{kind}", maker.len());
            let said = place.good(maker, &["-t", kind, "-N", "", "-C", "me", "-f", &name]);
            assert!(
                said.starts_with(&format!(
                    "Generating public/private {kind} key pair.\n\
                     You may need to touch your authenticator to authorize key generation.\n\
                     Your identification has been saved in {name}\n"
                )),
                "{said}"
            );
            assert_eq!(
                place.good("ssh-keygen", &["-l", "-f", &name]),
                place.good("our ssh-keygen", &["-l", "-f", &name])
            );
            for signer in ["our ssh-keygen", "ssh-keygen"] {
                place.good(signer, &["-Y", "sign", "-f", &name, "-n", "file", "message"]);
                place.check_signature(&name);
            }
            // As a CA, too.
            place.good("our ssh-keygen", &["-s", &name, "-I", "id", "-n", "me", &name]);
            let shown = place.good("ssh-keygen", &["-L", "-f", &format!("{name}-cert.pub")]);
            assert!(shown.contains("Key ID: \"id\""), "{shown}");
        }
    }
}

#[test]
fn logins_with_every_pair_of_programs() {
    let Some(library) = sk_dummy("logins_with_every_pair_of_programs") else { return };
    let place = Place::new().with("SSH_SK_PROVIDER", &library);
    let mut lines = Vec::new();
    for (maker, name, kind) in
        [("our ssh-keygen", "ours", "ed25519-sk"), ("ssh-keygen", "theirs", "ecdsa-sk")]
    {
        place.good(maker, &["-q", "-t", kind, "-N", "", "-f", name]);
        lines.push(place.read(&format!("{name}.pub")));
    }
    for server in [Implementation::OpenSsh, Implementation::Ours] {
        let server = Server::new(server).authorized(&lines).start();
        for client in [Implementation::OpenSsh, Implementation::Ours] {
            for name in ["ours", "theirs"] {
                let client = Client::new(client, &server)
                    .option(format!("SecurityKeyProvider={library}"))
                    .key(&place.path(name))
                    .command("echo in")
                    .run();
                assert_eq!(client.text().trim(), "in", "{name}: {client}");
            }
        }
    }
}

/// Nobody touches anything, although the keys are made to want that.
#[test]
fn hosts_are_known_by_security_keys() {
    let Some(library) = sk_dummy("hosts_are_known_by_security_keys") else { return };
    let place = Place::new().with("SSH_SK_PROVIDER", &library);
    let types = [
        ("ed25519-sk", "sk-ssh-ed25519@openssh.com"),
        ("ecdsa-sk", "sk-ecdsa-sha2-nistp256@openssh.com"),
    ];
    for (kind, _) in types {
        place.good("our ssh-keygen", &["-q", "-t", kind, "-N", "", "-f", kind]);
    }
    for server in [Implementation::OpenSsh, Implementation::Ours] {
        let mut server = Server::new(server).config(format!("SecurityKeyProvider {library}"));
        for (kind, _) in types {
            server = server.config(format!("HostKey {}", place.path(kind).display()));
        }
        let server = server.start();
        for client in [Implementation::OpenSsh, Implementation::Ours] {
            for (kind, algorithm) in types {
                let known =
                    format!("[127.0.0.1]:{} {}", server.port, place.read(&format!("{kind}.pub")));
                let client = Client::new(client, &server)
                    .known_hosts(&known)
                    .option(format!("HostKeyAlgorithms={algorithm}"))
                    .command("echo in")
                    .run();
                assert_eq!(client.text().trim(), "in", "{algorithm}: {client}");
            }
        }
    }
}

#[test]
fn agents_hold_security_keys() {
    let Some(library) = sk_dummy("agents_hold_security_keys") else { return };
    for (agent, adder) in [
        ("our ssh-agent", "ssh-add"),
        ("our ssh-agent", "our ssh-add"),
        ("ssh-agent", "our ssh-add"),
    ] {
        let place = Place::new().with("SSH_SK_PROVIDER", &library);
        let (place, _agent) = place.with_agent(agent, &[]);
        for kind in ["ed25519-sk", "ecdsa-sk"] {
            place.good("our ssh-keygen", &["-q", "-t", kind, "-N", "", "-f", kind]);
            place.good(adder, &["-q", kind]);
            place.good(adder, &["-T", &format!("{kind}.pub")]);
        }
        let asked = place.read("asked");
        let told =
            asked.lines().filter(|line| line.starts_with("none: Confirm user presence for key E"));
        assert_eq!(told.count(), 2, "{asked}");
    }
}

#[test]
fn agents_load_only_libraries_that_are_allowed() {
    let Some(library) = sk_dummy("agents_load_only_libraries_that_are_allowed") else { return };
    let place = Place::new().with("SSH_SK_PROVIDER", &library);
    let (place, _agent) = place.with_agent("our ssh-agent", &["-P", "/nowhere/*"]);
    place.good("our ssh-keygen", &["-q", "-t", "ed25519-sk", "-N", "", "-f", "key"]);
    for adder in ["ssh-add", "our ssh-add"] {
        assert_eq!(place.run(adder, &["key"]).code(), Some(1), "{adder}");
        assert_eq!(place.run(adder, &["-s", &library]).code(), Some(1), "{adder}");
    }
    assert!(place.read("agent.log").contains("is not allowed (see -P)"));
}

#[test]
fn what_is_wrong_is_said() {
    let Some(library) = sk_dummy("what_is_wrong_is_said") else { return };
    let place = Place::new().with("SSH_SK_PROVIDER", &library);
    let make = |more: &[&str]| {
        let words = [&["-q", "-t", "ed25519-sk", "-N", "", "-f", "key"], more].concat();
        let finished = place.run("our ssh-keygen", &words);
        assert_eq!(finished.code(), Some(255), "{finished}");
        assert!(!place.path("key").exists());
        finished.stderr.trim().to_owned()
    };
    assert!(make(&["-w", "/nowhere.so"]).starts_with("Key enrollment failed: Provider"));
    assert!(make(&["-w", "libc.so.6"]).ends_with("it is not an OpenSSH FIDO library"));
    assert_eq!(make(&["-O", "application=x"]), "FIDO application string must begin with \"ssh:\"");
    assert_eq!(
        make(&["-O", "color=red"]),
        "Option \"color=red\" is unsupported for FIDO authenticator enrollment"
    );
    // This library knows no users.
    assert!(make(&["-O", "user=me"]).starts_with("Key enrollment failed: Provider"));
    let download = place.run("our ssh-keygen", &["-K"]);
    assert!(download.stderr.contains("requested feature not supported"), "{download}");
    let download = place.run("our ssh-keygen", &["-K", "-O", "user=me"]);
    assert!(download.stderr.contains("is unsupported for FIDO authenticator download"));
}
