//! Clients that are slow, silent or malicious, and many of both kinds.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use keys::agent::{Request, Response};
use keys::{KeyKind, PrivateKey};
use net::agent::AgentClient;

use crate::Agent;

/// Far less than anyone here would keep the agent waiting; test machines are slow.
const PATIENCE: Duration = Duration::from_secs(15);

/// Whoever behaves is answered at once.
fn assert_alive(agent: &Agent) {
    let before = Instant::now();
    agent.client().identities().expect("listed");
    assert!(before.elapsed() < PATIENCE, "{:?}", before.elapsed());
}

fn connect(agent: &Agent) -> UnixStream {
    let stream = UnixStream::connect(agent.socket()).expect("connect");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("timeout");
    stream
}

#[test]
fn nonsense_is_cut_off() {
    let agent = Agent::start();
    let lengths: [&[u8]; 3] = [&[0x10, 0, 0, 0], &[0, 0, 0, 0], &[0xff; 4]];
    for length in lengths {
        let mut stream = connect(&agent);
        stream.write_all(length).expect("write");
        assert_eq!(stream.read(&mut [0; 16]).expect("closed"), 0, "{length:?}");
    }
    // A message that makes no sense inside is answered, and the connection goes on.
    let mut stream = connect(&agent);
    for message in [&[0, 0, 0, 1, 99][..], &[0, 0, 0, 6, 17, 0, 0, 0, 1, 65], &[0, 0, 0, 1, 1]] {
        stream.write_all(message).expect("write");
        let mut answer = [0; 5];
        stream.read_exact(&mut answer).expect("an answer");
        assert_eq!(answer, [0, 0, 0, 1, 5]);
    }
    assert_alive(&agent);
}

#[test]
fn a_thousand_clients_that_do_nothing_or_half_of_it() {
    let agent = Agent::start();
    let mut held = Vec::new();
    for number in 0..1000_u32 {
        let mut stream = connect(&agent);
        match number % 4 {
            0 => {}
            1 => stream.write_all(&[0, 0]).expect("write"),
            2 => stream.write_all(&[0, 4, 0, 0, 13, 1, 2, 3]).expect("write"),
            _ => stream.write_all(&[0, 0, 0, 1, 11]).expect("write"),
        }
        held.push(stream);
    }
    assert_alive(&agent);
    for stream in held.iter_mut().skip(3).step_by(4) {
        let mut answer = [0; 9];
        stream.read_exact(&mut answer).expect("an answer");
        assert_eq!(answer, [0, 0, 0, 5, 12, 0, 0, 0, 0]);
    }
    // The half ones can go on.
    let Some(stream) = held.get_mut(1) else { panic!("no client") };
    stream.write_all(&[0, 1, 11]).expect("write");
    stream.read_exact(&mut [0; 9]).expect("an answer");
}

#[test]
fn half_messages_do_not_fill_its_memory() {
    let agent = Agent::start();
    let mut message = vec![0; 250 * 1024];
    message[..5].copy_from_slice(&[0, 4, 0, 0, 13]);
    let mut held = Vec::new();
    for _ in 0..400 {
        let mut stream = connect(&agent);
        // It may be let go while it writes.
        let _ = stream.write_all(&message);
        held.push(stream);
    }
    assert_alive(&agent);
    let status = std::fs::read_to_string(format!("/proc/{}/status", agent.process.id()));
    if let Ok(status) = status {
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("VmRSS");
        let kilobytes: u64 = line.split_whitespace().nth(1).expect("a number").parse().expect("kB");
        assert!(kilobytes < 200 * 1024, "{line}");
    }
}

#[test]
fn ten_thousand_keys_and_a_client_that_does_not_read() {
    let agent = Agent::start();
    let mut client = agent.client();
    let mut last = None;
    for number in 0..10_000 {
        let key =
            PrivateKey::generate(KeyKind::Ed25519, None, &format!("key {number}")).expect("key");
        last = Some(key.public().clone());
        let request = Request::AddIdentity { key: Box::new(key), constraints: Vec::new() };
        client.perform(&request).expect("added");
    }
    let list = client.identities().expect("listed");
    assert_eq!(list.len(), 10_000);
    assert_eq!(list.last().map(|(key, _)| key), last.as_ref());
    let mut deaf: Vec<UnixStream> = (0..100).map(|_| connect(&agent)).collect();
    for stream in &mut deaf {
        for _ in 0..20 {
            // As much as the socket takes: nothing is read meanwhile.
            stream.set_nonblocking(true).expect("nonblocking");
            let _ = stream.write_all(&[0, 0, 0, 1, 11]);
        }
    }
    let before = Instant::now();
    let key = last.expect("a key");
    client.sign(&key, b"data", 0).expect("signed");
    assert!(before.elapsed() < PATIENCE, "{:?}", before.elapsed());
    assert!(matches!(client.perform(&Request::RemoveAllIdentities), Ok(Response::Success)));
    let mut other =
        AgentClient::connect(&agent.socket(), Duration::from_secs(20)).expect("connect");
    assert!(other.identities().expect("listed").is_empty());
}
