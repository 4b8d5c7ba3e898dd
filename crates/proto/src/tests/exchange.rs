//! Key exchanges: every algorithm, rekeys under load, guesses, strictness.

use std::time::Duration;

use keys::KeyKind;

use super::*;
use crate::channel::request::ChannelRequest;

fn transfer(pair: Pair) -> Pair {
    let mut pair = pair.log_in();
    let channel = pair.open();
    pair.client.request(channel, ChannelRequest::Exec { command: b"cat".to_vec() }, true).unwrap();
    let data: Vec<u8> = (0..300_000u32).map(|i| (i / 3) as u8).collect();
    for part in data.chunks(20_000) {
        pair.send_all(channel, part);
    }
    assert_eq!(pair.server_seen.data, data);
    pair
}

#[test]
fn every_key_exchange() {
    for entry in crypto::tables::KEY_EXCHANGES {
        let (mut client, mut server) = (Config::client(), Config::server());
        client.kex_algorithms = vec![entry.name.to_owned()];
        server.kex_algorithms = client.kex_algorithms.clone();
        let pair = Pair::with(client, server).log_in();
        assert_eq!(pair.client.negotiated().unwrap().kex, entry.name);
        assert_eq!(pair.client.session_id(), pair.server.session_id());
    }
}

#[test]
fn every_cipher_with_every_mac() {
    for cipher in crypto::tables::CIPHERS {
        for mac in crypto::tables::MACS {
            let (mut client, server) = (Config::client(), Config::server());
            client.ciphers = vec![cipher.algorithm.name.to_owned()];
            client.macs = vec![mac.algorithm.name.to_owned()];
            let mut server = Config { ciphers: client.ciphers.clone(), ..server };
            server.macs.clone_from(&client.macs);
            let pair = transfer(Pair::with(client, server));
            let names = pair.server.negotiated().unwrap();
            assert_eq!(names.client_to_server.cipher, cipher.algorithm.name);
            let expected = (!cipher.algorithm.is_aead()).then(|| mac.algorithm.name.to_owned());
            assert_eq!(names.client_to_server.mac, expected);
            if cipher.algorithm.is_aead() {
                break;
            }
        }
    }
}

#[test]
fn every_host_key() {
    for (kind, bits) in [
        (KeyKind::Ed25519, None),
        (KeyKind::Ecdsa, Some(256)),
        (KeyKind::Ecdsa, Some(384)),
        (KeyKind::Ecdsa, Some(521)),
        (KeyKind::Rsa, Some(2048)),
    ] {
        let host_key = key_of(kind, bits);
        let pair = Pair::with_host_key(Config::client(), Config::server(), host_key).log_in();
        assert!(pair.client.host_key().is_some());
    }
}

#[test]
fn compression_begins_after_authentication() {
    let client = Config { compression: crate::Compression::Yes, ..Config::client() };
    let pair = transfer(Pair::with(client, Config::server()));
    assert_eq!(pair.client.negotiated().unwrap().client_to_server.compression, "zlib@openssh.com");
    assert!(pair.client.statistics().sent_bytes < 100_000);
}

#[test]
fn rekeys_by_bytes_from_either_side_lose_nothing() {
    // What is compressed is also what is counted.
    let limits = [(crate::Compression::No, 30_000), (crate::Compression::Yes, 500)];
    for (compression, bytes) in limits {
        let client = Config { rekey_bytes: Some(bytes), compression, ..Config::client() };
        let pair = transfer(Pair::with(client, Config::server()));
        assert!(pair.client.statistics().key_exchanges > 3);
        let client = Config { compression, ..Config::client() };
        let server = Config { rekey_bytes: Some(bytes), ..Config::server() };
        let pair = transfer(Pair::with(client, server));
        assert!(pair.server.statistics().key_exchanges > 3);
    }
}

#[test]
fn rekeys_in_both_directions_at_once() {
    let client = Config { rekey_bytes: Some(40_000), ..Config::client() };
    let server = Config { rekey_bytes: Some(35_000), ..Config::server() };
    let mut pair = Pair::with(client, server).log_in();
    let channel = pair.open();
    let block = [0x5a; 10_000];
    let (mut sent_by_client, mut sent_by_server) = (0, 0);
    for _ in 0..50 {
        for _ in 0..3 {
            let fill = |room: &mut [u8]| {
                let length = room.len().min(block.len());
                room[..length].copy_from_slice(&block[..length]);
                Ok::<_, ()>(length)
            };
            sent_by_client += pair.client.send(channel, Stream::Data, fill).unwrap().unwrap();
            sent_by_server +=
                pair.server.send(ChannelId(0), Stream::Stderr, fill).unwrap().unwrap();
        }
        pair.run();
    }
    assert!(sent_by_client >= 500_000 && sent_by_server >= 500_000);
    assert_eq!(pair.server_seen.data.len(), sent_by_client);
    assert_eq!(pair.client_seen.stderr.len(), sent_by_server);
    assert!(pair.client.statistics().key_exchanges > 10);
}

#[test]
fn rekeys_by_time() {
    let client = Config { rekey_after: Some(Duration::from_secs(60)), ..Config::client() };
    let mut pair = Pair::with(client, Config::server()).log_in();
    pair.pass(Duration::from_secs(59));
    assert_eq!(pair.server.statistics().key_exchanges, 1);
    pair.pass(Duration::from_secs(2));
    assert_eq!(pair.server.statistics().key_exchanges, 2);
    assert!(pair.client.poll_timeout().is_some());
}

/// A rekey of ours in the middle of a login would meet servers that take none there.
#[test]
fn nothing_is_rekeyed_before_the_login() {
    let client = Config {
        rekey_bytes: Some(1),
        rekey_after: Some(Duration::from_secs(1)),
        ..Config::client()
    };
    let server = Config { rekey_bytes: Some(1), ..Config::server() };
    let mut pair = Pair::with(client, server);
    let password = "wrong".to_owned().into();
    pair.attempts.push_back(AuthAttempt::Password { password, new_password: None });
    pair.run();
    pair.pass(Duration::from_secs(5));
    assert_eq!(pair.client.statistics().key_exchanges, 1);
    assert_eq!(pair.server.statistics().key_exchanges, 1);
    let key = pair.user_key.public().clone();
    let algorithm = key.algorithm().to_owned();
    pair.client.authenticate("user", AuthAttempt::PublicKey { algorithm, key }).unwrap();
    pair.run();
    assert!(pair.client.is_authenticated());
    pair.pass(Duration::from_secs(5));
    assert!(pair.client.statistics().key_exchanges > 1);
}

#[test]
fn a_right_guess_saves_a_round_trip_and_a_wrong_one_costs_nothing() {
    for (right, first) in [(true, "curve25519-sha256"), (false, "ecdh-sha2-nistp256")] {
        let mut client = Config { guess_kex: true, ..Config::client() };
        client.kex_algorithms =
            vec!["curve25519-sha256".to_owned(), "ecdh-sha2-nistp256".to_owned()];
        client.host_key_algorithms = vec!["ssh-ed25519".to_owned()];
        let mut server = Config::server();
        server.kex_algorithms = vec![first.to_owned(), "curve25519-sha256".to_owned()];
        let mut pair = Pair::with(client, server);
        let first_flight = take(&mut pair.client);
        give(&mut pair.server, &first_flight);
        pair.handle_server_events();
        assert_eq!(pair.server_seen.log.contains(&"SignExchange".to_owned()), right);
        let pair = pair.log_in();
        assert_eq!(pair.client.negotiated().unwrap().kex, "curve25519-sha256");
    }
}

#[test]
fn strict_key_exchange_is_agreed_on() {
    let pair = Pair::authenticated();
    assert!(pair.client.negotiated().unwrap().strict && pair.server.negotiated().unwrap().strict);
    assert!(pair.client.server_sig_algs().unwrap().contains("rsa-sha2-512"));
    assert!(pair.server.supports("ext-info-in-auth@openssh.com"));
}

#[test]
fn host_keys_are_told_and_proved() {
    let mut pair = Pair::authenticated();
    pair.server.advertise_host_keys().unwrap();
    pair.run();
    assert!(pair.server_seen.log.contains(&"SignProof".to_owned()));
    assert!(pair.client_seen.log.contains(&"HostKeysProved".to_owned()));
}

#[test]
fn idle_connections_hold_no_buffers() {
    let mut pair = Pair::authenticated();
    pair.client.release_buffers();
    pair.server.release_buffers();
    let channel = pair.open();
    pair.send_all(channel, b"and still work");
    assert_eq!(pair.server_seen.data, b"and still work");
}
