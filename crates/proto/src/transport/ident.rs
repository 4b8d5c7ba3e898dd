//! The identification exchange. RFC 4253 §4.2.

use crate::error::{Error, Misbehaved};
use crate::limits;
use crate::role::Side;
use crate::transport::buffer::Input;

/// What a line of the exchange is.
pub enum Line {
    /// The remote's ident, without its line end.
    Ident(String),
    /// A line that a server sent before it.
    Noise(String),
}

/// Takes one line, if a whole one is there.
///
/// # Errors
/// When the remote speaks another protocol or sends too much before it speaks.
pub fn take_line(input: &mut Input, noise_lines: usize, side: Side) -> Result<Option<Line>, Error> {
    let unread = input.unread();
    let Some(length) = unread.iter().position(|byte| *byte == b'\n') else {
        if unread.len() >= limits::IDENT_LINE_BYTES {
            return Err(Misbehaved::IdentNoise.into());
        }
        // A peer that is no SSH client may never end its line.
        let could_be_ident = unread.len() < 4 || unread.starts_with(b"SSH-");
        if side == Side::Server && !could_be_ident {
            return Err(Misbehaved::BadIdent(printable(unread)).into());
        }
        return Ok(None);
    };
    if length >= limits::IDENT_LINE_BYTES {
        return Err(Misbehaved::IdentNoise.into());
    }
    let taken = input.take(length + 1);
    let line = input.taken(taken);
    let line = &line[..length];
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if !line.starts_with(b"SSH-") {
        if side == Side::Server {
            return Err(Misbehaved::BadIdent(printable(line)).into());
        }
        if noise_lines >= limits::IDENT_NOISE_LINES {
            return Err(Misbehaved::IdentNoise.into());
        }
        return Ok(Some(Line::Noise(String::from_utf8_lossy(line).into_owned())));
    }
    if line.contains(&0) {
        return Err(Misbehaved::BadIdent(printable(line)).into());
    }
    let Ok(text) = std::str::from_utf8(line) else {
        return Err(Misbehaved::BadIdent(printable(line)).into());
    };
    // A server that speaks both versions says 1.99 (RFC 4253 §5.1).
    let version = text.split('-').nth(1).unwrap_or_default();
    if version != "2.0" && !(side == Side::Client && version == "1.99") {
        return Err(Misbehaved::ProtocolVersion(printable(line)).into());
    }
    Ok(Some(Line::Ident(text.to_owned())))
}

fn printable(line: &[u8]) -> String {
    line.iter()
        .take(255)
        .map(|byte| if (32..127).contains(byte) { *byte as char } else { '?' })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(bytes: &[u8], side: Side) -> Result<Option<Line>, Error> {
        let mut input = Input::default();
        input.room(bytes.len())[..bytes.len()].copy_from_slice(bytes);
        input.filled(bytes.len());
        take_line(&mut input, 0, side)
    }

    #[test]
    fn idents() {
        assert!(matches!(take(b"SSH-2.0-x", Side::Server), Ok(None)));
        assert!(
            matches!(take(b"SSH-2.0-x y\r\n", Side::Server), Ok(Some(Line::Ident(line))) if line == "SSH-2.0-x y")
        );
        assert!(matches!(take(b"SSH-1.99-x\n", Side::Client), Ok(Some(Line::Ident(_)))));
        assert!(matches!(take(b"hello\n", Side::Client), Ok(Some(Line::Noise(_)))));
    }

    #[test]
    fn bad_ident() {
        assert!(matches!(
            take(b"GET / HTTP/1.1", Side::Server),
            Err(Error::Misbehaved(Misbehaved::BadIdent(_)))
        ));
        assert!(matches!(
            take(b"SSH-2.0-\0\n", Side::Client),
            Err(Error::Misbehaved(Misbehaved::BadIdent(_)))
        ));
    }

    #[test]
    fn protocol_version() {
        let end = take(b"SSH-1.5-HALLO\n", Side::Server);
        assert!(matches!(end, Err(Error::Misbehaved(Misbehaved::ProtocolVersion(_)))));
    }

    #[test]
    fn ident_noise() {
        let end = take(&[b'x'; limits::IDENT_LINE_BYTES], Side::Client);
        assert!(matches!(end, Err(Error::Misbehaved(Misbehaved::IdentNoise))));
    }
}
