//! Where the programs are: ours, freshly built, and the machine's.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Whose `ssh`, `sshd` and `ssh-keygen`: both take the same flags and files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Implementation {
    /// Keyway, as built from this source.
    Ours,
    /// The OpenSSH of this machine.
    OpenSsh,
}

impl Implementation {
    /// The path of one of its tools.
    ///
    /// # Panics
    /// When it is not there.
    pub fn tool(self, name: &str) -> PathBuf {
        match self {
            Self::Ours => links().join(name),
            Self::OpenSsh => {
                find(name).unwrap_or_else(|| panic!("no {name} of OpenSSH on this machine"))
            }
        }
    }

    /// What `ssh -Q KIND` lists.
    ///
    /// # Panics
    /// When it lists nothing.
    pub fn supported(self, kind: &str) -> Vec<String> {
        let mut command = Command::new(self.tool("ssh"));
        command.args(["-Q", kind]);
        let run = crate::process::run(&mut command, b"", crate::process::DEADLINE);
        let names: Vec<String> = run.text().lines().map(str::to_owned).collect();
        assert!(run.success() && !names.is_empty(), "{run}");
        names
    }
}

/// What both list under `ssh -Q KIND`, in our order.
pub fn supported_by_both(kind: &str) -> Vec<String> {
    let theirs = Implementation::OpenSsh.supported(kind);
    let mut ours = Implementation::Ours.supported(kind);
    ours.retain(|name| theirs.contains(name));
    assert!(!ours.is_empty(), "nothing in common for -Q {kind}");
    ours
}

/// A program in PATH or in the folders of system programs.
pub fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin", "/usr/local/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

/// Any Python 3, for peers that need no library.
pub fn interpreter_or_none() -> Option<PathBuf> {
    find("python3")
}

/// The repository's root.
pub fn root() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        here.ancestors().nth(2).unwrap_or(here).to_owned()
    })
}

/// The folder that holds what builds leave behind.
pub fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => root().join(folder),
        None => root().join("target"),
    }
}

/// Made once and kept between runs: keys, links, the Python environment.
pub fn peers() -> PathBuf {
    let folder = target().join("peers");
    std::fs::create_dir_all(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    folder
}

/// The program `keyway`: `KEYWAY_BIN` where that is set, else built now with
/// the profile these tests were built with.
///
/// # Panics
/// When the build fails.
pub fn keyway() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        if let Some(given) = std::env::var_os("KEYWAY_BIN") {
            return PathBuf::from(given);
        }
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.current_dir(root()).args(["build", "--quiet", "-p", "keyway-cli"]);
        let profile = if cfg!(debug_assertions) {
            "debug"
        } else {
            command.arg("--release");
            "release"
        };
        let run = crate::process::run(&mut command, b"", std::time::Duration::from_secs(1800));
        assert!(run.success(), "{run}");
        target().join(profile).join("keyway")
    })
}

/// A folder of links named after the tools, all to our program. It stays, one
/// for each program that was ever tested.
fn links() -> &'static Path {
    static LINKS: OnceLock<PathBuf> = OnceLock::new();
    LINKS.get_or_init(|| {
        let program = keyway();
        let name = program.to_string_lossy().replace('/', "_");
        let folder = peers().join(format!("links{name}"));
        std::fs::create_dir_all(&folder)
            .unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        for tool in ["ssh", "sshd", "ssh-keygen", "ssh-keyscan", "ssh-agent", "sftp-server"] {
            match std::os::unix::fs::symlink(program, folder.join(tool)) {
                Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                    panic!("{}: {error}", folder.join(tool).display())
                }
                _ => {}
            }
        }
        folder
    })
}
