//! What is logged of requests, and what the system's errors are called.

use net::logging::LogLevel;
use rustix::fs::Mode;
use rustix::io::Errno;
use sftp::{Attributes, OpenFlags, Status, StatusCode};

use super::LocalFiles;

impl LocalFiles {
    pub(super) fn tell(&self, level: LogLevel, line: impl FnOnce() -> String) {
        if self.log.wants(level) {
            self.log.write(level, &line());
        }
    }

    pub(super) fn tell_open(&self, path: &[u8], flags: OpenFlags, mode: Mode) {
        self.tell(LogLevel::Info, || {
            let words = [
                (flags.read, "READ"),
                (flags.write, "WRITE"),
                (flags.append, "APPEND"),
                (flags.create, "CREATE"),
                (flags.truncate, "TRUNCATE"),
                (flags.exclusive, "EXCL"),
            ];
            let words = words.into_iter().filter(|word| word.0).map(|word| word.1);
            let words = words.collect::<Vec<_>>().join(",");
            format!("open \"{}\" flags {words} mode 0{:o}", shown(path), mode.as_raw_mode())
        });
    }

    pub(super) fn tell_set(&self, name: &[u8], attributes: &Attributes) {
        let path = shown(name);
        if let Some(size) = attributes.size {
            self.tell(LogLevel::Info, || format!("set \"{path}\" size {size}"));
        }
        if let Some(mode) = attributes.permissions {
            self.tell(LogLevel::Info, || format!("set \"{path}\" mode {mode:04o}"));
        }
        if let Some((_, changed)) = attributes.times {
            self.tell(LogLevel::Info, || format!("set \"{path}\" modtime {changed}"));
        }
        if let Some((user, group)) = attributes.owner {
            self.tell(LogLevel::Info, || format!("set \"{path}\" owner {user} group {group}"));
        }
    }
}

/// What the system says, in words.
pub(in crate::sftp_server) fn reason(errno: Errno) -> String {
    let text = std::io::Error::from(errno).to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

/// What the client is told. What has no code of its own comes with the system's words.
pub(super) fn status(errno: Errno) -> Status {
    match errno {
        Errno::NOENT | Errno::NOTDIR | Errno::BADF | Errno::LOOP => StatusCode::NoSuchFile.into(),
        Errno::PERM | Errno::ACCESS | Errno::FAULT => StatusCode::PermissionDenied.into(),
        Errno::NAMETOOLONG | Errno::INVAL => StatusCode::BadMessage.into(),
        Errno::NOSYS => StatusCode::OpUnsupported.into(),
        errno => Status::with_text(StatusCode::Failure, reason(errno)),
    }
}

pub(super) fn shown(path: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(path)
}
