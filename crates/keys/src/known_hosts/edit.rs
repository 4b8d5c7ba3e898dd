//! Changes to the text of a `known_hosts` file that leave every other line as
//! it is, comments and damaged lines included.

use super::{HostName, Line, hash_host, names_match, new_lines, parse_line, split_line};
use crate::public::PublicKey;

/// A file's new text and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// The whole new text.
    pub text: String,
    /// The lines that were removed or changed, counted from 1 in the old
    /// text.
    pub lines: Vec<usize>,
}

/// Removes what is known about `host`, whatever the key type, as
/// `ssh-keygen -R` does. Lines with a marker stay.
pub fn remove_host(text: &str, host: &HostName) -> Edit {
    keep_lines(
        text,
        |line| !matches!(split_line(line), Ok(Some((None, names, _))) if names_match(names, host)),
    )
}

/// Removes the lines that give one of `keys` to `host`. Lines with a marker
/// stay.
pub fn remove_keys(text: &str, host: &HostName, keys: &[PublicKey]) -> Edit {
    keep_lines(text, |line| match parse_line(line) {
        Ok(Some(Line { marker: None, names, key, .. })) => {
            !(names_match(names, host) && keys.contains(&key))
        }
        _ => true,
    })
}

/// Makes `keys` the keys of `host`: removes what was known and appends new
/// lines.
pub fn replace_host(text: &str, host: &HostName, keys: &[PublicKey], hashed: bool) -> Edit {
    let mut edit = remove_host(text, host);
    for key in keys {
        let line = new_lines(std::slice::from_ref(host), key, "", hashed);
        edit.text = append(&edit.text, &line);
    }
    edit
}

/// Puts new lines behind the last one, which may lack its line end.
pub fn append(text: &str, lines: &str) -> String {
    let between = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    format!("{text}{between}{lines}")
}

/// Hashes every plain name, as `ssh-keygen -H` does. Patterns and lines with
/// a marker cannot be hashed and stay.
pub fn hash_names(text: &str) -> Edit {
    let mut edit = Edit { text: String::with_capacity(text.len() * 2), lines: Vec::new() };
    for (index, line) in text.split_inclusive('\n').enumerate() {
        match parse_line(line) {
            Ok(Some(Line { marker: None, names, key, comment }))
                if !names.contains(['|', '*', '?', '!']) =>
            {
                let key = key.to_line(&comment);
                for name in names.split(',').filter(|name| !name.is_empty()) {
                    let hashed = hash_host(&HostName::from_text(name));
                    edit.text.extend([&hashed, " ", &key, "\n"]);
                }
                edit.lines.push(index + 1);
            }
            _ => edit.text.push_str(line),
        }
    }
    edit
}

fn keep_lines(text: &str, keep: impl Fn(&str) -> bool) -> Edit {
    let mut edit = Edit { text: String::with_capacity(text.len()), lines: Vec::new() };
    for (index, line) in text.split_inclusive('\n').enumerate() {
        if keep(line.trim_end_matches(['\r', '\n'])) {
            edit.text.push_str(line);
        } else {
            edit.lines.push(index + 1);
        }
    }
    edit
}
