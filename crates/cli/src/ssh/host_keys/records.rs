//! `VerifyHostKeyDNS`: fingerprints in the DNS, RFC 4255.
//!
//! Nothing is validated here. As with OpenSSH, the resolver of `/etc/resolv.conf` does that, and
//! its word is taken where the system says that it may be: for `options trust-ad`, or when it
//! runs on this machine. Otherwise the records are only mentioned in the question.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use config::YesNoAsk;
use keys::PublicKey;

use super::HostKeys;
use super::message::{Answer, question, read_answer};
use crate::files;
use crate::messages::{debug, error};

/// For one answer of one server.
const PATIENCE: Duration = Duration::from_secs(3);
const SERVERS_MAX: usize = 3;
const ROUNDS: usize = 2;
const RESOLV_CONF: &str = "/etc/resolv.conf";
const RESOLV_CONF_BYTES_MAX: u64 = 64 * 1024;
const DATAGRAM_BYTES_MAX: usize = 4096;
const PORT: u16 = 53;

/// What the DNS says about a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Records {
    /// Nothing, or nobody was asked.
    None,
    /// The key is there.
    Match {
        /// The answer was validated by a resolver that may be believed.
        secure: bool,
    },
    /// Only others are there.
    Mismatch,
}

impl HostKeys {
    /// Asks for the records of the host, if that is wanted.
    pub(super) fn ask_records(&self, key: &PublicKey) -> Records {
        if *self.config.verify_host_key_dns == YesNoAsk::No {
            return Records::None;
        }
        let name = self.config.host_name.as_str();
        if name.parse::<IpAddr>().is_ok() {
            debug!("skipped DNS lookup for numerical hostname");
            return Records::None;
        }
        let (answer, trusted) = match look_up(name) {
            Ok(found) => found,
            Err(why) => {
                debug!("DNS lookup error: {why}");
                return Records::None;
            }
        };
        let secure = trusted && answer.authenticated;
        let kind = if secure { "secure" } else { "insecure" };
        debug!("found {} {kind} fingerprints in DNS", answer.records.len());
        judge(&answer, key, secure)
    }

    /// Says that the DNS knows other keys.
    pub(super) fn alarm_records(&self, key: &PublicKey) {
        self.say_changed(key);
        error!("Update the SSHFP RR in DNS with the new host key to get rid of this message.");
    }
}

/// SHA-256 decides where the DNS has it: RFC 6594 §4.1 prefers it.
fn judge(answer: &Answer, key: &PublicKey, secure: bool) -> Records {
    if answer.records.is_empty() {
        return Records::None;
    }
    let ours = key.sshfp();
    let of_type = |kind: u8| {
        let (algorithm, _, digest) = ours.iter().find(|(_, one, _)| *one == kind)?;
        let mut theirs =
            answer.records.iter().filter(|one| (one.0, one.1) == (*algorithm, kind)).peekable();
        theirs.peek()?;
        Some(theirs.any(|one| one.2 == *digest))
    };
    match of_type(2).or_else(|| of_type(1)) {
        Some(true) => {
            debug!("matching host key fingerprint found in DNS");
            Records::Match { secure }
        }
        Some(false) => {
            debug!("mismatching host key fingerprint found in DNS");
            Records::Mismatch
        }
        None => Records::None,
    }
}

/// The answer of the first server that has one, and whether its word on validity counts.
fn look_up(name: &str) -> Result<(Answer, bool), String> {
    let bytes = files::read_limited(RESOLV_CONF.as_ref(), RESOLV_CONF_BYTES_MAX)
        .map_err(|source| format!("{RESOLV_CONF}: {}", crate::text::reason(&source)))?;
    let (servers, trust_ad) = settings(&String::from_utf8_lossy(&bytes));
    let mut why = format!("{RESOLV_CONF} names no server");
    for _ in 0..ROUNDS {
        for server in &servers {
            match ask(*server, name) {
                Ok(answer) => return Ok((answer, trust_ad || server.ip().is_loopback())),
                Err(source) => why = format!("{}: {}", server.ip(), crate::text::reason(&source)),
            }
        }
    }
    Err(why)
}

fn settings(text: &str) -> (Vec<SocketAddr>, bool) {
    let (mut servers, mut trust_ad) = (Vec::new(), false);
    for line in text.lines() {
        let mut words = line.split_whitespace();
        match words.next() {
            Some("nameserver") if servers.len() < SERVERS_MAX => {
                // An address with a zone is one of a link; such resolvers are not asked.
                let address = words.next().and_then(|word| word.parse::<IpAddr>().ok());
                servers.extend(address.map(|ip| SocketAddr::new(ip, PORT)));
            }
            Some("options") => trust_ad |= words.any(|word| word == "trust-ad"),
            _ => {}
        }
    }
    if servers.is_empty() {
        servers.push(SocketAddr::new(IpAddr::from([127, 0, 0, 1]), PORT));
    }
    (servers, trust_ad)
}

fn ask(server: SocketAddr, name: &str) -> io::Result<Answer> {
    let mut id = [0; 2];
    crypto::random::fill(&mut id);
    let id = u16::from_be_bytes(id);
    let bad = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why.to_owned());
    let query = question(id, name).ok_or_else(|| bad("no name for the DNS"))?;
    let any: SocketAddr = match server {
        SocketAddr::V4(_) => ([0, 0, 0, 0], 0).into(),
        SocketAddr::V6(_) => ([0u16; 8], 0).into(),
    };
    let socket = UdpSocket::bind(any)?;
    // Only what this server sends arrives.
    socket.connect(server)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.send(&query)?;
    let mut datagram = [0; DATAGRAM_BYTES_MAX];
    let count = socket.recv(&mut datagram)?;
    let answer = read_answer(datagram.get(..count).unwrap_or_default(), id, &query);
    let answer = answer.ok_or_else(|| bad("no answer to what was asked"))?;
    if !answer.truncated {
        return Ok(answer);
    }
    let mut stream = TcpStream::connect_timeout(&server, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let length = u16::try_from(query.len()).map_err(|_| bad("the question is too long"))?;
    stream.write_all(&[&length.to_be_bytes()[..], &query].concat())?;
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut message)?;
    read_answer(&message, id, &query).ok_or_else(|| bad("no answer to what was asked"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whom_to_ask_and_believe() {
        let (servers, trusted) = settings("# x\nnameserver 10.0.0.1\nnameserver ::1\n");
        assert_eq!(servers, ["10.0.0.1:53".parse().unwrap(), "[::1]:53".parse().unwrap()]);
        assert!(!trusted);
        assert!(settings("options edns0 trust-ad\n").1);
        assert_eq!(settings("").0, ["127.0.0.1:53".parse().unwrap()]);
    }
}
