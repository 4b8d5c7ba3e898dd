//! The lock: everything is refused until the same passphrase comes again.

use crypto::constant_time;
use crypto::hash::{Digest, HashAlgorithm, hmac};

use super::clock::Moment;
use super::limits;

/// Locked or not, and how long the next guess must wait.
#[derive(Default)]
pub struct Lock {
    /// A random key, and the passphrase under it.
    locked: Option<([u8; 32], Digest)>,
    failures: u32,
    not_before: Moment,
}

/// What became of an attempt to unlock.
#[derive(Debug, PartialEq, Eq)]
pub enum Unlock {
    /// It is open.
    Done,
    /// It was not locked.
    NotLocked,
    /// Wrong, to be told at that moment.
    Wrong(Moment),
    /// Not judged: come again then. Wrong guesses of all clients count together, so that asking
    /// through many connections makes nobody faster.
    TooEarly(Moment),
}

impl Lock {
    /// Whether it is locked.
    pub fn is_locked(&self) -> bool {
        self.locked.is_some()
    }

    /// Locks; false when it was locked already.
    pub fn lock(&mut self, passphrase: &[u8]) -> bool {
        if self.is_locked() {
            return false;
        }
        let mut key = [0; 32];
        crypto::random::fill(&mut key);
        self.locked = Some((key, hash(&key, passphrase)));
        true
    }

    /// Tries to unlock.
    pub fn unlock(&mut self, passphrase: &[u8], now: Moment) -> Unlock {
        let Some((key, expected)) = &self.locked else { return Unlock::NotLocked };
        if now < self.not_before {
            return Unlock::TooEarly(self.not_before);
        }
        if constant_time::equal(hash(key, passphrase).as_ref(), expected.as_ref()) {
            *self = Self::default();
            return Unlock::Done;
        }
        self.failures = limits::UNLOCK_STEPS.min(self.failures + 1);
        self.not_before = now + limits::UNLOCK_STEP * self.failures;
        Unlock::Wrong(self.not_before)
    }
}

fn hash(key: &[u8], passphrase: &[u8]) -> Digest {
    hmac(HashAlgorithm::Sha512, key, &[passphrase])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn wrong_guesses_wait_longer_and_longer() {
        let mut lock = Lock::default();
        let at = |ms| Duration::from_millis(ms);
        assert_eq!(lock.unlock(b"a", at(0)), Unlock::NotLocked);
        assert!(lock.lock(b"a"));
        assert!(!lock.lock(b"b"));
        assert_eq!(lock.unlock(b"b", at(1000)), Unlock::Wrong(at(1100)));
        assert_eq!(lock.unlock(b"a", at(1050)), Unlock::TooEarly(at(1100)));
        assert_eq!(lock.unlock(b"c", at(1100)), Unlock::Wrong(at(1300)));
        let mut now = at(1300);
        for _ in 0..200 {
            let Unlock::Wrong(next) = lock.unlock(b"", now) else { panic!("it opened") };
            assert!(next <= now + Duration::from_secs(10));
            now = next;
        }
        assert_eq!(lock.unlock(b"a", now), Unlock::Done);
        assert!(!lock.is_locked());
    }
}
