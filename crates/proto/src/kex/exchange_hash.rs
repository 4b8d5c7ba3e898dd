//! The exchange hash H. RFC 4253 §8, RFC 5656 §4, RFC 4419 §3.

use crypto::hash::{Digest, HashAlgorithm};
use crypto::kex::{Encoding, SharedSecret};
use wire::Writer;

use crate::message::kex::{GroupSizes, put_share};

/// What both ends have said so far.
#[derive(Clone, Default)]
pub struct Transcript {
    /// The client's ident, without CR LF.
    pub v_c: String,
    /// The server's ident, without CR LF.
    pub v_s: String,
    /// The payload of the client's KEXINIT.
    pub i_c: Vec<u8>,
    /// The payload of the server's KEXINIT.
    pub i_s: Vec<u8>,
}

/// The parameters of a group exchange.
#[derive(Clone)]
pub struct GroupParameters {
    pub sizes: GroupSizes,
    pub p: Vec<u8>,
    pub g: Vec<u8>,
}

/// What the method itself adds.
pub struct Shares<'a> {
    pub encoding: Encoding,
    pub group: Option<&'a GroupParameters>,
    pub client: &'a [u8],
    pub server: &'a [u8],
}

impl Transcript {
    /// HASH(V_C ‖ V_S ‖ I_C ‖ I_S ‖ K_S ‖ shares ‖ K).
    pub fn hash(
        &self,
        hash: HashAlgorithm,
        k_s: &[u8],
        shares: &Shares<'_>,
        secret: &SharedSecret,
    ) -> Digest {
        let mut text = Vec::with_capacity(self.i_c.len() + self.i_s.len() + 4096);
        text.put_string(self.v_c.as_bytes());
        text.put_string(self.v_s.as_bytes());
        text.put_string(&self.i_c);
        text.put_string(&self.i_s);
        text.put_string(k_s);
        if let Some(group) = shares.group {
            text.put_u32(group.sizes.min);
            text.put_u32(group.sizes.n);
            text.put_u32(group.sizes.max);
            text.put_mpint(&group.p);
            text.put_mpint(&group.g);
        }
        put_share(&mut text, shares.encoding, shares.client);
        put_share(&mut text, shares.encoding, shares.server);
        hash.digest(&[&text, secret.encoded()])
    }
}
