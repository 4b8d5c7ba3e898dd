//! The SFTP engines: a server over files that are not there, and a client that asked for one of everything.

use sftp::{
    AccountNames, Attributes, Client, Entries, Files, Numbers, OpenFlags, Policy, Reply, Request,
    Server, Status, StatusCode, Volume,
};
use wire::Writer;

/// Says something to every request, without memory of any.
struct Nothing;

type Answer<T> = Result<T, Status>;

impl Files for Nothing {
    type File = u64;
    type Directory = u32;

    fn open(&mut self, path: &[u8], _: OpenFlags, _: Option<u32>) -> Answer<u64> {
        assert!(!path.contains(&0));
        Ok(path.len() as u64)
    }

    fn read(&mut self, file: &mut u64, offset: u64, room: &mut [u8]) -> Answer<usize> {
        assert!(!room.is_empty() && room.len() <= sftp::limits::DATA_BYTES);
        Ok((*file).saturating_sub(offset).min(room.len() as u64) as usize)
    }

    fn write(&mut self, file: &mut u64, offset: u64, data: &[u8]) -> Answer<()> {
        *file = (*file).max(offset.saturating_add(data.len() as u64));
        Ok(())
    }

    fn sync(&mut self, _: &mut u64) -> Answer<()> {
        Ok(())
    }

    fn close(&mut self, _: u64) -> Answer<()> {
        Ok(())
    }

    fn copy(&mut self, from: (&mut u64, u64), length: u64, to: (&mut u64, u64)) -> Answer<()> {
        *to.0 = from.0.saturating_add(length);
        Ok(())
    }

    fn attributes(&mut self, path: &[u8], follow: bool) -> Answer<Attributes> {
        let size = Some(path.len() as u64);
        if follow { Ok(Attributes { size, ..Attributes::default() }) } else { Err(missing()) }
    }

    fn file_attributes(&mut self, file: &mut u64) -> Answer<Attributes> {
        Ok(Attributes { size: Some(*file), ..Attributes::default() })
    }

    fn set_attributes(&mut self, _: &[u8], _: &Attributes, _: bool) -> Answer<()> {
        Err(missing())
    }

    fn set_file_attributes(&mut self, file: &mut u64, attributes: &Attributes) -> Answer<()> {
        *file = attributes.size.unwrap_or(*file);
        Ok(())
    }

    fn open_directory(&mut self, _: &[u8]) -> Answer<u32> {
        Ok(250)
    }

    fn read_directory(&mut self, left: &mut u32, entries: &mut Entries<'_>) -> Answer<()> {
        while *left > 0 && entries.has_room() {
            entries.add(b"name", b"a line", &Attributes::with_permissions(*left));
            *left -= 1;
        }
        Ok(())
    }

    fn close_directory(&mut self, _: u32) -> Answer<()> {
        Ok(())
    }

    fn remove(&mut self, _: &[u8]) -> Answer<()> {
        Err(missing())
    }

    fn make_directory(&mut self, _: &[u8], _: Option<u32>) -> Answer<()> {
        Err(Status::with_text(StatusCode::Failure, "no"))
    }

    fn remove_directory(&mut self, _: &[u8]) -> Answer<()> {
        Err(missing())
    }

    fn real_path(&mut self, path: &[u8]) -> Answer<Vec<u8>> {
        Ok(path.to_vec())
    }

    fn expand_path(&mut self, path: &[u8]) -> Answer<Vec<u8>> {
        Ok(path.to_vec())
    }

    fn rename(&mut self, _: &[u8], _: &[u8], replace: bool) -> Answer<()> {
        if replace { Ok(()) } else { Err(missing()) }
    }

    fn read_link(&mut self, path: &[u8]) -> Answer<Vec<u8>> {
        Ok(path.to_vec())
    }

    fn symlink(&mut self, _: &[u8], _: &[u8]) -> Answer<()> {
        Ok(())
    }

    fn hard_link(&mut self, _: &[u8], _: &[u8]) -> Answer<()> {
        Ok(())
    }

    fn volume(&mut self, _: &[u8]) -> Answer<Volume> {
        Ok(Volume::default())
    }

    fn file_volume(&mut self, _: &mut u64) -> Answer<Volume> {
        Ok(Volume::default())
    }

    fn home_directory(&mut self, user: &[u8]) -> Answer<Vec<u8>> {
        Ok(user.to_vec())
    }

    fn account_names(
        &mut self,
        users: Numbers<'_>,
        groups: Numbers<'_>,
        names: &mut AccountNames,
    ) -> Answer<()> {
        users.iter().for_each(|_| names.add_user(b"user"));
        groups.iter().for_each(|_| names.add_group(b""));
        Ok(())
    }
}

fn missing() -> Status {
    StatusCode::NoSuchFile.into()
}

/// Gives bytes to a server, its first one deciding what it refuses; what it answers must be whole packets.
pub fn server(data: &[u8]) {
    let Some((&first, mut rest)) = data.split_first() else { return };
    let mut server = Server::new(Nothing, Policy::new(first & 1 != 0));
    loop {
        let more = server.run();
        check_packets(server.output());
        server.sent(usize::MAX);
        match more {
            Ok(true) => continue,
            Ok(false) => {}
            Err(_) => break,
        }
        let room = server.room();
        assert!(!room.is_empty());
        let count = room.len().min(rest.len());
        let Some((now, later)) = rest.split_at_checked(count).filter(|_| count > 0) else { break };
        room[..count].copy_from_slice(now);
        server.received(count);
        rest = later;
    }
    server.end();
}

fn check_packets(mut output: &[u8]) {
    let most = sftp::limits::OUTPUT_BYTES + sftp::limits::PACKET_BYTES + 4;
    assert!(output.len() <= most);
    while !output.is_empty() {
        let mut reader = wire::Reader::new(output);
        let packet = reader.string().unwrap_or_else(|_| panic!("half a packet"));
        assert!(!packet.is_empty() && packet.len() <= sftp::limits::PACKET_BYTES);
        output = reader.rest();
    }
}

/// Gives bytes to a client; after the version it has asked for one of everything.
pub fn client(data: &[u8]) {
    let mut client = Client::new();
    let mut rest = data;
    loop {
        let ready = match client.poll_event() {
            Ok(Some(sftp::Event::Ready)) => true,
            Ok(Some(sftp::Event::Reply { reply, .. })) => {
                look_at(&reply);
                false
            }
            Ok(None) => {
                let room = client.room();
                assert!(!room.is_empty());
                let count = room.len().min(rest.len());
                if count == 0 {
                    return;
                }
                room[..count].copy_from_slice(&rest[..count]);
                client.received(count);
                rest = &rest[count..];
                false
            }
            Err(_) => return,
        };
        if ready {
            for request in requests() {
                let _ = client.request(&request);
            }
            check_packets(client.output());
            client.sent(usize::MAX);
        }
    }
}

fn look_at(reply: &Reply<'_>) {
    match reply {
        Reply::Names(names) => {
            assert_eq!(names.iter().count(), names.len());
            let _ = names.only();
        }
        Reply::Accounts { users, groups } => {
            let _ = users.iter().chain(groups.iter()).count();
        }
        Reply::Data(data) => assert!(data.len() <= 64),
        Reply::Status(status) => assert!(!status.message().is_empty() || status.text.is_empty()),
        _ => {}
    }
}

/// One of everything that has an answer of its own kind, in the order of their ids.
fn requests() -> Vec<Request<'static>> {
    let none = Numbers::new(&[]);
    let mut all = vec![
        Request::Realpath { path: b"." },
        Request::Stat { path: b"a" },
        Request::Opendir { path: b"a" },
        Request::Readdir { handle: b"h" },
        Request::Read { handle: b"h", offset: 0, length: 64 },
        Request::Close { handle: b"h" },
        Request::Limits,
        Request::Statvfs { path: b"/" },
        Request::HomeDirectory { user: b"" },
    ];
    all.extend(none.map(|none| Request::UsersGroupsById { users: none, groups: none }));
    all
}

fn packet(kind: u8, fields: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut body = vec![kind];
    fields(&mut body);
    let mut packet = Vec::new();
    packet.put_string(&body);
    packet
}

/// Good conversations, from the client's side.
pub fn server_seeds() -> Vec<Vec<u8>> {
    let version = packet(1, |p| p.put_u32(3));
    let by_path = |kind, id| {
        packet(kind, |p| {
            p.put_u32(id);
            p.put_string(b"path");
        })
    };
    let by_handle = |kind, more: &[u8]| {
        packet(kind, |p| {
            p.put_u32(9);
            p.put_string(&[0, 0, 0, 0, 0, 0, 0, 1]);
            p.extend_from_slice(more);
        })
    };
    let open = packet(3, |p| {
        p.put_u32(1);
        p.put_string(b"path");
        p.put_u32(0x1b);
        p.put_u32(4);
        p.put_u32(0o600);
    });
    let extended = |name: &str, strings: &[&[u8]]| {
        packet(200, |p| {
            p.put_u32(7);
            p.put_string(name.as_bytes());
            for string in strings {
                p.put_string(string);
            }
        })
    };
    let read = by_handle(5, &[0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0]);
    let write = by_handle(6, &[0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 7, 7]);
    let paths = [7, 9, 11, 13, 14, 15, 16, 17, 18, 19, 20].map(|kind| by_path(kind, 5)).concat();
    let extensions = [
        extended("limits@openssh.com", &[]),
        extended("statvfs@openssh.com", &[b"/"]),
        extended("posix-rename@openssh.com", &[b"a", b"b"]),
        extended("users-groups-by-id@openssh.com", &[&[0; 8], &[0; 4]]),
        extended("home-directory", &[b""]),
    ]
    .concat();
    [
        [open, read, write, by_handle(8, &[]), by_handle(4, &[])].concat(),
        [by_path(11, 1), by_handle(12, &[]), by_handle(12, &[])].concat(),
        paths,
        extensions,
    ]
    .into_iter()
    .map(|requests| [&[0][..], &version, &requests].concat())
    .collect()
}

/// Good answers, from the server's side.
pub fn client_seeds() -> Vec<Vec<u8>> {
    let version = packet(2, |p| {
        p.put_u32(3);
        for (name, version) in [
            ("limits@openssh.com", "1"),
            ("statvfs@openssh.com", "2"),
            ("home-directory", "1"),
            ("users-groups-by-id@openssh.com", "1"),
        ] {
            p.put_string(name.as_bytes());
            p.put_string(version.as_bytes());
        }
    });
    let names = |id| {
        packet(104, |p| {
            p.put_u32(id);
            p.put_u32(1);
            p.put_string(b"/home");
            p.put_string(b"/home");
            p.put_u32(0);
        })
    };
    let with = |kind, id, bytes: &[u8]| {
        packet(kind, |p| {
            p.put_u32(id);
            p.put_string(bytes);
        })
    };
    let numbers = |id, count: usize| {
        packet(201, |p| {
            p.put_u32(id);
            p.resize(p.len() + 8 * count, 1);
        })
    };
    let attributes = packet(105, |p| {
        p.put_u32(1);
        p.put_u32(4);
        p.put_u32(0o644);
    });
    let status = packet(101, |p| {
        p.put_u32(5);
        p.put_u32(0);
        p.put_string(b"Success");
        p.put_string(b"");
    });
    let answers = [
        names(0),
        attributes,
        with(102, 2, b"h"),
        names(3),
        with(103, 4, b"data"),
        status,
        numbers(6, 4),
        numbers(7, 11),
        names(8),
    ]
    .concat();
    vec![[version, answers].concat()]
}
