//! What a peer can make grow, and how far.

/// The longest packet, its length field not counted: what OpenSSH takes and sends.
pub const PACKET_BYTES: usize = 256 * 1024;

/// The most data in one READ or WRITE; the rest of a packet is left for its other fields.
pub const DATA_BYTES: usize = PACKET_BYTES - 1024;

/// What a client asks for in one READ or WRITE before it knows the server's limits. Every server takes this much:
/// draft-ietf-secsh-filexfer-02 §3 has 34000 bytes for a packet.
pub const DATA_BYTES_FOR_ANY: usize = 32 * 1024;

/// Handles that are open at once in a server, when the system behind it says no less.
pub const HANDLES: usize = 1024;

/// A server answers no further request while this much waits to be sent, so that a client that does not read
/// cannot fill its memory; and little enough to stay in the processor's cache.
pub const OUTPUT_BYTES: usize = 256 * 1024;

/// The longest path, name or handle that a server takes: the system's own limit is 4096.
pub const PATH_BYTES: usize = 16 * 1024;

/// Names in one answer to READDIR, as OpenSSH sends them: their answer has to fit into a packet.
pub const NAMES: usize = 100;

/// User and group numbers in one request for their names.
pub const ACCOUNTS: usize = 2048;

/// Requests of a client that wait for their answers.
pub const REQUESTS: usize = 4096;

/// Bytes of requests that a client holds for sending; OpenSSH's server reads no further while it answers.
pub const CLIENT_OUTPUT_BYTES: usize = 4 << 20;

/// Extensions that a server may announce: OpenSSH's has eleven.
pub const EXTENSIONS: usize = 256;
