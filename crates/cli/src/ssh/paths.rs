//! Who we are and where our files lie.

use std::path::PathBuf;

use crate::sys;

/// The user that runs this, by number and not by `$HOME`: as OpenSSH does, so that `sudo`
/// cannot mix two users' keys.
pub fn own_account() -> Option<sys::Account> {
    sys::account_by_uid(rustix::process::getuid().as_raw())
}

/// A path with `~` or `~user` at its start spelled out.
pub fn expand_tilde(path: &str) -> PathBuf {
    let Some(rest) = path.strip_prefix('~') else { return path.into() };
    let (user, below) = rest.split_once('/').unwrap_or((rest, ""));
    let account = if user.is_empty() { own_account() } else { sys::account_by_name(user) };
    match account.map(|account| account.home) {
        Some(home) if below.is_empty() => home,
        Some(home) => home.join(below),
        None => path.into(),
    }
}
