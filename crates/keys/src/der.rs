//! As much of DER (X.690) as key files need: definite lengths in their
//! shortest form, read in order, nothing left over.

use zeroize::Zeroizing;

use crate::error::PrivateKeyError;

pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const NULL: u8 = 0x05;
pub(crate) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(crate) const SEQUENCE: u8 = 0x30;

/// Takes values off the front of a slice.
#[derive(Clone)]
pub(crate) struct Der<'a> {
    rest: &'a [u8],
}

impl<'a> Der<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The tag of the next value.
    pub(crate) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// Takes a value with this tag.
    pub(crate) fn take(&mut self, tag: u8) -> Result<&'a [u8], PrivateKeyError> {
        let (found, rest) = self.rest.split_first().ok_or(PrivateKeyError::Truncated)?;
        if *found != tag {
            return Err(PrivateKeyError::Damaged("an ASN.1 value is of another type"));
        }
        let (length, rest) = length(rest)?;
        let (value, rest) = rest.split_at_checked(length).ok_or(PrivateKeyError::Truncated)?;
        self.rest = rest;
        Ok(value)
    }

    /// Takes a value with this tag if it is next.
    pub(crate) fn take_if(&mut self, tag: u8) -> Result<Option<&'a [u8]>, PrivateKeyError> {
        if self.peek() == Some(tag) { self.take(tag).map(Some) } else { Ok(None) }
    }

    /// Takes a structure to read on in.
    pub(crate) fn sequence(&mut self) -> Result<Der<'a>, PrivateKeyError> {
        self.take(SEQUENCE).map(Der::new)
    }

    /// Takes a number that is not negative: its magnitude, without leading
    /// zeros.
    pub(crate) fn integer(&mut self) -> Result<&'a [u8], PrivateKeyError> {
        match self.take(INTEGER)? {
            [0] => Ok(&[]),
            [0, rest @ ..] if rest.first().is_some_and(|byte| byte & 0x80 != 0) => Ok(rest),
            value @ [first, ..] if *first != 0 && first & 0x80 == 0 => Ok(value),
            _ => Err(PrivateKeyError::Damaged("an ASN.1 number is malformed")),
        }
    }

    /// Takes a small number.
    pub(crate) fn small_integer(&mut self) -> Result<u32, PrivateKeyError> {
        let magnitude = self.integer()?;
        if magnitude.len() > 4 {
            return Err(PrivateKeyError::Damaged("an ASN.1 number is too large"));
        }
        Ok(magnitude.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)))
    }

    /// Takes a bit string of whole octets.
    pub(crate) fn bit_string(&mut self) -> Result<&'a [u8], PrivateKeyError> {
        match self.take(BIT_STRING)? {
            [0, octets @ ..] => Ok(octets),
            _ => Err(PrivateKeyError::Damaged("an ASN.1 bit string has odd bits")),
        }
    }

    pub(crate) fn finish(&self) -> Result<(), PrivateKeyError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(PrivateKeyError::Damaged("there is data after the end"))
        }
    }
}

fn length(bytes: &[u8]) -> Result<(usize, &[u8]), PrivateKeyError> {
    let malformed = PrivateKeyError::Damaged("an ASN.1 length is malformed");
    let (first, rest) = bytes.split_first().ok_or(PrivateKeyError::Truncated)?;
    if first & 0x80 == 0 {
        return Ok((usize::from(*first), rest));
    }
    let octets = usize::from(first & 0x7f);
    if octets == 0 || octets > 3 {
        return Err(malformed);
    }
    let (digits, rest) = rest.split_at_checked(octets).ok_or(PrivateKeyError::Truncated)?;
    let length = digits.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
    let shortest = length >= 0x80 && digits.first() != Some(&0);
    if shortest { Ok((length, rest)) } else { Err(malformed) }
}

/// Writes one value with its tag and length.
pub(crate) fn value(tag: u8, parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    let len: usize = parts.iter().map(|part| part.len()).sum();
    let mut out = Zeroizing::new(Vec::with_capacity(len + 6));
    out.push(tag);
    if len < 0x80 {
        out.push(len as u8);
    } else {
        let octets = len.to_be_bytes();
        let digits = &octets[octets.iter().take_while(|octet| **octet == 0).count()..];
        out.push(0x80 | digits.len() as u8);
        out.extend_from_slice(digits);
    }
    for part in parts {
        out.extend_from_slice(part);
    }
    out
}

/// Writes a number that is not negative, given its magnitude.
pub(crate) fn integer(magnitude: &[u8]) -> Zeroizing<Vec<u8>> {
    let digits = &magnitude[magnitude.iter().take_while(|octet| **octet == 0).count()..];
    match digits.first() {
        Some(first) if first & 0x80 == 0 => value(INTEGER, &[digits]),
        _ => value(INTEGER, &[&[0], digits]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_in_order() {
        let mut der = Der::new(&[0x30, 5, 2, 1, 5, 5, 0]);
        let mut inner = der.sequence().unwrap();
        assert_eq!(inner.small_integer().unwrap(), 5);
        assert!(inner.finish().is_err());
        assert_eq!(inner.take_if(SEQUENCE).unwrap(), None);
        assert_eq!(inner.take(NULL).unwrap(), b"");
        assert!(inner.finish().is_ok() && der.is_empty());
    }

    #[test]
    fn written_values_read_back() {
        for len in [0, 1, 127, 128, 255, 256, 70_000] {
            let bytes = vec![0x81; len];
            let written = value(OCTET_STRING, &[&bytes]);
            assert_eq!(Der::new(&written).take(OCTET_STRING).unwrap(), bytes);
            let written = integer(&bytes);
            assert_eq!(Der::new(&written).integer().unwrap(), bytes);
        }
        assert_eq!(*integer(&[0, 0, 5]), [2, 1, 5]);
    }

    #[test]
    fn only_the_shortest_form_reads() {
        let integer = |bytes: &[u8]| Der::new(bytes).integer().map(<[u8]>::to_vec);
        assert_eq!(integer(&[2, 1, 0]).unwrap(), b"");
        assert_eq!(integer(&[2, 2, 0, 0x80]).unwrap(), [0x80]);
        for bytes in [
            &[2, 2, 0, 1][..],
            &[2, 1, 0x80],
            &[2, 0],
            &[2, 0x81, 1, 1],
            &[2, 0x80, 1],
            &[2, 0x82, 0, 1, 1],
            &[2, 2, 1],
            &[2, 0x84, 0, 0, 0, 1, 1],
            &[4, 1, 1],
            &[],
        ] {
            assert!(integer(bytes).is_err(), "{bytes:x?}");
        }
    }
}
