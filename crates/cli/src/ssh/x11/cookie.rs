//! Cookies: the real one from xauth, and the one that the server gets in its place.

use std::fmt::Write as _;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use config::ClientConfig;
use zeroize::Zeroizing;

use super::display::Display;
use crate::messages::{debug, error, info};

/// The protocol that every display knows.
const PROTOCOL: &str = "MIT-MAGIC-COOKIE-1";
/// Its cookies.
const COOKIE_BYTES: usize = 16;
/// No cookie is longer.
const COOKIE_BYTES_MAX: usize = 256;
/// The display takes connections for so much longer than we do.
const SLACK: Duration = Duration::from_secs(60);
/// A connection's first packet, up to what names the authorization.
const HEAD_BYTES: usize = 12;

/// The two cookies.
pub struct Cookies {
    protocol: String,
    /// What the display wants.
    real: Zeroizing<Vec<u8>>,
    /// What the server is told.
    fake: Zeroizing<Vec<u8>>,
}

/// What came of looking at the first words of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// There must be more of them.
    More,
    /// The cookie was the one we gave, and is the real one now.
    Right,
    /// It was not.
    Wrong,
}

impl Cookies {
    fn new(protocol: &str, real: Vec<u8>) -> Self {
        let mut fake = Zeroizing::new(vec![0; real.len()]);
        crypto::random::fill(&mut fake);
        Cookies { protocol: protocol.to_owned(), real: Zeroizing::new(real), fake }
    }

    /// How a program shows it knows the cookie.
    pub fn protocol(&self) -> &str {
        &self.protocol
    }

    /// For the server.
    pub fn fake_in_hexadecimal(&self) -> String {
        self.fake.iter().fold(String::new(), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    /// Looks for the cookie in the first packet of an X11 connection, and puts the real one there.
    pub fn look(&self, said: &mut [u8]) -> Shown {
        let Some(head) = said.first_chunk::<HEAD_BYTES>() else { return Shown::More };
        let [order, _, _, _, _, _, name_0, name_1, data_0, data_1, _, _] = *head;
        let number = match order {
            b'B' => u16::from_be_bytes,
            b'l' => u16::from_le_bytes,
            _ => return Shown::Wrong,
        };
        let name_bytes = usize::from(number([name_0, name_1]));
        let data_bytes = usize::from(number([data_0, data_1]));
        // So nobody makes us keep more than the packet that we expect.
        if name_bytes != self.protocol.len() || data_bytes != self.fake.len() {
            debug!("X11 connection uses different authentication protocol.");
            return Shown::Wrong;
        }
        let data_at = HEAD_BYTES + name_bytes.next_multiple_of(4);
        let name = said.get(HEAD_BYTES..HEAD_BYTES + name_bytes);
        // With its padding: whatever is told is told at once.
        let is_whole = said.len() >= data_at + data_bytes.next_multiple_of(4);
        let (Some(name), true) = (name, is_whole) else { return Shown::More };
        if name != self.protocol.as_bytes() {
            debug!("X11 connection uses different authentication protocol.");
            return Shown::Wrong;
        }
        let Some(data) = said.get_mut(data_at..data_at + data_bytes) else { return Shown::More };
        if !crypto::constant_time::equal(data, &self.fake) {
            debug!("X11 auth data does not match fake data.");
            return Shown::Wrong;
        }
        data.copy_from_slice(&self.real);
        Shown::Right
    }
}

/// Asks xauth for the display's cookie, for untrusted programs a new one that lets them do less
/// and ends. Nothing when there is to be no forwarding.
pub fn obtain(config: &ClientConfig, display: &Display) -> Option<(Cookies, Option<Instant>)> {
    let xauth = &*config.xauth_location;
    if !xauth.exists() {
        debug!("No xauth program.");
    }
    if *config.forward_x11_trusted {
        let cookies = list(xauth, None, display).unwrap_or_else(|| {
            info!("Warning: No xauth data; using fake authentication data for X11 forwarding.");
            let mut invented = vec![0; COOKIE_BYTES];
            crypto::random::fill(&mut invented);
            Cookies::new(PROTOCOL, invented)
        });
        return Some((cookies, None));
    }
    let timeout = Some(*config.forward_x11_timeout).filter(|timeout| !timeout.is_zero());
    let until = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let made = Folder::new().ok().and_then(|folder| {
        let file = folder.0.join("xauthfile");
        generate(xauth, &file, display, timeout).then(|| list(xauth, Some(&file), display))?
    });
    if made.is_none() {
        error!("Warning: untrusted X11 forwarding setup failed: xauth key data not generated");
    }
    Some((made?, until))
}

fn generate(xauth: &Path, file: &Path, display: &Display, timeout: Option<Duration>) -> bool {
    let mut command = Command::new(xauth);
    command.arg("-f").arg(file).args(["generate", &display.entry(), PROTOCOL, "untrusted"]);
    if let Some(timeout) = timeout {
        let seconds = timeout.saturating_add(SLACK).as_secs().min(u64::from(u32::MAX));
        command.args(["timeout", &seconds.to_string()]);
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    debug!("x11_get_proto: {} generate {} untrusted", xauth.display(), display.entry());
    command.status().is_ok_and(|status| status.success())
}

/// The first entry that xauth has for the display.
fn list(xauth: &Path, file: Option<&Path>, display: &Display) -> Option<Cookies> {
    let mut command = Command::new(xauth);
    if let Some(file) = file {
        command.arg("-f").arg(file);
    }
    command.args(["list", &display.entry()]).stdin(Stdio::null()).stderr(Stdio::null());
    debug!("x11_get_proto: {} list {}", xauth.display(), display.entry());
    let output = Zeroizing::new(command.output().ok()?.stdout);
    parse_entry(std::str::from_utf8(&output).ok()?)
}

/// `DISPLAY  PROTOCOL  COOKIE`, the cookie in hexadecimal.
fn parse_entry(text: &str) -> Option<Cookies> {
    let mut words = text.lines().next()?.split_whitespace().skip(1);
    let (protocol, cookie) = (words.next()?, words.next()?);
    let usable = |word: &str| {
        word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".:/-_".contains(&byte))
    };
    if !usable(protocol) || cookie.is_empty() || cookie.len() > 2 * COOKIE_BYTES_MAX {
        return None;
    }
    let mut digits = cookie.chars().map(|digit| digit.to_digit(16));
    let mut real = Vec::with_capacity(cookie.len() / 2);
    while let Some(high) = digits.next() {
        let byte = high? * 16 + digits.next()??;
        real.push(u8::try_from(byte).ok()?);
    }
    Some(Cookies::new(protocol, real))
}

/// A folder that only this user can enter. Removed when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> io::Result<Self> {
        let mut random = [0; 8];
        crypto::random::fill(&mut random);
        let name = format!("ssh-{:016x}", u64::from_ne_bytes(random));
        let path = std::env::temp_dir().join(name);
        // Fails when somebody made it before us, link or folder.
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Folder(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left of it is empty of use: its cookie is in no other file.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(order: u8, name: &[u8], data: &[u8]) -> Vec<u8> {
        let number = |n: usize| {
            let n = u16::try_from(n).expect("short");
            if order == b'B' { n.to_be_bytes() } else { n.to_le_bytes() }
        };
        let mut packet = vec![order, 0];
        for part in [11, 0, name.len(), data.len(), 0] {
            packet.extend(number(part));
        }
        for part in [name, data] {
            packet.extend(part);
            packet.resize(packet.len().next_multiple_of(4), 0);
        }
        packet
    }

    #[test]
    fn the_real_cookie_takes_the_place_of_the_fake_one() {
        let cookies = Cookies::new(PROTOCOL, vec![7; 16]);
        for order in [b'B', b'l'] {
            let mut said = packet(order, PROTOCOL.as_bytes(), &cookies.fake);
            let whole = said.len();
            said.extend(b"more");
            for cut in 0..whole {
                assert_eq!(cookies.look(&mut said[..cut]), Shown::More, "{cut}");
            }
            assert_eq!(cookies.look(&mut said), Shown::Right);
            assert_eq!(&said[whole - 16..whole], &[7; 16]);
            assert_eq!(&said[whole..], b"more");
        }
    }

    #[test]
    fn whoever_does_not_know_the_fake_cookie_is_turned_away() {
        let cookies = Cookies::new(PROTOCOL, vec![7; 16]);
        let look = |mut said: Vec<u8>| cookies.look(&mut said);
        assert_eq!(look(packet(b'l', PROTOCOL.as_bytes(), &[7; 16])), Shown::Wrong);
        assert_eq!(look(packet(b'l', b"", b"")), Shown::Wrong);
        assert_eq!(look(packet(b'l', &[b'x'; 18], &cookies.fake)), Shown::Wrong);
        // No more is kept of a packet that promises much.
        let mut long = packet(b'B', &[b'x'; 18], &[0; 16]);
        long[6..8].copy_from_slice(&[0xff, 0xff]);
        assert_eq!(look(long), Shown::Wrong);
        assert_eq!(look(b"GET / HTTP/1.0\r\n".to_vec()), Shown::Wrong);
    }

    #[test]
    fn what_xauth_lists() {
        let cookies = parse_entry("h/unix:0  MIT-MAGIC-COOKIE-1  00ff10\nother\n").expect("entry");
        assert_eq!((cookies.protocol(), cookies.real.as_slice()), (PROTOCOL, &[0, 255, 16][..]));
        assert_eq!(cookies.fake.len(), 3);
        assert_eq!(cookies.fake_in_hexadecimal().len(), 6);
        for bad in ["", "h:0", "h:0 P", "h:0 P 0", "h:0 P 0g", "h:0 P! 00"] {
            assert!(parse_entry(bad).is_none(), "{bad}");
        }
        assert!(parse_entry(&format!("h:0 P {}", "00".repeat(COOKIE_BYTES_MAX + 1))).is_none());
    }
}
