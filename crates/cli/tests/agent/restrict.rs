//! Keys that may be used only on the way to certain hosts, with stock and our own programs.

use keyway_testkit::{Client, Implementation, Server};

use crate::{Agent, has_openssh};

#[test]
fn a_restricted_key_logs_in_where_it_may() {
    if !has_openssh("a_restricted_key_logs_in_where_it_may") {
        return;
    }
    let agent = Agent::start();
    agent.make_key("key", "");
    let public = std::fs::read_to_string(agent.path("key.pub")).expect("public key");
    let lines = [public.trim().to_owned()];
    let server = |kind: &str| {
        Server::new(Implementation::OpenSsh).host_keys(&[kind]).authorized(&lines).start()
    };
    let (right, wrong) = (server("ssh-ed25519"), server("ecdsa-sha2-nistp256"));
    std::fs::write(agent.path("known"), right.known_hosts()).expect("write");
    let destination = format!("[127.0.0.1]:{}", right.port);
    let added = agent.ssh_add(&["-q", "-H", "known", "-h", &destination, "key"]);
    assert!(added.success(), "{added}");
    for implementation in [Implementation::OpenSsh, Implementation::Ours] {
        for (server, may) in [(&right, true), (&wrong, false)] {
            let login = Client::new(implementation, server)
                .option(format!("IdentityAgent={}", agent.socket().display()))
                .option(format!("IdentityFile={}", agent.path("key.pub").display()))
                .option("IdentitiesOnly=yes")
                .command("echo in")
                .run();
            assert_eq!(login.success(), may, "{implementation:?}: {login}");
        }
    }
    let unknown = agent.ssh_add(&["-H", "known", "-h", "nowhere.example", "key"]);
    assert_eq!(unknown.code(), Some(255), "{unknown}");
}
