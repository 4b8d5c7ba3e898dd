//! The client's files on a machine that exists only in memory.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::time::Duration;

use common::{Memory, load, load_from, load_traced, text};
use keyway_config::{
    AgentSocket, ClientConfig, ClientSources, CommandLineOption, ConfigFiles, Connect,
    ForwardAgent, Kind, NoteLevel, Origin, StrictHostKeyChecking, Support,
};

const USER: &str = "/home/ann/.ssh/config";
const SYSTEM: &str = "/etc/ssh/ssh_config";

#[test]
fn first_value_wins_and_says_where() {
    let machine = Memory::default()
        .with(USER, "\nPort 2\nUser user\n")
        .with(SYSTEM, "Port 3\nUser system\nCompression yes\n");
    let config = load(&machine, "target", &["Port=1"]).unwrap();
    assert_eq!((*config.port, &config.port.origin), (1, &Origin::CommandLine));
    assert_eq!(*config.user, "user");
    assert_eq!(config.user.origin.to_string(), "/home/ann/.ssh/config line 3");
    assert_eq!(config.compression.origin.to_string(), "/etc/ssh/ssh_config line 3");
    assert_eq!(config.address_family.origin, Origin::Default);
    assert!(!config.batch_mode.is_set());
}

#[test]
fn typed_values() {
    let config = text(
        &Memory::default(),
        "ConnectTimeout 1m\nServerAliveInterval 15\nStrictHostKeyChecking accept-new\n\
         ForwardAgent ~/agent\nIdentityAgent $MY_AGENT\nRemoteForward 0\nPermitLocalCommand yes\n\
         IdentityFile ~/.ssh/%h\nIdentityFile none\nCertificateFile /c/%r\nSetEnv A=1\nSetEnv A=2 B=3\n",
    )
    .unwrap();
    assert_eq!(*config.connect_timeout, Some(Duration::from_secs(60)));
    assert_eq!(*config.server_alive_interval, Duration::from_secs(15));
    assert_eq!(*config.strict_host_key_checking, StrictHostKeyChecking::AcceptNew);
    assert_eq!(*config.forward_agent, ForwardAgent::Path("/home/ann/agent".into()));
    assert_eq!(*config.identity_agent, AgentSocket::Environment("MY_AGENT".to_owned()));
    assert_eq!(config.remote_forwards[0].connect, Connect::Dynamic);
    let home = std::path::Path::new("/home/ann");
    let keys = config.identity_paths(home, &|_| None).unwrap();
    assert_eq!(keys.len(), 1);
    assert_eq!(keys[0].value, std::path::Path::new("/home/ann/.ssh/target"));
    let certificates = config.certificate_paths(home, &|_| None).unwrap();
    assert_eq!(certificates[0].value, std::path::Path::new("/c/ann"));
    let set: Vec<_> = config.set_env.iter().map(|entry| entry.value.clone()).collect();
    assert_eq!(set, [("A".into(), "1".into()), ("B".into(), "3".into())]);
}

#[test]
fn includes() {
    let machine = Memory::default()
        .with(USER, "Include conf.d/*.conf ${EXTRA} ~/%h.conf missing\nHost other\nInclude a/never\nHost *\nPort 9\n")
        .with("/home/ann/.ssh/conf.d/2.conf", "User second\n")
        .with("/home/ann/.ssh/conf.d/1.conf", "Match host elsewhere\nUser first\nMatch all\nCompression yes\n")
        .with("/extra", "Host nobody\nBatchMode yes\n")
        .with("/home/ann/target.conf", "LogLevel debug\n")
        .with("/home/ann/.ssh/a/never", "Port 7\nHost *\nPort 8\nMatch all\nPort 6\n")
        .with(SYSTEM, "Include ssh_config.d/x\n")
        .with("/etc/ssh/ssh_config.d/x", "HashKnownHosts yes\n");
    let mut machine = machine;
    machine.variables.insert("EXTRA".to_owned(), "/extra".to_owned());
    let config = load(&machine, "target", &[]).unwrap();
    assert_eq!(*config.user, "second");
    assert!(*config.compression && *config.hash_known_hosts && !*config.batch_mode);
    assert_eq!(*config.port, 9);
    assert_eq!(config.log_level.origin.to_string(), "/home/ann/target.conf line 1");
}

#[test]
fn include_without_end() {
    let machine = Memory::default().with(USER, "Include config\n");
    let error = load(&machine, "target", &[]).unwrap_err();
    assert_eq!(error.to_string(), "Too many recursive configuration includes");
}

#[test]
fn include_of_nonsense() {
    let machine = Memory::default()
        .with(USER, "Host nobody\nInclude bad\n")
        .with("/home/ann/.ssh/bad", "Port 1\nJunk yes\n");
    assert_eq!(
        load(&machine, "target", &[]).unwrap_err().to_string(),
        "/home/ann/.ssh/bad: line 2: Bad configuration option: junk\n    Junk yes\n\
         /home/ann/.ssh/bad: terminating, 1 bad configuration options"
    );
}

#[test]
fn others_may_write() {
    let mut machine = Memory::default().with(USER, "Port 2\n");
    machine.mode = 0o100_664;
    let error = load(&machine, "target", &[]).unwrap_err();
    assert_eq!(error.to_string(), "Bad owner or permissions on /home/ann/.ssh/config");
    // A file that was named is the caller's own business.
    let sources = ClientSources { options: Vec::new(), files: ConfigFiles::File(USER.into()) };
    assert_eq!(*load_from(&machine, "target", &sources).unwrap().port, 2);
}

#[test]
fn named_file_must_exist() {
    let sources = ClientSources { options: Vec::new(), files: ConfigFiles::File("/none".into()) };
    let error = load_from(&Memory::default(), "target", &sources).unwrap_err();
    assert!(error.to_string().starts_with("Can't open user config file /none: "), "{error}");
    let none = ClientSources { options: Vec::new(), files: ConfigFiles::None };
    assert!(load_from(&Memory::default().with(USER, "Junk\n"), "target", &none).is_ok());
}

#[test]
fn matching() {
    let mut machine = Memory::default().with(
        USER,
        "Match tagged work,home\nPort 2\nMatch tagged \"\"\nPort 3\n\
         Match localnetwork 192.168.0.0/16\nUser lan\nMatch exec \"false %h\"\nCompression yes\n\
         Match exec=\"true %h\" version Keyway*\nBatchMode yes\nMatch sessiontype shell\n\
         LogLevel verbose\nMatch command \"\"\nConnectionAttempts 7\nMatch localuser ann !user lan\n\
         CheckHostIP yes\n",
    );
    machine.addresses = vec!["192.168.3.4".parse().unwrap()];
    let config = load(&machine, "target", &["Tag=work"]).unwrap();
    assert_eq!((*config.port, config.user.as_str()), (2, "lan"));
    assert!(!*config.compression && *config.batch_mode && !*config.check_host_ip);
    assert_eq!(*config.connection_attempts, 7);
    machine.addresses.clear();
    let config = load(&machine, "target", &[]).unwrap();
    assert_eq!((*config.port, config.user.as_str()), (3, "ann"));
    assert!(*config.check_host_ip);
}

#[test]
fn last_pass() {
    let machine = Memory::default().with(
        USER,
        "Match final host real.example.com\nPort 5\nHost real.*\nUser real\nIdentityFile /x\n\
         Host alias\nHostName real.example.com\nSendEnv A\n",
    );
    let config = load(&machine, "alias", &[]).unwrap();
    assert_eq!((*config.port, config.user.as_str()), (5, "real"));
    assert_eq!(config.original_host, "alias");
    assert_eq!(*config.host_name, "real.example.com");
    assert_eq!((config.identity_files.len(), config.send_env.len()), (1, 1));
}

#[test]
fn canonical_names() {
    let mut machine = Memory::default().with(
        USER,
        "CanonicalizeHostname yes\nCanonicalDomains a.org b.org\n\
         CanonicalizePermittedCNAMEs *.b.org:*.c.org\nMatch canonical host *.c.org\nPort 5\n\
         Host www\nUser typed\nHost *.b.org\nUser canonical\n",
    );
    machine.names.insert("www.b.org".to_owned(), "real.c.org.".to_owned());
    machine.names.insert("ftp.b.org".to_owned(), "elsewhere.net".to_owned());
    let www = load(&machine, "www", &[]).unwrap();
    assert_eq!((www.host_name.as_str(), *www.port, www.user.as_str()), ("real.c.org", 5, "typed"));
    let ftp = load(&machine, "ftp", &[]).unwrap();
    assert_eq!((ftp.host_name.as_str(), ftp.user.as_str()), ("ftp.b.org", "canonical"));
    let dots = load(&machine, "a.b.c", &[]).unwrap();
    assert_eq!(*dots.host_name, "a.b.c");
    let strict = load(&machine, "nowhere", &["CanonicalizeFallbackLocal=no"]).unwrap_err();
    assert_eq!(strict.to_string(), "ssh: Could not resolve host \"nowhere\"");
}

/// A name that no domain is added to may be an alias all the same; what is no name is not followed.
#[test]
fn aliases_of_full_names() {
    let mut machine = Memory::default().with(
        USER,
        "CanonicalizeHostname yes\nCanonicalDomains a.org\nCanonicalizeMaxDots 0\n\
         CanonicalizePermittedCNAMEs *.b.org:*.c.org,*\n",
    );
    machine.names.insert("www.b.org".to_owned(), "real.c.org".to_owned());
    machine.names.insert("evil.b.org".to_owned(), "-oProxyCommand=x".to_owned());
    let name = |host| load(&machine, host, &[]).unwrap().host_name.value;
    assert_eq!(name("www.b.org"), "real.c.org");
    assert_eq!(name("evil.b.org"), "evil.b.org");
    assert_eq!(name("evil.b.org."), "evil.b.org");
    assert_eq!(name("0:0::1"), "::1");
    let proxied = load(&machine, "www.b.org", &["ProxyCommand=x"]).unwrap();
    assert_eq!(*proxied.host_name, "www.b.org");
    let always = ["ProxyCommand=x", "CanonicalizeHostname=always"];
    assert_eq!(*load(&machine, "www.b.org.", &always).unwrap().host_name, "real.c.org");
}

/// An unknown word comes with the word that was probably meant, and with its line.
#[test]
fn suggestions() {
    let said = |line: &str| text(&Memory::default(), line).unwrap_err().to_string();
    assert!(said("HostNmae x\n").contains("\n    did you mean HostName?\n    HostNmae x\n"));
    assert!(said("Includ x\n").contains("did you mean Include?"));
    assert!(said("PermitRootLogin no\n").contains("PermitRootLogin is a word of sshd_config"));
    assert!(!said("Xyzzy 1\n").contains("mean"));
    assert!(said("Host a\n  Port 70000 # high\n").contains("\n    Port 70000 # high\n"));
    assert!(said("Foo \u{1b}[2J\n").contains("\\033[2J"));
}

/// An included file is checked as strictly as the one that includes it, even for `-F`.
#[test]
fn included_files_of_others() {
    let machine = Memory::default().with(USER, "Include more\n").with("/home/ann/.ssh/more", "");
    assert!(load(&machine, "target", &[]).is_ok());
    let writable = Memory { mode: 0o622, ..machine };
    let sources = ClientSources {
        options: Vec::new(),
        files: ConfigFiles::File("/home/ann/.ssh/config".into()),
    };
    assert_eq!(
        load_from(&writable, "target", &sources).unwrap_err().to_string(),
        "Bad owner or permissions on /home/ann/.ssh/more"
    );
}

/// What became of every line can be told.
#[test]
fn traces() {
    use keyway_config::Outcome::{Applies, OutOfScope, Read, Skipped, Taken, TooLate};
    let machine = Memory::default()
        .with(
            USER,
            "Host other\nPort 1\nHost t* !target\nPort 2\nMatch user bob\nPort 3\n\
             Host *\nPort 4\nInclude more\nPort 5\nIdentityFile a\nMatch final\nUser x\n",
        )
        .with("/home/ann/.ssh/more", "IdentityFile b\nMatch exec false\n");
    let (config, steps) = load_traced(&machine, "target");
    let at = |line: usize| {
        let origin = format!("{USER} line {line}");
        let mut steps = steps.iter().filter(|step| !step.second_pass);
        steps.find(|step| step.origin.to_string() == origin).unwrap().outcome.clone()
    };
    assert_eq!(at(1), Skipped("no pattern fits target".to_owned()));
    assert_eq!(at(2), OutOfScope);
    assert_eq!(at(3), Skipped("!target excludes target".to_owned()));
    assert_eq!(at(5), Skipped("user: the user is ann".to_owned()));
    assert_eq!(at(7), Applies);
    assert_eq!(at(8), Taken);
    assert_eq!(at(10), TooLate(config.port.origin.clone()));
    assert_eq!(at(11), Taken);
    assert_eq!(at(12), Skipped("final: only the second pass can fit".to_owned()));
    assert!(steps.iter().any(|step| step.second_pass && step.outcome == Applies));
    assert!(steps.iter().any(|step| step.outcome == Read));
    let effective = config.effective();
    let of = |name: &str| {
        let values = effective.iter().filter(|one| one.keyword.name == name);
        values.map(|one| format!("{} <- {}", one.value, one.origin)).collect::<Vec<_>>()
    };
    assert_eq!(of("Port"), [format!("4 <- {USER} line 8")]);
    let more = "/home/ann/.ssh/more line 1";
    assert_eq!(of("IdentityFile"), [format!("b <- {more}"), format!("a <- {USER} line 11")]);
    assert_eq!(of("BatchMode"), ["no <- default"]);
}

#[test]
fn users_of_the_command_line() {
    let machine = Memory::default().with(USER, "User %n-file\n");
    let sources = |options: &[CommandLineOption]| ClientSources {
        options: options.to_vec(),
        files: ConfigFiles::Standard,
    };
    let user = |options: &[CommandLineOption]| {
        load_from(&machine, "target", &sources(options)).unwrap().user.value
    };
    let flag = CommandLineOption::User("%n-flag".to_owned());
    let option = CommandLineOption::Option("User=%n-option".to_owned());
    assert_eq!(user(&[]), "target-file");
    assert_eq!(user(&[flag.clone(), option.clone()]), "%n-flag");
    assert_eq!(user(&[option, flag]), "target-option");
    let forward = CommandLineOption::LocalForward("0:x".to_owned());
    let error = load_from(&machine, "target", &sources(&[forward])).unwrap_err();
    assert_eq!(error.to_string(), "Bad local forwarding specification '0:x'");
}

#[test]
fn notes() {
    let config = text(
        &Memory::default(),
        "GSSAPIDelegateCredentials yes\nTunnel no\nUseRoaming no\nRSAAuthentication yes\nGSSAPIAuthentication yes\n",
    )
    .unwrap();
    let notes: Vec<_> =
        config.notes.iter().map(|note| (note.level, note.message.as_str())).collect();
    let at = |line: u32, what: &str| format!("{USER} line {line}: {what}");
    assert_eq!(
        notes,
        [
            (
                NoteLevel::Verbose,
                at(1, "GSSAPIDelegateCredentials has no effect in this version").as_str()
            ),
            (NoteLevel::Verbose, at(3, "Deprecated option \"useroaming\"").as_str()),
            (NoteLevel::Error, at(4, "Unsupported option \"rsaauthentication\"").as_str()),
            (
                NoteLevel::Verbose,
                at(5, "GSSAPIAuthentication has no effect in this version").as_str()
            ),
        ]
    );
}

#[test]
fn what_keeps_a_user_safer_is_followed() {
    let config = text(&Memory::default(), "PermitRemoteOpen none\nRevokedHostKeys /x\n").unwrap();
    assert!(config.refused.is_empty() && config.notes.is_empty());
    let dump = config.dump();
    for line in ["permitremoteopen none\n", "revokedhostkeys /x\n"] {
        assert!(dump.contains(line), "{dump}");
    }
}

#[test]
fn table() {
    let keywords: Vec<_> = ClientConfig::keywords().collect();
    for (index, keyword) in keywords.iter().enumerate() {
        let twice =
            keywords[index + 1..].iter().any(|other| other.name.eq_ignore_ascii_case(keyword.name));
        assert!(!twice, "{} is there twice", keyword.name);
        assert!(!keyword.summary.is_empty());
    }
    for alias in ClientConfig::aliases() {
        assert!(keywords.iter().any(|keyword| keyword.name == alias.keyword), "{}", alias.name);
    }
    let port = keywords.iter().find(|keyword| keyword.name == "Port").unwrap();
    assert_eq!((port.kind, port.support), (Kind::Number, Support::Built));
}

/// Whatever a file holds, there is an answer.
#[test]
fn garbage() {
    let words: Vec<&str> = ClientConfig::keywords().map(|keyword| keyword.name).collect();
    let bits = [
        "\"",
        "'",
        "\\",
        "%",
        "${",
        "}",
        "=",
        "#",
        " ",
        "\t",
        "\r",
        "\0",
        "!",
        ",",
        "*",
        "?",
        ":",
        "[",
        "]",
        "::1",
        "~",
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
        "/a",
        "Match host ",
        "Host ",
        "Include ",
        "final",
        "@",
        "ssh://",
        "/",
    ];
    let mut random = common::Random(42);
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
        match text(&Memory::default(), &config) {
            Ok(config) => drop(config.dump()),
            Err(error) => drop(error.to_string()),
        }
    }
}
