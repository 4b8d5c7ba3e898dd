//! `ExposeAuthInfo`: a file that tells the session how its user came in.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Where such files are.
const DIRECTORY: &str = "/tmp";

/// The file. It goes with the value.
pub(super) struct Exposed(PathBuf);

impl Exposed {
    /// Makes it, as the user and for nobody else to read.
    pub(super) fn new(text: &str) -> io::Result<Self> {
        let mut random = [0; 16];
        crypto::random::fill(&mut random);
        let name = format!("sshauth.{:032x}", u128::from_ne_bytes(random));
        let path = Path::new(DIRECTORY).join(name);
        let mut file = File::options().write(true).create_new(true).mode(0o600).open(&path)?;
        let exposed = Exposed(path);
        file.write_all(text.as_bytes())?;
        Ok(exposed)
    }

    /// For `SSH_USER_AUTH`.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Exposed {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
