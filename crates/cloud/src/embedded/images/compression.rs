//! What images are compressed with, and how much of it is read.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::rc::Rc;

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::archive::{DESCRIPTION_MAX, refused};

/// What xz may take; its strongest preset has dictionaries of 64 MiB.
const XZ_MEMORY_KIB: u32 = 256 * 1024;
/// What zstd may take for its window: as much as `zstd` itself takes without being told to.
const ZSTD_WINDOW_MAX: u64 = 128 * 1024 * 1024;

/// What the first octets say that it is compressed with.
pub(super) fn decompress(mut file: File) -> io::Result<Box<dyn Read>> {
    let mut magic = [0; 6];
    let length = read_up_to(&mut file, &mut magic)?;
    file.seek(SeekFrom::Start(0))?;
    let file = BufReader::with_capacity(256 * 1024, file);
    let is = |wanted: &[u8]| magic.get(..length).is_some_and(|magic| magic.starts_with(wanted));
    if is(&[0x1f, 0x8b]) {
        return Ok(Box::new(flate2::read::MultiGzDecoder::new(file)));
    }
    if is(&[0xfd, b'7', b'z', b'X', b'Z', 0]) {
        return Ok(Box::new(lzma_rust2::XzReader::new_mem_limit(file, true, XZ_MEMORY_KIB)));
    }
    // A frame, or one to be skipped, with which parallel compressors begin.
    if is(&[0x28, 0xb5, 0x2f, 0xfd]) || (is(&[magic[0], 0x2a, 0x4d, 0x18]) && magic[0] >> 4 == 5) {
        return Ok(Box::new(Zstd::new(file)));
    }
    if is(b"BZh") {
        return Err(refused("bzip2 is not supported; use xz, zstd or gzip"));
    }
    Ok(Box::new(file))
}

fn read_up_to(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while let Some(rest) = buffer.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match file.read(rest)? {
            0 => break,
            read => length += read,
        }
    }
    Ok(length)
}

/// All frames of a zstd file, of which the library reads one.
struct Zstd<R> {
    source: R,
    decoder: FrameDecoder,
    in_frame: bool,
}

impl<R: BufRead> Zstd<R> {
    fn new(source: R) -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(ZSTD_WINDOW_MAX);
        Self { source, decoder, in_frame: false }
    }

    /// Goes to the next frame; `false` at the end.
    fn next_frame(&mut self) -> io::Result<bool> {
        while !self.source.fill_buf()?.is_empty() {
            match self.decoder.reset(&mut self.source) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let skipped = Read::take(&mut self.source, length.into());
                    io::copy(&mut { skipped }, &mut io::sink())?;
                }
                Err(error) => return Err(refused(&format!("its compression: {error}"))),
            }
        }
        Ok(false)
    }
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if !self.in_frame && !self.next_frame()? {
                return Ok(0);
            }
            self.in_frame = true;
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                self.decoder
                    .decode_blocks(&mut self.source, BlockDecodingStrategy::UptoBlocks(1))
                    .map_err(|error| refused(&format!("its compression: {error}")))?;
            }
            let length = self.decoder.read(buffer)?;
            if length > 0 || buffer.is_empty() {
                return Ok(length);
            }
            self.in_frame = false;
        }
    }
}

/// Reads no more than it is allowed to: what a few compressed octets swell to shall not be kept in
/// memory because an archive calls it a name.
pub(super) struct Metered<R> {
    source: R,
    allowance: Rc<Cell<u64>>,
}

impl<R: Read> Metered<R> {
    /// With what it may read until it is told otherwise.
    pub(super) fn new(source: R) -> (Self, Rc<Cell<u64>>) {
        let allowance = Rc::new(Cell::new(DESCRIPTION_MAX));
        (Self { source, allowance: allowance.clone() }, allowance)
    }
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.allowance.get();
        if left == 0 && !buffer.is_empty() {
            return Err(refused("what describes a file in it is too large"));
        }
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let length = self.source.read(buffer.get_mut(..most).unwrap_or_default())?;
        self.allowance.set(left.saturating_sub(length as u64));
        Ok(length)
    }
}
