//! What servers are told about themselves.

use std::process::Command;

use crate::fixture::{panel, run};

#[test]
fn servers_are_told_about_themselves() {
    let Some(mut panel) = panel() else { return };
    let data = panel.folder.path().join("user-data");
    std::fs::write(&data, "#!/bin/sh\necho mine\n").unwrap();
    panel.order(&[
        "server",
        "create",
        "one",
        "--key",
        "key",
        "--user-data",
        data.to_str().unwrap(),
    ]);
    panel.order(&["server", "create", "two", "--key", "key"]);
    let servers = panel.servers();
    let at = |name: &str| servers.iter().find(|[other, ..]| other == name).unwrap()[2].clone();
    let (one, two) = (at("one"), at("two"));
    let ask = |address: &str, path: &str| {
        panel.inside(address, &format!("curl -sf -m 5 http://169.254.169.254/{path} || echo $?"))
    };
    for (name, address) in [("one", &one), ("two", &two)] {
        assert_eq!(ask(address, "latest/meta-data/local-ipv4"), *address);
        assert_eq!(ask(address, "2009-04-04/meta-data/hostname"), name);
        assert_eq!(ask(address, "latest/meta-data/public-keys/"), "0=key");
        let meta: serde_json::Value =
            serde_json::from_str(&ask(address, "openstack/latest/meta_data.json")).unwrap();
        assert_eq!(meta["name"], name);
        assert_eq!(meta["uuid"], ask(address, "latest/meta-data/instance-id"));
    }
    let line = std::fs::read_to_string(panel.folder.path().join("key.pub")).unwrap();
    let key = ask(&one, "latest/meta-data/public-keys/0/openssh-key");
    assert!(
        !key.is_empty() && line.starts_with(key.rsplit_once(' ').map_or(&*key, |(key, _)| key))
    );
    assert_eq!(ask(&one, "latest/user-data"), "#!/bin/sh\necho mine");
    assert_eq!(ask(&one, "openstack/2018-08-27/user_data"), "#!/bin/sh\necho mine");
    assert_eq!(ask(&two, "latest/user-data"), "22", "there is none");
    assert_eq!(ask(&two, "").lines().next_back(), Some("openstack"));

    // With EC2's second version's tokens, which are one server's.
    let token = |address: &str, seconds: &str| {
        let header = format!("X-aws-ec2-metadata-token-ttl-seconds: {seconds}");
        let url = "http://169.254.169.254/latest/api/token";
        panel.inside(
            address,
            &format!("curl -s -m 5 -X PUT -H '{header}' {url} -w ' %{{http_code}}'"),
        )
    };
    let with_token = |address: &str, token: &str| {
        let header = format!("X-aws-ec2-metadata-token: {token}");
        let url = "http://169.254.169.254/latest/meta-data/hostname";
        panel.inside(address, &format!("curl -s -m 5 -H '{header}' {url} -w ' %{{http_code}}'"))
    };
    let told = token(&one, "21600");
    let ones = told.strip_suffix(" 200").unwrap_or_else(|| panic!("{told}"));
    assert_eq!(with_token(&one, ones), "one 200");
    assert_eq!(with_token(&two, ones), "401");
    assert_eq!(with_token(&one, "made-up"), "401");
    assert_eq!(token(&one, "21601"), "400");

    // The service itself is nobody's but servers', and only by that address.
    for address in ["169.254.1.1", "169.254.169.254"] {
        let url = format!("http://{address}/latest/meta-data/");
        let asked = Command::new("curl").args(["-s", "-m", "2", &url]).output().unwrap();
        assert!(!asked.status.success() && asked.stdout.is_empty(), "{asked:?}");
    }
    let by_gateway = "curl -s -m 2 http://169.254.1.1/latest/meta-data/ || echo refused";
    assert_eq!(panel.inside(&one, by_gateway), "refused");
    let panel_itself = "curl -s -m 2 http://169.254.1.1:18080/ || echo refused";
    assert_eq!(panel.inside(&one, panel_itself), "refused");

    // With the last server, and the panel, everything goes.
    panel.order(&["server", "delete", "one"]);
    panel.order(&["server", "delete", "two"]);
    panel.end("-TERM");
    assert!(!run("nft", &["list", "tables"]).contains("keyway_"));
    assert!(panel.left().values().all(|left| *left == 0), "{:?}", panel.left());
}
