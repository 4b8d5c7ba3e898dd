//! Manual pages and help, made from the tables that the tools read their options by.

pub mod flags;
mod help;
mod keywords;
mod mdoc;
mod pages;

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

pub use help::{overview, tool_help};

/// An option of one letter.
#[derive(Debug, Clone, Copy)]
pub struct Flag {
    /// The letter.
    pub letter: char,
    /// What its value is called; nothing for a switch.
    pub value: Option<&'static str>,
    /// What it does, as a sentence; empty for what is only accepted for old times' sake.
    pub text: &'static str,
}

/// What the page of a tool has besides its options.
pub struct Page {
    /// The tool.
    pub name: &'static str,
    /// 1 for everybody, 8 for administrators.
    pub section: u8,
    /// In a few words.
    pub summary: &'static str,
    /// The forms of its command line, without the name.
    pub synopsis: &'static [&'static str],
    /// Paragraphs.
    pub text: &'static [&'static str],
    /// Its options.
    pub flags: &'static [Flag],
    /// First words that ask for something else, and what.
    pub words: &'static [(&'static str, &'static str)],
    /// Files, and what they are for.
    pub files: &'static [(&'static str, &'static str)],
    /// Environment variables, and what they do.
    pub environment: &'static [(&'static str, &'static str)],
    /// Its exit status.
    pub status: &'static str,
    /// Other pages.
    pub see: &'static [(&'static str, u8)],
}

/// The page of a tool.
pub fn page(name: &str) -> Option<&'static Page> {
    pages::PAGES.iter().find(|page| page.name == name)
}

/// `keyway man DIR`: writes every page to `DIR/man1`, `man5` and `man8`.
pub fn main(words: &[OsString]) -> ExitCode {
    let [folder] = words else {
        eprintln!("usage: keyway man DIR");
        return ExitCode::from(2);
    };
    for (name, section, text) in all() {
        let folder = Path::new(folder).join(format!("man{section}"));
        let file = folder.join(format!("{name}.{section}"));
        let written = fs::create_dir_all(&folder).and_then(|()| fs::write(&file, text));
        if let Err(source) = written {
            eprintln!("keyway man: {}: {}", file.display(), crate::text::reason(&source));
            return ExitCode::FAILURE;
        }
        println!("{}", file.display());
    }
    ExitCode::SUCCESS
}

/// The pages of every tool there is, of the program, and of the configuration files.
fn all() -> Vec<(&'static str, u8, String)> {
    let there =
        |page: &&Page| page.name == "keyway" || crate::tools::by_name(page.name.as_ref()).is_some();
    let mut all: Vec<_> = pages::PAGES
        .iter()
        .filter(there)
        .map(|page| (page.name, page.section, mdoc::tool(page)))
        .collect();
    all.push(("ssh_config", 5, keywords::client()));
    all.push(("sshd_config", 5, keywords::server()));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tool_has_a_page() {
        for tool in crate::tools::TOOLS {
            let page = page(tool.name).unwrap_or_else(|| panic!("{} has no page", tool.name));
            assert!(!page.summary.is_empty() && !page.status.is_empty(), "{}", page.name);
            for (index, flag) in page.flags.iter().enumerate() {
                let again = page.flags.iter().skip(index + 1).any(|f| f.letter == flag.letter);
                assert!(!again, "{} -{}", page.name, flag.letter);
                assert!(flag.text.is_empty() || flag.text.ends_with('.'), "{}", flag.text);
            }
        }
    }
}
