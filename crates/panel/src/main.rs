//! The program `keyway-panel`.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::net::TcpListener as StdListener;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use cloud::embedded::{Embedded, Settings as CloudSettings};
use cloud::openstack::{CloudConfig, Openstack};
use cloud::{Cloud, ConsoleKind};
use keys::FingerprintHash;
use panel::State;
use panel::accounts::{Accounts, NewUser, Role, generate_password};
use panel::audit::Entry;
use panel::settings::{CloudKind, Command, Settings, parse};
use panel::store::Store;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

/// The name of the first account and of its project.
const FIRST_USER: &str = "admin";
const FIRST_PROJECT: &str = "main";

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    // These two hold a server, and fork: they must run before anything makes a thread.
    match arguments.split_first() {
        Some((word, rest)) if word == "shim" => return status(cloud::embedded::shim_main(rest)),
        Some((word, rest)) if word == "init" => return status(cloud::embedded::init_main(rest)),
        _ => {}
    }
    let command = match parse(arguments) {
        Ok(command) => command,
        Err(message) => {
            eprintln!("keyway-panel: {message}");
            return ExitCode::from(2);
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("keyway-panel: {error}");
            return ExitCode::FAILURE;
        }
    };
    let done = runtime.block_on(async {
        match command {
            Command::Print(text) => {
                print!("{text}");
                Ok(())
            }
            Command::Run(settings) => run(settings).await,
            Command::Backup(settings, to) => backup(&settings, &to).await,
            Command::Password(settings, name) => password(&settings, &name).await,
            Command::Order(settings, words) => panel::orders::give(&settings.state, &words),
            Command::Console(settings, name, system) => {
                let kind = if system { ConsoleKind::System } else { ConsoleKind::Shell };
                panel::console::attach(&settings.state, kind, &name).await
            }
        }
    });
    // A terminal being read cannot be waited for.
    runtime.shutdown_background();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("keyway-panel: {message}");
            ExitCode::FAILURE
        }
    }
}

fn status(code: i32) -> ExitCode {
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

async fn run(settings: Settings) -> Result<(), String> {
    log_lines(&settings);
    make_private(&settings.state)?;
    let store = Store::open(&settings.database).await.map_err(|error| error.to_string())?;
    if settings.cloud == CloudKind::Embedded {
        first_account(&store).await?;
    }
    let (cloud, embedded) = open_cloud(&settings, &store).await?;
    let tls = if settings.https { Some(panel::tls::load(&settings)?) } else { None };
    let listener = listen(&settings)?;
    let at = listener.local_addr().map_err(|error| error.to_string())?;
    if let Some(tls) = &tls {
        let made = if tls.fresh { "made just now" } else { "from" };
        println!("Certificate {made} {}: {}", tls.file.display(), tls.fingerprint);
    }
    println!("The panel is at {} (listening on {at})", settings.public_url);
    for warning in cloud.warnings() {
        println!("Note: {warning}");
    }
    let acceptor = tls.map(|tls| TlsAcceptor::from(tls.config));
    let (stop, stopping) = watch::channel(false);
    let state = State::new(cloud, store.clone(), settings, stopping.clone());
    let key = state.voucher.key(&store).await.map_err(|error| error.to_string())?;
    let fingerprint = key.public().fingerprint(FingerprintHash::Sha256);
    println!(
        "Its word on host keys: keyway enroll --fingerprint {fingerprint} {}",
        state.settings.public_url
    );
    let consoles = tokio::spawn(panel::console::serve_local(Arc::clone(&state)));
    let metadata = embedded.as_ref().and_then(|cloud| Some((cloud, cloud.metadata_listener()?)));
    if let Some((cloud, listener)) = metadata {
        tokio::spawn(panel::metadata::serve(Arc::clone(cloud), listener, stopping.clone()));
    }
    let orders = tokio::spawn(panel::orders::serve(Arc::clone(&state)));
    tokio::spawn(wait_for_signal(stop));
    panel::serve::run(listener, acceptor, panel::web::router(state), stopping).await;
    if let Ok(Err(error)) = consoles.await {
        tracing::warn!(%error, "consoles on the terminal did not work");
    }
    if let Ok(Err(error)) = orders.await {
        tracing::warn!(%error, "orders from the terminal did not work");
    }
    if let Some(cloud) = embedded
        && let Err(error) = cloud.close().await
    {
        tracing::warn!(%error, "what is on this machine for servers");
    }
    store.close().await;
    tracing::info!("stopped");
    Ok(())
}

fn listen(settings: &Settings) -> Result<TcpListener, String> {
    let failed = |error: std::io::Error| format!("cannot listen on {}: {error}", settings.listen);
    let listener = StdListener::bind(settings.listen).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    TcpListener::from_std(listener).map_err(failed)
}

async fn wait_for_signal(stop: watch::Sender<bool>) {
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopping");
    let _ = stop.send(true);
}

fn log_lines(settings: &Settings) {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_from_env("KEYWAY_LOG")
        .unwrap_or_else(|_| EnvFilter::new("info,sqlx=warn,request=warn"));
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    if settings.log_json { lines.json().init() } else { lines.compact().init() }
}

/// The folder with the database and keys: its owner's alone.
fn make_private(folder: &Path) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    let mode = std::fs::metadata(folder).map_err(failed)?.permissions().mode();
    if mode & 0o077 != 0 {
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700)).map_err(failed)?;
    }
    Ok(())
}

/// The cloud, and the same again where it is this machine.
async fn open_cloud(
    settings: &Settings,
    store: &Store,
) -> Result<(Arc<dyn Cloud>, Option<Arc<Embedded>>), String> {
    if settings.cloud == CloudKind::OpenStack {
        let config = CloudConfig::find(settings.os_cloud.as_deref())?;
        println!("The cloud {} of {}: {}", config.name, config.file.display(), config.auth_url);
        if !config.has_account() {
            println!("It names no account for the panel itself: there are no orders by terminal.");
        }
        let openstack = Openstack::new(config, Arc::new(store.clone()));
        return Ok((openstack.map_err(|error| error.to_string())?, None));
    }
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let keyway = settings.keyway.clone().unwrap_or_else(|| beside(&program));
    let holder = shim_program(&program).unwrap_or(program);
    let mut wanted = CloudSettings::new(settings.state.join("cloud"), holder, keyway);
    wanted.between_servers = settings.between_servers;
    wanted.runtime = settings.runtime;
    if !settings.regions.is_empty() {
        wanted.regions.clone_from(&settings.regions);
    }
    let embedded =
        Embedded::new(wanted, Arc::new(store.clone())).map_err(|error| error.to_string())?;
    embedded.start().await.map_err(|error| error.to_string())?;
    Ok((Arc::<Embedded>::clone(&embedded), Some(embedded)))
}

fn beside(program: &Path) -> PathBuf {
    program.parent().map_or_else(|| PathBuf::from("keyway"), |folder| folder.join("keyway"))
}

/// The smaller program that holds servers, if it is there and of the same version; this one can do
/// it too.
fn shim_program(program: &Path) -> Option<PathBuf> {
    let folder = program.parent()?;
    let places = ["keyway-shim", "../libexec/keyway/keyway-shim"].map(|place| folder.join(place));
    let path = places.into_iter().find(|path| path.is_file())?;
    let said = std::process::Command::new(&path).arg("-V").env_clear().output();
    if said.is_ok_and(|said| said.stdout.trim_ascii() == env!("CARGO_PKG_VERSION").as_bytes()) {
        return Some(path);
    }
    println!(
        "{} is of another version than this program and not used; install both again",
        path.display()
    );
    None
}

/// Makes the first account, and prints its password: the only time that anybody sees it. A journal
/// is no place for one, so a service's first account gets its password by an order.
async fn first_account(store: &Store) -> Result<(), String> {
    let accounts = Accounts::new(store.clone());
    let failed = |error: panel::accounts::Error| error.to_string();
    if !accounts.users(None).await.map_err(failed)?.is_empty() {
        return Ok(());
    }
    let project = match accounts.project_by_name(FIRST_PROJECT).await.map_err(failed)? {
        Some(project) => project,
        None => {
            accounts.create_project(FIRST_PROJECT, "The first project").await.map_err(failed)?
        }
    };
    let password = generate_password().map_err(failed)?;
    let user = accounts
        .create_user(NewUser {
            name: FIRST_USER,
            email: "",
            password: Some(&password),
            default_project: Some(&project.id),
        })
        .await
        .map_err(failed)?;
    accounts.assign(&user.id, &project.id, Role::Admin).await.map_err(failed)?;
    audit_terminal(store, "user.add", FIRST_USER).await?;
    if writes_to_journal() {
        println!(
            "First account: name {FIRST_USER}; keyway-panel password {FIRST_USER} gives it a password"
        );
        return Ok(());
    }
    println!("First account: name {FIRST_USER}, password {}", password.as_str());
    println!("It is shown this once; change it on the account page.");
    Ok(())
}

/// Whether standard output is the journal's, which systemd tells by device and inode: programs
/// started from a desktop inherit the variable, too.
fn writes_to_journal() -> bool {
    let Ok(output) = std::fs::metadata("/proc/self/fd/1") else { return false };
    std::env::var("JOURNAL_STREAM")
        .is_ok_and(|stream| stream == format!("{}:{}", output.dev(), output.ino()))
}

async fn backup(settings: &Settings, to: &Path) -> Result<(), String> {
    let store = Store::open(&settings.database).await.map_err(|error| error.to_string())?;
    let done = store.backup(to).await.map_err(|error| error.to_string());
    store.close().await;
    done?;
    println!("Copied to {}", to.display());
    Ok(())
}

async fn password(settings: &Settings, name: &str) -> Result<(), String> {
    if settings.cloud == CloudKind::OpenStack {
        return Err("accounts are the cloud's own: change passwords in its Keystone".to_owned());
    }
    let store = Store::open(&settings.database).await.map_err(|error| error.to_string())?;
    let accounts = Accounts::new(store.clone());
    let failed = |error: panel::accounts::Error| error.to_string();
    let user = accounts
        .user_by_name(name)
        .await
        .map_err(failed)?
        .ok_or_else(|| format!("there is no user called {name}"))?;
    let new = generate_password().map_err(failed)?;
    accounts.set_password(&user.id, &new, None).await.map_err(failed)?;
    accounts.disable_totp(&user.id).await.map_err(failed)?;
    audit_terminal(&store, "password.reset", &user.name).await?;
    println!("New password of {}: {}", user.name, new.as_str());
    if user.has_totp {
        println!("The second factor is off.");
    }
    store.close().await;
    Ok(())
}

async fn audit_terminal(store: &Store, action: &str, target: &str) -> Result<(), String> {
    store
        .audit(Entry {
            user_name: "(terminal)",
            action,
            target,
            address: "local",
            ..Entry::default()
        })
        .await
        .map_err(|error| error.to_string())
}
