//! One channel of a client that speaks SSH, and the channel of the connection that it stands for.
//!
//! What one side sends waits here until the other takes it. Only what was taken is told to be
//! consumed, so a window bounds what waits.

use net::Link;
use proto::{ChannelId, Client, Connection, Server, Stream};

/// The two channels.
pub struct Bridge {
    /// The client's channel, by our number.
    pub down: ChannelId,
    to_server: [Vec<u8>; 2],
    to_client: [Vec<u8>; 2],
    /// The client sends no more.
    pub client_ended: bool,
    /// The server sends no more.
    pub server_ended: bool,
    /// The client has closed.
    pub client_closed: bool,
    /// The server has closed; the number may be another's by now.
    pub server_closed: bool,
    told_server: Told,
    told_client: Told,
}

/// What one side was told of the other's end.
#[derive(Default, PartialEq, Eq, PartialOrd, Ord)]
enum Told {
    #[default]
    Nothing,
    End,
    Close,
}

const STREAMS: [Stream; 2] = [Stream::Data, Stream::Stderr];

fn at(stream: Stream) -> usize {
    usize::from(stream == Stream::Stderr)
}

impl Bridge {
    /// Nothing waits.
    pub fn new(down: ChannelId) -> Self {
        Bridge {
            down,
            to_server: Default::default(),
            to_client: Default::default(),
            client_ended: false,
            server_ended: false,
            client_closed: false,
            server_closed: false,
            told_server: Told::default(),
            told_client: Told::default(),
        }
    }

    /// The client sent something.
    pub fn client_sent(&mut self, stream: Stream, bytes: &[u8]) {
        if let Some(waiting) = self.to_server.get_mut(at(stream)) {
            waiting.extend(bytes);
        }
    }

    /// The server did.
    pub fn server_sent(&mut self, stream: Stream, bytes: &[u8]) {
        if let Some(waiting) = self.to_client.get_mut(at(stream)) {
            waiting.extend(bytes);
        }
    }

    /// Nothing is left of it.
    pub fn is_over(&self) -> bool {
        self.told_server == Told::Close && self.told_client == Told::Close
    }

    /// Moves what can be moved. Whether anything was.
    pub fn pump(
        &mut self,
        up: ChannelId,
        link: &mut Link<Client>,
        engine: &mut Connection<Server>,
    ) -> bool {
        let mut moved = false;
        if self.server_closed {
            // Nobody is there to take it.
            self.to_server = Default::default();
            self.told_server = Told::Close;
        }
        if self.client_closed {
            self.to_client = Default::default();
            self.told_client = Told::Close;
        }
        for (stream, waiting) in STREAMS.into_iter().zip(&mut self.to_server) {
            let room = link.connection().room(up);
            moved |= pass(
                waiting,
                |bytes| {
                    let count = link.connection_mut().send(up, stream, |room| copy(bytes, room));
                    let count = count.ok().and_then(Result::ok).unwrap_or(bytes.len());
                    // Refused only once the channel is closed.
                    let _ = engine.consumed(self.down, count);
                    count
                },
                room,
            );
        }
        for (stream, waiting) in STREAMS.into_iter().zip(&mut self.to_client) {
            let room = engine.room(self.down);
            moved |= pass(
                waiting,
                |bytes| {
                    let count = engine.send(self.down, stream, |room| copy(bytes, room));
                    let count = count.ok().and_then(Result::ok).unwrap_or(bytes.len());
                    if !self.server_closed {
                        let _ = link.connection_mut().consumed(up, count);
                    }
                    count
                },
                room,
            );
        }
        let server_has_all = self.to_server.iter().all(Vec::is_empty);
        if self.client_ended && server_has_all && self.told_server < Told::End {
            self.told_server = Told::End;
            // Refused only once the channel is closed; so below.
            let _ = link.connection_mut().send_eof(up);
            moved = true;
        }
        if self.client_closed && server_has_all && self.told_server < Told::Close {
            self.told_server = Told::Close;
            let _ = link.connection_mut().close(up);
            moved = true;
        }
        let client_has_all = self.to_client.iter().all(Vec::is_empty);
        if self.server_ended && client_has_all && self.told_client < Told::End {
            self.told_client = Told::End;
            let _ = engine.send_eof(self.down);
            moved = true;
        }
        if self.server_closed && client_has_all && self.told_client < Told::Close {
            self.told_client = Told::Close;
            let _ = engine.close(self.down);
            moved = true;
        }
        moved
    }
}

/// Passes on one packet's worth if there is something and room for it.
fn pass(waiting: &mut Vec<u8>, send: impl FnOnce(&[u8]) -> usize, room: usize) -> bool {
    if waiting.is_empty() || room == 0 {
        return false;
    }
    let count = send(waiting).min(waiting.len());
    waiting.drain(..count);
    count > 0
}

#[expect(clippy::unnecessary_wraps, reason = "the engine's filler may fail")]
fn copy(bytes: &[u8], room: &mut [u8]) -> Result<usize, std::convert::Infallible> {
    let count = bytes.len().min(room.len());
    if let (Some(to), Some(from)) = (room.get_mut(..count), bytes.get(..count)) {
        to.copy_from_slice(from);
    }
    Ok(count)
}
