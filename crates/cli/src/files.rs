//! Files of the user's that must never be half written or readable by others.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The whole file, unless it is larger than `limit`.
///
/// # Errors
/// The file system's, or [`io::ErrorKind::FileTooLarge`].
pub fn read_limited(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}

/// Replaces a file's content in one step: a reader sees the old or the new, never a part.
///
/// A symbolic link stays one and the file behind it is replaced; an existing file keeps its mode,
/// a new one gets `mode`.
///
/// # Errors
/// The file system's.
pub fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mode = fs::metadata(&path).map_or(mode, |metadata| metadata.permissions().mode() & 0o7777);
    replace_as(&path, bytes, mode)
}

/// The same, whatever stood there before: no link is followed and `mode` is the new file's.
///
/// # Errors
/// The file system's.
pub fn replace_as(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let (mut file, beside) = create_beside(path, mode)?;
    let written = file
        .set_permissions(fs::Permissions::from_mode(mode))
        .and_then(|()| file.write_all(bytes))
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&beside, path));
    written.inspect_err(|_| {
        // The first error is the one to report.
        let _ = fs::remove_file(&beside);
    })
}

/// A new file in the same folder, under a name that nobody else has.
fn create_beside(path: &Path, mode: u32) -> io::Result<(File, PathBuf)> {
    let mut tries = 0;
    loop {
        let mut random = [0; 6];
        crypto::random::fill(&mut random);
        let suffix = crate::text::hex(&random);
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{suffix}"));
        let beside = PathBuf::from(name);
        let opened = File::options().write(true).create_new(true).mode(mode & 0o700).open(&beside);
        match opened {
            Ok(file) => return Ok((file, beside)),
            Err(source) if source.kind() == io::ErrorKind::AlreadyExists && tries < 8 => tries += 1,
            Err(source) => return Err(source),
        }
    }
}

/// Adds lines at the end, in one write, on a line of their own even if the last line of the file
/// is not finished.
///
/// # Errors
/// The file system's.
pub fn append_lines(path: &Path, lines: &str) -> io::Result<()> {
    let mut file = File::options().append(true).read(true).create(true).mode(0o600).open(path)?;
    let mut text = String::with_capacity(lines.len() + 1);
    if file.seek(SeekFrom::End(0))? > 0 {
        let mut last = [0];
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            text.push('\n');
        }
    }
    text.push_str(lines);
    file.write_all(text.as_bytes())
}

/// Makes the folder of a file, for its owner alone, if it is missing. True when it was made.
///
/// # Errors
/// The file system's.
pub fn make_private_folder(file: &Path) -> io::Result<bool> {
    let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) else {
        return Ok(false);
    };
    match DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => Ok(true),
        Err(source) if source.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(source) => Err(source),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder that is gone again when the test is over.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("keyway-{name}-{}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Folder(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn appending_finishes_the_last_line() {
        let folder = Folder::new("append");
        let path = folder.0.join("hosts");
        append_lines(&path, "one\n").unwrap();
        fs::write(&path, "one").unwrap();
        append_lines(&path, "two\n").unwrap();
        append_lines(&path, "three\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\nthree\n");
    }

    #[test]
    fn replacing_keeps_links_and_modes() {
        let folder = Folder::new("replace");
        let (path, link) = (folder.0.join("file"), folder.0.join("link"));
        replace(&path, b"first", 0o600).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        replace(&link, b"second", 0o600).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&path).unwrap(), b"second");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
        assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 2);
    }

    #[test]
    fn large_files_are_refused() {
        let folder = Folder::new("large");
        let path = folder.0.join("file");
        fs::write(&path, b"12345").unwrap();
        assert_eq!(read_limited(&path, 5).unwrap(), b"12345");
        assert_eq!(read_limited(&path, 4).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }
}
