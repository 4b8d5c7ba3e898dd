use crate::Mpint;

/// Appends RFC 4251 values to a buffer.
pub trait Writer {
    /// Appends bytes as they are.
    fn put_bytes(&mut self, bytes: &[u8]);

    /// Appends a `byte`.
    fn put_u8(&mut self, value: u8) {
        self.put_bytes(&[value]);
    }

    /// Appends a `boolean`.
    fn put_boolean(&mut self, value: bool) {
        self.put_u8(u8::from(value));
    }

    /// Appends a `uint32`.
    fn put_u32(&mut self, value: u32) {
        self.put_bytes(&value.to_be_bytes());
    }

    /// Appends a `uint64`.
    fn put_u64(&mut self, value: u64) {
        self.put_bytes(&value.to_be_bytes());
    }

    /// Appends a `string`.
    ///
    /// # Panics
    /// When `bytes` is 4 GiB or longer: no caller's limit allows that.
    fn put_string(&mut self, bytes: &[u8]) {
        assert!(u32::try_from(bytes.len()).is_ok(), "a string field holds less than 4 GiB");
        self.put_u32(bytes.len() as u32);
        self.put_bytes(bytes);
    }

    /// Appends an `mpint` from a big-endian magnitude; leading zeros are
    /// dropped and the sign octet is added where it is needed.
    fn put_mpint(&mut self, magnitude: &[u8]) {
        let magnitude = Mpint::from_magnitude(magnitude).magnitude();
        let sign = usize::from(magnitude.first().is_some_and(|byte| byte & 0x80 != 0));
        self.put_u32((magnitude.len() + sign) as u32);
        self.put_bytes(&[0][..sign]);
        self.put_bytes(magnitude);
    }

    /// Appends a `name-list`.
    fn put_name_list<I>(&mut self, names: I)
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let mut joined = String::new();
        for name in names {
            if !joined.is_empty() {
                joined.push(',');
            }
            joined.push_str(name.as_ref());
        }
        self.put_string(joined.as_bytes());
    }
}

impl Writer for Vec<u8> {
    fn put_bytes(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mpint(magnitude: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.put_mpint(magnitude);
        bytes
    }

    #[test]
    fn mpints_of_rfc_4251() {
        assert_eq!(mpint(&[]), [0, 0, 0, 0]);
        assert_eq!(mpint(&[0, 0]), [0, 0, 0, 0]);
        assert_eq!(
            mpint(&[0x09, 0xa3, 0x78, 0xf9, 0xb2, 0xe3, 0x32, 0xa7]),
            [0, 0, 0, 8, 0x09, 0xa3, 0x78, 0xf9, 0xb2, 0xe3, 0x32, 0xa7]
        );
        assert_eq!(mpint(&[0x80]), [0, 0, 0, 2, 0, 0x80]);
    }

    #[test]
    fn name_lists_of_rfc_4251() {
        let mut bytes = Vec::new();
        bytes.put_name_list(Vec::<&str>::new());
        bytes.put_name_list(["zlib"]);
        bytes.put_name_list(["zlib", "none"]);
        assert_eq!(bytes, b"\0\0\0\0\0\0\0\x04zlib\0\0\0\x09zlib,none");
    }
}
