//! Private key files on disk: who may read them, and what to say if it is too many.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// OpenSSH's warning for a private key of ours that others may read; nothing when all is well.
///
/// A missing file and files of other owners are not this check's business.
pub fn too_open(path: &Path) -> Option<String> {
    let metadata = fs::metadata(path).ok()?;
    let mode = metadata.mode() & 0o777;
    let is_private = mode & !0o700 == 0;
    if metadata.uid() != rustix::process::getuid().as_raw() || is_private {
        return None;
    }
    let path = crate::ui::clean::visible(&path.display().to_string());
    Some(format!(
        "@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@\n\
         @         WARNING: UNPROTECTED PRIVATE KEY FILE!          @\n\
         @@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@\n\
         Permissions 0{mode:03o} for '{path}' are too open.\n\
         It is required that your private key files are NOT accessible by others.\n\
         This private key will be ignored."
    ))
}
