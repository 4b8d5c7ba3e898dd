//! One test for each rule a remote can break.

use super::*;
use crate::error::Misbehaved;
use crate::message::connection as message;
use crate::message::request;
use crate::message::table;
use crate::message::transport;
use wire::Writer;

fn server_end(payload: &[u8]) -> Error {
    let (mut pair, _) = Pair::with_session();
    pair.inject(payload);
    let end = end_of(&pair.server_seen).clone();
    assert!(matches!(pair.client_seen.end, Some(Error::Disconnected { .. })), "no goodbye");
    end
}

fn data_of(channel: u32, length: usize) -> Vec<u8> {
    let mut payload = vec![table::CHANNEL_DATA];
    payload.put_u32(channel);
    payload.put_string(&vec![0; length]);
    payload
}

#[test]
fn window_exceeded() {
    let (mut pair, _) = Pair::with_session();
    pair.server_seen.hold_data = true;
    for _ in 0..=crate::limits::WINDOW_START_BYTES / 32768 {
        pair.inject(&data_of(0, 32768));
    }
    assert_eq!(end_of(&pair.server_seen), &Error::Misbehaved(Misbehaved::WindowExceeded));
}

#[test]
fn window_overflow() {
    let end = server_end(&message::encode_window_adjust(0, u32::MAX));
    assert_eq!(end, Error::Misbehaved(Misbehaved::WindowOverflow));
}

#[test]
fn channel_packet_too_large() {
    let end = server_end(&data_of(0, 32769));
    assert_eq!(end, Error::Misbehaved(Misbehaved::ChannelPacketTooLarge));
}

#[test]
fn unknown_channel() {
    for payload in [
        data_of(9, 1),
        message::encode_channel(table::CHANNEL_EOF, 9),
        message::encode_channel(table::CHANNEL_CLOSE, 9),
        message::encode_window_adjust(9, 1),
        request::encode_request(9, &ChannelRequest::Shell, true),
    ] {
        assert_eq!(server_end(&payload), Error::Misbehaved(Misbehaved::UnknownChannel(9)));
    }
}

#[test]
fn data_after_eof() {
    let (mut pair, channel) = Pair::with_session();
    pair.client.send_eof(channel).unwrap();
    pair.inject(&data_of(0, 1));
    assert_eq!(end_of(&pair.server_seen), &Error::Misbehaved(Misbehaved::DataAfterEof));
}

#[test]
fn answer_without_request() {
    for payload in
        [message::encode_channel(table::CHANNEL_SUCCESS, 0), vec![table::REQUEST_FAILURE]]
    {
        let end = server_end(&payload);
        assert_eq!(end, Error::Misbehaved(Misbehaved::AnswerWithoutRequest));
    }
}

#[test]
fn out_of_turn() {
    for payload in [
        transport::encode_service(table::SERVICE_ACCEPT, "ssh-userauth"),
        vec![table::USERAUTH_SUCCESS],
        vec![table::NEWKEYS],
        vec![table::KEX_ECDH_INIT, 0, 0, 0, 0],
        transport::encode_service(table::SERVICE_REQUEST, "ssh-userauth"),
    ] {
        let message = payload[0];
        assert_eq!(server_end(&payload), Error::Misbehaved(Misbehaved::OutOfTurn { message }));
    }
}

#[test]
fn malformed() {
    let mut payload = vec![table::CHANNEL_REQUEST];
    payload.put_u32(0);
    payload.put_u32(0xffff_ffff);
    let message = table::CHANNEL_REQUEST;
    let error = wire::Error::Truncated;
    assert_eq!(server_end(&payload), Error::Misbehaved(Misbehaved::Malformed { message, error }));
}

#[test]
fn unknown_messages_are_answered_as_such() {
    let (mut pair, channel) = Pair::with_session();
    pair.inject(&[77, 1, 2, 3]);
    pair.inject(&[255]);
    pair.send_all(channel, b"still here");
    assert_eq!(pair.server_seen.data, b"still here");
    assert!(pair.client_seen.end.is_none());
}

#[test]
fn unknown_service() {
    let mut pair = Pair::new();
    pair.run();
    pair.inject(&transport::encode_service(table::SERVICE_REQUEST, "ssh-nonsense"));
    let rule = Misbehaved::UnknownService("ssh-nonsense".to_owned());
    assert_eq!(end_of(&pair.server_seen), &Error::Misbehaved(rule));
}

#[test]
fn authentication_changed() {
    let mut pair = Pair::new();
    pair.run();
    pair.client.authenticate("user", AuthAttempt::None).unwrap();
    pair.run();
    pair.client.authenticate("root", AuthAttempt::None).unwrap();
    pair.run();
    assert_eq!(end_of(&pair.server_seen), &Error::Misbehaved(Misbehaved::AuthenticationChanged));
}

#[test]
fn channels_before_authentication_are_not_opened() {
    let mut pair = Pair::new();
    pair.run();
    let open = message::Open {
        kind: ChannelOpen::Session,
        sender_channel: 0,
        initial_window_size: 1,
        maximum_packet_size: 1,
    };
    pair.inject(&open.encode());
    assert!(!pair.server_seen.log.contains(&"ChannelAsked".to_owned()));
    assert!(!pair.server.is_authenticated());
}

#[test]
fn other_key() {
    let mut pair = Pair::new();
    pair.run();
    let key = pair.user_key.public().clone();
    let algorithm = key.algorithm().to_owned();
    let blob = key.blob().to_vec();
    pair.client.authenticate("user", AuthAttempt::PublicKeyQuery { algorithm, key }).unwrap();
    take(&mut pair.client);
    let accept = transport::encode_service(table::SERVICE_ACCEPT, "ssh-userauth");
    pair.server.send_now(&accept).unwrap();
    let answer = crate::message::userauth::encode_pk_ok("ssh-rsa", &blob);
    pair.server.send_now(&answer).unwrap();
    let bytes = take(&mut pair.server);
    give(&mut pair.client, &bytes);
    pair.handle_client_events();
    assert_eq!(end_of(&pair.client_seen), &Error::Misbehaved(Misbehaved::OtherKey));
}

#[test]
fn too_many_extensions() {
    let value = vec![b'x'; crate::limits::EXTENSION_BYTES];
    for (value, times) in [(&value[..], 1), (&b"0"[..], crate::limits::EXT_INFO_MESSAGES + 1)] {
        let mut pair = Pair::new();
        pair.run();
        for _ in 0..times {
            pair.inject(&transport::encode_ext_info(&[("a@b", value)]));
        }
        let end = end_of(&pair.server_seen);
        assert_eq!(end, &Error::Misbehaved(Misbehaved::TooManyExtensions));
    }
}

#[test]
fn too_many_requests() {
    let (mut pair, channel) = Pair::with_session();
    for _ in 0..=crate::limits::UNANSWERED_REQUESTS {
        pair.client.request(channel, ChannelRequest::Shell, true).unwrap();
    }
    let bytes = take(&mut pair.client);
    give(&mut pair.server, &bytes);
    while let Some(event) = pair.server.poll_event(pair.now) {
        if let Event::Ended(error) = event {
            pair.server_seen.end = Some(error);
        }
    }
    assert_eq!(end_of(&pair.server_seen), &Error::Misbehaved(Misbehaved::TooManyRequests));
}

/// Every bit of the first encrypted packets matters.
#[test]
fn corrupted_mac() {
    for cipher in ["aes128-gcm@openssh.com", "chacha20-poly1305@openssh.com", "aes256-ctr"] {
        for offset in [3, 4, 5, 20, 35] {
            let client = Config { ciphers: vec![cipher.to_owned()], ..Config::client() };
            let mut pair = Pair::with(client, Config::server()).log_in();
            let channel = pair.open();
            let mut done = false;
            pair.tamper = Some(Box::new(move |to_server, bytes| {
                if to_server && !std::mem::replace(&mut done, true) {
                    bytes[offset] ^= 1;
                }
            }));
            pair.send_all_until_ended(channel);
            let end = end_of(&pair.server_seen);
            let refused = matches!(
                end,
                Error::Misbehaved(Misbehaved::CorruptedMac | Misbehaved::PacketLength(_))
            );
            assert!(refused, "{cipher} {offset}: {end:?}");
        }
    }
}

impl Pair {
    fn send_all_until_ended(&mut self, channel: ChannelId) {
        let fill = |room: &mut [u8]| Ok::<_, ()>(room.len().min(1000));
        for _ in 0..100 {
            if self.server.is_ended() {
                return;
            }
            if self.client.send(channel, Stream::Data, fill).is_err() {
                return;
            }
            self.run();
        }
    }
}

#[test]
fn host_key_refused() {
    let mut pair = Pair::new();
    let signer = std::mem::replace(&mut pair.host_key, key(KeyKind::Ed25519));
    loop {
        pair.handle_client_events();
        while let Some(event) = pair.server.poll_event(pair.now) {
            if let Event::SignExchange(ask) = event {
                let signature = signer.sign(ask.algorithm(), ask.data()).unwrap();
                pair.server.answer_sign(ask, Some(signature)).unwrap();
            } else if let Event::Ended(error) = event {
                pair.server_seen.end = Some(error);
            }
        }
        let to_server = take(&mut pair.client);
        let to_client = take(&mut pair.server);
        if to_server.is_empty() && to_client.is_empty() {
            break;
        }
        give(&mut pair.server, &to_server);
        give(&mut pair.client, &to_client);
    }
    assert_eq!(pair.client_seen.end, Some(Error::HostKeyRefused));
    assert!(matches!(pair.server_seen.end, Some(Error::Disconnected { .. })));
}

#[test]
fn bad_host_key_signature() {
    let mut pair = Pair::new();
    // Signs with another key than the one it shows.
    let shown = pair.host_key.public().clone();
    pair.host_key = key(KeyKind::Ed25519);
    assert_ne!(&shown, pair.host_key.public());
    pair.run();
    assert_eq!(pair.client_seen.end, Some(Error::Misbehaved(Misbehaved::BadHostKeySignature)));
}

#[test]
fn no_host_key_signature() {
    let mut pair = Pair::new();
    let bytes = take(&mut pair.client);
    give(&mut pair.server, &bytes);
    let bytes = take(&mut pair.server);
    give(&mut pair.client, &bytes);
    pair.handle_client_events();
    let bytes = take(&mut pair.client);
    give(&mut pair.server, &bytes);
    while let Some(event) = pair.server.poll_event(pair.now) {
        match event {
            Event::SignExchange(ask) => pair.server.answer_sign(ask, None).unwrap(),
            Event::Ended(error) => pair.server_seen.end = Some(error),
            _ => {}
        }
    }
    assert_eq!(end_of(&pair.server_seen), &Error::NoHostKeySignature);
}

#[test]
fn incompatible() {
    let client = Config { kex_algorithms: vec!["ecdh-sha2-nistp384".into()], ..Config::client() };
    let server = Config { kex_algorithms: vec!["ecdh-sha2-nistp256".into()], ..Config::server() };
    let mut pair = Pair::with(client, server);
    pair.run();
    assert!(matches!(end_of(&pair.server_seen), Error::Incompatible(_)));
    assert!(matches!(end_of(&pair.client_seen), Error::Incompatible(_)));
}

#[test]
fn misuse_is_told_to_the_caller() {
    let now = Instant::now();
    let unknown = Config { ciphers: vec!["rot13".to_owned()], ..Config::client() };
    assert!(matches!(ClientConnection::new(unknown, now), Err(Error::Misuse(_))));
    let empty = Config { macs: Vec::new(), ..Config::client() };
    assert!(matches!(ClientConnection::new(empty, now), Err(Error::Misuse(_))));
    assert!(matches!(
        ServerConnection::new(Config::server(), Vec::new(), now),
        Err(Error::Misuse(_))
    ));
    let mut pair = Pair::authenticated();
    assert!(pair.client.close(ChannelId(7)).is_err());
    assert!(pair.client.answer_info(Vec::new()).is_err());
}

/// RFC 4253 §4.2 and strict key exchange, before any key.
mod before_keys {
    use super::*;

    fn server_end(bytes: &[u8]) -> Error {
        let mut pair = Pair::new();
        let mut rest = bytes;
        while !rest.is_empty() {
            let taken = give(&mut pair.server, rest);
            if taken == 0 {
                break;
            }
            rest = &rest[taken..];
            pair.handle_server_events();
        }
        pair.server.handle_end_of_input();
        pair.handle_server_events();
        end_of(&pair.server_seen).clone()
    }

    fn clear_packets(payloads: &[&[u8]]) -> Vec<u8> {
        let mut output = crate::transport::buffer::Output::default();
        let mut sender = crate::transport::packet::Sender::clear();
        for payload in payloads {
            sender.append(&mut output, payload).unwrap();
        }
        [b"SSH-2.0-test\r\n", output.pending()].concat()
    }

    fn strict_kexinit() -> Vec<u8> {
        let mut proposal = Config::client().proposal(crate::role::Side::Client);
        proposal.kex_algorithms.push("kex-strict-c-v00@openssh.com".to_owned());
        proposal.encode([0; 16])
    }

    #[test]
    fn kex_init_not_first() {
        let ignore = [table::IGNORE, 0, 0, 0, 0];
        let end = server_end(&clear_packets(&[&ignore, &strict_kexinit()]));
        assert_eq!(end, Error::Misbehaved(Misbehaved::KexInitNotFirst));
    }

    #[test]
    fn out_of_turn_during_strict_kex() {
        let ignore = [table::IGNORE, 0, 0, 0, 0];
        let end = server_end(&clear_packets(&[&strict_kexinit(), &ignore]));
        assert_eq!(end, Error::Misbehaved(Misbehaved::OutOfTurn { message: table::IGNORE }));
    }

    #[test]
    fn unknown_messages_during_strict_kex() {
        for number in [77, 90, 192] {
            let end = server_end(&clear_packets(&[&strict_kexinit(), &[number, 0, 0, 0, 0]]));
            assert_eq!(end, Error::Misbehaved(Misbehaved::OutOfTurn { message: number }));
        }
    }

    #[test]
    fn authentication_before_keys() {
        let request = [table::USERAUTH_REQUEST, 0, 0, 0, 0];
        let end = server_end(&clear_packets(&[&request]));
        let message = table::USERAUTH_REQUEST;
        assert_eq!(end, Error::Misbehaved(Misbehaved::OutOfTurn { message }));
    }

    #[test]
    fn bad_share() {
        let init = message_init(&[0; 32]);
        let mut proposal = Config::client().proposal(crate::role::Side::Client);
        proposal.kex_algorithms = vec!["curve25519-sha256".to_owned()];
        let end = server_end(&clear_packets(&[&proposal.encode([0; 16]), &init]));
        assert_eq!(end, Error::Misbehaved(Misbehaved::BadShare));
    }

    fn message_init(share: &[u8]) -> Vec<u8> {
        crate::message::kex::encode_init(table::KEX_ECDH_INIT, crypto::kex::Encoding::String, share)
    }

    #[test]
    fn bad_group() {
        let mut proposal = Config::client().proposal(crate::role::Side::Client);
        proposal.kex_algorithms = vec!["diffie-hellman-group-exchange-sha256".to_owned()];
        let sizes = crate::message::kex::GroupSizes { min: 4096, n: 2048, max: 8192 };
        let end = server_end(&clear_packets(&[&proposal.encode([0; 16]), &sizes.encode()]));
        assert_eq!(end, Error::Misbehaved(Misbehaved::BadGroup));
    }

    #[test]
    fn kex_init_too_long() {
        let mut proposal = Config::client().proposal(crate::role::Side::Client);
        proposal.languages_client_to_server = vec!["x".repeat(40_000)];
        let end = server_end(&clear_packets(&[&proposal.encode([0; 16])]));
        assert_eq!(end, Error::Misbehaved(Misbehaved::KexInitTooLong));
    }

    #[test]
    fn packet_length() {
        let end = server_end(b"SSH-2.0-test\r\n\xff\xff\xff\xff\0\0\0\0");
        assert_eq!(end, Error::Misbehaved(Misbehaved::PacketLength(0xffff_ffff)));
    }

    #[test]
    fn connection_lost() {
        assert_eq!(server_end(b""), Error::ConnectionLost { received_ident: false });
        assert_eq!(server_end(b"SSH-2.0-x\r\n"), Error::ConnectionLost { received_ident: true });
    }

    #[test]
    fn no_ssh_at_all() {
        let end = server_end(b"GET / HTTP/1.1\r\n\r\n");
        assert!(matches!(end, Error::Misbehaved(Misbehaved::BadIdent(_))));
    }
}
