//! Questions: passphrases, passwords and yes/no, on the terminal or through askpass.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Signal, getpid, kill_process};
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use super::askpass;
use crate::messages::debug;

/// Longest line read; longer input is cut, as by the terminal itself.
const LINE_BYTES: usize = 1024;

/// Where a question may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The controlling terminal only (then askpass).
    Terminal,
    /// Askpass if standard input is no terminal, else the terminal, and where there is neither
    /// whatever comes on standard input, so that scripts can answer: `ssh-keygen`.
    StandardInput,
}

/// Asks for a secret; nothing when there is nobody to ask, or they cancelled.
pub fn secret(question: &str, place: Place) -> Option<Zeroizing<String>> {
    ask(question, false, place)
}

/// Asks for a line that may be seen while it is typed.
pub fn line(question: &str, place: Place) -> Option<Zeroizing<String>> {
    ask(question, true, place)
}

/// Asks `ssh-keygen`'s kind of question: on standard output, answered on standard input.
///
/// Nothing at the end of input.
pub fn plain_line(question: &str) -> Option<String> {
    print!("{question}");
    // A question that cannot be shown is still answered by scripts.
    let _ = io::stdout().flush();
    let mut answer = String::new();
    match io::stdin().read_line(&mut answer) {
        Ok(0) | Err(_) => None,
        Ok(_) => Some(answer.trim_end_matches(['\n', '\r']).to_owned()),
    }
}

/// Asks until the answer is yes or no, or the fingerprint that was shown.
pub fn confirm(question: &str, fingerprint: Option<&str>) -> bool {
    let again = match fingerprint {
        Some(_) => "Please type 'yes', 'no' or the fingerprint: ",
        None => "Please type 'yes' or 'no': ",
    };
    let mut question = question;
    loop {
        let Some(answer) = line(question, Place::Terminal) else { return false };
        let answer = answer.split_whitespace().next().unwrap_or_default();
        if answer.is_empty() || answer.eq_ignore_ascii_case("no") {
            return false;
        }
        if answer.eq_ignore_ascii_case("yes") || fingerprint == Some(answer) {
            return true;
        }
        question = again;
    }
}

/// How long the slowest answer of all took.
pub fn longest_wait() -> Duration {
    Duration::from_millis(LONGEST_WAIT_MS.load(Ordering::Relaxed))
}

static LONGEST_WAIT_MS: AtomicU64 = AtomicU64::new(0);

fn ask(question: &str, echo: bool, place: Place) -> Option<Zeroizing<String>> {
    let start = Instant::now();
    let answer = ask_somewhere(question, echo, place);
    let took = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    LONGEST_WAIT_MS.fetch_max(took, Ordering::Relaxed);
    answer
}

fn ask_somewhere(question: &str, echo: bool, place: Place) -> Option<Zeroizing<String>> {
    let policy = askpass::policy();
    let prefers_askpass =
        policy.required || policy.allowed && place == Place::StandardInput && !stdin_is_terminal();
    if prefers_askpass {
        return askpass::ask(question, None);
    }
    match (open_terminal(), place) {
        (Some(terminal), _) => ask_on(&terminal, question, echo).ok().flatten(),
        (None, _) if policy.allowed => askpass::ask(question, None),
        (None, Place::StandardInput) => Some(answer_of_script(question)),
        (None, Place::Terminal) => None,
    }
}

fn stdin_is_terminal() -> bool {
    let is_terminal = io::stdin().is_terminal();
    if !is_terminal {
        debug!("read_passphrase: stdin is not a tty");
    }
    is_terminal
}

/// The next line of standard input; empty at its end.
fn answer_of_script(question: &str) -> Zeroizing<String> {
    eprint!("{}", super::clean::visible_lines(question));
    let mut line = Zeroizing::new(String::with_capacity(LINE_BYTES));
    // What cannot be read is no answer.
    let _ = io::stdin().read_line(&mut line);
    Zeroizing::new(line.trim_end_matches(['\r', '\n']).to_owned())
}

fn open_terminal() -> Option<File> {
    match File::options().read(true).write(true).open("/dev/tty") {
        Ok(terminal) => Some(terminal),
        Err(source) => {
            debug!("read_passphrase: can't open /dev/tty: {}", crate::text::reason(&source));
            None
        }
    }
}

fn ask_on(
    mut terminal: &File,
    question: &str,
    echo: bool,
) -> io::Result<Option<Zeroizing<String>>> {
    let question = format!("\r{}", super::clean::visible_lines(question));
    if echo {
        terminal.write_all(question.as_bytes())?;
        return read_shown(terminal);
    }
    loop {
        let typed = read_hidden(terminal, &question)?;
        terminal.write_all(b"\n")?;
        match typed {
            Typed::Line(line) => return Ok(Some(line)),
            Typed::End => return Ok(None),
            // The terminal is as it was; now the signal does what the user set it to do.
            // Stopped and continued, it asks again.
            Typed::Signal(signal) => kill_process(getpid(), signal)?,
        }
    }
}

fn read_shown(mut terminal: &File) -> io::Result<Option<Zeroizing<String>>> {
    let mut line = Zeroizing::new(Vec::with_capacity(LINE_BYTES));
    let mut byte = [0];
    loop {
        if terminal.read(&mut byte)? == 0 {
            return Ok(None);
        }
        match byte[0] {
            b'\n' | b'\r' => return Ok(Some(text(&line))),
            other if line.len() < LINE_BYTES => line.push(other),
            _ => {}
        }
    }
}

enum Typed {
    Line(Zeroizing<String>),
    End,
    Signal(Signal),
}

/// Asks and reads a line without showing it.
///
/// The keys that make signals are read as keys, so that the terminal's echo is always put back
/// before the signal takes effect.
fn read_hidden(mut terminal: &File, question: &str) -> io::Result<Typed> {
    let before = tcgetattr(terminal)?;
    let mut hidden = before.clone();
    hidden.local_modes -= LocalModes::ECHO
        | LocalModes::ECHONL
        | LocalModes::ICANON
        | LocalModes::ISIG
        | LocalModes::IEXTEN;
    hidden.special_codes[SpecialCodeIndex::VMIN] = 1;
    hidden.special_codes[SpecialCodeIndex::VTIME] = 0;
    // Flush: what was typed before the question was not meant as its answer.
    // The question comes after: who answers fast must not see or lose the answer.
    tcsetattr(terminal, OptionalActions::Flush, &hidden)?;
    terminal.write_all(question.as_bytes())?;
    let key = |index| before.special_codes[index];
    let mut line = Zeroizing::new(Vec::with_capacity(LINE_BYTES));
    let mut byte = Zeroizing::new([0_u8]);
    let typed = loop {
        match terminal.read(&mut *byte) {
            Ok(0) => break Ok(Typed::End),
            Ok(_) => {}
            Err(source) if source.kind() == io::ErrorKind::Interrupted => continue,
            Err(source) => break Err(source),
        }
        match byte[0] {
            b'\n' | b'\r' => break Ok(Typed::Line(text(&line))),
            b if b == key(SpecialCodeIndex::VINTR) => break Ok(Typed::Signal(Signal::INT)),
            b if b == key(SpecialCodeIndex::VQUIT) => break Ok(Typed::Signal(Signal::QUIT)),
            b if b == key(SpecialCodeIndex::VSUSP) => break Ok(Typed::Signal(Signal::TSTP)),
            b if b == key(SpecialCodeIndex::VEOF) && line.is_empty() => break Ok(Typed::End),
            b if b == key(SpecialCodeIndex::VEOF) => {}
            b if b == key(SpecialCodeIndex::VERASE) || b == 0x08 || b == 0x7f => {
                erase_character(&mut line);
            }
            b if b == key(SpecialCodeIndex::VKILL) => line.clear(),
            other if line.len() < LINE_BYTES => line.push(other),
            _ => {}
        }
    };
    restore(terminal.as_fd(), &before)?;
    typed
}

fn restore(terminal: impl AsFd, before: &rustix::termios::Termios) -> io::Result<()> {
    Ok(tcsetattr(terminal, OptionalActions::Flush, before)?)
}

/// Takes one UTF-8 character off the end.
fn erase_character(line: &mut Vec<u8>) {
    while line.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
}

fn text(bytes: &[u8]) -> Zeroizing<String> {
    Zeroizing::new(String::from_utf8_lossy(bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn erasing_takes_whole_characters() {
        let mut line = "aß".as_bytes().to_vec();
        erase_character(&mut line);
        assert_eq!(line, b"a");
        erase_character(&mut line);
        erase_character(&mut line);
        assert!(line.is_empty());
    }
}
