//! REALPATH: a path without links, dots and doubled slashes, of which the last part need not exist.

use rustix::fs::{CWD, readlinkat};
use rustix::io::Errno;

/// As many as the kernel follows.
const LINKS_MAX: usize = 40;
/// The longest path that comes out or is gone through.
const PATH_BYTES: usize = 4096;

/// The path; relative ones are from the working directory.
pub(super) fn real_path(path: &[u8]) -> Result<Vec<u8>, Errno> {
    let mut resolved: Vec<u8> = Vec::new();
    if path.first() != Some(&b'/') {
        resolved = rustix::process::getcwd(Vec::new())?.into_bytes();
        if resolved == b"/" {
            resolved.clear();
        }
    }
    let mut left: Vec<u8> = path.to_vec();
    let mut links = 0;
    // `resolved` has no slash at its end here, so the root is empty.
    while !left.is_empty() {
        let (part, rest) = match left.iter().position(|byte| *byte == b'/') {
            Some(at) => (left.get(..at).unwrap_or_default(), left.get(at..)),
            None => (left.as_slice(), None),
        };
        let part = part.to_vec();
        let rest = rest.map(|rest| rest.get(1..).unwrap_or_default().to_vec());
        let is_last = rest.is_none();
        left = rest.unwrap_or_default();
        match part.as_slice() {
            b"" | b"." => continue,
            b".." => {
                let at = resolved.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
                resolved.truncate(at);
                continue;
            }
            _ => {}
        }
        let before = resolved.len();
        resolved.push(b'/');
        resolved.extend_from_slice(&part);
        if resolved.len() > PATH_BYTES {
            return Err(Errno::NAMETOOLONG);
        }
        match readlinkat(CWD, resolved.as_slice(), Vec::new()) {
            Ok(target) => {
                links += 1;
                if links > LINKS_MAX {
                    return Err(Errno::LOOP);
                }
                let target = target.into_bytes();
                resolved.truncate(if target.first() == Some(&b'/') { 0 } else { before });
                let mut further = target;
                if !is_last {
                    further.push(b'/');
                    further.extend_from_slice(&left);
                }
                if further.len() > PATH_BYTES {
                    return Err(Errno::NAMETOOLONG);
                }
                left = further;
            }
            // It is there, and no link.
            Err(Errno::INVAL) => {}
            Err(Errno::NOENT) if is_last => {}
            Err(errno) => return Err(errno),
        }
    }
    if resolved.is_empty() {
        resolved.push(b'/');
    }
    Ok(resolved)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    fn real(path: &Path) -> Result<String, Errno> {
        real_path(path.as_os_str().as_bytes()).map(|path| String::from_utf8(path).unwrap())
    }

    #[test]
    fn links_and_dots() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let shown = root.display().to_string();
        std::fs::create_dir(root.join("d")).unwrap();
        std::fs::write(root.join("d/f"), "").unwrap();
        symlink("d", root.join("l")).unwrap();
        symlink(root.join("d/f"), root.join("absolute")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        symlink("missing", root.join("dangling")).unwrap();
        for (path, expected) in [
            ("l/f", "d/f"),
            ("l/../d/.//f", "d/f"),
            ("absolute", "d/f"),
            ("d/new", "d/new"),
            ("dangling", "missing"),
        ] {
            assert_eq!(real(&root.join(path)), Ok(format!("{shown}/{expected}")), "{path}");
        }
        assert_eq!(real(&root.join("no/new")), Err(Errno::NOENT));
        assert_eq!(real(&root.join("new/")), Err(Errno::NOENT));
        assert_eq!(real(&root.join("loop")), Err(Errno::LOOP));
        assert_eq!(real(&root.join("d/f/x")), Err(Errno::NOTDIR));
        assert_eq!(real(Path::new("/..")), Ok("/".into()));
        let here = std::env::current_dir().unwrap().display().to_string();
        assert_eq!(real(Path::new("")), Ok(here.clone()));
        assert_eq!(real(Path::new("new")), Ok(format!("{here}/new")));
    }
}
