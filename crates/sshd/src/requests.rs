//! What the server's processes say to each other.
//!
//! Every message is a struct or an enum of this file, sent whole and checked
//! whole. The receiver of each decides for itself whether it may come now:
//! the monitor trusts nothing the gate says, and the session little more.
//! Both ends are the same program file, started by executing it again, so
//! there is only one version of these at a time.

pub(crate) mod channel;
pub(crate) mod encoding;

use std::path::PathBuf;

use zeroize::Zeroizing;

pub(crate) use channel::{Channel, Error};
pub(crate) use encoding::{Bytes, SecretBytes};
use encoding::{choice, record};

record! {
    /// The two ends of a connection, as text for logs and the environment.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub(crate) struct Ends {
        /// The client's address, or `UNKNOWN` when the connection is no socket.
        remote_address: String,
        /// The client's port; 65535 when unknown.
        remote_port: u16,
        /// Our address.
        local_address: String,
        /// Our port.
        local_port: u16,
    }
}

record! {
    /// From the listener to a new monitor. The connection's descriptor and the
    /// sealed file with the settings come beside it.
    pub(crate) struct MonitorStart {
        /// Whether to log to standard error, and how much.
        log: LogTarget,
        /// Where the connection goes from and to.
        ends: Ends,
        /// Whether this process serves this one connection only (`-d`, `-i`).
        alone: bool,
    }
}

record! {
    /// Where log lines go. Standard error is inherited, so nothing has to be opened again.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub(crate) struct LogTarget {
        /// To standard error instead of the system log.
        stderr: bool,
        /// A level that the command line demands whatever the configuration says.
        level: Option<u8>,
    }
}

choice! {
    /// From a monitor to the listener, while it lives.
    #[derive(Debug)]
    pub(crate) enum MonitorNews {
        /// Somebody was authenticated: the connection no longer counts as starting.
        1 Authenticated,
    }
}

choice! {
    /// From a listener that has left its terminal to the process that it left there.
    #[derive(Debug)]
    pub(crate) enum ListenerNews {
        /// Connections are accepted.
        1 Ready,
    }
}

choice! {
    /// From the gate to the monitor. Each is answered by the message of the
    /// same name in [`ToGate`], except where it says otherwise.
    pub(crate) enum ToMonitor {
        /// First: what am I to offer?
        1 Hello,
        /// Sign the hash of a key exchange.
        2 SignExchange {
            /// Which host key, counted in the order of [`GateFacts::host_keys`].
            key: u32,
            /// The negotiated algorithm.
            algorithm: String,
            /// The exchange hash.
            hash: Bytes,
        },
        /// Sign a proof that we hold a host key (hostkeys-prove-00@openssh.com).
        3 SignProof {
            /// As in `SignExchange`.
            key: u32,
            /// As in `SignExchange`.
            algorithm: String,
            /// What the engine would sign; compared, not believed.
            data: Bytes,
        },
        /// May this user in?
        4 Authenticate {
            /// As it came, with a style after a colon perhaps.
            user: String,
            /// The service asked for.
            service: String,
            /// By which means.
            method: Method,
        },
        /// After acceptance, once: start the session process.
        5 StartSession,
        /// A line for the log. Not answered.
        6 Log {
            /// As `log::Level as usize`.
            level: u8,
            /// The text.
            text: String,
        },
        /// The connection is over. Not answered.
        7 Ended {
            /// How.
            how: HowEnded,
            /// Whatever there is to say.
            text: String,
        },
    }
}

choice! {
    /// How a connection came to its end; the monitor words the log line.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) enum HowEnded {
        /// The socket was closed.
        1 Closed,
        /// The client said goodbye; the text has its reason and words.
        2 RemoteDisconnect,
        /// The client broke a rule, or nothing was in common.
        3 Failed,
        /// We said goodbye.
        4 LocalDisconnect,
        /// The client's first line was none.
        5 BadIdent,
        /// The client did not answer any more.
        6 TimedOut,
        /// The socket failed.
        7 Reset,
        /// The client and we have no algorithm in common.
        8 Incompatible,
    }
}

choice! {
    /// How a user wants to be authenticated. RFC 4252, RFC 4256.
    pub(crate) enum Method {
        /// To hear which methods there are.
        1 None,
        /// By a key, with a signature or as a question.
        2 PublicKey {
            /// The signature algorithm.
            algorithm: String,
            /// The key as it came.
            key: Bytes,
            /// The signature over the session and this request.
            signature: Option<Bytes>,
            /// By `publickey-hostbound-v00@openssh.com`: the host key is signed too.
            host_bound: bool,
        },
        /// By password, with a new one perhaps.
        3 Password {
            /// The password.
            password: Zeroizing<String>,
            /// The one to be set instead.
            new_password: Option<Zeroizing<String>>,
        },
        /// By questions.
        4 KeyboardInteractive {
            /// Which questions the client would like.
            submethods: String,
        },
        /// Answers to the questions of the last `InfoRequest`.
        5 InfoResponse {
            /// One for each.
            responses: Vec<Zeroizing<String>>,
        },
        /// A key that cannot be used here.
        7 UnusableKey {
            /// Why not.
            reason: String,
        },
        /// A method we do not have.
        6 Other {
            /// Its name.
            name: String,
        },
    }
}

choice! {
    /// From the monitor to the gate.
    pub(crate) enum ToGate {
        /// To `Hello`.
        1 Hello {
            /// All there is to know before the first byte.
            facts: GateFacts,
        },
        /// To `SignExchange` and `SignProof`.
        2 Signature {
            /// The whole signature blob, or nothing when it cannot be.
            signature: Option<Bytes>,
        },
        /// To `Authenticate`.
        3 Judged {
            /// To be shown to the user before the verdict.
            banner: String,
            /// The verdict.
            verdict: Verdict,
        },
        /// To `StartSession`; a channel to the session process comes beside it.
        4 Session {
            /// What holds from now on.
            facts: SessionFacts,
        },
    }
}

record! {
    /// What the gate needs to know before it reads anything.
    pub(crate) struct GateFacts {
        /// The version line after `SSH-2.0-`.
        software_version: String,
        /// Public halves, certificates too, in order of preference.
        host_keys: Vec<Bytes>,
        /// Their signature algorithms.
        host_key_algorithms: Vec<String>,
        /// Key exchanges.
        kex_algorithms: Vec<String>,
        /// Ciphers.
        ciphers: Vec<String>,
        /// MACs.
        macs: Vec<String>,
        /// Whether zlib after authentication is offered.
        compression: bool,
        /// `RekeyLimit`, bytes.
        rekey_bytes: Option<u64>,
        /// `RekeyLimit`, seconds.
        rekey_seconds: Option<u64>,
        /// `RequiredRSASize`.
        min_rsa_bits: u32,
        /// What clients are told about keys that users may have (`server-sig-algs`).
        signature_algorithms: Vec<String>,
        /// Group exchange: size, prime and generator, a few for each size.
        groups: Vec<Group>,
        /// The uid of the gate; nothing when we have no rights to give up.
        account: Option<(u32, u32)>,
        /// What to read and to log: the level, as `log::LevelFilter as usize`.
        log_level: u8,
    }
}

record! {
    /// One line of the moduli file.
    pub(crate) struct Group {
        /// Size of the prime.
        bits: u32,
        /// The prime.
        p: Bytes,
        /// The generator.
        g: Bytes,
    }
}

record! {
    /// What the gate needs to know about the user who came in.
    pub(crate) struct SessionFacts {
        /// `ClientAliveInterval` in seconds; 0 is never.
        client_alive_interval: u32,
        /// `ClientAliveCountMax`.
        client_alive_count_max: u32,
        /// `UnusedConnectionTimeout` in seconds; 0 is never.
        unused_connection_timeout: u32,
        /// `ChannelTimeout`: patterns of kinds, and seconds.
        channel_timeouts: Vec<(String, u64)>,
        /// `IPQoS` with a terminal.
        interactive_class: Option<u8>,
        /// `IPQoS` without.
        bulk_class: Option<u8>,
    }
}

choice! {
    /// What the monitor makes of an authentication request.
    pub(crate) enum Verdict {
        /// In.
        1 Accept,
        /// Not yet, or not.
        2 Reject {
            /// What may go on.
            methods: Vec<String>,
            /// Whether this part was good.
            partial_success: bool,
        },
        /// A signature with this key would do.
        3 PublicKeyOk,
        /// Ask the user.
        4 InfoRequest {
            /// A title.
            name: String,
            /// What it is about.
            instruction: String,
            /// Each question, and whether the answer may be seen.
            prompts: Vec<(String, bool)>,
        },
        /// The password has to be changed first.
        5 PasswordChange {
            /// What to say.
            prompt: String,
        },
        /// No more.
        6 Disconnect {
            /// The number of RFC 4253 §11.1.
            reason: u32,
            /// The words.
            text: String,
        },
    }
}

record! {
    /// From the monitor to a new session process. A channel to the gate comes beside it.
    pub(crate) struct SessionStart {
        /// Where log lines go.
        log: LogTarget,
        /// How much is logged, as `log::LevelFilter as usize`.
        log_level: u8,
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

#[cfg(test)]
mod tests {
    use super::channel::MESSAGE_BYTES;
    use super::encoding::Field;
    use super::*;

    #[test]
    fn messages_arrive_whole_with_their_descriptors() {
        let (a, b) = Channel::pair().unwrap();
        let sent = ToSession::Run {
            channel: 7,
            what: Run::Exec { command: Bytes(b"printf '\\0'".to_vec()) },
        };
        let null = std::fs::File::open("/dev/null").unwrap();
        use std::os::fd::AsFd;
        a.send(&sent, &[null.as_fd()]).unwrap();
        let (received, descriptors) = b.receive::<ToSession>().unwrap();
        assert_eq!(format!("{received:?}"), format!("{sent:?}"));
        assert_eq!(descriptors.len(), 1);
        assert!(b.try_receive::<ToSession>().unwrap().is_none());
    }

    #[test]
    fn a_closed_end_is_gone() {
        let (a, b) = Channel::pair().unwrap();
        drop(b);
        assert!(matches!(a.receive::<ToSession>(), Err(Error::Gone)));
        assert!(matches!(a.send(&ToSession::NoMoreSessions, &[]), Err(Error::Gone)));
    }

    #[test]
    fn what_is_too_large_is_not_sent() {
        let (a, _b) = Channel::pair().unwrap();
        let large = Run::Exec { command: Bytes(vec![0; MESSAGE_BYTES]) };
        assert!(matches!(a.send(&large, &[]), Err(Error::TooLarge)));
    }

    #[test]
    fn bytes_that_are_no_message_are_refused() {
        // Every short string of bytes, and every cut of a good message, as a peer that was
        // taken over might send them: refused or read, but never a panic.
        let mut good = Vec::new();
        ToMonitor::Authenticate {
            user: "me".into(),
            service: "ssh-connection".into(),
            method: Method::InfoResponse { responses: vec![Zeroizing::new("x".into())] },
        }
        .put(&mut good);
        for cut in 0..good.len() {
            assert!(ToMonitor::take(&mut wire::Reader::new(&good[..cut])).is_err());
        }
        for number in 0..=255u8 {
            for filler in [0, 1, 2, 3, 0xff] {
                let mut bytes = vec![filler; 40];
                bytes[0] = number;
                let _ = ToMonitor::take(&mut wire::Reader::new(&bytes));
                let _ = ToGate::take(&mut wire::Reader::new(&bytes));
                let _ = ToSession::take(&mut wire::Reader::new(&bytes));
                let _ = FromSession::take(&mut wire::Reader::new(&bytes));
                let _ = SessionNews::take(&mut wire::Reader::new(&bytes));
            }
        }
    }
}
