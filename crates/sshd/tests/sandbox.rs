//! The sandbox from inside: each case runs this program again, enters the sandbox and tries one thing.
//!
//! Without the usual harness, since the sandbox is entered by a process with one thread. Runs as root and as an
//! ordinary user; as root it also checks that the process became another user.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test")]

#[cfg(not(target_os = "linux"))]
fn main() {}

#[cfg(target_os = "linux")]
fn main() {
    linux::main();
}

#[cfg(target_os = "linux")]
mod linux {
    use keyway_sshd::sandbox::{self, Landlock, Root, Settings};
    use rustix::net::{
        RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
        SendAncillaryMessage, SendFlags,
    };
    use std::fs::File;
    use std::io::{IoSlice, IoSliceMut, Read, Write};
    use std::mem::MaybeUninit;
    use std::os::fd::{AsFd, OwnedFd};
    use std::os::unix::net::UnixStream;
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Command, Stdio};

    const CASE: &str = "KEYWAY_SANDBOX_CASE";

    /// What a case must end with.
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum End {
        /// The attempt was refused, or what had to work worked.
        Fine,
        /// The kernel killed the process for it.
        Killed,
    }

    type Case = (&'static str, End, fn() -> bool);

    const CASES: &[Case] = &[
        ("pass", End::Fine, || true),
        ("open a file", End::Fine, || File::open("/etc/passwd").is_err()),
        ("create a file", End::Fine, || File::create("/tmp/keyway-sandbox").is_err()),
        ("list the root", End::Fine, || std::fs::read_dir("/").is_err()),
        ("raise a limit", End::Fine, || {
            let limit = libc::rlimit { rlim_cur: 4096, rlim_max: 4096 };
            // SAFETY: a pointer to a local.
            unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) != 0 }
        }),
        ("type into a terminal", End::Fine, || {
            // SAFETY: a pointer to a static byte.
            unsafe { libc::ioctl(0, libc::TIOCSTI, b"x".as_ptr()) != 0 && denied() }
        }),
        ("attach a filter to a socket", End::Fine, || {
            let one = 0;
            // SAFETY: refused before the pointer is read.
            unsafe {
                libc::setsockopt(
                    one,
                    libc::SOL_SOCKET,
                    libc::SO_ATTACH_FILTER,
                    [0u8; 16].as_ptr().cast(),
                    16,
                ) != 0
                    && denied()
            }
        }),
        ("socket", End::Killed, || std::net::UdpSocket::bind("127.0.0.1:0").is_err()),
        ("connect", End::Killed, || {
            // SAFETY: refused before the pointer is read.
            unsafe { libc::connect(0, [0u8; 16].as_ptr().cast(), 16) != 0 }
        }),
        ("kill", End::Killed, || {
            // SAFETY: signal 0 only asks.
            unsafe { libc::kill(libc::getppid(), 0) != 0 }
        }),
        ("signal a thread of another", End::Killed, || {
            // SAFETY: signal 0 only asks.
            unsafe { libc::syscall(libc::SYS_tgkill, libc::getppid(), libc::getppid(), 0) != 0 }
        }),
        ("ptrace", End::Killed, || {
            // SAFETY: takes numbers here.
            unsafe { libc::ptrace(libc::PTRACE_ATTACH, libc::getppid(), 0, 0) != 0 }
        }),
        ("fork", End::Killed, || {
            // SAFETY: the child, were there one, leaves at once.
            unsafe {
                match libc::fork() {
                    0 => libc::_exit(0),
                    child => child < 0,
                }
            }
        }),
        ("execve", End::Killed, || {
            // SAFETY: NUL-terminated strings and null-terminated lists.
            unsafe {
                let argv = [c"true".as_ptr(), std::ptr::null()];
                libc::execve(c"/bin/true".as_ptr(), argv.as_ptr(), argv[1..].as_ptr()) != 0
            }
        }),
        ("executable memory", End::Killed, || {
            // SAFETY: a fresh anonymous mapping.
            unsafe {
                let access = libc::PROT_READ | libc::PROT_EXEC;
                let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
                libc::mmap(std::ptr::null_mut(), 4096, access, flags, -1, 0) == libc::MAP_FAILED
            }
        }),
        ("memory", End::Fine, || vec![7u8; 64 << 20].iter().step_by(4096).all(|byte| *byte == 7)),
        ("clock and randomness", End::Fine, || {
            let mut bytes = [0u8; 32];
            let read = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
            let before = std::time::Instant::now();
            std::thread::sleep(std::time::Duration::from_millis(2));
            read == Ok(32)
                && before.elapsed().as_millis() >= 2
                && std::time::SystemTime::now() > std::time::UNIX_EPOCH
        }),
        ("cryptography for the first time", End::Fine, || {
            let mut bytes = [0u8; 32];
            crypto::random::fill(&mut bytes);
            ["curve25519-sha256", "ecdh-sha2-nistp256", "diffie-hellman-group14-sha256"]
                .into_iter()
                .all(agrees)
                && bytes != [0; 32]
        }),
        ("readiness loop", End::Fine, || {
            use rustix::event::epoll;
            let queue = epoll::create(epoll::CreateFlags::CLOEXEC).expect("epoll");
            let waker =
                rustix::event::eventfd(1, rustix::event::EventfdFlags::CLOEXEC).expect("eventfd");
            let data = epoll::EventData::new_u64(7);
            epoll::add(&queue, &waker, data, epoll::EventFlags::IN).expect("add");
            let mut events = Vec::with_capacity(4);
            epoll::wait(&queue, rustix::buffer::spare_capacity(&mut events), None).expect("wait")
                == 1
        }),
        ("caught panic", End::Fine, || {
            std::panic::catch_unwind(|| std::hint::black_box(Vec::<u8>::new())[0]).is_err()
        }),
    ];

    /// Both sides of a key exchange come to the same secret.
    fn agrees(name: &str) -> bool {
        let entry = crypto::tables::key_exchange(name).expect("in the table");
        let crypto::tables::KexKind::Fixed(exchange) = entry.kind else { return false };
        let client = exchange.start().expect("start");
        let server = exchange.respond(client.share()).expect("respond");
        let secret = client.finish(&server.share).expect("finish");
        secret.encoded() == server.secret.encoded()
    }

    pub fn main() {
        if let Ok(case) = std::env::var(CASE) {
            inside(&case);
        }
        let mut failed = 0;
        for (name, end, _) in CASES {
            if let Err(why) = outside(name, *end) {
                eprintln!("test {name} ... FAILED: {why}");
                failed += 1;
            } else {
                println!("test {name} ... ok");
            }
        }
        assert_eq!(failed, 0, "{failed} cases failed");
    }

    /// Starts the case with a socket as standard input, talks to it, and looks at its end.
    fn outside(name: &str, end: End) -> Result<(), String> {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .env(CASE, name)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .spawn()
            .unwrap();
        let talked = talk(&ours);
        drop(ours);
        let status = child.wait().unwrap();
        talked?;
        let ended = match (status.code(), status.signal()) {
            (Some(0), _) => Some(End::Fine),
            (_, Some(libc::SIGSYS)) => Some(End::Killed),
            _ => None,
        };
        if ended == Some(end) { Ok(()) } else { Err(format!("{status}, not {end:?}")) }
    }

    /// A word there and back, then a descriptor passed, through which the child writes.
    fn talk(mut ours: &UnixStream) -> Result<(), String> {
        let problem = |what| move |error: std::io::Error| format!("{what}: {error}");
        ours.write_all(b"ping").map_err(problem("write"))?;
        let mut word = [0; 4];
        ours.read_exact(&mut word).map_err(problem("read"))?;
        let (mut reader, writer) = std::io::pipe().map_err(problem("pipe"))?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let descriptors = [writer.as_fd()];
        control.push(SendAncillaryMessage::ScmRights(&descriptors));
        rustix::net::sendmsg(ours, &[IoSlice::new(b"d")], &mut control, SendFlags::empty())
            .map_err(|error| error.to_string())?;
        drop(writer);
        let mut text = String::new();
        reader.read_to_string(&mut text).map_err(problem("passed pipe"))?;
        if text == "through" { Ok(()) } else { Err(format!("got {text:?}")) }
    }

    fn inside(name: &str) -> ! {
        let root = rustix::process::geteuid().is_root();
        let settings = Settings {
            identity: sandbox::gate_identity(),
            descriptors_max: 256,
            may_write_files: true,
            die_with_parent: true,
        };
        let report = match sandbox::enter(&settings) {
            Ok(report) => report,
            Err(error) => fail(&error.to_string()),
        };
        if name == "pass" {
            eprintln!("{report}");
        }
        if !report.seccomp || !report.no_new_privileges {
            fail(&report.to_string());
        }
        if root && (report.root == Root::System || rustix::process::getuid().is_root()) {
            fail(&report.to_string());
        }
        if report.landlock == Landlock::No {
            eprintln!("no landlock here");
        }
        if let Err(error) = answer() {
            fail(&error.to_string());
        }
        let (_, _, attempt) = CASES.iter().find(|case| case.0 == name).expect("a known case");
        std::process::exit(i32::from(!attempt()));
    }

    /// The other side of [`talk`].
    fn answer() -> std::io::Result<()> {
        let socket = std::io::stdin();
        let mut word = [0; 4];
        rustix::io::read(&socket, &mut word)?;
        rustix::io::write(&socket, &word)?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut byte = [0];
        rustix::net::recvmsg(
            &socket,
            &mut [IoSliceMut::new(&mut byte)],
            &mut control,
            RecvFlags::CMSG_CLOEXEC,
        )?;
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                for descriptor in descriptors {
                    rustix::io::write(&descriptor, b"through")?;
                }
            }
        }
        Ok(())
    }

    fn fail(why: &str) -> ! {
        eprintln!("{why}");
        std::process::exit(99)
    }

    fn denied() -> bool {
        std::io::Error::last_os_error().raw_os_error() == Some(libc::EPERM)
    }
}
