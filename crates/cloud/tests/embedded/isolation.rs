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
    let (uid, other_uid) = (outside_uid(&f, &server), outside_uid(&f, &other));
    assert_ne!(uid, other_uid);
    assert!(uid >= 200_000 && other_uid >= 200_000);
}

/// What root of the server is on the machine.
fn outside_uid(f: &crate::fixture::Fixture, server: &cloud::model::Server) -> u32 {
    let map = f.inside(server, "cat /proc/self/uid_map");
    map.split_whitespace().nth(1).unwrap().parse().unwrap()
}
