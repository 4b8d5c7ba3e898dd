//! Whose rights a process has, and what a child does between fork and exec.

#[cfg(target_os = "linux")]
use std::ffi::CStr;
use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// The rights of an account: its numbers and all of its groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The user.
    pub uid: u32,
    /// The primary group.
    pub gid: u32,
    /// All groups, the primary one among them.
    pub groups: Vec<u32>,
}

/// What a child process does before it executes its program. Whatever is not asked for stays as it is.
#[derive(Default)]
pub struct ChildSetup {
    /// Lead a session of its own (setsid), apart from the parent's terminal.
    pub new_session: bool,
    /// Take the terminal on standard input as the controlling one; implies [`Self::new_session`].
    pub terminal: bool,
    /// Descriptors that stay open over the exec, under their own numbers.
    pub inherit: Vec<OwnedFd>,
    /// The new root directory.
    pub root: Option<CString>,
    /// Become this account for good. When the process already is that user, nothing needs doing.
    pub identity: Option<Identity>,
    /// The working directory, entered with the new identity; the first that can be entered counts.
    pub directories: Vec<CString>,
    /// The file mode creation mask.
    pub umask: Option<u32>,
    /// Die when the parent does.
    pub die_with_parent: bool,
    /// Never gain rights by executing a set-user-id program.
    pub no_new_privileges: bool,
}

impl ChildSetup {
    /// Makes `command` do all this when it is started. An error shows as an error of the start.
    pub fn install(self, command: &mut Command) {
        let parent = std::process::id();
        // SAFETY: `run` makes system calls only, on memory prepared here; it takes no lock and does not
        // allocate, so it is safe in the child of a process with threads. `io::Error::last_os_error`
        // does not allocate either.
        unsafe {
            command.pre_exec(move || self.run(parent));
        }
    }

    fn run(&self, parent: u32) -> io::Result<()> {
        if self.new_session || self.terminal {
            // SAFETY: setsid takes nothing.
            check(unsafe { libc::setsid() })?;
        }
        if self.terminal {
            // SAFETY: TIOCSCTTY takes a number; descriptor 0 is whatever it is, an error is reported.
            check(unsafe { libc::ioctl(0, libc::TIOCSCTTY as _, 0) })?;
        }
        for descriptor in &self.inherit {
            // SAFETY: F_SETFD takes a number; the descriptor is open, being owned.
            check(unsafe { libc::fcntl(descriptor.as_raw_fd(), libc::F_SETFD, 0) })?;
        }
        if let Some(root) = &self.root {
            // SAFETY: NUL-terminated strings.
            check(unsafe { libc::chdir(root.as_ptr()) })?;
            // SAFETY: as above.
            check(unsafe { libc::chroot(c".".as_ptr()) })?;
            // SAFETY: as above.
            check(unsafe { libc::chdir(c"/".as_ptr()) })?;
        }
        if let Some(identity) = &self.identity {
            become_identity(identity)?;
        }
        for directory in &self.directories {
            // SAFETY: NUL-terminated string.
            if unsafe { libc::chdir(directory.as_ptr()) } == 0 {
                break;
            }
        }
        if let Some(mask) = self.umask {
            // SAFETY: umask takes a number and cannot fail.
            unsafe { libc::umask(mask as libc::mode_t) };
        }
        if self.no_new_privileges {
            forbid_new_privileges()?;
        }
        // Last: a change of the user clears it.
        if self.die_with_parent {
            die_with_parent()?;
            // The parent may have died before the call.
            // SAFETY: getppid takes nothing.
            if unsafe { libc::getppid() }.cast_unsigned() != parent {
                return Err(io::Error::from_raw_os_error(libc::ESRCH));
            }
        }
        Ok(())
    }
}

/// Makes the whole process, every thread of it, this account for good.
///
/// # Errors
/// When the process may not, or when the rights could be had back afterwards.
pub fn become_identity(identity: &Identity) -> io::Result<()> {
    // SAFETY: these take nothing.
    let (uid, euid) = unsafe { (libc::getuid(), libc::geteuid()) };
    if euid != 0 {
        return if uid == identity.uid && euid == identity.uid {
            Ok(())
        } else {
            Err(io::Error::from_raw_os_error(libc::EPERM))
        };
    }
    set_groups(&identity.groups)?;
    set_res_gid(identity.gid)?;
    set_res_uid(identity.uid)?;
    // SAFETY: seteuid takes a number.
    if identity.uid != 0 && unsafe { libc::seteuid(0) } == 0 {
        return Err(io::Error::from_raw_os_error(libc::EPERM));
    }
    Ok(())
}

#[cfg(not(target_os = "macos"))]
fn set_res_gid(gid: u32) -> io::Result<()> {
    // SAFETY: takes numbers.
    check(unsafe { libc::setresgid(gid, gid, gid) })
}

#[cfg(not(target_os = "macos"))]
fn set_res_uid(uid: u32) -> io::Result<()> {
    // SAFETY: takes numbers.
    check(unsafe { libc::setresuid(uid, uid, uid) })
}

// For root these set all three there are.
#[cfg(target_os = "macos")]
fn set_res_gid(gid: u32) -> io::Result<()> {
    // SAFETY: takes a number.
    check(unsafe { libc::setgid(gid) })
}

#[cfg(target_os = "macos")]
fn set_res_uid(uid: u32) -> io::Result<()> {
    // SAFETY: takes a number.
    check(unsafe { libc::setuid(uid) })
}

fn set_groups(groups: &[u32]) -> io::Result<()> {
    // SAFETY: the pointer and the length are of one slice of gid_t.
    match check(unsafe { libc::setgroups(groups.len() as _, groups.as_ptr()) }) {
        Err(error) if error.raw_os_error() == Some(libc::EPERM) && groups_are_fixed() => Ok(()),
        result => result,
    }
}

/// Whether this is a user name space that was made without the right to change supplementary groups, which is the
/// only kind that an ordinary user can make alone: its processes have those of that user, for good.
fn groups_are_fixed() -> bool {
    std::fs::read_to_string("/proc/self/setgroups").is_ok_and(|text| text.trim() == "deny")
}

/// Whether this is a user name space in which there is no user id besides one.
#[cfg(target_os = "linux")]
pub fn has_one_id() -> bool {
    let Ok(map) = std::fs::read_to_string("/proc/self/uid_map") else { return false };
    map.lines().count() == 1 && map.split_whitespace().nth(2) == Some("1")
}

/// While this lives, the process acts on files as another user. Ends with the value; a process that cannot
/// get its own rights back aborts, since it would go on with unknown ones.
pub struct ActingAs {
    /// What to return to; `None` when nothing was changed.
    previous: Option<Identity>,
}

impl ActingAs {
    /// Takes on the rights of `identity` for file access, in all threads of the process. A process that is
    /// not root stays what it is.
    ///
    /// # Errors
    /// When the system refuses; the rights are then as before.
    pub fn start(identity: &Identity) -> io::Result<Self> {
        // SAFETY: these take nothing.
        let (euid, egid) = unsafe { (libc::geteuid(), libc::getegid()) };
        if euid != 0 {
            return Ok(Self { previous: None });
        }
        let groups = current_groups()?;
        let acting = Self { previous: Some(Identity { uid: euid, gid: egid, groups }) };
        set_groups(&identity.groups)?;
        // SAFETY: these take numbers.
        check(unsafe { libc::setegid(identity.gid) })?;
        // SAFETY: as above.
        check(unsafe { libc::seteuid(identity.uid) })?;
        Ok(acting)
    }
}

impl Drop for ActingAs {
    fn drop(&mut self) {
        let Some(previous) = &self.previous else { return };
        // SAFETY: these take numbers.
        let restored =
            unsafe { libc::seteuid(previous.uid) == 0 && libc::setegid(previous.gid) == 0 }
                && set_groups(&previous.groups).is_ok();
        if !restored {
            std::process::abort();
        }
    }
}

fn current_groups() -> io::Result<Vec<u32>> {
    // SAFETY: with a length of zero nothing is written.
    let count = unsafe { libc::getgroups(0, std::ptr::null_mut()) };
    check(count)?;
    let mut groups = vec![0; usize::try_from(count).unwrap_or(0)];
    // SAFETY: `groups` has room for `count` elements.
    let count = unsafe { libc::getgroups(count, groups.as_mut_ptr()) };
    check(count)?;
    groups.truncate(usize::try_from(count).unwrap_or(0));
    Ok(groups)
}

/// Has the kernel kill this process when its parent dies. A change of the user undoes it.
///
/// # Errors
/// What the kernel reports; nothing on systems without the call.
pub fn die_with_parent() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    // SAFETY: PR_SET_PDEATHSIG takes a number.
    check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as libc::c_ulong, 0, 0, 0) })?;
    Ok(())
}

/// From now on no exec gives this process, or a child of it, more rights.
///
/// # Errors
/// What the kernel reports; nothing on systems without the call.
pub fn forbid_new_privileges() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    // SAFETY: PR_SET_NO_NEW_PRIVS takes a number.
    check(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1 as libc::c_ulong, 0, 0, 0) })?;
    Ok(())
}

/// Keeps this process out of core dumps and away from the debuggers of its own user.
///
/// # Errors
/// What the kernel reports; nothing on systems without the call.
pub fn forbid_dumps() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    // SAFETY: PR_SET_DUMPABLE takes a number.
    check(unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0 as libc::c_ulong, 0, 0, 0) })?;
    Ok(())
}

/// Takes ownership of a descriptor that the program was started with. `None` when it is not open.
///
/// Marks it close-on-exec. To be called once per number, early in `main`: a second call would make a second
/// owner of the same descriptor.
pub fn inherited_descriptor(number: RawFd) -> Option<OwnedFd> {
    // SAFETY: F_SETFD takes a number; on a number that is not open it reports an error.
    if number < 0 || unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) } < 0 {
        return None;
    }
    // SAFETY: open, as just seen, and by this function's contract nobody else's.
    Some(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Whether a descriptor number is open, without taking it.
pub fn is_open(number: RawFd) -> bool {
    // SAFETY: F_GETFD takes nothing.
    number >= 0 && unsafe { libc::fcntl(number, libc::F_GETFD) } >= 0
}

/// Turns a terminal's hangup loose on whoever still has it: a `SIGHUP` for its foreground group.
///
/// # Errors
/// What the kernel reports.
pub fn hang_up_foreground(terminal: BorrowedFd<'_>) -> io::Result<()> {
    let group = rustix::termios::tcgetpgrp(terminal.as_fd())?;
    rustix::process::kill_process_group(group, rustix::process::Signal::HUP)?;
    Ok(())
}

/// Moves this process into name spaces of its own; see unshare(2) for the flags.
///
/// # Errors
/// When the kernel refuses, as it does where name spaces are switched off for ordinary users.
#[cfg(target_os = "linux")]
pub fn unshare(flags: libc::c_int) -> io::Result<()> {
    // SAFETY: CLONE_FILES is the flag that could take descriptors from other threads; it is masked out.
    check(unsafe { libc::unshare(flags & !libc::CLONE_FILES) })
}

/// Gives this thread a working directory, a root directory and a file mode creation mask of its own.
///
/// # Errors
/// When the kernel refuses, as it does in some containers.
pub fn unshare_working_directory() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    return unshare(libc::CLONE_FS);
    #[cfg(not(target_os = "linux"))]
    Err(io::ErrorKind::Unsupported.into())
}

/// In a mount name space of its own: makes an empty read-only file system the root and lets go of the old one.
/// `anchor` is any existing directory.
///
/// # Errors
/// When one of the steps is refused; the process should then not go on in this name space.
#[cfg(target_os = "linux")]
pub fn replace_root_with_nothing(anchor: &CStr) -> io::Result<()> {
    let flags = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
    // SAFETY: all pointers of this function are NUL-terminated strings or null where mount(2) allows it.
    unsafe {
        check(libc::mount(
            std::ptr::null(),
            c"/".as_ptr(),
            std::ptr::null(),
            libc::MS_REC | libc::MS_PRIVATE,
            std::ptr::null(),
        ))?;
        check(libc::mount(
            c"tmpfs".as_ptr(),
            anchor.as_ptr(),
            c"tmpfs".as_ptr(),
            flags | libc::MS_RDONLY,
            c"size=4k,nr_inodes=2,mode=0755".as_ptr().cast(),
        ))?;
        check(libc::chdir(anchor.as_ptr()))?;
        // With both arguments the same the old root lies over the new one and can be taken off there;
        // pivot_root(2), "NOTES".
        let here = c".".as_ptr();
        if libc::syscall(libc::SYS_pivot_root, here, here) != 0 {
            return Err(io::Error::last_os_error());
        }
        check(libc::umount2(here, libc::MNT_DETACH))?;
        check(libc::chdir(c"/".as_ptr()))
    }
}

fn check(outcome: libc::c_int) -> io::Result<()> {
    if outcome < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
