//! Peers that mean no good. The listener serves others meanwhile, and memory stays bounded.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use super::Test;
use super::load::{assert_clean, descendants, descriptors, memory};
use super::support::{Server, connect, outcome, wait_until};

pub const TESTS: &[Test] = &[
    ("half_open_connections", half_open_connections),
    ("slow_idents", slow_idents),
    ("long_idents", long_idents),
    ("noise_after_kexinit", noise_after_kexinit),
    ("never_reads", never_reads),
    ("floods_of_requests", floods_of_requests),
    ("floods_of_variables", floods_of_variables),
    ("large_commands", large_commands),
    ("comes_and_goes", comes_and_goes),
];

/// How long each attack lasts; `KEYWAY_TEST_ATTACK_SECONDS` says otherwise.
fn attack_time() -> Duration {
    let asked = std::env::var("KEYWAY_TEST_ATTACK_SECONDS").ok();
    Duration::from_secs(asked.and_then(|number| number.parse().ok()).unwrap_or(4))
}

fn server() -> Server {
    Server::start("MaxStartups 100:100:100\nLoginGraceTime 60\nLogLevel INFO")
}

/// What all processes of the server have to themselves, in KiB.
fn together(server: &Server) -> u64 {
    memory(server.pid()) + descendants(server.pid()).into_iter().map(memory).sum::<u64>()
}

/// The largest gate or monitor must stay below this, in KiB, in a debug build.
const PROCESS_KIB: u64 = 8 * 1024;

#[track_caller]
fn assert_small(server: &Server) {
    for pid in descendants(server.pid()) {
        let used = memory(pid);
        assert!(used < PROCESS_KIB, "process {pid} has {used} KiB");
    }
}

#[track_caller]
fn assert_serves(server: &Server) {
    let begun = Instant::now();
    let seen = server.login("echo served");
    assert_eq!(seen.out, "served\n", "{}", seen.err);
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
}

fn half_open_connections() {
    let server = server();
    let before = descriptors(server.pid());
    let held: Vec<TcpStream> = (0..80).map(|_| connect(server.folder.port)).collect();
    for stream in &held[..40] {
        stream.shutdown(Shutdown::Write).unwrap();
    }
    assert_serves(&server);
    assert_small(&server);
    println!("  {} KiB for 80 of them", together(&server));
    drop(held);
    assert_clean(&server, before);
}

fn slow_idents() {
    // One byte at a time, and never the last one.
    let folder = super::support::Folder::new();
    folder.configure("MaxStartups 100:100:100\nLoginGraceTime 5");
    let server = Server::start_in(folder, &[], &[]);
    let before = descriptors(server.pid());
    let mut held: Vec<TcpStream> = (0..30).map(|_| connect(server.folder.port)).collect();
    let begun = Instant::now();
    let (mut served, mut sent) = (false, 0);
    while begun.elapsed() < Duration::from_secs(7) {
        for stream in &mut held {
            let at = sent.min(8);
            let _ = stream.write_all(&b"SSH-2.0-s"[at..=at]);
        }
        sent += 1;
        std::thread::sleep(Duration::from_millis(100));
        if !served {
            assert_serves(&server);
            served = true;
        }
    }
    // Time is up for them all the same.
    server.folder.wait_for("Timeout before authentication for connection from");
    assert_clean(&server, before);
}

fn long_idents() {
    let server = server();
    let before = descriptors(server.pid());
    let line = vec![b'A'; 100_000];
    for start in ["", "SSH-2.0-", "SSH-1.5-", "\r\n\r\n", "\0\0"] {
        let mut stream = connect(server.folder.port);
        let _ = stream.write_all(start.as_bytes());
        let _ = stream.write_all(&line);
        let _ = stream.write_all(b"\r\n");
        let begun = Instant::now();
        let _ = stream.read_to_end(&mut Vec::new());
        assert!(begun.elapsed() < Duration::from_secs(10), "{start:?}");
    }
    // Lines before the ident, without an end.
    let mut stream = connect(server.folder.port);
    let lines = b"a line before the ident\r\n".repeat(4096);
    let ended = (0..200).any(|_| stream.write_all(&lines).is_err());
    assert!(ended, "twenty megabytes of lines were taken");
    assert_serves(&server);
    assert_clean(&server, before);
}

/// Random enough, and the same every time.
struct Noise(u64);

impl Noise {
    fn fill(&mut self, room: &mut [u8]) {
        for byte in room {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040);
            *byte = (self.0 >> 56) as u8;
        }
    }
}

/// A packet without encryption. RFC 4253 §6.
fn packet(payload: &[u8]) -> Vec<u8> {
    let padding = 8 - (payload.len() + 5) % 8 + 8;
    let mut bytes = ((payload.len() + padding + 1) as u32).to_be_bytes().to_vec();
    bytes.push(padding as u8);
    bytes.extend_from_slice(payload);
    bytes.resize(bytes.len() + padding, 0);
    bytes
}

/// A KEXINIT that the server agrees with. RFC 4253 §7.1.
fn kexinit() -> Vec<u8> {
    let mut payload = vec![20];
    payload.extend([7; 16]);
    for list in [
        "curve25519-sha256",
        "ssh-ed25519",
        "aes128-ctr",
        "aes128-ctr",
        "hmac-sha2-256",
        "hmac-sha2-256",
        "none",
        "none",
        "",
        "",
    ] {
        payload.extend((list.len() as u32).to_be_bytes());
        payload.extend(list.bytes());
    }
    payload.extend([0; 5]);
    payload
}

fn noise_after_kexinit() {
    let server = server();
    let before = descriptors(server.pid());
    let mut noise = Noise(4711);
    let begun = Instant::now();
    let mut tries = 0;
    while begun.elapsed() < attack_time() {
        let mut stream = connect(server.folder.port);
        let mut bytes = b"SSH-2.0-noise\r\n".to_vec();
        bytes.extend(packet(&kexinit()));
        let mut room = vec![0; 1 << (tries % 16)];
        noise.fill(&mut room);
        match tries % 4 {
            // Plain noise: lengths that cannot be.
            0 => bytes.extend(&room),
            // Well formed packets of noise, of the numbers of the key exchange.
            1 => {
                room.truncate(30_000);
                room.insert(0, 30);
                bytes.extend(packet(&room));
            }
            // Any numbers at all.
            2 => {
                for chunk in room.chunks(16).take(500) {
                    bytes.extend(packet(chunk));
                }
            }
            // A huge packet that never ends.
            _ => {
                bytes.extend(35_000u32.to_be_bytes());
                bytes.extend(&room);
            }
        }
        let _ = stream.write_all(&bytes);
        let _ = stream.shutdown(Shutdown::Write);
        let _ = stream.read_to_end(&mut Vec::new());
        tries += 1;
    }
    println!("  {tries} tries");
    assert_serves(&server);
    assert!(!server.folder.log().contains("by signal"), "{}", server.folder.log());
    assert_clean(&server, before);
}

fn never_reads() {
    // Asks for much and takes nothing: neither the key exchange nor the output of a command.
    let server = server();
    let before = descriptors(server.pid());
    let target = server.folder.target();
    let mut ssh = server.folder.ssh(&[&target, "cat /dev/zero"]);
    let child = ssh.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let reader = super::support::Running::of(child);
    let mut mute: Vec<TcpStream> = (0..10).map(|_| connect(server.folder.port)).collect();
    for stream in &mut mute {
        stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
        let _ = stream.write_all(b"SSH-2.0-mute\r\n");
        let _ = stream.write_all(&packet(&kexinit()));
        // Every one of these wants an answer: SSH_MSG_UNIMPLEMENTED, or an end.
        for _ in 0..2000 {
            if stream.write_all(&packet(&[199, 0, 0, 0])).is_err() {
                break;
            }
        }
    }
    std::thread::sleep(attack_time());
    assert_small(&server);
    assert_serves(&server);
    drop(mute);
    drop(reader);
    assert_clean(&server, before);
}

fn floods_of_requests() {
    // Pings and ignored packets in the key exchange, as fast as they go.
    let server = server();
    let before = descriptors(server.pid());
    for number in [2u8, 4, 192] {
        let mut stream = connect(server.folder.port);
        stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
        let _ = stream.write_all(b"SSH-2.0-flood\r\n");
        let mut payload = vec![number];
        payload.extend(1000u32.to_be_bytes());
        payload.extend([b'x'; 1000]);
        let many = packet(&payload).repeat(64);
        let begun = Instant::now();
        while begun.elapsed() < attack_time() && stream.write_all(&many).is_ok() {}
        assert_small(&server);
    }
    assert_serves(&server);
    assert_clean(&server, before);
}

fn floods_of_variables() {
    // All of them are on their way before the first is looked at.
    let server = Server::start("AcceptEnv KW*");
    let all: Vec<String> = (0..6000).map(|number| format!("KW{number}=x")).collect();
    let option = format!("SetEnv={}", all.join(" "));
    let seen = server.login_with(&["-o", &option], "env | grep -c ^KW");
    assert_eq!(seen.out, "256\n", "{}", seen.err);
}

fn large_commands() {
    let server = Server::start("");
    let words = "x".repeat(80_000);
    let target = server.folder.target();
    let seen = outcome(server.folder.ssh(&[&target, "echo in;", "#", &words]));
    assert_eq!(seen.out, "in\n", "{}", seen.err);
    let seen = outcome(server.folder.ssh(&[&target, "echo in;", "#", &words, &words]));
    assert!(seen.err.contains("exec request failed on channel 0"), "{}", seen.err);
}

fn comes_and_goes() {
    // Connections that are gone before anybody looks.
    let server = server();
    let before = descriptors(server.pid());
    let begun = Instant::now();
    let mut count = 0;
    while begun.elapsed() < attack_time() {
        let Ok(stream) = TcpStream::connect(("127.0.0.1", server.folder.port)) else { continue };
        if count % 2 == 0 {
            // A reset in place of an end.
            let _ = rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO));
        }
        drop(stream);
        count += 1;
    }
    println!("  {count} connections");
    wait_until("an end of it", || descendants(server.pid()).len() < 20);
    assert_serves(&server);
    assert_clean(&server, before);
    let used = memory(server.pid());
    assert!(used < PROCESS_KIB, "the listener has {used} KiB");
}
