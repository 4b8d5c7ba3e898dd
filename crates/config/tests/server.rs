//! The server's files on a machine that exists only in memory.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fmt::Write;
use std::time::{Duration, Instant};

use common::{Memory, Random, algorithms};
use keyway_config::{
    ConnectionInfo, Error, PermitRootLogin, Recorder, ServerConfig, ServerSettings, ServerSources,
    Snapshot,
};

const FILE: &str = "/etc/ssh/sshd_config";

fn load(machine: &Memory, options: &[&str]) -> Result<ServerConfig, Error> {
    let options = options.iter().map(|option| (*option).to_owned()).collect();
    let sources = ServerSources { options, file: Some(FILE.into()) };
    ServerConfig::load(&sources, machine, &algorithms())
}

fn text(config: &str) -> Result<ServerConfig, Error> {
    load(&Memory::default().with(FILE, config), &[])
}

fn user(user: &str) -> ConnectionInfo<'_> {
    ConnectionInfo { user: Some(user), ..ConnectionInfo::default() }
}

#[test]
fn first_value_wins_and_says_where() {
    let machine = Memory::default().with(FILE, "PermitRootLogin yes\nPermitRootLogin no\nPort 5\n");
    let server = load(&machine, &["Port=7"]).unwrap();
    assert_eq!(*server.settings.permit_root_login, PermitRootLogin::Yes);
    assert_eq!(server.settings.permit_root_login.origin.to_string(), format!("{FILE} line 1"));
    let ports: Vec<u16> = server.settings.ports.iter().map(|port| port.value).collect();
    assert_eq!(ports, [7, 5]);
}

#[test]
fn blocks() {
    let server = text(
        "MaxSessions 9\nAllowUsers everybody\nSubsystem sftp /global\nMatch User ann\nMaxSessions 1\n\
         AllowUsers a\nSubsystem sftp /ann\nMatch User *,!bob\nMaxSessions 2\nAllowUsers b\n\
         Subsystem x y\nMatch Invalid-User\nBanner /no\nMatch Version Key*\nPermitTTY no\n",
    )
    .unwrap();
    let ann = server.effective(&user("ann")).unwrap();
    assert_eq!(*ann.max_sessions, 1);
    let allowed: Vec<_> = ann.allow_users.iter().map(|name| name.value.as_str()).collect();
    assert_eq!(allowed, ["a", "b"]);
    let subsystems: Vec<_> = ann.subsystems.iter().map(|s| s.command.as_str()).collect();
    assert_eq!(subsystems, ["/ann", "y"]);
    assert!(*ann.permit_tty && ann.banner.is_none());
    assert_eq!(*server.effective(&user("carl")).unwrap().max_sessions, 2);
    let bob = ConnectionInfo { user_is_invalid: true, version: "Keyway", ..user("bob") };
    let bob = server.effective(&bob).unwrap();
    assert_eq!((*bob.max_sessions, *bob.permit_tty), (9, false));
    assert_eq!(bob.banner.as_deref(), Some(std::path::Path::new("/no")));
    // Nothing is known yet: only the global part holds.
    assert_eq!(*server.effective(&ConnectionInfo::default()).unwrap().max_sessions, 9);
}

#[test]
fn includes() {
    let machine = Memory::default()
        .with(FILE, "Include sshd_config.d/*.conf\nMaxSessions 3\nMatch User ann\nInclude in\nPermitTTY no\n")
        .with("/etc/ssh/sshd_config.d/b.conf", "MaxSessions 2\n")
        .with("/etc/ssh/sshd_config.d/a.conf", "Match User bob\nMaxSessions 1\n")
        .with("/etc/ssh/in", "Banner /ann\nMatch Host h\nBanner /never\nForceCommand host\n");
    let server = load(&machine, &[]).unwrap();
    assert_eq!(*server.settings.max_sessions, 2);
    assert_eq!(*server.effective(&user("bob")).unwrap().max_sessions, 1);
    let ann = server.effective(&user("ann")).unwrap();
    assert_eq!(ann.banner.origin.to_string(), "/etc/ssh/in line 1");
    assert!(!*ann.permit_tty && ann.force_command.is_none());
    let ann_at_h = ConnectionInfo { host: Some("h"), ..user("ann") };
    let ann_at_h = server.effective(&ann_at_h).unwrap();
    assert_eq!(ann_at_h.force_command.as_deref(), Some("host"));
    assert_eq!(ann_at_h.banner.as_deref(), Some(std::path::Path::new("/ann")));
    let bob_at_h = ConnectionInfo { host: Some("h"), ..user("bob") };
    assert!(server.effective(&bob_at_h).unwrap().force_command.is_none());
}

#[test]
fn less_safe_without() {
    let machine = Memory::default().with(FILE, "HostKeyAgent /x\nMatch User a\nRDomain x\n");
    let error = load(&machine, &[]).unwrap_err().to_string();
    assert!(
        error.starts_with(&format!("{FILE} line 3: unsupported option \"RDomain\"")),
        "{error}"
    );
    // What is off is off here too.
    let server = text("RDomain none\nHostbasedAuthentication no\nSshdAuthPath x\n").unwrap();
    let notes: Vec<_> = server.notes.iter().map(|note| note.message.as_str()).collect();
    assert_eq!(notes, [format!("{FILE} line 3: SshdAuthPath has no effect in this version")]);
}

#[test]
fn another_process_reads_the_same() {
    let machine = Memory::default()
        .with(FILE, "Include d/*\nPort 5\nMatch User ann\nPermitTTY no\n")
        .with("/etc/ssh/d/x", "MaxSessions 4\n");
    let sources = ServerSources { options: Vec::new(), file: Some(FILE.into()) };
    let recorder = Recorder::new(&machine);
    let first = ServerConfig::load(&sources, &recorder, &algorithms()).unwrap();
    let snapshot = Snapshot::decode(&recorder.into_snapshot().encode()).unwrap();
    let second = ServerConfig::load(&sources, &snapshot, &algorithms()).unwrap();
    assert_eq!(first.settings.dump(), second.settings.dump());
    let ann = user("ann");
    assert_eq!(first.effective(&ann).unwrap().dump(), second.effective(&ann).unwrap().dump());
}

/// What is printed can be read, and prints the same.
#[test]
fn reads_its_own_dump() {
    let first = text(
        "Port 3\nPort 4\nListenAddress ::1\nListenAddress 1.2.3.4:9\nAllowUsers a b@c\n\
         Subsystem x /bin/sh -c \"exit 23\"\nPermitOpen [::1]:2 *:3\nPermitListen 5\n\
         AuthenticationMethods publickey,password any-thing\n",
    );
    assert!(first.unwrap_err().to_string().contains("invalid AuthenticationMethods method list."));
    let first = text(
        "Port 3\nPort 4\nListenAddress ::1\nListenAddress 1.2.3.4:9\nAllowUsers a b@c\n\
         Subsystem x /bin/sh -c \"exit 23\"\nPermitOpen [::1]:2 *:3\nPermitListen 5\n\
         AuthenticationMethods publickey,keyboard-interactive:pam\nSetEnv A=b\n\
         PerSourcePenalties crash:1h authfail:0 overflow6:deny-all\nIPQoS none ef\n\
         ChannelTimeout a=5m\nMaxStartups 1:2:3\nVersionAddendum x y\nForceCommand a \"b\"\n",
    )
    .unwrap()
    .settings
    .dump();
    let again = text(&first).unwrap().settings.dump();
    // Each listenaddress has its port now, so no address is listed for both.
    assert_eq!(again, first);
}

/// OpenSSH's connect-bigconf: a start must not take long.
#[test]
fn twenty_thousand_lines() {
    let mut config = String::new();
    for number in 0..10_000 {
        writeln!(config, "Match version NONEXIST{number}\n X11Forwarding no").unwrap();
    }
    let start = Instant::now();
    let server = text(&config).unwrap();
    server.effective(&user("ann")).unwrap();
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

#[test]
fn table() {
    let keywords: Vec<_> = ServerSettings::keywords().collect();
    for (index, keyword) in keywords.iter().enumerate() {
        let twice =
            keywords[index + 1..].iter().any(|other| other.name.eq_ignore_ascii_case(keyword.name));
        assert!(!twice, "{} is there twice", keyword.name);
    }
    for alias in ServerSettings::aliases() {
        assert!(keywords.iter().any(|keyword| keyword.name == alias.keyword), "{}", alias.name);
    }
}

/// Whatever a file holds, there is an answer.
#[test]
fn garbage() {
    let words: Vec<&str> = ServerSettings::keywords().map(|keyword| keyword.name).collect();
    let bits = [
        "\"",
        "'",
        "\\",
        "%",
        "=",
        "#",
        " ",
        "\t",
        "\r",
        "\0",
        "!",
        ",",
        "*",
        ":",
        "[",
        "]",
        "::1",
        "/8",
        "10.0.0.0",
        "none",
        "any",
        "all",
        "yes",
        "-",
        "+",
        "^",
        "99999999999999999999",
        "1h",
        "16",
        "é",
        "Match user ",
        "Match address ",
        "Include ",
        "@",
        "0",
        "crash:",
        "publickey",
    ];
    let mut random = Random(7);
    for _ in 0..3000 {
        let mut config = String::new();
        for _ in 0..random.below(6) {
            config.push_str(words[random.below(words.len())]);
            config.push(' ');
            for _ in 0..random.below(6) {
                config.push_str(bits[random.below(bits.len())]);
            }
            config.push('\n');
        }
        let connection = ConnectionInfo { address: Some("10.0.0.1"), ..user("x") };
        match text(&config).and_then(|server| server.effective(&connection)) {
            Ok(settings) => drop(settings.dump()),
            Err(error) => drop(error.to_string()),
        }
    }
}
