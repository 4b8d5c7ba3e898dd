//! Every bound on what a remote can make grow, each with its reason.

/// The longest `packet_length` taken, in bytes. RFC 4253 §6.1 asks for at
/// least 35000; peers that advertise large channel packets send up to this.
pub const PACKET_BYTES: usize = 256 * 1024;

/// Channel data asked for in one packet: large enough that the cost of a
/// packet vanishes beside its bytes, small enough for every peer's limit.
pub const CHANNEL_PACKET_BYTES: u32 = 32 * 1024;

/// Packets of one channel whose data are handed over together, so that one
/// `writev` takes them all.
pub const RUN_PACKETS: usize = 16;

/// The longest line in the identification exchange. RFC 4253 §4.2 says 255
/// for the ident; servers put longer lines before it.
pub const IDENT_LINE_BYTES: usize = 8192;

/// Lines a server may send before its ident.
pub const IDENT_NOISE_LINES: usize = 1024;

/// First size of the input and output buffers: a login fits.
pub const BUFFER_START_BYTES: usize = 16 * 1024;

/// How far the input buffer grows at full speed; always more than a packet.
pub const INPUT_BYTES: usize = 512 * 1024;

/// No channel data is framed while this much waits to be sent.
pub const OUTPUT_DATA_BYTES: usize = 768 * 1024;

/// No input is processed while this much waits to be sent: only a remote that
/// asks much and reads nothing gets here.
pub const OUTPUT_PAUSE_BYTES: usize = 2 * 1024 * 1024;

/// Messages held back during a key exchange.
pub const HELD_BYTES: usize = 1024 * 1024;

/// The rate of the fastest link over a long distance that windows are made
/// for: 2 Gbit/s.
pub const LINK_BYTES_PER_SECOND: u64 = 250_000_000;

/// The window a channel starts with, if the remote is not far.
pub const WINDOW_START_BYTES: u32 = 2 * 1024 * 1024;

/// How far a channel's window grows: 2 Gbit/s at 100 ms fit twice.
pub const WINDOW_CAP_BYTES: u32 = 64 * 1024 * 1024;

/// How far the windows of one connection grow together: what a stalled
/// application could be made to hold.
pub const WINDOWS_TOGETHER_BYTES: u64 = 256 * 1024 * 1024;

/// Channels a remote may have open at once, beyond what the application
/// itself limits.
pub const CHANNELS: usize = 4096;

/// Requests of a remote that wait for the application's answer.
pub const UNANSWERED_REQUESTS: usize = 256;

/// Names in an algorithm list are compared with all of ours, so the whole
/// KEXINIT is bounded.
pub const KEXINIT_BYTES: usize = 32 * 1024;

/// Prompts in one keyboard-interactive request. RFC 4256 sets none.
pub const PROMPTS: usize = 100;

/// Names in an EXT_INFO message. RFC 8308 §2.3 sets none.
pub const EXTENSIONS: u32 = 1024;

/// Bytes of extensions kept, names and values. `server-sig-algs` takes most.
pub const EXTENSION_BYTES: usize = 32 * 1024;

/// EXT_INFO messages taken: RFC 8308 §2.4 has two places for one.
pub const EXT_INFO_MESSAGES: u32 = 4;

/// Host keys in a `hostkeys-00@openssh.com` request.
pub const HOST_KEYS: usize = 64;

/// Messages sent before authentication finished and kept to be sent again.
pub const EARLY_BYTES: usize = 64 * 1024;

/// Packets under one key before a rekey. RFC 4344 §3.1 allows 2^32 sequence
/// numbers; half of that leaves time for the exchange.
pub const REKEY_PACKETS: u64 = 1 << 31;

/// Group exchange: sizes asked for and taken, in bits. RFC 4419 §3, with the
/// floor of RFC 8270.
pub const GROUP_MIN_BITS: u32 = 2048;
/// See [`GROUP_MIN_BITS`].
pub const GROUP_MAX_BITS: u32 = 8192;
