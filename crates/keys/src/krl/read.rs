//! Reading a list.

use wire::Reader;

use super::{Authority, Krl, MAGIC};
use crate::error::Error;
use crate::limits;
use crate::public::PublicKey;

/// Sections and what is in them, PROTOCOL.krl §2 to §4.
pub(super) const CERTIFICATES: u8 = 1;
pub(super) const EXPLICIT_KEY: u8 = 2;
pub(super) const FINGERPRINT_SHA1: u8 = 3;
const SIGNATURE: u8 = 4;
pub(super) const FINGERPRINT_SHA256: u8 = 5;
const EXTENSION: u8 = 255;
pub(super) const SERIAL_LIST: u8 = 0x20;
pub(super) const SERIAL_RANGE: u8 = 0x21;
pub(super) const SERIAL_BITMAP: u8 = 0x22;
pub(super) const KEY_ID: u8 = 0x23;
const CERTIFICATE_EXTENSION: u8 = 0x39;

impl Krl {
    /// Reads a list to its last byte.
    ///
    /// # Errors
    /// [`Error::BadKrl`] for another format, a signed list, or a critical extension that is not
    /// known.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() > limits::KRL_BYTES {
            return Err(Error::TooLarge("revocation list"));
        }
        let rest = bytes.strip_prefix(MAGIC).ok_or(Error::BadKrl("it has another magic"))?;
        let mut reader = Reader::new(rest);
        if reader.u32()? != 1 {
            return Err(Error::BadKrl("it is of another version"));
        }
        let mut krl = Krl { version: reader.u64()?, generated: reader.u64()?, ..Krl::default() };
        let _flags = reader.u64()?;
        let _reserved = reader.string()?;
        krl.comment = String::from_utf8_lossy(reader.string()?).into_owned();
        while !reader.is_empty() {
            let kind = reader.u8()?;
            let mut section = Reader::new(reader.string()?);
            match kind {
                CERTIFICATES => krl.read_certificates(&mut section)?,
                EXPLICIT_KEY => {
                    while !section.is_empty() {
                        krl.keys.insert(section.string()?.to_vec());
                    }
                }
                FINGERPRINT_SHA1 => {
                    while !section.is_empty() {
                        krl.sha1.insert(hash(&mut section)?);
                    }
                }
                FINGERPRINT_SHA256 => {
                    while !section.is_empty() {
                        krl.sha256.insert(hash(&mut section)?);
                    }
                }
                SIGNATURE => return Err(Error::BadKrl("signed lists are not supported")),
                EXTENSION => read_extension(&mut section)?,
                _ => return Err(Error::BadKrl("it has a section of an unknown kind")),
            }
        }
        Ok(krl)
    }

    fn read_certificates(&mut self, section: &mut Reader<'_>) -> Result<(), Error> {
        let ca = match section.string()? {
            [] => None,
            blob => Some(PublicKey::from_blob(blob)?),
        };
        let _reserved = section.string()?;
        let authority = self.authority(ca);
        while !section.is_empty() {
            let kind = section.u8()?;
            let mut inner = Reader::new(section.string()?);
            match kind {
                SERIAL_LIST => {
                    while !inner.is_empty() {
                        let serial = inner.u64()?;
                        authority.add_serials(serial, serial);
                    }
                }
                SERIAL_RANGE => {
                    let (first, last) = (inner.u64()?, inner.u64()?);
                    if last < first {
                        return Err(Error::BadKrl("a range of serial numbers is empty"));
                    }
                    authority.add_serials(first, last);
                    inner.finish()?;
                }
                SERIAL_BITMAP => {
                    read_bitmap(authority, &mut inner)?;
                    inner.finish()?;
                }
                KEY_ID => {
                    while !inner.is_empty() {
                        let key_id = inner.text()?;
                        authority.key_ids.insert(key_id.to_owned());
                    }
                }
                CERTIFICATE_EXTENSION => read_extension(&mut inner)?,
                _ => return Err(Error::BadKrl("it has a certificate section of unknown kind")),
            }
        }
        Ok(())
    }
}

/// A number whose bits stand for serial numbers from an offset on.
fn read_bitmap(authority: &mut Authority, inner: &mut Reader<'_>) -> Result<(), Error> {
    let offset = inner.u64()?;
    let bitmap = inner.mpint()?;
    if bitmap.bits() > limits::KRL_BITMAP_BITS {
        return Err(Error::BadKrl("a bitmap of serial numbers is too long"));
    }
    let mut run: Option<(u64, u64)> = None;
    for (index, octet) in bitmap.magnitude().iter().rev().enumerate() {
        for bit in (0..8).filter(|bit| octet >> bit & 1 == 1) {
            let serial = offset
                .checked_add(index as u64 * 8 + bit)
                .ok_or(Error::BadKrl("a bitmap of serial numbers ends behind the last one"))?;
            run = match run {
                Some((first, last)) if last + 1 == serial => Some((first, serial)),
                Some((first, last)) => {
                    authority.add_serials(first, last);
                    Some((serial, serial))
                }
                None => Some((serial, serial)),
            };
        }
    }
    if let Some((first, last)) = run {
        authority.add_serials(first, last);
    }
    Ok(())
}

fn read_extension(section: &mut Reader<'_>) -> Result<(), Error> {
    let _name = section.string()?;
    if section.boolean()? {
        return Err(Error::BadKrl("it has an unknown critical extension"));
    }
    let _contents = section.string()?;
    section.finish()?;
    Ok(())
}

fn hash<const N: usize>(section: &mut Reader<'_>) -> Result<[u8; N], Error> {
    section.string()?.try_into().map_err(|_| Error::BadKrl("a hash has another length"))
}
