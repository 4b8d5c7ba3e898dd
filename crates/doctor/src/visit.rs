//! What was seen on the way to a host. Filled in by whoever went there; the checks only read it.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use keys::PublicKey;
use keys::known_hosts::{HostName, KnownHosts};

use crate::firewall::Obstacle;
use crate::probe::greeting::Answer;
use crate::probe::key_file::KeyFile;
use crate::probe::proposal::Mismatch;
use crate::probe::reach::{Try, Unresolved};

/// One attempt to log in, with everything that was looked at on the side.
#[derive(Debug, Default)]
pub struct Visit {
    /// Whither.
    pub target: Target,
    /// Names and addresses.
    pub reach: Reach,
    /// The conversation.
    pub talk: Talk,
    /// The host's key, if it came to that.
    pub host_key: Option<HostKey>,
    /// What is known about hosts.
    pub known: KnownHosts,
    /// Proving who the user is.
    pub login: Login,
    /// The agent.
    pub agent: Agent,
    /// A rule on this machine that keeps packets from the host.
    pub obstacle: Option<Obstacle>,
    /// Seconds since 1970.
    pub now_seconds: u64,
}

/// Whither.
#[derive(Debug, Clone)]
pub struct Target {
    /// As the user wrote it.
    pub typed: String,
    /// The real name.
    pub host_name: String,
    /// The port.
    pub port: u16,
    /// The line that chose the port, or nothing.
    pub port_origin: Option<String>,
    /// The line that chose the name, or nothing.
    pub host_name_origin: Option<String>,
    /// Whom to log in as.
    pub user: String,
    /// The command that stands between, and the host it jumps over.
    pub proxy: Option<Proxy>,
    /// The name in known_hosts.
    pub known_name: HostName,
    /// The name that a host certificate has to be for.
    pub principal: String,
    /// The user's known_hosts file.
    pub known_hosts_file: Option<PathBuf>,
    /// Whether nobody may be asked.
    pub batch_mode: bool,
    /// Whether unknown hosts are let in unasked.
    pub accepts_new_hosts: bool,
    /// `PubkeyAuthentication`.
    pub keys_enabled: bool,
    /// `PasswordAuthentication`.
    pub password_enabled: bool,
    /// `KbdInteractiveAuthentication`.
    pub interactive_enabled: bool,
    /// `IdentitiesOnly`.
    pub identities_only: bool,
    /// The traffic class of an interactive session.
    pub service_class: Option<u8>,
}

impl Default for Target {
    fn default() -> Self {
        Target {
            typed: String::new(),
            host_name: String::new(),
            port: 22,
            port_origin: None,
            host_name_origin: None,
            user: String::new(),
            proxy: None,
            known_name: HostName::from_text(""),
            principal: String::new(),
            known_hosts_file: None,
            batch_mode: false,
            accepts_new_hosts: false,
            keys_enabled: true,
            password_enabled: true,
            interactive_enabled: true,
            identities_only: false,
            service_class: None,
        }
    }
}

/// What stands between.
#[derive(Debug, Clone)]
pub struct Proxy {
    /// The command.
    pub command: String,
    /// The last host that is jumped over, for `ProxyJump`.
    pub jump: Option<String>,
    /// Why it could not be started, or how it ended.
    pub problem: Option<String>,
}

/// Names and addresses.
#[derive(Debug, Default)]
pub struct Reach {
    /// Why the name has no address.
    pub unresolved: Option<Unresolved>,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// How long the name service took.
    pub resolve_time: Duration,
    /// Each address that was tried.
    pub tries: Vec<Try>,
    /// What answers on other ports, where the port in question did not do.
    pub elsewhere: Vec<(u16, Answer)>,
}

/// How far the conversation came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// No connection.
    #[default]
    Nowhere,
    /// A connection, and no ident.
    Connected,
    /// The server's ident came.
    Ident,
    /// Both proposals are there and agree.
    Negotiated,
    /// The keys of the connection are in use.
    Keyed,
    /// The user is in.
    In,
}

/// How the conversation ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Ending {
    /// We ended it, with what we wanted to know.
    #[default]
    Done,
    /// The server closed the connection without a word of SSH.
    Closed,
    /// The connection was reset.
    Reset,
    /// The network failed otherwise.
    Failed(String),
    /// Nothing came for so long.
    Silent(Duration),
    /// The server said goodbye.
    Goodbye {
        /// The code.
        code: u32,
        /// In its words.
        text: String,
    },
    /// There is no common algorithm.
    Incompatible,
    /// What came is not SSH.
    NotSsh(String),
    /// We do not trust the host.
    Distrusted,
    /// The server broke a rule of the protocol.
    Broken(String),
}

/// The conversation.
#[derive(Debug, Default)]
pub struct Talk {
    /// With whom.
    pub address: Option<SocketAddr>,
    /// How far it came.
    pub stage: Stage,
    /// How it ended.
    pub ending: Ending,
    /// Lines before the server's ident.
    pub before_ident: Vec<String>,
    /// The server's ident.
    pub ident: Option<String>,
    /// What else is there, where it is not SSH.
    pub answer: Option<Answer>,
    /// When each part was over, from the start of the connection.
    pub moments: Vec<Moment>,
    /// How long it lasted.
    pub lasted: Duration,
    /// What the two do not have in common.
    pub mismatches: Vec<Mismatch>,
    /// What happened when it was tried in other ways.
    pub trials: Vec<Trial>,
    /// The largest packet of the path, as far as the system knows, and how many segments were sent
    /// without an answer.
    pub path: Option<PathState>,
    /// How long this side took for a signature while the server hung up.
    pub hung_up_while_signing: Option<Duration>,
}

/// A part of the login and when it was over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    /// Which.
    pub what: String,
    /// How long it took by itself.
    pub took: Duration,
}

/// The system's view of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PathState {
    /// The path's largest packet, in bytes.
    pub mtu: u32,
    /// Segments that were not acknowledged.
    pub unacknowledged: u32,
    /// Times that something was sent again.
    pub retransmits: u32,
}

/// The same connection with one thing changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    /// What was changed.
    pub change: Change,
    /// Whether it came further.
    pub helped: bool,
}

/// What was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Segments that go through every path.
    SmallSegments,
    /// No traffic class.
    Unmarked,
}

/// The host's key.
#[derive(Debug, Clone)]
pub struct HostKey {
    /// The key or certificate it proved to hold.
    pub key: PublicKey,
    /// A list of revoked keys that has it, or cannot be read (with why).
    pub revoked_by: Option<(PathBuf, Option<String>)>,
    /// `StrictHostKeyChecking` and others do not ask for it to be known.
    pub excused: bool,
}

/// Proving who the user is.
#[derive(Debug, Default)]
pub struct Login {
    /// What the server would take.
    pub methods: Vec<String>,
    /// Each key, in the order of trying.
    pub keys: Vec<Key>,
    /// How many keys one connection could offer before the server had enough.
    pub offers_until_goodbye: Option<usize>,
    /// It let the user in without any proof.
    pub by_nothing: bool,
    /// The methods that are still wanted after a key was accepted.
    pub wants_more: Vec<String>,
    /// Sessions that were refused after the login, in the server's words.
    pub session_refused: Option<String>,
    /// Forwards that were refused.
    pub forwards_refused: Vec<ForwardRefused>,
    /// A shell, where one was asked for.
    pub shell: Option<Shell>,
    /// What it showed before the login.
    pub banners: Vec<String>,
    /// What it showed after a proof and before it refused.
    pub last_words: Vec<String>,
    /// Debug lines of the server, which tell of forced commands.
    pub remarks: Vec<String>,
}

/// One forward of the configuration that the server refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardRefused {
    /// As the configuration has it.
    pub forward: String,
    /// Why.
    pub why: Refusal,
    /// In the server's words.
    pub words: String,
}

/// Why a forward was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It is forbidden.
    Forbidden,
    /// Its other end could not be reached.
    Target,
    /// Its port there is taken, or needs more rights.
    Port,
}

/// A shell that was started for the sake of looking.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shell {
    /// How long until it was done with the user's files; nothing when it was not.
    pub took: Option<Duration>,
    /// The exit status.
    pub status: Option<u32>,
    /// The beginning of what it wrote.
    pub output: String,
}

/// One key.
#[derive(Debug, Clone)]
pub struct Key {
    /// The file's name, or the agent's comment.
    pub name: String,
    /// Type and fingerprint.
    pub label: Option<String>,
    /// Where it comes from.
    pub source: String,
    /// The user named it.
    pub named: bool,
    /// The agent holds it.
    pub in_agent: bool,
    /// What became of it.
    pub fate: Fate,
    /// What its certificate says, if it is one.
    pub certificate: Option<Certificate>,
    /// The private key's file.
    pub file: Option<KeyFile>,
}

/// A certificate of the user's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Certificate {
    /// Why it does not hold for this login.
    pub problem: Option<CertificateProblem>,
    /// Type and fingerprint of who signed it.
    pub authority: String,
}

/// Why a user's certificate does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CertificateProblem {
    /// Since when, in UTC.
    Expired(String),
    /// From when on, in UTC.
    NotYetValid(String),
    /// The names that it is for.
    OtherName(String),
    /// The addresses it is good from.
    OtherSource(String),
    /// In words.
    Other(String),
}

/// What became of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// The connection had ended.
    NotReached,
    /// Offered, refused.
    Refused,
    /// The server would take it; it was not asked to sign.
    WouldDo,
    /// The server would take it, and it cannot sign.
    CannotSign(String),
    /// It let the user in.
    Worked,
    /// It signed, and the server said no all the same.
    SignatureRefused,
    /// It was not offered.
    Skipped(String),
}

/// The agent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Agent {
    /// The configuration asks none.
    #[default]
    Unwanted,
    /// No variable and no keyword names one.
    Missing,
    /// The socket is there and nobody listens, or it is gone.
    Stale(PathBuf, String),
    /// It does not answer as an agent does.
    Mute(PathBuf, String),
    /// It is locked.
    Locked(PathBuf),
    /// It holds nothing.
    Empty(PathBuf),
    /// It holds so many keys.
    Holds(PathBuf, usize),
}

impl Visit {
    /// Whether the user got in.
    pub fn is_in(&self) -> bool {
        self.talk.stage == Stage::In
    }

    /// Whether the login itself failed: everything before it worked.
    pub fn is_denied(&self) -> bool {
        self.talk.stage == Stage::Keyed && !matches!(self.talk.ending, Ending::Distrusted)
    }

    /// The host and port as people write them.
    pub fn place(&self) -> String {
        format!("{} port {}", self.target.host_name, self.target.port)
    }

    /// Whether a key was found that the server takes.
    pub fn has_accepted_key(&self) -> bool {
        let good =
            |key: &Key| matches!(key.fate, Fate::WouldDo | Fate::Worked | Fate::CannotSign(_));
        self.login.keys.iter().any(good)
    }
}
