//! The process that holds one server: it makes the namespaces, keeps the console, and tells
//! whoever asks. It outlives the panel, and the server does not outlive it.

mod connection;
mod plain;
mod runtime;
mod serve;
mod system;
mod user;

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::layout::ServerFolder;
use super::link;
use super::protocol::{CONTROL_DESCRIPTOR, Exit, Isolation, Plan, Why};
use super::sys;

/// The subcommand `shim` of [`super::Settings::program`]: holds one server. The arguments are those
/// after the word `shim`; the result is the exit status.
///
/// The process must have one thread when this is called.
pub fn shim_main(arguments: &[OsString]) -> i32 {
    if let [flag, path] = arguments
        && flag == "--remove"
    {
        return i32::from(remove(Path::new(path)).is_err());
    }
    let [folder] = arguments else {
        eprintln!("usage: keyway-panel shim FOLDER (started by the panel itself)");
        return 2;
    };
    match hold(&ServerFolder::at(folder)) {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("{error}");
            1
        }
    }
}

fn hold(folder: &ServerFolder) -> io::Result<()> {
    sys::reserve(CONTROL_DESCRIPTOR)?;
    // Already the leader when the panel started it so.
    let _ = rustix::process::setsid();
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let _lock = lock(folder)?;
    let plan: Plan = serde_json::from_slice(&std::fs::read(folder.plan())?)?;
    let exit = match run(folder, &plan) {
        Ok(exit) => exit,
        Err(error) => {
            eprintln!("{error}");
            Exit { run: plan.run, why: Why::NotStarted, detail: Some(error.to_string()) }
        }
    };
    if let Isolation::Full { interface, .. } = &plan.isolation {
        link::disconnect(interface);
    }
    write_exit(folder, &exit)
}

/// Removes what an ordinary user's server left: files of subordinate ids among it.
fn remove(path: &Path) -> io::Result<()> {
    let folder = path.ancestors().find(|folder| folder.join("shim.json").exists());
    let plan = folder.ok_or_else(|| io::Error::other("not a server's folder"))?.join("shim.json");
    let plan: Plan = serde_json::from_slice(&std::fs::read(plan)?)?;
    if let Isolation::User { subordinate } = plan.isolation {
        user::become_root_inside(subordinate)?;
    }
    std::fs::remove_dir_all(path)
}

fn run(folder: &ServerFolder, plan: &Plan) -> io::Result<Exit> {
    let _ = std::fs::remove_file(folder.exit());
    // Listening from the start: who comes early waits in the queue.
    let listener = serve::listen(folder)?;
    let started = runtime::start(folder, plan)?;
    let exit = serve::serve(folder, plan, listener, &started);
    runtime::tidy(folder, plan, started);
    exit
}

/// Held for as long as the process lives, so that a lock that can be had means there is no shim.
/// The panel has taken it and passes it as the standard input: there is no moment in which a shim
/// has been started and nobody could know.
fn lock(folder: &ServerFolder) -> io::Result<File> {
    let mut file = File::from(rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?);
    let null = File::open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    let (given, wanted) = (file.metadata()?, std::fs::metadata(folder.lock())?);
    if (given.dev(), given.ino()) != (wanted.dev(), wanted.ino()) {
        return Err(io::Error::other("only the panel starts this"));
    }
    file.set_len(0)?;
    write!(file, "{}", std::process::id())?;
    Ok(file)
}

fn write_exit(folder: &ServerFolder, exit: &Exit) -> io::Result<()> {
    let next = folder.path().join("exit.json.next");
    std::fs::write(&next, serde_json::to_vec(exit)?)?;
    std::fs::rename(next, folder.exit())
}

/// What went wrong, and at what.
fn at<E: std::fmt::Display>(what: &'static str) -> impl FnOnce(E) -> io::Error {
    move |error| io::Error::other(format!("{what}: {error}"))
}

fn make_folder(path: &Path) -> io::Result<()> {
    std::fs::create_dir_all(path).map_err(at("make a folder"))
}
