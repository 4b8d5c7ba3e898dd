//! `ssh-copy-id`: puts public keys into a remote account's `authorized_keys`, safely.
//!
//! One login and one remote command do it ([`remote`]), or one SFTP session where there is no shell
//! ([`over_sftp`]): keys that are there are not added again, wrong modes are mended, and the file is replaced
//! in one step. Then it tries to log in.

mod args;
mod identities;
mod link;
mod over_sftp;
mod remote;

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use args::{Args, Identity, Stop, USAGE};
use identities::Chosen;
use link::Link;
use remote::{Manner, Told};

use crate::ui::clean;

/// What the remote may tell; a few lines for every key.
const OUTPUT_BYTES_MAX: u64 = 1 << 20;

/// Most keys that are copied at once: more are a mistake.
const KEYS_MAX: usize = 1000;

/// `ssh-copy-id`.
pub fn main(words: &[OsString]) -> ExitCode {
    let args = match Args::parse(words) {
        Ok(args) => args,
        Err(Stop::Help) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(Stop::Wrong(why)) => {
            eprintln!("ssh-copy-id: ERROR: {why}\n{USAGE}");
            return ExitCode::FAILURE;
        }
    };
    match copy(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            tell("ERROR", &why);
            ExitCode::FAILURE
        }
    }
}

fn tell(kind: &str, text: &str) {
    eprintln!("ssh-copy-id: {kind}: {}", clean::visible_lines(text));
}

fn copy(args: &Args) -> Result<(), String> {
    let chosen = identities::choose(&args.identity)?;
    if chosen.keys.len() > KEYS_MAX {
        return Err(format!("{} has {} keys; -i chooses", chosen.source, chosen.keys.len()));
    }
    tell("INFO", &format!("Source of key(s) to be installed: {}", chosen.source));
    let outcome = if args.sftp { install_by_sftp(args, &chosen)? } else { install(args, &chosen)? };
    for change in &outcome.changes {
        tell_change(args, change);
    }
    let added = outcome.added;
    if args.dry_run {
        println!("=-=-=-=-=-=-=-=\nWould have added the following key(s):\n");
        for (key, comment) in &chosen.keys {
            let line = key.to_line(comment);
            if added.iter().any(|blob| line.split(' ').nth(1) == Some(blob)) {
                println!("{}", clean::visible(&line));
            }
        }
        println!("=-=-=-=-=-=-=-=");
        return Ok(());
    }
    if added.is_empty() {
        tell(
            "WARNING",
            "All keys were skipped because they already exist on the remote system.\n\
             \t\t(if you think this is a mistake, you may want to use -f option)",
        );
    } else {
        println!("\nNumber of key(s) added: {}", added.len());
    }
    let line = login_line(args, &chosen);
    println!("\nNow try logging into the machine, with: {line}");
    println!("and check to make sure that only the key(s) you wanted were added.\n");
    check(args, &chosen)
}

/// What was done on the other machine, or would have been.
#[derive(Debug, Default)]
struct Outcome {
    /// Folders that were made and modes that were mended, in words.
    changes: Vec<String>,
    /// The base64 text of keys that were not there.
    added: Vec<String>,
}

fn change_of_mode(path: &str, now: &str, before: &str) -> String {
    format!("set the mode of {path} to {now}; it was {before}")
}

fn tell_change(args: &Args, what: &str) {
    let would = if args.dry_run { "would have " } else { "" };
    tell("INFO", &format!("{would}{}", clean::visible(what)));
}

fn manner(args: &Args) -> Manner {
    Manner { force: args.force, dry_run: args.dry_run, debug: args.debug }
}

/// Adds the keys in an SFTP session.
fn install_by_sftp(args: &Args, chosen: &Chosen) -> Result<Outcome, String> {
    let mut link = Link::start(sftp_session(args, &[])?).map_err(|problem| {
        format!("{}; nothing was changed", problem.while_doing("could not start sftp there"))
    })?;
    over_sftp::install(&mut link, args.target.as_deref(), manner(args), &chosen.keys)
}

/// Our own ssh, for the server's sftp subsystem.
fn sftp_session(args: &Args, options: &[OsString]) -> Result<Command, String> {
    let mut command = ssh(args)?;
    command.args(["-T", "-o", "RemoteCommand=none"]).args(options);
    command.arg("-s").arg(&args.host).arg("sftp");
    if args.debug {
        eprintln!("+ {command:?}");
    }
    Ok(command)
}

/// Runs the remote command with the keys on its standard input.
fn install(args: &Args, chosen: &Chosen) -> Result<Outcome, String> {
    let output = run_remote(args, chosen)?;
    let told = remote::told(&output);
    let mut outcome = Outcome::default();
    for one in &told {
        match one {
            Told::Made(path) => outcome.changes.push(format!("made the folder {path}")),
            Told::Mode { now, before, path } => {
                outcome.changes.push(change_of_mode(path, now, before));
            }
            Told::Added(blob) => outcome.added.push((*blob).to_owned()),
            Told::Present(_) | Told::Done => {}
        }
    }
    if !told.contains(&Told::Done) {
        return Err("the remote command did not finish; authorized_keys is as it was".to_owned());
    }
    Ok(outcome)
}

/// What the remote command tells.
fn run_remote(args: &Args, chosen: &Chosen) -> Result<String, String> {
    let script = remote::command(args.target.as_deref(), manner(args));
    let mut command = ssh(args)?;
    // A terminal would change line ends, and what the configuration runs there is not this.
    command.args(["-T", "-o", "RemoteCommand=none"]).arg(&args.host).arg(&script);
    if args.debug {
        eprintln!("+ {command:?}");
    }
    let failed = |source: &io::Error| format!("running ssh: {}", crate::text::reason(source));
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|source| failed(&source))?;
    if let Some(mut stdin) = child.stdin.take() {
        // Where the command has ended early, its status tells.
        let _ = stdin.write_all(remote::input(&chosen.keys).as_bytes());
    }
    let mut output = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        stdout.take(OUTPUT_BYTES_MAX).read_to_end(&mut output).map_err(|source| failed(&source))?;
    }
    let status = child.wait().map_err(|source| failed(&source))?;
    if !status.success() {
        return Err(match status.code() {
            Some(255) => "could not log in; nothing was changed".to_owned(),
            _ => "the remote command failed; authorized_keys is as it was".to_owned(),
        });
    }
    Ok(String::from_utf8_lossy(&output).into_owned())
}

/// Our own ssh, for a login that only runs one command.
fn ssh(args: &Args) -> Result<Command, String> {
    let program = env::current_exe()
        .map_err(|source| format!("this program: {}", crate::text::reason(&source)))?;
    let mut command = Command::new(program);
    command.arg("ssh").args(&args.ssh_options);
    command.args(["-a", "-x", "-o", "ClearAllForwardings=yes", "-o", "PermitLocalCommand=no"]);
    Ok(command)
}

/// Tries the new key, without asking anybody anything.
fn check(args: &Args, chosen: &Chosen) -> Result<(), String> {
    if args.target.is_some() {
        return Ok(());
    }
    let mut options: Vec<OsString> = [
        // A connection that is there already would prove nothing.
        ["-o", "ControlPath=none"],
        ["-o", "BatchMode=yes"],
        ["-o", "PreferredAuthentications=publickey"],
    ]
    .as_flattened()
    .iter()
    .map(OsString::from)
    .collect();
    match &chosen.private {
        Some(private) if identities::is_usable(private) => {
            options.extend(["-o", "IdentitiesOnly=yes", "-i"].map(OsString::from));
            options.push(private.clone().into_os_string());
        }
        Some(private) => {
            let shown = clean::visible(&private.display().to_string());
            println!("Not checked: {shown} needs its passphrase.");
            return Ok(());
        }
        None if chosen.source_is_agent() => {}
        None => {
            println!("Not checked: the private key is not here.");
            return Ok(());
        }
    }
    let works = if args.sftp {
        Link::start(sftp_session(args, &options)?).is_ok()
    } else {
        let mut command = ssh(args)?;
        command.args(["-T", "-n", "-o", "RemoteCommand=none"]).args(&options);
        command.arg(&args.host).arg("exit 0").stdout(Stdio::null());
        if args.debug {
            eprintln!("+ {command:?}");
        }
        let status = command.status();
        status.map_err(|source| format!("running ssh: {}", crate::text::reason(&source)))?.success()
    };
    if works {
        println!("Checked: logging in with the key works.");
        Ok(())
    } else {
        Err("the key is installed, but logging in with it did not work; ssh -v tells more"
            .to_owned())
    }
}

/// The line that logs in, for a shell.
fn login_line(args: &Args, chosen: &Chosen) -> String {
    let mut words = vec![if args.sftp { "sftp" } else { "ssh" }.to_owned()];
    let mut options = args.ssh_options.iter();
    while let (Some(option), Some(value)) = (options.next(), options.next()) {
        // Only this option has another letter there.
        let option =
            if args.sftp && option == "-p" { "-P".into() } else { option.to_string_lossy() };
        words.push(option.into_owned());
        words.push(quoted(value));
    }
    if let (Identity::File(_), Some(private)) = (&args.identity, &chosen.private) {
        words.extend(["-i".to_owned(), quoted(private.as_os_str())]);
    }
    words.push(quoted(&args.host));
    clean::visible(&words.join(" "))
}

fn quoted(word: &OsStr) -> String {
    crate::agent::quoted(Path::new(word)).to_string_lossy().into_owned()
}
