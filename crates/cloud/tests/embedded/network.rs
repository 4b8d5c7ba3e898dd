//! What servers reach by the network: of this machine, and of each other.

use std::net::TcpListener;
use std::process::Command;

use cloud::Cloud;
use cloud::model::Server;

use crate::fixture::{Fixture, fixture, own_network, place};

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Whether a connection from the server comes about.
fn reaches(f: &Fixture, server: &Server, address: &str, port: u16) -> bool {
    let knock = format!(
        "timeout 2 bash -c '</dev/tcp/{address}/{port}' 2>/dev/null && echo open || echo closed"
    );
    match f.inside(server, &knock).as_str() {
        "open" => true,
        "closed" => false,
        other => panic!("{other}"),
    }
}

fn has_rules() -> bool {
    run("nft", &["list", "tables"]).contains("keyway_")
}

#[test]
fn servers_reach_nothing_of_the_machine() {
    if !own_network() {
        return;
    }
    run("ip", &["link", "add", "other0", "type", "veth", "peer", "name", "other1"]);
    run("ip", &["address", "add", "192.0.2.1/24", "dev", "other0"]);
    run("ip", &["link", "set", "other0", "up"]);
    run("sysctl", &["-q", "-w", "net.ipv4.ip_forward=1"]);
    // What sshd and the panel are: services on all of the machine's addresses.
    let everywhere = TcpListener::bind("[::]:0").unwrap();
    let port = everywhere.local_addr().unwrap().port();
    let Some(f) = fixture(|_| {}) else { return };
    assert!(!f.cloud.warnings().iter().any(|warning| warning.contains("firewall")));
    let (server, other) = (f.create("tenant"), f.create("neighbour"));
    for address in ["127.0.0.1", "192.0.2.1", "169.254.1.1", "10.78.0.1", "169.254.169.254"] {
        assert!(!reaches(&f, &server, address, port), "{address}");
    }
    // Without the rules some of them are reached, so the rules it is.
    run("ip", &["-6", "address", "add", "fd00::1/64", "dev", "other0"]);
    assert!(!reaches(&f, &server, "fd00::1", port));
    // The machine itself reaches its servers; they do not reach each other.
    let (address, _) = place(&other);
    assert!(std::net::TcpStream::connect((address.as_str(), 22)).is_ok());
    assert!(!reaches(&f, &server, &address, 22));
    run("nft", &["delete", "table", "ip", &table()]);
    assert!(reaches(&f, &server, "192.0.2.1", port), "what the rules are for");
    assert!(reaches(&f, &server, &address, 22), "what the rules are for");

    // With servers there is something to guard from; without, nothing is left.
    f.delete(server.id);
    f.runtime.block_on(f.cloud.close()).unwrap();
    f.delete(other.id);
    f.runtime.block_on(f.cloud.close()).unwrap();
    assert!(!has_rules());
}

fn table() -> String {
    let tables = run("nft", &["list", "tables"]);
    tables.split_whitespace().find(|word| word.starts_with("keyway_")).unwrap().to_owned()
}

#[test]
fn servers_reach_each_other_where_they_may() {
    let Some(f) = fixture(|settings| settings.between_servers = true) else { return };
    run("ip", &["link", "add", "other0", "type", "veth", "peer", "name", "other1"]);
    run("ip", &["address", "add", "192.0.2.1/24", "dev", "other0"]);
    run("ip", &["link", "set", "other0", "up"]);
    let (server, other) = (f.create("one"), f.create("two"));
    let (address, _) = place(&other);
    assert!(reaches(&f, &server, &address, 22));
    assert!(!reaches(&f, &server, "192.0.2.1", 22));
    // As before, nobody speaks in another's name.
    assert!(!reaches(&f, &server, "192.0.2.77", 22));
    f.delete(server.id);
    f.delete(other.id);
    assert!(has_rules());
    f.runtime.block_on(f.cloud.close()).unwrap();
    assert!(!has_rules());
}
