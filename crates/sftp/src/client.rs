//! The client: many requests at once, each answer to the request it belongs to.

use std::collections::BTreeMap;

use wire::{Reader, Writer};

use crate::limits::{
    CLIENT_OUTPUT_BYTES, DATA_BYTES, DATA_BYTES_FOR_ANY, EXTENSIONS, PACKET_BYTES, REQUESTS,
};
use crate::packet::{Begun, Input, Output};
use crate::reply::{self, Limits, Reply, Unfit};
use crate::request::{self, Request, RequestKind, WireName};
use crate::{Error, Misuse, VERSION};

/// Names one request until it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(u32);

/// What a client hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event<'a> {
    /// The server has said its version: requests may be made.
    Ready,
    /// The answer to a request.
    Reply {
        /// Which request.
        id: RequestId,
        /// What.
        reply: Reply<'a>,
    },
}

/// What is remembered of a request.
struct Asked {
    kind: RequestKind,
    /// Of READ.
    length: u32,
}

/// The client's end of one conversation.
///
/// Bytes go in through [`Self::room`] and [`Self::received`], come out of [`Self::poll_event`] as answers, and
/// requests go out through [`Self::output`] and [`Self::sent`].
pub struct Client {
    input: Input,
    output: Output,
    asked: BTreeMap<u32, Asked>,
    next_id: u32,
    server: Option<Announced>,
    limits: Limits,
}

/// What the server said of itself.
#[derive(Default)]
struct Announced {
    known: Vec<RequestKind>,
    extensions: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Default for Client {
    fn default() -> Self {
        Self::new()
    }
}

impl Client {
    /// Begins: the version is the first output.
    pub fn new() -> Self {
        let mut output = Output::default();
        let begun = output.begin(request::INIT);
        output.put_u32(VERSION);
        output.finish(begun);
        Self {
            input: Input::new(),
            output,
            asked: BTreeMap::new(),
            next_id: 0,
            server: None,
            limits: Limits::default(),
        }
    }

    /// Where to put bytes that arrive. Not empty when [`Self::poll_event`] has nothing more.
    pub fn room(&mut self) -> &mut [u8] {
        self.input.room()
    }

    /// So many bytes were put into the room.
    pub fn received(&mut self, count: usize) {
        self.input.received(count);
    }

    /// What is to be sent now.
    pub fn output(&self) -> &[u8] {
        self.output.waiting()
    }

    /// So many bytes of it have been sent.
    pub fn sent(&mut self, count: usize) {
        self.output.sent(count);
    }

    /// How many requests wait for their answers.
    pub fn in_flight(&self) -> usize {
        self.asked.len()
    }

    /// Whether requests can be made now: enough have been answered, and enough has been sent.
    pub fn can_ask(&self) -> bool {
        self.server.is_some()
            && self.asked.len() < REQUESTS
            && self.output.waiting().len() < CLIENT_OUTPUT_BYTES
    }

    /// Whether the server takes requests of this kind, by what it announced.
    pub fn supports(&self, kind: RequestKind) -> bool {
        match kind.row().wire {
            WireName::Number(_) => true,
            WireName::Extension(..) => {
                self.server.as_ref().is_some_and(|server| server.known.contains(&kind))
            }
        }
    }

    /// Names and versions of the extensions that the server announced, unknown ones too.
    pub fn extensions(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let extensions = self.server.iter().flat_map(|server| &server.extensions);
        extensions.map(|(name, version)| (name.as_slice(), version.as_slice()))
    }

    /// What the server takes, once it has answered [`Request::Limits`]; zeros before.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// The most to ask for in one READ.
    pub fn read_bytes_max(&self) -> usize {
        data_bytes(self.limits.max_read_length)
    }

    /// The most to send in one WRITE.
    pub fn write_bytes_max(&self) -> usize {
        data_bytes(self.limits.max_write_length)
    }

    /// Asks for something.
    ///
    /// # Errors
    /// [`Misuse`], and nothing was asked.
    pub fn request(&mut self, request: &Request<'_>) -> Result<RequestId, Misuse> {
        let kind = request.kind();
        if request.is_too_long() {
            return Err(Misuse::TooLong);
        }
        let (begun, id) = self.begin(kind)?;
        request.write(&mut self.output);
        if self.output.length(&begun) > PACKET_BYTES {
            self.output.cancel(begun);
            return Err(Misuse::TooLong);
        }
        self.output.finish(begun);
        let length = if let Request::Read { length, .. } = request { *length } else { 0 };
        self.asked.insert(id, Asked { kind, length });
        Ok(RequestId(id))
    }

    /// Writes to a file what `fill` puts straight into the packet: it gets room for `length` bytes, at most
    /// [`Self::write_bytes_max`], and says how many it used. Nothing is asked when it used none.
    ///
    /// # Errors
    /// `fill`'s, or [`Misuse`] as `Ok(Err(_))`; nothing was asked then.
    pub fn write_with<E>(
        &mut self,
        handle: &[u8],
        offset: u64,
        length: usize,
        fill: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) -> Result<Result<Option<RequestId>, Misuse>, E> {
        if handle.len() > PACKET_BYTES - DATA_BYTES - 64 {
            return Ok(Err(Misuse::TooLong));
        }
        let length = length.min(self.write_bytes_max());
        let (begun, id) = match self.begin(RequestKind::Write) {
            Ok(begun) => begun,
            Err(misuse) => return Ok(Err(misuse)),
        };
        self.output.put_string(handle);
        self.output.put_u64(offset);
        let place = self.output.place_u32();
        match fill(self.output.room(length)) {
            Ok(count) if count > 0 => {
                let count = count.min(length);
                self.output.filled(count);
                self.output.set_u32(place, count as u32);
                self.output.finish(begun);
                self.asked.insert(id, Asked { kind: RequestKind::Write, length: 0 });
                Ok(Ok(Some(RequestId(id))))
            }
            Ok(_) => {
                self.output.cancel(begun);
                Ok(Ok(None))
            }
            Err(error) => {
                self.output.cancel(begun);
                Err(error)
            }
        }
    }

    fn begin(&mut self, kind: RequestKind) -> Result<(Begun, u32), Misuse> {
        if self.server.is_none() {
            return Err(Misuse::NotReady);
        }
        if !self.supports(kind) {
            return Err(Misuse::NoSuchExtension);
        }
        if !self.can_ask() {
            return Err(Misuse::Busy);
        }
        // Ids come around after four billion; one that still waits is left out.
        while self.asked.contains_key(&self.next_id) {
            self.next_id = self.next_id.wrapping_add(1);
        }
        let id = self.next_id;
        self.next_id = id.wrapping_add(1);
        let begun = match kind.row().wire {
            WireName::Number(number) => {
                let begun = self.output.begin(number);
                self.output.put_u32(id);
                begun
            }
            WireName::Extension(name, _) => {
                let begun = self.output.begin(request::EXTENDED);
                self.output.put_u32(id);
                self.output.put_string(name.as_bytes());
                begun
            }
        };
        Ok((begun, id))
    }

    /// The next thing that the server said.
    ///
    /// # Errors
    /// When it breaks the rules; there is no going on then.
    pub fn poll_event(&mut self) -> Result<Option<Event<'_>>, Error> {
        let Some(packet) = self.input.next()? else { return Ok(None) };
        let mut reader = Reader::new(packet);
        let kind = reader.u8().map_err(|_| Error::PacketLength(0))?;
        if self.server.is_none() {
            if kind != reply::VERSION {
                return Err(Error::NotInitialised(kind));
            }
            self.server = Some(Announced::read(reader)?);
            return Ok(Some(Event::Ready));
        }
        let id = reader.u32().map_err(|_| Error::Malformed(kind))?;
        let unexpected = Error::UnexpectedReply { kind, id };
        let Some(asked) = self.asked.remove(&id) else { return Err(unexpected) };
        let reply = Reply::read(asked.kind, kind, reader).map_err(|unfit| match unfit {
            Unfit::Malformed => Error::Malformed(kind),
            Unfit::Unexpected => unexpected,
        })?;
        match &reply {
            Reply::Data(data) if data.len() > asked.length as usize => {
                return Err(Error::TooMuchData);
            }
            Reply::Limits(limits) => self.limits = *limits,
            _ => {}
        }
        Ok(Some(Event::Reply { id: RequestId(id), reply }))
    }

    /// Whether the server went in the middle of something: a packet, or before it answered.
    pub fn is_cut_off(&self) -> bool {
        self.server.is_none() || !self.asked.is_empty() || self.input.is_inside_packet()
    }
}

/// A limit of the server's within ours; 0 is none said.
fn data_bytes(limit: u64) -> usize {
    match usize::try_from(limit) {
        Ok(0) => DATA_BYTES_FOR_ANY,
        Ok(limit) => limit.min(DATA_BYTES),
        Err(_) => DATA_BYTES,
    }
}

impl Announced {
    fn read(mut reader: Reader<'_>) -> Result<Self, Error> {
        let malformed = |_| Error::Malformed(reply::VERSION);
        let version = reader.u32().map_err(malformed)?;
        // Version 2 has no symbolic links and little else that is not in 3.
        if version != VERSION {
            return Err(Error::Version(version));
        }
        let mut announced = Self::default();
        while !reader.is_empty() {
            let name = reader.string().map_err(malformed)?;
            let data = reader.string().map_err(malformed)?;
            if announced.extensions.len() >= EXTENSIONS {
                return Err(Error::TooManyExtensions);
            }
            // Another version of an extension is another extension.
            let known = RequestKind::from_extension(name).filter(|kind| {
                matches!(kind.row().wire, WireName::Extension(_, version) if version.as_bytes() == data)
            });
            announced.known.extend(known);
            announced.extensions.push((name.to_vec(), data.to_vec()));
        }
        Ok(announced)
    }
}
