//! RFC 4253 §7-8, RFC 5656 §4, RFC 4419 §3.

use wire::{Reader, Writer};

use crate::error::Error;
use crate::message::{decode, table};

/// The lists of a KEXINIT, in the remote's or our own order of preference.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Proposal {
    /// `kex_algorithms`, with the markers that ride in it.
    pub kex_algorithms: Vec<String>,
    /// `server_host_key_algorithms`.
    pub server_host_key_algorithms: Vec<String>,
    /// `encryption_algorithms_client_to_server`.
    pub encryption_client_to_server: Vec<String>,
    /// `encryption_algorithms_server_to_client`.
    pub encryption_server_to_client: Vec<String>,
    /// `mac_algorithms_client_to_server`.
    pub mac_client_to_server: Vec<String>,
    /// `mac_algorithms_server_to_client`.
    pub mac_server_to_client: Vec<String>,
    /// `compression_algorithms_client_to_server`.
    pub compression_client_to_server: Vec<String>,
    /// `compression_algorithms_server_to_client`.
    pub compression_server_to_client: Vec<String>,
    /// `languages_client_to_server`.
    pub languages_client_to_server: Vec<String>,
    /// `languages_server_to_client`.
    pub languages_server_to_client: Vec<String>,
    /// `first_kex_packet_follows`.
    pub first_kex_packet_follows: bool,
}

impl Proposal {
    fn lists(&self) -> [&Vec<String>; 10] {
        [
            &self.kex_algorithms,
            &self.server_host_key_algorithms,
            &self.encryption_client_to_server,
            &self.encryption_server_to_client,
            &self.mac_client_to_server,
            &self.mac_server_to_client,
            &self.compression_client_to_server,
            &self.compression_server_to_client,
            &self.languages_client_to_server,
            &self.languages_server_to_client,
        ]
    }

    /// SSH_MSG_KEXINIT. RFC 4253 §7.1.
    pub fn encode(&self, cookie: [u8; 16]) -> Vec<u8> {
        let mut payload = vec![table::KEXINIT];
        payload.put_bytes(&cookie);
        for list in self.lists() {
            payload.put_name_list(list);
        }
        payload.put_boolean(self.first_kex_packet_follows);
        payload.put_u32(0);
        payload
    }

    /// SSH_MSG_KEXINIT.
    ///
    /// # Errors
    /// When it is malformed.
    pub fn decode(payload: &[u8]) -> Result<Self, Error> {
        decode(payload, |reader| {
            reader.array::<16>()?;
            let mut list = || -> Result<Vec<String>, wire::Error> {
                Ok(reader.name_list()?.iter().map(str::to_owned).collect())
            };
            let mut proposal = Self {
                kex_algorithms: list()?,
                server_host_key_algorithms: list()?,
                encryption_client_to_server: list()?,
                encryption_server_to_client: list()?,
                mac_client_to_server: list()?,
                mac_server_to_client: list()?,
                compression_client_to_server: list()?,
                compression_server_to_client: list()?,
                languages_client_to_server: list()?,
                languages_server_to_client: list()?,
                first_kex_packet_follows: false,
            };
            proposal.first_kex_packet_follows = reader.boolean()?;
            reader.u32()?;
            Ok(proposal)
        })
    }
}

/// How a share stands in its message: RFC 4253 §8 has mpints, RFC 5656 §4
/// strings.
pub fn put_share(out: &mut Vec<u8>, encoding: crypto::kex::Encoding, share: &[u8]) {
    match encoding {
        crypto::kex::Encoding::Mpint => out.put_mpint(share),
        crypto::kex::Encoding::String => out.put_string(share),
    }
}

fn share<'a>(
    reader: &mut Reader<'a>,
    encoding: crypto::kex::Encoding,
) -> Result<&'a [u8], wire::Error> {
    match encoding {
        crypto::kex::Encoding::Mpint => Ok(reader.mpint()?.magnitude()),
        crypto::kex::Encoding::String => reader.string(),
    }
}

/// The client's share: SSH_MSG_KEX_ECDH_INIT, SSH_MSG_KEXDH_INIT or
/// SSH_MSG_KEX_DH_GEX_INIT.
pub fn encode_init(number: u8, encoding: crypto::kex::Encoding, client_share: &[u8]) -> Vec<u8> {
    let mut payload = vec![number];
    put_share(&mut payload, encoding, client_share);
    payload
}

/// See [`encode_init`].
///
/// # Errors
/// When it is malformed.
pub fn decode_init(payload: &[u8], encoding: crypto::kex::Encoding) -> Result<Vec<u8>, Error> {
    decode(payload, |reader| Ok(share(reader, encoding)?.to_vec()))
}

/// What a server answers: its host key, its share and its signature.
pub struct Reply {
    /// `k_s`.
    pub k_s: Vec<u8>,
    /// `q_s`, or the magnitude of `f`.
    pub q_s: Vec<u8>,
    /// Over the exchange hash.
    pub signature: Vec<u8>,
}

impl Reply {
    /// SSH_MSG_KEX_ECDH_REPLY, SSH_MSG_KEXDH_REPLY or SSH_MSG_KEX_DH_GEX_REPLY.
    pub fn encode(&self, number: u8, encoding: crypto::kex::Encoding) -> Vec<u8> {
        let mut payload = vec![number];
        payload.put_string(&self.k_s);
        put_share(&mut payload, encoding, &self.q_s);
        payload.put_string(&self.signature);
        payload
    }

    /// See [`Self::encode`].
    ///
    /// # Errors
    /// When it is malformed.
    pub fn decode(payload: &[u8], encoding: crypto::kex::Encoding) -> Result<Self, Error> {
        decode(payload, |reader| {
            Ok(Self {
                k_s: reader.string()?.to_vec(),
                q_s: share(reader, encoding)?.to_vec(),
                signature: reader.string()?.to_vec(),
            })
        })
    }
}

/// The sizes of SSH_MSG_KEX_DH_GEX_REQUEST, in bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupSizes {
    /// The least.
    pub min: u32,
    /// The one wanted.
    pub n: u32,
    /// The most.
    pub max: u32,
}

impl GroupSizes {
    /// SSH_MSG_KEX_DH_GEX_REQUEST.
    pub fn encode(self) -> Vec<u8> {
        let mut payload = vec![table::KEX_DH_GEX_REQUEST];
        payload.put_u32(self.min);
        payload.put_u32(self.n);
        payload.put_u32(self.max);
        payload
    }

    /// SSH_MSG_KEX_DH_GEX_REQUEST.
    ///
    /// # Errors
    /// When it is malformed.
    pub fn decode(payload: &[u8]) -> Result<Self, Error> {
        decode(payload, |reader| {
            Ok(Self { min: reader.u32()?, n: reader.u32()?, max: reader.u32()? })
        })
    }
}

/// SSH_MSG_KEX_DH_GEX_GROUP.
pub fn encode_group(p: &[u8], g: &[u8]) -> Vec<u8> {
    let mut payload = vec![table::KEX_ECDH_REPLY];
    payload.put_mpint(p);
    payload.put_mpint(g);
    payload
}

/// SSH_MSG_KEX_DH_GEX_GROUP: `p` and `g`.
///
/// # Errors
/// When it is malformed.
pub fn decode_group(payload: &[u8]) -> Result<(Vec<u8>, Vec<u8>), Error> {
    decode(payload, |reader| {
        Ok((reader.mpint()?.magnitude().to_vec(), reader.mpint()?.magnitude().to_vec()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proposal_there_and_back() {
        let proposal = Proposal {
            kex_algorithms: vec!["a".into(), "b".into()],
            compression_client_to_server: vec!["none".into()],
            first_kex_packet_follows: true,
            ..Proposal::default()
        };
        let payload = proposal.encode([7; 16]);
        assert_eq!(Proposal::decode(&payload).unwrap(), proposal);
        assert!(Proposal::decode(&payload[..payload.len() - 1]).is_err());
    }
}
