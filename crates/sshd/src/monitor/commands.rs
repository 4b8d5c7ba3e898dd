//! Programs of the administrator's that say who may log in: `AuthorizedKeysCommand` and
//! `AuthorizedPrincipalsCommand`.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use config::tokens::Values;
use keys::PublicKey;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, Signal};

use super::authentication::Facts;
use super::log_lines::printable;
use crate::accounts::Account;
use crate::authorized;
use crate::environment::PATH_ROOT;
use crate::sys::process::ChildSetup;

/// A program that takes longer is ended: the time for a login is for the user.
const PATIENCE: Duration = Duration::from_secs(30);
/// As much as a file of keys may have.
const OUTPUT_BYTES: u64 = authorized::FILE_BYTES_MAX;
/// More words than any sane command line has.
const WORDS: usize = 256;

/// One such program, as it is configured.
pub(super) struct Lookup<'a> {
    /// The keyword, for the log.
    pub(super) keyword: &'static str,
    /// The command line with its tokens.
    pub(super) command: &'a str,
    /// Who runs it, with tokens.
    pub(super) user: Option<&'a str>,
}

/// The tokens that stand for the user, the connection and the key.
pub(super) fn tokens(account: &Account, facts: &Facts<'_>, key: &PublicKey) -> Values {
    let ends = facts.ends;
    let connection = format!(
        "{} {} {} {}",
        ends.remote_address, ends.remote_port, ends.local_address, ends.local_port
    );
    let (kind, blob) = kind_and_blob(key);
    Values::new()
        .with('u', account.name.as_str())
        .with('U', account.uid.to_string())
        .with('h', account.home.to_string_lossy())
        .with('C', connection)
        .with('D', ends.routing_domain.as_str())
        .with('t', kind)
        .with('k', blob)
        .with('f', key.fingerprint(keys::FingerprintHash::Sha256))
}

/// With those of the certificate and who signed it.
pub(super) fn certificate_tokens(values: Values, certificate: &keys::Certificate) -> Values {
    let (kind, blob) = kind_and_blob(&certificate.signature_key);
    values
        .with('T', kind)
        .with('K', blob)
        .with('F', certificate.signature_key.fingerprint(keys::FingerprintHash::Sha256))
        .with('i', certificate.key_id.as_str())
        .with('s', certificate.serial.to_string())
}

fn kind_and_blob(key: &PublicKey) -> (String, String) {
    let line = key.to_line("");
    let (kind, blob) = line.split_once(' ').unwrap_or((&line, ""));
    (kind.to_owned(), blob.to_owned())
}

impl Lookup<'_> {
    /// Runs the program and returns what it printed; nothing when it cannot be run or does not
    /// end well, whatever it printed by then.
    pub(super) fn run(&self, account: &Account, values: &Values) -> Option<String> {
        match self.try_run(account, values) {
            Ok(text) => Some(text),
            Err(reason) => {
                log::error!("{}", printable(&reason, 400));
                None
            }
        }
    }

    fn try_run(&self, account: &Account, values: &Values) -> Result<String, String> {
        let keyword = self.keyword;
        let name = self.user.ok_or_else(|| format!("{keyword} set without {keyword}User"))?;
        let name = values.only("u").expand(name).map_err(|error| error.to_string())?;
        let runner = Account::by_name(&name)
            .ok()
            .flatten()
            .ok_or_else(|| format!("{keyword}User \"{name}\" not found"))?;
        let words = split(self.command)
            .ok_or_else(|| format!("{keyword} \"{}\" contains invalid quotes", self.command))?;
        // Split first: nothing of a user's or a peer's can become two words.
        let mut words = words
            .iter()
            .map(|word| values.expand(word))
            .collect::<Result<Vec<String>, _>>()
            .map_err(|error| format!("{keyword}: {error}"))?;
        if words.len() == 1 {
            words.push(account.name.clone());
        }
        let [program, arguments @ ..] = words.as_slice() else {
            return Err(format!("{keyword} \"{}\" is empty", self.command));
        };
        check(Path::new(program))
            .map_err(|error| format!("Unsafe {keyword} \"{program}\": {error}"))?;
        let identity = runner.identity().map_err(|error| format!("{keyword}: {error}"))?;
        let mut command = Command::new(program);
        command.args(arguments).env_clear().process_group(0);
        command.env("PATH", PATH_ROOT).env("USER", &runner.name).env("LOGNAME", &runner.name);
        command.env("HOME", &runner.home);
        command.envs(std::env::var_os("LANG").map(|language| ("LANG", language)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        ChildSetup {
            identity: Some(identity),
            directories: vec![c"/".to_owned()],
            ..ChildSetup::default()
        }
        .install(&mut command);
        let mut child = command.spawn().map_err(|error| format!("{keyword} {program}: {error}"))?;
        drop(command);
        let read = read_output(&mut child);
        end_group(&mut child, read.is_err());
        let status = child.wait().map_err(|error| format!("{keyword} {program}: {error}"))?;
        let output = read.map_err(|error| format!("{keyword} {program} {error}"))?;
        if !status.success() {
            return Err(format!("{keyword} {program} failed, {status}"));
        }
        Ok(String::from_utf8_lossy(&output).into_owned())
    }
}

/// Nobody but root may have made the program, or any directory above it.
fn check(program: &Path) -> Result<(), String> {
    if !program.is_absolute() {
        return Err("path is not absolute".into());
    }
    let status =
        rustix::fs::stat(program).map_err(|errno| std::io::Error::from(errno).to_string())?;
    let owner = rustix::process::geteuid().as_raw();
    // A server without rights can trust its own user as far as root.
    authorized::check_path(program, &status, Path::new("/"), owner)
        .map_err(|error| error.to_string())
}

fn read_output(child: &mut Child) -> Result<Vec<u8>, String> {
    let mut output = Vec::new();
    let Some(mut pipe) = child.stdout.take() else { return Ok(output) };
    let deadline = Instant::now() + PATIENCE;
    let mut room = vec![0; 16 * 1024];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(left).map_err(|error| error.to_string())?;
        let mut waited = [PollFd::new(&pipe, PollFlags::IN)];
        match rustix::event::poll(&mut waited, Some(&timeout)) {
            Ok(0) => return Err(format!("took longer than {} seconds", PATIENCE.as_secs())),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.to_string()),
        }
        if waited.iter().all(|entry| entry.revents().is_empty()) {
            continue;
        }
        match pipe.read(&mut room) {
            Ok(0) => return Ok(output),
            Ok(count) => output.extend_from_slice(room.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.to_string()),
        }
        if output.len() as u64 > OUTPUT_BYTES {
            return Err("printed too much".into());
        }
    }
}

/// Waits a moment for the program to end once its output has; then it is ended.
fn end_group(child: &mut Child, at_once: bool) {
    let pid = Pid::from_raw(child.id().cast_signed());
    if !at_once {
        let descriptor = pid.and_then(|pid| net::open::process(pid).ok());
        if let (Some(descriptor), Ok(timeout)) = (descriptor, Timespec::try_from(PATIENCE)) {
            let mut waited = [PollFd::new(&descriptor, PollFlags::IN)];
            if matches!(rustix::event::poll(&mut waited, Some(&timeout)), Ok(1..)) {
                return;
            }
        }
    }
    if let Some(pid) = pid {
        // It has not been waited for, so the number is its own still.
        let _ = rustix::process::kill_process_group(pid, Signal::KILL);
    }
}

/// Words as a shell has them, with quotes and backslashes but nothing else. Nothing when a quote
/// is not closed, or there are too many.
fn split(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match (letter, quote) {
            (' ' | '\t', None) => words.extend(word.take()),
            ('\'' | '"', None) => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (_, Some(open)) if letter == open => quote = None,
            ('\\', _) => {
                let special = |next: &char| match quote {
                    None => matches!(next, '\'' | '"' | '\\' | ' '),
                    Some(open) => matches!(next, '\\') || *next == open,
                };
                let escaped = letters.next_if(special).unwrap_or('\\');
                word.get_or_insert_default().push(escaped);
            }
            _ => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    (quote.is_none() && words.len() <= WORDS).then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        let of = |line| split(line).unwrap();
        assert_eq!(of("/bin/x a  b\t c "), ["/bin/x", "a", "b", "c"]);
        assert_eq!(of(r#"/x "a b" 'c "d"' "" e\ f"#), ["/x", "a b", "c \"d\"", "", "e f"]);
        assert_eq!(of(r#""a\"b" 'c\'d' \n"#), ["a\"b", "c'd", "\\n"]);
        assert!(split("/x \"a").is_none());
        assert!(split(&"a ".repeat(WORDS + 1)).is_none());
    }

    #[test]
    fn programs_that_others_may_write() {
        assert_eq!(check(Path::new("/bin/sh")), Ok(()));
        assert!(check(Path::new("bin/sh")).is_err());
        assert!(check(Path::new("/no/such/program")).is_err());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("program");
        std::fs::write(&path, "").unwrap();
        // The directory for temporary files is everybody's.
        assert!(check(&path).is_err());
    }
}
