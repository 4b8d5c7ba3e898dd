//! What the engine itself costs: both ends in memory, without a system call.
//!
//! `cargo bench -p keyway-proto` prints seconds per GiB for each cipher; the
//! cipher's own work, both ways, stands beside it.

#![expect(
    clippy::expect_used,
    clippy::cast_precision_loss,
    reason = "a program that only measures"
)]

use std::time::Instant;

use keys::{KeyKind, PrivateKey};
use keyway_proto::{
    AuthAnswer, AuthAttempt, ChannelOpen, ClientConnection, Config, Event, ServerConnection, Stream,
};

const BYTES: u64 = 4 << 30;

fn main() {
    println!("| cipher | engine s/GiB | cipher alone s/GiB |\n| --- | --- | --- |");
    for cipher in ["aes128-gcm@openssh.com", "chacha20-poly1305@openssh.com"] {
        let engine = (0..3).map(|_| engine_seconds(cipher)).fold(f64::MAX, f64::min);
        println!("| {cipher} | {engine:.3} | {:.3} |", cipher_seconds(cipher));
    }
}

fn engine_seconds(cipher: &str) -> f64 {
    let now = Instant::now();
    let host_key = PrivateKey::generate(KeyKind::Ed25519, None, "").expect("a key");
    let config = Config { ciphers: vec![cipher.to_owned()], ..Config::client() };
    let mut client = ClientConnection::new(config, now).expect("a client");
    let keys = vec![host_key.public().clone()];
    let mut server = ServerConnection::new(Config::server(), keys, now).expect("a server");
    let mut channel = None;
    let mut received = 0u64;
    let start = Instant::now();
    while received < BYTES {
        let mut opened = false;
        while let Some(event) = client.poll_event(now) {
            match event {
                Event::CheckHostKey(ask) => client.answer_host_key(ask, true).expect("an answer"),
                Event::Ready => client.authenticate("user", AuthAttempt::None).expect("a request"),
                Event::Authenticated => opened = true,
                Event::Ended(error) => panic!("{error}"),
                _ => {}
            }
        }
        if opened {
            channel = Some(client.open_channel(ChannelOpen::Session).expect("a channel"));
        }
        if let Some(channel) = channel {
            while client.room(channel) > 0 {
                let fill = |slots: &mut [std::io::IoSliceMut<'_>]| {
                    Ok::<_, ()>(slots.iter().map(|slot| slot.len()).sum())
                };
                let sent = client.send_vectored(channel, Stream::Data, fill);
                sent.expect("a channel that is open").expect("bytes");
            }
        }
        deliver_to_server(&mut client, &mut server, &host_key, &mut received);
        let bytes = server.poll_transmit();
        let room = client.input_room();
        let length = bytes.len().min(room.len());
        room[..length].copy_from_slice(&bytes[..length]);
        client.handle_input(length);
        server.transmitted(length);
    }
    start.elapsed().as_secs_f64() / (received as f64 / (1u64 << 30) as f64)
}

fn deliver_to_server(
    client: &mut ClientConnection,
    server: &mut ServerConnection,
    host_key: &PrivateKey,
    received: &mut u64,
) {
    let now = Instant::now();
    loop {
        let bytes = client.poll_transmit();
        let room = server.input_room();
        let length = bytes.len().min(room.len());
        room[..length].copy_from_slice(&bytes[..length]);
        server.handle_input(length);
        client.transmitted(length);
        while let Some(event) = server.poll_event(now) {
            match event {
                Event::SignExchange(ask) => {
                    let signature =
                        host_key.sign(ask.algorithm(), ask.data()).expect("a signature");
                    server.answer_sign(ask, Some(signature)).expect("an answer");
                }
                Event::Authenticate(_) => {
                    server.answer_auth(AuthAnswer::Accept).expect("an answer");
                }
                Event::ChannelAsked(ask) => {
                    server.accept_channel(ask).expect("a channel");
                }
                Event::Data { channel, data, .. } => {
                    let length = data.len();
                    *received += length as u64;
                    server.consumed(channel, length).expect("a window");
                }
                Event::Ended(error) => panic!("{error}"),
                _ => {}
            }
        }
        if length == 0 {
            return;
        }
    }
}

/// Sealing and opening packets of the same size, and the copy between.
fn cipher_seconds(name: &str) -> f64 {
    let algorithm = crypto::tables::cipher(name).expect("a cipher");
    let (key, iv) = (vec![1; algorithm.key_len], vec![2; algorithm.iv_len]);
    let keys = crypto::cipher::Keys { key: &key, iv: &iv, mac_key: &[] };
    let mut sealer = algorithm.sealer(None, &keys).expect("a sealer");
    let mut opener = algorithm.opener(None, &keys).expect("an opener");
    let mut packet = vec![0; 4 + 32_784 + algorithm.tag_len];
    packet[..4].copy_from_slice(&32_784u32.to_be_bytes());
    let start = Instant::now();
    let packets = (1u64 << 30) / 32_768;
    for number in 0..packets as u32 {
        sealer.seal(number, &mut packet).expect("sealed");
        opener.open_length(number, &mut packet[..4]).expect("a length");
        opener.open(number, &mut packet).expect("opened");
        packet[..4].copy_from_slice(&32_784u32.to_be_bytes());
    }
    start.elapsed().as_secs_f64()
}
