/// SSH_MSG_CHANNEL_REQUEST. RFC 4254 §6, RFC 4335.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChannelRequest {
    /// A pseudo-terminal. §6.2.
    PtyReq {
        /// The value of TERM.
        term: String,
        /// Width in characters.
        columns: u32,
        /// Height in characters.
        rows: u32,
        /// Width in pixels; 0 when unknown.
        width_pixels: u32,
        /// Height in pixels; 0 when unknown.
        height_pixels: u32,
        /// Encoded terminal modes. §8.
        modes: Vec<u8>,
    },
    /// X11 forwarding. §6.3.1.
    X11Req {
        /// Forward only one connection.
        single_connection: bool,
        /// Such as MIT-MAGIC-COOKIE-1.
        protocol: String,
        /// In hexadecimal.
        cookie: String,
        /// The screen number.
        screen: u32,
    },
    /// An environment variable. §6.4.
    Env {
        /// Its name.
        name: String,
        /// Its value.
        value: Vec<u8>,
    },
    /// The user's shell. §6.5.
    Shell,
    /// A command. §6.5.
    Exec {
        /// What the shell is to run.
        command: Vec<u8>,
    },
    /// A subsystem, such as sftp. §6.5.
    Subsystem {
        /// Its name.
        name: String,
    },
    /// The terminal's size changed. §6.7.
    WindowChange {
        /// Width in characters.
        columns: u32,
        /// Height in characters.
        rows: u32,
        /// Width in pixels.
        width_pixels: u32,
        /// Height in pixels.
        height_pixels: u32,
    },
    /// Whether the client does flow control. §6.8.
    XonXoff {
        /// It can.
        client_can_do: bool,
    },
    /// A signal for the program, without the SIG. §6.9.
    Signal {
        /// Such as "TERM".
        name: String,
    },
    /// A break. RFC 4335.
    Break {
        /// How long.
        milliseconds: u32,
    },
    /// The program ended. §6.10.
    ExitStatus(u32),
    /// The program was ended by a signal. §6.10.
    ExitSignal {
        /// Without the SIG.
        name: String,
        /// Whether it left a core.
        core_dumped: bool,
        /// In words.
        message: String,
    },
    /// Forward the agent.
    AuthAgent,
    /// A sign of life. OpenSSH.
    Keepalive,
    /// No more input is wanted. OpenSSH's PROTOCOL §2.1.
    Eow,
    /// A request that is not known here.
    Other {
        /// Its name.
        name: String,
        /// Its own fields.
        data: Vec<u8>,
    },
}

impl ChannelRequest {
    /// The request's name on the wire.
    pub fn name(&self) -> &str {
        match self {
            Self::PtyReq { .. } => "pty-req",
            Self::X11Req { .. } => "x11-req",
            Self::Env { .. } => "env",
            Self::Shell => "shell",
            Self::Exec { .. } => "exec",
            Self::Subsystem { .. } => "subsystem",
            Self::WindowChange { .. } => "window-change",
            Self::XonXoff { .. } => "xon-xoff",
            Self::Signal { .. } => "signal",
            Self::Break { .. } => "break",
            Self::ExitStatus(_) => "exit-status",
            Self::ExitSignal { .. } => "exit-signal",
            Self::AuthAgent => "auth-agent-req@openssh.com",
            Self::Keepalive => "keepalive@openssh.com",
            Self::Eow => "eow@openssh.com",
            Self::Other { name, .. } => name,
        }
    }
}

/// SSH_MSG_GLOBAL_REQUEST. RFC 4254 §4, §7.1; OpenSSH's PROTOCOL §2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GlobalRequest {
    /// Listen on a port of the server.
    TcpipForward {
        /// The address to listen on.
        address: String,
        /// 0 lets the server choose.
        port: u32,
    },
    /// Stop that.
    CancelTcpipForward {
        /// As in the request that started it.
        address: String,
        /// As in the request that started it.
        port: u32,
    },
    /// Listen on a Unix socket of the server.
    StreamlocalForward {
        /// The socket.
        path: String,
    },
    /// Stop that.
    CancelStreamlocalForward {
        /// The socket.
        path: String,
    },
    /// The client will open no more sessions.
    NoMoreSessions,
    /// A sign of life.
    Keepalive,
    /// A request that is not known here.
    Other {
        /// Its name.
        name: String,
        /// Its own fields.
        data: Vec<u8>,
    },
}

impl GlobalRequest {
    /// The request's name on the wire.
    pub fn name(&self) -> &str {
        match self {
            Self::TcpipForward { .. } => "tcpip-forward",
            Self::CancelTcpipForward { .. } => "cancel-tcpip-forward",
            Self::StreamlocalForward { .. } => "streamlocal-forward@openssh.com",
            Self::CancelStreamlocalForward { .. } => "cancel-streamlocal-forward@openssh.com",
            Self::NoMoreSessions => "no-more-sessions@openssh.com",
            Self::Keepalive => "keepalive@openssh.com",
            Self::Other { name, .. } => name,
        }
    }
}
