//! What lies where in the state folder.

use std::path::{Path, PathBuf};

use uuid::Uuid;

/// The state folder.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    root: PathBuf,
}

impl Layout {
    pub(super) fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn images(&self) -> PathBuf {
        self.root.join("images")
    }

    pub(super) fn image(&self, id: Uuid) -> PathBuf {
        self.images().join(id.to_string())
    }

    /// An image's files; read only for everybody, shared by its servers.
    pub(super) fn image_root(&self, id: Uuid) -> PathBuf {
        self.image(id).join("rootfs")
    }

    pub(super) fn servers(&self) -> PathBuf {
        self.root.join("servers")
    }

    pub(super) fn server(&self, id: Uuid) -> ServerFolder {
        ServerFolder { path: self.servers().join(id.to_string()) }
    }
}

/// One server's folder.
#[derive(Clone, Debug)]
pub(super) struct ServerFolder {
    path: PathBuf,
}

impl ServerFolder {
    pub(super) fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Its changes to the image, anew for each generation.
    pub(super) fn disk(&self, generation: u32) -> PathBuf {
        self.path.join(format!("disk-{generation}"))
    }

    pub(super) fn plan(&self) -> PathBuf {
        self.path.join("shim.json")
    }

    /// Locked by the shim for as long as it lives; its process id is in it.
    pub(super) fn lock(&self) -> PathBuf {
        self.path.join("shim.lock")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.path.join("shim.log")
    }

    pub(super) fn exit(&self) -> PathBuf {
        self.path.join("exit.json")
    }

    pub(super) fn console(&self) -> PathBuf {
        self.path.join("console.log")
    }

    /// What the console printed before `console.log` was begun anew.
    pub(super) fn console_before(&self) -> PathBuf {
        self.path.join("console.before")
    }

    /// The shim's socket, in [`Self::path`].
    pub(super) const SOCKET: &'static str = "shim.sock";
    /// Where the container runtime passes the console.
    pub(super) const CONSOLE_SOCKET: &'static str = "console.sock";

    /// Where the root file system is put together, in the shim's own mount namespace.
    pub(super) fn bundle(&self) -> PathBuf {
        self.path.join("bundle")
    }

    /// The container runtime's notes.
    pub(super) fn runtime(&self) -> PathBuf {
        self.path.join("runtime")
    }
}

/// A path to a socket in a folder that fits into a socket's address, however deep the folder is.
pub(super) fn short_path(folder: &std::fs::File, name: &str) -> PathBuf {
    use std::os::fd::AsRawFd;
    PathBuf::from(format!("/proc/self/fd/{}/{name}", folder.as_raw_fd()))
}
