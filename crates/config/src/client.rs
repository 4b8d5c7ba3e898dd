//! ssh_config: the table of keywords and the settings they fill.

use std::path::PathBuf;
use std::time::Duration;

use crate::codec::{
    Count, Distinct, Each, FilePath, Flag, List, One, OptionalWord, PathOrNone, Pick, RestOfLine,
    Time, TimeOrNone, Word, WordOrNone,
};
use crate::error::{Note, Problem};
use crate::keyword::{Alias, Retired, Treatment, keywords};
use crate::origin::Setting;
use crate::special::{
    Addendum, Algorithms, ChannelTimeouts, Class, Facility, Hash, Level, Mask, PathList, Qos,
    Rekey, SetEnvironment, Variable,
};
use crate::special_agent::{AddKeys, Agent, AgentForward, AgentKeys};
use crate::special_client::{
    CanonicalNames, Escape, ForwardLine, JumpList, Keystrokes, NameList, Persist, PortNumber,
    RemoteOpen, TunnelUnits,
};
use crate::value::{
    AddKeysToAgent, AddressFamily, AgentSocket, CanonicalizeHostname, ChannelTimeout,
    ControlMaster, ControlPersist, FingerprintHash, Forward, ForwardAgent, IpQos, Jump, LogLevel,
    Permit, PermittedCname, PubkeyAuthentication, RekeyLimit, RequestTty, SessionType,
    StrictHostKeyChecking, SyslogFacility, Tunnel, TunnelUnit, WarnWeakCrypto, YesNoAsk,
};

keywords! {
    /// What ssh is to do for one host, after all files and options.
    ///
    /// Tokens and `~` are expanded, except in `identity_files`, `certificate_files`,
    /// `proxy_command`, `local_command` and `known_hosts_command`, which are expanded where
    /// they are used with [`ClientConfig::tokens`].
    pub struct ClientConfig {
        /// The host as the user named it.
        pub original_host: String,
        /// What to mention about lines that were accepted.
        pub notes: Vec<Note>,
        /// Lines without which connecting would be less safe, and which this version does not
        /// follow. They do not hinder `-G`; before a connection they are errors.
        pub refused: Vec<Problem>,
        /// The user came from `-l` or `user@host`, where nothing is expanded.
        pub(crate) literal_user: bool,
        /// What tokens stand for.
        pub(crate) token_values: crate::tokens::Values,
    }

    "User" Anywhere Built "the name to log in with"
    user: Setting<String> = One<Word>, String::new();
    "HostName" Anywhere Built "the real name or address of the host"
    host_name: Setting<String> = One<Word>, String::new();
    "Port" Anywhere Built "the port to connect to"
    port: Setting<u16> = One<PortNumber>, 22;
    "AddressFamily" Anywhere Built "IPv4, IPv6 or both"
    address_family: Setting<AddressFamily> = One<Pick<AddressFamily>>, AddressFamily::Any;
    "BatchMode" Anywhere Built "never ask the user anything"
    batch_mode: Setting<bool> = One<Flag>, false;
    "CanonicalizeFallbackLocal" Anywhere Built "use the name as it is when no domain fits"
    canonicalize_fallback_local: Setting<bool> = One<Flag>, true;
    "CanonicalizeHostname" Anywhere Built "whether to rewrite the host name"
    canonicalize_hostname: Setting<CanonicalizeHostname> =
        One<Pick<CanonicalizeHostname>>, CanonicalizeHostname::No;
    "CheckHostIP" Anywhere Built "also look the address up in known_hosts"
    check_host_ip: Setting<bool> = One<Flag>, false;
    "Compression" Anywhere Built "compress the connection"
    compression: Setting<bool> = One<Flag>, false;
    "ControlMaster" Anywhere Built "share a connection between sessions"
    control_master: Setting<ControlMaster> = One<Pick<ControlMaster>>, ControlMaster::No;
    "EnableSSHKeysign" Anywhere Built "let ssh-keysign sign for the host"
    enable_ssh_keysign: Setting<bool> = One<Flag>, false;
    "ClearAllForwardings" Anywhere Built "forget all forwards"
    clear_all_forwardings: Setting<bool> = One<Flag>, false;
    "ExitOnForwardFailure" Anywhere Built "give up when a forward cannot be made"
    exit_on_forward_failure: Setting<bool> = One<Flag>, false;
    "FingerprintHash" Anywhere Built "the hash of printed fingerprints"
    fingerprint_hash: Setting<FingerprintHash> = One<Hash>, FingerprintHash::Sha256;
    "ForwardX11" Anywhere Built "forward X11"
    forward_x11: Setting<bool> = One<Flag>, false;
    "ForwardX11Trusted" Anywhere Built "give X11 clients full access"
    forward_x11_trusted: Setting<bool> = One<Flag>, false;
    "GatewayPorts" Anywhere Built "let other hosts use local forwards"
    gateway_ports: Setting<bool> = One<Flag>, false;
    "GSSAPIAuthentication" Anywhere Later "log in with Kerberos"
    gssapi_authentication: Setting<bool> = One<Flag>, false;
    "GSSAPIDelegateCredentials" Anywhere Later "forward Kerberos tickets"
    gssapi_delegate_credentials: Setting<bool> = One<Flag>, false;
    "HashKnownHosts" Anywhere Built "hash names that are added to known_hosts"
    hash_known_hosts: Setting<bool> = One<Flag>, false;
    "HostbasedAuthentication" Anywhere Built "log in with the key of this host"
    hostbased_authentication: Setting<bool> = One<Flag>, false;
    "IdentitiesOnly" Anywhere Built "use only the configured keys"
    identities_only: Setting<bool> = One<Flag>, false;
    "KbdInteractiveAuthentication" Anywhere Built "answer the server's questions"
    kbd_interactive_authentication: Setting<bool> = One<Flag>, true;
    "NoHostAuthenticationForLocalhost" Anywhere Built "do not check the host key of this machine"
    no_host_authentication_for_localhost: Setting<bool> = One<Flag>, false;
    "PasswordAuthentication" Anywhere Built "log in with a password"
    password_authentication: Setting<bool> = One<Flag>, true;
    "PermitLocalCommand" Anywhere Built "allow LocalCommand"
    permit_local_command: Setting<bool> = One<Flag>, false;
    "ProxyUseFdpass" Anywhere Built "ProxyCommand passes a descriptor"
    proxy_use_fdpass: Setting<bool> = One<Flag>, false;
    "PubkeyAuthentication" Anywhere Built "log in with keys"
    pubkey_authentication: Setting<PubkeyAuthentication> =
        One<Pick<PubkeyAuthentication>>, PubkeyAuthentication::All;
    "RequestTTY" Anywhere Built "ask for a terminal"
    request_tty: Setting<RequestTty> = One<Pick<RequestTty>>, RequestTty::Auto;
    "SessionType" Anywhere Built "a shell, a subsystem, or no session"
    session_type: Setting<SessionType> = One<Pick<SessionType>>, SessionType::Default;
    "StdinNull" Anywhere Built "read nothing"
    stdin_null: Setting<bool> = One<Flag>, false;
    "ForkAfterAuthentication" Anywhere Built "go to the background after login"
    fork_after_authentication: Setting<bool> = One<Flag>, false;
    "StreamLocalBindUnlink" Anywhere Built "remove a stale socket before listening"
    stream_local_bind_unlink: Setting<bool> = One<Flag>, false;
    "StrictHostKeyChecking" Anywhere Built "what to do about unknown host keys"
    strict_host_key_checking: Setting<StrictHostKeyChecking> =
        One<Pick<StrictHostKeyChecking>>, StrictHostKeyChecking::Ask;
    "TCPKeepAlive" Anywhere Built "let TCP notice a dead connection"
    tcp_keep_alive: Setting<bool> = One<Flag>, true;
    "Tunnel" Anywhere Built "forward a network interface"
    tunnel: Setting<Tunnel> = One<Pick<Tunnel>>, Tunnel::No;
    "VerifyHostKeyDNS" Anywhere Built "check host keys with SSHFP records"
    verify_host_key_dns: Setting<YesNoAsk> = One<Pick<YesNoAsk>>, YesNoAsk::No;
    "VisualHostKey" Anywhere Built "draw the host key's fingerprint"
    visual_host_key: Setting<bool> = One<Flag>, false;
    "UpdateHostKeys" Anywhere Built "learn the server's other host keys"
    update_host_keys: Setting<YesNoAsk> = One<Pick<YesNoAsk>>, YesNoAsk::Yes;
    "EnableEscapeCommandline" Anywhere Built "allow ~C"
    enable_escape_commandline: Setting<bool> = One<Flag>, false;
    "WarnWeakCrypto" Anywhere Later "warn of weak algorithms"
    warn_weak_crypto: Setting<WarnWeakCrypto> = One<Pick<WarnWeakCrypto>>, WarnWeakCrypto::Yes;
    "CanonicalizeMaxDots" Anywhere Built "names with more dots are left alone"
    canonicalize_max_dots: Setting<u32> = One<Count>, 1u32;
    "ConnectionAttempts" Anywhere Built "how often to try"
    connection_attempts: Setting<u32> = One<Count>, 1u32;
    "ForwardX11Timeout" Anywhere Built "when untrusted X11 forwarding ends"
    forward_x11_timeout: Setting<Duration> = One<Time>, Duration::from_secs(20 * 60);
    "NumberOfPasswordPrompts" Anywhere Built "how often to ask for a password"
    number_of_password_prompts: Setting<u32> = One<Count>, 3u32;
    "ServerAliveCountMax" Anywhere Built "unanswered questions before giving up"
    server_alive_count_max: Setting<u32> = One<Count>, 3u32;
    "ServerAliveInterval" Anywhere Built "time between questions; zero for none"
    server_alive_interval: Setting<Duration> = One<Time>, Duration::ZERO;
    "RequiredRSASize" Anywhere Built "the shortest RSA key, in bits"
    required_rsa_size: Setting<u32> = One<Count>, 1024u32;
    "ObscureKeystrokeTiming" Anywhere Built "hide when keys are pressed"
    obscure_keystroke_timing: Setting<Option<Duration>> =
        One<Keystrokes>, Some(Duration::from_millis(20));
    "BindAddress" Anywhere Built "the local address to connect from"
    bind_address: Setting<Option<String>> = One<OptionalWord>, None;
    "BindInterface" Anywhere Built "the local interface to connect from"
    bind_interface: Setting<Option<String>> = One<OptionalWord>, None;
    "Ciphers" Anywhere Built "ciphers, in order of preference"
    ciphers: Setting<Vec<String>> = One<Algorithms<{ Class::CIPHERS }>>, Vec::new();
    "ControlPath" Anywhere Built "the socket of a shared connection"
    control_path: Setting<Option<PathBuf>> = One<PathOrNone>, None;
    "HostKeyAlgorithms" Anywhere Built "host key algorithms, in order of preference"
    host_key_algorithms: Setting<Vec<String>> = One<Algorithms<{ Class::KEYS }>>, Vec::new();
    "HostKeyAlias" Anywhere Built "the name to look the host key up by"
    host_key_alias: Setting<Option<String>> = One<OptionalWord>, None;
    "HostbasedAcceptedAlgorithms" Anywhere Built "algorithms of host-based login"
    hostbased_accepted_algorithms: Setting<Vec<String>> =
        One<Algorithms<{ Class::KEYS }>>, Vec::new();
    "IdentityAgent" Anywhere Built "which agent to ask"
    identity_agent: Setting<AgentSocket> = One<Agent>, AgentSocket::Standard;
    "IgnoreUnknown" Anywhere Built "unknown keywords to skip, as patterns"
    ignore_unknown: Setting<Option<String>> = One<OptionalWord>, None;
    "KbdInteractiveDevices" Anywhere Built "the kinds of questions to ask for"
    kbd_interactive_devices: Setting<Option<String>> = One<OptionalWord>, None;
    "KexAlgorithms" Anywhere Built "key exchanges, in order of preference"
    kex_algorithms: Setting<Vec<String>> = One<Algorithms<{ Class::KEY_EXCHANGES }>>, Vec::new();
    "CASignatureAlgorithms" Anywhere Built "how a certificate may be signed"
    ca_signature_algorithms: Setting<Vec<String>> =
        One<Algorithms<{ Class::CA_SIGNATURES }>>, Vec::new();
    "LocalCommand" Anywhere Built "a command to run here after login"
    local_command: Setting<Option<String>> = One<RestOfLine>, None;
    "RemoteCommand" Anywhere Built "the command to run there"
    remote_command: Setting<Option<String>> = One<RestOfLine>, None;
    "LogLevel" Anywhere Built "how much to log"
    log_level: Setting<LogLevel> = One<Level>, LogLevel::Info;
    "MACs" Anywhere Built "MACs, in order of preference"
    macs: Setting<Vec<String>> = One<Algorithms<{ Class::MACS }>>, Vec::new();
    "PKCS11Provider" Anywhere Built "a library that holds keys"
    pkcs11_provider: Setting<Option<String>> = One<WordOrNone>, None;
    "SecurityKeyProvider" Anywhere Built "the library for security keys"
    security_key_provider: Setting<String> = One<Word>, "internal".to_owned();
    "PreferredAuthentications" Anywhere Built "the order of methods"
    preferred_authentications: Setting<Vec<String>> = One<NameList>, Vec::new();
    "PubkeyAcceptedAlgorithms" Anywhere Built "signature algorithms to log in with"
    pubkey_accepted_algorithms: Setting<Vec<String>> =
        One<Algorithms<{ Class::KEYS }>>, Vec::new();
    "RevokedHostKeys" Anywhere Built "host keys that are never accepted"
    revoked_host_keys: Setting<Vec<PathBuf>> = One<PathList>, Vec::new();
    "XAuthLocation" Anywhere Built "the xauth program"
    xauth_location: Setting<PathBuf> = One<FilePath>, PathBuf::from("/usr/bin/xauth");
    "KnownHostsCommand" Anywhere Built "a command that prints host keys"
    known_hosts_command: Setting<Option<String>> = One<RestOfLine>, None;
    "Tag" Anywhere Built "a label for Match tagged"
    tag: Setting<Option<String>> = One<OptionalWord>, None;
    "VersionAddendum" Anywhere Built "a comment in our version line"
    version_addendum: Setting<Option<String>> = One<Addendum>, None;
    "RefuseConnection" Anywhere Built "a reason not to connect"
    refuse_connection: Setting<Option<String>> = One<OptionalWord>, None;
    "DynamicForward" Anywhere Built "a local SOCKS server"
    dynamic_forwards: Vec<Setting<Forward>> = Distinct<ForwardLine<{ ForwardLine::DYNAMIC }>>, Vec::new();
    "LocalForward" Anywhere Built "a local port that leads there"
    local_forwards: Vec<Setting<Forward>> = Distinct<ForwardLine<{ ForwardLine::LOCAL }>>, Vec::new();
    "RemoteForward" Anywhere Built "a remote port that leads here"
    remote_forwards: Vec<Setting<Forward>> = Distinct<ForwardLine<{ ForwardLine::REMOTE }>>, Vec::new();
    "IdentityFile" Anywhere Built "a key to log in with"
    identity_files: Vec<Setting<String>> = Distinct<Word>, Vec::new();
    "CanonicalDomains" Anywhere Built "where to look for a host"
    canonical_domains: Setting<Vec<String>> = One<List>, Vec::new();
    "CertificateFile" Anywhere Built "a certificate to log in with"
    certificate_files: Vec<Setting<String>> = Distinct<Word>, Vec::new();
    "GlobalKnownHostsFile" Anywhere Built "the system's host keys"
    global_known_hosts_files: Setting<Vec<PathBuf>> = One<PathList>, vec![
        PathBuf::from("/etc/ssh/ssh_known_hosts"),
        PathBuf::from("/etc/ssh/ssh_known_hosts2"),
    ];
    "UserKnownHostsFile" Anywhere Built "the user's host keys"
    user_known_hosts_files: Setting<Vec<PathBuf>> = One<PathList>, vec![
        PathBuf::from("~/.ssh/known_hosts"),
        PathBuf::from("~/.ssh/known_hosts2"),
    ];
    "SendEnv" Anywhere Built "variables to send, as patterns"
    send_env: Vec<Setting<String>> = Each<Variable>, Vec::new();
    "SetEnv" Anywhere Built "variables to set there"
    set_env: Vec<Setting<(String, String)>> = Each<SetEnvironment>, Vec::new();
    "LogVerbose" Anywhere Built "places in the source to log"
    log_verbose: Setting<Vec<String>> = One<List>, Vec::new();
    "ChannelTimeout" Anywhere Built "when to close idle channels"
    channel_timeout: Setting<Vec<ChannelTimeout>> = One<ChannelTimeouts>, Vec::new();
    "PermitRemoteOpen" Anywhere Built "where a remote SOCKS forward may lead"
    permit_remote_open: Setting<Permit> = One<RemoteOpen>, Permit::Any;
    "AddKeysToAgent" Anywhere Built "put used keys into the agent"
    add_keys_to_agent: Setting<AddKeysToAgent> = One<AddKeys>, AddKeysToAgent::default();
    "ForwardAgent" Anywhere Built "let the remote host use the agent"
    forward_agent: Setting<ForwardAgent> = One<AgentForward>, ForwardAgent::No;
    "ForwardAgentKeys" Anywhere Built "the only keys a forwarded agent shows, as files and fingerprints"
    forward_agent_keys: Setting<Vec<String>> = One<AgentKeys>, Vec::new();
    "ConnectTimeout" Anywhere Built "how long to wait for the server"
    connect_timeout: Setting<Option<Duration>> = One<TimeOrNone>, None;
    "TunnelDevice" Anywhere Built "the local and remote interface"
    tunnel_device: Setting<(TunnelUnit, TunnelUnit)> = One<TunnelUnits>, (None, None);
    "CanonicalizePermittedCNAMEs" Anywhere Built "which aliases to follow"
    canonicalize_permitted_cnames: Setting<Vec<PermittedCname>> =
        One<CanonicalNames>, Vec::new();
    "ControlPersist" Anywhere Built "keep a shared connection open"
    control_persist: Setting<ControlPersist> = One<Persist>, ControlPersist::No;
    "EscapeChar" Anywhere Built "what starts an escape"
    escape_char: Setting<Option<u8>> = One<Escape>, Some(b'~');
    "IPQoS" Anywhere Built "traffic classes"
    ip_qos: Setting<IpQos> = One<Qos>, IpQos { interactive: Some(0xb8), bulk: None };
    "RekeyLimit" Anywhere Built "when to exchange keys anew"
    rekey_limit: Setting<RekeyLimit> = One<Rekey>, RekeyLimit::default();
    "StreamLocalBindMask" Anywhere Built "the umask of forwarded sockets"
    stream_local_bind_mask: Setting<u32> = One<Mask>, 0o177u32;
    "SyslogFacility" Anywhere Built "the syslog facility of -y"
    syslog_facility: Setting<SyslogFacility> = One<Facility>, SyslogFacility::User;
    "ProxyCommand" Anywhere Built "a command that reaches the server"
    proxy_command: Setting<Option<String>> = One<RestOfLine>, None;
    "ProxyJump" Anywhere Built "hosts to go through"
    proxy_jump: Setting<Vec<Jump>> = One<JumpList>, Vec::new();
}

/// Old names that are still taken.
pub(crate) static ALIASES: &[Alias] = &[
    Alias { name: "ChallengeResponseAuthentication", keyword: "KbdInteractiveAuthentication" },
    Alias { name: "SkeyAuthentication", keyword: "KbdInteractiveAuthentication" },
    Alias { name: "TISAuthentication", keyword: "KbdInteractiveAuthentication" },
    Alias { name: "DSAAuthentication", keyword: "PubkeyAuthentication" },
    Alias { name: "IdentityFile2", keyword: "IdentityFile" },
    Alias { name: "HostbasedKeyTypes", keyword: "HostbasedAcceptedAlgorithms" },
    Alias { name: "PubkeyAcceptedKeyTypes", keyword: "PubkeyAcceptedAlgorithms" },
    Alias { name: "KeepAlive", keyword: "TCPKeepAlive" },
    Alias { name: "SmartcardDevice", keyword: "PKCS11Provider" },
];

/// Words without effect.
pub(crate) static RETIRED: &[Retired] = &[
    Retired { name: "Protocol", treatment: Treatment::Ignored },
    Retired { name: "Cipher", treatment: Treatment::Deprecated },
    Retired { name: "FallBackToRsh", treatment: Treatment::Deprecated },
    Retired { name: "GlobalKnownHostsFile2", treatment: Treatment::Deprecated },
    Retired { name: "UserKnownHostsFile2", treatment: Treatment::Deprecated },
    Retired { name: "RhostsAuthentication", treatment: Treatment::Deprecated },
    Retired { name: "UseRoaming", treatment: Treatment::Deprecated },
    Retired { name: "UseRsh", treatment: Treatment::Deprecated },
    Retired { name: "UsePrivilegedPort", treatment: Treatment::Deprecated },
    Retired { name: "AFSTokenPassing", treatment: Treatment::Unsupported },
    Retired { name: "KerberosAuthentication", treatment: Treatment::Unsupported },
    Retired { name: "KerberosTgtPassing", treatment: Treatment::Unsupported },
    Retired { name: "RSAAuthentication", treatment: Treatment::Unsupported },
    Retired { name: "RhostsRSAAuthentication", treatment: Treatment::Unsupported },
    Retired { name: "CompressionLevel", treatment: Treatment::Unsupported },
    // Words that distributions add to OpenSSH.
    Retired { name: "GSSAPIKeyExchange", treatment: Treatment::Deprecated },
    Retired { name: "GSSAPITrustDNS", treatment: Treatment::Deprecated },
    Retired { name: "GSSAPIRenewalForcesRekey", treatment: Treatment::Deprecated },
    Retired { name: "GSSAPIKexAlgorithms", treatment: Treatment::Deprecated },
    Retired { name: "GSSAPIClientIdentity", treatment: Treatment::Deprecated },
    Retired { name: "GSSAPIServerIdentity", treatment: Treatment::Deprecated },
    Retired { name: "SetupTimeOut", treatment: Treatment::Deprecated },
    Retired { name: "ProtocolKeepAlives", treatment: Treatment::Deprecated },
    // Apple's. The keychain is not asked; elsewhere the word is unknown, as to OpenSSH.
    #[cfg(target_os = "macos")]
    Retired { name: "UseKeychain", treatment: Treatment::Deprecated },
];

impl ClientConfig {
    /// Old names and the keywords they stand for.
    pub fn aliases() -> &'static [Alias] {
        ALIASES
    }

    /// Words that are accepted and do nothing.
    pub fn retired() -> &'static [Retired] {
        RETIRED
    }
}
