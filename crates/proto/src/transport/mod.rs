//! RFC 4253 §4-6 and §9: idents, packets, compression and when to rekey.

pub mod buffer;
pub mod compression;
pub mod ident;
pub mod packet;
pub mod rekey;
