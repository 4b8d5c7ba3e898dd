//! A forwarded agent of which only some keys may be used: stock programs on the server.

use keyway_testkit::{Client, Implementation, Server};

use crate::{Agent, has_openssh};

#[test]
fn only_the_named_keys_are_there() {
    if !has_openssh("only_the_named_keys_are_there") {
        return;
    }
    for agent in [Agent::start(), Agent::of_openssh()] {
        for name in ["login", "shown", "hidden"] {
            agent.make_key(name, "");
        }
        let public = |name: &str| {
            let path = agent.path(&format!("{name}.pub"));
            std::fs::read_to_string(path).expect("public key").trim().to_owned()
        };
        let added = agent.ssh_add(&["-q", "login", "shown", "hidden"]);
        assert!(added.success(), "{added}");
        let server = Server::new(Implementation::OpenSsh).authorized(&[public("login")]).start();
        let there = |keys: &str, command: &str| {
            let mut login = Client::new(Implementation::Ours, &server)
                .option(format!("IdentityAgent={}", agent.socket().display()))
                .option(format!("IdentityFile={}", agent.path("login.pub").display()))
                .option("ForwardAgent=yes");
            if !keys.is_empty() {
                login = login.option(format!("ForwardAgentKeys={keys}"));
            }
            login.command(command).run()
        };
        let all = there("", "ssh-add -L | wc -l");
        assert_eq!(all.text().trim(), "3", "{all}");

        let listed = agent.ssh_add(&["-l"]).text();
        let fingerprint = listed.lines().nth(1).and_then(|line| line.split(' ').nth(1));
        let fingerprint = fingerprint.expect("a fingerprint").to_owned();
        for name in [agent.path("shown").display().to_string(), fingerprint] {
            let shown = there(&name, "ssh-add -L");
            let key = |line: &str| line.split(' ').nth(1).unwrap_or_default().to_owned();
            assert_eq!(shown.text().lines().count(), 1, "{shown}");
            assert_eq!(key(&shown.text()), key(&public("shown")), "{shown}");
        }

        // It signs with the one and not with the other, and cannot be changed.
        let shown = agent.path("shown.pub").display().to_string();
        let hidden = agent.path("hidden.pub").display().to_string();
        let tried = there(
            &shown,
            &format!(
                "for key in {shown} {hidden}; do ssh-add -T $key 2>/dev/null; echo $?; done; \
                 ssh-add -D 2>/dev/null; echo $?; ssh-add {} 2>/dev/null; echo $?; \
                 ssh-add -d {shown} 2>/dev/null; echo $?",
                agent.path("login").display()
            ),
        );
        assert_eq!(tried.text(), "0\n1\n1\n1\n1\n", "{tried}");
        assert_eq!(agent.ssh_add(&["-l"]).text().lines().count(), 3);

        // A name without a key shows nothing at all.
        let none = there("/nonexistent/key", "ssh-add -l");
        assert!(none.text().contains("no identities"), "{none}");
        assert!(none.stderr.contains("/nonexistent/key: there is no key"), "{none}");
    }
}

#[test]
fn destinations_of_keys_still_count() {
    if !has_openssh("destinations_of_keys_still_count") {
        return;
    }
    let agent = Agent::of_openssh();
    agent.make_key("key", "");
    let public = std::fs::read_to_string(agent.path("key.pub")).expect("public key");
    let lines = [public.trim().to_owned()];
    let server = |kind: &str| {
        Server::new(Implementation::OpenSsh).host_keys(&[kind]).authorized(&lines).start()
    };
    let (near, far, other) =
        (server("ssh-ed25519"), server("ecdsa-sha2-nistp256"), server("ecdsa-sha2-nistp384"));
    let known = [&near, &far, &other].map(keyway_testkit::StartedServer::known_hosts).concat();
    std::fs::write(agent.path("known"), known).expect("write");
    let at = |port: u16| format!("[127.0.0.1]:{port}");
    let way = format!("{}>{}", at(near.port), at(far.port));
    let mut add = crate::stock("ssh-add");
    add.args(["-q", "-H", "known", "-h", &at(near.port), "-h", &way, "key"]);
    let added = agent.run(add, &[]);
    assert!(added.success(), "{added}");
    for (server, may) in [(&far, true), (&other, false)] {
        let known = agent.path("known");
        let onward = format!(
            "ssh -F none -oBatchMode=yes -oUserKnownHostsFile={} -p {} 127.0.0.1 echo there",
            known.display(),
            server.port
        );
        let login = Client::new(Implementation::Ours, &near)
            .option(format!("IdentityAgent={}", agent.socket().display()))
            .option(format!("IdentityFile={}", agent.path("key.pub").display()))
            .option("ForwardAgent=yes")
            .option(format!("ForwardAgentKeys={}", agent.path("key.pub").display()))
            .command(&onward)
            .run();
        assert_eq!(login.success(), may, "{login}");
    }
}
