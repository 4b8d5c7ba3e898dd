//! Fields of requests that have a form of their own.

use crate::limits::ACCOUNTS;

/// How a file is opened. draft-02 §6.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OpenFlags {
    /// For reading.
    pub read: bool,
    /// For writing.
    pub write: bool,
    /// Every write goes to the end.
    pub append: bool,
    /// Made where it is not there.
    pub create: bool,
    /// Emptied first.
    pub truncate: bool,
    /// With `create`: it must not be there.
    pub exclusive: bool,
}

impl OpenFlags {
    /// For reading what is there.
    pub const READ: Self = Self {
        read: true,
        write: false,
        append: false,
        create: false,
        truncate: false,
        exclusive: false,
    };

    /// Whether opening or using it may change anything.
    pub fn changes_anything(self) -> bool {
        // Without one of the two it is opened for reading.
        self.write || self.create || self.truncate
    }

    pub(crate) fn from_bits(bits: u32) -> Self {
        let has = |bit| bits & bit != 0;
        Self {
            read: has(1),
            write: has(2),
            append: has(4),
            create: has(8),
            truncate: has(16),
            exclusive: has(32),
        }
    }

    pub(crate) fn bits(self) -> u32 {
        [self.read, self.write, self.append, self.create, self.truncate, self.exclusive]
            .into_iter()
            .enumerate()
            .map(|(place, set)| u32::from(set) << place)
            .sum()
    }
}

/// Numbers of users or groups, each of four bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numbers<'a>(pub(super) &'a [u8]);

impl<'a> Numbers<'a> {
    /// From [`Self::pack`]ed bytes. `None` when they are no whole numbers or too many.
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        (bytes.len().is_multiple_of(4) && bytes.len() / 4 <= ACCOUNTS).then_some(Self(bytes))
    }

    /// One after the other.
    pub fn iter(self) -> impl Iterator<Item = u32> + use<'a> {
        self.0.chunks_exact(4).filter_map(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes)
    }

    /// As bytes.
    pub fn pack(numbers: &[u32]) -> Vec<u8> {
        numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_there_and_back() {
        for bits in 0..64 {
            assert_eq!(OpenFlags::from_bits(bits).bits(), bits);
        }
    }
}
