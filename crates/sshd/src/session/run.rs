//! Shells, commands and subsystems. RFC 4254 §6.

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Pid;

use super::Session;
use super::exposed::Exposed;
use super::slot::{Program, Slot};
use super::streams::{Streams, pipe_streams, terminal_streams};
use super::x11::Display;
use crate::environment::{self, Invocation, Sources, UserEnvironment};
use crate::requests::{Ending, Error, FromSession, Run, SessionNews};
use crate::sftp_server::INTERNAL_SFTP;
use crate::sys::process::ChildSetup;

/// The exit status of a login that `/etc/nologin` turned away, as OpenSSH has it.
const NOLOGIN_STATUS: u32 = 254;
/// What a forced `internal-sftp` says to those who want something else, as OpenSSH has it.
const ONLY_SFTP: &[u8] = b"This service allows sftp connections only.\n";

/// What is to be run, after everybody had his say.
struct Plan {
    /// For the shell's `-c`; nothing is a login shell.
    command: Option<OsString>,
    /// What the client asked for, when that is not it.
    original: Option<String>,
    forced: bool,
    subsystem: bool,
    /// The words of `internal-sftp`, which stands for the server inside this program.
    internal_sftp: Option<Vec<String>>,
}

impl Session {
    /// Starts what a channel asks for.
    pub(super) fn run(&mut self, channel: u32, what: Run) -> Result<(), Error> {
        let plan = match self.slots.get(&channel) {
            Some(slot) if !slot.started => self.plan(what),
            _ => Err("something was started on this channel already".to_owned()),
        };
        let plan = match plan {
            Ok(plan) => plan,
            Err(why) => {
                log::error!("{why}");
                return self.answer(channel, false, &why);
            }
        };
        let Some(slot) = self.slots.get_mut(&channel) else { return Ok(()) };
        slot.started = true;
        slot.forced = plan.forced || plan.subsystem;
        let terminal = slot.terminal.is_some();
        let streams = match &slot.terminal {
            Some(pty) => terminal_streams(pty),
            None => pipe_streams(),
        };
        let Streams { theirs, ours } = match streams {
            Ok(streams) => streams,
            Err(error) => {
                log::error!("cannot start a session: {error}");
                return self.answer(channel, false, "out of resources");
            }
        };
        self.log_start(&plan, channel);
        // First, so that whatever is written from now on is read by somebody.
        let passed: Vec<_> = ours.iter().map(AsFd::as_fd).collect();
        self.gate.send(&FromSession::Started { channel, terminal }, &passed)?;
        drop(ours);
        let [_, _, errors] = &theirs;
        let held = errors.try_clone();
        let ending = match self.start_program(channel, &plan, theirs) {
            Ok(None) => return Ok(()),
            Ok(Some(status)) => status,
            Err(error) => {
                log::error!("cannot execute the shell: {error}");
                1
            }
        };
        let status = Ending::Status { status: ending };
        self.gate.send(&FromSession::Exited { channel, status }, &[])?;
        drop(held);
        if let Some(slot) = self.slots.get_mut(&channel) {
            slot.terminal = None;
        }
        Ok(())
    }

    /// What to run in place of what was asked for.
    fn plan(&self, what: Run) -> Result<Plan, String> {
        let (command, subsystem) = match what {
            Run::Shell => (None, false),
            Run::Exec { command } => (Some(command.0), false),
            Run::Subsystem { name } => {
                let found = self.start.subsystems.iter().find(|(known, _)| *known == name);
                match found {
                    Some((_, command)) => (Some(command.clone().into_bytes()), true),
                    None => {
                        return Err(format!(
                            "subsystem request for {} by user {} failed, subsystem not found",
                            crate::monitor::printable(&name, 100),
                            self.start.user
                        ));
                    }
                }
            }
        };
        let (original, command, forced) = match &self.start.force_command {
            Some(forced) => {
                let original =
                    command.map(|command| String::from_utf8_lossy(&command).into_owned());
                (original, Some(OsString::from(forced)), true)
            }
            None => (None, command.map(OsString::from_vec), false),
        };
        // Only the configuration means the server by that name, not a client's command.
        let internal_sftp = command
            .as_ref()
            .filter(|_| forced || subsystem)
            .and_then(|command| command.to_str())
            .map(|command| command.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
            .filter(|words| words.first().is_some_and(|word| word == INTERNAL_SFTP));
        let plan = Plan { command, original, forced, subsystem, internal_sftp };
        if plan.command.as_ref().is_some_and(|command| command.as_encoded_bytes().contains(&0)) {
            return Err("a command has a NUL in it".into());
        }
        Ok(plan)
    }

    fn log_start(&self, plan: &Plan, channel: u32) {
        let terminal = self.slots.get(&channel).and_then(Slot::terminal);
        let kind = match plan {
            Plan { forced: true, .. } => "forced-command",
            Plan { subsystem: true, .. } => "subsystem",
            Plan { command: Some(_), .. } => "command",
            Plan { command: None, .. } => "shell",
        };
        let on = terminal.map(|terminal| {
            let line = terminal.path.strip_prefix("/dev").unwrap_or(&terminal.path);
            format!(" on {}", line.display())
        });
        log::info!(
            target: crate::VERBOSE,
            "Starting session: {kind}{} for {} from {} port {} id {channel}",
            on.unwrap_or_default(),
            self.start.user,
            self.start.ends.remote_address,
            self.start.ends.remote_port
        );
    }

    /// Starts the program; an exit status when none was started.
    fn start_program(
        &mut self,
        channel: u32,
        plan: &Plan,
        [input, output, errors]: [OwnedFd; 3],
    ) -> io::Result<Option<u32>> {
        if let Some(text) = self.nologin() {
            let text = String::from_utf8_lossy(&text).into_owned();
            write_all(&errors, text.as_bytes());
            let line = format!("User {} not allowed because /etc/nologin exists", self.start.user);
            let _ = self.monitor.send(&SessionNews::Log { level: 3, text: line }, &[]);
            return Ok(Some(NOLOGIN_STATUS));
        }
        let has_terminal = self.slots.get(&channel).is_some_and(|slot| slot.terminal.is_some());
        let Some(invocation) = self.invocation(plan, has_terminal, &errors) else {
            return Ok(Some(1));
        };
        if plan.internal_sftp.is_some() && !plan.subsystem {
            write_all(&output, ONLY_SFTP);
            return Ok(Some(1));
        }
        let variables = self.variables(channel, plan);
        if has_terminal && plan.command.is_none() {
            self.greet(&output);
        }
        self.run_rc(channel, plan, &variables, [&output, &errors]);
        if let Some(words) = &plan.internal_sftp {
            let diagnostics = errors.try_clone()?;
            let thread = self.start_sftp(words.clone(), [input, output, errors])?;
            let Some(slot) = self.slots.get_mut(&channel) else { return Ok(Some(1)) };
            slot.program = Some(Program::Sftp(thread));
            slot.held = Some(diagnostics);
            return Ok(None);
        }
        if self.home().is_none() {
            let text =
                format!("Could not chdir to home directory {}\r\n", self.account.home.display());
            write_all(&errors, text.as_bytes());
        }
        let command = command_of(&invocation, &variables);
        self.execute(channel, command, has_terminal, [input, output, errors])
    }

    /// The program and its words; nothing where a password has to be changed first and cannot.
    fn invocation(&self, plan: &Plan, has_terminal: bool, errors: &OwnedFd) -> Option<Invocation> {
        if self.start.must_change_password {
            write_all(errors, b"WARNING: Your password has expired.\n");
            if !has_terminal {
                write_all(errors, b"Password change required but no TTY available.\n");
                return None;
            }
            write_all(errors, b"You must change your password now and login again!\n");
            return Some(Invocation {
                program: "/usr/bin/passwd".into(),
                argv0: "passwd".into(),
                arguments: Vec::new(),
            });
        }
        let shell = environment::invocation(&self.account, None);
        let Some(command) = &plan.command else { return Some(shell) };
        let name = shell.program.file_name().unwrap_or(shell.program.as_os_str());
        Some(Invocation {
            argv0: name.to_owned(),
            arguments: vec!["-c".into(), command.clone()],
            program: shell.program,
        })
    }

    /// `~/.ssh/rc` and its like, or what they would do for a display.
    fn run_rc(
        &self,
        channel: u32,
        plan: &Plan,
        variables: &environment::Environment,
        outputs: [&OwnedFd; 2],
    ) {
        // Nothing of the user's runs before there is a new password.
        let may_run_rc =
            self.start.permit_user_rc && !plan.subsystem && !self.start.must_change_password;
        let Some(rc) = environment::rc_command(&self.account, may_run_rc) else {
            return self.keep_cookie(channel, variables, outputs);
        };
        // It comes before everything else by definition, so the session waits for it.
        let display = self.slots.get(&channel).and_then(|slot| slot.display.as_ref());
        let cookie = display.map(Display::cookie_line).unwrap_or_default();
        let mut command = command_of(&rc, variables);
        if let Err(error) = self.feed(&mut command, cookie.as_bytes(), outputs) {
            log::error!("cannot run {}: {error}", rc.program.display());
        }
    }

    /// Starts the command as the channel's program; an exit status when that cannot be.
    fn execute(
        &mut self,
        channel: u32,
        mut command: Command,
        has_terminal: bool,
        [input, output, errors]: [OwnedFd; 3],
    ) -> io::Result<Option<u32>> {
        let diagnostics = errors.try_clone()?;
        command.stdin(input).stdout(output).stderr(errors);
        ChildSetup {
            new_session: true,
            terminal: has_terminal,
            directories: self.directories(),
            ..ChildSetup::default()
        }
        .install(&mut command);
        let child = match command.spawn() {
            Ok(child) => child,
            Err(error) => {
                let reason = error.to_string();
                let reason = reason.split(" (os error").next().unwrap_or_default();
                let text = format!("{}: {reason}\n", Path::new(command.get_program()).display());
                write_all(&diagnostics, text.as_bytes());
                return Ok(Some(1));
            }
        };
        log::debug!("User child is on pid {}", child.id());
        let pid = Pid::from_raw(child.id().cast_signed());
        let ending = pid.map(net::open::process);
        let Some(Ok(ending)) = ending else {
            return Err(io::Error::other("no descriptor for the process"));
        };
        let process = child.id();
        let Some(slot) = self.slots.get_mut(&channel) else { return Ok(Some(1)) };
        slot.program = Some(Program::Process { child, ending });
        slot.held = Some(diagnostics);
        if let Some(terminal) = slot.terminal() {
            let line = terminal.path.to_string_lossy().into_owned();
            let _ = self.monitor.send(&SessionNews::TerminalOpened { line, process }, &[]);
        }
        Ok(None)
    }

    fn nologin(&self) -> Option<Vec<u8>> {
        if !self.start.check_nologin {
            return None;
        }
        match &self.start.chroot {
            Some(_) => self.start.nologin.as_ref().map(|text| text.0.clone()),
            None => environment::nologin(&self.account),
        }
    }

    fn home(&self) -> Option<&Path> {
        self.account.home.is_dir().then_some(self.account.home.as_path())
    }

    pub(super) fn directories(&self) -> Vec<std::ffi::CString> {
        let own = std::ffi::CString::new(self.account.home.clone().into_os_string().into_vec());
        own.into_iter().chain([c"/".to_owned()]).collect()
    }

    fn variables(&self, channel: u32, plan: &Plan) -> environment::Environment {
        let start = &self.start;
        let slot = self.slots.get(&channel);
        let pam: Vec<(OsString, OsString)> = start
            .pam_environment
            .iter()
            .map(|(name, value)| {
                (OsString::from_vec(name.0.clone()), OsString::from_vec(value.0.clone()))
            })
            .collect();
        let path: Option<PathBuf> = self.agent.as_ref().map(|agent| agent.path().to_owned());
        let ends = &start.ends;
        environment::build(&Sources {
            account: &self.account,
            requested: slot.map(|slot| slot.requested.as_slice()).unwrap_or_default(),
            pam: &pam,
            key_options: &start.key_environment,
            user_environment: match &start.user_environment {
                None => UserEnvironment::Refused,
                Some(patterns) => UserEnvironment::Matching(patterns),
            },
            set_env: &start.set_env,
            connection: Some((
                &ends.remote_address,
                ends.remote_port,
                &ends.local_address,
                ends.local_port,
            )),
            terminal: slot.and_then(|slot| {
                Some((slot.term.as_str(), slot.terminal.as_ref()?.path.as_path()))
            }),
            display: slot.and_then(|slot| slot.display.as_ref()).map(Display::name),
            agent_socket: path.as_deref(),
            authentication_file: self.exposed.as_ref().map(Exposed::path),
            original_command: plan.original.as_deref(),
        })
    }

    /// What an interactive login sees first.
    fn greet(&self, terminal: &OwnedFd) {
        if environment::is_quiet_login(&self.account) {
            return;
        }
        let mut text = self.start.login_messages.clone().into_bytes();
        text.extend_from_slice(self.start.last_login.as_bytes());
        if self.start.print_motd
            && let Some(motd) = environment::message_of_the_day()
        {
            text.extend_from_slice(&motd);
        }
        write_all(terminal, &text);
    }
}

fn command_of(invocation: &Invocation, variables: &environment::Environment) -> Command {
    let mut command = Command::new(&invocation.program);
    command.arg0(&invocation.argv0).args(&invocation.arguments);
    command.env_clear().envs(variables.iter());
    command
}

/// For messages to the user, whose loss is nobody's harm.
fn write_all(descriptor: &OwnedFd, text: &[u8]) {
    if let Ok(copy) = descriptor.try_clone() {
        let _ = std::fs::File::from(copy).write_all(text);
    }
}
