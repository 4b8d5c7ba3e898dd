use crate::{Mpint, NameList};

/// Why bytes are not what they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// The bytes end inside a field.
    Truncated,
    /// Bytes remain after the last field.
    TrailingBytes,
    /// A text field is not UTF-8.
    NotUtf8,
    /// An mpint is negative, or not in its shortest form (RFC 4251 §5).
    BadMpint,
    /// A name-list has an empty name or a character outside US-ASCII.
    BadNameList,
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Error::Truncated => "the data ends too early",
            Error::TrailingBytes => "there is data after the end",
            Error::NotUtf8 => "the text is not UTF-8",
            Error::BadMpint => "a number is negative or not in its shortest form",
            Error::BadNameList => "a list of names is malformed",
        })
    }
}

impl std::error::Error for Error {}

/// Takes RFC 4251 values off the front of a slice.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads from the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What has not been read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Whether everything has been read.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Takes `count` bytes as they are.
    ///
    /// # Errors
    /// [`Error::Truncated`] when fewer remain.
    pub fn bytes(&mut self, count: usize) -> Result<&'a [u8], Error> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Error::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    /// Takes `N` bytes as an array.
    ///
    /// # Errors
    /// [`Error::Truncated`] when fewer remain.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or(Error::Truncated)?;
        self.rest = rest;
        Ok(*taken)
    }

    /// Takes a `byte`.
    ///
    /// # Errors
    /// [`Error::Truncated`] at the end.
    pub fn u8(&mut self) -> Result<u8, Error> {
        Ok(self.array::<1>()?[0])
    }

    /// Takes a `boolean`; any value but 0 is true.
    ///
    /// # Errors
    /// [`Error::Truncated`] at the end.
    pub fn boolean(&mut self) -> Result<bool, Error> {
        Ok(self.u8()? != 0)
    }

    /// Takes a `uint32`.
    ///
    /// # Errors
    /// [`Error::Truncated`] at the end.
    pub fn u32(&mut self) -> Result<u32, Error> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    /// Takes a `uint64`.
    ///
    /// # Errors
    /// [`Error::Truncated`] at the end.
    pub fn u64(&mut self) -> Result<u64, Error> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    /// Takes a `string`: a length and that many bytes.
    ///
    /// # Errors
    /// [`Error::Truncated`] when the length is more than what remains.
    pub fn string(&mut self) -> Result<&'a [u8], Error> {
        let mut ahead = self.clone();
        let length = ahead.u32()? as usize;
        let taken = ahead.bytes(length)?;
        *self = ahead;
        Ok(taken)
    }

    /// Takes a `string` that holds text.
    ///
    /// # Errors
    /// [`Error::NotUtf8`], or as [`Self::string`].
    pub fn text(&mut self) -> Result<&'a str, Error> {
        std::str::from_utf8(self.string()?).map_err(|_| Error::NotUtf8)
    }

    /// Takes an `mpint` that is not negative.
    ///
    /// # Errors
    /// [`Error::BadMpint`], or as [`Self::string`].
    pub fn mpint(&mut self) -> Result<Mpint<'a>, Error> {
        Mpint::from_wire(self.string()?)
    }

    /// Takes a `name-list`.
    ///
    /// # Errors
    /// [`Error::BadNameList`], or as [`Self::string`].
    pub fn name_list(&mut self) -> Result<NameList<'a>, Error> {
        NameList::from_wire(self.string()?)
    }

    /// Confirms that nothing remains.
    ///
    /// # Errors
    /// [`Error::TrailingBytes`] when something does.
    pub fn finish(&self) -> Result<(), Error> {
        if self.rest.is_empty() { Ok(()) } else { Err(Error::TrailingBytes) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_beyond_the_end_is_truncated_and_takes_nothing() {
        let bytes = [0xff, 0xff, 0xff, 0xff, 1];
        let mut reader = Reader::new(&bytes);
        assert_eq!(reader.string(), Err(Error::Truncated));
        assert_eq!(reader.rest(), &bytes);
    }

    #[test]
    fn numbers_are_big_endian() {
        let mut reader = Reader::new(&[0x29, 0xb7, 0xf4, 0xaa, 2, 0, 0, 0, 0, 0, 0, 1, 0]);
        assert_eq!(reader.u32(), Ok(699_921_578)); // RFC 4251 §5
        assert_eq!(reader.boolean(), Ok(true));
        assert_eq!(reader.u64(), Ok(256));
        assert_eq!(reader.finish(), Ok(()));
    }

    #[test]
    fn what_is_left_over_is_noticed() {
        assert_eq!(Reader::new(&[1]).finish(), Err(Error::TrailingBytes));
    }
}
