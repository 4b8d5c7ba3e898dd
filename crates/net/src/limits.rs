//! Every bound of the loop, each with its reason.

use std::time::Duration;

/// Read from the transport in one turn before channels and output have their
/// turn: a fast sender must not silence the other direction.
pub const INPUT_TURN_BYTES: usize = 1024 * 1024;

/// Read from one channel's descriptors in one turn, so that a fast one leaves
/// room for the others. Also what one write to the transport carries at full
/// speed: small enough to be still in the cache when it is written.
pub const CHANNEL_TURN_BYTES: usize = 256 * 1024;

/// Received data shorter than this is gathered and written once per turn;
/// copying it costs less than a system call.
pub const GATHER_BELOW_BYTES: usize = 4096;

/// Gathered data is written out when it reaches this.
pub const GATHER_BYTES: usize = 64 * 1024;

/// What pipes are grown to once they prove busy. Linux lets users have this.
pub const PIPE_BYTES: usize = 1024 * 1024;

/// Read at once from an endpoint whose input is filtered by the application.
pub const FILTERED_READ_BYTES: usize = 32 * 1024;

/// Without traffic for this long, buffers are given back.
pub const IDLE: Duration = Duration::from_secs(1);

/// How long the last packets may take to leave when the loop ends; a remote
/// that stopped reading must not keep us.
pub const LAST_WORDS: Duration = Duration::from_secs(5);

/// Events taken from the kernel at once. The room for them is all that an
/// idle loop holds.
pub const EVENTS: usize = 64;

/// What channels that are closed may leave unwritten on a server: enough for
/// what a program's last output fills, not for a client that opens and closes
/// channels in front of a reader that never reads.
pub const LEFTOVER_BYTES: usize = 16 * 1024 * 1024;

/// Addresses of one host that are tried.
pub const ADDRESSES: usize = 64;

/// Between the starts of two connection attempts. RFC 8305 §5.
pub const ATTEMPT_STAGGER: Duration = Duration::from_millis(250);

/// How long an agent may take to sign: a user may have to be asked or a
/// security key be touched. Servers give a login as long.
pub const AGENT_SIGN: Duration = Duration::from_secs(120);

/// Keep-alive questions that may wait for an answer; a remote that is silent
/// for longer is not asked more often.
pub const UNANSWERED_PINGS: usize = 64;

/// No packet of a tunnel device is larger, family included: as large as frames get on real networks.
pub const TUNNEL_PACKET_BYTES: usize = 9 * 1024;
