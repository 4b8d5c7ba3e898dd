//! The tools in this one program, and the links that give each its familiar name.

use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs, io};

/// One tool.
pub struct Tool {
    /// The name it is called by.
    pub name: &'static str,
    /// What it is for, in a few words.
    pub summary: &'static str,
    /// Runs it with the words behind its name.
    pub main: fn(&[OsString]) -> ExitCode,
}

/// Every tool of this version.
pub static TOOLS: &[Tool] = &[
    Tool { name: "ssh", summary: "log in to another machine", main: crate::ssh::main },
    Tool { name: "sshd", summary: "let others log in to this machine", main: crate::sshd_main },
    Tool {
        name: "sftp-server",
        summary: "serve files to SFTP clients, for sshd",
        main: sftp_server_main,
    },
    Tool { name: "ssh-agent", summary: "hold keys and sign with them", main: crate::agent::main },
    Tool { name: "ssh-add", summary: "give keys to the agent", main: crate::add::main },
    Tool { name: "ssh-copy-id", summary: "put keys on a machine", main: crate::copy_id::main },
    Tool { name: "ssh-keygen", summary: "make and look at keys", main: crate::keygen::main },
    Tool {
        name: "ssh-keyscan",
        summary: "collect the public keys of hosts",
        main: crate::keyscan::main,
    },
    Tool {
        name: "ssh-keysign",
        summary: "vouch for a user of this host, for ssh",
        main: crate::keysign::main,
    },
    Tool {
        name: "puttygen",
        summary: "make and convert PuTTY's keys",
        main: crate::puttygen::main,
    },
];

fn sftp_server_main(words: &[OsString]) -> ExitCode {
    ExitCode::from(u8::try_from(sshd::sftp_server_main(words)).unwrap_or(255))
}

/// The tool of that name.
pub fn by_name(name: &OsStr) -> Option<&'static Tool> {
    TOOLS.iter().find(|tool| name == tool.name)
}

/// The tool that a program's name stands for: its own name, or that of a copy beside it, such as
/// `ssh-agent-copy`, `ssh.keyway` or `puttygen.exe`.
///
/// `ssh-keyscan` is no copy of `ssh`, so a `-` sets copies apart only where the name has one
/// already.
pub fn by_called_name(name: &OsStr) -> Option<&'static Tool> {
    let is_copy = |tool: &&Tool| {
        let rest = name.to_str().and_then(|name| name.strip_prefix(tool.name));
        rest.is_some_and(|rest| {
            rest.starts_with('.') || rest.starts_with('-') && tool.name.contains('-')
        })
    };
    by_name(name).or_else(|| TOOLS.iter().filter(is_copy).max_by_key(|tool| tool.name.len()))
}

/// `keyway links DIR`: a symbolic link for every tool.
pub fn links(words: &[OsString]) -> ExitCode {
    let [folder] = words else {
        eprintln!("usage: keyway links DIR");
        return ExitCode::from(2);
    };
    match make_links(Path::new(folder)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("keyway links: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn make_links(folder: &Path) -> Result<(), String> {
    let explain = |what: &Path, source: io::Error| {
        format!("{}: {}", what.display(), crate::text::reason(&source))
    };
    let program = env::current_exe()
        .and_then(|program| program.canonicalize())
        .map_err(|source| explain(Path::new("this program"), source))?;
    let folder = folder.canonicalize().map_err(|source| explain(folder, source))?;
    let target = link_target(&program, &folder);
    for tool in TOOLS {
        let link = folder.join(tool.name);
        if link == program {
            continue;
        }
        place_link(&target, &link).map_err(|source| explain(&link, source))?;
        println!("{} -> {}", link.display(), target.display());
    }
    Ok(())
}

/// Puts a link there, replacing only a link that is ours already.
fn place_link(target: &Path, link: &Path) -> io::Result<()> {
    match fs::symlink_metadata(link) {
        Err(source) if source.kind() == io::ErrorKind::NotFound => {}
        Err(source) => return Err(source),
        Ok(metadata) => {
            let ours = metadata.is_symlink()
                && fs::read_link(link)?.file_name() == Some(OsStr::new("keyway"));
            if !ours {
                return Err(io::Error::new(
                    io::ErrorKind::AlreadyExists,
                    "exists and is not a link to keyway; it was left alone",
                ));
            }
        }
    }
    // Linked under another name first: there is no moment without the tool.
    let mut beside = link.as_os_str().to_owned();
    beside.push(format!(".keyway-{}", std::process::id()));
    let beside = PathBuf::from(beside);
    std::os::unix::fs::symlink(target, &beside)?;
    fs::rename(&beside, link).inspect_err(|_| {
        // Nothing more can be done about the leftover.
        let _ = fs::remove_file(&beside);
    })
}

/// Relative within one prefix (`/usr/local/bin` and `/usr/local/sbin`), so that the tree can be
/// moved or packaged; absolute across prefixes.
fn link_target(program: &Path, folder: &Path) -> PathBuf {
    let prefix = program.parent().and_then(|bin| {
        let prefix = bin.parent().filter(|prefix| prefix.parent().is_some());
        prefix.or((folder == bin).then_some(bin))
    });
    let Some(prefix) = prefix else { return program.to_owned() };
    let (Ok(below), Ok(program_below)) =
        (folder.strip_prefix(prefix), program.strip_prefix(prefix))
    else {
        return program.to_owned();
    };
    let mut from = below.components().peekable();
    let mut to = program_below.components().peekable();
    while from.peek().is_some() && from.peek() == to.peek() {
        from.next();
        to.next();
    }
    from.map(|_| Component::ParentDir).chain(to).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(program: &str, folder: &str) -> String {
        link_target(Path::new(program), Path::new(folder)).display().to_string()
    }

    #[test]
    fn names_of_copies() {
        let tool = |name: &str| by_called_name(OsStr::new(name)).map(|tool| tool.name);
        assert_eq!(tool("ssh-agent"), Some("ssh-agent"));
        assert_eq!(tool("ssh-agent-copy"), Some("ssh-agent"));
        assert_eq!(tool("ssh-add.old"), Some("ssh-add"));
        assert_eq!(tool("ssh.exe"), Some("ssh"));
        assert_eq!(tool("ssh-nothing"), None);
        assert_eq!(tool("sshd-session"), None);
        assert_eq!(tool("keyway"), None);
    }

    #[test]
    fn relative_within_a_prefix() {
        assert_eq!(target("/usr/local/bin/keyway", "/usr/local/bin"), "keyway");
        assert_eq!(target("/usr/local/bin/keyway", "/usr/local/sbin"), "../bin/keyway");
        assert_eq!(target("/usr/local/bin/keyway", "/usr/local/lib/x"), "../../bin/keyway");
        assert_eq!(target("/usr/local/bin/keyway", "/opt/bin"), "/usr/local/bin/keyway");
        assert_eq!(target("/bin/keyway", "/bin"), "keyway");
        assert_eq!(target("/bin/keyway", "/opt/bin"), "/bin/keyway");
    }
}
