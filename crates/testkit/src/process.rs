//! Programs with a deadline: none outlives its test, none is waited for
//! forever.

use std::fmt::{self, Write as _};
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

/// How long a program may take that does a little work. Generous: a test
/// machine may have two cores and many tests.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// A program that ended.
pub struct Finished {
    /// The command line, for messages.
    pub line: String,
    /// How it ended.
    pub status: ExitStatus,
    /// What it wrote to standard output.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error.
    pub stderr: String,
    /// How long it ran.
    pub elapsed: Duration,
}

impl Finished {
    /// The exit code; `None` where a signal ended it.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Standard output as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Whether it ended with 0.
    pub fn success(&self) -> bool {
        self.status.success()
    }
}

impl fmt::Display for Finished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = &self.stdout[..self.stdout.len().min(2000)];
        write!(f, "{}\n  ended after {:.1?} with ", self.line, self.elapsed)?;
        match (self.status.code(), self.status.signal()) {
            (Some(code), _) => write!(f, "code {code}")?,
            (None, Some(signal)) => write!(f, "signal {signal}")?,
            (None, None) => write!(f, "{:?}", self.status)?,
        }
        write!(
            f,
            "\n--- stdout ({} bytes)\n{}\n--- stderr\n{}",
            self.stdout.len(),
            String::from_utf8_lossy(shown),
            self.stderr
        )
    }
}

/// Runs `command` to its end with `input` on standard input.
///
/// # Panics
/// When it cannot be started, or takes longer than `deadline`.
pub fn run(command: &mut Command, input: &[u8], deadline: Duration) -> Finished {
    let line = line_of(command);
    let began = Instant::now();
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start {line}: {error}"));

    let mut stdin = child.stdin.take();
    let input = input.to_vec();
    thread::spawn(move || {
        if let Some(stdin) = stdin.as_mut() {
            // The program may end without reading it all: that is its affair.
            let _ = stdin.write_all(&input);
        }
    });
    let stdout = child.stdout.take().map(collect);
    let stderr = child.stderr.take().map(collect);

    let status = wait(&mut child, began + deadline);
    if status.is_none() {
        kill_group(&child, Signal::KILL);
        let _ = child.wait();
    }
    // A grandchild may hold a pipe open; what came until now is what counts.
    let grace = Duration::from_secs(5);
    let take = |reader: Option<mpsc::Receiver<Vec<u8>>>| {
        reader.and_then(|reader| reader.recv_timeout(grace).ok()).unwrap_or_default()
    };
    let stdout = take(stdout);
    let stderr = String::from_utf8_lossy(&take(stderr)).into_owned();
    let elapsed = began.elapsed();
    let Some(status) = status else {
        let shown = String::from_utf8_lossy(&stdout[..stdout.len().min(2000)]).into_owned();
        panic!("not done after {elapsed:.0?}: {line}\n--- stdout\n{shown}\n--- stderr\n{stderr}");
    };
    Finished { line, status, stdout, stderr, elapsed }
}

/// The command as a person would type it, nearly.
pub fn line_of(command: &Command) -> String {
    let mut line = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        line.push(' ');
        let argument = argument.to_string_lossy();
        if argument.is_empty() || argument.contains(char::is_whitespace) {
            let _ = write!(line, "{argument:?}");
        } else {
            line.push_str(&argument);
        }
    }
    line
}

fn collect(mut pipe: impl Read + Send + 'static) -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.read_to_end(&mut bytes);
        let _ = sender.send(bytes);
    });
    receiver
}

/// Waits for the child's end until `until`.
pub fn wait(child: &mut Child, until: Instant) -> Option<ExitStatus> {
    let mut pause = Duration::from_millis(1);
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) => {}
            Err(error) => panic!("waiting for a child failed: {error}"),
        }
        if Instant::now() >= until {
            return None;
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

fn kill_group(child: &Child, signal: Signal) {
    if let Some(pid) = Pid::from_raw(child.id().cast_signed()) {
        let _ = kill_process_group(pid, signal);
    }
}

/// A program in the background, its output in a file. Ends when dropped.
pub struct Running {
    child: Child,
    line: String,
    log: PathBuf,
}

impl Running {
    /// Starts `command` with both outputs going to `log`.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(command: &mut Command, log: &Path) -> Self {
        let line = line_of(command);
        let file = File::create(log).unwrap_or_else(|error| panic!("{}: {error}", log.display()));
        let again = file.try_clone().unwrap_or_else(|error| panic!("{}: {error}", log.display()));
        let child = command
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(again)
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {line}: {error}"));
        Self { child, line, log: log.to_owned() }
    }

    /// What it wrote so far.
    pub fn log(&self) -> String {
        let bytes = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until `found` sees what it looks for in the log.
    ///
    /// # Errors
    /// With the log, when the program ended first or the deadline passed.
    pub fn wait_for_log<T>(
        &mut self,
        deadline: Duration,
        found: impl Fn(&str) -> Option<T>,
    ) -> Result<T, String> {
        let until = Instant::now() + deadline;
        loop {
            if let Some(value) = found(&self.log()) {
                return Ok(value);
            }
            let ended = self.child.try_wait().ok().flatten();
            if ended.is_some() || Instant::now() > until {
                return Err(format!(
                    "{}: {}\n--- log\n{}",
                    self.line,
                    ended.map_or_else(
                        || "is not ready in time".to_owned(),
                        |status| format!("ended too early with {status}")
                    ),
                    self.log()
                ));
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Sends a signal to the program and all of its process group.
    pub fn signal(&self, signal: Signal) {
        kill_group(&self.child, signal);
    }

    /// Waits for its end; `None` when it still runs after `deadline`.
    pub fn wait(&mut self, deadline: Duration) -> Option<ExitStatus> {
        wait(&mut self.child, Instant::now() + deadline)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            kill_group(&self.child, Signal::TERM);
            if wait(&mut self.child, Instant::now() + Duration::from_secs(3)).is_none() {
                kill_group(&self.child, Signal::KILL);
                let _ = self.child.wait();
            }
        }
        if thread::panicking() {
            let log = self.log();
            let tail = log.len().saturating_sub(6000);
            let tail = log.char_indices().map(|(at, _)| at).find(|at| *at >= tail).unwrap_or(0);
            eprintln!("--- log of {}\n{}", self.line, &log[tail..]);
        }
    }
}
