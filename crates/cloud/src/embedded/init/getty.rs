//! Terminals: the login on the console, and root's shell for whoever the panel lets.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::pty::OpenptFlags;

use crate::embedded::sys;

/// Asks for a name and gives it to the image's `login`, which asks for the password. An image
/// without a `login` says so and waits.
const PROMPT: &str = r#"stty sane 2>/dev/null
if ! command -v login >/dev/null; then
  printf '\r\nThis image has no login program: use ssh, or the shell of the control panel.\r\n'
  while read -r line; do :; done
  exit 0
fi
while :; do
  printf '\n%s login: ' "$(uname -n)"
  read -r name || exit 0
  case $name in
    ''|-*) ;;
    *) exec login -- "$name" ;;
  esac
done"#;

/// The console's login.
pub(super) fn command() -> io::Result<Command> {
    let console = open(Path::new("/dev/console"))?;
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", PROMPT])
        .env("TERM", "xterm-256color")
        .stdin(console.try_clone()?)
        .stdout(console.try_clone()?)
        .stderr(console);
    sys::on_own_terminal(&mut command);
    Ok(command)
}

/// Starts a login shell of root on a new terminal and gives the terminal's other end.
pub(super) fn shell(columns: u16, rows: u16) -> io::Result<OwnedFd> {
    let master =
        rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    rustix::pty::grantpt(&master)?;
    rustix::pty::unlockpt(&master)?;
    let size =
        rustix::termios::Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(&master, size)?;
    let name = rustix::pty::ptsname(&master, Vec::new())?;
    let terminal = open(Path::new(&*name.to_string_lossy()))?;
    let shell = root_shell();
    let short = Path::new(&shell)
        .file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let mut command = Command::new(&shell);
    std::os::unix::process::CommandExt::arg0(&mut command, format!("-{short}"));
    command
        .env_clear()
        .env("HOME", "/root")
        .env("USER", "root")
        .env("LOGNAME", "root")
        .env("SHELL", &shell)
        .env("TERM", "xterm-256color")
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .current_dir(if Path::new("/root").is_dir() { "/root" } else { "/" })
        .stdin(Stdio::from(terminal.try_clone()?))
        .stdout(terminal.try_clone()?)
        .stderr(terminal);
    sys::on_own_terminal(&mut command);
    // Collected with all others.
    command.spawn().map(drop)?;
    Ok(master)
}

/// Without making it this process's own: a session leader gets the first terminal it opens.
fn open(terminal: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).custom_flags(libc::O_NOCTTY).open(terminal)
}

fn root_shell() -> String {
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    passwd
        .lines()
        .find(|line| line.starts_with("root:"))
        .and_then(|line| line.rsplit(':').next())
        .filter(|shell| Path::new(shell).is_file())
        .unwrap_or("/bin/sh")
        .to_owned()
}
