mod userauth;

use std::ops::Range;

use keys::PublicKey;

use crate::channel::open::{ChannelOpen, OpenFailure};
use crate::channel::request::{ChannelRequest, GlobalRequest};
use crate::error::Error;

pub use self::userauth::{AuthAnswer, AuthAttempt, AuthMethod, AuthRequest, Prompt, Signed};

/// Our number for a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChannelId(pub u32);

/// The two byte streams of a channel. RFC 4254 §5.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stream {
    /// Data.
    Data,
    /// Extended data of type 1.
    Stderr,
}

/// What happened, for the application to hear or to decide.
///
/// An event whose name begins with an asking word is a question; what it asks
/// waits, and so may the connection's input, until it is answered.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A line the server sent before its ident, or an SSH_MSG_DEBUG.
    Notice(String),
    /// The remote's KEXINIT came: the algorithms are settled.
    Negotiated,
    /// New keys are in use in both directions.
    NewKeys {
        /// Whether these are the connection's first.
        first: bool,
    },
    /// SSH_MSG_EXT_INFO came.
    ExtensionInfo,
    /// Client: authentication may begin.
    Ready,
    /// Client: is this the server's host key?
    CheckHostKey(HostKeyAsk),
    /// Client: sign this to authenticate.
    SignAuth(SignAsk),
    /// Server: sign the exchange hash with the host key.
    SignExchange(SignAsk),
    /// Server: sign the proof that a host key is held.
    SignProof(SignAsk),
    /// Client: the key would be accepted. RFC 4252 §7.
    PublicKeyOk {
        /// The algorithm asked about.
        algorithm: String,
        /// The key asked about.
        key_blob: Vec<u8>,
    },
    /// Client: this attempt failed, or was one of several that are needed.
    AuthFailed {
        /// The methods that can continue.
        methods: Vec<String>,
        /// It succeeded, but more is needed.
        partial_success: bool,
    },
    /// Client: keyboard-interactive questions. RFC 4256 §3.2.
    InfoRequest {
        /// A title.
        name: String,
        /// What to tell the user.
        instruction: String,
        /// What to ask.
        prompts: Vec<Prompt>,
    },
    /// Client: the password has expired. RFC 4252 §8.
    PasswordChange {
        /// What to tell the user.
        prompt: String,
    },
    /// Client: text to show before the user is logged in. RFC 4252 §5.4.
    Banner {
        /// Not cleaned of control characters.
        message: String,
    },
    /// Server: may this user in?
    Authenticate(AuthRequest),
    /// Both: the user is in.
    Authenticated,
    /// The remote wants a channel.
    ChannelAsked(ChannelAsk),
    /// The remote opened the channel we asked for.
    ChannelOpened {
        /// Our number for it.
        channel: ChannelId,
    },
    /// The remote did not.
    ChannelRefused {
        /// Our number for it, now free.
        channel: ChannelId,
        /// Why.
        reason: OpenFailure,
        /// In the remote's words; not cleaned of control characters.
        description: String,
    },
    /// Data came. Call [`crate::Connection::consumed`] once it is passed on.
    Data {
        /// The channel.
        channel: ChannelId,
        /// Which stream of it.
        stream: Stream,
        /// In the connection's input buffer.
        data: Data<'a>,
    },
    /// The remote sends no more data.
    Eof {
        /// The channel.
        channel: ChannelId,
    },
    /// Both sides have closed; the number is free.
    ChannelClosed {
        /// The channel.
        channel: ChannelId,
    },
    /// A request of the remote. With `want_reply`, answer it by
    /// [`crate::Connection::reply`], in the order of the requests.
    ChannelRequested {
        /// The channel.
        channel: ChannelId,
        /// What is asked.
        request: ChannelRequest,
        /// Whether it is to be answered.
        want_reply: bool,
    },
    /// The answer to the oldest unanswered request of ours.
    ChannelAnswered {
        /// The channel.
        channel: ChannelId,
        /// What the remote says.
        success: bool,
    },
    /// A request of the remote that concerns no channel.
    GlobalRequested {
        /// What is asked.
        request: GlobalRequest,
        /// Whether it is to be answered.
        want_reply: bool,
    },
    /// The answer to the oldest unanswered global request of ours.
    GlobalAnswered {
        /// What the remote says.
        success: bool,
        /// What comes with it.
        data: Vec<u8>,
    },
    /// Client: the server tells its host keys. OpenSSH's PROTOCOL §2.5.
    HostKeys(Vec<PublicKey>),
    /// Client: the server holds these keys; the answer to
    /// [`crate::ClientConnection::request_host_key_proofs`].
    HostKeysProved(Vec<PublicKey>),
    /// The connection is over. Send what [`crate::Connection::poll_transmit`]
    /// still has, then close the transport.
    Ended(Error),
}

/// The data of one packet, or of several that came one behind the other for
/// the same stream.
#[derive(Debug, Clone, Copy)]
pub struct Data<'a> {
    pub(crate) buffer: &'a [u8],
    pub(crate) ranges: &'a [Range<usize>],
}

impl<'a> Data<'a> {
    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.ranges.iter().map(ExactSizeIterator::len).sum()
    }

    /// Whether there are none, which no event has.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes, one slice a packet, in order.
    pub fn pieces(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let buffer = self.buffer;
        self.ranges.iter().map(move |range| &buffer[range.clone()])
    }

    /// The bytes, copied together.
    pub fn to_vec(&self) -> Vec<u8> {
        self.pieces().collect::<Vec<_>>().concat()
    }
}

/// Is this the server's host key?
#[derive(Debug)]
pub struct HostKeyAsk {
    pub(crate) key: PublicKey,
    pub(crate) algorithm: String,
}

impl HostKeyAsk {
    /// The key, which has signed this very exchange.
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// The negotiated algorithm.
    pub fn algorithm(&self) -> &str {
        &self.algorithm
    }
}

/// Something to sign.
#[derive(Debug)]
pub struct SignAsk {
    pub(crate) purpose: SignPurpose,
    pub(crate) key: PublicKey,
    pub(crate) algorithm: String,
    pub(crate) data: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SignPurpose {
    Authentication,
    Exchange,
    Proof,
}

impl SignAsk {
    /// The key to sign with.
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// The signature algorithm.
    pub fn algorithm(&self) -> &str {
        &self.algorithm
    }

    /// What to sign.
    pub fn data(&self) -> &[u8] {
        &self.data
    }
}

/// The remote wants a channel.
#[derive(Debug)]
pub struct ChannelAsk {
    pub(crate) id: ChannelId,
    pub(crate) open: ChannelOpen,
    pub(crate) remote: u32,
    pub(crate) window: u32,
    pub(crate) packet: u32,
}

impl ChannelAsk {
    /// What it is to be.
    pub fn open(&self) -> &ChannelOpen {
        &self.open
    }
}
