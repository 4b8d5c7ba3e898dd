//! Values that are one of a few words.

/// A type whose values have words.
pub trait Choice: Copy + PartialEq + 'static {
    /// The words. A value is printed as the first that means it.
    const WORDS: &'static [(&'static str, Self)];

    /// The value of a word, in any case.
    fn from_word(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(name, _)| name.eq_ignore_ascii_case(word)).map(|&(_, v)| v)
    }

    /// The word of a value.
    fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, value)| *value == self).map_or("", |&(name, _)| name)
    }
}

/// The words of a choice, without those for other tastes.
pub(crate) fn usual_words<T: Choice>() -> Vec<&'static str> {
    let words = T::WORDS.iter().map(|(word, _)| *word);
    words.filter(|word| !matches!(*word, "true" | "false")).collect()
}

macro_rules! choices {
    ($(
        $(#[$meta:meta])* $name:ident {
            $( $(#[$variant_meta:meta])* $variant:ident ),* $(,)?
        }
        $( $word:literal => $value:ident ),* ;
    )*) => { $(
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $( $(#[$variant_meta])* $variant ),* }

        impl Choice for $name {
            const WORDS: &'static [(&'static str, Self)] = &[ $( ($word, $name::$value) ),* ];
        }
    )* };
}

choices! {
    /// Which kind of address to use.
    AddressFamily {
        /// Both.
        Any,
        /// IPv4 only.
        Inet,
        /// IPv6 only.
        Inet6,
    }
    "inet" => Inet, "inet6" => Inet6, "any" => Any;

    /// When to rewrite host names to their canonical form.
    CanonicalizeHostname {
        /// Never.
        No,
        /// Unless a proxy is used.
        Yes,
        /// Even with a proxy.
        Always,
    }
    "true" => Yes, "false" => No, "yes" => Yes, "no" => No, "always" => Always;

    /// Whether to share a connection.
    ControlMaster {
        /// Use one that is there.
        No,
        /// Be the master.
        Yes,
        /// Be the master and confirm each use.
        Ask,
        /// Use one that is there or become the master.
        Auto,
        /// Like auto, with confirmation.
        AutoAsk,
    }
    "true" => Yes, "yes" => Yes, "false" => No, "no" => No, "auto" => Auto, "ask" => Ask,
    "autoask" => AutoAsk;

    /// The hash of printed fingerprints.
    FingerprintHash {
        /// MD5, as before 2015.
        Md5,
        /// SHA-256.
        Sha256,
    }
    "MD5" => Md5, "SHA256" => Sha256;

    /// Whether and how to use public keys.
    PubkeyAuthentication {
        /// Not at all.
        No,
        /// Every way.
        All,
        /// Without binding to the host.
        Unbound,
        /// Bound to the host.
        HostBound,
    }
    "true" => All, "false" => No, "yes" => All, "no" => No, "unbound" => Unbound,
    "host-bound" => HostBound;

    /// Whether to ask for a terminal on the far side.
    RequestTty {
        /// For a shell only.
        Auto,
        /// Never.
        No,
        /// When we have one.
        Yes,
        /// Always.
        Force,
    }
    "true" => Yes, "false" => No, "yes" => Yes, "no" => No, "force" => Force, "auto" => Auto;

    /// What the session channel is for.
    SessionType {
        /// A shell, or the command that was given.
        Default,
        /// No session.
        None,
        /// A subsystem.
        Subsystem,
    }
    "none" => None, "subsystem" => Subsystem, "default" => Default;

    /// What to do about a host key that is not known.
    StrictHostKeyChecking {
        /// Refuse.
        Yes,
        /// Accept and even connect when it changed.
        Off,
        /// Ask the user.
        Ask,
        /// Accept new ones, refuse changed ones.
        AcceptNew,
    }
    "true" => Yes, "false" => Off, "yes" => Yes, "no" => Off, "ask" => Ask, "off" => Off,
    "accept-new" => AcceptNew;

    /// A tun(4) device.
    Tunnel {
        /// None.
        No,
        /// Layer 3.
        PointToPoint,
        /// Layer 2.
        Ethernet,
    }
    "ethernet" => Ethernet, "point-to-point" => PointToPoint, "true" => PointToPoint,
    "yes" => PointToPoint, "false" => No, "no" => No;

    /// Yes, no, or ask.
    YesNoAsk {
        /// No.
        No,
        /// Yes.
        Yes,
        /// Ask the user each time.
        Ask,
    }
    "true" => Yes, "false" => No, "yes" => Yes, "no" => No, "ask" => Ask;

    /// What to warn of after key exchange.
    WarnWeakCrypto {
        /// Everything weak.
        Yes,
        /// Nothing.
        No,
        /// Everything weak except a key exchange that quantum computers would break.
        NoPqKex,
    }
    "true" => Yes, "false" => No, "yes" => Yes, "no" => No, "no-pq-kex" => NoPqKex;

    /// How much to log.
    LogLevel {
        /// Nothing.
        Quiet,
        /// What ends the program.
        Fatal,
        /// Errors.
        Error,
        /// What is worth knowing.
        Info,
        /// More of it.
        Verbose,
        /// For finding faults.
        Debug1,
        /// More of it.
        Debug2,
        /// All of it.
        Debug3,
    }
    "QUIET" => Quiet, "SILENT" => Quiet, "FATAL" => Fatal, "ERROR" => Error, "INFO" => Info, "VERBOSE" => Verbose,
    "DEBUG" => Debug1, "DEBUG1" => Debug1, "DEBUG2" => Debug2, "DEBUG3" => Debug3;

    /// The syslog facility.
    SyslogFacility {
        /// The daemon's.
        Daemon,
        /// The user's.
        User,
        /// Authentication.
        Auth,
        /// Private authentication.
        AuthPriv,
        /// Local use 0.
        Local0,
        /// Local use 1.
        Local1,
        /// Local use 2.
        Local2,
        /// Local use 3.
        Local3,
        /// Local use 4.
        Local4,
        /// Local use 5.
        Local5,
        /// Local use 6.
        Local6,
        /// Local use 7.
        Local7,
    }
    "DAEMON" => Daemon, "USER" => User, "AUTH" => Auth, "AUTHPRIV" => AuthPriv,
    "LOCAL0" => Local0, "LOCAL1" => Local1, "LOCAL2" => Local2, "LOCAL3" => Local3,
    "LOCAL4" => Local4, "LOCAL5" => Local5, "LOCAL6" => Local6, "LOCAL7" => Local7;

    /// How root may log in.
    PermitRootLogin {
        /// Not at all.
        No,
        /// With everything but a password.
        ProhibitPassword,
        /// With a key that has a forced command.
        ForcedCommandsOnly,
        /// Like everybody.
        Yes,
    }
    // `sshd -T` prints the old word, and scripts look for it.
    "without-password" => ProhibitPassword, "prohibit-password" => ProhibitPassword,
    "forced-commands-only" => ForcedCommandsOnly, "yes" => Yes, "no" => No;

    /// Which ways of forwarding are allowed.
    AllowForwarding {
        /// None.
        No,
        /// Both.
        Yes,
        /// From the client to us.
        Local,
        /// From us to the client.
        Remote,
    }
    "yes" => Yes, "all" => Yes, "no" => No, "remote" => Remote, "local" => Local;

    /// Which addresses a remote forward may listen on.
    GatewayPorts {
        /// Loopback.
        No,
        /// All.
        Yes,
        /// Those the client names.
        ClientSpecified,
    }
    "clientspecified" => ClientSpecified, "yes" => Yes, "no" => No;

    /// Whether compression is offered. Before authentication it never is.
    Compression {
        /// No.
        No,
        /// After authentication.
        Delayed,
    }
    "yes" => Delayed, "delayed" => Delayed, "no" => No;

    /// Which tunnels the server allows.
    PermitTunnel {
        /// None.
        No,
        /// Both.
        Yes,
        /// Layer 3.
        PointToPoint,
        /// Layer 2.
        Ethernet,
    }
    "yes" => Yes, "point-to-point" => PointToPoint, "ethernet" => Ethernet, "no" => No;

    /// Whether rhosts files are ignored.
    IgnoreRhosts {
        /// No.
        No,
        /// Yes.
        Yes,
        /// All but shosts.
        ShostsOnly,
    }
    "yes" => Yes, "no" => No, "shosts-only" => ShostsOnly;
}
