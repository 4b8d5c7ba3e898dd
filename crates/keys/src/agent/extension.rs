use wire::{Reader, Writer};

use super::Request;
use crate::error::Error;
use crate::public::PublicKey;
use crate::signature::VerifyOptions;

/// The extension by which a client tells the agent which connection it is.
pub const SESSION_BIND: &str = "session-bind@openssh.com";
/// The extension that asks which extensions there are. RFC 9987 §3.8.1.
pub const QUERY: &str = "query";

/// The contents of [`SESSION_BIND`]: PROTOCOL.agent §1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionBind {
    /// The key by which the host proved itself.
    pub host_key: PublicKey,
    /// The hash of the connection's first key exchange.
    pub session_id: Vec<u8>,
    /// The host's signature over it.
    pub signature: Vec<u8>,
    /// Whether the agent is forwarded over the connection, rather than used
    /// to log in by it.
    pub is_forwarding: bool,
}

impl SessionBind {
    /// As a request.
    pub fn to_request(&self) -> Request {
        let mut contents = Vec::new();
        contents.put_string(self.host_key.blob());
        contents.put_string(&self.session_id);
        contents.put_string(&self.signature);
        contents.put_boolean(self.is_forwarding);
        Request::Extension { name: SESSION_BIND.to_owned(), contents }
    }

    /// From the contents of the request.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn decode(contents: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(contents);
        let bind = Self {
            host_key: PublicKey::from_blob(reader.string()?)?,
            session_id: reader.string()?.to_vec(),
            signature: reader.string()?.to_vec(),
            is_forwarding: reader.boolean()?,
        };
        reader.finish()?;
        Ok(bind)
    }

    /// Whether the host has signed the session; one that has not tells
    /// nothing.
    ///
    /// # Errors
    /// [`Error::BadSignature`], or what is wrong with the signature's form.
    pub fn verify(&self) -> Result<(), Error> {
        let name = Reader::new(&self.signature).text()?;
        let key = self.host_key.plain();
        key.verify(name, &self.session_id, &self.signature, &VerifyOptions::ANY).map(|_| ())
    }
}

/// The names in the answer to [`QUERY`].
///
/// # Errors
/// It is no such answer.
pub fn queried(contents: &[u8]) -> Result<Vec<String>, Error> {
    let mut reader = Reader::new(contents);
    if reader.text()? != QUERY {
        return Err(Error::BadAgentMessage("it answers another extension"));
    }
    let mut names = Vec::new();
    while !reader.is_empty() {
        names.push(reader.text()?.to_owned());
    }
    Ok(names)
}

/// The contents of the answer to [`QUERY`].
pub fn query_response(names: &[&str]) -> Vec<u8> {
    let mut contents = Vec::new();
    contents.put_string(QUERY.as_bytes());
    for name in names {
        contents.put_string(name.as_bytes());
    }
    contents
}
