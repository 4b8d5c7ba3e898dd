//! Giving an order, and printing what comes of it.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use data_encoding::BASE64;

use super::SOCKET;

/// Largest public key file that is sent along.
const FILE_BYTES_MAX: u64 = 16 * 1024;
/// What clouds take as user data.
const USER_DATA_MAX: usize = 65_535;
/// Before the name of a file; behind it, when it is sent, what is in the file.
const USER_DATA: &str = "--user-data=";

/// Gives an order to the panel whose private folder this is.
///
/// # Errors
/// A sentence for the person: no panel runs there, or what it says.
pub fn give(folder: &Path, words: &[String]) -> Result<(), String> {
    let words = with_files(words)?;
    let path = folder.join(SOCKET);
    let stream = UnixStream::connect(&path).map_err(|error| {
        format!("no panel answers at {}: {error}. Is it running with this --state?", path.display())
    })?;
    let lost = |error: std::io::Error| format!("the panel went away: {error}");
    let order = serde_json::to_string(&words).map_err(|error| error.to_string())?;
    (&stream).write_all(format!("{order}\n").as_bytes()).map_err(lost)?;
    for line in BufReader::new(&stream).lines() {
        let line = line.map_err(lost)?;
        match line.split_at_checked(1) {
            // The order is carried out whether or not anybody goes on reading what comes of it.
            Some(("+", text)) => drop(writeln!(std::io::stdout(), "{text}")),
            Some((".", _)) => return Ok(()),
            Some(("!", reason)) => return Err(reason.to_owned()),
            _ => return Err("the panel answers in another version's words".to_owned()),
        }
    }
    Err("the panel went away".to_owned())
}

/// A file is read here, with the rights of whoever gives the order.
fn with_files(words: &[String]) -> Result<Vec<String>, String> {
    let mut words = words.to_vec();
    let is_import = words.starts_with(&["image".to_owned(), "import".to_owned()]);
    if is_import && let Some(source) = words.get_mut(3) {
        // The panel may have been started in another folder.
        let whole = std::fs::canonicalize(&*source).map_err(|e| format!("{source}: {e}"))?;
        *source = whole.into_os_string().into_string().map_err(|_| "the name is not UTF-8")?;
    }
    let names: Vec<&str> = words.iter().map(String::as_str).take(2).collect();
    if names == ["key", "add"]
        && let Some(file) = words.get_mut(3)
    {
        let failed = |error: std::io::Error| format!("{file}: {error}");
        let length = std::fs::metadata(&*file).map_err(failed)?.len();
        if length > FILE_BYTES_MAX {
            return Err(format!("{file} is far too long for a public key"));
        }
        *file = std::fs::read_to_string(&*file).map_err(failed)?;
    }
    for word in &mut words {
        if let Some(file) = word.strip_prefix(USER_DATA) {
            let bytes = std::fs::read(file).map_err(|error| format!("{file}: {error}"))?;
            if bytes.len() > USER_DATA_MAX {
                return Err(format!("{file} is too long: user data has at most 65535 bytes"));
            }
            *word = format!("{USER_DATA}{}", BASE64.encode(&bytes));
        }
    }
    Ok(words)
}
