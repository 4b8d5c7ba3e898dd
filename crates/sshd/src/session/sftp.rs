//! SFTP servers inside the session process, each in a thread of its own.
//!
//! Not a program executed afresh: in another root directory there is nothing to execute, and a login for files alone
//! starts faster this way. The process is the user's already, holds nothing of anybody else's, and cannot be looked into.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::thread::JoinHandle;

use super::Session;
use crate::sftp_server::{INTERNAL_SFTP, Internal};

/// Looking up names may take some of it.
const THREAD_STACK_BYTES: usize = 1 << 20;
/// The exit status of a server that came to grief.
const LOST: u32 = 255;

/// A server that runs.
pub(super) struct SftpThread {
    /// The end of a pipe whose other end goes with the thread.
    ending: OwnedFd,
    thread: Option<JoinHandle<i32>>,
}

impl SftpThread {
    /// Becomes readable when the thread ends.
    pub(super) fn ending(&self) -> BorrowedFd<'_> {
        self.ending.as_fd()
    }

    /// The exit status of a thread that ends.
    pub(super) fn status(&mut self) -> u32 {
        let ended = self.thread.take().map(JoinHandle::join);
        match ended {
            Some(Ok(status)) => status.cast_unsigned(),
            _ => LOST,
        }
    }
}

impl Session {
    /// Starts a server with the words of the configuration.
    pub(super) fn start_sftp(
        &self,
        words: Vec<String>,
        streams: [OwnedFd; 3],
    ) -> io::Result<SftpThread> {
        let (ending, alive) = net::open::pipe()?;
        let server = Internal {
            words,
            account: self.account.clone(),
            client: self.start.ends.remote_address.clone(),
            chrooted: self.start.chroot.is_some(),
            syslog: self
                .syslog
                .as_ref()
                .map(|syslog| syslog.again(net::logging::Facility::AUTH, INTERNAL_SFTP)),
            streams,
        };
        let (ready, is_ready) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::Builder::new()
            .name(INTERNAL_SFTP.into())
            .stack_size(THREAD_STACK_BYTES)
            .spawn(move || {
                let _alive = alive;
                server.run(move || drop(ready))
            })?;
        // Until then this thread's mask would be the other's: it may be changed for a socket's sake.
        let _ = is_ready.recv();
        Ok(SftpThread { ending, thread: Some(thread) })
    }
}
