//! Key exchange: RFC 4253 §7-8, RFC 4419, RFC 5656, RFC 8308 and strict key
//! exchange (OpenSSH's PROTOCOL §1.9).

pub mod client;
pub mod exchange_hash;
pub mod ext_info;
pub mod negotiate;
pub mod server;

use crypto::cipher::{Keys, Opener, Sealer};
use crypto::kex::SharedSecret;
use zeroize::Zeroizing;

use crate::error::{Error, Misuse};
use crate::kex::exchange_hash::Transcript;
use crate::kex::negotiate::{Chosen, ChosenDirection};
use crate::message::kex::Proposal;
use crate::role::{Role, Side};

/// Where the key exchange stands. It runs beside the phase.
pub enum Kex<R: Role> {
    /// None runs.
    Idle,
    /// Our KEXINIT is out.
    AwaitKexInit(SentKexInit),
    /// Both KEXINITs are known; the method runs.
    Exchange(Exchange, R::Exchange),
    /// Our NEWKEYS is out.
    AwaitNewKeys(NextKeys),
}

/// Our KEXINIT and what was guessed with it.
pub struct SentKexInit {
    pub proposal: Proposal,
    pub payload: Vec<u8>,
    pub guess: Option<Box<dyn crypto::kex::Started>>,
}

/// What both roles keep while the method runs.
pub struct Exchange {
    pub chosen: Chosen,
    pub transcript: Transcript,
    /// The remote guessed wrong; its next packet is to be ignored.
    pub ignore_next: bool,
}

/// Keys that were agreed on.
pub struct NextKeys {
    pub chosen: Chosen,
    pub opener: Option<Box<dyn Opener>>,
    pub sealer: Option<Box<dyn Sealer>>,
}

impl NextKeys {
    /// Derives the keys of both directions. RFC 4253 §7.2.
    pub fn derive(
        chosen: Chosen,
        side: Side,
        secret: &SharedSecret,
        exchange_hash: &[u8],
        session_id: &[u8],
    ) -> Result<Self, Error> {
        let letters = |direction: &ChosenDirection, [iv, key, mac]: [u8; 3]| {
            let derive = |letter, length| {
                let mut out = Zeroizing::new(vec![0; length]);
                crypto::kdf::derive(
                    chosen.hash,
                    secret,
                    exchange_hash,
                    letter,
                    session_id,
                    &mut out,
                );
                out
            };
            DirectionKeys {
                iv: derive(iv, direction.cipher.iv_len),
                key: derive(key, direction.cipher.key_len),
                mac_key: derive(mac, direction.mac.map_or(0, |mac| mac.key_len)),
            }
        };
        let client_to_server = letters(&chosen.client_to_server, [b'A', b'C', b'E']);
        let server_to_client = letters(&chosen.server_to_client, [b'B', b'D', b'F']);
        let (outgoing, incoming) = match side {
            Side::Client => (
                (&chosen.client_to_server, &client_to_server),
                (&chosen.server_to_client, &server_to_client),
            ),
            Side::Server => (
                (&chosen.server_to_client, &server_to_client),
                (&chosen.client_to_server, &client_to_server),
            ),
        };
        let failed = |_| Misuse::OutOfTurn("key derivation");
        let sealer =
            outgoing.0.cipher.sealer(outgoing.0.mac, &outgoing.1.keys()).map_err(failed)?;
        let opener =
            incoming.0.cipher.opener(incoming.0.mac, &incoming.1.keys()).map_err(failed)?;
        Ok(Self { chosen, opener: Some(opener), sealer: Some(sealer) })
    }
}

struct DirectionKeys {
    iv: Zeroizing<Vec<u8>>,
    key: Zeroizing<Vec<u8>>,
    mac_key: Zeroizing<Vec<u8>>,
}

impl DirectionKeys {
    fn keys(&self) -> Keys<'_> {
        Keys { key: &self.key, iv: &self.iv, mac_key: &self.mac_key }
    }
}
