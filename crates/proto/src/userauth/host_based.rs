//! Host-based requests: a host vouches for its user. RFC 4252 §9.

use keys::PublicKey;
use wire::{Reader, Writer};

use crate::message::userauth::Request;

/// The method's name.
pub const HOST_BASED: &str = "hostbased";

/// Which host vouches for which of its users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Voucher {
    /// The signature algorithm.
    pub algorithm: String,
    /// The host's key or certificate.
    pub key: PublicKey,
    /// The host's name, as it says, with a dot at the end as a rule.
    pub client_host: String,
    /// The user there.
    pub client_user: String,
}

impl Voucher {
    /// The request, but for its signature.
    pub(crate) fn encode_unsigned(&self, user: &str) -> Vec<u8> {
        let mut payload = Request::encode_head(user, HOST_BASED);
        payload.put_string(self.algorithm.as_bytes());
        payload.put_string(self.key.blob());
        payload.put_string(self.client_host.as_bytes());
        payload.put_string(self.client_user.as_bytes());
        payload
    }

    /// The bytes that the host's signature for `user` must be over.
    pub fn signed_data(&self, session_id: &[u8], user: &str) -> Vec<u8> {
        let mut data = Vec::new();
        data.put_string(session_id);
        data.put_bytes(&self.encode_unsigned(user));
        data
    }

    /// Reads such bytes again: the session, the user on the server, and the rest.
    ///
    /// # Errors
    /// They are something else.
    pub fn from_signed_data(data: &[u8]) -> Result<(Vec<u8>, String, Self), wire::Error> {
        let mut reader = Reader::new(data);
        let session_id = reader.string()?.to_vec();
        let rest = reader.rest();
        // Whatever is wrong with it, it is not what was expected here.
        let request = Request::decode(rest).map_err(|_| wire::Error::TrailingBytes)?;
        let is_right = request.service == crate::message::userauth::CONNECTION_SERVICE
            && request.method == HOST_BASED;
        if !is_right {
            return Err(wire::Error::TrailingBytes);
        }
        let mut fields = Reader::new(request.fields);
        let (algorithm, blob) = (fields.text()?.to_owned(), fields.string()?);
        let key = PublicKey::from_blob(blob).map_err(|_| wire::Error::TrailingBytes)?;
        let (client_host, client_user) = (fields.text()?.to_owned(), fields.text()?.to_owned());
        fields.finish()?;
        let voucher = Voucher { algorithm, key, client_host, client_user };
        Ok((session_id, request.user.to_owned(), voucher))
    }
}

/// What follows the method's name: the algorithm, the key's blob, host and user there, and the signature.
pub(crate) type Fields<'a> = (&'a str, &'a [u8], &'a str, &'a str, &'a [u8]);

/// Reads them.
pub(crate) fn decode(fields: &[u8]) -> Result<Fields<'_>, wire::Error> {
    let mut reader = Reader::new(fields);
    let fields =
        (reader.text()?, reader.string()?, reader.text()?, reader.text()?, reader.string()?);
    reader.finish()?;
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_signed_can_be_read_again() {
        let key = keys::PrivateKey::generate(keys::KeyKind::Ed25519, None, "").unwrap();
        let voucher = Voucher {
            algorithm: "ssh-ed25519".into(),
            key: key.public().clone(),
            client_host: "host.example.".into(),
            client_user: "kim".into(),
        };
        let data = voucher.signed_data(b"session", "root");
        let (session_id, user, read) = Voucher::from_signed_data(&data).unwrap();
        assert_eq!((session_id.as_slice(), user.as_str()), (&b"session"[..], "root"));
        assert_eq!(read, voucher);
        for cut in 0..data.len() {
            assert!(Voucher::from_signed_data(&data[..cut]).is_err(), "{cut}");
        }
        assert!(Voucher::from_signed_data(&[data, vec![0]].concat()).is_err());
    }
}
