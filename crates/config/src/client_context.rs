//! What the client's loader asks of the program around it.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use crate::files::Files;
use crate::value::AlgorithmLists;

/// What depends on the machine and the process. A test gives its own.
pub trait Surroundings {
    /// The file system.
    fn files(&self) -> &dyn Files;

    /// An environment variable.
    fn variable(&self, name: &str) -> Option<String>;

    /// The home of another user, for `~name`.
    fn home_of(&self, user: &str) -> Option<PathBuf>;

    /// Runs a command of `Match exec` in the user's shell; whether it succeeded.
    ///
    /// # Errors
    /// What kept it from running.
    fn run(&self, command: &str) -> Result<bool, String>;

    /// The addresses of this machine's interfaces, for `Match localnetwork`.
    fn local_addresses(&self) -> Vec<IpAddr>;

    /// The SHA-1 of some bytes as hex digits, for `%C`.
    fn sha1_hex(&self, bytes: &[u8]) -> String;

    /// The canonical name of a host that the name service knows, for `CanonicalizeHostname`.
    fn canonical_name(&self, host: &str) -> Option<String>;
}

/// For whom and for what the configuration is read.
pub struct ClientContext<'a> {
    /// The host as the user named it, without user and port.
    pub host: &'a str,
    /// The local user.
    pub local_user: LocalUser,
    /// This machine's name.
    pub local_host: String,
    /// The command to run there, for `Match command` and `Match sessiontype`.
    pub command: Option<&'a str>,
    /// Our version as `Match version` sees it.
    pub version: &'a str,
    /// The algorithms there are.
    pub algorithms: &'a AlgorithmLists,
    /// The machine.
    pub surroundings: &'a dyn Surroundings,
}

/// The user who runs the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalUser {
    /// The name.
    pub name: String,
    /// The number.
    pub id: u32,
    /// The home folder.
    pub home: PathBuf,
}

/// Where the client's configuration comes from, in order of precedence.
#[derive(Debug, Clone, Default)]
pub struct ClientSources {
    /// The command line, in its order.
    pub options: Vec<CommandLineOption>,
    /// The files.
    pub files: ConfigFiles,
}

/// One option of the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandLineOption {
    /// `-o Keyword=value`; also what other flags come to, such as `-p`.
    Option(String),
    /// `-l user` and `user@host`: taken as it is, without tokens.
    User(String),
    /// `-L`.
    LocalForward(String),
    /// `-R`.
    RemoteForward(String),
    /// `-D`.
    DynamicForward(String),
}

/// Which files to read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ConfigFiles {
    /// `~/.ssh/config`, then `/etc/ssh/ssh_config`; neither needs to exist.
    #[default]
    Standard,
    /// `-F none`.
    None,
    /// `-F file`, which must exist.
    File(PathBuf),
}

/// The folder of the system's configuration.
pub(crate) fn system_folder() -> &'static Path {
    Path::new("/etc/ssh")
}
