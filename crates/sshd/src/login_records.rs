//! The system's records of who is logged in (utmp), who was (wtmp), who failed (btmp) and when each last was
//! (lastlog).
//!
//! Only files that are there are written: their absence is how a system says that it keeps no such records. Nothing
//! depends on them, so failures are reported and a login goes on. With `UsePAM`, `pam_lastlog` may do the last of it.

use crate::sys::records::{self, LoginRecord};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// One session, as the records name it.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// The user's log-in name.
    pub user: &'a str,
    /// The user's number.
    pub uid: u32,
    /// The terminal's path.
    pub terminal: &'a Path,
    /// The peer's name or address.
    pub host: &'a str,
    /// The peer's address.
    pub address: Option<IpAddr>,
    /// The process that leads the session.
    pub pid: u32,
}

/// Where the records are.
#[derive(Clone, Debug)]
pub struct Files {
    /// Who is logged in.
    pub utmp: PathBuf,
    /// Who logged in and out.
    pub wtmp: PathBuf,
    /// Who failed to.
    pub btmp: PathBuf,
    /// When each user last did.
    pub lastlog: PathBuf,
}

impl Default for Files {
    fn default() -> Self {
        Self {
            utmp: "/var/run/utmp".into(),
            wtmp: "/var/log/wtmp".into(),
            btmp: "/var/log/btmp".into(),
            lastlog: "/var/log/lastlog".into(),
        }
    }
}

/// When and from where a user last logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastLogin {
    /// Seconds since 1970.
    pub seconds: i64,
    /// Where from; may be empty.
    pub host: String,
}

impl LastLogin {
    /// The line that greets the user (`PrintLastLog`), without an end of line.
    pub fn message(&self) -> Option<String> {
        let time = records::local_time(self.seconds, "%a %b %e %H:%M:%S %Y")?;
        if self.host.is_empty() {
            return Some(format!("Last login: {time}"));
        }
        // What the host is called was the peer's to choose.
        let printable = |letter: char| if letter.is_ascii_graphic() { letter } else { '?' };
        let host: String = self.host.chars().map(printable).collect();
        Some(format!("Last login: {time} from {host}"))
    }
}

#[cfg(target_os = "linux")]
pub use linux::*;
#[cfg(not(target_os = "linux"))]
pub use other::*;

fn record<'a>(entry: &Entry<'a>, login: bool) -> LoginRecord<'a> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let address = match entry.address.map(|address| address.to_canonical()) {
        None => [0; 4],
        Some(IpAddr::V4(address)) => [u32::from_ne_bytes(address.octets()), 0, 0, 0],
        Some(IpAddr::V6(address)) => {
            let mut words = [0; 4];
            for (word, bytes) in words.iter_mut().zip(address.octets().chunks_exact(4)) {
                *word = u32::from_ne_bytes(bytes.try_into().unwrap_or_default());
            }
            words
        }
    };
    LoginRecord {
        login,
        pid: entry.pid.cast_signed(),
        line: line_of(entry),
        user: entry.user,
        host: entry.host,
        address,
        seconds: now.as_secs(),
        microseconds: now.subsec_micros(),
    }
}

fn line_of<'a>(entry: &Entry<'a>) -> &'a str {
    let path = entry.terminal;
    path.strip_prefix("/dev").unwrap_or(path).to_str().unwrap_or("?")
}

#[cfg(target_os = "linux")]
mod linux {
    use super::{Entry, Files, LastLogin, line_of, record};
    use crate::sys::records::{self, LoginRecord};
    use std::fs::{File, OpenOptions};
    use std::io::{self, Write};
    use std::os::unix::fs::FileExt;
    use std::path::Path;

    // The fields of lastlog(8)'s entries. As in utmpx, whose size tells, the time has 32 bits where 32-bit programs
    // of the same family are to read it.
    const TIME_BYTES: usize = if size_of::<libc::utmpx>() == 384 { 4 } else { 8 };
    const LINE_BYTES: usize = 32;
    const HOST_BYTES: usize = 256;
    const ENTRY_BYTES: usize = TIME_BYTES + LINE_BYTES + HOST_BYTES;

    /// Records that a session with a terminal begins.
    ///
    /// # Errors
    /// With the first record that could not be written; the others are.
    pub fn record_login(files: &Files, entry: &Entry<'_>) -> io::Result<()> {
        let record = record(entry, true);
        let mut outcome = put_current(&files.utmp, &record);
        outcome = outcome.and(append(&files.wtmp, &record));
        outcome.and(write_last_login(&files.lastlog, entry, record.seconds))
    }

    /// Records that it has ended.
    ///
    /// # Errors
    /// As [`record_login`].
    pub fn record_logout(files: &Files, entry: &Entry<'_>) -> io::Result<()> {
        let record = LoginRecord { user: "", host: "", address: [0; 4], ..record(entry, false) };
        put_current(&files.utmp, &record).and(append(&files.wtmp, &record))
    }

    /// Records a failed login, with `ssh:notty` for the terminal as there is none yet.
    ///
    /// # Errors
    /// When the record could not be written.
    pub fn record_failure(files: &Files, entry: &Entry<'_>) -> io::Result<()> {
        append(&files.btmp, &LoginRecord { line: "ssh:notty", ..record(entry, true) })
    }

    /// When the user last logged in. `None` when he never did or there is no such record.
    pub fn last_login(files: &Files, uid: u32) -> Option<LastLogin> {
        let file = File::open(&files.lastlog).ok()?;
        let mut entry = [0; ENTRY_BYTES];
        file.read_exact_at(&mut entry, offset(uid)).ok()?;
        let (time, rest) = entry.split_at(TIME_BYTES);
        let seconds = match time.len() {
            4 => i64::from(u32::from_ne_bytes(time.try_into().ok()?)),
            _ => i64::from_ne_bytes(time.try_into().ok()?),
        };
        if seconds == 0 {
            return None;
        }
        let host = rest.get(LINE_BYTES..)?.split(|byte| *byte == 0).next()?;
        Some(LastLogin { seconds, host: String::from_utf8_lossy(host).into_owned() })
    }

    fn write_last_login(path: &Path, entry: &Entry<'_>, seconds: u64) -> io::Result<()> {
        let Some(file) = open_existing(OpenOptions::new().write(true), path)? else {
            return Ok(());
        };
        let mut bytes = [0; ENTRY_BYTES];
        let (time, rest) = bytes.split_at_mut(TIME_BYTES);
        match time.len() {
            4 => time.copy_from_slice(&(seconds as u32).to_ne_bytes()),
            _ => time.copy_from_slice(&seconds.to_ne_bytes()),
        }
        let (line, host) = rest.split_at_mut(LINE_BYTES);
        copy(line, line_of(entry));
        copy(host, entry.host);
        file.write_all_at(&bytes, offset(entry.uid))
    }

    fn offset(uid: u32) -> u64 {
        u64::from(uid) * ENTRY_BYTES as u64
    }

    fn copy(field: &mut [u8], text: &str) {
        // One byte stays zero.
        let room = field.len() - 1;
        for (to, from) in field.iter_mut().take(room).zip(text.bytes()) {
            *to = from;
        }
    }

    fn put_current(path: &Path, record: &LoginRecord<'_>) -> io::Result<()> {
        // The C library writes to its own path only.
        if path != Files::default().utmp || !path.exists() || records::put_current(record) {
            return Ok(());
        }
        Err(io::Error::other("utmp could not be written"))
    }

    fn append(path: &Path, record: &LoginRecord<'_>) -> io::Result<()> {
        match open_existing(OpenOptions::new().append(true), path)? {
            // In one piece, so that no other record gets between.
            Some(mut file) => file.write_all(&records::record_bytes(record)),
            None => Ok(()),
        }
    }

    fn open_existing(options: &OpenOptions, path: &Path) -> io::Result<Option<File>> {
        match options.open(path) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Where the C library keeps all of these files.
#[cfg(not(target_os = "linux"))]
mod other {
    use super::{Entry, Files, LastLogin, record};
    use crate::sys::records::{self, LoginRecord};
    use std::io;

    /// Records that a session with a terminal begins.
    ///
    /// # Errors
    /// When the C library could not.
    pub fn record_login(_files: &Files, entry: &Entry<'_>) -> io::Result<()> {
        put(&record(entry, true))
    }

    /// Records that it has ended.
    ///
    /// # Errors
    /// As [`record_login`].
    pub fn record_logout(_files: &Files, entry: &Entry<'_>) -> io::Result<()> {
        put(&LoginRecord { user: "", host: "", ..record(entry, false) })
    }

    /// Failed logins have no record here.
    ///
    /// # Errors
    /// None.
    pub fn record_failure(_files: &Files, _entry: &Entry<'_>) -> io::Result<()> {
        Ok(())
    }

    /// The C library does not tell it to everyone; nothing is shown.
    pub fn last_login(_files: &Files, _uid: u32) -> Option<LastLogin> {
        None
    }

    fn put(record: &LoginRecord<'_>) -> io::Result<()> {
        let done = records::put_current(record);
        if done { Ok(()) } else { Err(io::Error::other("utmpx could not be written")) }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::process::Command;

    fn files(directory: &Path) -> Files {
        Files {
            utmp: directory.join("utmp"),
            wtmp: directory.join("wtmp"),
            btmp: directory.join("btmp"),
            lastlog: directory.join("lastlog"),
        }
    }

    fn entry() -> Entry<'static> {
        Entry {
            user: "kim",
            uid: 3,
            terminal: Path::new("/dev/pts/9"),
            host: "client.example.org",
            address: Some(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7))),
            pid: 4711,
        }
    }

    #[test]
    fn nothing_is_made() {
        let directory = tempfile::tempdir().unwrap();
        let files = files(directory.path());
        record_login(&files, &entry()).unwrap();
        record_logout(&files, &entry()).unwrap();
        assert!(last_login(&files, 3).is_none());
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn login_and_logout() {
        let directory = tempfile::tempdir().unwrap();
        let files = files(directory.path());
        for path in [&files.wtmp, &files.btmp, &files.lastlog] {
            std::fs::write(path, "").unwrap();
        }
        record_login(&files, &entry()).unwrap();
        record_logout(&files, &entry()).unwrap();
        record_failure(&files, &entry()).unwrap();
        let size = size_of::<libc::utmpx>() as u64;
        assert_eq!(std::fs::metadata(&files.wtmp).unwrap().len(), 2 * size);
        assert_eq!(std::fs::metadata(&files.btmp).unwrap().len(), size);
        let last = last_login(&files, 3).unwrap();
        assert_eq!(last.host, "client.example.org");
        assert!(last.seconds > 1_600_000_000);
        let message = last.message().unwrap();
        assert!(message.starts_with("Last login: "), "{message}");
        assert!(message.ends_with(" from client.example.org"), "{message}");
        assert!(last_login(&files, 2).is_none());
        assert!(last_login(&files, 4).is_none());
        // As last(1) reads it, where it is installed.
        if let Ok(output) = Command::new("last").arg("-f").arg(&files.wtmp).output() {
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(text.contains("kim") && text.contains("pts/9"), "{text}");
        }
    }

    #[test]
    fn hosts_are_shown_harmlessly() {
        let message = LastLogin { seconds: 1, host: "a\u{1b}[2Jb".into() }.message().unwrap();
        assert!(message.ends_with(" from a?[2Jb"), "{message}");
        let message = LastLogin { seconds: 1, host: String::new() }.message().unwrap();
        assert!(!message.contains(" from "));
    }
}
