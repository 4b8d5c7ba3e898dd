use std::fmt;

/// Why a conversation cannot go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The length field of a packet is 0 or more than [`crate::limits::PACKET_BYTES`]. Where the remote's shell
    /// prints something first, this is its text.
    PacketLength(u32),
    /// The remote's first packet is not the one that negotiates the version; its type. draft-02 §4.
    NotInitialised(u8),
    /// The version was negotiated already.
    InitialisedAgain,
    /// The server speaks a version that this client does not.
    Version(u32),
    /// A packet that does not have the fields of its type.
    Malformed(u8),
    /// An answer to something that was not asked, or not the kind of answer that the request has.
    UnexpectedReply {
        /// The type of the answer.
        kind: u8,
        /// The request that it names.
        id: u32,
    },
    /// More data than were asked for.
    TooMuchData,
    /// The remote announces more extensions than anybody has.
    TooManyExtensions,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PacketLength(length) => {
                write!(f, "a packet of {length} bytes (are there start-up files that print?)")
            }
            Self::NotInitialised(kind) => write!(f, "a packet of type {kind} before the version"),
            Self::InitialisedAgain => f.write_str("the version was agreed on already"),
            Self::Version(version) => write!(f, "SFTP version {version} is not supported"),
            Self::Malformed(kind) => write!(f, "a malformed packet of type {kind}"),
            Self::UnexpectedReply { kind, id } => {
                write!(f, "an answer of type {kind} to request {id} that does not fit")
            }
            Self::TooMuchData => f.write_str("more data than were asked for"),
            Self::TooManyExtensions => f.write_str("too many extensions"),
        }
    }
}

impl std::error::Error for Error {}

/// What a client may not do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misuse {
    /// The server has not said its version yet.
    NotReady,
    /// Too many requests wait for answers, or too much waits to be sent.
    Busy,
    /// The server did not announce this extension.
    NoSuchExtension,
    /// The request would not fit into a packet.
    TooLong,
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotReady => "the server has not said its version yet",
            Self::Busy => "too many requests wait for answers",
            Self::NoSuchExtension => "the server does not have that extension",
            Self::TooLong => "the request is too long",
        })
    }
}

impl std::error::Error for Misuse {}
