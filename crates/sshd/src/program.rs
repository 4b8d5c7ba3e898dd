//! The program `sshd`: what it is asked for, its configuration, and its roles.

use std::ffi::OsString;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use config::{
    AlgorithmLists, AlgorithmSet, Choice, ConnectionInfo, NoteLevel, RealFiles, Recorder,
    ServerConfig, ServerSettings, ServerSources, Snapshot, Step,
};
use net::logging::{self, Destination, Facility, LogLevel, Syslog};

use crate::accounts::Account;
use crate::exit;
use crate::flags::{Flags, Task, USAGE};
use crate::gate;
use crate::host_keys::{self, HostKeys};
use crate::listener::{self, Listener, sockets};
use crate::moduli;
use crate::monitor;
use crate::requests::{
    Bytes, Channel, Ends, ListenerNews, LogTarget, MonitorStart, SecretBytes, SessionStart,
};
use crate::session;
use crate::settings::Sealed;
use crate::spawn::{self, PROGRAM_NAME, Role};
use crate::sys::process::{self, ChildSetup};

/// Where the configuration is when nothing else is said.
const CONFIG_FILE: &str = "/etc/ssh/sshd_config";
/// What `-V` prints.
pub(crate) const VERSION: &str = concat!("Keyway_", env!("CARGO_PKG_VERSION"), ", AWS-LC");
/// The role of a listener that has left its terminal.
const LISTENER: &str = "sshd-listener";

/// Runs the program: `sshd` and its arguments, the name first, or `keyway sshd` and its
/// arguments. It executes itself again for its other processes, as `sshd` with the role as the
/// first argument. Returns the exit status.
pub fn main(args: Vec<OsString>) -> i32 {
    let mut args = args.as_slice();
    let is_ours =
        |name: &OsString| Path::new(name).file_name().is_some_and(|name| name == PROGRAM_NAME);
    if let [first, rest @ ..] = args
        && !is_ours(first)
    {
        args = rest;
    }
    let mut arguments = match args {
        [first, rest @ ..] if is_ours(first) => rest,
        // A role directly, as in `keyway sshd-gate`.
        all => all,
    };
    crate::sys::memory::be_frugal();
    match arguments.first().and_then(|word| Role::of_name(word)) {
        Some(Role::Monitor) => return monitor::main(),
        Some(Role::Gate) => return gate::main(),
        Some(Role::Session) => return session::main(),
        None => {}
    }
    let detached = arguments.first().is_some_and(|word| word == LISTENER);
    if let (true, [_, rest @ ..]) = (detached, arguments) {
        arguments = rest;
    }
    let flags = match Flags::parse(arguments) {
        Ok(flags) => flags,
        Err(error) => {
            complain(&error);
            let _ = std::io::stderr().write_all(USAGE.as_bytes());
            return 1;
        }
    };
    match flags.task {
        Task::Version => {
            complain(VERSION);
            0
        }
        Task::Usage => {
            complain(VERSION);
            let _ = std::io::stderr().write_all(USAGE.as_bytes());
            1
        }
        Task::Test | Task::Dump | Task::DumpUnchecked => test(flags),
        Task::Serve => serve(flags, detached, arguments),
    }
}

/// Runs the program `sshd-connection`: the processes of one connection, and nothing else. Returns
/// the exit status.
pub fn connection_main(args: Vec<OsString>) -> i32 {
    crate::sys::memory::be_frugal();
    let word = args.get(1);
    match word.and_then(|word| Role::of_name(word)) {
        Some(Role::Monitor) => monitor::main(),
        Some(Role::Gate) => gate::main(),
        Some(Role::Session) => session::main(),
        None if word.is_some_and(|word| word == "-V") => {
            let _ = writeln!(std::io::stdout(), "{VERSION}");
            0
        }
        None => {
            complain("sshd-connection is started by sshd, and of no use by itself");
            exit::FAILED
        }
    }
}

/// A line for whoever started the program.
pub(crate) fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// What the command line says, for as long as the program runs.
pub(crate) struct Setup {
    flags: Flags,
    config_file: Option<PathBuf>,
    stderr: bool,
    /// Serve one connection, then end.
    pub(crate) alone: bool,
}

/// One reading of the configuration.
pub(crate) struct Generation {
    /// For everybody.
    pub(crate) settings: ServerSettings,
    /// For the monitors.
    pub(crate) sealed: OwnedFd,
}

impl Setup {
    fn new(flags: Flags) -> Result<Self, String> {
        let current = std::env::current_dir().unwrap_or_default();
        let config_file = match &flags.config_file {
            // By another working directory, and a SIGHUP later, it must still be the same file.
            Some(path) if path == Path::new("none") => None,
            Some(path) => Some(current.join(path)),
            None if Path::new(CONFIG_FILE).exists() => Some(CONFIG_FILE.into()),
            None => {
                complain(&format!("{CONFIG_FILE} is not there; using the built-in defaults"));
                None
            }
        };
        let checking = flags.task != Task::Serve;
        if let Some(path) = &flags.log_file {
            let file = std::fs::OpenOptions::new().append(true).create(true).mode(0o600).open(path);
            let file = file.map_err(|error| {
                format!("Couldn't open logfile {}: {}", path.display(), sockets::reason(&error))
            })?;
            // Every process of the server inherits it this way.
            rustix::stdio::dup2_stderr(&file).map_err(|error| error.to_string())?;
        }
        let stderr = flags.log_to_stderr || flags.log_file.is_some() || flags.debug > 0 || checking;
        let alone = flags.debug > 0 || flags.inetd;
        Ok(Setup { flags, config_file, stderr, alone })
    }

    /// Where this server's processes log to.
    pub(crate) fn log_target(&self) -> LogTarget {
        let level = match (self.flags.quiet, self.flags.debug) {
            (true, _) => Some(LogLevel::Quiet),
            (false, 0) => None,
            (false, debug) => Some(LogLevel::from_verbosity(u32::from(debug))),
        };
        LogTarget { stderr: self.stderr, level: level.map(|level| level as u8) }
    }

    /// Logs as the configuration says.
    pub(crate) fn apply_logging(&self, settings: &ServerSettings) {
        start_logging(&self.log_target(), settings);
    }

    fn sources(&self) -> ServerSources {
        ServerSources { options: self.flags.options.clone(), file: self.config_file.clone() }
    }

    /// Reads the configuration alone.
    fn read_config(&self) -> Result<(ServerConfig, Snapshot), String> {
        let files = RealFiles;
        let recorder = Recorder::new(&files);
        let config = ServerConfig::load(&self.sources(), &recorder, &algorithm_lists())
            .map_err(|error| error.to_string())?;
        Ok((config, recorder.into_snapshot()))
    }

    /// Reads the configuration and the keys.
    ///
    /// # Errors
    /// What is wrong, in lines.
    pub(crate) fn read(&self) -> Result<Generation, String> {
        let (config, snapshot) = self.read_config()?;
        for note in &config.notes {
            match note.level {
                NoteLevel::Error => log::error!("{}", note.message),
                NoteLevel::Verbose => log::debug!("{}", note.message),
            }
        }
        let settings = config.settings.clone();
        check_commands(&settings)?;
        let keys = load_host_keys(&settings, true)?;
        let sealed = Sealed {
            config_file: self.config_file.clone(),
            options: self.flags.options.clone(),
            snapshot: Bytes(snapshot.encode()),
            host_keys: keys
                .keys
                .iter()
                .map(|key| {
                    let text = key.to_openssh(None, 0).map_err(|error| error.to_string())?;
                    Ok(SecretBytes(zeroize::Zeroizing::new(text.as_bytes().to_vec())))
                })
                .collect::<Result<Vec<_>, String>>()?,
            agent_keys: keys.in_agent.iter().map(|key| Bytes(key.blob().to_vec())).collect(),
            agent: keys.agent,
            host_certificates: keys
                .certificates
                .iter()
                .map(|certificate| Bytes(certificate.blob().to_vec()))
                .collect(),
            groups: moduli::load(&settings.moduli_file.value),
        };
        let sealed = sealed.seal().map_err(|error| format!("memfd: {error}"))?;
        Ok(Generation { settings, sealed })
    }
}

/// A program of the administrator's is run by somebody, who has to be named.
fn check_commands(settings: &ServerSettings) -> Result<(), String> {
    let keys = (&settings.authorized_keys_command, &settings.authorized_keys_command_user);
    let principals =
        (&settings.authorized_principals_command, &settings.authorized_principals_command_user);
    for (keyword, (command, user)) in
        [("AuthorizedKeysCommand", keys), ("AuthorizedPrincipalsCommand", principals)]
    {
        if command.value.is_some() && user.value.is_none() {
            return Err(format!("{keyword} set without {keyword}User"));
        }
    }
    Ok(())
}

/// The host keys; `may_make` says whether the usual ones are made when there are none.
fn load_host_keys(settings: &ServerSettings, may_make: bool) -> Result<HostKeys, String> {
    let named = settings.host_keys.iter().any(config::Setting::is_set);
    let paths = |list: &[config::Setting<PathBuf>]| -> Vec<PathBuf> {
        list.iter().map(|setting| setting.value.clone()).collect()
    };
    let mut configured = Vec::new();
    if named {
        configured = paths(&settings.host_keys);
    } else if may_make && rustix::process::geteuid().is_root() {
        for line in host_keys::make_missing() {
            log::info!("{line}");
        }
    }
    let agent = settings.host_key_agent.value.as_deref();
    let keys = HostKeys::load(&configured, &paths(&settings.host_certificates), agent);
    if keys.keys.is_empty() && keys.in_agent.is_empty() {
        return Err("sshd: no hostkeys available -- exiting.".into());
    }
    Ok(keys)
}

/// The names that the configuration may use.
fn algorithm_lists() -> AlgorithmLists {
    use crypto::tables::{CIPHERS, KEY_EXCHANGES, MACS, default_ciphers};
    fn set<'a>(
        defaults: impl Iterator<Item = &'a str>,
        supported: impl Iterator<Item = &'a str>,
    ) -> AlgorithmSet {
        AlgorithmSet {
            defaults: defaults.map(str::to_owned).collect(),
            supported: supported.map(str::to_owned).collect(),
        }
    }
    let all_signatures = || keys::algorithms::SIGNATURE_ALGORITHMS.iter().map(|entry| entry.name);
    AlgorithmLists {
        ciphers: set(default_ciphers().into_iter(), CIPHERS.iter().map(|e| e.algorithm.name)),
        macs: set(
            MACS.iter().filter(|e| e.server).map(|e| e.algorithm.name),
            MACS.iter().map(|e| e.algorithm.name),
        ),
        key_exchanges: set(
            KEY_EXCHANGES.iter().filter(|e| e.server).map(|e| e.name),
            KEY_EXCHANGES.iter().map(|e| e.name),
        ),
        keys: set(keys::algorithms::default_signature_algorithms().into_iter(), all_signatures()),
        ca_signatures: set(
            keys::algorithms::default_ca_signature_algorithms().into_iter(),
            keys::algorithms::SIGNATURE_ALGORITHMS
                .iter()
                .filter(|entry| !entry.is_certificate)
                .map(|entry| entry.name),
        ),
    }
}

/// In a monitor: the configuration as the listener read it.
pub(crate) fn read_sealed(sealed: &Sealed) -> Result<ServerConfig, String> {
    let snapshot =
        Snapshot::decode(&sealed.snapshot.0).ok_or("the sealed configuration is malformed")?;
    let sources =
        ServerSources { options: sealed.options.clone(), file: sealed.config_file.clone() };
    ServerConfig::load(&sources, &snapshot, &algorithm_lists()).map_err(|error| error.to_string())
}

/// What holds for a user who comes by this connection.
pub(crate) fn effective(
    config: &ServerConfig,
    user: &str,
    account: Option<&Account>,
    ends: &Ends,
) -> Result<ServerSettings, String> {
    let groups =
        |_: &str| account.and_then(|account| account.group_names().ok()).unwrap_or_default();
    let connection = ConnectionInfo {
        user: Some(user),
        user_is_invalid: account.is_none(),
        groups: Some(&groups),
        host: Some(&ends.remote_host),
        address: Some(&ends.remote_address),
        local_address: Some(&ends.local_address),
        local_port: Some(ends.local_port),
        routing_domain: Some(&ends.routing_domain),
        version: crate::SOFTWARE_VERSION,
    };
    config.effective(&connection).map_err(|error| error.to_string())
}

/// Logs as the configuration says, unless the command line says otherwise.
pub(crate) fn start_logging(target: &LogTarget, settings: &ServerSettings) -> LogLevel {
    let level = LogLevel::from_name(settings.log_level.value.word()).unwrap_or(LogLevel::Info);
    let facility = Facility::from_name(settings.syslog_facility.value.word());
    start_log(target, level, facility.unwrap_or(Facility::AUTH))
}

/// The same in a session, which was told by its monitor.
pub(crate) fn start_session_logging(start: &SessionStart) {
    let facility = Facility::from_name(&start.facility).unwrap_or(Facility::AUTH);
    start_log(&start.log, level_of(start.log_level), facility);
}

fn start_log(target: &LogTarget, level: LogLevel, facility: Facility) -> LogLevel {
    let level = target.level.map_or(level, level_of);
    let destination = if target.stderr {
        Destination::Stderr
    } else {
        Destination::Syslog(Syslog::open(facility, "sshd"))
    };
    logging::init(level, destination);
    level
}

/// A level that was passed as a number.
pub(crate) fn level_of(number: u8) -> LogLevel {
    let levels = [
        LogLevel::Quiet,
        LogLevel::Fatal,
        LogLevel::Error,
        LogLevel::Info,
        LogLevel::Verbose,
        LogLevel::Debug1,
        LogLevel::Debug2,
        LogLevel::Debug3,
    ];
    levels.get(usize::from(number)).copied().unwrap_or(LogLevel::Debug3)
}

/// `-t`, `-T` and `-G`.
fn test(flags: Flags) -> i32 {
    let checked = Setup::new(flags).and_then(|setup| {
        logging::init(LogLevel::Info, Destination::Stderr);
        let (config, _) = setup.read_config()?;
        for note in config.notes.iter().filter(|note| note.level == NoteLevel::Error) {
            complain(&note.message);
        }
        check_commands(&config.settings)?;
        if setup.flags.task != Task::DumpUnchecked {
            load_host_keys(&config.settings, false)?;
        }
        if setup.flags.task == Task::Test {
            return Ok(None);
        }
        let settings = if setup.flags.connection.is_empty() {
            // Nothing is known of a connection, but `Match all` holds for each.
            config.effective(&ConnectionInfo::default()).map_err(|error| error.to_string())?
        } else {
            described(&config, &setup.flags)?
        };
        Ok(Some(settings.dump()))
    });
    match checked {
        Ok(dump) => {
            let _ = std::io::stdout().write_all(dump.unwrap_or_default().as_bytes());
            0
        }
        Err(error) => {
            complain(&error);
            exit_status_of(&error)
        }
    }
}

/// What holds for the connection that `-C` describes.
fn described(config: &ServerConfig, flags: &Flags) -> Result<ServerSettings, String> {
    with_connection(flags, |connection| {
        config.effective(connection).map_err(|error| error.to_string())
    })
}

/// A configuration, and what it says of one connection.
pub struct Described {
    /// All of it.
    pub config: ServerConfig,
    /// What holds for the connection.
    pub settings: ServerSettings,
    /// What became of the `Match` blocks and their lines.
    pub steps: Vec<Step>,
}

/// What the configuration says of the connection that `-C` names among these arguments.
///
/// # Errors
/// What is wrong with the arguments or the configuration, in lines.
pub fn describe(arguments: &[OsString]) -> Result<Described, String> {
    let flags = Flags::parse(arguments)?;
    let setup = Setup::new(flags)?;
    let (config, _) = setup.read_config()?;
    let mut steps = Vec::new();
    let settings = with_connection(&setup.flags, |connection| {
        let tell = &mut |step| steps.push(step);
        config.effective_traced(connection, tell).map_err(|error| error.to_string())
    })?;
    Ok(Described { config, settings, steps })
}

/// Calls with the connection that `-C` describes.
fn with_connection<T>(
    flags: &Flags,
    call: impl FnOnce(&ConnectionInfo<'_>) -> Result<T, String>,
) -> Result<T, String> {
    let account =
        flags.connection_part("user").and_then(|user| Account::by_name(user).ok().flatten());
    let groups = |_: &str| {
        account.as_ref().and_then(|account| account.group_names().ok()).unwrap_or_default()
    };
    let local_port = match flags.connection_part("lport") {
        None => None,
        Some(port) => Some(port.parse().map_err(|_| {
            format!("Invalid port '{port}' in test mode specification lport={port}")
        })?),
    };
    let connection = ConnectionInfo {
        user: flags.connection_part("user"),
        user_is_invalid: flags.connection_part("invalid-user").is_some(),
        groups: Some(&groups),
        host: flags.connection_part("host"),
        address: flags.connection_part("addr"),
        local_address: flags.connection_part("laddr"),
        local_port,
        routing_domain: flags.connection_part("rdomain"),
        version: crate::SOFTWARE_VERSION,
    };
    call(&connection)
}

/// OpenSSH ends with 1 without host keys and with 255 for a bad configuration.
fn exit_status_of(error: &str) -> i32 {
    if error.contains("no hostkeys available") { 1 } else { exit::FAILED }
}

fn serve(flags: Flags, detached: bool, arguments: &[OsString]) -> i32 {
    let stays = flags.foreground || flags.debug > 0 || flags.inetd || detached;
    if !stays {
        return detach(arguments);
    }
    crate::sys::descriptors::close_on_exec_from(3);
    // Before anything else uses standard input.
    let parent = if detached { spawn::parent_channel().ok() } else { None };
    let setup = match Setup::new(flags) {
        Ok(setup) => setup,
        Err(error) => {
            complain(&error);
            return exit::FAILED;
        }
    };
    // Until the configuration says otherwise, whoever started the program is told.
    logging::init(setup.log_target().level.map_or(LogLevel::Info, level_of), Destination::Stderr);
    let generation = match setup.read() {
        Ok(generation) => generation,
        Err(error) => {
            complain(&error);
            return exit_status_of(&error);
        }
    };
    let _ = process::forbid_dumps();
    let _ = rustix::process::chdir("/");
    setup.apply_logging(&generation.settings);
    if !rustix::process::geteuid().is_root() {
        log::info!(
            "This server runs without root's rights: only the user it runs as can log in, and passwords cannot be checked."
        );
    }
    if setup.flags.inetd {
        return serve_standard_input(&setup, generation);
    }
    spawn::find_connection_program();
    let listener = match Listener::start(&setup, generation) {
        Ok(listener) => listener,
        Err(error) => {
            log::error!(target: logging::FATAL, "{error}");
            if !setup.stderr {
                complain(&error);
            }
            return exit::FAILED;
        }
    };
    if let Some(parent) = parent {
        let _ = parent.send(&ListenerNews::Ready, &[]);
        if !setup.stderr
            && let Ok(null) = std::fs::OpenOptions::new().write(true).open("/dev/null")
        {
            let _ = rustix::stdio::dup2_stderr(&null);
        }
    }
    listener.run()
}

/// Leaves the terminal: the program is executed again in a session of its own,
/// and this process ends when that one listens.
fn detach(arguments: &[OsString]) -> i32 {
    let started = Channel::pair().and_then(|(ours, theirs)| {
        use std::os::unix::process::CommandExt;
        let mut command = Command::new("/proc/self/exe");
        command.arg0(PROGRAM_NAME).arg(LISTENER).args(arguments);
        command.stdin(Stdio::from(theirs.into_descriptor())).stdout(Stdio::null());
        ChildSetup { new_session: true, ..ChildSetup::default() }.install(&mut command);
        let child = command.spawn()?;
        drop(command);
        Ok((child, ours))
    });
    let (mut child, channel) = match started {
        Ok(started) => started,
        Err(error) => {
            complain(&format!("cannot start the server: {error}"));
            return exit::FAILED;
        }
    };
    match channel.receive::<ListenerNews>() {
        Ok((ListenerNews::Ready, _)) => 0,
        // It has said why.
        Err(_) => child.wait().ok().and_then(|status| status.code()).unwrap_or(exit::FAILED),
    }
}

/// `-i`: the connection is on standard input and output, pipes as good as a socket.
fn serve_standard_input(setup: &Setup, generation: Generation) -> i32 {
    let descriptors = standard_streams(setup);
    let Ok(transport) = descriptors else {
        log::error!("standard input and output are not open");
        return exit::FAILED;
    };
    let address =
        |find: fn(&OwnedFd) -> Option<std::net::SocketAddr>| transport.first().and_then(find);
    let ends = listener::ends(
        address(sockets::remote_address),
        address(sockets::local_address),
        transport.first().map(crate::sys::descriptors::domain_of).unwrap_or_default(),
    );
    let sealed = match Sealed::open(generation.sealed) {
        Ok(sealed) => sealed,
        Err(error) => {
            log::error!("{error}");
            return exit::FAILED;
        }
    };
    let start = MonitorStart { log: setup.log_target(), ends, alone: true };
    monitor::run(start, sealed, transport, None)
}

fn standard_streams(setup: &Setup) -> std::io::Result<Vec<OwnedFd>> {
    use rustix::io::fcntl_dupfd_cloexec;
    let input = fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
    let output = fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3)?;
    let (in_status, out_status) = (rustix::fs::fstat(&input)?, rustix::fs::fstat(&output)?);
    let null = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    if !setup.stderr {
        // With inetd it is the connection as well.
        rustix::stdio::dup2_stderr(&null)?;
    }
    let same = (in_status.st_dev, in_status.st_ino) == (out_status.st_dev, out_status.st_ino);
    let is_socket = rustix::net::sockopt::socket_type(&input).is_ok();
    Ok(if same && is_socket { vec![input] } else { vec![input, output] })
}

/// What a gate is told by its environment: nothing, but in tests of its sandbox.
pub(crate) fn gate_environment() -> Vec<(&'static str, OsString)> {
    if cfg!(debug_assertions) {
        let value = std::env::var_os(gate::TAKEOVER_VARIABLE);
        return value.map(|value| (gate::TAKEOVER_VARIABLE, value)).into_iter().collect();
    }
    Vec::new()
}
