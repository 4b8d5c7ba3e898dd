//! `zlib@openssh.com`: one deflate stream a direction, begun once
//! authentication has succeeded. RFC 4253 §6.2.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use crate::error::{Error, Misbehaved};
use crate::limits;

/// Compresses payloads, one after another.
pub struct Compressor {
    stream: Compress,
    out: Vec<u8>,
}

impl Compressor {
    /// Begins a stream.
    pub fn new() -> Self {
        Self { stream: Compress::new(Compression::new(6), true), out: Vec::new() }
    }

    /// Compresses one payload so that the remote can expand it whole.
    ///
    /// # Errors
    /// Only if the stream is broken.
    pub fn payload(&mut self, payload: &[u8]) -> Result<&[u8], Error> {
        self.out.clear();
        self.out.reserve(payload.len() + payload.len() / 1000 + 64);
        let begin = self.stream.total_in();
        loop {
            let done = (self.stream.total_in() - begin) as usize;
            let status = self
                .stream
                .compress_vec(
                    &payload[done.min(payload.len())..],
                    &mut self.out,
                    FlushCompress::Partial,
                )
                .map_err(|_| Misbehaved::Compression)?;
            let done = (self.stream.total_in() - begin) as usize;
            // Room left over means that the flush is complete.
            if done == payload.len() && self.out.len() < self.out.capacity() {
                return Ok(&self.out);
            }
            if status == Status::StreamEnd {
                return Err(Misbehaved::Compression.into());
            }
            self.out.reserve(4096);
        }
    }
}

/// Expands payloads, one after another.
pub struct Decompressor {
    stream: Decompress,
    out: Vec<u8>,
}

impl Decompressor {
    /// Begins a stream.
    pub fn new() -> Self {
        Self { stream: Decompress::new(true), out: Vec::new() }
    }

    /// Expands one payload.
    ///
    /// # Errors
    /// [`Misbehaved::Compression`] when it is no deflate data, or when it
    /// would grow beyond the limit of a packet.
    pub fn payload(&mut self, payload: &[u8]) -> Result<&[u8], Error> {
        self.out.clear();
        self.out.reserve(limits::CHANNEL_PACKET_BYTES as usize + 1024);
        let begin = self.stream.total_in();
        loop {
            let done = (self.stream.total_in() - begin) as usize;
            let before = (self.stream.total_in(), self.out.len());
            let status = self
                .stream
                .decompress_vec(
                    &payload[done.min(payload.len())..],
                    &mut self.out,
                    FlushDecompress::Sync,
                )
                .map_err(|_| Misbehaved::Compression)?;
            if self.out.len() > limits::PACKET_BYTES || status == Status::StreamEnd {
                return Err(Misbehaved::Compression.into());
            }
            let done = (self.stream.total_in() - begin) as usize;
            if done == payload.len() && self.out.len() < self.out.capacity() {
                return Ok(&self.out);
            }
            if (self.stream.total_in(), self.out.len()) == before
                && self.out.len() < self.out.capacity()
            {
                return Err(Misbehaved::Compression.into());
            }
            self.out.reserve(limits::CHANNEL_PACKET_BYTES as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_come_back_one_by_one() {
        let mut compressor = Compressor::new();
        let mut decompressor = Decompressor::new();
        for length in [1usize, 10, 1000, 32768, 32768, 100_000] {
            let payload: Vec<u8> = (0..length).map(|i| (i * i / 7) as u8).collect();
            let packed = compressor.payload(&payload).unwrap().to_vec();
            assert_eq!(decompressor.payload(&packed).unwrap(), payload);
        }
    }

    #[test]
    fn compression() {
        let mut compressor = Compressor::new();
        let bomb = compressor.payload(&vec![0; limits::PACKET_BYTES * 2]).unwrap().to_vec();
        assert!(bomb.len() < 1000);
        let mut decompressor = Decompressor::new();
        let end = decompressor.payload(&bomb);
        assert_eq!(end, Err(Error::Misbehaved(Misbehaved::Compression)));
        let mut decompressor = Decompressor::new();
        let end = decompressor.payload(b"no deflate");
        assert_eq!(end, Err(Error::Misbehaved(Misbehaved::Compression)));
    }
}
