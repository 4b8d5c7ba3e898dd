//! The server's proposal, read without agreeing on anything: its KEXINIT stands in the clear.
//! RFC 4253 §7.1.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use crate::limits;

/// The lists of a KEXINIT that have to meet, in their order there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lists {
    /// `kex_algorithms`.
    pub kex: Vec<String>,
    /// `server_host_key_algorithms`.
    pub host_key: Vec<String>,
    /// Ciphers, from us.
    pub ciphers_out: Vec<String>,
    /// Ciphers, to us.
    pub ciphers_in: Vec<String>,
    /// MACs, from us.
    pub macs_out: Vec<String>,
    /// MACs, to us.
    pub macs_in: Vec<String>,
}

/// One class in which there is nothing in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// In words: `key exchange`.
    pub class: &'static str,
    /// The keyword of `ssh_config`.
    pub keyword: &'static str,
    /// What we offer.
    pub ours: Vec<String>,
    /// What the server offers.
    pub theirs: Vec<String>,
    /// What of theirs this program could do if it were told to.
    pub possible: Vec<String>,
    /// The line that limits what we offer, or nothing.
    pub origin: Option<String>,
}

/// Reads the server's proposal.
///
/// # Errors
/// Why there is none.
pub fn read(address: SocketAddr) -> Result<Lists, String> {
    let mut stream = TcpStream::connect_timeout(&address, limits::CONNECT)
        .map_err(|error| super::reach::reason(&error))?;
    stream.write_all(b"SSH-2.0-Keyway_doctor\r\n").map_err(|error| super::reach::reason(&error))?;
    let deadline = Instant::now() + limits::GREETING;
    let mut bytes = Vec::new();
    let mut room = [0; 4096];
    loop {
        if let Some(payload) = kex_init_in(&bytes) {
            return parse(payload).ok_or_else(|| "its proposal does not parse".to_owned());
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || bytes.len() > limits::PROPOSAL_BYTES {
            return Err("its proposal did not come".to_owned());
        }
        stream.set_read_timeout(Some(left)).map_err(|error| super::reach::reason(&error))?;
        match stream.read(&mut room) {
            Ok(0) => return Err("it closed the connection".to_owned()),
            Ok(count) => bytes.extend_from_slice(room.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(super::reach::reason(&error)),
        }
    }
}

/// The payload of the first packet behind the ident line, once it is whole.
fn kex_init_in(bytes: &[u8]) -> Option<&[u8]> {
    let mut rest = bytes;
    loop {
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        let (line, behind) = rest.split_at_checked(end + 1)?;
        rest = behind;
        if line.starts_with(b"SSH-") {
            break;
        }
    }
    let length = usize::try_from(u32::from_be_bytes(rest.first_chunk::<4>().copied()?)).ok()?;
    let packet = rest.get(4..)?.get(..length)?;
    let padding = usize::from(*packet.first()?);
    packet.get(1..length.checked_sub(padding)?)
}

/// Message number 20, a cookie of 16 bytes, then ten name-lists.
fn parse(payload: &[u8]) -> Option<Lists> {
    let mut rest = payload.strip_prefix(&[20])?.get(16..)?;
    let mut lists = Vec::new();
    for _ in 0..10 {
        let length = usize::try_from(u32::from_be_bytes(rest.first_chunk::<4>().copied()?)).ok()?;
        let text = std::str::from_utf8(rest.get(4..)?.get(..length)?).ok()?;
        lists.push(text.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect());
        rest = rest.get(4 + length..)?;
    }
    let mut lists = lists.into_iter();
    let mut next = || lists.next();
    Some(Lists {
        kex: next()?,
        host_key: next()?,
        ciphers_out: next()?,
        ciphers_in: next()?,
        macs_out: next()?,
        macs_in: next()?,
    })
}

impl Lists {
    /// Every class in which `ours` and `theirs` have nothing in common. `possible` tells, for a
    /// keyword, what this program knows; `origin`, which line chose the list.
    pub fn mismatches(
        ours: &Lists,
        theirs: &Lists,
        possible: &dyn Fn(&str) -> Vec<String>,
        origin: &dyn Fn(&str) -> Option<String>,
    ) -> Vec<Mismatch> {
        let mut found = Vec::new();
        let rows = [
            ("key exchange", "KexAlgorithms", &ours.kex, &theirs.kex),
            ("host key", "HostKeyAlgorithms", &ours.host_key, &theirs.host_key),
            ("cipher", "Ciphers", &ours.ciphers_out, &theirs.ciphers_out),
            ("cipher", "Ciphers", &ours.ciphers_in, &theirs.ciphers_in),
            ("MAC", "MACs", &ours.macs_out, &theirs.macs_out),
            ("MAC", "MACs", &ours.macs_in, &theirs.macs_in),
        ];
        // Ciphers that authenticate leave the MAC without meaning.
        let aead = |name: &String| name.contains("gcm") || name.contains("poly1305");
        let common = ours.ciphers_out.iter().find(|name| theirs.ciphers_out.contains(name));
        let without_mac = common.is_some_and(aead);
        for (class, keyword, ours, theirs) in rows {
            let is_marker =
                |name: &&String| name.starts_with("ext-info-") || name.starts_with("kex-strict-");
            let meets = ours.iter().filter(|name| !is_marker(name)).any(|one| theirs.contains(one));
            let is_known = found.iter().any(|one: &Mismatch| one.keyword == keyword);
            if meets || is_known || (class == "MAC" && without_mac) {
                continue;
            }
            let known = possible(keyword);
            let plain =
                |list: &[String]| list.iter().filter(|name| !is_marker(name)).cloned().collect();
            found.push(Mismatch {
                class,
                keyword,
                ours: plain(ours),
                theirs: plain(theirs),
                possible: theirs.iter().filter(|name| known.contains(name)).cloned().collect(),
                origin: origin(keyword),
            });
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(lists: &[&str; 10]) -> Vec<u8> {
        let mut payload = vec![20];
        payload.extend([7; 16]);
        for list in lists {
            payload.extend(u32::try_from(list.len()).unwrap().to_be_bytes());
            payload.extend(list.as_bytes());
        }
        payload.extend([0; 5]);
        let mut bytes = b"hello\r\nSSH-2.0-x\r\n".to_vec();
        bytes.extend(u32::try_from(payload.len() + 1 + 6).unwrap().to_be_bytes());
        bytes.push(6);
        bytes.extend(payload);
        bytes.extend([0; 6]);
        bytes
    }

    #[test]
    fn a_proposal_behind_noise() {
        let bytes = packet(&["a,b", "k", "c1", "c2", "m", "m", "none", "none", "", ""]);
        let lists = parse(kex_init_in(&bytes).unwrap()).unwrap();
        assert_eq!((lists.kex.len(), lists.ciphers_in.as_slice()), (2, &["c2".to_owned()][..]));
        assert!(kex_init_in(&bytes[..bytes.len() - 1]).is_none());
    }

    #[test]
    fn all_mismatches_at_once() {
        let one = |name: &str| vec![name.to_owned()];
        let ours = Lists {
            kex: vec!["x".to_owned(), "kex-strict-c".to_owned()],
            host_key: one("k"),
            ciphers_out: one("c"),
            ciphers_in: one("c"),
            macs_out: one("m"),
            macs_in: one("m"),
        };
        let theirs = Lists { kex: one("y"), macs_out: one("n"), ..ours.clone() };
        let known = |keyword: &str| if keyword == "MACs" { one("n") } else { Vec::new() };
        let found = Lists::mismatches(&ours, &theirs, &known, &|_| None);
        let keywords: Vec<&str> = found.iter().map(|one| one.keyword).collect();
        assert_eq!(keywords, ["KexAlgorithms", "MACs"]);
        assert_eq!(found[1].possible, one("n"));
    }
}
