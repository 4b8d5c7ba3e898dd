//! One client of a shared connection: its messages, and the descriptors that come with them.

use std::collections::VecDeque;
use std::io::{self, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use net::{Interest, Link, UserToken};
use proto::Client;
use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};

use super::proxy::Proxy;
use crate::messages::debug;
use crate::ssh::mux::message::{Answer, MESSAGE_BYTES, Malformed, Request, VERSION};

/// A client that reads no answers is heard no further once so much waits for it.
const OUTPUT_BYTES: usize = 64 * 1024;
/// No request has more descriptors.
const DESCRIPTORS: usize = 3;
const READ_BYTES: usize = 16 * 1024;

/// A client.
pub struct Peer {
    stream: UnixStream,
    input: Vec<u8>,
    descriptors: VecDeque<OwnedFd>,
    output: Vec<u8>,
    has_greeted: bool,
    /// A request that waits for its descriptors.
    incomplete: Option<(u32, Request)>,
    /// There may be something to read.
    readable: bool,
    /// The link tells when there is room to write.
    is_room_watched: bool,
    /// It hung up, or said what nobody understands.
    pub is_gone: bool,
    /// What it does.
    pub state: State,
}

/// What a client does.
pub enum State {
    /// It may ask for something.
    Idle,
    /// Its last request is not answered.
    Waiting,
    /// It waits for its session to end, and may ask for something.
    Session,
    /// It speaks SSH.
    Proxy(Box<Proxy>),
    /// Nothing but the last words are left.
    Closing,
}

/// A request, its number and its descriptors.
pub type Asked = (u32, Request, Vec<OwnedFd>);

impl Peer {
    /// Greets a client.
    ///
    /// # Errors
    /// Those of the system.
    pub fn new(stream: UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        let mut peer = Peer {
            stream,
            input: Vec::new(),
            descriptors: VecDeque::new(),
            output: Vec::new(),
            has_greeted: false,
            incomplete: None,
            readable: true,
            is_room_watched: false,
            is_gone: false,
            state: State::Idle,
        };
        let information = (super::INFORMATION.to_owned(), b"0".to_vec());
        peer.send(&Answer::Hello(VERSION, vec![information]));
        Ok(peer)
    }

    /// Something can be read or written.
    pub fn ready(&mut self, readable: bool) {
        self.readable |= readable;
        self.flush();
    }

    /// Says something, as soon as it is taken.
    pub fn send(&mut self, answer: &Answer) {
        self.output.extend(answer.encode());
        self.flush();
    }

    /// Lets the link tell when there is room, once that matters: else each answer would wake this
    /// process a second time, when it is read.
    ///
    /// # Errors
    /// Those of the poll.
    pub fn watch_room(&mut self, link: &mut Link<Client>, token: UserToken) -> io::Result<()> {
        let matters = !self.is_flushed() || matches!(self.state, State::Proxy(_));
        if !matters || std::mem::replace(&mut self.is_room_watched, true) {
            return Ok(());
        }
        link.unwatch(token);
        link.watch(self.as_fd(), token, Interest::Both)
    }

    /// Whether all was said.
    pub fn is_flushed(&self) -> bool {
        self.output.is_empty()
    }

    fn flush(&mut self) {
        while !self.output.is_empty() && !self.is_gone {
            match self.stream.write(&self.output) {
                Ok(0) => self.is_gone = true,
                Ok(count) => drop(self.output.drain(..count)),
                Err(source) if source.kind() == io::ErrorKind::Interrupted => {}
                Err(source) if source.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => self.is_gone = true,
            }
        }
    }

    /// The next request that can be handled now.
    pub fn next(&mut self) -> Option<Asked> {
        if matches!(self.state, State::Proxy(_)) {
            return None;
        }
        while !self.is_gone {
            let may_ask = matches!(self.state, State::Idle | State::Session);
            if may_ask && self.output.len() < OUTPUT_BYTES {
                match self.parse() {
                    Ok(Some(asked)) => return Some(asked),
                    Ok(None) => {}
                    Err(Malformed) => {
                        debug!("mux client: malformed message");
                        self.is_gone = true;
                        return None;
                    }
                }
            }
            if !self.readable || self.input.len() > MESSAGE_BYTES {
                return None;
            }
            self.read();
        }
        None
    }

    fn read(&mut self) {
        let mut room = [0; READ_BYTES];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::DONTWAIT | net::open::RECEIVE;
        let received = rustix::net::recvmsg(
            &self.stream,
            &mut [IoSliceMut::new(&mut room)],
            &mut control,
            flags,
        );
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                self.descriptors.extend(
                    descriptors.filter_map(|descriptor| net::open::received(descriptor).ok()),
                );
            }
        }
        match received {
            Ok(message) if message.bytes == 0 => self.is_gone = true,
            Ok(message) => self.input.extend(room.iter().take(message.bytes)),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => self.readable = false,
            Err(_) => self.is_gone = true,
        }
        if self.descriptors.len() > DESCRIPTORS {
            debug!("mux client: descriptors that nobody asked for");
            self.is_gone = true;
        }
    }

    fn parse(&mut self) -> Result<Option<Asked>, Malformed> {
        loop {
            if let Some((id, request)) = self.incomplete.take() {
                let count = request.descriptors();
                if self.descriptors.len() < count || self.input.len() < count {
                    self.incomplete = Some((id, request));
                    return Ok(None);
                }
                self.input.drain(..count);
                return Ok(Some((id, request, self.descriptors.drain(..count).collect())));
            }
            let Some(length) = self.input.first_chunk::<4>() else { return Ok(None) };
            let length = u32::from_be_bytes(*length) as usize;
            if length > MESSAGE_BYTES {
                return Err(Malformed);
            }
            let Some(body) = self.input.get(4..4 + length) else { return Ok(None) };
            let (id, request) = Request::decode(body)?;
            self.input.drain(..4 + length);
            match request {
                Request::Hello(VERSION, _) if !self.has_greeted => self.has_greeted = true,
                Request::Hello(..) => return Err(Malformed),
                _ if !self.has_greeted => return Err(Malformed),
                request => self.incomplete = Some((id, request)),
            }
        }
    }

    // ---- once it speaks SSH ----

    /// Reads what there is into `room`; nothing when there is none.
    pub fn read_plain(&mut self, room: &mut [u8]) -> usize {
        if !self.input.is_empty() {
            let count = self.input.len().min(room.len());
            for (to, from) in room.iter_mut().zip(self.input.drain(..count)) {
                *to = from;
            }
            return count;
        }
        while self.readable && !self.is_gone && !room.is_empty() {
            match self.stream.read(room) {
                Ok(0) => self.is_gone = true,
                Ok(count) => return count,
                Err(source) if source.kind() == io::ErrorKind::Interrupted => {}
                Err(source) if source.kind() == io::ErrorKind::WouldBlock => self.readable = false,
                Err(_) => self.is_gone = true,
            }
        }
        0
    }

    /// Writes what is taken, behind what waits.
    pub fn write_plain(&mut self, bytes: &[u8]) -> usize {
        self.flush();
        if !self.output.is_empty() || self.is_gone {
            return 0;
        }
        match self.stream.write(bytes) {
            Ok(count) => count,
            Err(source) if source.kind() == io::ErrorKind::WouldBlock => 0,
            Err(source) if source.kind() == io::ErrorKind::Interrupted => 0,
            Err(_) => {
                self.is_gone = true;
                0
            }
        }
    }
}

impl AsFd for Peer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::io::IoSlice;

    use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};

    use super::*;
    use crate::ssh::mux::message::NewSession;

    fn pair() -> (Peer, UnixStream) {
        let (ours, theirs) = UnixStream::pair().expect("sockets");
        let mut peer = Peer::new(ours).expect("peer");
        peer.readable = true;
        (peer, theirs)
    }

    fn say(to: &mut UnixStream, request: &Request) {
        to.write_all(&request.encode(1)).expect("write");
    }

    fn pass(to: &UnixStream, descriptor: BorrowedFd<'_>) {
        let descriptors = [descriptor];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        assert!(control.push(SendAncillaryMessage::ScmRights(&descriptors)));
        let byte = [IoSlice::new(&[0])];
        rustix::net::sendmsg(to, &byte, &mut control, SendFlags::empty()).expect("send");
    }

    #[test]
    fn a_request_waits_for_its_descriptors() {
        let (mut peer, mut client) = pair();
        say(&mut client, &Request::Hello(VERSION, vec![]));
        say(&mut client, &Request::Session(NewSession::default()));
        assert!(peer.next().is_none() && !peer.is_gone);
        let null = std::fs::File::open("/dev/null").expect("null");
        for _ in 0..3 {
            peer.ready(true);
            assert!(peer.next().is_none() && !peer.is_gone);
            pass(&client, null.as_fd());
        }
        say(&mut client, &Request::Alive);
        peer.ready(true);
        let (id, request, descriptors) = peer.next().expect("request");
        assert_eq!((id, descriptors.len()), (1, 3));
        assert_eq!(request, Request::Session(NewSession::default()));
        let (_, request, descriptors) = peer.next().expect("request");
        assert_eq!((request, descriptors.len()), (Request::Alive, 0));
    }

    #[test]
    fn who_does_not_greet_goes() {
        let (mut peer, mut client) = pair();
        say(&mut client, &Request::Alive);
        assert!(peer.next().is_none() && peer.is_gone);
        let (mut peer, mut client) = pair();
        say(&mut client, &Request::Hello(3, vec![]));
        assert!(peer.next().is_none() && peer.is_gone);
    }

    #[test]
    fn what_grows_goes() {
        let (mut peer, mut client) = pair();
        client.write_all(&u32::MAX.to_be_bytes()).expect("write");
        assert!(peer.next().is_none() && peer.is_gone);
        let (mut peer, client) = pair();
        let null = std::fs::File::open("/dev/null").expect("null");
        for _ in 0..4 {
            pass(&client, null.as_fd());
        }
        assert!(peer.next().is_none() && peer.is_gone);
    }
}
