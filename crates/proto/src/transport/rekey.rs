//! When keys have been used enough. RFC 4253 §9, RFC 4344 §3.

use std::time::{Duration, Instant};

use crypto::cipher::CipherAlgorithm;

use crate::limits;

/// Counts one direction's use of its key.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    /// Packets under this key.
    pub packets: u64,
    /// Bytes under this key.
    pub bytes: u64,
}

impl Usage {
    /// Counts one packet.
    pub fn count(&mut self, bytes: usize) {
        self.packets += 1;
        self.bytes += bytes as u64;
    }
}

/// The limits that hold for the keys in use.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    bytes: u64,
    deadline: Option<Instant>,
}

impl Limit {
    /// The limit of `cipher`, lowered by what the configuration says.
    pub fn new(
        cipher: &CipherAlgorithm,
        bytes: Option<u64>,
        after: Option<Duration>,
        now: Instant,
    ) -> Self {
        // RFC 4344 §3.2: 2^(L/4) blocks for a block of L bits, and 1 GiB for
        // small blocks (a stream cipher counts as one of 64 bits).
        let of_cipher = if cipher.block_len >= 16 {
            (1u64 << (cipher.block_len * 2).min(40)) * cipher.block_len as u64
        } else {
            1 << 30
        };
        Self {
            bytes: bytes.map_or(of_cipher, |bytes| bytes.clamp(16, of_cipher)),
            deadline: after.and_then(|after| now.checked_add(after)),
        }
    }

    /// Whether `usage` has reached it.
    pub fn reached(&self, usage: Usage) -> bool {
        usage.bytes >= self.bytes || usage.packets >= limits::REKEY_PACKETS
    }

    /// When it is reached by time.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }
}
