//! One test for each rule that a remote can break.

use wire::Writer;

use super::memory::Memory;
use super::talk::Pair;
use crate::{
    Attributes, Client, Error, Event, Misuse, OpenFlags, Policy, Request, RequestKind, Server,
    StatusCode, limits,
};

fn packet(kind: u8, rest: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.put_u32(rest.len() as u32 + 1);
    bytes.put_u8(kind);
    bytes.extend_from_slice(rest);
    bytes
}

/// A server after INIT, to which the packets are given; what it then answers.
fn serve(packets: &[Vec<u8>]) -> Result<Vec<u8>, Error> {
    let files = Memory { handles_max: 9, ..Memory::default() };
    let mut server = Server::new(files, Policy::default());
    for bytes in packets {
        server.room()[..bytes.len()].copy_from_slice(bytes);
        server.received(bytes.len());
        server.sent(usize::MAX);
        server.run()?;
    }
    Ok(server.output().to_vec())
}

fn init() -> Vec<u8> {
    packet(1, &[0, 0, 0, 3])
}

fn status_of(answer: &[u8]) -> u32 {
    assert_eq!(answer[4], 101);
    u32::from_be_bytes(answer[9..13].try_into().unwrap())
}

#[test]
fn the_version_comes_first_and_once() {
    assert_eq!(serve(&[packet(17, &[0; 8])]), Err(Error::NotInitialised(17)));
    assert_eq!(serve(&[init(), init()]), Err(Error::InitialisedAgain));
    assert_eq!(serve(&[packet(1, &[0, 0])]), Err(Error::Malformed(1)));
    // A later client is answered with our version.
    let answer = serve(&[packet(1, &[0, 0, 0, 6])]).unwrap();
    assert_eq!(answer[4..9], [2, 0, 0, 0, 3]);
}

#[test]
fn packet_length() {
    assert_eq!(serve(&[vec![0; 4]]), Err(Error::PacketLength(0)));
    let text = b"Welcome to this machine\n".to_vec();
    assert_eq!(serve(&[text]), Err(Error::PacketLength(0x5765_6c63)));
}

#[test]
fn malformed_requests_are_answered() {
    assert_eq!(serve(&[init(), packet(17, &[0, 0])]), Err(Error::Malformed(17)));
    let bad = StatusCode::BadMessage.number();
    let cut = packet(17, &[0, 0, 0, 1, 0, 0, 0, 9]);
    assert_eq!(status_of(&serve(&[init(), cut]).unwrap()), bad);
    let with_nul = packet(17, &[0, 0, 0, 1, 0, 0, 0, 1, 0]);
    assert_eq!(status_of(&serve(&[init(), with_nul]).unwrap()), bad);
    let nameless = packet(200, &[0, 0, 0, 1, 9]);
    assert_eq!(status_of(&serve(&[init(), nameless]).unwrap()), bad);
}

#[test]
fn unknown_requests_are_answered() {
    let unsupported = StatusCode::OpUnsupported.number();
    assert_eq!(status_of(&serve(&[init(), packet(99, &[0; 8])]).unwrap()), unsupported);
    let mut named = vec![0, 0, 0, 1];
    named.put_string(b"vendor-id");
    assert_eq!(status_of(&serve(&[init(), packet(200, &named)]).unwrap()), unsupported);
}

#[test]
fn handles_that_are_none() {
    let mut pair = Pair::with(Policy::default());
    let handle: &[u8] = &[0; 8];
    for request in [
        Request::Read { handle, offset: 0, length: 1 },
        Request::Write { handle, offset: 0, data: b"x" },
        Request::Fstat { handle },
        Request::Readdir { handle },
        Request::CopyData {
            read_from_handle: handle,
            read_from_offset: 0,
            read_data_length: 0,
            write_to_handle: handle,
            write_to_offset: 0,
        },
    ] {
        assert_eq!(pair.status(&request), StatusCode::Failure);
    }
    let same = pair.create(b"a");
    let onto_itself = Request::CopyData {
        read_from_handle: &same,
        read_from_offset: 0,
        read_data_length: 0,
        write_to_handle: &same,
        write_to_offset: 0,
    };
    assert_eq!(pair.status(&onto_itself), StatusCode::Failure);
}

/// A client that asked for one byte of a file, and hears this.
fn hear(answer: &[u8]) -> Result<(), Error> {
    let mut client = Client::new();
    let mut give = |bytes: &[u8]| {
        client.room()[..bytes.len()].copy_from_slice(bytes);
        client.received(bytes.len());
        match client.poll_event()? {
            Some(Event::Ready) => {
                let read = Request::Read { handle: b"h", offset: 0, length: 1 };
                client.request(&read).unwrap();
            }
            Some(Event::Reply { .. }) => {}
            None => assert!(client.is_cut_off()),
        }
        Ok(())
    };
    if answer.get(4) != Some(&2) {
        give(&packet(2, &[0, 0, 0, 3]))?;
    }
    give(answer)
}

#[test]
fn answers_that_do_not_fit() {
    assert_eq!(hear(&packet(103, &[0, 0, 0, 0, 0, 0, 0, 1, 7])), Ok(()));
    assert_eq!(hear(&packet(101, &[0, 0, 0, 0, 0, 0, 0, 1])), Ok(()));
    let unexpected = |kind, id| Err(Error::UnexpectedReply { kind, id });
    assert_eq!(hear(&packet(103, &[0, 0, 0, 9, 0, 0, 0, 1, 7])), unexpected(103, 9));
    assert_eq!(hear(&packet(102, &[0, 0, 0, 0, 0, 0, 0, 1, 7])), unexpected(102, 0));
    assert_eq!(hear(&packet(103, &[0, 0, 0, 0, 0, 0, 0, 9, 7])), Err(Error::Malformed(103)));
    assert_eq!(hear(&packet(103, &[0, 0, 0, 0, 0, 0, 0, 2, 7, 7])), Err(Error::TooMuchData));
    assert_eq!(hear(&packet(2, &[0, 0, 0, 4])), Err(Error::Version(4)));
    let mut many = vec![0, 0, 0, 3];
    many.resize(4 + 8 * (limits::EXTENSIONS + 1), 0);
    assert_eq!(hear(&packet(2, &many)), Err(Error::TooManyExtensions));
}

#[test]
fn an_extension_of_another_version_is_another() {
    let mut version = vec![0, 0, 0, 3];
    for text in ["statvfs@openssh.com", "1", "fsync@openssh.com", "1"] {
        version.put_string(text.as_bytes());
    }
    let bytes = packet(2, &version);
    let mut client = Client::new();
    client.room()[..bytes.len()].copy_from_slice(&bytes);
    client.received(bytes.len());
    assert_eq!(client.poll_event(), Ok(Some(Event::Ready)));
    assert!(client.supports(RequestKind::Fsync) && !client.supports(RequestKind::Statvfs));
    assert_eq!(client.extensions().count(), 2);
}

#[test]
fn a_client_does_not_ask_for_too_much() {
    let mut pair = Pair::with(Policy::default());
    let data = vec![0; limits::DATA_BYTES + 1];
    let write = Request::Write { handle: b"h", offset: 0, data: &data };
    assert_eq!(pair.client.request(&write), Err(Misuse::TooLong));
    let path = vec![b'a'; limits::PACKET_BYTES];
    let open =
        Request::Open { path: &path, flags: OpenFlags::READ, attributes: Attributes::default() };
    assert_eq!(pair.client.request(&open), Err(Misuse::TooLong));
    for _ in 0..limits::REQUESTS {
        pair.client.request(&Request::Stat { path: b"a" }).unwrap();
    }
    assert_eq!(pair.client.request(&Request::Stat { path: b"a" }), Err(Misuse::Busy));
}
