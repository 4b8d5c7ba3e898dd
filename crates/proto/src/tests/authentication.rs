//! Userauth, and channels opened before it has finished.

use super::*;
use crate::channel::request::ChannelRequest;

fn password(text: &str) -> AuthAttempt {
    AuthAttempt::Password { password: text.to_owned().into(), new_password: None }
}

fn signed(pair: &Pair) -> AuthAttempt {
    let key = pair.user_key.public().clone();
    AuthAttempt::PublicKey { algorithm: key.algorithm().to_owned(), key }
}

#[test]
fn none_then_a_query_then_a_signature() {
    let mut pair = Pair::new();
    let key = pair.user_key.public().clone();
    let algorithm = key.algorithm().to_owned();
    pair.attempts = [AuthAttempt::None, AuthAttempt::PublicKeyQuery { algorithm, key }].into();
    pair.run();
    assert!(pair.server.is_authenticated());
    let log = &pair.client_seen.log;
    assert!(log.contains(&"AuthFailed".to_owned()) && log.contains(&"PublicKeyOk".to_owned()));
}

#[test]
fn passwords_right_and_wrong() {
    let mut pair = Pair::new();
    pair.attempts = [password("wrong"), password("right")].into();
    pair.run();
    assert!(pair.client.is_authenticated() && pair.server.is_authenticated());
}

#[test]
fn questions_and_answers() {
    for (text, right) in [("right", true), ("wrong", false)] {
        let mut pair = Pair::new();
        pair.password = text;
        pair.attempts = [AuthAttempt::KeyboardInteractive { submethods: String::new() }].into();
        pair.run();
        assert_eq!(pair.client.is_authenticated(), right);
    }
}

#[test]
fn a_signature_that_cannot_be_made_is_a_failed_attempt() {
    let mut pair = Pair::new();
    pair.run();
    let attempt = signed(&pair);
    pair.client.authenticate("user", attempt).unwrap();
    let Some(Event::SignAuth(ask)) = pair.client.poll_event(pair.now) else { panic!() };
    pair.client.answer_sign(ask, None).unwrap();
    assert!(matches!(pair.client.poll_event(pair.now), Some(Event::AuthFailed { .. })));
    assert!(pair.server_seen.end.is_none());
}

#[test]
fn another_keys_signature_does_not_let_in() {
    let mut pair = Pair::new();
    pair.run();
    let attempt = signed(&pair);
    pair.client.authenticate("user", attempt).unwrap();
    let Some(Event::SignAuth(ask)) = pair.client.poll_event(pair.now) else { panic!() };
    let signature = key(KeyKind::Ed25519).sign(ask.algorithm(), ask.data()).unwrap();
    pair.client.answer_sign(ask, Some(signature)).unwrap();
    pair.run();
    assert!(!pair.client.is_authenticated() && !pair.server.is_authenticated());
}

/// Everything from the signature to the command in one flight.
#[test]
fn early_channels_save_their_round_trips() {
    let mut pair = Pair::new();
    pair.run();
    pair.client.allow_early_channels(0);
    let attempt = signed(&pair);
    pair.client.authenticate("user", attempt).unwrap();
    pair.handle_client_events();
    let channel = pair.client.open_channel(ChannelOpen::Session).unwrap();
    pair.client.request(channel, ChannelRequest::Exec { command: b"true".to_vec() }, true).unwrap();
    pair.run();
    assert!(pair.client.is_authenticated());
    let log = &pair.client_seen.log;
    assert!(
        log.contains(&"ChannelOpened".to_owned()) && log.contains(&"ChannelAnswered".to_owned())
    );
}

#[test]
fn early_channels_survive_a_failed_guess() {
    let mut pair = Pair::new();
    pair.run();
    pair.client.allow_early_channels(0);
    pair.attempts = [password("right")].into();
    pair.client.authenticate("user", password("wrong")).unwrap();
    let channel = pair.client.open_channel(ChannelOpen::Session).unwrap();
    pair.client.request(channel, ChannelRequest::Exec { command: b"true".to_vec() }, true).unwrap();
    pair.run();
    assert!(pair.client.is_authenticated());
    let asked = pair.server_seen.log.iter().filter(|name| *name == "ChannelAsked").count();
    assert_eq!(asked, 1);
    assert!(pair.client_seen.log.contains(&"ChannelAnswered".to_owned()));
}

#[test]
fn channels_wait_for_authentication() {
    let mut pair = Pair::new();
    pair.run();
    assert!(pair.client.open_channel(ChannelOpen::Session).is_err());
    assert!(pair.server.send_banner("too early").is_err());
}
