//! The system calls that the gate may make, as one table with reasons.
//!
//! A call in the table is allowed, allowed for some arguments, or refused with `EPERM` because a library may try
//! it and carry on without. **A call that is not in the table kills the process**: opening sockets, connecting,
//! executing, forking, tracing and signalling are not there, as no code of the gate asks for them.

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};
use std::collections::BTreeMap;

/// What becomes of a call.
#[derive(Clone, Copy, Debug)]
pub enum Verdict {
    /// It goes through.
    Allow,
    /// It goes through when one of these lists holds entirely; otherwise it is refused with `EPERM`.
    AllowIf(&'static [&'static [Condition]]),
    /// It goes through when one of these lists holds entirely; otherwise the process is killed.
    KillUnless(&'static [&'static [Condition]]),
    /// It is refused with `EPERM`.
    Refuse,
}

/// What an argument must be.
#[derive(Clone, Copy, Debug)]
pub enum Condition {
    /// The lower 32 bits of argument `.0` are `.1`.
    Is(u8, u32),
    /// Argument `.0` is a null pointer.
    Null(u8),
    /// Of argument `.0`, the bits `.1` are as in `.2`.
    Bits(u8, u64, u64),
    /// Argument `.0` is the number of this process.
    OwnPid(u8),
}

use Condition::{Bits, Is, Null, OwnPid};
use Verdict::{Allow, AllowIf, KillUnless, Refuse};

/// One system call: its number, what becomes of it, and why.
pub type Row = (libc::c_long, Verdict, &'static str);

const NOT_EXECUTABLE: Verdict = KillUnless(&[&[Bits(2, libc::PROT_EXEC as u64, 0)]]);

/// The calls of both architectures.
pub static SYSCALLS: &[Row] = &[
    // Data.
    (libc::SYS_read, Allow, "channel data and requests"),
    (libc::SYS_write, Allow, "channel data and requests"),
    (libc::SYS_readv, Allow, "many buffers at once"),
    (libc::SYS_writev, Allow, "many packets at once"),
    (libc::SYS_recvfrom, Allow, "sockets"),
    (libc::SYS_recvmsg, Allow, "descriptors passed by monitor and session"),
    (libc::SYS_sendmsg, Allow, "requests to the monitor"),
    (
        libc::SYS_sendto,
        AllowIf(&[&[Null(4)]]),
        "connected sockets; never to an address of its choice",
    ),
    (libc::SYS_shutdown, Allow, "end of file on a forwarded connection"),
    (libc::SYS_close, Allow, "descriptors"),
    (libc::SYS_close_range, Allow, "descriptors"),
    (libc::SYS_dup, Allow, "clones of owned descriptors"),
    (libc::SYS_dup3, Allow, "clones of owned descriptors"),
    (libc::SYS_lseek, Allow, "libraries ask whether a descriptor can seek"),
    (libc::SYS_fstat, Allow, "kind of a passed descriptor"),
    (libc::SYS_getsockname, Allow, "kind of a passed descriptor"),
    (libc::SYS_getpeername, Allow, "kind of a passed descriptor"),
    (libc::SYS_getsockopt, AllowIf(SOCKET_OPTIONS_READ), "SO_ERROR, buffer sizes, TCP_INFO"),
    (libc::SYS_setsockopt, AllowIf(SOCKET_OPTIONS_WRITTEN), "IPQoS, TCP_NODELAY, buffer sizes"),
    (libc::SYS_fcntl, AllowIf(FCNTL), "non-blocking mode, clones, larger pipes"),
    (libc::SYS_ioctl, AllowIf(IOCTL), "window size, what is waiting to be read"),
    // Waiting.
    (libc::SYS_epoll_create1, Allow, "readiness loop"),
    (libc::SYS_epoll_ctl, Allow, "readiness loop"),
    (libc::SYS_epoll_pwait, Allow, "readiness loop"),
    (libc::SYS_epoll_pwait2, Allow, "readiness loop"),
    (libc::SYS_eventfd2, Allow, "waking the readiness loop"),
    (libc::SYS_ppoll, Allow, "waiting for the monitor's answer"),
    (libc::SYS_futex, Allow, "locks"),
    (libc::SYS_nanosleep, Allow, "delays"),
    (libc::SYS_clock_nanosleep, Allow, "delays"),
    (libc::SYS_sched_yield, Allow, "locks"),
    (libc::SYS_restart_syscall, Allow, "interrupted waiting"),
    (libc::SYS_clock_gettime, Allow, "timers, where the vDSO has no clock"),
    (libc::SYS_clock_getres, Allow, "timers"),
    (libc::SYS_gettimeofday, Allow, "timers"),
    // Memory.
    (libc::SYS_mmap, NOT_EXECUTABLE, "allocation, never of code"),
    (libc::SYS_mprotect, NOT_EXECUTABLE, "allocation, never of code"),
    (libc::SYS_munmap, Allow, "allocation"),
    (libc::SYS_mremap, Allow, "allocation"),
    (libc::SYS_madvise, Allow, "allocation, wiping on fork"),
    (libc::SYS_brk, Allow, "allocation"),
    (libc::SYS_mlock, Allow, "secrets"),
    (libc::SYS_munlock, Allow, "secrets"),
    // Itself.
    (libc::SYS_getrandom, Allow, "keys and nonces"),
    (libc::SYS_getpid, Allow, "log lines, fork detection"),
    (libc::SYS_gettid, Allow, "abort"),
    (libc::SYS_getppid, Allow, "is the monitor alive"),
    (libc::SYS_getuid, Allow, "libraries ask"),
    (libc::SYS_geteuid, Allow, "libraries ask"),
    (libc::SYS_getgid, Allow, "libraries ask"),
    (libc::SYS_getegid, Allow, "libraries ask"),
    (libc::SYS_rt_sigreturn, Allow, "signal handlers"),
    (libc::SYS_rt_sigaction, Allow, "signal handlers"),
    (libc::SYS_rt_sigprocmask, Allow, "signal handlers"),
    (libc::SYS_sigaltstack, Allow, "stack overflow handler"),
    (libc::SYS_tgkill, KillUnless(&[&[OwnPid(0)]]), "abort, of itself only"),
    (libc::SYS_exit, Allow, "end"),
    (libc::SYS_exit_group, Allow, "end"),
    // Tried by libraries, which do without.
    (libc::SYS_openat, Refuse, "time zone, processor features, name service"),
    (libc::SYS_faccessat, Refuse, "libraries try"),
    (libc::SYS_faccessat2, Refuse, "libraries try"),
    (libc::SYS_newfstatat, AllowIf(&[&[EMPTY_PATH_STAT]]), "how libraries spell fstat"),
    (libc::SYS_statx, AllowIf(&[&[EMPTY_PATH_STATX]]), "how libraries spell fstat"),
    (libc::SYS_readlinkat, Refuse, "libraries try"),
    (libc::SYS_getcwd, Refuse, "back traces try"),
    (libc::SYS_uname, Refuse, "libraries try"),
    (libc::SYS_sysinfo, Refuse, "libraries try"),
    (libc::SYS_prctl, AllowIf(NO_NEW_PRIVS), "installing the filters; else names of threads"),
    (libc::SYS_prlimit64, Refuse, "libraries try"),
    (libc::SYS_getrusage, Refuse, "libraries try"),
    (libc::SYS_sched_getaffinity, Refuse, "how many processors there are"),
    (libc::SYS_membarrier, Refuse, "libraries try"),
];

/// The calls that only the older architecture has; newer ones do the same with the calls above.
#[cfg(target_arch = "x86_64")]
static LEGACY: &[Row] = &[
    (libc::SYS_epoll_wait, Allow, "readiness loop"),
    (libc::SYS_poll, Allow, "waiting for the monitor's answer"),
    (libc::SYS_dup2, Allow, "clones of owned descriptors"),
    (libc::SYS_time, Allow, "timers"),
    (libc::SYS_open, Refuse, "libraries try"),
    (libc::SYS_stat, Refuse, "libraries try"),
    (libc::SYS_lstat, Refuse, "libraries try"),
    (libc::SYS_access, Refuse, "libraries try"),
    (libc::SYS_readlink, Refuse, "libraries try"),
    (libc::SYS_getrlimit, Refuse, "libraries try"),
];
#[cfg(not(target_arch = "x86_64"))]
static LEGACY: &[Row] = &[];

const EMPTY_PATH: u64 = libc::AT_EMPTY_PATH as u64;
const EMPTY_PATH_STAT: Condition = Bits(3, EMPTY_PATH, EMPTY_PATH);
const EMPTY_PATH_STATX: Condition = Bits(2, EMPTY_PATH, EMPTY_PATH);

/// Arguments 1 and 2: the level and the option.
macro_rules! options {
    ($($level:ident $option:ident),* $(,)?) => {
        &[$(&[Is(1, libc::$level as u32), Is(2, libc::$option as u32)]),*]
    };
}

static SOCKET_OPTIONS_READ: &[&[Condition]] = options![
    SOL_SOCKET SO_ERROR, SOL_SOCKET SO_TYPE, SOL_SOCKET SO_DOMAIN, SOL_SOCKET SO_SNDBUF,
    SOL_SOCKET SO_RCVBUF, SOL_SOCKET SO_ACCEPTCONN, IPPROTO_TCP TCP_NODELAY, IPPROTO_TCP TCP_INFO,
    IPPROTO_IP IP_TOS, IPPROTO_IP IP_OPTIONS, IPPROTO_IPV6 IPV6_TCLASS,
];
static SOCKET_OPTIONS_WRITTEN: &[&[Condition]] = options![
    SOL_SOCKET SO_SNDBUF, SOL_SOCKET SO_RCVBUF, SOL_SOCKET SO_KEEPALIVE, SOL_SOCKET SO_LINGER,
    IPPROTO_TCP TCP_NODELAY, IPPROTO_TCP TCP_QUICKACK, IPPROTO_TCP TCP_NOTSENT_LOWAT,
    IPPROTO_IP IP_TOS, IPPROTO_IPV6 IPV6_TCLASS,
];

macro_rules! requests {
    ($($request:ident),* $(,)?) => { &[$(&[Is(1, libc::$request as u32)]),*] };
}

// Without F_SETOWN and F_SETSIG, by which the kernel would send signals for the process.
static FCNTL: &[&[Condition]] =
    requests![F_GETFL, F_SETFL, F_GETFD, F_SETFD, F_DUPFD_CLOEXEC, F_SETPIPE_SZ];
// Without TIOCSTI, which types into a terminal, and TIOCSCTTY.
static NO_NEW_PRIVS: &[&[Condition]] = &[&[Is(0, libc::PR_SET_NO_NEW_PRIVS as u32)]];
static IOCTL: &[&[Condition]] =
    requests![FIONREAD, FIONBIO, FIOCLEX, TIOCOUTQ, TIOCGWINSZ, TIOCSWINSZ, TCGETS, TCGETS2];

/// Why the filter is not in force.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The table cannot be made into a filter for this architecture.
    #[error("cannot be built: {0}")]
    Build(#[from] seccompiler::BackendError),
    /// The kernel does not take it.
    #[error("{0}")]
    Kernel(#[from] seccompiler::Error),
}

/// Puts the table in force for all threads of the process, for good.
///
/// # Errors
/// On an architecture that the table does not speak of, and on kernels without seccomp.
pub fn apply() -> Result<(), Error> {
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    // Two filters, as one has two outcomes only. The kernel takes the harsher answer of the two.
    let mut refusing = rules(|verdict| match verdict {
        Allow => Some(&[]),
        AllowIf(lists) | KillUnless(lists) => Some(lists),
        Refuse => None,
    })?;
    let killing = rules(|verdict| match verdict {
        Allow | AllowIf(_) | Refuse => Some(&[]),
        KillUnless(lists) => Some(lists),
    })?;
    // The second filter goes in under the first, and then kills whoever tries to put in a third.
    refusing.insert(libc::SYS_seccomp, Vec::new());
    let refusing = build(arch, refusing, SeccompAction::Errno(libc::EPERM as u32))?;
    let killing = build(arch, killing, SeccompAction::KillProcess)?;
    seccompiler::apply_filter_all_threads(&refusing)?;
    seccompiler::apply_filter_all_threads(&killing)?;
    Ok(())
}

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// The rows under which a call goes through, by what `lists` makes of their verdicts: `None` for not at all.
fn rules(
    lists: impl Fn(Verdict) -> Option<&'static [&'static [Condition]]>,
) -> Result<Rules, Error> {
    let mut rules = Rules::new();
    for (number, verdict, _reason) in SYSCALLS.iter().chain(LEGACY) {
        let Some(lists) = lists(*verdict) else { continue };
        let row = lists
            .iter()
            .map(|list| {
                let conditions: Result<Vec<_>, _> = list.iter().map(condition).collect();
                SeccompRule::new(conditions?)
            })
            .collect::<Result<Vec<_>, _>>()?;
        rules.insert(*number, row);
    }
    Ok(rules)
}

fn condition(condition: &Condition) -> Result<SeccompCondition, seccompiler::BackendError> {
    use SeccompCmpArgLen::{Dword, Qword};
    use SeccompCmpOp::{Eq, MaskedEq};
    match *condition {
        Is(argument, value) => SeccompCondition::new(argument, Dword, Eq, u64::from(value)),
        Null(argument) => SeccompCondition::new(argument, Qword, Eq, 0),
        Bits(argument, mask, value) => {
            SeccompCondition::new(argument, Qword, MaskedEq(mask), value)
        }
        OwnPid(argument) => {
            SeccompCondition::new(argument, Dword, Eq, u64::from(std::process::id()))
        }
    }
}

fn build(
    arch: TargetArch,
    rules: Rules,
    otherwise: SeccompAction,
) -> Result<BpfProgram, seccompiler::BackendError> {
    SeccompFilter::new(rules, otherwise, SeccompAction::Allow, arch)?.try_into()
}
