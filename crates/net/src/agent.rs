//! Asks an agent, waiting for its answers. RFC 9987.
//!
//! Waiting is right here: a login can do nothing else meanwhile. An agent that
//! hangs must not hang the login, so every request has a time limit.

use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use keys::PublicKey;
use keys::agent::{Request, Response, SessionBind, take_answer};

use crate::{error_text, limits};

/// Why an agent was of no use.
#[derive(Debug)]
pub enum AgentError {
    /// It cannot be reached, or went away.
    Io(io::Error),
    /// It took too long.
    TimedOut,
    /// It said no.
    Refused,
    /// It says what makes no sense.
    BadAnswer(keys::Error),
    /// It answered another question.
    UnexpectedAnswer,
    /// The request cannot be put into a message.
    BadRequest(keys::Error),
}

impl fmt::Display for AgentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => {
                write!(f, "communication with agent failed: {}", error_text::of(error))
            }
            Self::TimedOut => f.write_str("agent did not answer in time"),
            Self::Refused => f.write_str("agent refused operation"),
            Self::BadAnswer(error) => write!(f, "bad answer from agent: {error}"),
            Self::UnexpectedAnswer => f.write_str("unexpected answer from agent"),
            Self::BadRequest(error) => write!(f, "request for agent: {error}"),
        }
    }
}

impl std::error::Error for AgentError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::BadAnswer(error) | Self::BadRequest(error) => Some(error),
            Self::TimedOut | Self::Refused | Self::UnexpectedAnswer => None,
        }
    }
}

/// A connection to an agent.
#[derive(Debug)]
pub struct AgentClient {
    stream: UnixStream,
    timeout: Duration,
}

impl AgentClient {
    /// Connects to the socket that `SSH_AUTH_SOCK` or `IdentityAgent` names.
    /// Each answer may take as long as `timeout`, signatures
    /// [`limits::AGENT_SIGN`].
    ///
    /// # Errors
    /// [`AgentError::Io`] when nothing listens there.
    pub fn connect(path: &Path, timeout: Duration) -> Result<Self, AgentError> {
        let stream = UnixStream::connect(path).map_err(AgentError::Io)?;
        Ok(Self::from_stream(stream, timeout))
    }

    /// Asks over a stream that is connected already.
    pub fn from_stream(stream: UnixStream, timeout: Duration) -> Self {
        Self { stream, timeout }
    }

    /// The keys it holds, with their comments. Keys of types not known here
    /// are left out.
    ///
    /// # Errors
    /// See [`AgentError`].
    pub fn identities(&mut self) -> Result<Vec<(PublicKey, String)>, AgentError> {
        let Response::Identities(identities) = self.perform(&Request::RequestIdentities)? else {
            return Err(AgentError::UnexpectedAnswer);
        };
        let known = identities.into_iter().filter_map(|identity| match identity.key() {
            Ok(key) => Some((key, identity.comment)),
            Err(error) => {
                log::debug!("agent key {:?}: {error}", identity.comment);
                None
            }
        });
        Ok(known.collect())
    }

    /// A signature blob by a key it holds; for the flags see
    /// [`keys::agent::flags_for`].
    ///
    /// # Errors
    /// See [`AgentError`].
    pub fn sign(
        &mut self,
        key: &PublicKey,
        data: &[u8],
        flags: u32,
    ) -> Result<Vec<u8>, AgentError> {
        let key_blob = key.blob().to_vec();
        match self.perform(&Request::Sign { key_blob, data: data.to_vec(), flags })? {
            Response::Signature(signature) => Ok(signature),
            _ => Err(AgentError::UnexpectedAnswer),
        }
    }

    /// Tells it which connection it is used for (`session-bind@openssh.com`).
    /// Agents that do not know it refuse, which does no harm.
    ///
    /// # Errors
    /// See [`AgentError`].
    pub fn bind_session(
        &mut self,
        host_key: &PublicKey,
        session_id: &[u8],
        signature: &[u8],
        is_forwarding: bool,
    ) -> Result<(), AgentError> {
        let bind = SessionBind {
            host_key: host_key.clone(),
            session_id: session_id.to_vec(),
            signature: signature.to_vec(),
            is_forwarding,
        };
        self.perform(&bind.to_request()).map(|_| ())
    }

    /// Asks anything.
    ///
    /// # Errors
    /// See [`AgentError`]; a failure is [`AgentError::Refused`].
    pub fn perform(&mut self, request: &Request) -> Result<Response, AgentError> {
        let waits_for_user = matches!(request, Request::Sign { .. });
        let timeout = if waits_for_user { limits::AGENT_SIGN } else { self.timeout };
        let deadline = Instant::now() + timeout;
        let message = request.encode().map_err(AgentError::BadRequest)?;
        self.write(&message, deadline)?;
        match self.read(deadline)? {
            Response::Failure | Response::ExtensionFailure => Err(AgentError::Refused),
            response => Ok(response),
        }
    }

    fn write(&mut self, message: &[u8], deadline: Instant) -> Result<(), AgentError> {
        let mut rest = message;
        while !rest.is_empty() {
            self.stream.set_write_timeout(Some(left(deadline)?)).map_err(AgentError::Io)?;
            match self.stream.write(rest) {
                Ok(0) => return Err(AgentError::Io(io::ErrorKind::WriteZero.into())),
                Ok(count) => rest = rest.get(count..).unwrap_or_default(),
                Err(error) => again(error)?,
            }
        }
        Ok(())
    }

    fn read(&mut self, deadline: Instant) -> Result<Response, AgentError> {
        let mut buffer = Vec::new();
        let mut chunk = [0; 16_384];
        loop {
            if let Some((message, _)) = take_answer(&buffer).map_err(AgentError::BadAnswer)? {
                return Response::decode(message).map_err(AgentError::BadAnswer);
            }
            self.stream.set_read_timeout(Some(left(deadline)?)).map_err(AgentError::Io)?;
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(AgentError::Io(io::ErrorKind::UnexpectedEof.into())),
                Ok(count) => buffer.extend_from_slice(chunk.get(..count).unwrap_or_default()),
                Err(error) => again(error)?,
            }
        }
    }
}

/// What is left of the time, never nothing, which would mean for ever.
fn left(deadline: Instant) -> Result<Duration, AgentError> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(AgentError::TimedOut) } else { Ok(left.max(Duration::from_micros(1))) }
}

/// Interruptions and timeouts lead to another look at the clock.
fn again(error: io::Error) -> Result<(), AgentError> {
    match error.kind() {
        io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Ok(()),
        _ => Err(AgentError::Io(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keys::agent::take_frame;
    use keys::{KeyKind, PrivateKey, VerifyOptions};

    /// Answers one request after another with one key.
    fn serve(mut stream: UnixStream, key: &PrivateKey) {
        let mut buffer = Vec::new();
        let mut chunk = [0; 4096];
        loop {
            let answer = match take_frame(&buffer).unwrap() {
                None => {
                    let count = stream.read(&mut chunk).unwrap();
                    if count == 0 {
                        return;
                    }
                    buffer.extend_from_slice(&chunk[..count]);
                    continue;
                }
                Some((message, used)) => {
                    let answer = match Request::decode(message).unwrap() {
                        Request::RequestIdentities => {
                            let key_blob = key.public().blob().to_vec();
                            let odd = vec![0, 0, 0, 1, b'?'];
                            Response::Identities(vec![
                                keys::agent::Identity { key_blob: odd, comment: "odd".into() },
                                keys::agent::Identity { key_blob, comment: "mine".into() },
                            ])
                        }
                        Request::Sign { data, .. } => {
                            Response::Signature(key.sign("ssh-ed25519", &data).unwrap())
                        }
                        _ => Response::Failure,
                    };
                    buffer.drain(..used);
                    answer
                }
            };
            stream.write_all(&answer.encode().unwrap()).unwrap();
        }
    }

    #[test]
    fn lists_signs_and_hears_a_refusal() {
        let key = PrivateKey::generate(KeyKind::Ed25519, None, "mine").unwrap();
        let public = key.public().clone();
        let (ours, theirs) = UnixStream::pair().unwrap();
        let server = std::thread::spawn(move || serve(theirs, &key));
        let mut agent = AgentClient::from_stream(ours, Duration::from_secs(5));
        assert_eq!(agent.identities().unwrap(), [(public.clone(), "mine".to_owned())]);
        let signature = agent.sign(&public, b"data", 0).unwrap();
        public.verify("ssh-ed25519", b"data", &signature, &VerifyOptions::default()).unwrap();
        let refused = agent.bind_session(&public, b"id", b"signature", false);
        assert!(matches!(refused, Err(AgentError::Refused)));
        drop(agent);
        server.join().unwrap();
    }

    #[test]
    fn a_silent_agent_does_not_hang() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let mut agent = AgentClient::from_stream(ours, Duration::from_millis(50));
        assert!(matches!(agent.identities(), Err(AgentError::TimedOut)));
    }

    #[test]
    fn an_endless_answer_is_refused() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(&[0x7f, 0xff, 0xff, 0xff, 12]).unwrap();
        let mut agent = AgentClient::from_stream(ours, Duration::from_secs(5));
        assert!(matches!(agent.identities(), Err(AgentError::BadAnswer(_))));
    }
}
