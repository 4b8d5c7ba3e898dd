//! `StrictModes`: who may write to a file, or to a folder above it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A file or folder, with who may write to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Where.
    pub path: PathBuf,
    /// Who owns it.
    pub uid: u32,
    /// Its mode.
    pub mode: u32,
}

/// What is wrong with a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// It belongs to somebody else.
    Owner,
    /// Others may write to it.
    Writable,
}

impl Place {
    /// Why the server does not believe it, for this user.
    pub fn flaws(&self, uid: u32) -> Vec<Flaw> {
        let mut flaws = Vec::new();
        if self.uid != 0 && self.uid != uid {
            flaws.push(Flaw::Owner);
        }
        if self.mode & 0o022 != 0 {
            flaws.push(Flaw::Writable);
        }
        flaws
    }

    /// The mode without what is wrong.
    pub fn right_mode(&self) -> u32 {
        self.mode & !0o022
    }
}

/// The file and the folders above it, up to the home directory, or to `/` when it is elsewhere.
pub fn places(path: &Path, home: &Path) -> Vec<Place> {
    let Ok(real) = fs::canonicalize(path) else { return Vec::new() };
    let home = fs::canonicalize(home).ok();
    let mut found = Vec::new();
    for (depth, place) in real.ancestors().enumerate() {
        let Ok(metadata) = fs::metadata(place) else { continue };
        let mode = metadata.mode() & 0o7777;
        found.push(Place { path: place.to_owned(), uid: metadata.uid(), mode });
        if depth > 0 && home.as_deref() == Some(place) {
            break;
        }
    }
    found
}
