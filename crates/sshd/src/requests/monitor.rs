//! Between the gate and the monitor.

use zeroize::Zeroizing;

use super::Bytes;
use super::encoding::{choice, record};

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
        /// By the word of the host the user comes from.
        8 HostBased {
            /// The signature algorithm.
            algorithm: String,
            /// The host's key as it came.
            key: Bytes,
            /// The host, as it says.
            client_host: String,
            /// The user there.
            client_user: String,
            /// The host's signature over the session and this request.
            signature: Bytes,
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
        /// `LogVerbose`.
        log_verbose: Vec<String>,
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
        /// What the client is told for its debugging.
        remarks: Vec<String>,
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
