//! How the processes are started and watched: listener and monitor.

use super::encoding::{choice, record};

record! {
    /// The two ends of a connection, as text for logs and the environment.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub(crate) struct Ends {
        /// The client's address, or `UNKNOWN` when the connection is no socket.
        remote_address: String,
        /// With `UseDNS` the client's name, once it was looked up; else its address.
        remote_host: String,
        /// The client's port; 65535 when unknown.
        remote_port: u16,
        /// Our address.
        local_address: String,
        /// Our port.
        local_port: u16,
        /// The routing domain that it came by; empty for the usual one.
        routing_domain: String,
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
