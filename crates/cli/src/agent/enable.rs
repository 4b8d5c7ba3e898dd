//! `keyway agent enable|disable`: an agent for the whole login session, always at the same place.
//!
//! On Linux the user's systemd listens and starts the agent with the first connection; on macOS
//! launchd keeps it running.

use std::ffi::OsString;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::{env, fs};

use super::program::home;
use crate::files;

const USAGE: &str = "usage: keyway agent enable|disable";

/// `keyway agent`.
pub fn main(words: &[OsString]) -> ExitCode {
    let word = match words {
        [word] => word.to_str().unwrap_or_default(),
        _ => "",
    };
    let result = match word {
        "enable" => service().and_then(|service| service.enable()),
        "disable" => service().and_then(|service| service.disable()),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("keyway agent: {why}");
            ExitCode::FAILURE
        }
    }
}

/// How this system starts programs for its users.
struct Service {
    /// Files and their text.
    files: Vec<(PathBuf, String)>,
    /// What makes them take effect, in turn.
    start: Vec<Vec<String>>,
    /// What ends it, before the files go.
    stop: Vec<Vec<String>>,
    /// What follows once the files are gone.
    after: Vec<Vec<String>>,
    /// What is running them.
    manager: &'static str,
    /// It is this machine's service manager.
    is_managed: bool,
    /// For the shell's profile.
    profile: String,
}

impl Service {
    fn enable(&self) -> Result<(), String> {
        for (path, text) in &self.files {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder).map_err(|source| said(folder, &source))?;
            }
            files::replace_as(path, text.as_bytes(), 0o644)
                .map_err(|source| said(path, &source))?;
            println!("wrote {}", path.display());
        }
        match self.start.iter().try_for_each(|words| run(words)) {
            Ok(()) => println!("{} has started it", self.manager),
            Err(why) => {
                println!("not started now: {why}");
                if self.is_managed {
                    println!("{} will start it at your next login", self.manager);
                } else {
                    println!(
                        "{} does not run here; until it does, start the agent by hand:\n    \
                         eval \"$(ssh-agent -s)\"",
                        self.manager
                    );
                }
            }
        }
        println!("put this line into your shell's profile:\n    {}", self.profile);
        Ok(())
    }

    fn disable(&self) -> Result<(), String> {
        for words in &self.stop {
            if let Err(why) = run(words) {
                println!("not stopped: {why}");
            }
        }
        let mut found = false;
        for (path, _) in &self.files {
            match fs::remove_file(path) {
                Ok(()) => {
                    found = true;
                    println!("removed {}", path.display());
                }
                Err(source) if source.kind() == std::io::ErrorKind::NotFound => {}
                Err(source) => return Err(said(path, &source)),
            }
        }
        if !found {
            println!("it was not enabled");
            return Ok(());
        }
        for words in &self.after {
            // Without a running manager there is nothing for it to forget.
            let _ = run(words);
        }
        println!("take this line out of your shell's profile again:\n    {}", self.profile);
        Ok(())
    }
}

/// Runs a command of the service manager's; what it says is the reason when it fails.
fn run(words: &[String]) -> Result<(), String> {
    let Some((program, rest)) = words.split_first() else { return Ok(()) };
    let line = words.join(" ");
    let output = Command::new(program)
        .args(rest)
        .stdin(Stdio::null())
        .output()
        .map_err(|source| format!("{line}: {}", crate::text::reason(&source)))?;
    if output.status.success() {
        println!("ran {line}");
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let first = said.lines().next().unwrap_or("it failed");
    Err(format!("{line}: {}", crate::ui::clean::visible(first)))
}

fn said(path: &Path, source: &std::io::Error) -> String {
    format!("{}: {}", path.display(), crate::text::reason(source))
}

fn service() -> Result<Service, String> {
    let home = home().ok_or("no home folder")?;
    let program = env::current_exe()
        .and_then(|program| program.canonicalize())
        .map_err(|source| format!("this program: {}", crate::text::reason(&source)))?;
    let program = program.to_str().ok_or("this program's path is not text")?.to_owned();
    let home = home.to_str().ok_or("the home folder's path is not text")?.to_owned();
    Ok(if cfg!(target_os = "macos") { launchd(&home, &program) } else { systemd(&home, &program) })
}

fn systemd(home: &str, program: &str) -> Service {
    let settings = env::var("XDG_CONFIG_HOME").ok().filter(|path| path.starts_with('/'));
    let settings = settings.unwrap_or_else(|| format!("{home}/.config"));
    let folder = PathBuf::from(settings).join("systemd/user");
    let socket = "[Unit]\n\
         Description=Keyway's SSH agent\n\
         \n\
         [Socket]\n\
         ListenStream=%t/keyway-agent.socket\n\
         SocketMode=0600\n\
         DirectoryMode=0700\n\
         \n\
         [Install]\n\
         WantedBy=sockets.target\n";
    // Its own quoting: a percent sign starts a specifier, a dollar sign a variable.
    let quoted =
        program.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%").replace('$', "$$");
    let service = format!(
        "[Unit]\n\
         Description=Keyway's SSH agent\n\
         Requires=keyway-agent.socket\n\
         \n\
         [Service]\n\
         ExecStart=\"{quoted}\" ssh-agent -D\n\
         # Ended by a signal.\n\
         SuccessExitStatus=2\n"
    );
    let systemctl = |words: &[&str]| -> Vec<String> {
        ["systemctl", "--user"].iter().chain(words).map(|word| (*word).to_owned()).collect()
    };
    Service {
        files: vec![
            (folder.join("keyway-agent.socket"), socket.to_owned()),
            (folder.join("keyway-agent.service"), service),
            // What `enable` comes to, said as a file, so that it also works without a manager.
            (
                folder.join("sockets.target.d/keyway-agent.conf"),
                "[Unit]\nWants=keyway-agent.socket\n".to_owned(),
            ),
        ],
        start: vec![systemctl(&["daemon-reload"]), systemctl(&["start", "keyway-agent.socket"])],
        stop: vec![systemctl(&["stop", "keyway-agent.socket", "keyway-agent.service"])],
        after: vec![systemctl(&["daemon-reload"])],
        manager: "systemd",
        // How sd_booted(3) tells.
        is_managed: Path::new("/run/systemd/system").is_dir(),
        profile: "export SSH_AUTH_SOCK=\"$XDG_RUNTIME_DIR/keyway-agent.socket\"".to_owned(),
    }
}

fn launchd(home: &str, program: &str) -> Service {
    let label = "keyway.agent";
    let path = PathBuf::from(home).join(format!("Library/LaunchAgents/{label}.plist"));
    let socket = format!("{home}/.ssh/keyway-agent.socket");
    let mut words = String::new();
    for word in [program, "ssh-agent", "-D", "-a", &socket] {
        // Writing to a string cannot fail.
        let _ = writeln!(words, "        <string>{}</string>", for_xml(word));
    }
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \
         \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n\
         <plist version=\"1.0\">\n<dict>\n\
         \x20   <key>Label</key>\n    <string>{label}</string>\n\
         \x20   <key>ProgramArguments</key>\n    <array>\n{words}    </array>\n\
         \x20   <key>RunAtLoad</key>\n    <true/>\n\
         \x20   <key>KeepAlive</key>\n    <true/>\n\
         </dict>\n</plist>\n"
    );
    let file = path.display().to_string();
    let launchctl =
        |word: &str| vec!["launchctl".to_owned(), word.to_owned(), "-w".to_owned(), file.clone()];
    Service {
        files: vec![(path, text)],
        start: vec![launchctl("load")],
        stop: vec![launchctl("unload")],
        after: Vec::new(),
        manager: "launchd",
        is_managed: true,
        profile: "export SSH_AUTH_SOCK=\"$HOME/.ssh/keyway-agent.socket\"".to_owned(),
    }
}

fn for_xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_quoted_for_who_reads_them() {
        let service = systemd("/home/me", "/opt/a b/50%/keyway");
        let text = &service.files[1].1;
        assert!(text.contains("ExecStart=\"/opt/a b/50%%/keyway\" ssh-agent -D\n"), "{text}");
        let service = launchd("/Users/me", "/opt/a&b/keyway");
        let (path, text) = &service.files[0];
        assert_eq!(path, Path::new("/Users/me/Library/LaunchAgents/keyway.agent.plist"));
        assert!(text.contains("<string>/opt/a&amp;b/keyway</string>"), "{text}");
    }
}
