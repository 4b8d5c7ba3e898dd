//! The other end of a key exchange, without manners: it does what it must to
//! agree on keys, then says whatever it was given to say, properly sealed.
//!
//! It uses the crypto crate but no code of the engine's.

use crypto::cipher::{Keys, Sealer};
use crypto::hash::Digest;
use crypto::kex::{KeyExchange, SharedSecret};
use crypto::tables::{self, KexKind};
use keys::PrivateKey;
use wire::{Reader, Writer};

const IDENT: &str = "SSH-2.0-Rogue";
const KEX: &str = "curve25519-sha256";
const CIPHER: &str = "aes128-gcm@openssh.com";

/// A packet in the clear, as before the first NEWKEYS.
pub fn clear_packet(payload: &[u8]) -> Vec<u8> {
    // Length field, padding length, payload and at least four bytes of padding
    // make a multiple of eight.
    let padding = 4 + (8 - (payload.len() + 9) % 8) % 8;
    let mut packet = Vec::with_capacity(payload.len() + padding + 5);
    packet.extend_from_slice(&((payload.len() + padding + 1) as u32).to_be_bytes());
    packet.push(padding as u8);
    packet.extend_from_slice(payload);
    packet.resize(packet.len() + padding, 0);
    packet
}

/// Our KEXINIT, which leaves no choice.
pub fn kexinit() -> Vec<u8> {
    let mut payload = vec![20];
    payload.extend_from_slice(&[7; 16]);
    for list in [
        KEX,
        "ssh-ed25519",
        CIPHER,
        CIPHER,
        "hmac-sha2-256",
        "hmac-sha2-256",
        "none",
        "none",
        "",
        "",
    ] {
        payload.put_string(list.as_bytes());
    }
    payload.extend_from_slice(&[0; 5]);
    payload
}

/// What the engine under test sent in the clear.
struct Heard<'a> {
    ident: &'a str,
    payloads: Vec<&'a [u8]>,
}

fn listen(bytes: &[u8]) -> Option<Heard<'_>> {
    let end = bytes.windows(2).position(|pair| pair == b"\r\n")?;
    let ident = std::str::from_utf8(&bytes[..end]).ok()?;
    let mut reader = Reader::new(&bytes[end + 2..]);
    let mut payloads = Vec::new();
    while let Ok(packet) = reader.string() {
        let padding = usize::from(*packet.first()?);
        payloads.push(packet.get(1..packet.len().checked_sub(padding)?)?);
    }
    Some(Heard { ident, payloads })
}

fn exchange() -> Option<&'static dyn KeyExchange> {
    match tables::key_exchange(KEX)?.kind {
        KexKind::Fixed(exchange) => Some(exchange),
        KexKind::GroupExchange(_) => None,
    }
}

/// Seals what it says after the key exchange.
pub struct Voice {
    sealer: Box<dyn Sealer>,
    sequence_number: u32,
}

impl Voice {
    /// `letters`: of the first IV and of the key, RFC 4253 §7.2.
    fn new(secret: &SharedSecret, hash: &Digest, letters: [u8; 2], sent: u32) -> Option<Self> {
        let cipher = tables::cipher(CIPHER)?;
        let exchange = exchange()?;
        let mut iv = vec![0; cipher.iv_len];
        let mut key = vec![0; cipher.key_len];
        for (letter, out) in [(letters[0], &mut iv), (letters[1], &mut key)] {
            let hash = hash.as_ref();
            crypto::kdf::derive(exchange.hash(), secret, hash, letter, hash, out);
        }
        let keys = Keys { key: &key, iv: &iv, mac_key: &[] };
        Some(Self { sealer: cipher.sealer(None, &keys).ok()?, sequence_number: sent })
    }

    /// One packet with this payload.
    pub fn say(&mut self, payload: &[u8]) -> Vec<u8> {
        let block = self.sealer.block_len().max(8);
        let counted = payload.len() + 1;
        let padding = 4 + (block - (counted + 4) % block) % block;
        let length = counted + padding;
        let mut packet = Vec::with_capacity(length + 4 + self.sealer.tag_len());
        packet.extend_from_slice(&(length as u32).to_be_bytes());
        packet.push(padding as u8);
        packet.extend_from_slice(payload);
        packet.resize(length + 4 + self.sealer.tag_len(), 0);
        if self.sealer.seal(self.sequence_number, &mut packet).is_err() {
            packet.clear();
        }
        self.sequence_number = self.sequence_number.wrapping_add(1);
        packet
    }
}

/// The exchange hash. RFC 5656 §4.
fn hash(
    idents: [&str; 2],
    inits: [&[u8]; 2],
    k_s: &[u8],
    shares: [&[u8]; 2],
    k: &SharedSecret,
) -> Option<Digest> {
    let mut text = Vec::new();
    for ident in idents {
        text.put_string(ident.as_bytes());
    }
    for part in [inits[0], inits[1], k_s, shares[0], shares[1]] {
        text.put_string(part);
    }
    Some(exchange()?.hash().digest(&[&text, k.encoded()]))
}

/// Says hello as a client; `talk` passes bytes to the server under test and
/// gives back what it answers. `None` when the two did not agree.
pub fn as_client(mut talk: impl FnMut(&[u8]) -> Vec<u8>) -> Option<Voice> {
    let started = exchange()?.start().ok()?;
    let q_c = started.share().to_vec();
    let i_c = kexinit();
    let mut init = vec![30];
    init.put_string(&q_c);
    let mut bytes = format!("{IDENT}\r\n").into_bytes();
    bytes.extend(clear_packet(&i_c));
    bytes.extend(clear_packet(&init));
    let answer = talk(&bytes);
    let heard = listen(&answer)?;
    let i_s = heard.payloads.iter().find(|payload| payload.first() == Some(&20))?;
    let reply = heard.payloads.iter().find(|payload| payload.first() == Some(&31))?;
    let mut reader = Reader::new(reply.get(1..)?);
    let (k_s, q_s) = (reader.string().ok()?, reader.string().ok()?);
    let secret = started.finish(q_s).ok()?;
    let hash = hash([IDENT, heard.ident], [&i_c, i_s], k_s, [&q_c, q_s], &secret)?;
    talk(&clear_packet(&[21]));
    Voice::new(&secret, &hash, *b"AC", 3)
}

/// Says hello as a server with `host_key`, which is of type ssh-ed25519.
pub fn as_server(host_key: &PrivateKey, mut talk: impl FnMut(&[u8]) -> Vec<u8>) -> Option<Voice> {
    let i_s = kexinit();
    let mut bytes = format!("{IDENT}\r\n").into_bytes();
    bytes.extend(clear_packet(&i_s));
    let answer = talk(&bytes);
    let heard = listen(&answer)?;
    let i_c = heard.payloads.iter().find(|payload| payload.first() == Some(&20))?;
    let init = heard.payloads.iter().find(|payload| payload.first() == Some(&30))?;
    let q_c = Reader::new(init.get(1..)?).string().ok()?;
    let response = exchange()?.respond(q_c).ok()?;
    let k_s = host_key.public().blob();
    let secret = &response.secret;
    let q_s = &response.share;
    let hash = hash([heard.ident, IDENT], [i_c, &i_s], k_s, [q_c, q_s], secret)?;
    let mut reply = vec![31];
    reply.put_string(k_s);
    reply.put_string(q_s);
    reply.put_string(&host_key.sign("ssh-ed25519", hash.as_ref()).ok()?);
    let mut bytes = clear_packet(&reply);
    bytes.extend(clear_packet(&[21]));
    talk(&bytes);
    Voice::new(secret, &hash, *b"BD", 3)
}
