//! Values with an inner structure.

use std::path::PathBuf;
use std::time::Duration;

pub use crate::choice::*;

/// Which agent to ask for keys.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum AgentSocket {
    /// The one `SSH_AUTH_SOCK` names.
    #[default]
    Standard,
    /// None.
    None,
    /// The socket at this path.
    Path(PathBuf),
    /// The socket that this environment variable names.
    Environment(String),
}

/// Whether to forward the agent, and which.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ForwardAgent {
    /// No.
    #[default]
    No,
    /// The one in use.
    Yes,
    /// The one at this path.
    Path(PathBuf),
    /// The one that this environment variable names.
    Environment(String),
}

/// Whether a key from a file goes into the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddKeysToAgent {
    /// Whether to, and whether to ask first.
    pub add: YesNoAsk,
    /// Have the agent confirm each use.
    pub confirm: bool,
    /// Have the agent forget it after this time.
    pub lifetime: Option<Duration>,
}

impl Default for AddKeysToAgent {
    fn default() -> Self {
        AddKeysToAgent { add: YesNoAsk::No, confirm: false, lifetime: None }
    }
}

/// How long a shared connection outlives its first session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ControlPersist {
    /// Not at all.
    #[default]
    No,
    /// Until it is told to end.
    Forever,
    /// So long without a session.
    For(Duration),
}

/// The traffic classes (IP_TOS or IPV6_TCLASS); nothing leaves the system's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IpQos {
    /// With a terminal.
    pub interactive: Option<u8>,
    /// Without.
    pub bulk: Option<u8>,
}

/// When to exchange keys anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RekeyLimit {
    /// After so many bytes; nothing is the cipher's own limit.
    pub bytes: Option<u64>,
    /// After so much time; nothing is never.
    pub interval: Option<Duration>,
}

/// A name of the network: host and port, or a socket's path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// TCP. No address leaves the choice to `GatewayPorts`; empty or `*` is every address.
    Tcp {
        /// The address to bind.
        address: Option<String>,
        /// The port; 0 lets the server choose.
        port: u16,
    },
    /// A Unix socket.
    Socket(PathBuf),
}

/// Where a forward leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Connect {
    /// TCP.
    Tcp {
        /// The host, resolved at the end that connects.
        host: String,
        /// The port.
        port: u16,
    },
    /// A Unix socket.
    Socket(PathBuf),
    /// Wherever the SOCKS client asks.
    Dynamic,
}

/// One port forward.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forward {
    /// Where to listen.
    pub listen: Listen,
    /// Where to connect.
    pub connect: Connect,
}

/// One host of a `ProxyJump` list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jump {
    /// The user, if given.
    pub user: Option<String>,
    /// The host.
    pub host: String,
    /// The port, if given.
    pub port: Option<u16>,
}

/// A tun(4) unit, or any that is free.
pub type TunnelUnit = Option<u32>;

/// A list of things that are allowed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Permit {
    /// All.
    #[default]
    Any,
    /// None.
    None,
    /// These, as `host:port` or a port alone, with `*` for any.
    Only(Vec<HostPort>),
}

/// A host and a port, either of which may be open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPort {
    /// The host or pattern; nothing when only a port was given.
    pub host: Option<String>,
    /// The port; nothing for `*`.
    pub port: Option<u16>,
}

/// How long channels of a kind may be idle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelTimeout {
    /// The kind, as a pattern: `session:*`, `direct-tcpip`, `global`.
    pub kind: String,
    /// The time; zero for no limit.
    pub timeout: Duration,
    /// The time as somebody wrote it.
    pub written: String,
}

/// A rule about names that host name canonicalisation may follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PermittedCname {
    /// Pattern list of the alias.
    pub source: String,
    /// Pattern list of what it may stand for.
    pub target: String,
}

/// An address the server listens on, before name resolution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenAddress {
    /// Host or address; nothing for all.
    pub host: Option<String>,
    /// The port; nothing means each `Port`.
    pub port: Option<u16>,
    /// The routing domain, if given.
    pub routing_domain: Option<String>,
}

/// Random early drop of connections that have not authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaxStartups {
    /// Start refusing here.
    pub start: u32,
    /// With this chance in percent.
    pub rate: u32,
    /// Refuse all here.
    pub full: u32,
}

/// How many leading bits of an address count as one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NetBlockSize {
    /// Of IPv4.
    pub ipv4: u8,
    /// Of IPv6.
    pub ipv6: u8,
}

/// What sources that misbehave are made to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Penalties {
    /// Whether there are any.
    pub enabled: bool,
    /// A session process that crashed.
    pub crash: Duration,
    /// An authentication that failed.
    pub authentication_failure: Duration,
    /// A user that does not exist.
    pub invalid_user: Duration,
    /// A connection that `RefuseConnection` ended.
    pub refuse_connection: Duration,
    /// A client that left without trying.
    pub no_authentication: Duration,
    /// One that ran into `LoginGraceTime`.
    pub grace_exceeded: Duration,
    /// No more than this adds up.
    pub maximum: Duration,
    /// Less than this does not count yet.
    pub minimum: Duration,
    /// How many IPv4 sources to remember.
    pub max_sources_ipv4: u32,
    /// How many IPv6 sources to remember.
    pub max_sources_ipv6: u32,
    /// When IPv4 is full: let new sources in rather than forget.
    pub overflow_permissive: bool,
    /// The same for IPv6.
    pub overflow6_permissive: bool,
}

/// One `AuthenticationMethods` list: all of these, in this order.
pub type MethodList = Vec<Method>;

/// One method, and the device that `keyboard-interactive:pam` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Method {
    /// The method's name of RFC 4252.
    pub name: String,
    /// The sub-method.
    pub device: Option<String>,
}

/// A subsystem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subsystem {
    /// Its name, as clients ask for it.
    pub name: String,
    /// The command line; `internal-sftp` is the built-in server.
    pub command: String,
}

/// Which names a user's `~/.ssh/environment` may set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum PermitUserEnvironment {
    /// None.
    #[default]
    No,
    /// All.
    Yes,
    /// Those of this pattern list.
    Matching(String),
}

/// What security keys must prove.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PubkeyAuthOptions {
    /// That they were touched, whatever the key's own options say.
    pub touch_required: bool,
    /// That they checked who touched them.
    pub verify_required: bool,
}

/// The algorithm names a program knows; this crate knows none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AlgorithmLists {
    /// `Ciphers`.
    pub ciphers: AlgorithmSet,
    /// `MACs`.
    pub macs: AlgorithmSet,
    /// `KexAlgorithms`.
    pub key_exchanges: AlgorithmSet,
    /// `HostKeyAlgorithms`, `PubkeyAcceptedAlgorithms`, `HostbasedAcceptedAlgorithms`.
    pub keys: AlgorithmSet,
    /// `CASignatureAlgorithms`.
    pub ca_signatures: AlgorithmSet,
}

/// One class of names, in order of preference.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AlgorithmSet {
    /// Those in force when nothing is configured.
    pub defaults: Vec<String>,
    /// All that may be asked for.
    pub supported: Vec<String>,
}
