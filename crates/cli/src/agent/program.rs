//! The program around the agent: its socket, its place in the session, what it tells the shell.

use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use net::logging::{Destination, Facility, Syslog, set_destination};
use rustix::process::{Pid, Signal, getpid, kill_process};

use super::args::{Args, Problem, USAGE};
use super::core::Core;
use super::guard;
use super::serve::Server;
use super::sockets::{self, Listening};
use crate::messages::{self, Level, error, fatal};
use crate::sys;

/// Where clients find the agent.
const SOCKET_VARIABLE: &str = "SSH_AUTH_SOCK";
/// Whom `-k` ends.
const PID_VARIABLE: &str = "SSH_AGENT_PID";

/// Ended by a signal, or with its parent: OpenSSH's status for it.
const ENDED: u8 = 2;

/// What OpenSSH ends with where it cannot even start.
const FATAL: u8 = 255;

/// `ssh-agent`.
pub fn main(words: &[OsString]) -> ExitCode {
    messages::init();
    guard::forbid_tracing();
    let args = match Args::parse(words) {
        Ok(args) => args,
        Err(Problem::Usage(why)) => {
            if !why.is_empty() {
                eprintln!("{why}");
            }
            eprintln!("{USAGE}");
            return ExitCode::FAILURE;
        }
        Err(Problem::Fatal(why)) => {
            fatal!("{why}");
            return ExitCode::from(FATAL);
        }
    };
    let c_shell = args.c_shell.unwrap_or_else(|| args.command.is_empty() && is_c_shell());
    let result = if args.remove_dead > 0 {
        sockets::remove_dead(args.remove_dead > 1);
        return ExitCode::SUCCESS;
    } else if args.kill {
        kill_running(c_shell).map(|()| 0)
    } else {
        start(args, c_shell)
    };
    match result {
        Ok(status) => ExitCode::from(status),
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

/// The home folder: what `HOME` says, else the account.
pub fn home() -> Option<PathBuf> {
    env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from).or_else(|| {
        let account = sys::account_by_uid(rustix::process::getuid().as_raw())?;
        Some(account.home)
    })
}

fn is_c_shell() -> bool {
    env::var_os("SHELL").is_some_and(|shell| shell.as_bytes().ends_with(b"csh"))
}

/// `-k`: ends the agent of this session.
fn kill_running(c_shell: bool) -> Result<(), String> {
    let Some(text) = env::var_os(PID_VARIABLE) else {
        return Err(format!("{PID_VARIABLE} not set, cannot kill agent"));
    };
    let text = text.to_string_lossy();
    let pid = text.parse::<i32>().ok().filter(|pid| *pid >= 2).and_then(Pid::from_raw);
    let Some(pid) = pid else {
        let why = match text.parse::<i64>() {
            Ok(number) if number < 2 => "too small",
            Ok(_) => "too large",
            Err(_) => "invalid",
        };
        return Err(format!("{PID_VARIABLE}=\"{text}\", which is not a good PID: {why}"));
    };
    kill_process(pid, Signal::TERM)
        .map_err(|problem| format!("kill: {}", crate::text::reason(&problem.into())))?;
    let unset = if c_shell { "unsetenv" } else { "unset" };
    let text = format!(
        "{unset} {SOCKET_VARIABLE};\n{unset} {PID_VARIABLE};\necho Agent pid {} killed;\n",
        pid.as_raw_nonzero()
    );
    tell(text.as_bytes());
    Ok(())
}

/// Where the agent will listen, and whose the socket is.
enum Place {
    Own(Listening),
    /// A service manager's.
    Given(UnixListener),
}

fn start(args: Args, c_shell: bool) -> Result<u8, String> {
    let in_foreground = args.debug || args.foreground;
    let place = match given_socket(&args)? {
        Some(listener) => Place::Given(listener),
        None => Place::Own(listen(&args)?),
    };
    let (listener, files) = match place {
        Place::Given(listener) => (listener, None),
        Place::Own(listening) => {
            let (listener, path, folder) = listening.into_parts();
            (listener, Some((path, folder)))
        }
    };
    let path = files.as_ref().map(|(path, _)| path.clone());
    let mut server = Server {
        core: Core::new(args.lifetime, args.hash, args.policy),
        listener,
        files,
        parent: None,
        interactive: in_foreground,
    };
    if in_foreground {
        messages::set_level(if args.debug { Level::Debug3 } else { Level::Info });
        if let Some(path) = path {
            tell(&variables(c_shell, &path, None, getpid()));
        }
        return Ok(serve(server));
    }
    let path = path.ok_or("the agent has no socket")?;
    let parent = getpid();
    // No thread has been started: this process has only been reading its command line.
    let forked = sys::fork_child();
    match forked.map_err(|source| format!("fork: {}", crate::text::reason(&source)))? {
        None => {
            become_daemon();
            if !args.command.is_empty() {
                follow(parent);
                server.parent = Some(parent);
            }
            Ok(serve(server))
        }
        Some(child) => {
            drop(server.listener);
            if args.command.is_empty() {
                tell(&variables(c_shell, &path, Some(child), child));
                return Ok(0);
            }
            Err(run(&args.command, &path, child))
        }
    }
}

/// The socket of a service manager (systemd's `LISTEN_FDS`), where one started this process.
fn given_socket(args: &Args) -> Result<Option<UnixListener>, String> {
    let may_be = args.socket.is_none() && (args.debug || args.foreground);
    let (Some(pid), Some(count)) = (env::var_os("LISTEN_PID"), env::var_os("LISTEN_FDS")) else {
        return Ok(None);
    };
    if !may_be || pid.to_str() != Some(&getpid().as_raw_nonzero().to_string()) {
        return Ok(None);
    }
    if count != "1" {
        return Err(format!("LISTEN_FDS is {}; the agent takes one socket", count.display()));
    }
    let descriptor: OwnedFd =
        sys::inherited_descriptor().ok_or("LISTEN_FDS is set, but descriptor 3 is not open")?;
    rustix::io::fcntl_setfd(&descriptor, rustix::io::FdFlags::CLOEXEC)
        .map_err(|problem| format!("descriptor 3: {problem}"))?;
    if !sys::is_listening(descriptor.as_fd()) {
        return Err("LISTEN_FDS is set, but descriptor 3 is no socket that listens".into());
    }
    Ok(Some(UnixListener::from(descriptor)))
}

fn listen(args: &Args) -> Result<Listening, String> {
    let failed =
        |what: &str, source: &io::Error| format!("{what}: {}", crate::text::reason(source));
    if let Some(path) = &args.socket {
        return Listening::at(path).map_err(|source| {
            failed(&format!("unix_listener: cannot bind to path {}", path.display()), &source)
        });
    }
    if args.temporary {
        return Listening::in_temporary_folder()
            .map_err(|source| failed("private socket dir", &source));
    }
    if !args.keep_dead {
        sockets::remove_dead(false);
    }
    Listening::at_home().map_err(|source| {
        failed("cannot listen under ~/.ssh/agent (-T listens under /tmp instead)", &source)
    })
}

/// In a session of its own, with nothing of the terminal's open.
fn become_daemon() {
    sys::leave_terminal();
    // Keeps no file system busy.
    let _ = env::set_current_dir("/");
    set_destination(Destination::Syslog(Syslog::open(Facility::AUTH, "ssh-agent")));
    if let Ok(null) = File::options().read(true).write(true).open("/dev/null") {
        // Whoever reads our output would wait for its end.
        let _ = rustix::stdio::dup2_stdin(&null);
        let _ = rustix::stdio::dup2_stdout(&null);
        let _ = rustix::stdio::dup2_stderr(&null);
    }
    guard::forbid_core_dumps();
}

/// The system tells when the parent ends, where it can; the loop looks now and then elsewhere.
fn follow(parent: Pid) {
    #[cfg(target_os = "linux")]
    if let Err(problem) = rustix::process::set_parent_process_death_signal(Some(Signal::TERM)) {
        error!("prctl(PR_SET_PDEATHSIG) for {parent:?}: {problem}");
    }
    #[cfg(not(target_os = "linux"))]
    let _ = parent;
}

fn serve(server: Server) -> u8 {
    match server.run() {
        Ok(()) => ENDED,
        Err(source) => {
            error!("the agent cannot go on: {}", crate::text::reason(&source));
            1
        }
    }
}

/// Becomes the command; what comes back is why not.
fn run(words: &[OsString], path: &Path, agent: Pid) -> String {
    let Some((program, rest)) = words.split_first() else { return "no command".to_owned() };
    let mut command = Command::new(program);
    command.args(rest).env(SOCKET_VARIABLE, path);
    command.env(PID_VARIABLE, agent.as_raw_nonzero().to_string());
    let problem = command.exec();
    format!("{}: {}", program.to_string_lossy(), crate::text::reason(&problem))
}

/// What the shell that started the agent is to evaluate.
fn variables(c_shell: bool, path: &Path, agent: Option<Pid>, told: Pid) -> Vec<u8> {
    let mut text = Vec::new();
    let mut set = |name: &str, value: &[u8]| {
        let (before, between) = if c_shell { ("setenv ", " ") } else { ("", "=") };
        for part in [before.as_bytes(), name.as_bytes(), between.as_bytes(), value] {
            text.extend_from_slice(part);
        }
        if !c_shell {
            text.extend_from_slice(format!("; export {name}").as_bytes());
        }
        text.extend_from_slice(b";\n");
    };
    set(SOCKET_VARIABLE, sockets::quoted(path).as_bytes());
    if let Some(agent) = agent {
        set(PID_VARIABLE, agent.as_raw_nonzero().to_string().as_bytes());
    }
    text.extend_from_slice(format!("echo Agent pid {};\n", told.as_raw_nonzero()).as_bytes());
    text
}

fn tell(text: &[u8]) {
    let mut stdout = io::stdout().lock();
    // A shell that does not listen has no use for it.
    let _ = stdout.write_all(text).and_then(|()| stdout.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_openssh_tells_the_shell() {
        let pid = Pid::from_raw(77).unwrap();
        let text = |c_shell, agent| {
            String::from_utf8(variables(c_shell, Path::new("/s"), agent, pid)).unwrap()
        };
        assert_eq!(
            text(false, Some(pid)),
            "SSH_AUTH_SOCK=/s; export SSH_AUTH_SOCK;\n\
             SSH_AGENT_PID=77; export SSH_AGENT_PID;\necho Agent pid 77;\n"
        );
        assert_eq!(
            text(true, Some(pid)),
            "setenv SSH_AUTH_SOCK /s;\nsetenv SSH_AGENT_PID 77;\necho Agent pid 77;\n"
        );
        assert_eq!(
            text(false, None),
            "SSH_AUTH_SOCK=/s; export SSH_AUTH_SOCK;\necho Agent pid 77;\n"
        );
    }
}
