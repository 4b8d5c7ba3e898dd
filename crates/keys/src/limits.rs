//! Every limit on what a peer, a file or a user can make grow.

/// RSA moduli smaller than this are refused; they can be factored.
pub const RSA_BITS_MIN: u32 = 1024;
/// RSA moduli larger than this are refused: a peer must not choose how long a
/// verification takes. OpenSSH draws the same line.
pub const RSA_BITS_MAX: u32 = 16384;
/// RSA public exponents larger than this are refused, for the same reason.
pub const RSA_EXPONENT_BITS_MAX: usize = 64;
/// Bits of a new RSA key when nothing is said.
pub const RSA_BITS_DEFAULT: u32 = 3072;
/// A public key or certificate blob. The largest certificate that OpenSSH
/// makes is far below.
pub const BLOB_BYTES: usize = 256 * 1024;
/// Principals in one certificate, as in OpenSSH.
pub const CERTIFICATE_PRINCIPALS: usize = 256;
/// Critical options, and extensions, in one certificate.
pub const CERTIFICATE_OPTIONS: usize = 256;
/// A private key file.
pub const PRIVATE_FILE_BYTES: usize = 1024 * 1024;
/// Rounds of bcrypt in a private key file: a round costs milliseconds, so a
/// file asking for more is damaged or hostile.
pub const BCRYPT_ROUNDS: u32 = 65_536;
/// Rounds of bcrypt in a file that is written, when nothing is said.
pub const BCRYPT_ROUNDS_DEFAULT: u32 = 24;
/// Iterations of PBKDF2 in a private key file.
pub const PBKDF2_ITERATIONS: u32 = 10_000_000;
/// Memory that Argon2 may fill for a PuTTY key file, in KiB: PuTTY's own default is 8 MiB.
pub const ARGON2_MEMORY_KIB: u32 = 1024 * 1024;
/// Memory times passes of Argon2 for a PuTTY key file, in KiB: some minutes at most.
pub const ARGON2_WORK_KIB: u64 = 64 * 1024 * 1024;
/// A revocation list: millions of hashes fit.
pub const KRL_BYTES: usize = 256 * 1024 * 1024;
/// Bits in one bitmap of a revocation list, as in OpenSSH.
pub const KRL_BITMAP_BITS: usize = 1 << 24;
/// A file with a signature of SSHSIG, far above what any key makes.
pub const SIGNATURE_FILE_BYTES: usize = 512 * 1024;
/// One line of `known_hosts` or `authorized_keys`.
pub const LINE_BYTES: usize = 256 * 1024;
/// One pattern of a pattern list, as in OpenSSH.
pub const PATTERN_BYTES: usize = 1024;
/// `permitopen` and `permitlisten` options on one line, as in OpenSSH.
pub const PERMITS: usize = 4096;
/// `environment` options on one line, as in OpenSSH.
pub const ENVIRONMENT: usize = 1024;
/// One message of the agent protocol. RFC 9987 leaves the limit open; this
/// is OpenSSH's.
pub const AGENT_MESSAGE_BYTES: usize = 256 * 1024;
/// One answer of an agent. OpenSSH takes no more than a request's length,
/// which is too little to list [`AGENT_IDENTITIES`].
pub const AGENT_ANSWER_BYTES: usize = 8 * 1024 * 1024;
/// Identities in one agent answer. OpenSSH takes 2048.
pub const AGENT_IDENTITIES: usize = 16_384;
/// Constraints on one identity that is added to an agent.
pub const AGENT_CONSTRAINTS: usize = 64;
/// Hops, keys per hop and certificates in one constraint.
pub const AGENT_CONSTRAINT_ITEMS: usize = 1024;
