use std::fmt;

use crate::message::table;

/// Why a connection ended, or a call was refused: each variant says whose
/// doing it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The remote said goodbye with SSH_MSG_DISCONNECT.
    Disconnected {
        /// Why, as a code.
        reason: DisconnectReason,
        /// Why, in the remote's words; not cleaned of control characters.
        description: String,
    },
    /// The transport ended without a goodbye.
    ConnectionLost {
        /// Whether the remote had sent its ident before.
        received_ident: bool,
    },
    /// Nothing in common.
    Incompatible(Incompatible),
    /// The remote broke a rule.
    Misbehaved(Misbehaved),
    /// Our caller did.
    Misuse(Misuse),
    /// The remote did not answer in time.
    TimedOut(Timer),
    /// The application did not accept the server's host key.
    HostKeyRefused,
    /// The application could not sign with the host key it offered.
    NoHostKeySignature,
    /// [`crate::Connection::disconnect`] was called.
    ClosedByUs,
}

/// What ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timer {
    /// Keep-alives stayed unanswered.
    KeepAlive,
    /// A key exchange did not finish.
    KeyExchange,
}

/// A class of algorithm with nothing in common; both lists attached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incompatible {
    /// Such as "key exchange method", as `ssh` words it.
    pub what: &'static str,
    /// What we offered.
    pub local: Vec<String>,
    /// What the remote offered.
    pub remote: Vec<String>,
}

/// The rule that the remote broke, one variant per rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Misbehaved {
    /// What came first is not an SSH ident (RFC 4253 §4.2).
    BadIdent(String),
    /// The ident is of a protocol version that is not spoken here.
    ProtocolVersion(String),
    /// Too many or too long lines before the ident.
    IdentNoise,
    /// A `packet_length` that is too short, too long or not aligned (RFC 4253 §6).
    PacketLength(u32),
    /// A `padding_length` that does not fit its packet.
    PaddingLength,
    /// The MAC or tag is wrong.
    CorruptedMac,
    /// The compressed payload cannot be expanded, or grows too large.
    Compression,
    /// A message does not parse.
    Malformed {
        /// Its number.
        message: u8,
        /// Why.
        error: wire::Error,
    },
    /// A packet without a payload.
    EmptyPayload,
    /// A known message where the protocol has no place for it.
    OutOfTurn {
        /// Its number.
        message: u8,
    },
    /// Strict key exchange: the first packet was not KEXINIT.
    KexInitNotFirst,
    /// Strict key exchange: the sequence number wrapped before NEWKEYS.
    SequenceWrapped,
    /// A KEXINIT longer than the limit.
    KexInitTooLong,
    /// The remote's share of the key exchange is not valid.
    BadShare,
    /// The group of a group exchange is not acceptable.
    BadGroup,
    /// The host key does not parse or is too weak.
    BadHostKey(String),
    /// The host key is of another type than was negotiated.
    HostKeyType(String),
    /// The signature over the exchange hash is wrong.
    BadHostKeySignature,
    /// A rekey came with another host key.
    HostKeyChanged,
    /// A service nobody asked for, or that is not there.
    UnknownService(String),
    /// The user or service changed in the middle of an authentication.
    AuthenticationChanged,
    /// More data than the window allows (RFC 4254 §5.2).
    WindowExceeded,
    /// A window beyond 2^32 - 1 bytes.
    WindowOverflow,
    /// More data in one packet than we said we take.
    ChannelPacketTooLarge,
    /// A message for a channel that is not open.
    UnknownChannel(u32),
    /// Data after EOF or close.
    DataAfterEof,
    /// An answer to a request that was not made.
    AnswerWithoutRequest,
    /// A server's word about a key that was not offered.
    OtherKey,
    /// More in EXT_INFO than anybody needs.
    TooManyExtensions,
    /// Requests faster than they can be answered.
    TooManyRequests,
    /// More channels than the limit.
    TooManyChannels,
}

/// What our caller did wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Misuse {
    /// No channel of this number, or it is closed.
    UnknownChannel,
    /// The call has no place in this state.
    OutOfTurn(&'static str),
    /// An algorithm that does not exist.
    UnknownAlgorithm(String),
    /// A list of algorithms with nothing in it.
    EmptyList(&'static str),
    /// More than the limit.
    TooLarge(&'static str),
}

macro_rules! disconnect_reasons {
    ($($code:literal $name:ident $doc:literal),* $(,)?) => {
        /// The reason codes of SSH_MSG_DISCONNECT. RFC 4253 §11.1.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum DisconnectReason {
            $(#[doc = $doc] $name,)*
            /// A code that the RFC does not list.
            Other(u32),
        }

        impl DisconnectReason {
            /// The number on the wire.
            pub fn code(self) -> u32 {
                match self {
                    $(Self::$name => $code,)*
                    Self::Other(code) => code,
                }
            }

            /// From the number on the wire.
            pub fn from_code(code: u32) -> Self {
                match code {
                    $($code => Self::$name,)*
                    other => Self::Other(other),
                }
            }
        }
    };
}

disconnect_reasons! {
    1 HostNotAllowedToConnect "The host may not connect.",
    2 ProtocolError "A rule was broken.",
    3 KeyExchangeFailed "The key exchange failed.",
    5 MacError "A MAC or tag was wrong.",
    6 CompressionError "Compressed data was wrong.",
    7 ServiceNotAvailable "There is no such service.",
    8 ProtocolVersionNotSupported "The version is not spoken.",
    9 HostKeyNotVerifiable "The host key was not accepted.",
    10 ConnectionLost "The connection was lost.",
    11 ByApplication "The application ended it.",
    12 TooManyConnections "There are too many connections.",
    13 AuthCancelledByUser "The user gave up.",
    14 NoMoreAuthMethodsAvailable "Nothing is left to try.",
    15 IllegalUserName "The user name is not allowed.",
}

impl Misbehaved {
    /// The code to tell the remote. RFC 4253 §11.1.
    pub fn reason(&self) -> DisconnectReason {
        match self {
            Self::BadIdent(_) | Self::ProtocolVersion(_) | Self::IdentNoise => {
                DisconnectReason::ProtocolVersionNotSupported
            }
            Self::CorruptedMac => DisconnectReason::MacError,
            Self::Compression => DisconnectReason::CompressionError,
            Self::KexInitNotFirst
            | Self::SequenceWrapped
            | Self::KexInitTooLong
            | Self::BadShare
            | Self::BadGroup
            | Self::BadHostKey(_)
            | Self::HostKeyType(_)
            | Self::BadHostKeySignature
            | Self::HostKeyChanged => DisconnectReason::KeyExchangeFailed,
            Self::UnknownService(_) => DisconnectReason::ServiceNotAvailable,
            Self::PacketLength(_)
            | Self::PaddingLength
            | Self::Malformed { .. }
            | Self::EmptyPayload
            | Self::OutOfTurn { .. }
            | Self::AuthenticationChanged
            | Self::WindowExceeded
            | Self::WindowOverflow
            | Self::ChannelPacketTooLarge
            | Self::UnknownChannel(_)
            | Self::DataAfterEof
            | Self::AnswerWithoutRequest
            | Self::OtherKey
            | Self::TooManyExtensions
            | Self::TooManyRequests
            | Self::TooManyChannels => DisconnectReason::ProtocolError,
        }
    }
}

impl Error {
    /// What to tell the remote, if it should be told anything.
    pub fn goodbye(&self) -> Option<(DisconnectReason, String)> {
        match self {
            Self::Disconnected { .. } | Self::ConnectionLost { .. } | Self::ClosedByUs => None,
            Self::Incompatible(_) => Some((DisconnectReason::KeyExchangeFailed, self.to_string())),
            Self::Misbehaved(rule) => Some((rule.reason(), rule.to_string())),
            Self::Misuse(_) | Self::NoHostKeySignature => {
                Some((DisconnectReason::ByApplication, "internal error".to_owned()))
            }
            Self::TimedOut(_) => Some((DisconnectReason::ByApplication, self.to_string())),
            Self::HostKeyRefused => Some((
                DisconnectReason::HostKeyNotVerifiable,
                "Host key verification failed.".to_owned(),
            )),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disconnected { reason, description } => {
                write!(f, "Received disconnect: {}: {description}", reason.code())
            }
            Self::ConnectionLost { .. } => f.write_str("Connection closed by remote host"),
            Self::Incompatible(missing) => missing.fmt(f),
            Self::Misbehaved(rule) => rule.fmt(f),
            Self::Misuse(misuse) => misuse.fmt(f),
            Self::TimedOut(Timer::KeepAlive) => f.write_str("Timeout, remote not responding."),
            Self::TimedOut(Timer::KeyExchange) => f.write_str("Timeout in key exchange."),
            Self::HostKeyRefused => f.write_str("Host key verification failed."),
            Self::NoHostKeySignature => f.write_str("the host key could not be used to sign"),
            Self::ClosedByUs => f.write_str("the connection was closed"),
        }
    }
}

impl std::error::Error for Error {}

impl fmt::Display for Incompatible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no matching {} found. Their offer: {}", self.what, self.remote.join(","))
    }
}

impl fmt::Display for Misbehaved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadIdent(line) => {
                write!(f, "Invalid SSH identification string. Received {line:?}")
            }
            Self::ProtocolVersion(line) => {
                write!(f, "Protocol major versions differ: 2 vs. {line:?}")
            }
            Self::IdentNoise => f.write_str("No SSH identification string received."),
            Self::PacketLength(length) => write!(f, "Bad packet length {length}."),
            Self::PaddingLength => f.write_str("Corrupted padding length."),
            Self::CorruptedMac => f.write_str("Corrupted MAC on input."),
            Self::Compression => f.write_str("Corrupted compressed data."),
            Self::Malformed { message, error } => {
                write!(f, "{} is malformed: {error}", table::name(*message))
            }
            Self::EmptyPayload => f.write_str("A packet without a payload."),
            Self::OutOfTurn { message } => {
                write!(f, "{} (type {message}) is out of turn", table::name(*message))
            }
            Self::KexInitNotFirst => {
                f.write_str("strict KEX violation: KEXINIT was not the first packet")
            }
            Self::SequenceWrapped => {
                f.write_str("strict KEX violation: the sequence number wrapped before NEWKEYS")
            }
            Self::KexInitTooLong => f.write_str("SSH_MSG_KEXINIT is too long"),
            Self::BadShare => f.write_str("the public value of the key exchange is not valid"),
            Self::BadGroup => f.write_str("the group of the key exchange is not acceptable"),
            Self::BadHostKey(why) => write!(f, "the host key is not acceptable: {why}"),
            Self::HostKeyType(name) => {
                write!(f, "the host key is of type {name}, which was not negotiated")
            }
            Self::BadHostKeySignature => f.write_str("incorrect signature"),
            Self::HostKeyChanged => f.write_str("the host key changed during a rekey"),
            Self::UnknownService(name) => write!(f, "bad service request {name}"),
            Self::AuthenticationChanged => f.write_str("Change of username or service not allowed"),
            Self::WindowExceeded => f.write_str("more data than the channel window allows"),
            Self::WindowOverflow => f.write_str("a channel window beyond its limit"),
            Self::ChannelPacketTooLarge => {
                f.write_str("more channel data in a packet than allowed")
            }
            Self::UnknownChannel(number) => {
                write!(f, "a message for the nonexistent channel {number}")
            }
            Self::DataAfterEof => f.write_str("channel data after EOF"),
            Self::AnswerWithoutRequest => f.write_str("an answer without a request"),
            Self::OtherKey => f.write_str("an answer about a key that was not offered"),
            Self::TooManyExtensions => f.write_str("SSH_MSG_EXT_INFO tells too much"),
            Self::TooManyRequests => f.write_str("too many unanswered requests"),
            Self::TooManyChannels => f.write_str("too many channels"),
        }
    }
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownChannel => f.write_str("no such channel"),
            Self::OutOfTurn(what) => write!(f, "{what} has no place now"),
            Self::UnknownAlgorithm(name) => write!(f, "unknown algorithm {name:?}"),
            Self::EmptyList(what) => write!(f, "no {what} is enabled"),
            Self::TooLarge(what) => write!(f, "{what} is too large"),
        }
    }
}

impl From<Misbehaved> for Error {
    fn from(rule: Misbehaved) -> Self {
        Self::Misbehaved(rule)
    }
}

impl From<Misuse> for Error {
    fn from(misuse: Misuse) -> Self {
        Self::Misuse(misuse)
    }
}
