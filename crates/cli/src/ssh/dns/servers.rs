//! The servers of `/etc/resolv.conf`, asked one after the other.

use std::collections::HashMap;
use std::future::{Ready, ready};
use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::stream::{Once, once};
use hickory_net::NetError;
use hickory_net::xfer::DnsHandle;
use hickory_proto::op::{DnsRequest, DnsResponse, Query, ResponseCode};
use hickory_proto::rr::RecordType;

use super::blocking::Blocking;
use crate::files;
use crate::messages::debug;
use crate::text::reason;

/// For one answer of one server.
const PATIENCE: Duration = Duration::from_secs(3);
/// For everything that one validation asks.
const PATIENCE_TOTAL: Duration = Duration::from_secs(15);
/// Questions of one validation; a long chain of zones takes some twenty.
const QUESTIONS_MAX: usize = 100;
const SERVERS_MAX: usize = 3;
const ROUNDS: usize = 2;
const RESOLV_CONF: &str = "/etc/resolv.conf";
const RESOLV_CONF_BYTES_MAX: u64 = 64 * 1024;
const DATAGRAM_BYTES_MAX: usize = 4096;
/// Datagrams that are no answer to what was asked.
const STRAYS_MAX: usize = 32;
const PORT: u16 = 53;

/// The servers, and what one validation has seen of them.
#[derive(Clone)]
pub(super) struct Servers {
    addresses: Arc<[SocketAddr]>,
    until: Instant,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    /// What was answered already: a validation asks some things more than once.
    answers: HashMap<Query, DnsResponse>,
    questions: usize,
    has_signatures: bool,
    last: Option<IpAddr>,
    failure: Option<String>,
}

impl Servers {
    /// Those of this system.
    pub(super) fn of_system() -> Result<Self, String> {
        let bytes = files::read_limited(RESOLV_CONF.as_ref(), RESOLV_CONF_BYTES_MAX)
            .map_err(|source| format!("{RESOLV_CONF}: {}", reason(&source)))?;
        Ok(Servers {
            addresses: addresses(&String::from_utf8_lossy(&bytes)).into(),
            until: Instant::now() + PATIENCE_TOTAL,
            seen: Arc::default(),
        })
    }

    /// Why a question got no answer, if one did not.
    pub(super) fn failure(&self) -> Option<String> {
        self.seen().failure.clone()
    }

    /// Whether there was a signature in any answer.
    pub(super) fn pass_signatures(&self) -> bool {
        self.seen().has_signatures
    }

    /// Who answered last.
    pub(super) fn last_asked(&self) -> String {
        self.seen().last.map_or_else(|| "of this system".to_owned(), |address| address.to_string())
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer to one question, of the first server that has one.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) fn answer(&self, mut request: DnsRequest) -> Result<DnsResponse, String> {
        let query = request.queries.first().cloned().ok_or("there is no question")?;
        let known = self.seen().answers.get(&query).cloned();
        if let Some(answer) = known {
            return Ok(answer);
        }
        {
            let mut seen = self.seen();
            seen.questions += 1;
            if seen.questions > QUESTIONS_MAX {
                return Err(format!("more than {QUESTIONS_MAX} questions for one host"));
            }
        }
        // Answers are wanted also where the server would hold them for wrong. RFC 6840 §5.9.
        request.metadata.checking_disabled = true;
        request.metadata.recursion_desired = true;
        request.edns.get_or_insert_default().enable_dnssec();
        let mut why = format!("{RESOLV_CONF} names no server");
        for address in self.addresses.iter().cycle().take(ROUNDS * self.addresses.len()) {
            match self.ask(*address, &mut request) {
                Ok(answer) => {
                    let mut seen = self.seen();
                    seen.last = Some(address.ip());
                    let is_signature = |kind| kind == RecordType::RRSIG;
                    seen.has_signatures |=
                        answer.all_sections().any(|record| is_signature(record.record_type()));
                    seen.answers.insert(query, answer.clone());
                    return Ok(answer);
                }
                Err(source) => why = format!("{}: {}", address.ip(), reason(&source)),
            }
        }
        Err(why)
    }

    fn ask(&self, server: SocketAddr, request: &mut DnsRequest) -> io::Result<DnsResponse> {
        let mut id = [0; 2];
        crypto::random::fill(&mut id);
        request.metadata.id = u16::from_be_bytes(id);
        let question = request.to_vec().map_err(|source| bad(&source.to_string()))?;
        let answer = self.ask_datagram(server, request, &question)?;
        let answer =
            if answer.truncation { self.ask_stream(server, request, &question)? } else { answer };
        let query = request.queries.first().map(ToString::to_string).unwrap_or_default();
        debug!("DNS: {} answers {query}: {}", server.ip(), answer.response_code);
        match answer.response_code {
            ResponseCode::NoError | ResponseCode::NXDomain => Ok(answer),
            other => Err(io::Error::other(format!("the server answers {query} with \"{other}\""))),
        }
    }

    fn ask_datagram(
        &self,
        server: SocketAddr,
        request: &DnsRequest,
        question: &[u8],
    ) -> io::Result<DnsResponse> {
        let any: SocketAddr = match server {
            SocketAddr::V4(_) => ([0, 0, 0, 0], 0).into(),
            SocketAddr::V6(_) => ([0u16; 8], 0).into(),
        };
        let socket = UdpSocket::bind(any)?;
        // Only what this server sends arrives.
        socket.connect(server)?;
        socket.send(question)?;
        let until = self.until.min(Instant::now() + PATIENCE);
        for _ in 0..STRAYS_MAX {
            socket.set_read_timeout(Some(remaining(until)?))?;
            let mut datagram = [0; DATAGRAM_BYTES_MAX];
            let count = socket.recv(&mut datagram).map_err(late)?;
            if let Some(answer) = read_answer(datagram.get(..count).unwrap_or_default(), request) {
                return Ok(answer);
            }
        }
        Err(bad("no answer to what was asked"))
    }

    fn ask_stream(
        &self,
        server: SocketAddr,
        request: &DnsRequest,
        question: &[u8],
    ) -> io::Result<DnsResponse> {
        let until = self.until.min(Instant::now() + PATIENCE);
        let mut stream = TcpStream::connect_timeout(&server, remaining(until)?).map_err(late)?;
        stream.set_read_timeout(Some(remaining(until)?))?;
        let length = u16::try_from(question.len()).map_err(|_| bad("the question is too long"))?;
        stream.write_all(&[&length.to_be_bytes()[..], question].concat())?;
        let mut length = [0; 2];
        stream.read_exact(&mut length).map_err(late)?;
        let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
        let mut at = 0;
        // Byte by byte it may come, but not for ever.
        while let Some(room) = message.get_mut(at..).filter(|room| !room.is_empty()) {
            stream.set_read_timeout(Some(remaining(until)?))?;
            match stream.read(room).map_err(late)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => at += count,
            }
        }
        read_answer(&message, request).ok_or_else(|| bad("no answer to what was asked"))
    }
}

impl DnsHandle for Servers {
    type Response = Once<Ready<Result<DnsResponse, NetError>>>;
    type Runtime = Blocking;

    fn send(&self, request: DnsRequest) -> Self::Response {
        let answer = self.answer(request).map_err(|why| {
            debug!("DNS: {why}");
            self.seen().failure.get_or_insert(why.clone());
            NetError::from(why)
        });
        once(ready(answer))
    }
}

/// The answer to this very question.
fn read_answer(message: &[u8], request: &DnsRequest) -> Option<DnsResponse> {
    let answer = DnsResponse::from_buffer(message.to_vec()).ok()?;
    (answer.id == request.id && answer.queries == request.queries).then_some(answer)
}

fn remaining(until: Instant) -> io::Result<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// The system calls a receive timeout "try again".
fn late(source: io::Error) -> io::Error {
    if source.kind() == io::ErrorKind::WouldBlock {
        return io::ErrorKind::TimedOut.into();
    }
    source
}

fn bad(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.to_owned())
}

fn addresses(text: &str) -> Vec<SocketAddr> {
    let mut servers = Vec::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        if words.next() == Some("nameserver") && servers.len() < SERVERS_MAX {
            // An address with a zone is one of a link; such resolvers are not asked.
            let address = words.next().and_then(|word| word.parse::<IpAddr>().ok());
            servers.extend(address.map(|ip| SocketAddr::new(ip, PORT)));
        }
    }
    if servers.is_empty() {
        servers.push(SocketAddr::new(IpAddr::from([127, 0, 0, 1]), PORT));
    }
    servers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whom_to_ask() {
        let two = addresses("# x\nnameserver 10.0.0.1\nnameserver ::1\noptions trust-ad\n");
        assert_eq!(two, ["10.0.0.1:53".parse().unwrap(), "[::1]:53".parse().unwrap()]);
        assert_eq!(addresses(""), ["127.0.0.1:53".parse().unwrap()]);
    }
}
