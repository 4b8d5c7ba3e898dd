//! Every call that the compiler cannot vouch for.

#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// A user namespace in which ids from 0 stand for `count` ids from `base` outside: what an
/// idmapped mount is made with. The caller has one thread and is root.
pub(super) fn user_namespace(base: u32, count: u32) -> io::Result<OwnedFd> {
    let (ours, theirs) = io::pipe()?;
    // SAFETY: the process has one thread, so the child may do anything; it only makes system calls.
    let child = check(unsafe { libc::fork() })?;
    if child == 0 {
        // SAFETY: system calls on this process alone; it never returns from here.
        unsafe {
            let made = libc::unshare(libc::CLONE_NEWUSER) == 0;
            let word = [u8::from(made)];
            libc::write(theirs.as_raw_fd(), word.as_ptr().cast(), 1);
            if made {
                libc::pause();
            }
            libc::_exit(0)
        }
    }
    drop(theirs);
    let namespace = (|| {
        let mut word = [0];
        io::Read::read_exact(&mut { ours }, &mut word)?;
        if word != [1] {
            return Err(io::Error::other("the system allows no user namespaces"));
        }
        let map = format!("0 {base} {count}");
        std::fs::write(format!("/proc/{child}/uid_map"), &map)?;
        std::fs::write(format!("/proc/{child}/gid_map"), &map)?;
        Ok(std::fs::File::open(format!("/proc/{child}/ns/user"))?.into())
    })();
    // SAFETY: the child is ours, and nobody else waits for it.
    unsafe {
        libc::kill(child, libc::SIGKILL);
        libc::waitpid(child, std::ptr::null_mut(), 0);
    }
    namespace
}

/// The number of the interface that a connection came in by (ip(7), `IP_PKTINFO`).
pub(super) fn arrival_interface(connection: BorrowedFd<'_>) -> io::Result<u32> {
    let on: libc::c_int = 1;
    let mut message = [0_u8; 256];
    let mut length = 256;
    // SAFETY: both calls get a buffer of the length that they are told, which outlives them.
    unsafe {
        check(libc::setsockopt(
            connection.as_raw_fd(),
            libc::IPPROTO_IP,
            libc::IP_PKTINFO,
            (&raw const on).cast(),
            4,
        ))?;
        check(libc::getsockopt(
            connection.as_raw_fd(),
            libc::IPPROTO_IP,
            libc::IP_PKTOPTIONS,
            message.as_mut_ptr().cast(),
            &raw mut length,
        ))?;
    }
    // One control message: its length, level and kind, then `struct in_pktinfo`.
    let number = |at: usize| -> Option<i32> {
        Some(i32::from_ne_bytes(message.get(at..at + 4)?.try_into().ok()?))
    };
    let head = size_of::<usize>();
    if length as usize >= head + 12
        && number(head) == Some(libc::IPPROTO_IP)
        && number(head + 4) == Some(libc::IP_PKTINFO)
        && let Some(index) = number(head + 8).and_then(|index| u32::try_from(index).ok())
    {
        return Ok(index);
    }
    Err(io::Error::other("the kernel does not say by which interface it came"))
}

/// Moves the caller into namespaces of its own. It has one thread.
pub(super) fn unshare(flags: rustix::thread::UnshareFlags) -> io::Result<()> {
    // SAFETY: no flag that unshares the table of descriptors is passed, which is what would let
    // another thread's descriptors go; namespaces change nothing in memory.
    Ok(unsafe { rustix::thread::unshare_unsafe(flags) }?)
}

/// Maps the ids of a mount that is not attached anywhere yet.
pub(super) fn idmap(mount: BorrowedFd<'_>, user_namespace: BorrowedFd<'_>) -> io::Result<()> {
    let attributes = libc::mount_attr {
        attr_set: libc::MOUNT_ATTR_IDMAP,
        attr_clr: 0,
        propagation: 0,
        userns_fd: user_namespace.as_raw_fd().unsigned_abs().into(),
    };
    // SAFETY: the path is a terminated string and the structure has the length that is given.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        )
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// The number of a loop device that nobody uses at the moment.
pub(super) fn free_loop_device(control: BorrowedFd<'_>) -> io::Result<u32> {
    const LOOP_CTL_GET_FREE: libc::Ioctl = 0x4C82;
    // SAFETY: the call takes no argument besides the descriptor.
    let number = check(unsafe { libc::ioctl(control.as_raw_fd(), LOOP_CTL_GET_FREE) })?;
    u32::try_from(number).map_err(io::Error::other)
}

/// Puts a file behind a loop device, until nobody has that open or mounted.
pub(super) fn configure_loop_device(
    device: BorrowedFd<'_>,
    file: BorrowedFd<'_>,
) -> io::Result<()> {
    const LOOP_CONFIGURE: libc::Ioctl = 0x4C0A;
    const LO_FLAGS_AUTOCLEAR: u32 = 4;
    /// `struct loop_config` with the `struct loop_info64` in it, where not named, as zeros.
    #[repr(C)]
    struct Config {
        file: u32,
        block_size: u32,
        info_before: [u64; 5],
        number: u32,
        encryption: [u32; 2],
        flags: u32,
        info_after: [u64; 22],
        reserved: [u64; 8],
    }
    const { assert!(size_of::<Config>() == 304) };
    let config = Config {
        file: file.as_raw_fd().unsigned_abs(),
        block_size: 0,
        info_before: [0; 5],
        number: 0,
        encryption: [0; 2],
        flags: LO_FLAGS_AUTOCLEAR,
        info_after: [0; 22],
        reserved: [0; 8],
    };
    // SAFETY: the structure is laid out as the kernel's and outlives the call, which reads it.
    check(unsafe { libc::ioctl(device.as_raw_fd(), LOOP_CONFIGURE, &raw const config) }).map(drop)
}

/// Keeps `number` free for [`place`], by having something there that nobody owns. To be called
/// before anything is opened.
pub(super) fn reserve(number: i32) -> io::Result<()> {
    // SAFETY: makes a new descriptor, the lowest free one from `number` on.
    let got = check(unsafe { libc::fcntl(0, libc::F_DUPFD_CLOEXEC, number) })?;
    if got == number { Ok(()) } else { Err(io::Error::other("a descriptor is in the way")) }
}

/// Puts a descriptor where the next program finds it, and keeps it open over `exec`.
pub(super) fn place(descriptor: OwnedFd, number: i32) -> io::Result<()> {
    // SAFETY: at `number` is what `reserve` put there, which nothing owns.
    check(unsafe { libc::dup2(descriptor.as_raw_fd(), number) }).map(drop)
}

/// Takes a descriptor that the program was started with, at most once.
pub(super) fn inherited(number: i32) -> io::Result<OwnedFd> {
    // SAFETY: asks about a number, whatever is there.
    check(unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) })?;
    // SAFETY: it is open, and `main` calls this once before anything else is opened.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Closes what [`place`] put there.
pub(super) fn close(number: i32) {
    // SAFETY: only called for the number that `place` was given, which nothing else owns.
    unsafe { libc::close(number) };
}

/// Blocks signals and gives a descriptor that they are read from.
pub(super) fn signals(numbers: &[i32]) -> io::Result<OwnedFd> {
    // SAFETY: an empty set is a valid value, and the calls only write to it.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        for number in numbers {
            libc::sigaddset(&raw mut set, *number);
        }
        check(libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()))?;
        let descriptor =
            check(libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK))?;
        Ok(OwnedFd::from_raw_fd(descriptor))
    }
}

/// The next signal that came, if one did.
pub(super) fn next_signal(signals: &OwnedFd) -> Option<i32> {
    let mut record = [0_u8; size_of::<libc::signalfd_siginfo>()];
    match rustix::io::read(signals, &mut record) {
        Ok(length) if length == record.len() => {
            let number: [u8; 4] = record.get(..4)?.try_into().ok()?;
            i32::try_from(u32::from_ne_bytes(number)).ok()
        }
        _ => None,
    }
}

/// Signals every process of this process-id namespace but the caller.
pub(super) fn signal_all(signal: i32) {
    // SAFETY: as the first process of its namespace, the caller reaches nothing outside of it.
    unsafe { libc::kill(-1, signal) };
}

/// Gives the controlling terminal up.
pub(super) fn forget_terminal(terminal: BorrowedFd<'_>) {
    // SAFETY: the call takes no argument besides the descriptor. A failure means there was none.
    unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCNOTTY) };
}

/// Lets the command begin a session of its own on the terminal that is its standard input.
pub(super) fn on_own_terminal(command: &mut Command) -> &mut Command {
    // SAFETY: the closure only makes system calls that are allowed between fork and exec.
    unsafe {
        command.pre_exec(|| {
            all_signals()?;
            rustix::process::setsid()?;
            check(libc::ioctl(0, libc::TIOCSCTTY, 0))?;
            Ok(())
        })
    }
}

/// Lets the command begin a session of its own.
pub(super) fn in_own_session(command: &mut Command) -> &mut Command {
    // SAFETY: the closure makes one system call that is allowed between fork and exec.
    unsafe {
        command.pre_exec(|| {
            all_signals()?;
            rustix::process::setsid()?;
            Ok(())
        })
    }
}

/// What [`signals`] blocked is not for the programs that are started.
fn all_signals() -> io::Result<()> {
    // SAFETY: an empty set is a valid value; the call is allowed between fork and exec.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        check(libc::sigprocmask(libc::SIG_SETMASK, &raw const set, std::ptr::null_mut())).map(drop)
    }
}

/// Sets a system-call filter for this process and all that come from it, without forbidding them
/// to gain rights: for that the caller has `CAP_SYS_ADMIN`.
pub(super) fn set_system_call_filter(program: &[seccompiler::sock_filter]) -> io::Result<()> {
    #[repr(C)]
    struct Program {
        length: libc::c_ushort,
        filter: *const seccompiler::sock_filter,
    }
    let length = program.len().try_into().map_err(io::Error::other)?;
    let program = Program { length, filter: program.as_ptr() };
    // SAFETY: the structure is laid out as the kernel's, and points to as many instructions as it
    // says, which live until the call returns.
    let result = unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program)
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Runs `child` in a new process, which ends when it returns; meant for something that executes a
/// program. The caller has one thread. What `child` returns is what went wrong in it.
pub(super) fn fork(child: impl FnOnce() -> io::Result<()>) -> io::Result<rustix::process::Pid> {
    let (mut ours, theirs) = io::pipe()?;
    // SAFETY: the process has one thread, so the child may do anything.
    let pid = check(unsafe { libc::fork() })?;
    if pid == 0 {
        drop(ours);
        let text = child().err().map_or_else(String::new, |error| error.to_string());
        let _ = io::Write::write_all(&mut { theirs }, text.as_bytes());
        // SAFETY: ends this process without running what belongs to its parent.
        unsafe { libc::_exit(1) }
    }
    drop(theirs);
    // Closed without a word when the program is executed.
    let mut text = String::new();
    io::Read::read_to_string(&mut ours, &mut text)?;
    let pid = rustix::process::Pid::from_raw(pid)
        .filter(|_| text.is_empty())
        .ok_or_else(|| io::Error::other(text))?;
    Ok(pid)
}

/// Makes a descriptor a standard one, which stays over `exec`.
pub(super) fn put_standard(descriptor: &OwnedFd, number: i32) -> io::Result<()> {
    // SAFETY: the standard descriptors belong to nobody.
    check(unsafe { libc::dup2(descriptor.as_raw_fd(), number) }).map(drop)
}

/// Executes a program, with no descriptors but the standard ones and `keep`. Returns only when it
/// fails.
pub(super) fn execute(
    arguments: &[std::ffi::CString],
    environment: &[std::ffi::CString],
    keep: i32,
) -> io::Error {
    let pointers = |words: &[std::ffi::CString]| {
        let mut pointers: Vec<*const libc::c_char> =
            words.iter().map(|word| word.as_ptr()).collect();
        pointers.push(std::ptr::null());
        pointers
    };
    let (arguments, environment) = (pointers(arguments), pointers(environment));
    let Some(program) = arguments.first().filter(|program| !program.is_null()) else {
        return io::ErrorKind::InvalidInput.into();
    };
    // SAFETY: marks descriptors close-on-exec, then executes with terminated lists of terminated
    // strings that live until then.
    unsafe {
        libc::close_range(
            keep.unsigned_abs() + 1,
            u32::MAX,
            libc::CLOSE_RANGE_CLOEXEC.cast_signed(),
        );
        libc::execve(*program, arguments.as_ptr(), environment.as_ptr());
    }
    io::Error::last_os_error()
}
