//! `sshd doctor`: looks at this machine's server and gathers what the checks need.

mod account;

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use config::{Outcome as LineOutcome, ServerSettings};
use doctor::firewall::{self, Packet};
use doctor::probe::key_file::{self, State};
use doctor::server::{HostKeyFile, HostKeyProblem, Passwords, Port, Premises, Service, judge};
use keys::{FingerprintHash, PublicKey};

use self::account::{is_root, look_at_account, nologin};
use super::listeners;
use super::{Outcome, Wishes, place};
use crate::files;

/// The file that is read when none is named.
const STANDARD_FILE: &str = "/etc/ssh/sshd_config";
/// Host keys where the configuration names none.
const STANDARD_KEYS: [&str; 3] =
    ["/etc/ssh/ssh_host_rsa_key", "/etc/ssh/ssh_host_ecdsa_key", "/etc/ssh/ssh_host_ed25519_key"];

/// What was asked for.
#[derive(Default)]
struct Call {
    user: Option<String>,
    address: Option<String>,
    key: Option<PathBuf>,
    file: Option<PathBuf>,
    flags: Vec<OsString>,
}

/// Examines this machine. The error is the whole message about a wrong call.
pub fn examine(wishes: &Wishes, words: &[OsString]) -> Result<Outcome, String> {
    if wishes.shell {
        return Err("sshd doctor: unknown option --shell".to_owned());
    }
    let call = call(words)?;
    let wanted = call.key.as_deref().map(public_key).transpose()?;
    let mut premises = Premises {
        configuration_file: call.file.clone().unwrap_or_else(|| STANDARD_FILE.into()),
        service: service(),
        wanted_key: wanted.as_ref().map(|key| {
            format!("{} {}", key.type_label(), key.fingerprint(FingerprintHash::Sha256))
        }),
        ..Premises::default()
    };
    let mut seen = vec![format!("configuration: {}", premises.configuration_file.display())];
    match sshd::describe(&call.flags) {
        Err(problem) => premises.configuration_error = Some(problem),
        Ok(described) => {
            let global = sshd::describe(&without_connection(&call.flags));
            let settings = &described.settings;
            premises.ports = ports(settings);
            premises.host_keys = host_keys(settings);
            premises.strict_modes = *settings.strict_modes;
            premises.keys_on =
                (*settings.pubkey_authentication, place(&settings.pubkey_authentication.origin));
            premises.passwords = passwords(&described);
            if let (Some(_), Ok(global)) = (&call.user, &global) {
                // A user's own block is meant to differ; the line that is outdone is everybody's.
                premises.passwords.outdone = passwords(global).outdone;
            }
            if let Some(user) = &call.user {
                look_at_account(
                    &mut premises,
                    user,
                    call.address.as_deref(),
                    settings,
                    wanted.as_ref(),
                );
            }
            let is_root = call.user.as_deref().is_some_and(is_root);
            premises.nologin = if is_root { None } else { nologin(*settings.use_pam) };
            tell(&mut seen, &premises, settings);
        }
    }
    let user = call.user.as_ref().map(|user| format!(", for {user}")).unwrap_or_default();
    let node = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let mut secrets = vec![("host", node)];
    secrets.extend(call.user.map(|user| ("user", user)));
    Ok(Outcome {
        title: format!("The SSH server of this machine{user}"),
        secrets,
        seen,
        findings: judge(&premises),
    })
}

fn call(words: &[OsString]) -> Result<Call, String> {
    let mut call = Call::default();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let text = word.to_str().unwrap_or_default();
        let (name, attached) = match text.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name, Some(value.to_owned())),
            _ => (text, None),
        };
        let mut value = || match &attached {
            Some(value) => Ok(value.clone()),
            None => words
                .next()
                .and_then(|value| value.to_str())
                .map(str::to_owned)
                .ok_or_else(|| format!("sshd doctor: {name} needs a value")),
        };
        match name {
            "--user" => call.user = Some(value()?),
            "--addr" => call.address = Some(value()?),
            "--key" => call.key = Some(value()?.into()),
            "-f" => call.file = Some(value()?.into()),
            "-o" => call.flags.extend(["-o".into(), value()?.into()]),
            other => return Err(format!("sshd doctor: unknown option {other}")),
        }
    }
    if let Some(file) = &call.file {
        call.flags.extend(["-f".into(), file.into()]);
    }
    call.flags.push("-T".into());
    let user = call.user.iter().map(|user| format!("user={user}"));
    let parts: Vec<String> =
        user.chain(call.address.iter().map(|address| format!("addr={address}"))).collect();
    if parts.iter().any(|part| part.contains(',')) {
        return Err("sshd doctor: a name has no comma".to_owned());
    }
    if !parts.is_empty() {
        call.flags.extend(["-C".into(), parts.join(",").into()]);
    }
    Ok(call)
}

fn without_connection(flags: &[OsString]) -> Vec<OsString> {
    let end = flags.iter().position(|flag| flag == "-C").unwrap_or(flags.len());
    flags.get(..end).unwrap_or_default().to_vec()
}

fn public_key(path: &Path) -> Result<PublicKey, String> {
    let bytes = files::read_limited(path, 1 << 20)
        .map_err(|source| format!("{}: {}", path.display(), crate::text::reason(&source)))?;
    let text = String::from_utf8_lossy(&bytes);
    let line = text.lines().find(|line| !line.trim().is_empty() && !line.starts_with('#'));
    let own = line.and_then(|line| PublicKey::from_line(line).ok()).map(|(key, _)| key);
    // A private key has its public half inside.
    own.or_else(|| keys::public_of_private_file(&bytes).ok().flatten())
        .ok_or_else(|| format!("{}: no public key", path.display()))
}

fn ports(settings: &ServerSettings) -> Vec<Port> {
    let mut numbers: Vec<u16> = settings.ports.iter().map(|port| port.value).collect();
    numbers.extend(settings.listen_addresses.iter().filter_map(|one| one.value.port));
    if numbers.is_empty() {
        numbers.push(22);
    }
    numbers.sort_unstable();
    numbers.dedup();
    numbers
        .into_iter()
        .map(|number| {
            let (is_taken, holder) = listeners::on(number);
            let packet = Packet { outgoing: false, remote: None, port: number };
            Port { number, holder, is_taken, firewall: firewall::look(&packet) }
        })
        .collect()
}

fn host_keys(settings: &ServerSettings) -> Vec<HostKeyFile> {
    let one = |path: &Path, origin: Option<String>| HostKeyFile {
        problem: match key_file::look(path).state {
            State::Fine | State::OtherPublic(_) => wrong_owner(path),
            State::Missing => Some(HostKeyProblem::Missing),
            State::Unreadable(why) => Some(HostKeyProblem::Unreadable(why)),
            State::TooOpen(mode) => Some(HostKeyProblem::TooOpen(mode)),
            // With an agent for host keys the file is the public half.
            State::Public if settings.host_key_agent.is_some() => None,
            State::Public => Some(HostKeyProblem::NotAKey("it is a public key".to_owned())),
            State::Locked => Some(HostKeyProblem::NotAKey("it has a passphrase".to_owned())),
            State::NotAKey(why) => Some(HostKeyProblem::NotAKey(why)),
        },
        path: path.to_owned(),
        origin,
    };
    if settings.host_keys.is_empty() {
        return STANDARD_KEYS.iter().map(|path| one(Path::new(path), None)).collect();
    }
    settings.host_keys.iter().map(|key| one(&key.value, place(&key.origin))).collect()
}

/// A key of somebody else's that others can read is taken by no server either.
fn wrong_owner(path: &Path) -> Option<HostKeyProblem> {
    let metadata = fs::metadata(path).ok()?;
    let mode = metadata.mode() & 0o777;
    (mode & 0o077 != 0 && metadata.uid() == 0).then_some(HostKeyProblem::TooOpen(mode))
}

fn passwords(described: &sshd::Described) -> Passwords {
    let settings = &described.settings;
    let off = |text: &str| text.trim().trim_matches('"').eq_ignore_ascii_case("no");
    let outdone = described.config.outdone().iter().find_map(|step| match &step.outcome {
        LineOutcome::TooLate(winner)
            if step.keyword.eq_ignore_ascii_case("PasswordAuthentication") && off(&step.text) =>
        {
            Some((
                place(&step.origin)?,
                place(winner).unwrap_or_else(|| "the command line".to_owned()),
            ))
        }
        _ => None,
    });
    let in_match = described.steps.iter().filter(|step| {
        step.outcome == LineOutcome::OutOfScope
            && step.keyword.eq_ignore_ascii_case("PasswordAuthentication")
            && !off(&step.text)
    });
    Passwords {
        password: (
            *settings.password_authentication,
            place(&settings.password_authentication.origin),
        ),
        interactive: (
            *settings.kbd_interactive_authentication && *settings.use_pam,
            place(&settings.kbd_interactive_authentication.origin),
        ),
        outdone,
        in_match: in_match.filter_map(|step| place(&step.origin)).collect(),
    }
}

/// How services are run, and what this one is called.
fn service() -> Service {
    let names = ["ssh", "sshd"];
    if Path::new("/run/systemd/system").is_dir() {
        let folders = ["/etc/systemd/system", "/lib/systemd/system", "/usr/lib/systemd/system"];
        let has = |name: &&&str| {
            folders.iter().any(|folder| Path::new(folder).join(format!("{name}.service")).exists())
        };
        let name = names.iter().find(has).unwrap_or(&"ssh");
        return Service::Systemd((*name).to_owned());
    }
    let scripted = names.iter().find(|name| Path::new("/etc/init.d").join(name).exists());
    match scripted {
        Some(name) => Service::Scripts((*name).to_owned()),
        None => Service::ByHand,
    }
}

fn tell(seen: &mut Vec<String>, premises: &Premises, settings: &ServerSettings) {
    for port in &premises.ports {
        let holder = match (&port.holder, port.is_taken) {
            (Some((name, process)), _) => format!("{name}, process {process}"),
            (None, true) => "somebody who cannot be seen from here".to_owned(),
            (None, false) => "nobody".to_owned(),
        };
        seen.push(format!("port {}: {holder} listens", port.number));
        if let firewall::Look::Unknown(why) = &port.firewall {
            seen.push(format!("firewall: not looked at, {why}"));
        }
    }
    let on = |flag: bool| if flag { "on" } else { "off" };
    seen.push(format!(
        "passwords: {}; keyboard-interactive: {}; keys: {}",
        on(premises.passwords.password.0),
        on(*settings.kbd_interactive_authentication),
        on(premises.keys_on.0)
    ));
    for file in &premises.authorized {
        let path = file.path.display();
        if !file.exists {
            seen.push(format!("{path}: is not there"));
            continue;
        }
        seen.push(format!("{path}: {} keys", file.keys));
        if let Some(line) = &file.found {
            seen.push(format!("{path}:{} is the line of the key", line.line));
            if let Some(command) = &line.command {
                seen.push(format!("that key runs only: {command}"));
            }
        }
    }
    seen.push(format!("to restart it: {}", premises.service.restart()));
}
