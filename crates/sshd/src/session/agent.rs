//! The socket behind `SSH_AUTH_SOCK` when the client forwards its agent.

use std::fs::DirBuilder;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

/// A listening socket in a folder that only its user can enter. Removed when dropped.
pub(super) struct AgentSocket {
    listener: UnixListener,
    folder: PathBuf,
    path: PathBuf,
}

impl AgentSocket {
    /// Makes the folder and the socket.
    pub(super) fn open() -> io::Result<Self> {
        let mut random = [0; 8];
        crypto::random::fill(&mut random);
        let folder = PathBuf::from(format!("/tmp/ssh-{:016x}", u64::from_ne_bytes(random)));
        // Fails when somebody made it before us, link or folder.
        DirBuilder::new().mode(0o700).create(&folder)?;
        let path = folder.join(format!("agent.{}", std::process::id()));
        let listener = UnixListener::bind(&path).inspect_err(|_| {
            let _ = std::fs::remove_dir(&folder);
        })?;
        listener.set_nonblocking(true)?;
        Ok(AgentSocket { listener, folder, path })
    }

    /// For `SSH_AUTH_SOCK`.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// A connection of the user's own; others, who cannot come here by rights, are turned away.
    pub(super) fn accept(&self) -> io::Result<Option<OwnedFd>> {
        let stream = match self.listener.accept() {
            Ok((stream, _)) => stream,
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock
                        | io::ErrorKind::Interrupted
                        | io::ErrorKind::ConnectionAborted
                ) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let peer = net::open::user_of(&stream)?;
        if !peer.is_root() && peer != rustix::process::geteuid() {
            log::error!("refused a connection to the agent of uid {}", peer.as_raw());
            return Ok(None);
        }
        Ok(Some(stream.into()))
    }
}

impl AsFd for AgentSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

impl Drop for AgentSocket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
        let _ = std::fs::remove_dir(&self.folder);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn only_the_user_can_reach_it_and_it_goes_away() {
        let agent = AgentSocket::open().unwrap();
        let folder = agent.folder.clone();
        assert_eq!(std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
        assert!(agent.accept().unwrap().is_none());
        let _client = std::os::unix::net::UnixStream::connect(agent.path()).unwrap();
        assert!(agent.accept().unwrap().is_some());
        drop(agent);
        assert!(!folder.exists());
    }
}
