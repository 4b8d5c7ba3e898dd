//! Whole conversations.

use super::memory::Memory;
use crate::{
    Attributes, Client, Event, Limits, Misuse, Numbers, OpenFlags, Policy, Reply, Request,
    RequestId, RequestKind, Server, Status, StatusCode, limits,
};

pub(super) struct Pair {
    pub(super) client: Client,
    pub(super) server: Server<Memory>,
}

impl Pair {
    pub(super) fn with(policy: Policy) -> Pair {
        let files = Memory { handles_max: 20, ..Memory::default() };
        let mut pair = Pair { client: Client::new(), server: Server::new(files, policy) };
        assert_eq!(pair.client.request(&Request::Limits), Err(Misuse::NotReady));
        pair.run();
        assert_eq!(pair.client.poll_event(), Ok(Some(Event::Ready)));
        pair
    }

    /// Carries bytes to and fro until nothing moves, a few at a time.
    pub(super) fn run(&mut self) {
        loop {
            self.server.run().unwrap();
            let mut moved = false;
            for step in [1, 1000, 77_777].into_iter().cycle() {
                let waiting = self.client.output();
                let room = self.server.room();
                let count = waiting.len().min(room.len()).min(step);
                if count == 0 {
                    break;
                }
                room[..count].copy_from_slice(&waiting[..count]);
                self.server.received(count);
                self.client.sent(count);
                moved = true;
            }
            // One answer may be as large as the client's room allows; the rest waits.
            let waiting = self.server.output();
            let room = self.client.room();
            let count = waiting.len().min(room.len());
            room[..count].copy_from_slice(&waiting[..count]);
            self.client.received(count);
            self.server.sent(count);
            if !moved && count == 0 {
                return;
            }
        }
    }

    pub(super) fn ask(&mut self, request: &Request<'_>) -> Reply<'_> {
        let asked = self.client.request(request).unwrap();
        self.run();
        match self.client.poll_event().unwrap() {
            Some(Event::Reply { id, reply }) if id == asked => reply,
            other => panic!("{request:?}: {other:?}"),
        }
    }

    pub(super) fn status(&mut self, request: &Request<'_>) -> StatusCode {
        match self.ask(request) {
            Reply::Status(status) => status.code,
            other => panic!("{request:?}: {other:?}"),
        }
    }

    pub(super) fn create(&mut self, path: &[u8]) -> Vec<u8> {
        let flags = OpenFlags { write: true, create: true, ..OpenFlags::default() };
        match self.ask(&Request::Open { path, flags, attributes: Attributes::default() }) {
            Reply::Handle(handle) => handle.to_vec(),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn every_request() {
    use Request as R;
    let mut pair = Pair::with(Policy::default());
    let path: &[u8] = b"a";
    let handle = pair.create(path);
    let handle = handle.as_slice();
    let ok = StatusCode::Ok;
    assert_eq!(pair.status(&R::Write { handle, offset: 0, data: b"contents" }), ok);
    assert_eq!(pair.ask(&R::Read { handle, offset: 3, length: 3 }), Reply::Data(b"ten"));
    assert_eq!(pair.ask(&R::Read { handle, offset: 3, length: 0 }), Reply::Data(b""));
    assert_eq!(pair.status(&R::Read { handle, offset: 8, length: 3 }), StatusCode::Eof);
    let eight = Attributes { size: Some(8), ..Attributes::default() };
    for request in [R::Stat { path }, R::Lstat { path }, R::Fstat { handle }] {
        assert_eq!(pair.ask(&request), Reply::Attributes(eight));
    }
    for size in [7, 6, 5] {
        let attributes = Attributes { size: Some(size), ..Attributes::default() };
        let request = match size {
            7 => R::Setstat { path, attributes },
            6 => R::Lsetstat { path, attributes },
            _ => R::Fsetstat { handle, attributes },
        };
        assert_eq!(pair.status(&request), ok);
    }
    assert_eq!(pair.status(&R::Fsync { handle }), ok);
    let other = pair.create(b"b");
    let copy = R::CopyData {
        read_from_handle: handle,
        read_from_offset: 1,
        read_data_length: 3,
        write_to_handle: &other,
        write_to_offset: 1,
    };
    assert_eq!(pair.status(&copy), ok);
    assert_eq!(pair.server.files().files[&b"b"[..]], b"\0ont");
    let (old_path, new_path) = (path, &b"b"[..]);
    assert_eq!(pair.status(&R::Rename { old_path, new_path }), StatusCode::Failure);
    assert_eq!(pair.status(&R::PosixRename { old_path, new_path }), ok);
    assert_eq!(pair.status(&R::Hardlink { old_path: new_path, new_path: old_path }), ok);
    assert_eq!(pair.status(&R::Symlink { target_path: b"a", link_path: b"l" }), ok);
    let Reply::Names(link) = pair.ask(&R::Readlink { path: b"l" }) else { panic!() };
    assert_eq!(link.only(), Some(&b"a"[..]));
    assert_eq!(pair.status(&R::Close { handle }), ok);
    assert_eq!(pair.status(&R::Close { handle }), StatusCode::NoSuchFile);
    assert_eq!(pair.status(&R::Remove { path }), ok);
    assert_eq!(pair.status(&R::Remove { path }), StatusCode::NoSuchFile);
    let failed = Status::with_text(StatusCode::Failure, "No space left on device");
    let made = R::Mkdir { path, attributes: Attributes::default() };
    assert_eq!(pair.ask(&made), Reply::Status(failed));
    assert_eq!(pair.status(&R::Rmdir { path }), StatusCode::PermissionDenied);
    for (request, answer) in [
        (R::Realpath { path }, "/a"),
        (R::ExpandPath { path }, "/a"),
        (R::HomeDirectory { user: b"kim" }, "/home/kim"),
    ] {
        let Reply::Names(names) = pair.ask(&request) else { panic!("{request:?}") };
        assert_eq!(names.only(), Some(answer.as_bytes()));
    }
    for request in [R::Statvfs { path }, R::Fstatvfs { handle: &other }] {
        let Reply::Volume(volume) = pair.ask(&request) else { panic!("{request:?}") };
        assert_eq!((volume.f_bsize, volume.f_namemax), (4096, 255));
    }
    let numbers = Numbers::pack(&[0, 5]);
    let numbers = Numbers::new(&numbers).unwrap();
    let asked = R::UsersGroupsById { users: numbers, groups: numbers };
    let Reply::Accounts { users, groups } = pair.ask(&asked) else { panic!() };
    assert_eq!(users.iter().collect::<Vec<_>>(), [&b"root"[..], b""]);
    assert_eq!(groups.iter().collect::<Vec<_>>(), [&b"0"[..], b"5"]);
    assert!(matches!(pair.ask(&R::Limits), Reply::Limits(Limits { max_open_handles: 20, .. })));
    assert_eq!(pair.client.read_bytes_max(), limits::DATA_BYTES);
    assert!(!pair.client.is_cut_off());
    assert!(!pair.server.end());
    assert_eq!(pair.server.files().closed, 2);
}

#[test]
fn folders_come_in_parts() {
    let mut pair = Pair::with(Policy::default());
    for number in 0..250u32 {
        pair.server.files().files.insert(number.to_string().into_bytes(), Vec::new());
    }
    let Reply::Handle(handle) = pair.ask(&Request::Opendir { path: b"." }) else { panic!() };
    let handle = handle.to_vec();
    let mut counts = Vec::new();
    while let Reply::Names(names) = pair.ask(&Request::Readdir { handle: &handle }) {
        assert_eq!(names.iter().count(), names.len());
        counts.push(names.len());
    }
    assert_eq!(counts, [100, 100, 50]);
}

/// Far more is asked for than the server's output holds at once.
#[test]
fn many_requests_at_once() {
    let mut pair = Pair::with(Policy::default());
    let handle = pair.create(b"large");
    let handle = handle.as_slice();
    let size = limits::DATA_BYTES;
    for part in 0..4u64 {
        let filled = pair.client.write_with(handle, part * size as u64, size, |room| {
            assert_eq!(room.len(), limits::DATA_BYTES_FOR_ANY);
            room.fill(part as u8);
            Ok::<_, ()>(room.len())
        });
        assert!(matches!(filled, Ok(Ok(Some(_)))));
    }
    assert_eq!(pair.client.write_with(handle, 0, 9, |_| Err(7)), Err(7));
    assert_eq!(pair.client.write_with(handle, 0, 9, |_| Ok::<_, ()>(0)), Ok(Ok(None)));
    let length = size as u32;
    let mut ids: Vec<RequestId> = Vec::new();
    for part in 0..4u64 {
        let offset = part * size as u64;
        ids.push(pair.client.request(&Request::Read { handle, offset, length }).unwrap());
    }
    assert_eq!(pair.client.in_flight(), 8);
    let mut bytes = 0;
    let mut answered = 0;
    while answered < 8 {
        pair.run();
        while let Some(event) = pair.client.poll_event().unwrap() {
            answered += 1;
            if let Event::Reply { id, reply: Reply::Data(data) } = event {
                assert_eq!(id, ids.remove(0));
                assert!(data.iter().all(|byte| *byte == data[0] || *byte == 0));
                bytes += data.len();
            }
        }
    }
    assert_eq!(bytes, 3 * size + limits::DATA_BYTES_FOR_ANY);
}

#[test]
fn read_only() {
    let mut pair = Pair::with(Policy::new(true));
    pair.server.files().files.insert(b"a".to_vec(), b"data".to_vec());
    let denied = StatusCode::PermissionDenied;
    for flags in [
        OpenFlags { write: true, ..OpenFlags::default() },
        OpenFlags { create: true, ..OpenFlags::READ },
        OpenFlags { truncate: true, ..OpenFlags::READ },
    ] {
        let attributes = Attributes::default();
        assert_eq!(pair.status(&Request::Open { path: b"a", flags, attributes }), denied);
    }
    assert_eq!(pair.status(&Request::Remove { path: b"a" }), denied);
    assert!(!pair.client.supports(RequestKind::PosixRename));
    assert!(pair.client.supports(RequestKind::Limits));
    let rename = Request::PosixRename { old_path: b"a", new_path: b"b" };
    assert_eq!(pair.client.request(&rename), Err(Misuse::NoSuchExtension));
    let flags = OpenFlags::READ;
    let attributes = Attributes::default();
    assert!(matches!(pair.ask(&Request::Open { path: b"a", flags, attributes }), Reply::Handle(_)));
    assert_eq!(pair.server.files().refused.len(), 4);
}

#[test]
fn denied_requests() {
    let mut policy = Policy::default();
    policy.deny(RequestKind::Stat);
    policy.deny(RequestKind::Limits);
    let mut pair = Pair::with(policy);
    assert_eq!(pair.status(&Request::Stat { path: b"a" }), StatusCode::PermissionDenied);
    assert_eq!(pair.status(&Request::Lstat { path: b"a" }), StatusCode::NoSuchFile);
    assert!(!pair.client.supports(RequestKind::Limits));
}

#[test]
fn handles_are_bounded() {
    let mut pair = Pair::with(Policy::default());
    let first = pair.create(b"a");
    for _ in 1..20 {
        pair.create(b"a");
    }
    let Reply::Status(full) = pair.ask(&Request::Opendir { path: b"." }) else { panic!() };
    assert_eq!(full, Status::with_text(StatusCode::Failure, "Too many open handles"));
    assert_eq!(pair.status(&Request::Close { handle: &first }), StatusCode::Ok);
    pair.create(b"a");
}
