//! `copy-data`.

use rustix::io::Errno;
use sftp::{Files, Status, StatusCode};

use super::{LocalFile, LocalFiles};
use crate::sftp_server::local::log_lines::status;
use crate::sys::files;

/// Copied at once where the kernel does not copy by itself.
const COPY_BYTES: usize = 256 * 1024;

impl LocalFiles {
    /// By the kernel where it can, else by reading and writing.
    pub(super) fn copy_data(
        &mut self,
        (source, from): (&mut LocalFile, u64),
        length: u64,
        (target, to): (&mut LocalFile, u64),
    ) -> Result<(), Status> {
        let identity = |file: &LocalFile| {
            let stat = rustix::fs::fstat(&file.descriptor).map_err(status)?;
            Ok::<_, Status>((stat.st_dev, stat.st_ino))
        };
        if identity(source)? == identity(target)? {
            return Err(StatusCode::Failure.into());
        }
        let mut left = if length == 0 { u64::MAX } else { length };
        let (mut from, mut to) = (from, to);
        let mut by_kernel = !target.append;
        let mut buffer = Vec::new();
        while left > 0 {
            let mut count = 0;
            if by_kernel {
                let step = usize::try_from(left).unwrap_or(usize::MAX).min(1 << 30);
                let (source, target) = (&source.descriptor, &target.descriptor);
                match files::copy((source, &mut from), (target, &mut to), step) {
                    Ok(copied) => count = copied,
                    Err(Errno::INTR) => continue,
                    Err(_) => by_kernel = false,
                }
            }
            // Some file systems have files that say they are empty, and are not.
            if count == 0 {
                by_kernel = false;
                buffer.resize(COPY_BYTES, 0);
                let step = usize::try_from(left).unwrap_or(COPY_BYTES).min(COPY_BYTES);
                let room = buffer.get_mut(..step).unwrap_or_default();
                count = self.read(source, from, room)?;
                let data = buffer.get(..count).unwrap_or_default();
                self.write(target, to, data)?;
                from = from.saturating_add(count as u64);
                to = to.saturating_add(count as u64);
            }
            if count == 0 {
                return if length == 0 { Ok(()) } else { Err(StatusCode::Eof.into()) };
            }
            left -= (count as u64).min(left);
        }
        Ok(())
    }
}
