//! What root of a server tries: the machine's files, processes, network and devices, other
//! servers, mounting, and the kernel's settings.

use std::net::TcpListener;

use crate::fixture::{fixture, place};

/// What is tried, and what the command must print when it does not succeed.
const TRIED: &[(&str, &str, &str)] = &[
    (
        "the machine's files",
        "find /work /home /usr/local /boot /var/lib/dpkg -mindepth 1 2>/dev/null | wc -l",
        "0",
    ),
    ("the machine's passwords", "cut -d: -f2 /etc/shadow | sort -u", "*"),
    ("the machine's accounts", "wc -l < /etc/passwd", "12"),
    ("the state folder", "grep -c /state/ /proc/self/mountinfo", "0"),
    (
        "a file of the machine through the mount",
        "echo x 2>/dev/null > /usr/bin/env && echo written || echo no",
        "no",
    ),
    (
        "the first process's program",
        "echo x 2>/dev/null > /run/keyway/sshd && echo written || echo no",
        "no",
    ),
    (
        "the machine's processes",
        "ls -d /proc/[0-9]* | wc -l | awk '{print ($1 < 30) ? \"few\" : \"many\"}'",
        "few",
    ),
    ("killing everybody", "kill -0 4194000 2>/dev/null && echo there || echo no", "no"),
    ("the machine's network interfaces", "ls /sys/class/net | sort | tr '\\n' ' '", "eth0 lo"),
    (
        "another address",
        "ip address add 10.78.0.99/32 dev eth0 2>/dev/null && echo added || echo no",
        "no",
    ),
    (
        "listening to the wire's settings",
        "ip link set eth0 promisc on 2>/dev/null && echo set || echo no",
        "no",
    ),
    ("disks", "ls /dev | grep -cE '^(sd|vd|nvme|loop|dm-|mem|kmem|kvm)'", "0"),
    (
        "making a disk device",
        "mknod /tmp/disk b 254 0 2>/dev/null && cat /tmp/disk >/dev/null 2>&1 && echo read || echo no",
        "no",
    ),
    (
        "making a memory device",
        "mknod /tmp/mem c 1 1 2>/dev/null && head -c1 /tmp/mem >/dev/null 2>&1 && echo read || echo no",
        "no",
    ),
    ("mounting", "mount -t tmpfs none /mnt 2>/dev/null && echo mounted || echo no", "no"),
    (
        "making /usr writable",
        "mount -o remount,rw /usr 2>/dev/null && echo remounted || echo no",
        "no",
    ),
    ("uncovering /usr/local", "umount /usr/local 2>/dev/null && echo uncovered || echo no", "no"),
    ("a namespace with more rights", "unshare -Urm true 2>/dev/null && echo made || echo no", "no"),
    (
        "the machine's namespaces",
        "nsenter -t 1 -m -u -n true 2>/dev/null && echo entered || echo no",
        "no",
    ),
    (
        "the kernel's settings",
        "echo 1 2>/dev/null > /proc/sys/kernel/sysrq && echo set || echo no",
        "no",
    ),
    (
        "the network's settings",
        "echo 1 2>/dev/null > /proc/sys/net/ipv4/ip_forward && echo set || echo no",
        "no",
    ),
    (
        "the kernel's emergency keys",
        "echo b 2>/dev/null > /proc/sysrq-trigger && echo pressed || echo no",
        "no",
    ),
    ("the kernel's log", "dmesg >/dev/null 2>&1 && echo read || echo no", "no"),
    ("the kernel's memory", "head -c1 /proc/kcore 2>/dev/null | wc -c", "0"),
    ("the kernel's symbols", "wc -l < /proc/kallsyms", "0"),
    ("loading a module", "modprobe dummy 2>/dev/null && echo loaded || echo no", "no"),
    ("the clock", "date -s 2001-01-01 >/dev/null 2>&1 && date +%Y || echo no", "no"),
    ("the machine's name", "hostname other 2>/dev/null && echo named || echo no", "no"),
    ("control groups", "ls /sys/fs/cgroup 2>/dev/null | wc -l", "0"),
    (
        "tracing the kernel",
        "find /sys/kernel/debug /sys/kernel/tracing -mindepth 1 2>/dev/null | wc -l",
        "0",
    ),
    (
        "a control group's release agent",
        "mkdir -p /tmp/g && mount -t cgroup -o memory none /tmp/g 2>/dev/null && echo mounted || \
         find / -xdev -name release_agent 2>/dev/null | wc -l",
        "0",
    ),
    (
        "the program that takes the kernel's dumps",
        "echo '|/tmp/x' 2>/dev/null > /proc/sys/kernel/core_pattern && echo set || echo no",
        "no",
    ),
    (
        "the program that loads modules",
        "echo /tmp/x 2>/dev/null > /proc/sys/kernel/modprobe && echo set || echo no",
        "no",
    ),
    (
        "formats of programs",
        "ls /proc/sys/fs/binfmt_misc 2>/dev/null | wc -l; \
         echo :x:E::x::/tmp/x: 2>/dev/null > /proc/sys/fs/binfmt_misc/register && echo set || echo no",
        "0\nno",
    ),
    (
        "the program for new devices",
        "echo /tmp/x 2>/dev/null > /sys/kernel/uevent_helper && echo set || echo no",
        "no",
    ),
    ("files of the kernel to change", "find /sys -xdev -type f -writable 2>/dev/null | wc -l", "0"),
    (
        "memory and code of the first process",
        "dd if=/proc/1/mem bs=1 count=1 of=/dev/null 2>/dev/null && echo read || echo no",
        "no",
    ),
    (
        "the machine's root through a process",
        "for p in /proc/[0-9]*/root; do ls $p/ 2>/dev/null | grep -xE 'work|boot|vmlinuz'; done | wc -l",
        "0",
    ),
    ("the machine's keyrings", "cat /proc/keys 2>/dev/null | wc -l", "0"),
    ("a way out of the root", "chroot /proc/1/root/../../.. ls / | grep -xc work", "0"),
    (
        "the sockets of the machine's services",
        "find /run /tmp /var -xdev -type s 2>/dev/null",
        "/run/keyway/notify",
    ),
    (
        "files of ids beyond its own",
        "touch /tmp/f && chown 70000 /tmp/f 2>/dev/null && echo given || echo no",
        "no",
    ),
    (
        "the shim's side of its control socket",
        "ls -l /proc/1/fd/3 2>/dev/null | grep -c '/work\\|/tmp'",
        "0",
    ),
];

#[test]
fn root_of_a_server_is_not_root_of_the_machine() {
    let Some(f) = fixture(|_| {}) else { return };
    let server = f.create("tenant");
    for (what, command, wanted) in TRIED {
        // grep -c and others fail when they find nothing, which is what is hoped for.
        assert_eq!(f.inside(&server, &format!("{command}; true")), *wanted, "{what}: {command}");
    }
    assert_eq!(
        f.inside(&server, "grep -h Seccomp: /proc/1/status /proc/self/status | sort -u"),
        "Seccomp:\t2"
    );
    // su still works: programs may gain rights that root gave them.
    assert_eq!(f.inside(&server, "su -s /bin/sh nobody -c 'id -un'"), "nobody");

    // The machine's own services on its loopback interface are out of reach.
    let service = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = service.local_addr().unwrap().port();
    let knock = format!(
        "timeout 2 bash -c '</dev/tcp/127.0.0.1/{port}' 2>/dev/null && echo open || echo no"
    );
    assert_eq!(f.inside(&server, &knock), "no");

    // Another server: neither its host keys nor its files, and no packets in its name.
    let other = f.create("neighbour");
    let fingerprints =
        |server| f.inside(server, "cat /etc/ssh/ssh_host_ed25519_key.pub /etc/machine-id");
    assert_ne!(fingerprints(&server), fingerprints(&other));
    let (address, _) = place(&other);
    let route = std::process::Command::new("ip").args(["route", "get", &address]).output().unwrap();
    assert!(String::from_utf8_lossy(&route.stdout).contains("dev kw"), "{route:?}");
    // A process that asks its neighbour's files and processes is told of its own only.
    assert_eq!(f.inside(&server, "ps -e -o comm= | grep -c sshd | awk '{print ($1 < 8)}'"), "1");
    let (uid, other_uid) = (outside_uid(&f, &server), outside_uid(&f, &other));
    assert_ne!(uid, other_uid);
    assert!(uid >= 200_000 && other_uid >= 200_000);
}

/// Calls to the kernel that programs of the system do not make, by their names in libc.
const CALLS: &str = r#"
import ctypes, os, platform
libc = ctypes.CDLL(None, use_errno=True)
numbers = {"x86_64": dict(bpf=321, userfaultfd=323, io_uring_setup=425, keyctl=250, add_key=248,
    perf_event_open=298, kexec_load=246, init_module=175, finit_module=313, open_by_handle_at=304,
    fsopen=430, open_tree=428, move_mount=429, mount_setattr=442, pivot_root=155, swapon=167,
    setns=308, unshare=272, clone3=435, ptrace=101, process_vm_readv=310, process_vm_writev=311,
    iopl=172, ioperm=173, fanotify_init=300, quotactl=179, acct=163, syslog=103,
    settimeofday=164, lookup_dcookie=212, landlock_create_ruleset=444, kcmp=312, memfd_secret=447),
  "aarch64": dict(bpf=280, userfaultfd=282, io_uring_setup=425, keyctl=219, add_key=217,
    perf_event_open=241, kexec_load=104, init_module=105, finit_module=273, open_by_handle_at=265,
    fsopen=430, open_tree=428, move_mount=429, mount_setattr=442, pivot_root=41, swapon=224,
    setns=268, unshare=97, clone3=435, fanotify_init=262, quotactl=60, acct=89, syslog=116,
    settimeofday=170, lookup_dcookie=18)}.get(platform.machine(), {})
def call(name, *arguments):
    if name not in numbers: return
    words = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    done = libc.syscall(ctypes.c_long(numbers[name]), *words)
    if done >= 0: print(name, "was allowed")
    elif ctypes.get_errno() not in (1, 38): print(name, os.strerror(ctypes.get_errno()))
room = ctypes.create_string_buffer(256)
NEWUSER, NEWNS, NEWNET = 0x10000000, 0x00020000, 0x40000000
call("bpf", 0, room, 72)
call("userfaultfd", 0)
call("io_uring_setup", 4, room)
call("keyctl", 0, -3, 1)
call("add_key", b"user", b"x", b"y", 1, -3)
call("perf_event_open", room, 0, -1, -1, 0)
for name in ("kexec_load", "init_module", "finit_module", "swapon", "acct", "quotactl",
             "settimeofday", "lookup_dcookie", "fanotify_init", "pivot_root", "mount_setattr",
             "move_mount", "iopl", "ioperm"):
    call(name, 3, room, 0, 0, 0)
call("open_by_handle_at", -100, room, 0)
call("fsopen", b"tmpfs", 0)
call("open_tree", -100, b"/", 1)
call("setns", 0, 0)
call("syslog", 3, room, 256)
for flags in (NEWUSER, NEWNS, NEWNET, NEWUSER | NEWNS):
    call("unshare", flags)
ctypes.memmove(room, (NEWUSER).to_bytes(8, "little") + bytes(56) , 64)
call("clone3", room, 64)
ends = {"AF_VSOCK": 40, "AF_ALG": 38}
import socket
for name, family in ends.items():
    try: socket.socket(family, socket.SOCK_STREAM if family == 40 else socket.SOCK_SEQPACKET); print(name, "was allowed")
    except OSError: pass
print("done")
"#;

#[test]
fn calls_to_the_kernel_are_few() {
    let Some(f) = fixture(|_| {}) else { return };
    let server = f.create("caller");
    if f.inside(&server, "command -v python3 || true").is_empty() {
        eprintln!("not tried: this system has no python3");
        return;
    }
    let told = f.inside(&server, &format!("python3 - <<'PROGRAM'\n{CALLS}\nPROGRAM"));
    assert_eq!(told, "done");
}

/// A datagram in somebody else's name, by the raw socket that `ping` needs; and one in its own.
const FORGED: &str = r#"
import socket, struct, sys
def send(source, to, port, text):
    udp = struct.pack("!HHHH", 4000, port, 8 + len(text), 0) + text
    head = struct.pack("!BBHHHBBH4s4s", 69, 0, 20 + len(udp), 1, 0, 64, 17, 0,
        socket.inet_aton(source), socket.inet_aton(to))
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    raw.sendto(head + udp, (to, 0))
own, forged, to, port = sys.argv[1:]
send(forged, to, int(port), b"forged")
send(own, to, int(port), b"honest")
"#;

#[test]
fn packets_in_others_names_go_nowhere() {
    let Some(f) = fixture(|settings| settings.between_servers = true) else { return };
    let (liar, victim, third) = (f.create("liar"), f.create("victim"), f.create("third"));
    if f.inside(&liar, "command -v python3 || true").is_empty() {
        eprintln!("not tried: this system has no python3");
        return;
    }
    let hear = "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); \
                s.bind(('', 5000)); s.settimeout(20); print(s.recvfrom(99)[0].decode())";
    f.inside(&victim, &format!("nohup python3 -c \"{hear}\" > /tmp/heard 2>&1 < /dev/null &"));
    f.inside(&victim, "until grep -q ' 00000000:1388 ' /proc/net/udp; do sleep 0.05; done");
    let at = |server| place(server).0;
    f.inside(
        &liar,
        &format!(
            "python3 - {} {} {} 5000 <<'PROGRAM'\n{FORGED}\nPROGRAM",
            at(&liar),
            at(&third),
            at(&victim)
        ),
    );
    // The first that came through is the second that was sent.
    let heard = f.inside(&victim, "until [ -s /tmp/heard ]; do sleep 0.05; done; cat /tmp/heard");
    assert_eq!(heard, "honest");
}

/// What root of the server is on the machine.
fn outside_uid(f: &crate::fixture::Fixture, server: &cloud::model::Server) -> u32 {
    let map = f.inside(server, "cat /proc/self/uid_map");
    map.split_whitespace().nth(1).unwrap().parse().unwrap()
}
