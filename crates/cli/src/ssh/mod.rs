//! `ssh`: logs in to another machine.
//!
//! The way of one call: [`args`] reads the command line, [`settings`] the configuration,
//! [`connection`] reaches the server, [`plan`] decides what to propose, and [`client`] runs the
//! connection, passing each event to the part that decides: [`host_keys`], [`mod@authentication`] (with
//! the keys of [`identities`]), [`session`], [`forwards`]. [`ending`] says how it went.

pub mod args;
mod authentication;
mod background;
mod client;
pub mod connection;
mod destination;
mod dns;
mod ending;
mod escapes;
mod forwards;
pub mod host_keys;
pub mod identities;
mod liveness;
mod marking;
mod memory;
mod mux;
pub mod paths;
pub mod plan;
mod purpose;
pub mod query;
mod session;
pub mod settings;
mod x11;

use std::ffi::OsString;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::rc::Rc;
use std::time::Instant;

use config::{AgentSocket, Choice, ClientConfig, ControlPersist, ForwardAgent, NoteLevel};
use net::{Driver, Transport};
use proto::{Client, Connection};

use self::args::{Arguments, Request};
use self::authentication::{Authentication, HostBased};
use self::client::{Login, Stage, Watch};
use self::connection::Reached;
use self::forwards::Forwards;
use self::host_keys::HostKeys;
use self::identities::Identities;
use self::memory::{Memory, Remembered};
use self::mux::master::Master;
use self::purpose::{Plan, Purpose};
use self::session::Session;
use self::session::agent::filter::AllowedKeys;
use crate::messages::{self, Level, debug, error, fatal};
use crate::sys;

pub use self::query::names as query_names;

/// The exit status of every failure that is not the remote command's.
const FAILED: u8 = 255;

/// Runs the tool.
pub fn main(words: &[OsString]) -> ExitCode {
    messages::init();
    if crate::explain::is_asked(words) {
        return crate::explain::client(words.get(1..).unwrap_or_default());
    }
    if crate::doctor::is_asked(words) {
        return crate::doctor::client(words.get(1..).unwrap_or_default());
    }
    let arguments = match args::parse(words) {
        Ok(Request::Run(arguments)) => arguments,
        Ok(Request::Version) => {
            eprintln!("{}, {}", crate::VERSION, crate::LIBRARY);
            return ExitCode::SUCCESS;
        }
        Ok(Request::Query(what)) => return print_query(&what),
        Err(problem) => {
            match &problem {
                args::Error::Usage => eprint!("{}", args::USAGE),
                args::Error::Option(problem) => eprint!("{problem}\n{}", args::USAGE),
                other => eprintln!("{}", crate::ui::clean::visible(&other.to_string())),
            }
            return ExitCode::from(FAILED);
        }
    };
    match run(&arguments) {
        Ok(status) => ExitCode::from(status),
        Err(problem) => {
            for line in problem.lines() {
                fatal!("{line}");
            }
            ExitCode::from(FAILED)
        }
    }
}

fn print_query(what: &str) -> ExitCode {
    let Some(names) = query::answer(what) else {
        eprintln!("Unsupported query \"{}\"", crate::ui::clean::visible(what));
        return ExitCode::from(FAILED);
    };
    sys::default_sigpipe();
    for name in names {
        println!("{name}");
    }
    ExitCode::SUCCESS
}

fn run(arguments: &Arguments) -> Result<u8, String> {
    if let Some(level) = arguments.level() {
        messages::set_level(level);
    }
    if let Some(file) = &arguments.log_file {
        messages::log_to_file(file).map_err(|source| {
            format!("Couldn't open logfile {}: {}", file.display(), crate::text::reason(&source))
        })?;
    }
    let user = paths::own_account()
        .ok_or_else(|| format!("No user exists for uid {}", rustix::process::getuid().as_raw()))?;
    let config = settings::load(arguments, &user)?;
    if arguments.level().is_none()
        && let Some(level) = Level::from_name(config.log_level.word())
    {
        messages::set_level(level);
    }
    net::places::set(&config.log_verbose);
    if arguments.syslog && arguments.log_file.is_none() {
        messages::log_to_system(config.syslog_facility.word(), "ssh");
    }
    if arguments.print_config {
        sys::default_sigpipe();
        print!("{}", config.dump());
        return Ok(0);
    }
    if arguments.list_keys {
        return list_keys(&config, &user);
    }
    debug!("{}, {}", crate::VERSION, crate::LIBRARY);
    mention_notes(&config)?;
    if let Some(text) = config.refuse_connection.as_deref() {
        return Err(format!("RefuseConnection: {text}"));
    }
    let config = Rc::new(config);
    let agent = agent_socket(&config);
    let plan = match arguments.control {
        None | Some(mux::client::Command::Proxy) => {
            Plan::new(arguments, &config, forwarded_agent(&config, agent.as_ref(), &user))?
        }
        Some(_) => Plan::nothing(),
    };
    let to_background = *config.fork_after_authentication;
    if to_background && plan.purpose == Purpose::Shell {
        return Err("Cannot fork into background without a command to execute.".to_owned());
    }
    let host = config.host_name.to_ascii_lowercase();
    let call =
        mux::client::Call { config: &config, plan: &plan, command: arguments.control, host: &host };
    let shared = match mux::client::attempt(&call)? {
        mux::client::Outcome::Done(status) => return Ok(status),
        mux::client::Outcome::Unshared => None,
        mux::client::Outcome::Proxy(stream) => Some(stream),
    };
    connect(arguments, &user, config, plan, agent, shared)
}

fn connect(
    arguments: &Arguments,
    user: &sys::Account,
    config: Rc<ClientConfig>,
    plan: Plan,
    agent: Option<PathBuf>,
    shared: Option<UnixStream>,
) -> Result<u8, String> {
    let host = config.host_name.to_ascii_lowercase();
    let started = Instant::now();
    let mut host_keys = HostKeys::load(Rc::clone(&config), &host);
    let memory = host_keys.first_user_file().map(|file| {
        let name = host_keys.name().as_str();
        Memory::load(file, &config.user, name, *config.hash_known_hosts)
    });
    let remembered = memory.as_ref().and_then(|memory| memory.remembered.clone());
    if let Some(remembered) = &remembered {
        host_keys.set_sightings(remembered.sightings.clone());
    }
    let engine = plan::engine_config(&config, &host_keys, remembered.as_ref());

    let is_proxied = shared.is_some();
    let may_mark = !remembered.as_ref().is_some_and(client::lost_marks_lately);
    let reached = match shared {
        Some(stream) => Reached::over(stream),
        None => connection::reach_marked(arguments, &config, plan.terminal, may_mark).inspect_err(
            |_| {
                crate::doctor::after_failure(&config.original_host, *config.batch_mode);
            },
        )?,
    };
    let Reached { transport, address, own_address, is_marked, mut proxy, socket } = reached;
    if let Some(address) = address {
        host_keys.set_address(address);
    }
    let mut driver = driver(engine, is_proxied, transport)?;

    // The server's answer is on its way while keys are read.
    let mut authentication = authentication(&config, user, agent, &host, remembered.clone())?;
    if *config.hostbased_authentication {
        authentication.vouch(HostBased::prepare(socket, &user.name));
    }
    debug!("Authenticating to {} as '{}'", host_keys.name(), *config.user);
    let forwards = Forwards::new(Rc::clone(&config));
    let is_early = remembered.is_some_and(|known| known.early)
        && !*config.compression
        && !forwards.come_first()
        && (!Master::is_wanted(&config) || *config.control_persist == ControlPersist::No)
        && authentication.will_sign_at_once();
    let mut login = Login {
        session: Session::new(Rc::clone(&config), plan, &host),
        forwards,
        mux: Master::new(Rc::clone(&config), &host),
        aside: None,
        is_proxied,
        host,
        address,
        host_keys,
        authentication,
        memory,
        is_early,
        connect_deadline: connection::deadline(&config, started),
        to_background: *config.fork_after_authentication,
        obsolete_host_keys: Vec::new(),
        host_keys_to_prove: 0,
        stage: Stage::Connected,
        watch: Watch::new(own_address.zip(address), is_marked, &config.channel_timeout),
        config,
    };
    let status = run_login(&mut driver, &mut login)?;
    drop(driver);
    if let Some(child) = &mut proxy {
        connection::end_proxy(child);
    }
    Ok(status)
}

/// `is_proxied`: the connection is another's, who has logged in already.
fn driver(
    config: proto::Config,
    is_proxied: bool,
    transport: Transport,
) -> Result<Driver<Client>, String> {
    let engine = if is_proxied {
        Connection::<Client>::bare(config, Instant::now())
    } else {
        debug!("Local version string SSH-2.0-{}", config.software_version);
        Connection::<Client>::new(config, Instant::now())
    };
    let engine = engine.map_err(|problem| format!("ssh: {problem}"))?;
    Driver::new(engine, transport)
        .map_err(|source| format!("ssh: {}", crate::text::reason(&source)))
}

/// With the keys at hand.
fn authentication(
    config: &Rc<ClientConfig>,
    user: &sys::Account,
    agent: Option<PathBuf>,
    host: &str,
    remembered: Option<Remembered>,
) -> Result<Authentication, String> {
    let (identity_files, certificate_files) = key_files(config, user)?;
    let identities =
        Identities::prepare(config, &identity_files, &certificate_files, agent.as_deref());
    let config = Rc::clone(config);
    let name = config.user.value.clone();
    Ok(Authentication::new(config, &name, host, identities, remembered))
}

/// Until the end, here or in the background; gives the exit status.
fn run_login(driver: &mut Driver<Client>, login: &mut Login) -> Result<u8, String> {
    let mut end = driver.run(login);
    while matches!(end, net::End::Finished)
        && login.session.was_running()
        && std::mem::take(&mut login.to_background)
    {
        end = background::go(driver, login)?;
    }
    login.learn_from_loss(driver.link());
    Ok(ending::report(login, end, driver.link().transport_error()))
}

/// Files of keys with whether the user named them, and files of certificates.
pub type KeyFiles = (Vec<(String, bool)>, Vec<String>);

pub fn key_files(config: &ClientConfig, user: &sys::Account) -> Result<KeyFiles, String> {
    let variable = |name: &str| std::env::var(name).ok();
    let text = |path: &PathBuf| path.display().to_string();
    let identities = config
        .identity_paths(&user.home, &variable)
        .map_err(|problem| format!("IdentityFile: {problem}"))?;
    let certificates = config
        .certificate_paths(&user.home, &variable)
        .map_err(|problem| format!("CertificateFile: {problem}"))?;
    Ok((
        identities.iter().map(|one| (text(&one.value), one.is_set())).collect(),
        certificates.iter().map(|one| text(&one.value)).collect(),
    ))
}

/// `-Z`: the public keys that would be tried, in their order.
fn list_keys(config: &ClientConfig, user: &sys::Account) -> Result<u8, String> {
    let (identity_files, certificate_files) = key_files(config, user)?;
    let agent = agent_socket(config);
    let identities =
        Identities::prepare(config, &identity_files, &certificate_files, agent.as_deref());
    sys::default_sigpipe();
    let is_tried =
        |one: &&identities::Identity| one.fate == identities::Fate::Untried && one.public.is_some();
    for identity in identities.list.iter().filter(is_tried) {
        println!("{}", crate::ui::clean::visible(&identity.describe()));
    }
    Ok(0)
}

/// Where the agent listens, if one is to be asked.
pub fn agent_socket(config: &ClientConfig) -> Option<PathBuf> {
    let from = |name: &str| std::env::var_os(name).filter(|path| !path.is_empty());
    match &*config.identity_agent {
        AgentSocket::None => None,
        AgentSocket::Standard => from("SSH_AUTH_SOCK").map(PathBuf::from),
        AgentSocket::Path(path) => Some(path.clone()),
        AgentSocket::Environment(name) => from(name).map(PathBuf::from),
    }
}

/// The agent that the server's programs may use, and which keys of it, if not all.
fn forwarded_agent(
    config: &ClientConfig,
    own: Option<&PathBuf>,
    user: &sys::Account,
) -> Option<(PathBuf, Option<AllowedKeys>)> {
    let path = match &*config.forward_agent {
        ForwardAgent::No => None,
        ForwardAgent::Yes => own.cloned(),
        ForwardAgent::Path(path) => Some(path.clone()),
        ForwardAgent::Environment(name) => std::env::var_os(name).map(PathBuf::from),
    }?;
    Some((path, AllowedKeys::named(config, &user.home)))
}

/// Says what of the configuration this version cannot do: with `-v` where it only does less, as an
/// error where the user would believe to have something they have not. Without what keeps a user
/// safer it does not go on.
fn mention_notes(config: &ClientConfig) -> Result<(), String> {
    if !config.refused.is_empty() {
        let lines: Vec<&str> = config.refused.iter().map(|one| one.message.as_str()).collect();
        return Err(lines.join("\n"));
    }
    for note in &config.notes {
        match note.level {
            NoteLevel::Error => error!("{}", note.message),
            NoteLevel::Verbose => debug!("{}", note.message),
        }
    }
    Ok(())
}

/// `LocalCommand`, if it is permitted.
fn local_command(config: &ClientConfig) {
    if !*config.permit_local_command {
        return;
    }
    let Some(command) = config.local_command.as_deref() else { return };
    let command = match config.tokens().expand(command) {
        Ok(command) => command,
        Err(problem) => {
            error!("LocalCommand: {problem}");
            return;
        }
    };
    debug!("Executing command: '{command}'");
    if let Err(source) = Command::new(settings::shell()).arg("-c").arg(&command).status() {
        error!("LocalCommand: {}", crate::text::reason(&source));
    }
}
