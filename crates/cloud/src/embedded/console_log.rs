//! What a server's console printed: two files, so that the end is always there and a console that
//! prints for ever fills no disk.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;

use super::layout::ServerFolder;

/// Each of the two files; together they are 1 MiB.
const HALF_BYTES: u64 = 512 * 1024;

/// The writing end, in the shim.
pub(super) struct ConsoleLog {
    folder: ServerFolder,
    file: File,
    length: u64,
}

impl ConsoleLog {
    pub(super) fn open(folder: &ServerFolder) -> io::Result<Self> {
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW)
            .open(folder.console())?;
        let length = file.metadata()?.len();
        Ok(Self { folder: folder.clone(), file, length })
    }

    /// Appends. A full disk loses output, never the server.
    pub(super) fn write(&mut self, bytes: &[u8]) {
        if self.length + bytes.len() as u64 > HALF_BYTES {
            let turned = std::fs::rename(self.folder.console(), self.folder.console_before())
                .and_then(|()| Self::open(&self.folder));
            if let Ok(next) = turned {
                *self = next;
            }
        }
        if self.file.write_all(bytes).is_ok() {
            self.length += bytes.len() as u64;
        }
    }
}

/// The last `limit` bytes.
pub(super) fn tail(folder: &ServerFolder, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut now = Vec::new();
    read_end(&folder.console(), limit, &mut now)?;
    let rest = limit.saturating_sub(now.len() as u64);
    read_end(&folder.console_before(), rest, &mut bytes)?;
    bytes.extend_from_slice(&now);
    Ok(bytes)
}

/// The last `lines`, or everything that is kept.
pub(super) fn last_lines(folder: &ServerFolder, lines: Option<u32>) -> io::Result<Vec<u8>> {
    let all = tail(folder, 2 * HALF_BYTES)?;
    let Some(lines) = lines else { return Ok(all) };
    // The newline that ends the last line begins no further one.
    let body = all.strip_suffix(b"\n").unwrap_or(&all);
    let begin = match lines {
        0 => all.len(),
        lines => body
            .iter()
            .enumerate()
            .rev()
            .filter(|(_, byte)| **byte == b'\n')
            .nth(lines as usize - 1)
            .map_or(0, |(at, _)| at + 1),
    };
    Ok(all.get(begin..).unwrap_or_default().to_vec())
}

fn read_end(path: &std::path::Path, limit: u64, into: &mut Vec<u8>) -> io::Result<()> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(limit)))?;
    file.take(limit).read_to_end(into)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let folder = ServerFolder::at(folder.path());
        std::fs::create_dir_all(folder.path()).unwrap();
        let mut log = ConsoleLog::open(&folder).unwrap();
        for number in 0..40_000 {
            log.write(format!("line {number} of a console that prints much\r\n").as_bytes());
        }
        let all = last_lines(&folder, None).unwrap();
        assert!(all.len() <= 1024 * 1024 && all.len() > 512 * 1024, "{}", all.len());
        assert!(all.ends_with(b"line 39999 of a console that prints much\r\n"));
        let two = last_lines(&folder, Some(2)).unwrap();
        assert_eq!(String::from_utf8_lossy(&two).lines().count(), 2);
        assert!(two.starts_with(b"line 39998 "));
        assert!(last_lines(&folder, Some(0)).unwrap().is_empty());
        std::fs::remove_dir_all(folder.path()).unwrap();
    }
}
