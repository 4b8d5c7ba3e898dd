//! The lines of a file: a header, a value, a block.

use zeroize::Zeroizing;

use super::{PpkDerivation, PpkFlavour};
use crate::base64;
use crate::error::{PrivateKeyError, printable};
use crate::pkcs::hexadecimal;

/// Takes lines off the front. Line ends are of Unix, Windows or old Macs.
pub(super) struct Lines<'a>(pub(super) &'a str);

impl<'a> Lines<'a> {
    fn next(&mut self) -> Result<&'a str, PrivateKeyError> {
        if self.0.is_empty() {
            return Err(PrivateKeyError::Truncated);
        }
        let end = self.0.find(['\r', '\n']).unwrap_or(self.0.len());
        let (line, rest) = self.0.split_at(end);
        self.0 = rest.strip_prefix("\r\n").or_else(|| rest.get(1..)).unwrap_or_default();
        Ok(line)
    }

    pub(super) fn header(&mut self) -> Result<(&'a str, &'a str), PrivateKeyError> {
        let line = self.next()?;
        line.split_once(": ")
            .or_else(|| line.strip_suffix(':').map(|name| (name, "")))
            .ok_or(PrivateKeyError::Damaged("a header is malformed"))
    }

    pub(super) fn value(&mut self, name: &str) -> Result<&'a str, PrivateKeyError> {
        match self.header()? {
            (found, value) if found == name => Ok(value),
            _ => Err(PrivateKeyError::Damaged("a header is missing")),
        }
    }

    fn number(&mut self, name: &str) -> Result<u32, PrivateKeyError> {
        let value = self.value(name)?;
        value.parse().map_err(|_| PrivateKeyError::Damaged("a number is malformed"))
    }

    pub(super) fn block(&mut self, name: &str) -> Result<Zeroizing<Vec<u8>>, PrivateKeyError> {
        let count = self.number(name)?;
        let mut joined = Zeroizing::new(String::with_capacity(self.0.len()));
        for _ in 0..count {
            joined.push_str(self.next()?.trim_end());
        }
        base64::decode(joined.as_bytes())
            .map(Zeroizing::new)
            .ok_or(PrivateKeyError::Damaged("the text is not base64"))
    }

    pub(super) fn derivation(&mut self) -> Result<(PpkDerivation, Vec<u8>), PrivateKeyError> {
        let name = self.value("Key-Derivation")?;
        let flavour = PpkFlavour::from_name(name)
            .ok_or_else(|| PrivateKeyError::UnknownDerivation(printable(name.as_bytes())))?;
        let derivation = PpkDerivation {
            flavour,
            memory_kib: self.number("Argon2-Memory")?,
            passes: self.number("Argon2-Passes")?,
            parallelism: self.number("Argon2-Parallelism")?,
        };
        let salt = hexadecimal(self.value("Argon2-Salt")?)
            .ok_or(PrivateKeyError::Damaged("the salt is not hexadecimal"))?;
        Ok((derivation, salt))
    }
}
