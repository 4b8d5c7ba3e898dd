//! The data types of RFC 4251 §5: how every SSH message, key and agent
//! request is laid out in bytes.
//!
//! [`Reader`] borrows from the bytes it reads and allocates nothing, so the
//! caller's limit on the input is the limit on the output. [`Writer`] extends
//! any `Vec<u8>`. There are no messages here, only their building blocks.
//!
//! ```
//! # use keyway_wire as wire;
//! use wire::{Reader, Writer};
//!
//! let mut bytes = Vec::new();
//! bytes.put_u8(21);
//! bytes.put_string(b"ssh-userauth");
//! let mut reader = Reader::new(&bytes);
//! assert_eq!(reader.u8(), Ok(21));
//! assert_eq!(reader.string(), Ok(&b"ssh-userauth"[..]));
//! assert_eq!(reader.finish(), Ok(()));
//! ```

mod mpint;
mod name_list;
mod reader;
mod writer;

pub use mpint::Mpint;
pub use name_list::NameList;
pub use reader::{Error, Reader};
pub use writer::Writer;
