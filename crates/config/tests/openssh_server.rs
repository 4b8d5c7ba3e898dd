//! The same files, read by the installed sshd and by us.

#![expect(
    clippy::format_collect,
    clippy::format_push_string,
    reason = "short texts, read by people"
)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::sync::OnceLock;

use common::{algorithms_of, run};
use keyway_config::{ConnectionInfo, NoteLevel, RealFiles, ServerConfig, ServerSources};

const SSHD: &str = "/usr/sbin/sshd";

/// Lines of `sshd -T` that need not agree, and why.
const DIFFERENT: &[&str] = &[
    // Words of later versions of OpenSSH than the installed one may be.
    "pamservicename",
    "refuseconnection",
    "persourcepenalt",
    "gssapidelegatecredentials",
    "sshdsessionpath",
    "sshdauthpath",
    // Debian's own, and defaults that changed.
    "gssapikeyexchange",
    "gssapistorecredentialsonrekey",
    "gssapikexalgorithms",
    "ipqos lowdelay",
    "ipqos ef none",
    "debianbanner",
    // Given to one, found by the other.
    "Could not load host",
    // Read twice by one.
    "reprocess config line",
];

/// A host key to share, and what sshd prints without any configuration; nothing without sshd.
struct Installed {
    folder: tempfile::TempDir,
    defaults: String,
}

fn installed() -> Option<&'static Installed> {
    static INSTALLED: OnceLock<Option<Installed>> = OnceLock::new();
    let make = || {
        let folder = tempfile::tempdir().unwrap();
        let (config, key) = (folder.path().join("sshd_config"), folder.path().join("key"));
        run("/usr/bin/ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", key.to_str()?])?;
        std::fs::write(&config, format!("HostKey {}\n", key.display())).unwrap();
        let defaults = run(SSHD, &["-T", "-f", config.to_str()?])?;
        // It may be there and refuse to run.
        defaults.contains("listenaddress").then_some(Installed { folder, defaults })
    };
    INSTALLED.get_or_init(make).as_ref()
}

/// Reads `text` with both; theirs is nothing when sshd is not installed.
fn both(text: &str, connection: Option<(&str, ConnectionInfo<'_>)>) -> Option<(String, String)> {
    let Installed { folder: shared, defaults } = installed()?;
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("sshd_config");
    let config_text = config.to_str().unwrap();
    let text = format!("HostKey {}\n{text}", shared.path().join("key").display());
    std::fs::write(&config, &text).unwrap();
    let mut arguments = vec!["-T", "-f", config_text];
    if let Some((description, _)) = &connection {
        arguments.extend(["-C", description]);
    }
    let theirs = run(SSHD, &arguments)?;

    let sources = ServerSources { options: Vec::new(), file: Some(config.clone()) };
    let loaded = ServerConfig::load(&sources, &RealFiles, &algorithms_of(defaults));
    let ours = loaded.and_then(|server| {
        let loud = server.notes.iter().filter(|note| note.level == NoteLevel::Error);
        let mut out: String = loud.map(|note| format!("{}\n", note.message)).collect();
        let settings = match &connection {
            Some((_, connection)) => server.effective(connection)?,
            None => server.effective(&ConnectionInfo::default())?,
        };
        out.insert_str(0, &settings.dump());
        Ok(out)
    });
    let ours = ours.unwrap_or_else(|error| format!("{error}\n"));
    let normal = |dump: &str| {
        let keep = |line: &&str| !DIFFERENT.iter().any(|word| line.starts_with(word));
        dump.lines().filter(keep).map(|line| format!("{}\n", line.trim_end())).collect::<String>()
    };
    Some((normal(&ours), normal(&theirs)))
}

fn difference(text: &str, connection: Option<(&str, ConnectionInfo<'_>)>) -> String {
    let Some((ours, theirs)) = both(text, connection) else { return String::new() };
    if ours == theirs {
        return String::new();
    }
    let only = |these: &str, those: &str| {
        let lines = these.lines().filter(|line| !those.lines().any(|other| other == *line));
        lines.map(|line| format!("{line}\n")).collect::<String>()
    };
    let (mine, other) = (only(&ours, &theirs), only(&theirs, &ours));
    format!("ours only:\n{mine}theirs only:\n{other}\n")
}

#[track_caller]
fn same(text: &str) {
    let difference = difference(text, None);
    assert!(difference.is_empty(), "{difference}");
}

#[test]
fn defaults() {
    same("");
}

#[test]
fn many_values() {
    same(
        "AuthorizedKeysFile none\nAllowUsers a b@c d@10.0.0.0/8\nDenyGroups x\nAllowGroups g h\n\
         PermitOpen a:1 [::1]:2 *:3\nPermitListen 22 a:33 *:*\nAcceptEnv LC_* X\n\
         AuthenticationMethods publickey,password keyboard-interactive:pam\nMaxStartups 100\n\
         PerSourceMaxStartups 5\nPerSourceNetBlockSize 24:64\nPermitTunnel yes\n\
         PermitUserEnvironment A,B*\nListenAddress 1.2.3.4\nListenAddress [::1]:33\n\
         ListenAddress 127.0.0.1:5\nPort 44\nPort 45\nRekeyLimit 1G 1h\n\
         ChannelTimeout session:*=600 x=5\nLogVerbose a b\nBanner none\n\
         ForceCommand foo \"bar\" # x\nVersionAddendum a b\nPidFile none\n\
         GatewayPorts clientspecified\nLoginGraceTime 0\nUnusedConnectionTimeout 5m\n\
         RevokedKeys none\nSubsystem sftp internal-sftp -x y\nPermitRootLogin no\n\
         AllowTcpForwarding local\nAllowStreamLocalForwarding remote\nCompression delayed\n\
         IgnoreRhosts shosts-only\nSyslogFacility local1\nLogLevel verbose\nIPQoS cs1 0x13\n\
         StreamLocalBindMask 0700\nClientAliveInterval 1h\nTrustedUserCAKeys /x\n\
         ChrootDirectory %h\nAuthorizedPrincipalsFile %h/p\nSetEnv A=b C=d\n\
         ModuliFile /m\nXAuthLocation /xa\nMaxAuthTries 3\nFingerprintHash md5\n\
         HostCertificate /cert\nUsePAM no\nUseDNS no\nPrintMotd no\n",
    );
}

#[test]
fn listening() {
    same("AddressFamily inet\nPort 5\n");
    same("AddressFamily inet6\nPort 5\nPort 6\n");
    same("ListenAddress 0.0.0.0\nListenAddress ::\nPort 7\n");
    same("ListenAddress [::1]:9\nListenAddress 1.2.3.4:10\n");
}

#[test]
fn spelling() {
    same("port=5\n\tSTRICTMODES = no # why\r\nPermitEmptyPasswords yes\n");
    same("ChallengeResponseAuthentication no\nKeepAlive no\nPubkeyAcceptedKeyTypes +ssh-rsa\n");
    same("Protocol 2\nUseLogin no\nKerberosGetAFSToken no\nServerKeyBits 3\n");
    same("Ciphers -chacha*\nMACs +hmac-md5\nKexAlgorithms ^ecdh-sha2-nistp256\n");
    same("Port 1\nMatch all\nMaxSessions 3\n");
    same("MaxSessions 2\nMaxSessions 3\nSubsystem a b\nSetEnv A=1\nSetEnv A=2\n");
}

/// Every file of the corpus, byte for byte, as a whole and for each connection it names.
#[test]
fn corpus() {
    let groups = |user: &str| {
        let names = run("/usr/bin/id", &["-Gn", user]).unwrap_or_default();
        names.split_whitespace().map(str::to_owned).collect()
    };
    let mut different = String::new();
    for case in common::corpus("server") {
        // Version 9.2 asks for a local port where a file depends on one.
        let needs_port = case.text.contains("LocalPort");
        let mut connections = if needs_port { Vec::new() } else { vec![None] };
        for words in &case.runs {
            let field = |name: &str| {
                let fields = words.first().map_or("", String::as_str).split(',');
                fields.filter_map(|f| f.split_once('=')).find(|(n, _)| *n == name).map(|(_, v)| v)
            };
            let connection = ConnectionInfo {
                user: field("user"),
                groups: Some(&groups),
                host: field("host"),
                address: field("addr"),
                local_address: field("laddr"),
                local_port: field("lport").map(|port| port.parse().unwrap()),
                ..ConnectionInfo::default()
            };
            connections.push(Some((words.first().unwrap().as_str(), connection)));
        }
        for connection in connections {
            let Some((ours, theirs)) = both(&case.text, connection) else { return };
            let complaint = theirs.lines().find(|line| !line.contains(": terminating, "));
            let alike = case.name.starts_with("error-")
                && complaint.is_some_and(|said| ours.lines().any(|line| line == said));
            if ours != theirs && !alike {
                let what = connection.map_or("everybody", |(what, _)| what);
                let only = difference(&case.text, connection);
                different.push_str(&format!("{} for {what}:\n{only}", case.name));
            }
        }
    }
    assert!(different.is_empty(), "{different}");
}

#[test]
fn connections() {
    let text = "MaxSessions 5\nBanner /global\nAllowUsers g\nMatch User ann,!bob\nBanner /ann\n\
                MaxSessions 1\nMatch Address 10.0.0.0/8,!10.1.0.0/16 Host *.example.com\n\
                MaxSessions 2\nForceCommand ten\nMatch User *,!ann LocalPort 2222\nAllowUsers x y\n\
                Match LocalAddress 127.0.0.1\nPermitTTY no\nMatch Group root\nX11Forwarding yes\n\
                Match all\nPermitUserRC no\nMaxSessions 9\nMatch User=ann,carl\nGatewayPorts yes\n";
    let groups = |user: &str| if user == "root" { vec!["root".to_owned()] } else { Vec::new() };
    let base = ConnectionInfo {
        groups: Some(&groups),
        local_port: Some(22),
        local_address: Some("1.1.1.1"),
        host: Some("h.example.org"),
        address: Some("1.2.3.4"),
        ..ConnectionInfo::default()
    };
    let mut different = String::new();
    for (user, host, address, local, port) in [
        ("ann", "h.example.com", "10.2.3.4", "127.0.0.1", 2222),
        ("bob", "h.example.com", "10.1.3.4", "127.0.0.1", 2222),
        ("bob", "h.example.com", "10.2.3.4", "1.1.1.1", 22),
        ("root", "H.EXAMPLE.COM", "10.2.3.4", "1.1.1.1", 22),
        ("carl", "other", "fe80::1", "::1", 2222),
    ] {
        let description =
            format!("user={user},host={host},addr={address},laddr={local},lport={port}");
        let connection = ConnectionInfo {
            user: Some(user),
            host: Some(host),
            address: Some(address),
            local_address: Some(local),
            local_port: Some(port),
            ..base
        };
        different.push_str(&difference(text, Some((&description, connection))));
    }
    assert!(different.is_empty(), "{different}");
}

/// sshd stops at the first bad value; we go on, so our list may be longer.
#[test]
fn complaints() {
    let mut different = String::new();
    for text in [
        "Port\n",
        "Port 99999\n",
        "ListenAddress [::1]:22a\n",
        "StrictModes maybe\n",
        "LoginGraceTime abc\n",
        "MaxSessions x\n",
        "StrictModes yes no\n",
        "Banner \"a\n",
        "PermitOpen 1\n",
        "MaxStartups 1:2\n",
        "MaxStartups 50:30:10\n",
        "MaxStartups x\n",
        "PerSourceMaxStartups x\n",
        "PerSourceNetBlockSize 99\n",
        "Ciphers foo\n",
        "MACs foo\n",
        "HostKeyAlgorithms foo\n",
        "Match foo bar\n",
        "Match\n",
        "Match host\n",
        "Match Address 10.0.0.1/8\n",
        "Match LocalAddress 10.0.0.0/99\n",
        "Include\n",
        "RekeyLimit 3\n",
        "Subsystem a\n",
        "AuthenticationMethods any publickey\n",
        "PubkeyAuthOptions foo\n",
        "Match user a\nPort 22\n",
        "ChannelTimeout x\n",
        "AcceptEnv A=\n",
        "SetEnv A\n",
        "KexAlgorithms x\n",
        "AuthorizedKeysCommand foo\n",
        "PermitListen a\n",
        "StreamLocalBindMask 9\n",
        "IPQoS x\n",
        "AllowUsers a@10.0.0.1/8\n",
        "UsePAM maybe\n",
        "Match localport x\n",
        "FingerprintHash x\n",
        "LogLevel x\n",
        "SyslogFacility x\n",
        "Foo bar\n",
        "Foo\n",
        "Foo \"a\n",
        "Port \"\"\n",
        "HostKey \"\"\n",
        "Match user a\nFoo b\n",
        "AuthenticationMethods foo\n",
        "PermitRootLogin maybe\n",
        "Match all user b\n",
        "AuthorizedKeysFile \"\"\n",
        "ForceCommand \"\n",
    ] {
        let Some((ours, theirs)) = both(text, None) else { return };
        if theirs.contains("\npermitrootlogin ") && ours.contains("\npermitrootlogin ") {
            continue;
        }
        let mut said = theirs.lines().filter(|line| !line.contains(": terminating, "));
        let agree = said.any(|said| ours.lines().any(|line| line == said));
        if !agree {
            different.push_str(&format!("{text:?}\nours:\n{ours}theirs:\n{theirs}\n"));
        }
    }
    assert!(different.is_empty(), "{different}");
}
