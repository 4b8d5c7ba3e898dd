//! What answers on a port.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::limits;

/// Who answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// SSH, with its ident.
    Ssh(String),
    /// A web server, with its first line.
    Http(String),
    /// TLS.
    Tls,
    /// Another service that speaks first.
    Other {
        /// Which, if its first line tells.
        service: &'static str,
        /// Its first line.
        line: String,
    },
    /// It takes connections and says nothing.
    Silent,
    /// It takes connections and closes them.
    Closes,
    /// It takes connections and resets them.
    Resets,
    /// The machine says that nobody listens there.
    Refuses,
    /// It does not answer.
    Nothing,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answer::Ssh(ident) => write!(f, "SSH ({ident})"),
            Answer::Http(line) => write!(f, "a web server ({line})"),
            Answer::Tls => f.write_str("a TLS service (HTTPS, for one)"),
            Answer::Other { service, line } => write!(f, "{service} ({line})"),
            Answer::Silent => f.write_str("something that says nothing"),
            Answer::Closes => f.write_str("something that closes every connection"),
            Answer::Resets => f.write_str("something that resets every connection"),
            Answer::Refuses => f.write_str("it refuses connections, so the machine is there"),
            Answer::Nothing => f.write_str("nothing"),
        }
    }
}

/// First words of services that speak first, and who they are.
const FIRST_WORDS: &[(&str, &str)] = &[
    ("220 ", "a mail or FTP server"),
    ("220-", "a mail or FTP server"),
    ("554 ", "a mail server"),
    ("+OK", "a POP3 server"),
    ("* OK", "an IMAP server"),
    ("RFB ", "a VNC server"),
    ("@RSYNCD:", "an rsync server"),
    ("-ERR", "a Redis or POP3 server"),
    ("AMQP", "a message broker"),
];

/// Who speaks so, if it is known. `text` is the beginning of what came.
pub fn classify(bytes: &[u8]) -> Option<Answer> {
    let line = first_line(bytes);
    if bytes.starts_with(b"HTTP/") || bytes.starts_with(b"<!DOCTYPE") || bytes.starts_with(b"<html")
    {
        return Some(Answer::Http(line));
    }
    // A TLS record: alert or handshake, version 3.x (RFC 8446 §5.1).
    if matches!(bytes, [0x15 | 0x16, 3, 0..=4, ..]) {
        return Some(Answer::Tls);
    }
    if let Some(ident) = ident_in(bytes) {
        return Some(Answer::Ssh(ident));
    }
    let known = FIRST_WORDS.iter().find(|(words, _)| line.starts_with(words));
    if let Some((_, service)) = known {
        let service = match *service {
            "a mail or FTP server" if line.contains("SMTP") => "a mail server",
            "a mail or FTP server" if line.to_ascii_lowercase().contains("ftp") => "an FTP server",
            other => other,
        };
        return Some(Answer::Other { service, line });
    }
    // MySQL: a packet of three length bytes, number 0, protocol version 10.
    if matches!(bytes, [_, _, 0, 0, 10, ..]) {
        return Some(Answer::Other { service: "a MySQL server", line: String::new() });
    }
    (!bytes.is_empty()).then_some(Answer::Other { service: "another service", line })
}

/// The ident line in the beginning of what came.
fn ident_in(bytes: &[u8]) -> Option<String> {
    bytes
        .split(|byte| *byte == b'\n')
        .find(|line| line.starts_with(b"SSH-"))
        .map(|line| String::from_utf8_lossy(line).trim_end().to_owned())
}

fn first_line(bytes: &[u8]) -> String {
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    String::from_utf8_lossy(line).trim_end().chars().take(100).collect()
}

/// Connects, listens, and when nothing comes, asks as a web browser would.
pub fn ask(address: SocketAddr, patience: Duration) -> Answer {
    let mut stream = match TcpStream::connect_timeout(&address, limits::CONNECT.min(patience)) {
        Ok(stream) => stream,
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => return Answer::Refuses,
        Err(_) => return Answer::Nothing,
    };
    match hear(&mut stream, patience) {
        Heard::Bytes(bytes) => return classify(&bytes).unwrap_or(Answer::Silent),
        Heard::End => return Answer::Closes,
        Heard::Reset => return Answer::Resets,
        Heard::Nothing => {}
    }
    // Whoever waits for the client to begin answers this, each in its way: a web server in HTTP, a
    // TLS server with an alert.
    if stream.write_all(b"GET / HTTP/1.0\r\n\r\n").is_err() {
        return Answer::Closes;
    }
    match hear(&mut stream, limits::ANSWER) {
        Heard::Bytes(bytes) => match classify(&bytes) {
            // Apache and nginx say in clear text that they wanted TLS.
            Some(Answer::Http(line)) if is_https(&bytes) => {
                let _ = line;
                Answer::Tls
            }
            Some(answer) => answer,
            None => Answer::Silent,
        },
        Heard::End | Heard::Reset | Heard::Nothing => ask_tls(address),
    }
}

fn is_https(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    text.contains("HTTPS port") || text.contains("plain HTTP request was sent")
}

/// A service that answers a client hello speaks TLS.
fn ask_tls(address: SocketAddr) -> Answer {
    let Ok(mut stream) = TcpStream::connect_timeout(&address, limits::ANSWER) else {
        return Answer::Silent;
    };
    if stream.write_all(CLIENT_HELLO).is_err() {
        return Answer::Silent;
    }
    match hear(&mut stream, limits::ANSWER) {
        Heard::Bytes(bytes) if matches!(classify(&bytes), Some(Answer::Tls)) => Answer::Tls,
        _ => Answer::Silent,
    }
}

/// A hello of TLS 1.2 (RFC 5246 §7.4.1.2) that any server answers, be it with an alert.
const CLIENT_HELLO: &[u8] = &[
    0x16, 3, 1, 0, 47, 1, 0, 0, 43, 3, 3, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
    17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 0, 0, 4, 0xc0, 0x2f, 0, 0x2f,
    1, 0,
];

enum Heard {
    Bytes(Vec<u8>),
    End,
    Reset,
    Nothing,
}

/// Reads until there is a line or enough, or the time is over.
fn hear(stream: &mut TcpStream, patience: Duration) -> Heard {
    let deadline = Instant::now() + patience;
    let mut bytes = Vec::new();
    let mut room = [0; 2048];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || stream.set_read_timeout(Some(left)).is_err() {
            break;
        }
        match stream.read(&mut room) {
            Ok(0) | Err(_) if !bytes.is_empty() => break,
            Ok(0) => return Heard::End,
            Ok(count) => bytes.extend_from_slice(room.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error)
                if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) =>
            {
                break;
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Heard::Reset,
            Err(_) => return Heard::End,
        }
        let is_text_line = bytes.contains(&b'\n') && !bytes.starts_with(b"HTTP/");
        if is_text_line || bytes.len() > 1024 || matches!(bytes.first(), Some(0x15 | 0x16)) {
            break;
        }
    }
    if bytes.is_empty() { Heard::Nothing } else { Heard::Bytes(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_by_their_first_words() {
        let service = |bytes: &[u8]| classify(bytes).map(|answer| answer.to_string());
        assert_eq!(service(b"SSH-2.0-X\r\n").as_deref(), Some("SSH (SSH-2.0-X)"));
        assert_eq!(
            service(b"220 mx.example ESMTP\r\n").as_deref(),
            Some("a mail server (220 mx.example ESMTP)")
        );
        assert_eq!(
            service(b"HTTP/1.1 400 Bad Request\r\n").as_deref(),
            Some("a web server (HTTP/1.1 400 Bad Request)")
        );
        assert_eq!(classify(&[0x15, 3, 1, 0, 2, 2, 70]), Some(Answer::Tls));
        assert_eq!(classify(b""), None);
    }

    #[test]
    fn the_hello_is_as_long_as_it_says() {
        assert_eq!(CLIENT_HELLO.len(), 5 + usize::from(CLIENT_HELLO[4]));
        assert_eq!(usize::from(CLIENT_HELLO[8]), CLIENT_HELLO.len() - 9);
    }
}
