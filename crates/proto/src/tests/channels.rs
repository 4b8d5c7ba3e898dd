//! RFC 4254 between two engines.

use super::*;
use crate::channel::request::ChannelRequest;

#[test]
fn data_both_ways_and_exit_status() {
    let (mut pair, channel) = Pair::with_session();
    let command = ChannelRequest::Exec { command: b"cat".to_vec() };
    pair.client.request(channel, command, true).unwrap();
    pair.send_all(channel, &vec![7; 5_000_000]);
    assert_eq!(pair.server_seen.data.len(), 5_000_000);
    pair.client.send_eof(channel).unwrap();
    pair.run();
    let server_channel = ChannelId(0);
    let fill = |room: &mut [u8]| {
        room[..3].copy_from_slice(b"out");
        Ok::<_, ()>(3)
    };
    pair.server.send(server_channel, Stream::Data, fill).unwrap().unwrap();
    pair.server.request(server_channel, ChannelRequest::ExitStatus(3), false).unwrap();
    pair.server.send_eof(server_channel).unwrap();
    pair.server.close(server_channel).unwrap();
    pair.run();
    assert_eq!(pair.client_seen.data, b"out");
    for name in ["ChannelAnswered", "ChannelRequested", "Eof", "ChannelClosed"] {
        assert!(pair.client_seen.log.contains(&name.to_owned()), "{name}");
    }
    assert!(pair.server_seen.log.contains(&"ChannelClosed".to_owned()));
    assert_eq!(pair.client.room(channel), 0);
}

#[test]
fn a_slow_reader_slows_the_sender_down() {
    let (mut pair, channel) = Pair::with_session();
    pair.server_seen.hold_data = true;
    let fill = |room: &mut [u8]| Ok::<_, ()>(room.len());
    for _ in 0..1000 {
        pair.client.send(channel, Stream::Data, fill).unwrap().unwrap();
        pair.run();
    }
    assert_eq!(pair.server_seen.data.len(), crate::limits::WINDOW_START_BYTES as usize);
    let held = pair.server_seen.data.len();
    pair.server.consumed(ChannelId(0), held).unwrap();
    pair.run();
    assert!(pair.client.room(channel) > 0);
}

#[test]
fn vectored_sends_arrive_in_order() {
    let (mut pair, channel) = Pair::with_session();
    let mut expected = Vec::new();
    for round in 0..40u8 {
        let take = usize::from(round) * 7001;
        let filled = pair.client.send_vectored(channel, Stream::Data, |slots| {
            let mut left = take;
            for slot in slots.iter_mut() {
                let length = left.min(slot.len());
                for (i, byte) in slot[..length].iter_mut().enumerate() {
                    *byte = round.wrapping_add(i as u8);
                }
                expected.extend_from_slice(&slot[..length]);
                left -= length;
            }
            Ok::<_, ()>(take - left)
        });
        assert!(filled.unwrap().unwrap() <= take);
        pair.run();
    }
    assert!(pair.server_seen.data == expected);
}

#[test]
fn two_hundred_channels() {
    let mut pair = Pair::authenticated();
    let ids: Vec<_> =
        (0..200).map(|_| pair.client.open_channel(ChannelOpen::Session).unwrap()).collect();
    pair.run();
    for id in &ids {
        pair.send_all(*id, &[1; 1000]);
    }
    assert_eq!(pair.server_seen.data.len(), 200_000);
    for id in ids {
        pair.client.close(id).unwrap();
    }
    pair.run();
    let closed = pair.server_seen.log.iter().filter(|name| *name == "ChannelClosed").count();
    assert_eq!(closed, 200);
}

#[test]
fn global_requests_are_answered_in_order() {
    let mut pair = Pair::authenticated();
    let forward = GlobalRequest::TcpipForward { address: "localhost".to_owned(), port: 0 };
    pair.client.global_request(forward, true).unwrap();
    pair.client.ping().unwrap();
    pair.run();
    let answers = pair.client_seen.log.iter().filter(|name| *name == "GlobalAnswered").count();
    assert_eq!(answers, 2);
    assert!(pair.client.statistics().round_trip.is_some());
}

#[test]
fn a_window_grows_over_a_long_link() {
    let client = Config { guess_kex: false, ..Config::client() };
    let mut pair = Pair::with(client, Config::server()).log_in();
    let channel = pair.open();
    pair.server.statistics.round_trip = Some(Duration::from_millis(100));
    let mut per_trip = Vec::new();
    while per_trip.len() < 12 && per_trip.last() < Some(&25_000_000) {
        let before = pair.server_seen.data.len();
        // One round trip: all that the window allows, then what it opens.
        while pair.client.room(channel) > 0 {
            let fill = |room: &mut [u8]| Ok::<_, ()>(room.len());
            pair.client.send(channel, Stream::Data, fill).unwrap().unwrap();
            if pair.client.poll_transmit().len() > 500_000 {
                let bytes = take(&mut pair.client);
                let mut rest = &bytes[..];
                while !rest.is_empty() {
                    let taken = give(&mut pair.server, rest);
                    rest = &rest[taken..];
                    pair.handle_server_events();
                }
            }
        }
        per_trip.push(pair.server_seen.data.len() - before);
        pair.now += Duration::from_millis(100);
        pair.run();
    }
    assert!(per_trip.last() >= Some(&25_000_000), "{per_trip:?}");
}

/// A client that pipelines sends requests before it knows that the channel is.
#[test]
fn what_comes_for_a_proposed_channel_waits_for_the_answer() {
    let mut pair = Pair::authenticated();
    let open = crate::message::connection::Open {
        kind: ChannelOpen::Session,
        sender_channel: 0,
        initial_window_size: 1000,
        maximum_packet_size: 1000,
    };
    let mut bytes = Vec::new();
    pair.client.open_channel(ChannelOpen::Session).unwrap();
    bytes.extend(take(&mut pair.client));
    let request = ChannelRequest::Exec { command: b"true".to_vec() };
    let request = crate::message::request::encode_request(0, &request, true);
    pair.client.send_now(&request).unwrap();
    pair.client.send_now(&open.encode()).unwrap();
    bytes.extend(take(&mut pair.client));
    give(&mut pair.server, &bytes);
    let Some(Event::ChannelAsked(first)) = pair.server.poll_event(pair.now) else { panic!() };
    assert!(pair.server.poll_event(pair.now).is_none());
    let channel = pair.server.accept_channel(first).unwrap();
    let next = pair.server.poll_event(pair.now);
    assert!(matches!(next, Some(Event::ChannelRequested { channel: of, .. }) if of == channel));
    assert!(matches!(pair.server.poll_event(pair.now), Some(Event::ChannelAsked(_))));
}

#[test]
fn an_exit_status_that_crosses_our_close_is_heard() {
    let (mut pair, channel) = Pair::with_session();
    pair.client.close(channel).unwrap();
    pair.server.request(ChannelId(0), ChannelRequest::ExitStatus(3), true).unwrap();
    pair.run();
    assert!(pair.client_seen.log.contains(&"ChannelRequested".to_owned()));
    assert!(pair.client_seen.end.is_none() && pair.server_seen.end.is_none());
}
