//! The SFTP server: `internal-sftp` in a session, and the program `sftp-server`.
//!
//! The protocol is the `sftp` crate's; here are the files that it serves ([`local`]), the command line, the log, and
//! the loop that carries bytes. Everything runs with the rights of the user whose files they are.

mod accounts;
mod local;
mod long_name;
mod options;
mod real_path;

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use net::logging::{Destination, LogLevel, Separate, Syslog};
use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use sftp::Server;

use crate::accounts::Account;
use crate::sys::process;
use accounts::Accounts;
use local::LocalFiles;
use options::{Options, Task, USAGE};

/// The name in the configuration that stands for this server.
pub(crate) const INTERNAL_SFTP: &str = "internal-sftp";

/// The exit status when something was wrong.
const FAILED: i32 = 1;
/// The exit status when the client broke the rules, as OpenSSH's `fatal` has it.
const BROKEN: i32 = 255;

/// Runs the program `sftp-server` with the words behind its name. Returns the exit status.
pub fn main(words: &[OsString]) -> i32 {
    // Nobody may look into a process that a restricted user talks to, or change it through /proc.
    if let Err(error) = process::forbid_dumps() {
        crate::program::complain(&format!("sftp-server: prctl: {error}"));
        return FAILED;
    }
    let account = match Account::by_uid(rustix::process::getuid().as_raw()) {
        Ok(Some(account)) => account,
        Ok(None) => {
            crate::program::complain("No user found for uid");
            return FAILED;
        }
        Err(error) => {
            crate::program::complain(&format!("sftp-server: {error}"));
            return FAILED;
        }
    };
    let options = match Options::parse(words, &account) {
        Ok(options) => options,
        Err(why) => {
            crate::program::complain(&format!("{why}\n{USAGE}"));
            return FAILED;
        }
    };
    let destination = if options.log_to_stderr {
        Destination::Stderr
    } else {
        Destination::Syslog(Syslog::open(options.facility, "sftp-server"))
    };
    let connection = std::env::var("SSH_CONNECTION").unwrap_or_default();
    let client = connection.split(' ').next().filter(|address| !address.is_empty());
    let session = Session {
        log: Separate::new(options.log_level, destination),
        client: client.unwrap_or("UNKNOWN").to_owned(),
        account,
        chrooted: false,
        options,
    };
    session.run(rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr())
}

/// A server in a session process, in a thread of its own.
pub(crate) struct Internal {
    /// The words of the configuration, the name first.
    pub(crate) words: Vec<String>,
    /// Whose files they are.
    pub(crate) account: Account,
    /// The client's address, for the log.
    pub(crate) client: String,
    /// Whether there is another root directory than the system's.
    pub(crate) chrooted: bool,
    /// Where lines go unless the words say otherwise; nothing means the server's own log.
    pub(crate) syslog: Option<Syslog>,
    /// Standard input, output and errors.
    pub(crate) streams: [OwnedFd; 3],
}

impl Internal {
    /// Serves until the client goes. Returns the exit status.
    ///
    /// `ready` is called once this thread has a working directory and a mask of its own; until then, nobody
    /// else in the process should change theirs.
    pub(crate) fn run(self, ready: impl FnOnce()) -> i32 {
        let [input, output, errors] = self.streams;
        let words: Vec<OsString> = self.words.iter().skip(1).map(OsString::from).collect();
        let options = Options::parse(&words, &self.account);
        // Where it is refused, as in some containers, the whole process has what this thread sets: a
        // session whose user may have shells as well then has them with the mask of `-u`.
        let own = process::unshare_working_directory();
        ready();
        if let Err(error) = own {
            log::debug!("{INTERNAL_SFTP}: no working directory of its own: {error}");
        }
        let options = match options {
            Ok(options) => options,
            Err(why) => {
                let text = format!("{why}\n{USAGE}\n");
                let _ = File::from(errors).write_all(text.as_bytes());
                return FAILED;
            }
        };
        let home = rustix::process::chdir(&self.account.home);
        if home.is_err() {
            // There is always this one.
            let _ = rustix::process::chdir("/");
        }
        let own_stderr = errors.try_clone().ok().filter(|_| options.log_to_stderr);
        let destination = match (own_stderr, self.syslog) {
            (Some(errors), _) => Destination::File(File::from(errors)),
            (None, Some(syslog)) => {
                Destination::Syslog(syslog.again(options.facility, INTERNAL_SFTP))
            }
            (None, None) => Destination::Stderr,
        };
        let session = Session {
            log: Separate::new(options.log_level, destination),
            client: self.client,
            account: self.account,
            chrooted: self.chrooted,
            options,
        };
        session.run(input.as_fd(), output.as_fd(), errors.as_fd())
    }
}

/// One client being served.
struct Session {
    log: Separate,
    client: String,
    account: Account,
    chrooted: bool,
    options: Options,
}

impl Session {
    fn run(self, input: BorrowedFd<'_>, output: BorrowedFd<'_>, errors: BorrowedFd<'_>) -> i32 {
        match self.options.task {
            Task::Serve => {}
            Task::Usage => {
                let _ = write_all(errors, format!("{USAGE}\n").as_bytes());
                return FAILED;
            }
            Task::Requests => {
                let names = sftp::REQUESTS.iter().map(|row| format!("{}\n", row.name));
                let _ = write_all(output, names.collect::<String>().as_bytes());
                return 0;
            }
        }
        if let Some(mask) = self.options.umask {
            rustix::process::umask(crate::sys::files::mode(mask));
        }
        let user = self.account.name.clone();
        let client = self.client;
        let line = format!("session opened for local user {user} from [{client}]");
        self.log.write(LogLevel::Info, &line);
        if let Some(directory) = &self.options.start_directory
            && let Err(errno) = rustix::process::chdir(directory)
        {
            let shown = Path::new(directory).display();
            let reason = local::reason(errno);
            self.log.write(LogLevel::Error, &format!("chdir to \"{shown}\" failed: {reason}"));
        }
        let accounts = Accounts::new(self.account, self.chrooted);
        let files = LocalFiles::new(self.log, accounts);
        let mut server = Server::new(files, self.options.policy);
        let outcome = carry(&mut server, input, output);
        let cut_off = server.end();
        let log = server.files().log();
        let status = match outcome {
            Ok(()) if cut_off => {
                log.write(LogLevel::Error, "iqueue is not empty at the end: a request was cut off");
                0
            }
            Ok(()) => 0,
            Err(why) => {
                log.write(LogLevel::Fatal, &why);
                BROKEN
            }
        };
        let line = format!("session closed for local user {user} from [{client}]");
        log.write(LogLevel::Info, &line);
        status
    }
}

/// Requests in and answers out, until the client goes.
fn carry(
    server: &mut Server<LocalFiles>,
    input: BorrowedFd<'_>,
    output: BorrowedFd<'_>,
) -> Result<(), String> {
    loop {
        let outcome = server.run();
        while !server.output().is_empty() {
            match rustix::io::write(output, server.output()) {
                Ok(count) => server.sent(count),
                Err(Errno::PIPE) => return Ok(()),
                Err(errno) => wait(output, PollFlags::OUT, errno)
                    .map_err(|errno| format!("write error: {}", local::reason(errno)))?,
            }
        }
        match outcome {
            Ok(true) => continue,
            Ok(false) => {}
            Err(error) => return Err(error.to_string()),
        }
        match rustix::io::read(input, server.room()) {
            Ok(0) => return Ok(()),
            Ok(count) => server.received(count),
            Err(errno) => wait(input, PollFlags::IN, errno)
                .map_err(|errno| format!("read error: {}", local::reason(errno)))?,
        }
    }
}

/// Waits where another process made the descriptor non-blocking.
fn wait(descriptor: BorrowedFd<'_>, what: PollFlags, errno: Errno) -> Result<(), Errno> {
    match errno {
        Errno::INTR => Ok(()),
        Errno::AGAIN => {
            let mut waited = [PollFd::from_borrowed_fd(descriptor, what)];
            match rustix::event::poll(&mut waited, None) {
                Ok(_) | Err(Errno::INTR) => Ok(()),
                Err(errno) => Err(errno),
            }
        }
        errno => Err(errno),
    }
}

fn write_all(to: BorrowedFd<'_>, text: &[u8]) -> io::Result<()> {
    File::from(to.try_clone_to_owned()?).write_all(text)
}
