//! What a public key request signs. RFC 4252 §7; OpenSSH's PROTOCOL §3.1.

use keys::PublicKey;
use wire::Writer;

use crate::message::table;
use crate::message::userauth::{CONNECTION_SERVICE, HOST_BOUND, PublicKeyFields};

/// The bytes that a signature for `user` must be over.
///
/// A monitor builds them again for itself instead of believing the process
/// that talks to the network.
pub fn signed_data(
    session_id: &[u8],
    user: &str,
    algorithm: &str,
    key: &PublicKey,
    host_key_blob: Option<&[u8]>,
) -> Vec<u8> {
    let mut data = Vec::new();
    data.put_string(session_id);
    data.put_u8(table::USERAUTH_REQUEST);
    data.put_string(user.as_bytes());
    data.put_string(CONNECTION_SERVICE.as_bytes());
    data.put_string(if host_key_blob.is_some() { HOST_BOUND } else { "publickey" }.as_bytes());
    PublicKeyFields::encode_unsigned(&mut data, true, algorithm, key, host_key_blob);
    data
}
