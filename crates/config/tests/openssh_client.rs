//! The same files, read by the installed ssh and by us.

#![expect(clippy::format_collect, reason = "short texts, read by people")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fmt::Write;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::OnceLock;

use common::{algorithms_of, run};
use keyway_config::{
    ClientConfig, ClientContext, ClientSources, CommandLineOption, ConfigFiles, Files, LocalUser,
    RealFiles, Surroundings,
};

const SSH: &str = "/usr/bin/ssh";

/// Lines of `ssh -G` that need not agree, and why.
const DIFFERENT: &[&str] = &[
    // Words of later versions of OpenSSH than the installed one may be.
    "warnweakcrypto",
    "obscurekeystroketiming",
    "channeltimeout",
    "versionaddendum",
    // Debian's own.
    "gssapikeyexchange",
    "gssapitrustdns",
    "gssapirenewalforcesrekey",
    "gssapikexalgorithms",
    // Defaults that changed: later versions of OpenSSH, or Debian.
    "forwardx11trusted",
    "ipqos lowdelay throughput",
    "ipqos ef none",
    "identityfile ~/.ssh/id_dsa",
    "identityfile ~/.ssh/id_xmss",
    // Version 9.2 hashes other parts and prints the first of several.
    "logverbose",
];

struct Real;

impl Surroundings for Real {
    fn files(&self) -> &dyn Files {
        &RealFiles
    }
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }
    fn home_of(&self, user: &str) -> Option<PathBuf> {
        (user == "root").then(|| "/root".into())
    }
    fn run(&self, command: &str) -> Result<bool, String> {
        let status = std::process::Command::new("/bin/sh").arg("-c").arg(command).status();
        status.map(|status| status.success()).map_err(|why| why.to_string())
    }
    fn local_addresses(&self) -> Vec<IpAddr> {
        Vec::new()
    }
    fn sha1_hex(&self, bytes: &[u8]) -> String {
        common::sha1_hex(bytes)
    }
    fn canonical_name(&self, _host: &str) -> Option<String> {
        None
    }
}

/// What ssh prints without any configuration, and who and where we are.
struct Installed {
    defaults: String,
    user: String,
    id: u32,
    host_name: String,
}

fn installed() -> Option<&'static Installed> {
    static INSTALLED: OnceLock<Option<Installed>> = OnceLock::new();
    let look = || {
        Some(Installed {
            defaults: run(SSH, &["-G", "-F", "none", "h"])?,
            user: run("/usr/bin/id", &["-un"])?.trim().to_owned(),
            id: run("/usr/bin/id", &["-u"])?.trim().parse().ok()?,
            host_name: run("/bin/hostname", &[])?.trim().to_owned(),
        })
    };
    INSTALLED.get_or_init(look).as_ref()
}

/// Reads `text` with both; theirs is nothing when ssh is not installed.
fn both(text: &str, host: &str, options: &[&str]) -> Option<(String, String)> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config");
    std::fs::write(&path, text).unwrap();
    let path_text = path.to_str().unwrap();
    let Installed { defaults, user, id, host_name } = installed()?;
    let mut arguments = vec!["-G", "-F", path_text];
    for option in options {
        arguments.extend(["-o", option]);
    }
    arguments.push(host);
    let theirs = run(SSH, &arguments)?;

    let algorithms = algorithms_of(defaults);
    let home = defaults
        .lines()
        .find_map(|line| line.strip_prefix("userknownhostsfile "))
        .and_then(|line| line.split("/.ssh").next())
        .unwrap_or("/root")
        .to_owned();
    let context = ClientContext {
        host,
        local_user: LocalUser { id: *id, name: user.clone(), home: home.into() },
        local_host: host_name.clone(),
        command: None,
        version: "OpenSSH_9.2",
        algorithms: &algorithms,
        surroundings: &Real,
    };
    let sources = ClientSources {
        options: options.iter().map(|o| CommandLineOption::Option((*o).to_owned())).collect(),
        files: ConfigFiles::File(path.clone()),
    };
    let ours = match ClientConfig::load(&sources, &context) {
        Ok(config) => {
            let notes = config.notes.iter().filter(|n| n.level == keyway_config::NoteLevel::Error);
            let mut text: String = notes.map(|note| format!("{}\n", note.message)).collect();
            text.insert_str(0, &config.dump());
            text
        }
        Err(error) => format!("{error}\n"),
    };
    // ssh says more about a terminal here than about the configuration.
    let theirs = theirs.replace("canonicalizePermittedcnames", "canonicalizepermittedcnames");
    Some((normal(&ours), normal(&theirs)))
}

fn normal(dump: &str) -> String {
    let keep = |line: &&str| {
        // Version 9.2 lists a forward of a socket as a dynamic one, too.
        let is_extra = |listen: &str| {
            dump.lines().any(|other| {
                other
                    .strip_prefix("localforward ")
                    .and_then(|rest| rest.strip_prefix(listen))
                    .is_some_and(|rest| rest.starts_with(' '))
            })
        };
        !DIFFERENT.iter().any(|word| line.starts_with(word))
            && !line.strip_prefix("dynamicforward ").is_some_and(is_extra)
            && !line.starts_with("Pseudo-terminal")
            && !line.starts_with("Unsupported KEX algorithm")
    };
    dump.lines().filter(keep).map(|line| format!("{}\n", line.trim_end_matches('\r'))).collect()
}

/// As [`same`], but only the first complaint counts: ssh stops early at some values.
fn same_complaint(text: &str, options: &[&str]) -> Option<String> {
    let (ours, theirs) = both(text, "h", options)?;
    let last = theirs.lines().rfind(|line| !line.contains(": terminating, "));
    let agree = last.is_none_or(|last| ours.lines().any(|line| line == last));
    let failed = ours.lines().all(|line| !line.starts_with("hostname"));
    (!agree || !failed).then(|| format!("{text:?} {options:?}\nours:\n{ours}theirs:\n{theirs}\n"))
}

#[track_caller]
fn same(text: &str, host: &str, options: &[&str]) {
    let Some((ours, theirs)) = both(text, host, options) else { return };
    let (ours, theirs): (Vec<&str>, Vec<&str>) = (ours.lines().collect(), theirs.lines().collect());
    let only = |these: &[&str], those: &[&str]| {
        these
            .iter()
            .filter(|line| !those.contains(line))
            .map(|l| format!("{l}\n"))
            .collect::<String>()
    };
    let (mine, other) = (only(&ours, &theirs), only(&theirs, &ours));
    assert!(
        ours == theirs,
        "{text}for {host} {options:?}\nours only:\n{mine}theirs only:\n{other}"
    );
}

#[test]
fn defaults() {
    same("", "example.com", &[]);
    same("# nothing\n\n   \n", "Example.COM", &[]);
}

#[test]
fn many_values() {
    same(
        "IdentityFile none\nCertificateFile none\nPreferredAuthentications a,b\n\
         LocalForward 8080 [::1]:22\nDynamicForward 99\nRemoteForward 33\n\
         RemoteForward /tmp/x /tmp/y\nSendEnv LC_* X\n\
         ControlPersist 10m\nIdentityAgent none\nStrictHostKeyChecking yes\n\
         LocalForward *:11 a:22\nLocalForward :12 a:22\nLocalForward /a/b c:1\n\
         UserKnownHostsFile ~/a ~/b\nCanonicalDomains a b\nIPQoS cs1\nControlPath ~/%C\n\
         LocalCommand echo \"x\"\nProxyCommand foo bar\nRemoteCommand %h # x\n\
         AddKeysToAgent confirm 20\nPermitLocalCommand yes\nKnownHostsCommand /foo %h\n\
         PermitRemoteOpen a:1 b:*\nCanonicalizePermittedCNAMEs a:b\nRekeyLimit 1G 1h\n\
         TunnelDevice 3:any\nTunnel ethernet\nStreamLocalBindMask 0777\nLogLevel debug\n\
         SyslogFacility local3\nForwardAgent yes\nConnectTimeout 1m30\nServerAliveInterval 2w\n\
         BindAddress 127.0.0.1\nBindInterface lo\nHostKeyAlias Alias\nVerifyHostKeyDNS ask\n\
         PubkeyAuthentication host-bound\nUpdateHostKeys ask\nControlMaster autoask\n\
         RequestTTY force\nSessionType none\nFingerprintHash md5\nKbdInteractiveDevices pam\n\
         RevokedHostKeys /x\nXAuthLocation /y\nPKCS11Provider /z\nEscapeChar none\n\
         CanonicalizeHostname no\nAddressFamily inet6\nCompression yes\n",
        "target",
        &[],
    );
}

#[test]
fn jump_and_set_env() {
    same("ProxyJump u@[::1]:22,b:33\nSetEnv A=b D=e\nProxyCommand foo\n", "h", &[]);
    same("ProxyCommand none\nProxyJump b\n", "h", &[]);
    same("ProxyJump none\n", "h", &[]);
}

#[test]
fn selection() {
    let text = "Host *.example.com !bad.example.com\nPort 2000\nUser one\nHost *\nPort 3000\n\
                Match host a.example.com\nUser two\nIdentityFile ~/.ssh/two\n\
                Match originalhost z user one\nCompression yes\n\
                Match all\nIdentityFile /x/%h\nMatch !host a*\nServerAliveInterval 5\n\
                Match exec \"test %h = a.example.com\"\nServerAliveCountMax 9\n\
                Match final host real*\nNumberOfPasswordPrompts 7\nHost z\nHostName Real-%h\n";
    for host in ["a.example.com", "bad.example.com", "z", "A.example.com", "other"] {
        same(text, host, &[]);
        same(text, host, &["User=option", "Port 9"]);
    }
}

#[test]
fn tokens() {
    let text = "ControlPath /c/%C-%L-%d-%h-%i-%k-%l-%n-%p-%r-%u-%%\n\
                IdentityAgent ${HOME}/agent-%h\nRemoteForward %d/r ${HOME}/l\n\
                UserKnownHostsFile ~/%h.${HOME} %d/x\nRemoteCommand echo %n %p %r %k\n\
                HostKeyAlias OTHER\nForwardAgent %d\n";
    same(text, "Some.Host", &["HostName=%h.example.com", "User=u", "Port=77"]);
}

#[test]
fn algorithm_lists() {
    same("Ciphers aes128-ctr,aes256-ctr\nMACs +hmac-md5\n", "h", &[]);
    same("HostKeyAlgorithms ^rsa-sha2-512\nPubkeyAcceptedAlgorithms -*cert*\n", "h", &[]);
    same("HostKeyAlgorithms +ssh-rsa\nKexAlgorithms -diffie*,sntrup*\n", "h", &[]);
    same("PubkeyAcceptedKeyTypes ssh-ed25519\nHostbasedKeyTypes rsa-sha2-512\n", "h", &[]);
    same("CASignatureAlgorithms ssh-ed25519\n", "h", &[]);
}

#[test]
fn spelling() {
    same("Port=2222\nUser = \"a b\"\n\tCompression\tyes\r\n", "h", &[]);
    same("port 1 # comment\nUSER x #y\nHashKnownHosts true\nTCPKeepAlive false\n", "h", &[]);
    same("Protocol 2\nUseRoaming no\nCompressionLevel 3\nRSAAuthentication yes\n", "h", &[]);
    same("IgnoreUnknown Foo*,UseKeychain\nFooBar x\nUseKeychain yes\n", "h", &[]);
    same("ChallengeResponseAuthentication no\nKeepAlive no\nIdentityFile2 /x\n", "h", &[]);
    same("ClearAllForwardings yes\nLocalForward 1 a:2\n", "h", &[]);
    same("SendEnv A B_1 C\nSendEnv -B*\nSendEnv D\n", "h", &[]);
}

#[test]
fn complaints() {
    let mut different = String::new();
    for text in [
        "Port\n",
        "Port 99999\n",
        "Port x\n",
        "BatchMode maybe\n",
        "ConnectTimeout abc\n",
        "NumberOfPasswordPrompts x\nfoo bar\n",
        "BatchMode yes no\n",
        "User \"a\n",
        "LocalForward 1\n",
        "LocalForward 1 2\n",
        "Ciphers foo\n",
        "Ciphers +aes128-cbc,foo\n",
        "HostKeyAlgorithms foo\n",
        "MACs x\n",
        "KexAlgorithms x\n",
        "Match foo bar\n",
        "Match\n",
        "Match host\n",
        "Host\n",
        "Include\n",
        "RequestTTY x\n",
        "RekeyLimit 3\n",
        "RekeyLimit 3x\n",
        "LogLevel x\n",
        "SyslogFacility x\n",
        "EscapeChar ab\n",
        "TunnelDevice x\n",
        "Match all host foo\n",
        "Match user\n",
        "StreamLocalBindMask 9\n",
        "IPQoS x\n",
        "FingerprintHash x\n",
        "PermitRemoteOpen x\n",
        "PermitRemoteOpen x:0\n",
        "UserKnownHostsFile none x\n",
        "SetEnv A\n",
        "CanonicalizePermittedCNAMEs x\n",
        "IdentityAgent $a-b\n",
        "ForwardAgent $a-b\n",
        "Port \"\"\n",
        "User \"\"\n",
        "ControlPersist x\n",
        "ProxyJump a@\n",
        "\x01junk\n",
        "CanonicalDomains none x\n",
        "Host a\nPort x\nMatch host b\nBatchMode q\n",
        "ServerAliveInterval 5x\n",
        "ForwardX11Timeout \"\"\n",
        "ConnectionAttempts 99999999999\n",
        "SendEnv A=b\n",
        "DynamicForward x\n",
        "RemoteForward x\n",
        "IdentityFile \"\"\n",
        "Include \"\"\n",
    ] {
        different.extend(same_complaint(text, &[]));
    }
    for option in ["Foo=1", "Port=x", "BatchMode", "Include /x", "Host=x"] {
        different.extend(same_complaint("", &[option]));
    }
    assert!(different.is_empty(), "{different}");
}

/// Every file of the corpus, byte for byte.
#[test]
fn corpus() {
    let mut different = String::new();
    for case in common::corpus("client") {
        for run in &case.runs {
            let (host, options) = run.split_first().unwrap();
            let options: Vec<&str> = options.iter().map(String::as_str).collect();
            let Some((ours, theirs)) = both(&case.text, host, &options) else { return };
            if ours != theirs && !(case.name.starts_with("error-") && fails_alike(&ours, &theirs)) {
                let only = difference(&ours, &theirs);
                writeln!(different, "{} for {run:?}:\n{only}", case.name).unwrap();
            }
        }
    }
    assert!(different.is_empty(), "{different}");
}

/// A file that both refuse: ssh stops early at some values, and we say more.
fn fails_alike(ours: &str, theirs: &str) -> bool {
    let complaint = theirs.lines().find(|line| !line.contains(": terminating, "));
    complaint.is_some_and(|complaint| ours.lines().any(|line| line == complaint))
}

/// The lines that only one has.
fn difference(ours: &str, theirs: &str) -> String {
    if ours.lines().all(|line| theirs.contains(line))
        && theirs.lines().all(|line| ours.contains(line))
    {
        return format!("the order or the number of lines; theirs are\n{theirs}");
    }
    if !theirs.contains("\nhostname ") {
        return theirs.to_owned();
    }
    let only = |these: &str, those: &str, mark: char| {
        let lines = these.lines().filter(|line| !those.lines().any(|other| other == *line));
        lines.map(|line| format!("{mark} {line}\n")).collect::<String>()
    };
    format!("{}{}", only(ours, theirs, '+'), only(theirs, ours, '-'))
}

/// What is printed can be read, and prints the same.
#[test]
fn reads_its_own_dump() {
    let text = "LocalForward 8080 [::1]:22\nRemoteForward 33\nSetEnv A=b D=e\n\
                UserKnownHostsFile /a /c\nProxyJump a,b\nRekeyLimit 5G 3h\nIPQoS 0x13 ef\n";
    let machine = common::Memory::default();
    let first = common::text(&machine, text).unwrap().dump();
    let lines = first.lines().filter(|line| !line.starts_with("host "));
    let again: String = lines.map(|line| format!("{line}\n")).collect();
    assert_eq!(common::text(&machine, &again).unwrap().dump(), first);
}
