use std::fmt;

/// What a channel is to be. RFC 4254 §6.1, §6.3.2, §7.2; OpenSSH's PROTOCOL
/// §2.3-2.4.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChannelOpen {
    /// A program, shell or subsystem.
    Session,
    /// A TCP connection that the server makes.
    DirectTcpip {
        /// Where to.
        host: String,
        /// Where to.
        port: u32,
        /// Who asked.
        originator_address: String,
        /// Who asked.
        originator_port: u32,
    },
    /// A connection to a Unix socket that the server makes.
    DirectStreamlocal {
        /// The socket.
        path: String,
    },
    /// A TCP connection that came to a forwarded port.
    ForwardedTcpip {
        /// The address that was connected to.
        connected_address: String,
        /// The port that was connected to.
        connected_port: u32,
        /// Who connected.
        originator_address: String,
        /// Who connected.
        originator_port: u32,
    },
    /// A connection that came to a forwarded Unix socket.
    ForwardedStreamlocal {
        /// The socket.
        path: String,
    },
    /// A connection to the forwarded X display.
    X11 {
        /// Who connected.
        originator_address: String,
        /// Who connected.
        originator_port: u32,
    },
    /// A connection to the forwarded agent.
    AgentForward,
    /// A tunnel device.
    Tun {
        /// 1 point to point, 2 ethernet.
        mode: u32,
        /// The unit number.
        unit: u32,
    },
    /// A type that is not known here.
    Other {
        /// Its name.
        name: String,
        /// Its own fields.
        data: Vec<u8>,
    },
}

impl ChannelOpen {
    /// The channel type on the wire.
    pub fn type_name(&self) -> &str {
        match self {
            Self::Session => "session",
            Self::DirectTcpip { .. } => "direct-tcpip",
            Self::DirectStreamlocal { .. } => "direct-streamlocal@openssh.com",
            Self::ForwardedTcpip { .. } => "forwarded-tcpip",
            Self::ForwardedStreamlocal { .. } => "forwarded-streamlocal@openssh.com",
            Self::X11 { .. } => "x11",
            Self::AgentForward => "auth-agent@openssh.com",
            Self::Tun { .. } => "tun@openssh.com",
            Self::Other { name, .. } => name,
        }
    }

    /// The kind that OpenSSH's `ChannelTimeout` knows it by.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::DirectTcpip { .. } => "direct-tcpip",
            Self::DirectStreamlocal { .. } => "direct-streamlocal@openssh.com",
            Self::ForwardedTcpip { .. } => "forwarded-tcpip",
            Self::ForwardedStreamlocal { .. } => "forwarded-streamlocal@openssh.com",
            Self::AgentForward => "agent-connection",
            Self::X11 { .. } => "x11-connection",
            Self::Tun { .. } => "tun-connection",
            Self::Other { .. } => "other",
        }
    }
}

/// Why a channel was not opened. RFC 4254 §5.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenFailure {
    /// Not allowed.
    AdministrativelyProhibited,
    /// The connection could not be made.
    ConnectFailed,
    /// No such channel type.
    UnknownChannelType,
    /// Out of something.
    ResourceShortage,
    /// A code that the RFC does not list.
    Other(u32),
}

impl OpenFailure {
    /// The number on the wire.
    pub fn code(self) -> u32 {
        match self {
            Self::AdministrativelyProhibited => 1,
            Self::ConnectFailed => 2,
            Self::UnknownChannelType => 3,
            Self::ResourceShortage => 4,
            Self::Other(code) => code,
        }
    }

    /// From the number on the wire.
    pub fn from_code(code: u32) -> Self {
        match code {
            1 => Self::AdministrativelyProhibited,
            2 => Self::ConnectFailed,
            3 => Self::UnknownChannelType,
            4 => Self::ResourceShortage,
            other => Self::Other(other),
        }
    }
}

impl fmt::Display for OpenFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AdministrativelyProhibited => "administratively prohibited",
            Self::ConnectFailed => "connect failed",
            Self::UnknownChannelType => "unknown channel type",
            Self::ResourceShortage => "resource shortage",
            Self::Other(_) => "unknown reason",
        })
    }
}
