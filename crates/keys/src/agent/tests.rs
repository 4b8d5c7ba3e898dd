use wire::Writer;
use zeroize::Zeroizing;

use super::*;
use crate::test_data::{self, public_line};
use crate::{Error, KeyKind, PrivateKey, PublicKey, limits};

fn key(comment: &str) -> PublicKey {
    PublicKey::from_line(public_line(comment)).unwrap().0
}

/// Through the frame and back; the bytes must be the same again.
fn there_and_back(request: &Request) -> Request {
    let framed = request.encode().unwrap();
    let (message, taken) = take_frame(&framed).unwrap().unwrap();
    assert_eq!(taken, framed.len());
    let read = Request::decode(message).unwrap();
    assert_eq!(*read.encode().unwrap(), *framed);
    for length in 1..message.len() {
        // Never a panic; the extension's contents may end anywhere.
        let _ = Request::decode(&message[..length]);
    }
    read
}

#[test]
fn every_request() {
    let secret = || Zeroizing::new(b"1234".to_vec());
    for request in [
        Request::RequestIdentities,
        Request::Sign { key_blob: b"blob".to_vec(), data: b"data".to_vec(), flags: 4 },
        Request::RemoveIdentity { key_blob: b"blob".to_vec() },
        Request::RemoveAllIdentities,
        Request::AddSmartcardKey { id: "lib".into(), pin: secret(), constraints: Vec::new() },
        Request::AddSmartcardKey {
            id: "lib".into(),
            pin: secret(),
            constraints: vec![Constraint::AssociatedCertificates {
                only: true,
                certificates: vec![key("user-cert-ed25519")],
            }],
        },
        Request::RemoveSmartcardKey { id: "lib".into(), pin: secret() },
        Request::Lock { passphrase: secret() },
        Request::Unlock { passphrase: secret() },
        Request::Extension { name: "query".into(), contents: Vec::new() },
        Request::Unknown(9),
    ] {
        there_and_back(&request);
    }
}

#[test]
fn secrets_are_not_printed() {
    let passphrase = Zeroizing::new(vec![42, 43]);
    assert_eq!(format!("{:?}", Request::Lock { passphrase }), "Lock");
}

#[test]
fn keys_are_added_with_constraints() {
    let hop = |host: &str, comment: &str| Hop {
        user: String::new(),
        host: host.into(),
        keys: vec![HopKey { key: key(comment), is_ca: false }],
    };
    let constraints = vec![
        Constraint::Lifetime(60),
        Constraint::Confirm,
        Constraint::SkProvider("internal".into()),
        Constraint::RestrictDestination(vec![
            DestinationConstraint { from: Hop::default(), to: hop("a", "rsa") },
            DestinationConstraint { from: hop("a", "rsa"), to: hop("b", "ecdsa384") },
        ]),
    ];
    for file in test_data::PRIVATE_FILES.iter().filter(|file| !file.encrypted) {
        for constraints in [Vec::new(), constraints.clone()] {
            let key = PrivateKey::parse(file.text.as_bytes(), None).unwrap();
            let public = key.public().clone();
            let request = Request::AddIdentity { key: Box::new(key), constraints };
            let Request::AddIdentity { key, constraints: read } = there_and_back(&request) else {
                panic!("another request")
            };
            assert_eq!(*key.public(), public);
            assert!(read.is_empty() || read == self::constraints_of(&request));
        }
    }
}

fn constraints_of(request: &Request) -> Vec<Constraint> {
    match request {
        Request::AddIdentity { constraints, .. } => constraints.clone(),
        _ => Vec::new(),
    }
}

#[test]
fn unknown_constraints_are_refused() {
    let key = PrivateKey::generate(KeyKind::Ed25519, None, "").unwrap();
    let request =
        Request::AddIdentity { key: Box::new(key), constraints: vec![Constraint::Confirm] };
    let framed = request.encode().unwrap();
    let mut message = framed[4..].to_vec();
    *message.last_mut().unwrap() = 77;
    assert!(Request::decode(&message).is_err());
    message.pop();
    message.put_u8(255);
    message.put_string(b"strange@example.org");
    assert!(Request::decode(&message).is_err());
}

#[test]
fn every_response() {
    for response in [
        Response::Failure,
        Response::Success,
        Response::Identities(vec![Identity { key_blob: b"blob".to_vec(), comment: "c".into() }]),
        Response::Signature(b"signature".to_vec()),
        Response::ExtensionFailure,
        Response::Extension(query_response(&[QUERY, SESSION_BIND])),
    ] {
        let framed = response.encode().unwrap();
        let (message, _) = take_frame(&framed).unwrap().unwrap();
        assert_eq!(Response::decode(message).unwrap(), response);
    }
    assert_eq!(Response::decode(&[30]).unwrap(), Response::Failure);
    assert_eq!(Response::decode(&[102, 0, 0]).unwrap(), Response::Failure);
    assert!(Response::decode(&[6, 0]).is_err());
    assert!(Response::decode(&[12, 0, 0, 0x10, 0]).is_err());
    assert!(Response::decode(&[]).is_err());
}

#[test]
fn frames_have_a_limit() {
    let frame_of = |length: usize| (length as u32).to_be_bytes();
    assert!(matches!(take_frame(&frame_of(0)), Err(Error::BadAgentMessage(_))));
    let over = frame_of(limits::AGENT_MESSAGE_BYTES + 1);
    assert!(matches!(take_frame(&over), Err(Error::BadAgentMessage(_))));
    assert!(take_frame(&frame_of(limits::AGENT_MESSAGE_BYTES)).unwrap().is_none());
    assert!(take_frame(&[0, 0]).unwrap().is_none());
    assert_eq!(take_frame(&[0, 0, 0, 1, 11, 9]).unwrap(), Some((&[11][..], 5)));
    assert!(frame(&vec![0; limits::AGENT_MESSAGE_BYTES + 1]).is_err());
}

#[test]
fn session_bind() {
    let host = PrivateKey::generate(KeyKind::Ecdsa, None, "").unwrap();
    let bind = SessionBind {
        host_key: host.public().clone(),
        session_id: vec![7; 32],
        signature: host.sign("ecdsa-sha2-nistp256", &[7; 32]).unwrap(),
        is_forwarding: true,
    };
    let Request::Extension { name, contents } = there_and_back(&bind.to_request()) else {
        panic!("another request")
    };
    assert_eq!(name, SESSION_BIND);
    let read = SessionBind::decode(&contents).unwrap();
    assert_eq!(read, bind);
    assert!(read.verify().is_ok());
    let other = SessionBind { session_id: vec![8; 32], ..read };
    assert!(matches!(other.verify(), Err(Error::BadSignature)));
}

#[test]
fn flags() {
    assert_eq!(flags_for("rsa-sha2-512-cert-v01@openssh.com"), RSA_SHA2_512);
    assert_eq!(flags_for("rsa-sha2-256"), RSA_SHA2_256);
    assert_eq!(flags_for("ssh-rsa"), 0);
    assert_eq!(signature_algorithm(&key("rsa"), RSA_SHA2_512), "rsa-sha2-512");
    assert_eq!(signature_algorithm(&key("rsa"), RSA_SHA2_256), "rsa-sha2-256");
    assert_eq!(signature_algorithm(&key("rsa"), 0), "ssh-rsa");
    assert_eq!(signature_algorithm(&key("ed25519"), RSA_SHA2_512), "ssh-ed25519");
}

#[test]
fn requests_to_log_in() {
    let (mine, host) = (key("ed25519"), key("rsa"));
    let data = |method: &str, number: u8, signed: bool, host: Option<&PublicKey>| {
        let mut data = Vec::new();
        data.put_string(&[7; 32]);
        data.put_u8(number);
        for field in ["me", "ssh-connection", method] {
            data.put_string(field.as_bytes());
        }
        data.put_boolean(signed);
        data.put_string(b"ssh-ed25519");
        data.put_string(mine.blob());
        if let Some(host) = host {
            data.put_string(host.blob());
        }
        data
    };
    let bound = "publickey-hostbound-v00@openssh.com";
    let plain = data("publickey", 50, true, None);
    let read = LoginRequest::decode(&plain, &mine).unwrap();
    assert_eq!((read.user.as_str(), read.session_id, read.host_key), ("me", vec![7; 32], None));
    let read = LoginRequest::decode(&data(bound, 50, true, Some(&host)), &mine).unwrap();
    assert_eq!(read.host_key, Some(host.clone()));
    for bad in [
        data("publickey", 50, true, Some(&host)),
        data(bound, 50, true, None),
        data("publickey", 51, true, None),
        data("publickey", 50, false, None),
        data("password", 50, true, None),
    ] {
        assert!(LoginRequest::decode(&bad, &mine).is_none());
    }
    assert!(LoginRequest::decode(&plain, &host).is_none());
    for length in 0..plain.len() {
        assert!(LoginRequest::decode(&plain[..length], &mine).is_none());
    }
}

#[test]
fn answers_may_be_longer_than_requests() {
    let identity = Identity { key_blob: vec![1; 1000], comment: "c".into() };
    let list = Response::Identities(vec![identity; 1000]);
    let framed = list.encode().unwrap();
    assert!(take_frame(&framed).is_err());
    let (message, _) = take_answer(&framed).unwrap().unwrap();
    assert_eq!(Response::decode(message).unwrap(), list);
    let over = Response::Signature(vec![0; limits::AGENT_ANSWER_BYTES]);
    assert!(over.encode().is_err());
}

#[test]
fn queried_extensions() {
    let names = [QUERY, SESSION_BIND];
    assert_eq!(queried(&query_response(&names)).unwrap(), names);
    assert!(queried(b"").is_err());
    let mut other = Vec::new();
    other.put_string(b"other");
    assert!(queried(&other).is_err());
}
