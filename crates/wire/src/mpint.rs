use crate::Error;

/// A number that is not negative, big-endian, without leading zeros.
/// RFC 4251 §5. SSH has no use for negative ones, so they do not parse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mpint<'a> {
    magnitude: &'a [u8],
}

impl<'a> Mpint<'a> {
    /// From the contents of an `mpint` field.
    ///
    /// # Errors
    /// [`Error::BadMpint`] when it is negative or has needless leading octets.
    pub fn from_wire(bytes: &'a [u8]) -> Result<Self, Error> {
        match bytes {
            [] => Ok(Self { magnitude: bytes }),
            [0, rest @ ..] if rest.first().is_some_and(|byte| byte & 0x80 != 0) => {
                Ok(Self { magnitude: rest })
            }
            [first, ..] if *first != 0 && first & 0x80 == 0 => Ok(Self { magnitude: bytes }),
            _ => Err(Error::BadMpint),
        }
    }

    /// From a big-endian magnitude, with or without leading zeros.
    pub fn from_magnitude(bytes: &'a [u8]) -> Self {
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        Self { magnitude: &bytes[zeros..] }
    }

    /// The magnitude, big-endian, without leading zeros; empty for zero.
    pub fn magnitude(&self) -> &'a [u8] {
        self.magnitude
    }

    /// How many bits the number has; 0 for zero.
    pub fn bits(&self) -> usize {
        self.magnitude
            .first()
            .map_or(0, |first| self.magnitude.len() * 8 - first.leading_zeros() as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_shortest_form_parses() {
        assert_eq!(Mpint::from_wire(&[]).map(|m| m.bits()), Ok(0));
        assert_eq!(Mpint::from_wire(&[0, 0x80]).map(|m| m.bits()), Ok(8));
        assert_eq!(Mpint::from_wire(&[0x7f]).map(|m| m.bits()), Ok(7));
        assert_eq!(Mpint::from_wire(&[0]), Err(Error::BadMpint));
        assert_eq!(Mpint::from_wire(&[0, 0x7f]), Err(Error::BadMpint));
        assert_eq!(Mpint::from_wire(&[0x80]), Err(Error::BadMpint));
    }
}
