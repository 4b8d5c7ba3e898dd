//! The sandbox where there are no name spaces, no landlock and no filter of system calls.

use super::portable::{change_root, limits, step};
use super::{Error, Landlock, Report, Root, Settings};
use crate::sys::process;

/// An empty directory of root's that comes with the system.
const EMPTY_DIRECTORY: &str = "/var/empty";

pub(super) fn enter(settings: &Settings) -> Result<Report, Error> {
    let mut report = Report {
        root: Root::System,
        uid: None,
        no_new_privileges: false,
        landlock: Landlock::No,
        seccomp: false,
        missing: vec!["this system has no filter of system calls".to_owned()],
    };
    if !rustix::process::geteuid().is_root() {
        limits(settings).map_err(step("resource limits"))?;
        report.missing.push("not root: the system's files are in reach".to_owned());
        return Ok(report);
    }
    let identity = settings.identity.as_ref().ok_or(Error::NoIdentity)?;
    if !change_root(EMPTY_DIRECTORY).map_err(step("empty root directory"))? {
        let why = format!("{EMPTY_DIRECTORY} is not root's, not empty, or not there");
        return Err(step("empty root directory")(std::io::Error::other(why)));
    }
    report.root = Root::EmptyDirectory(EMPTY_DIRECTORY.into());
    limits(settings).map_err(step("resource limits"))?;
    process::become_identity(identity).map_err(step("change of user"))?;
    report.uid = Some(identity.uid);
    Ok(report)
}
