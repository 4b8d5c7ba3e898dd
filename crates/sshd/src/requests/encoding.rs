//! How requests stand in bytes: RFC 4251 fields in the order of declaration.

use std::path::PathBuf;

use wire::{Error, Reader, Writer};
use zeroize::Zeroizing;

/// A value that can be part of a request.
///
/// Every value takes at least one byte, so a message of bounded size cannot
/// stand for a list without bounds.
pub(crate) trait Field: Sized {
    /// Appends the value.
    fn put(&self, out: &mut Vec<u8>);
    /// Takes the value.
    fn take(reader: &mut Reader<'_>) -> Result<Self, Error>;
}

impl Field for u8 {
    fn put(&self, out: &mut Vec<u8>) {
        out.put_u8(*self);
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, Error> {
        reader.u8()
    }
}

impl Field for bool {
    fn put(&self, out: &mut Vec<u8>) {
        out.put_boolean(*self);
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, Error> {
        reader.boolean()
    }
}

impl Field for u16 {
    fn put(&self, out: &mut Vec<u8>) {
        out.put_bytes(&self.to_be_bytes());
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, Error> {
        Ok(u16::from_be_bytes(reader.array()?))
    }
}

impl Field for u32 {
    fn put(&self, out: &mut Vec<u8>) {
        out.put_u32(*self);
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, Error> {
        reader.u32()
    }
}

impl Field for u64 {
    fn put(&self, out: &mut Vec<u8>) {
        out.put_u64(*self);
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, Error> {
        reader.u64()
    }
}

impl Field for String {
    fn put(&self, out: &mut Vec<u8>) {
        out.put_string(self.as_bytes());
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, Error> {
        reader.text().map(str::to_owned)
    }
}

impl Field for PathBuf {
    fn put(&self, out: &mut Vec<u8>) {
        use std::os::unix::ffi::OsStrExt;
        out.put_string(self.as_os_str().as_bytes());
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, Error> {
        use std::os::unix::ffi::OsStrExt;
        Ok(std::ffi::OsStr::from_bytes(reader.string()?).into())
    }
}

impl Field for Zeroizing<String> {
    fn put(&self, out: &mut Vec<u8>) {
        out.put_string(self.as_bytes());
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, Error> {
        reader.text().map(|text| Zeroizing::new(text.to_owned()))
    }
}

/// Bytes that are no text. A type of its own, since `Vec<u8>` would be a list
/// of one-byte fields.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Bytes(pub(crate) Vec<u8>);

impl Field for Bytes {
    fn put(&self, out: &mut Vec<u8>) {
        out.put_string(&self.0);
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, Error> {
        reader.string().map(|bytes| Bytes(bytes.to_vec()))
    }
}

/// Bytes that are wiped when dropped.
pub(crate) struct SecretBytes(pub(crate) Zeroizing<Vec<u8>>);

impl std::fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretBytes")
    }
}

impl Field for SecretBytes {
    fn put(&self, out: &mut Vec<u8>) {
        out.put_string(&self.0);
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, Error> {
        reader.string().map(|bytes| SecretBytes(Zeroizing::new(bytes.to_vec())))
    }
}

impl<T: Field> Field for Option<T> {
    fn put(&self, out: &mut Vec<u8>) {
        out.put_boolean(self.is_some());
        if let Some(value) = self {
            value.put(out);
        }
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, Error> {
        if reader.boolean()? { T::take(reader).map(Some) } else { Ok(None) }
    }
}

impl<T: Field> Field for Vec<T> {
    fn put(&self, out: &mut Vec<u8>) {
        out.put_u32(self.len() as u32);
        for value in self {
            value.put(out);
        }
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, Error> {
        // No capacity from the count: it is only believed as far as the bytes go.
        (0..reader.u32()?).map(|_| T::take(reader)).collect()
    }
}

impl<A: Field, B: Field> Field for (A, B) {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
        self.1.put(out);
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, Error> {
        Ok((A::take(reader)?, B::take(reader)?))
    }
}

/// Declares a struct whose fields are sent in order.
macro_rules! record {
    ($(#[$meta:meta])* pub(crate) struct $name:ident {
        $($(#[$field_meta:meta])* $field:ident: $type:ty,)*
    }) => {
        $(#[$meta])*
        pub(crate) struct $name {
            $($(#[$field_meta])* pub(crate) $field: $type,)*
        }

        impl $crate::requests::encoding::Field for $name {
            fn put(&self, out: &mut Vec<u8>) {
                $($crate::requests::encoding::Field::put(&self.$field, out);)*
            }
            fn take(reader: &mut wire::Reader<'_>) -> Result<Self, wire::Error> {
                Ok(Self { $($field: $crate::requests::encoding::Field::take(reader)?,)* })
            }
        }
    };
}

/// Declares an enum that is sent as a number and the fields of the variant.
macro_rules! choice {
    ($(#[$meta:meta])* pub(crate) enum $name:ident {
        $($(#[$variant_meta:meta])* $number:literal $variant:ident $({
            $($(#[$field_meta:meta])* $field:ident: $type:ty,)*
        })?,)*
    }) => {
        $(#[$meta])*
        pub(crate) enum $name {
            $($(#[$variant_meta])* $variant $({ $($(#[$field_meta])* $field: $type,)* })?,)*
        }

        impl $crate::requests::encoding::Field for $name {
            fn put(&self, out: &mut Vec<u8>) {
                match self {
                    $(Self::$variant $({ $($field,)* })? => {
                        out.push($number);
                        $($($crate::requests::encoding::Field::put($field, out);)*)?
                    })*
                }
            }
            fn take(reader: &mut wire::Reader<'_>) -> Result<Self, wire::Error> {
                match reader.u8()? {
                    $($number => Ok(Self::$variant $({
                        $($field: $crate::requests::encoding::Field::take(reader)?,)*
                    })?),)*
                    // There is no better word in `wire` for a number nobody knows.
                    _ => Err(wire::Error::TrailingBytes),
                }
            }
        }
    };
}

pub(crate) use {choice, record};
