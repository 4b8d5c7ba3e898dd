//! The files a configuration is read from.

use std::io;
use std::path::{Path, PathBuf};

/// What the loader needs of a file system.
pub trait Files {
    /// The whole file.
    ///
    /// # Errors
    /// Whatever the file system says.
    fn read(&self, path: &Path) -> io::Result<Contents>;

    /// The names in a folder, in any order; for `Include` with wildcards.
    ///
    /// # Errors
    /// Whatever the file system says.
    fn list(&self, folder: &Path) -> io::Result<Vec<String>>;

    /// Whether there is something of that name.
    fn exists(&self, path: &Path) -> bool;
}

/// A file's bytes and who may write them.
#[derive(Debug, Clone, Default)]
pub struct Contents {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The owner's number.
    pub owner: u32,
    /// The permission bits.
    pub mode: u32,
}

/// The machine's own file system.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealFiles;

impl Files for RealFiles {
    fn read(&self, path: &Path) -> io::Result<Contents> {
        use std::io::Read;
        use std::os::unix::fs::MetadataExt;

        let mut file = std::fs::File::open(path)?;
        // Of the open file, so that nobody can swap it between look and read.
        let metadata = file.metadata()?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(Contents { bytes, owner: metadata.uid(), mode: metadata.mode() })
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            // A name that is no text cannot be matched by a pattern that is.
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn exists(&self, path: &Path) -> bool {
        std::fs::symlink_metadata(path).is_ok()
    }
}

/// The paths that match a shell pattern, sorted; a pattern without a match has none.
///
/// `*`, `?` and `[...]` match within one folder; a leading dot is only matched by a dot.
pub fn glob(files: &dyn Files, pattern: &str) -> Vec<PathBuf> {
    let absolute = pattern.starts_with('/');
    let mut found = vec![PathBuf::from(if absolute { "/" } else { "" })];
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        let mut next = Vec::new();
        for folder in &found {
            if !part.contains(['*', '?', '[']) {
                next.push(folder.join(part));
                continue;
            }
            let listed = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            let Ok(mut names) = files.list(listed) else { continue };
            names.sort();
            names.retain(|name| {
                (!name.starts_with('.') || part.starts_with('.'))
                    && shell_match(part.as_bytes(), name.as_bytes())
            });
            next.extend(names.iter().map(|name| folder.join(name)));
        }
        found = next;
    }
    found.retain(|path| files.exists(path));
    found
}

/// Shell matching of one name: `*`, `?`, `[a-z]`, `[!a-z]`, `\x`.
fn shell_match(pattern: &[u8], name: &[u8]) -> bool {
    // Where to go on when the last star has to take one byte more.
    let (mut p, mut n, mut retry) = (0, 0, None);
    loop {
        if pattern.get(p) == Some(&b'*') {
            p += 1;
            retry = Some((p, n));
            continue;
        }
        if n == name.len() && p == pattern.len() {
            return true;
        }
        let step = name.get(n).and_then(|&byte| one_byte(pattern.get(p..)?, byte));
        if let Some(used) = step {
            p += used;
            n += 1;
            continue;
        }
        match retry {
            Some((after_star, taken)) if taken < name.len() => {
                retry = Some((after_star, taken + 1));
                p = after_star;
                n = taken + 1;
            }
            _ => return false,
        }
    }
}

/// How many pattern bytes match `byte`, if they do.
fn one_byte(pattern: &[u8], byte: u8) -> Option<usize> {
    match pattern {
        [b'?', ..] => Some(1),
        [b'\\', escaped, ..] => (*escaped == byte).then_some(2),
        [b'[', rest @ ..] => {
            let negated = matches!(rest.first(), Some(b'!' | b'^'));
            let set = rest.get(usize::from(negated)..)?;
            // A bracket right at the start stands for itself.
            let Some(length) = set.iter().skip(1).position(|&b| b == b']').map(|at| at + 1) else {
                return (byte == b'[').then_some(1);
            };
            let (mut hit, mut at) = (false, 0);
            while at < length {
                let low = *set.get(at)?;
                if set.get(at + 1) == Some(&b'-') && at + 2 < length {
                    hit |= (low..=*set.get(at + 2)?).contains(&byte);
                    at += 3;
                } else {
                    hit |= low == byte;
                    at += 1;
                }
            }
            (hit != negated).then_some(1 + usize::from(negated) + length + 1)
        }
        [plain, ..] => (*plain == byte).then_some(1),
        [] => None,
    }
}

/// An I/O error as the C library words it, without Rust's error number.
pub(crate) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shell_patterns() {
        let fits = |pattern: &str, name: &str| shell_match(pattern.as_bytes(), name.as_bytes());
        assert!(fits("*.conf", "a.conf") && fits("[a-c]?", "bx") && fits("[!a]", "b"));
        assert!(fits("[]a]", "]") && fits("\\*", "*") && fits("[", "["));
        assert!(!fits("*.conf", "a.con") && !fits("[a-c]", "d") && !fits("\\*", "a"));
    }

    #[test]
    fn finds_sorted() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.conf", "a.conf", ".hidden.conf", "c.txt"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let found =
            |pattern: &str| glob(&RealFiles, &format!("{}/{pattern}", folder.path().display()));
        assert_eq!(found("*.conf"), [folder.path().join("a.conf"), folder.path().join("b.conf")]);
        assert_eq!(found("c.txt"), [folder.path().join("c.txt")]);
        assert!(found("none").is_empty() && found("*/x").is_empty());
    }
}
