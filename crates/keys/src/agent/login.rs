use wire::Reader;

use crate::public::PublicKey;

/// `SSH_MSG_USERAUTH_REQUEST`.
const USERAUTH_REQUEST: u8 = 50;

/// What a client signs to log in: RFC 4252 §7, and OpenSSH's form of it that
/// names the host's key. An agent reads it to tell a login from anything else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginRequest {
    /// The session that it is for.
    pub session_id: Vec<u8>,
    /// Who logs in.
    pub user: String,
    /// The host's key, in OpenSSH's form.
    pub host_key: Option<PublicKey>,
}

impl LoginRequest {
    /// Reads the data of a sign request; nothing when it is no request to log
    /// in by `key`.
    pub fn decode(data: &[u8], key: &PublicKey) -> Option<Self> {
        let mut reader = Reader::new(data);
        let session_id = reader.string().ok()?.to_vec();
        if reader.u8().ok()? != USERAUTH_REQUEST {
            return None;
        }
        let user = reader.text().ok()?.to_owned();
        if reader.text().ok()? != "ssh-connection" {
            return None;
        }
        let names_host = match reader.text().ok()? {
            "publickey" => false,
            "publickey-hostbound-v00@openssh.com" => true,
            _ => return None,
        };
        let is_signed = reader.boolean().ok()?;
        let algorithm = reader.text().ok()?;
        if !is_signed || !key.signature_algorithms().contains(&algorithm) {
            return None;
        }
        if reader.string().ok()? != key.blob() {
            return None;
        }
        let host_key =
            if names_host { Some(PublicKey::from_blob(reader.string().ok()?).ok()?) } else { None };
        reader.finish().ok()?;
        Some(Self { session_id, user, host_key })
    }
}
