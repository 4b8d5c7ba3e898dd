//! Between the session and the two others.

use std::path::PathBuf;

use super::encoding::{choice, record};
use super::{Bytes, Ends, LogTarget, SecretBytes};

record! {
    /// From the monitor to a new session process. A channel to the gate comes beside it.
    pub(crate) struct SessionStart {
        /// Where log lines go.
        log: LogTarget,
        /// How much is logged, as `log::LevelFilter as usize`.
        log_level: u8,
        /// `LogVerbose`.
        log_verbose: Vec<String>,
        /// The facility of the system log, as in `SyslogFacility`.
        facility: String,
        /// The login name.
        user: String,
        /// The user's number.
        uid: u32,
        /// The user's first group.
        gid: u32,
        /// All groups.
        groups: Vec<u32>,
        /// The home directory.
        home: PathBuf,
        /// The login shell.
        shell: PathBuf,
        /// Where the connection goes from and to.
        ends: Ends,
        /// What PAM adds to the environment.
        pam_environment: Vec<(Bytes, Bytes)>,
        /// What the key that logged in adds to it.
        key_environment: Vec<(String, String)>,
        /// Which variables of the user's own file and key count: patterns, or nothing for none.
        user_environment: Option<Vec<String>>,
        /// Names that the client may set.
        accept_env: Vec<String>,
        /// `SetEnv`: after everything else.
        set_env: Vec<(String, String)>,
        /// Instead of whatever the client asks to run.
        force_command: Option<String>,
        /// Name and command of each subsystem.
        subsystems: Vec<(String, String)>,
        /// `MaxSessions`.
        max_sessions: u32,
        /// `ChrootDirectory`, expanded and checked.
        chroot: Option<PathBuf>,
        /// Terminals may be had.
        permit_tty: bool,
        /// The agent may be forwarded.
        permit_agent_forwarding: bool,
        /// X11 forwarding, where it is allowed.
        x11: Option<X11Settings>,
        /// `~/.ssh/rc` is run.
        permit_user_rc: bool,
        /// Connections may be made for the client.
        permit_local_forwarding: bool,
        /// Listeners may be opened for the client.
        permit_remote_forwarding: bool,
        /// Unix sockets may be connected for the client.
        permit_stream_local: bool,
        /// Unix sockets may be listened on for the client.
        permit_stream_local_listen: bool,
        /// `StreamLocalBindMask`.
        stream_local_bind_mask: u32,
        /// `StreamLocalBindUnlink`.
        stream_local_bind_unlink: bool,
        /// Where to: host patterns, empty for any, and ports, 0 for any. Each list must agree.
        permit_open: Vec<Vec<(String, u16)>>,
        /// Where to listen, in the same way.
        permit_listen: Vec<Vec<(String, u16)>>,
        /// `PermitTunnel`: the modes that are allowed, each as its number.
        permit_tunnel: Vec<u32>,
        /// The only tunnel device, where the key says one.
        tunnel_unit: Option<u32>,
        /// `GatewayPorts`: 0 no, 1 yes, 2 as the client asks.
        gateway_ports: u8,
        /// `PrintMotd`.
        print_motd: bool,
        /// What to say about the last login, if anything.
        last_login: String,
        /// Whether `/etc/nologin` is looked for.
        check_nologin: bool,
        /// What it said at the login, which a session in a root directory of its own cannot see.
        nologin: Option<Bytes>,
        /// The password is to be changed before anything else is run.
        must_change_password: bool,
        /// Messages of the account and its password, shown at an interactive login.
        login_messages: String,
        /// `ExposeAuthInfo`: what is to be in the file that `SSH_USER_AUTH` names.
        authentication_information: Option<String>,
    }
}

record! {
    /// How X11 is forwarded.
    pub(crate) struct X11Settings {
        /// `X11DisplayOffset`.
        display_offset: u32,
        /// `X11UseLocalhost`.
        use_localhost: bool,
        /// `XAuthLocation`.
        xauth: PathBuf,
    }
}

choice! {
    /// From the session to the monitor. Not answered.
    #[derive(Debug)]
    pub(crate) enum SessionNews {
        /// Ready to serve.
        1 Ready,
        /// A terminal was opened for a login.
        2 TerminalOpened {
            /// Such as `/dev/pts/3`.
            line: String,
            /// The shell's process number.
            process: u32,
        },
        /// And was closed.
        3 TerminalClosed {
            /// As above.
            line: String,
        },
        /// A line for the log: after `chroot` there may be no way to it but through the monitor.
        4 Log {
            /// As `log::Level as usize`.
            level: u8,
            /// The text.
            text: String,
        },
    }
}

choice! {
    /// From the gate to the session.
    #[derive(Debug)]
    pub(crate) enum ToSession {
        /// A session channel is asked for. Answered by `Answer`.
        1 Open {
            /// The gate's number.
            channel: u32,
        },
        /// RFC 4254 §6.2. Answered by `Answer`.
        2 Pty {
            /// The gate's number.
            channel: u32,
            /// `TERM`.
            term: String,
            /// Size in characters and pixels.
            size: WindowSize,
            /// Encoded modes, RFC 4254 §8.
            modes: Bytes,
        },
        /// RFC 4254 §6.4. Answered by `Answer`.
        3 Env {
            /// The gate's number.
            channel: u32,
            /// The variable.
            name: String,
            /// Its value.
            value: Bytes,
        },
        /// RFC 4254 §6.5. Answered by `Started`, or `Answer` when refused.
        4 Run {
            /// The gate's number.
            channel: u32,
            /// What.
            what: Run,
        },
        /// RFC 4254 §6.7. Not answered.
        5 WindowChange {
            /// The gate's number.
            channel: u32,
            /// The new size.
            size: WindowSize,
        },
        /// RFC 4254 §6.9. Answered by `Answer`.
        6 Signal {
            /// The gate's number.
            channel: u32,
            /// Without "SIG".
            name: String,
        },
        /// auth-agent-req@openssh.com. Answered by `Answer`.
        7 AgentForward {
            /// The gate's number.
            channel: u32,
        },
        /// RFC 4335. Answered by `Answer`.
        8 Break {
            /// The gate's number.
            channel: u32,
        },
        /// The channel is gone. Not answered.
        9 Close {
            /// The gate's number.
            channel: u32,
        },
        /// RFC 4254 §7.2. Answered by `Connected` or `NotConnected`.
        10 Connect {
            /// The gate's number for this question.
            id: u32,
            /// A name or an address.
            host: String,
            /// The port.
            port: u32,
        },
        /// direct-streamlocal@openssh.com. Answered as `Connect`.
        11 ConnectLocal {
            /// The gate's number for this question.
            id: u32,
            /// The socket.
            path: String,
        },
        /// No session channel may be opened from now on. Not answered.
        12 NoMoreSessions,
        /// RFC 4254 §7.1. Answered by `Listening`.
        13 Listen {
            /// The address to listen on, as the client put it.
            address: String,
            /// The port; 0 leaves it to us.
            port: u32,
        },
        /// streamlocal-forward@openssh.com. Answered by `Listening`.
        15 ListenLocal {
            /// The socket.
            path: String,
        },
        /// cancel-streamlocal-forward@openssh.com. Answered by `Listening`.
        16 UnlistenLocal {
            /// The socket.
            path: String,
        },
        /// RFC 4254 §6.3.1. Answered by `Answer`.
        17 X11 {
            /// The gate's number.
            channel: u32,
            /// Only one connection.
            single_connection: bool,
            /// The authorization protocol.
            protocol: String,
            /// What clients of the display will say.
            cookie: SecretBytes,
            /// The screen.
            screen: u32,
        },
        /// A tunnel device. Answered by `Connected` or `NotConnected`.
        18 OpenTunnel {
            /// The gate's number for this question.
            id: u32,
            /// As it stands in the request.
            mode: u32,
            /// As it stands in the request.
            unit: u32,
        },
        /// RFC 4254 §7.1. Answered by `Listening`.
        14 Unlisten {
            /// As in `Listen`.
            address: String,
            /// As in `Listen`.
            port: u32,
        },
    }
}

record! {
    /// A terminal's size.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) struct WindowSize {
        /// Characters in a line.
        columns: u32,
        /// Lines.
        rows: u32,
        /// Pixels.
        width_pixels: u32,
        /// Pixels.
        height_pixels: u32,
    }
}

choice! {
    /// What to run.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub(crate) enum Run {
        /// The login shell.
        1 Shell,
        /// A command.
        2 Exec {
            /// For the shell's `-c`.
            command: Bytes,
        },
        /// What the configuration has under that name.
        3 Subsystem {
            /// The name.
            name: String,
        },
    }
}

choice! {
    /// From the session to the gate.
    #[derive(Debug)]
    pub(crate) enum FromSession {
        /// Yes or no, in the order of the questions about one channel.
        1 Answer {
            /// The gate's number.
            channel: u32,
            /// Yes.
            good: bool,
            /// Why not, for the client.
            text: String,
        },
        /// Something runs. Beside it: the terminal, or input, output and errors.
        2 Started {
            /// The gate's number.
            channel: u32,
            /// It is a terminal.
            terminal: bool,
        },
        /// What ran has ended.
        3 Exited {
            /// The gate's number.
            channel: u32,
            /// How.
            status: Ending,
        },
        /// Here is your connection: it comes beside this.
        4 Connected {
            /// The gate's number for the question.
            id: u32,
        },
        /// There is none.
        5 NotConnected {
            /// The gate's number for the question.
            id: u32,
            /// Forbidden, as against impossible.
            prohibited: bool,
            /// Why.
            text: String,
        },
        /// Somebody talks to the forwarded agent: the connection comes beside this.
        6 AgentConnection,
        /// To `Listen` and `Unlisten`.
        7 Listening {
            /// Yes.
            good: bool,
            /// The port in use.
            port: u32,
            /// If not, why: the client is told for its debugging.
            why: String,
        },
        /// A program connected to a forwarded display: the connection comes beside this.
        10 X11Connection {
            /// Who.
            originator_address: String,
            /// From which port.
            originator_port: u32,
        },
        /// Somebody connected to a forwarded Unix socket: the connection comes beside this.
        9 ForwardedLocal {
            /// As in `ListenLocal`.
            path: String,
        },
        /// Somebody connected to a forwarded port: the connection comes beside this.
        8 ForwardedConnection {
            /// As in `Listen`.
            address: String,
            /// The port in use.
            port: u32,
            /// Who.
            originator_address: String,
            /// From which port.
            originator_port: u32,
        },
    }
}

choice! {
    /// How a process ended.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub(crate) enum Ending {
        /// By itself.
        1 Status {
            /// Its exit status.
            status: u32,
        },
        /// By a signal.
        2 Signal {
            /// Without "SIG".
            name: String,
            /// Memory was written to a file.
            core_dumped: bool,
        },
    }
}
