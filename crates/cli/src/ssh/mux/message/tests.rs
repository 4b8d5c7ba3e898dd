//! Messages there and back.

use super::forwards::SOCKET_PORT;
use super::*;

fn both_ways(request: &Request) {
    let message = request.encode(7);
    let (length, body) = message.split_first_chunk::<4>().expect("length");
    assert_eq!(u32::from_be_bytes(*length) as usize, body.len());
    let id = if matches!(request, Request::Hello(..)) { 0 } else { 7 };
    assert_eq!(Request::decode(body), Ok((id, request.clone())));
    // Every cut is noticed, but between variables and extensions, which just are fewer then.
    for cut in 0..body.len() {
        let _ = Request::decode(&body[..cut]);
    }
}

#[test]
fn requests() {
    both_ways(&Request::Hello(4, vec![("info".to_owned(), b"0".to_vec())]));
    both_ways(&Request::Session(NewSession {
        terminal: true,
        escape: Some(b'~'),
        term: "xterm".to_owned(),
        command: b"ls\xff".to_vec(),
        environment: vec![("A".to_owned(), "b=c".to_owned())],
        ..NewSession::default()
    }));
    for text in ["1:h:2", "*:1:h:2", "/s:/t", "a:1:/t"] {
        let forward = config::parse_forward(text, Direction::Local).expect("forward");
        both_ways(&Request::Open(Direction::Local, forward.clone()));
        both_ways(&Request::Close(Direction::Remote, forward));
    }
    let socks = config::parse_forward("8080", Direction::Dynamic).expect("forward");
    both_ways(&Request::Open(Direction::Dynamic, socks.clone()));
    both_ways(&Request::Open(Direction::Remote, socks));
    both_ways(&Request::Stdio(Connect::Tcp { host: "h".to_owned(), port: 22 }));
    for plain in [Request::Alive, Request::Terminate, Request::Stop, Request::Proxy] {
        both_ways(&plain);
    }
    both_ways(&Request::Information("channels".to_owned()));
}

#[test]
fn forwards_that_make_no_sense() {
    let mut body = Vec::new();
    let parts = |body: &mut Vec<u8>, kind, from: (&str, u32), to: (&str, u32)| {
        body.clear();
        for number in [OPEN_FORWARD, 1, kind] {
            body.put_u32(number);
        }
        for (host, port) in [from, to] {
            body.put_string(host.as_bytes());
            body.put_u32(port);
        }
    };
    for (kind, from, to) in [
        (4, ("", 1), ("h", 2)),
        (1, ("", 0), ("h", 2)),
        (1, ("", 1), ("", 2)),
        (1, ("", 1), ("h", 0)),
        (3, ("/s", SOCKET_PORT), ("socks", 0)),
    ] {
        parts(&mut body, kind, from, to);
        assert_eq!(Request::decode(&body), Ok((1, Request::Unknown(OPEN_FORWARD))), "{from:?}");
    }
    parts(&mut body, 1, ("", 65536), ("h", 2));
    assert!(Request::decode(&body).is_err());
}

#[test]
fn answers() {
    for answer in [
        Answer::Hello(4, vec![]),
        Answer::Ok(1),
        Answer::Denied(1, "no".to_owned()),
        Answer::Failure(2, "why".to_owned()),
        Answer::Alive(3, 99),
        Answer::Opened(4, 2),
        Answer::Port(5, 4022),
        Answer::Proxy(6),
        Answer::Information(7, "text".to_owned()),
        Answer::Exit(2, 255),
        Answer::NoTerminal(2),
        Answer::Unknown(0x8000_00ff),
    ] {
        let message = answer.encode();
        assert_eq!(Answer::decode(&message[4..]), Ok(answer));
    }
}
