//! sshd_config: the table of keywords and the settings they fill.

use std::path::PathBuf;
use std::time::Duration;

use crate::codec::{
    Count, Each, FilePath, Flag, List, Many, One, PathOrNone, Pick, RestOfLine, Time, TimeOrNone,
    Word, WordOrNone,
};
use crate::keyword::{Alias, Retired, Treatment, keywords};
use crate::origin::Setting;
use crate::special::{
    Addendum, Algorithms, ChannelTimeouts, Class, Facility, Hash, Level, Mask, Qos, Rekey,
    SetEnvironment, Variable,
};
use crate::special_server::{
    AuthOptions, BlockSize, Listening, Methods, Open, Penalise, Ports, QuietWord, Startups,
    StartupsOrNone, SubsystemLine, UserEnvironment,
};
use crate::value::{
    AddressFamily, AllowForwarding, ChannelTimeout, Compression, FingerprintHash, GatewayPorts,
    IgnoreRhosts, IpQos, ListenAddress, LogLevel, MaxStartups, MethodList, NetBlockSize, Penalties,
    Permit, PermitRootLogin, PermitTunnel, PermitUserEnvironment, PubkeyAuthOptions, RekeyLimit,
    Subsystem, SyslogFacility,
};

keywords! {
    /// What sshd is to do, for everybody or, after
    /// [`ServerConfig::effective`](crate::ServerConfig::effective), for one connection.
    pub struct ServerSettings {
    }

    "Port" Global Built "the port to listen on"
    ports: Vec<Setting<u16>> = Many<Ports>, Vec::new();
    "AddressFamily" Global Built "IPv4, IPv6 or both"
    address_family: Setting<AddressFamily> = One<Pick<AddressFamily>>, AddressFamily::Any;
    "ListenAddress" Global Built "the address to listen on"
    listen_addresses: Vec<Setting<ListenAddress>> = Many<Listening>, Vec::new();
    "UsePAM" Global Built "check accounts and passwords with PAM"
    use_pam: Setting<bool> = One<Flag>, false;
    "PAMServiceName" Anywhere Built "the PAM service"
    pam_service_name: Setting<String> = One<Word>, "sshd".to_owned();
    "LoginGraceTime" Global Built "how long a login may take; zero for no limit"
    login_grace_time: Setting<Duration> = One<Time>, Duration::from_secs(120);
    "X11DisplayOffset" Anywhere Built "the first X11 display to use"
    x11_display_offset: Setting<u32> = One<Count>, 10u32;
    "MaxAuthTries" Anywhere Built "attempts for each connection"
    max_auth_tries: Setting<u32> = One<Count>, 6u32;
    "MaxSessions" Anywhere Built "sessions for each connection"
    max_sessions: Setting<u32> = One<Count>, 10u32;
    "ClientAliveInterval" Anywhere Built "time between questions; zero for none"
    client_alive_interval: Setting<Duration> = One<Time>, Duration::ZERO;
    "ClientAliveCountMax" Anywhere Built "unanswered questions before giving up; zero for no limit"
    client_alive_count_max: Setting<u32> = One<Count>, 3u32;
    "RequiredRSASize" Anywhere Built "the shortest RSA key, in bits"
    required_rsa_size: Setting<u32> = One<Count>, 1024u32;
    "StreamLocalBindMask" Anywhere Built "the umask of forwarded sockets"
    stream_local_bind_mask: Setting<u32> = One<Mask>, 0o177u32;
    "UnusedConnectionTimeout" Anywhere Built "when to close a connection without channels"
    unused_connection_timeout: Setting<Option<Duration>> = One<TimeOrNone>, None;
    "PermitRootLogin" Anywhere Built "how root may log in"
    permit_root_login: Setting<PermitRootLogin> =
        One<Pick<PermitRootLogin>>, PermitRootLogin::ProhibitPassword;
    "IgnoreRhosts" Anywhere Built "ignore .rhosts and .shosts"
    ignore_rhosts: Setting<IgnoreRhosts> = One<Pick<IgnoreRhosts>>, IgnoreRhosts::Yes;
    "IgnoreUserKnownHosts" Global Built "ignore ~/.ssh/known_hosts"
    ignore_user_known_hosts: Setting<bool> = One<Flag>, false;
    "HostbasedAuthentication" Anywhere Built "accept the key of the client's host"
    hostbased_authentication: Setting<bool> = One<Flag>, false;
    "HostbasedUsesNameFromPacketOnly" Anywhere Built "believe the host name the client gives"
    hostbased_uses_name_from_packet_only: Setting<bool> = One<Flag>, false;
    "PubkeyAuthentication" Anywhere Built "accept keys"
    pubkey_authentication: Setting<bool> = One<Flag>, true;
    "KerberosAuthentication" Anywhere Later "check passwords with Kerberos"
    kerberos_authentication: Setting<bool> = One<Flag>, false;
    "KerberosOrLocalPasswd" Global Later "fall back to local passwords"
    kerberos_or_local_passwd: Setting<bool> = One<Flag>, true;
    "KerberosTicketCleanup" Global Later "destroy tickets at the end"
    kerberos_ticket_cleanup: Setting<bool> = One<Flag>, true;
    "GSSAPIAuthentication" Anywhere Later "accept Kerberos"
    gssapi_authentication: Setting<bool> = One<Flag>, false;
    "GSSAPICleanupCredentials" Global Later "destroy credentials at the end"
    gssapi_cleanup_credentials: Setting<bool> = One<Flag>, true;
    "GSSAPIDelegateCredentials" Global Later "take forwarded credentials"
    gssapi_delegate_credentials: Setting<bool> = One<Flag>, true;
    "GSSAPIStrictAcceptorCheck" Global Later "accept for this host's name only"
    gssapi_strict_acceptor_check: Setting<bool> = One<Flag>, true;
    "PasswordAuthentication" Anywhere Built "accept passwords"
    password_authentication: Setting<bool> = One<Flag>, true;
    "KbdInteractiveAuthentication" Anywhere Built "ask questions"
    kbd_interactive_authentication: Setting<bool> = One<Flag>, true;
    "PrintMotd" Global Built "print /etc/motd"
    print_motd: Setting<bool> = One<Flag>, true;
    "PrintLastLog" Global Built "print the last login"
    print_last_log: Setting<bool> = One<Flag>, true;
    "X11Forwarding" Anywhere Built "allow X11 forwarding"
    x11_forwarding: Setting<bool> = One<Flag>, false;
    "X11UseLocalhost" Anywhere Built "listen for X11 on loopback only"
    x11_use_localhost: Setting<bool> = One<Flag>, true;
    "PermitTTY" Anywhere Built "allow terminals"
    permit_tty: Setting<bool> = One<Flag>, true;
    "PermitUserRC" Anywhere Built "run ~/.ssh/rc"
    permit_user_rc: Setting<bool> = One<Flag>, true;
    "StrictModes" Global Built "check who may write a user's files"
    strict_modes: Setting<bool> = One<Flag>, true;
    "TCPKeepAlive" Global Built "let TCP notice a dead connection"
    tcp_keep_alive: Setting<bool> = One<Flag>, true;
    "PermitEmptyPasswords" Anywhere Built "accept empty passwords"
    permit_empty_passwords: Setting<bool> = One<Flag>, false;
    "Compression" Global Built "offer compression after login"
    compression: Setting<Compression> = One<Pick<Compression>>, Compression::Delayed;
    "GatewayPorts" Anywhere Built "which addresses a remote forward may use"
    gateway_ports: Setting<GatewayPorts> = One<Pick<GatewayPorts>>, GatewayPorts::No;
    "UseDNS" Global Built "look the client's name up"
    use_dns: Setting<bool> = One<Flag>, false;
    "AllowTcpForwarding" Anywhere Built "which TCP forwards are allowed"
    allow_tcp_forwarding: Setting<AllowForwarding> =
        One<Pick<AllowForwarding>>, AllowForwarding::Yes;
    "AllowAgentForwarding" Anywhere Built "allow agent forwarding"
    allow_agent_forwarding: Setting<bool> = One<Flag>, true;
    "DisableForwarding" Anywhere Built "allow no forwarding at all"
    disable_forwarding: Setting<bool> = One<Flag>, false;
    "AllowStreamLocalForwarding" Anywhere Built "which Unix socket forwards are allowed"
    allow_stream_local_forwarding: Setting<AllowForwarding> =
        One<Pick<AllowForwarding>>, AllowForwarding::Yes;
    "StreamLocalBindUnlink" Anywhere Built "remove a stale socket before listening"
    stream_local_bind_unlink: Setting<bool> = One<Flag>, false;
    "FingerprintHash" Global Built "the hash of logged fingerprints"
    fingerprint_hash: Setting<FingerprintHash> = One<Hash>, FingerprintHash::Sha256;
    "ExposeAuthInfo" Anywhere Built "tell the session how the user logged in"
    expose_auth_info: Setting<bool> = One<Flag>, false;
    "RefuseConnection" Anywhere Built "end the connection after it named a user"
    refuse_connection: Setting<bool> = One<Flag>, false;
    "PidFile" Global Built "where to write the process number"
    pid_file: Setting<Option<PathBuf>> = One<PathOrNone>, Some(PathBuf::from("/run/sshd.pid"));
    "ModuliFile" Global Built "groups for Diffie-Hellman group exchange"
    moduli_file: Setting<PathBuf> = One<FilePath>, PathBuf::from("/etc/ssh/moduli");
    "XAuthLocation" Global Built "the xauth program"
    xauth_location: Setting<PathBuf> = One<FilePath>, PathBuf::from("/usr/bin/xauth");
    "Ciphers" Global Built "ciphers"
    ciphers: Setting<Vec<String>> = One<Algorithms<{ Class::CIPHERS }>>, Vec::new();
    "MACs" Global Built "MACs"
    macs: Setting<Vec<String>> = One<Algorithms<{ Class::MACS }>>, Vec::new();
    "Banner" Anywhere Built "a file to show before login"
    banner: Setting<Option<PathBuf>> = One<PathOrNone>, None;
    "ForceCommand" Anywhere Built "the only command; internal-sftp for the built-in server"
    force_command: Setting<Option<String>> = One<RestOfLine>, None;
    "ChrootDirectory" Anywhere Built "the root of the session, with tokens"
    chroot_directory: Setting<Option<String>> = One<WordOrNone>, None;
    "TrustedUserCAKeys" Anywhere Built "who may sign user certificates"
    trusted_user_ca_keys: Setting<Option<PathBuf>> = One<PathOrNone>, None;
    "RevokedKeys" Anywhere Built "keys that are never accepted"
    revoked_keys: Setting<Option<PathBuf>> = One<PathOrNone>, None;
    "SecurityKeyProvider" Global Built "the library for security keys"
    security_key_provider: Setting<String> = One<Word>, "internal".to_owned();
    "AuthorizedPrincipalsFile" Anywhere Built "names a certificate may carry, with tokens"
    authorized_principals_file: Setting<Option<String>> = One<WordOrNone>, None;
    "VersionAddendum" Global Built "a comment in our version line"
    version_addendum: Setting<Option<String>> = One<Addendum>, None;
    "AuthorizedKeysCommand" Anywhere Built "a command that prints a user's keys"
    authorized_keys_command: Setting<Option<String>> = One<RestOfLine>, None;
    "AuthorizedKeysCommandUser" Anywhere Built "who runs it"
    authorized_keys_command_user: Setting<Option<String>> = One<WordOrNone>, None;
    "AuthorizedPrincipalsCommand" Anywhere Built "a command that prints a user's principals"
    authorized_principals_command: Setting<Option<String>> = One<RestOfLine>, None;
    "AuthorizedPrincipalsCommandUser" Anywhere Built "who runs it"
    authorized_principals_command_user: Setting<Option<String>> = One<WordOrNone>, None;
    "HostKeyAgent" Global Built "an agent that holds the host keys"
    host_key_agent: Setting<Option<String>> = One<WordOrNone>, None;
    "KexAlgorithms" Global Built "key exchanges"
    kex_algorithms: Setting<Vec<String>> = One<Algorithms<{ Class::KEY_EXCHANGES }>>, Vec::new();
    "CASignatureAlgorithms" Anywhere Built "how a certificate may be signed"
    ca_signature_algorithms: Setting<Vec<String>> =
        One<Algorithms<{ Class::CA_SIGNATURES }>>, Vec::new();
    "HostbasedAcceptedAlgorithms" Anywhere Built "algorithms of host-based login"
    hostbased_accepted_algorithms: Setting<Vec<String>> =
        One<Algorithms<{ Class::KEYS }>>, Vec::new();
    "HostKeyAlgorithms" Global Built "host key algorithms"
    host_key_algorithms: Setting<Vec<String>> = One<Algorithms<{ Class::KEYS }>>, Vec::new();
    "PubkeyAcceptedAlgorithms" Anywhere Built "signature algorithms of users' keys"
    pubkey_accepted_algorithms: Setting<Vec<String>> =
        One<Algorithms<{ Class::KEYS }>>, Vec::new();
    "RDomain" Anywhere Security "the routing domain of the session"
    routing_domain: Setting<Option<String>> = One<QuietWord>, None;
    "SshdSessionPath" Global Later "a program of OpenSSH that we do not need"
    sshd_session_path: Setting<Option<PathBuf>> = One<PathOrNone>, None;
    "SshdAuthPath" Global Later "a program of OpenSSH that we do not need"
    sshd_auth_path: Setting<Option<PathBuf>> = One<PathOrNone>, None;
    "LogLevel" Anywhere Built "how much to log"
    log_level: Setting<LogLevel> = One<Level>, LogLevel::Info;
    "SyslogFacility" Global Built "the syslog facility"
    syslog_facility: Setting<SyslogFacility> = One<Facility>, SyslogFacility::Auth;
    "AuthorizedKeysFile" Anywhere Built "users' keys, with tokens; relative to their home"
    authorized_keys_files: Setting<Vec<String>> = One<List>, vec![
        ".ssh/authorized_keys".to_owned(),
        ".ssh/authorized_keys2".to_owned(),
    ];
    "HostKey" Global Built "a key of this host"
    host_keys: Vec<Setting<PathBuf>> = Many<FilePath>, Vec::new();
    "HostCertificate" Global Built "a certificate of this host"
    host_certificates: Vec<Setting<PathBuf>> = Many<FilePath>, Vec::new();
    "AllowUsers" Anywhere Built "who may log in, as user or user@host patterns"
    allow_users: Vec<Setting<String>> = Each<Word>, Vec::new();
    "DenyUsers" Anywhere Built "who may not"
    deny_users: Vec<Setting<String>> = Each<Word>, Vec::new();
    "AllowGroups" Anywhere Built "whose members may log in"
    allow_groups: Vec<Setting<String>> = Each<Word>, Vec::new();
    "DenyGroups" Anywhere Built "whose members may not"
    deny_groups: Vec<Setting<String>> = Each<Word>, Vec::new();
    "AcceptEnv" Anywhere Built "variables a client may set, as patterns"
    accept_env: Vec<Setting<String>> = Each<Variable>, Vec::new();
    "SetEnv" Anywhere Built "variables of every session"
    set_env: Vec<Setting<(String, String)>> = Each<SetEnvironment>, Vec::new();
    "AuthenticationMethods" Anywhere Built "lists of methods, one of which must be gone through"
    authentication_methods: Setting<Vec<MethodList>> = One<Methods>, Vec::new();
    "LogVerbose" Anywhere Built "places in the source to log"
    log_verbose: Setting<Vec<String>> = One<List>, Vec::new();
    "ChannelTimeout" Anywhere Built "when to close idle channels"
    channel_timeout: Setting<Vec<ChannelTimeout>> = One<ChannelTimeouts>, Vec::new();
    "Subsystem" Anywhere Built "a subsystem and its command"
    subsystems: Vec<Setting<Subsystem>> = SubsystemLine, Vec::new();
    "MaxStartups" Global Built "connections without a login"
    max_startups: Setting<MaxStartups> =
        One<Startups>, MaxStartups { start: 10, rate: 30, full: 100 };
    "PerSourceMaxStartups" Global Built "the same for each source"
    per_source_max_startups: Setting<Option<u32>> = One<StartupsOrNone>, None;
    "PerSourceNetBlockSize" Global Built "how many address bits make a source"
    per_source_net_block_size: Setting<NetBlockSize> =
        One<BlockSize>, NetBlockSize { ipv4: 32, ipv6: 128 };
    "PerSourcePenaltyExemptList" Global Built "addresses that are never penalised"
    per_source_penalty_exempt_list: Setting<Option<String>> = One<WordOrNone>, None;
    "PerSourcePenalties" Global Built "how long sources that misbehave must wait"
    per_source_penalties: Setting<Penalties> = One<Penalise>, Penalties::default();
    "PermitTunnel" Anywhere Built "which tunnels are allowed"
    permit_tunnel: Setting<PermitTunnel> = One<Pick<PermitTunnel>>, PermitTunnel::No;
    "IPQoS" Anywhere Built "traffic classes"
    ip_qos: Setting<IpQos> = One<Qos>, IpQos { interactive: Some(0xb8), bulk: None };
    "RekeyLimit" Anywhere Built "when to exchange keys anew"
    rekey_limit: Setting<RekeyLimit> = One<Rekey>, RekeyLimit::default();
    "PermitOpen" Anywhere Built "where local forwards may lead"
    permit_open: Setting<Permit> = One<Open<{ Open::CONNECT }>>, Permit::Any;
    "PermitListen" Anywhere Built "where remote forwards may listen"
    permit_listen: Setting<Permit> = One<Open<{ Open::LISTEN }>>, Permit::Any;
    "PermitUserEnvironment" Global Built "read ~/.ssh/environment"
    permit_user_environment: Setting<PermitUserEnvironment> =
        One<UserEnvironment>, PermitUserEnvironment::No;
    "PubkeyAuthOptions" Anywhere Built "what security keys must prove"
    pubkey_auth_options: Setting<PubkeyAuthOptions> =
        One<AuthOptions>, PubkeyAuthOptions::default();
}

/// Old names that are still taken.
pub(crate) static ALIASES: &[Alias] = &[
    Alias { name: "HostDSAKey", keyword: "HostKey" },
    Alias { name: "HostBasedAcceptedKeyTypes", keyword: "HostbasedAcceptedAlgorithms" },
    Alias { name: "PubkeyAcceptedKeyTypes", keyword: "PubkeyAcceptedAlgorithms" },
    Alias { name: "DSAAuthentication", keyword: "PubkeyAuthentication" },
    Alias { name: "ChallengeResponseAuthentication", keyword: "KbdInteractiveAuthentication" },
    Alias { name: "SKeyAuthentication", keyword: "KbdInteractiveAuthentication" },
    Alias { name: "KeepAlive", keyword: "TCPKeepAlive" },
];

/// Words without effect.
pub(crate) static RETIRED: &[Retired] = &[
    Retired { name: "ServerKeyBits", treatment: Treatment::Deprecated },
    Retired { name: "KeyRegenerationInterval", treatment: Treatment::Deprecated },
    Retired { name: "RHostsAuthentication", treatment: Treatment::Deprecated },
    Retired { name: "RhostsRSAAuthentication", treatment: Treatment::Deprecated },
    Retired { name: "RSAAuthentication", treatment: Treatment::Deprecated },
    Retired { name: "CheckMail", treatment: Treatment::Deprecated },
    Retired { name: "UseLogin", treatment: Treatment::Deprecated },
    Retired { name: "VerifyReverseMapping", treatment: Treatment::Deprecated },
    Retired { name: "ReverseMappingCheck", treatment: Treatment::Deprecated },
    Retired { name: "AuthorizedKeysFile2", treatment: Treatment::Deprecated },
    Retired { name: "UsePrivilegeSeparation", treatment: Treatment::Deprecated },
    Retired { name: "KerberosTgtPassing", treatment: Treatment::Unsupported },
    Retired { name: "AFSTokenPassing", treatment: Treatment::Unsupported },
    Retired { name: "Protocol", treatment: Treatment::Ignored },
    Retired { name: "KerberosGetAFSToken", treatment: Treatment::Unsupported },
    // Words that distributions add to OpenSSH.
    Retired { name: "DebianBanner", treatment: Treatment::Deprecated },
    Retired { name: "GSSAPIKeyExchange", treatment: Treatment::Deprecated },
    Retired { name: "GSSAPIKexAlgorithms", treatment: Treatment::Deprecated },
    Retired { name: "GSSAPIStoreCredentialsOnRekey", treatment: Treatment::Deprecated },
];

impl ServerSettings {
    /// Old names and the keywords they stand for.
    pub fn aliases() -> &'static [Alias] {
        ALIASES
    }

    /// Words that are accepted and do nothing.
    pub fn retired() -> &'static [Retired] {
        RETIRED
    }
}
