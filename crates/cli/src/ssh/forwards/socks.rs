//! What SOCKS clients say: versions 4, 4A and 5 (RFC 1928), as far as a forward needs them. Only
//! connections are made, and nobody has to log in.

use std::net::{Ipv4Addr, Ipv6Addr};

/// No request is longer; whoever sends more without asking for anything is not a SOCKS client.
pub const REQUEST_BYTES_MAX: usize = 1024;

/// The dialect a client speaks, which is how it has to be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// 4 and 4A.
    Four,
    /// 5.
    Five,
}

/// How far the talk has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Phase {
    /// Nothing was said.
    #[default]
    Start,
    /// Version 5: the way to log in, which is none, has been agreed on.
    Agreed,
}

/// What a client wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// How to answer.
    pub version: Version,
    /// Where to: a name or an address.
    pub host: String,
    /// Where to.
    pub port: u16,
}

/// What to do with what has come so far.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Wait for more.
    More,
    /// Take so many bytes away and agree: [`Phase::Agreed`] follows.
    Agree(usize),
    /// Take so many bytes away and connect; what is behind them is for the target.
    Connect(usize, Request),
    /// Say this and hang up.
    Bad(&'static [u8]),
}

/// The answer to [`Step::Agree`].
pub const AGREED: &[u8] = &[5, 0];

/// Why there is no connection, as far as SOCKS can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// No reason that is known.
    General,
    /// A rule of one of the two sides.
    Forbidden,
    /// The target did not take it.
    Refused,
}

const BAD_4: &[u8] = &[0, 91, 0, 0, 0, 0, 0, 0];
const BAD_METHODS: &[u8] = &[5, 0xff];
const BAD_COMMAND: &[u8] = &[5, 7, 0, 1, 0, 0, 0, 0, 0, 0];
const BAD_ADDRESS: &[u8] = &[5, 8, 0, 1, 0, 0, 0, 0, 0, 0];

impl Version {
    /// The connection is there.
    pub fn success(self) -> &'static [u8] {
        match self {
            Version::Four => &[0, 90, 0, 0, 0, 0, 0, 0],
            Version::Five => &[5, 0, 0, 1, 0, 0, 0, 0, 0, 0],
        }
    }

    /// It is not.
    pub fn failure(self, why: Failure) -> &'static [u8] {
        match (self, why) {
            (Version::Four, _) => BAD_4,
            (Version::Five, Failure::General) => &[5, 1, 0, 1, 0, 0, 0, 0, 0, 0],
            (Version::Five, Failure::Forbidden) => &[5, 2, 0, 1, 0, 0, 0, 0, 0, 0],
            (Version::Five, Failure::Refused) => &[5, 5, 0, 1, 0, 0, 0, 0, 0, 0],
        }
    }
}

/// Reads what a client said and has not been taken away.
pub fn read(input: &[u8], phase: Phase) -> Step {
    let step = match (phase, input.first()) {
        (_, None) => Some(Step::More),
        (Phase::Start, Some(4)) => read_4(input),
        (Phase::Start, Some(5)) => read_methods(input),
        (Phase::Agreed, Some(5)) => read_5(input),
        _ => return Step::Bad(&[]),
    };
    match step {
        Some(step) => step,
        None if input.len() >= REQUEST_BYTES_MAX => Step::Bad(&[]),
        None => Step::More,
    }
}

/// Version 4: command, port, address and user; 4A has a name behind an impossible address.
/// Nothing when it is not all there.
fn read_4(input: &[u8]) -> Option<Step> {
    let (head, rest) = input.split_first_chunk::<8>()?;
    let [_, command, port @ .., a, b, c, d] = *head;
    if command != 1 {
        return Some(Step::Bad(BAD_4));
    }
    let port = u16::from_be_bytes(port);
    // Who asks does not matter.
    let (_, behind_user) = text_to_nul(rest)?;
    let (host, behind) = if [a, b, c] == [0; 3] && d != 0 {
        let (name, behind) = text_to_nul(behind_user)?;
        let Ok(name) = std::str::from_utf8(name) else { return Some(Step::Bad(BAD_4)) };
        if name.is_empty() || name.len() > 255 {
            return Some(Step::Bad(BAD_4));
        }
        (name.to_owned(), behind)
    } else {
        (Ipv4Addr::new(a, b, c, d).to_string(), behind_user)
    };
    let request = Request { version: Version::Four, host, port };
    Some(Step::Connect(input.len() - behind.len(), request))
}

fn text_to_nul(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == 0)?;
    let (text, behind) = bytes.split_at(end);
    Some((text, behind.get(1..)?))
}

/// Version 5: the ways to log in that the client knows. RFC 1928 §3.
fn read_methods(input: &[u8]) -> Option<Step> {
    let (&[_, count], rest) = input.split_first_chunk::<2>()?;
    let methods = rest.get(..usize::from(count))?;
    Some(if methods.contains(&0) { Step::Agree(2 + methods.len()) } else { Step::Bad(BAD_METHODS) })
}

/// Version 5: command and target. RFC 1928 §4.
fn read_5(input: &[u8]) -> Option<Step> {
    let (&[_, command, _, kind], rest) = input.split_first_chunk::<4>()?;
    if command != 1 {
        return Some(Step::Bad(BAD_COMMAND));
    }
    let (host, rest) = match kind {
        1 => {
            let (address, rest) = rest.split_first_chunk::<4>()?;
            (Ipv4Addr::from(*address).to_string(), rest)
        }
        3 => {
            let (length, rest) = rest.split_first()?;
            let (name, rest) = rest.split_at_checked(usize::from(*length))?;
            match std::str::from_utf8(name) {
                Ok(name) if !name.is_empty() => (name.to_owned(), rest),
                _ => return Some(Step::Bad(BAD_ADDRESS)),
            }
        }
        4 => {
            let (address, rest) = rest.split_first_chunk::<16>()?;
            (Ipv6Addr::from(*address).to_string(), rest)
        }
        _ => return Some(Step::Bad(BAD_ADDRESS)),
    };
    let (port, behind) = rest.split_first_chunk::<2>()?;
    let request = Request { version: Version::Five, host, port: u16::from_be_bytes(*port) };
    Some(Step::Connect(input.len() - behind.len(), request))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(version: Version, host: &str, port: u16) -> Request {
        Request { version, host: host.to_owned(), port }
    }

    /// Every beginning of a whole message is unfinished, whatever follows it is left.
    fn whole(message: &[u8], phase: Phase, expected: impl Fn(usize) -> Step) {
        for length in 0..message.len() {
            assert_eq!(read(&message[..length], phase), Step::More, "{length} of {message:?}");
        }
        assert_eq!(read(message, phase), expected(message.len()));
        let longer = [message, b"data"].concat();
        assert_eq!(read(&longer, phase), expected(message.len()));
    }

    #[test]
    fn version_4() {
        whole(b"\x04\x01\x00\x50\x7f\x00\x00\x01me\0", Phase::Start, |length| {
            Step::Connect(length, to(Version::Four, "127.0.0.1", 80))
        });
        whole(b"\x04\x01\x01\xbb\x00\x00\x00\x01\0host.example\0", Phase::Start, |length| {
            Step::Connect(length, to(Version::Four, "host.example", 443))
        });
        assert_eq!(read(b"\x04\x02\x00\x50\x7f\x00\x00\x01me\0", Phase::Start), Step::Bad(BAD_4));
        assert_eq!(
            read(b"\x04\x01\x00\x50\x00\x00\x00\x01\0\xff\0", Phase::Start),
            Step::Bad(BAD_4)
        );
        assert_eq!(read(b"\x04\x01\x00\x50\x00\x00\x00\x01\0\0", Phase::Start), Step::Bad(BAD_4));
    }

    #[test]
    fn version_5() {
        whole(b"\x05\x02\x02\x00", Phase::Start, Step::Agree);
        assert_eq!(read(b"\x05\x01\x02", Phase::Start), Step::Bad(BAD_METHODS));
        assert_eq!(read(b"\x05\x00", Phase::Start), Step::Bad(BAD_METHODS));
        let connect = |host: &'static str, port| {
            move |length| Step::Connect(length, to(Version::Five, host, port))
        };
        whole(b"\x05\x01\x00\x01\x0a\x00\x00\x02\x00\x16", Phase::Agreed, connect("10.0.0.2", 22));
        whole(b"\x05\x01\x00\x03\x04host\x1f\x90", Phase::Agreed, connect("host", 8080));
        let mut six = b"\x05\x01\x00\x04".to_vec();
        six.extend_from_slice(&Ipv6Addr::LOCALHOST.octets());
        six.extend_from_slice(&[0, 80]);
        whole(&six, Phase::Agreed, connect("::1", 80));
        let bound = b"\x05\x02\x00\x01\x0a\x00\x00\x02\x00\x16";
        assert_eq!(read(bound, Phase::Agreed), Step::Bad(BAD_COMMAND));
        assert_eq!(read(b"\x05\x01\x00\x09\x00", Phase::Agreed), Step::Bad(BAD_ADDRESS));
        assert_eq!(read(b"\x05\x01\x00\x03\x00\x00\x16", Phase::Agreed), Step::Bad(BAD_ADDRESS));
    }

    #[test]
    fn others_are_sent_away() {
        assert_eq!(read(b"GET / HTTP/1.1\r\n", Phase::Start), Step::Bad(&[]));
        assert_eq!(read(b"\x04", Phase::Agreed), Step::Bad(&[]));
        let mut endless = b"\x04\x01\x00\x50\x7f\x00\x00\x01".to_vec();
        endless.resize(REQUEST_BYTES_MAX - 1, b'x');
        assert_eq!(read(&endless, Phase::Start), Step::More);
        endless.push(b'x');
        assert_eq!(read(&endless, Phase::Start), Step::Bad(&[]));
    }
}
