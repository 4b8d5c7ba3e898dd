//! `LogVerbose`: places in the source whose messages are logged whatever `LogLevel` says.
//!
//! OpenSSH names a place `kex.c:kex_choose_conf():997`; here the module stands for the function:
//! `servers.rs:cli::ssh::dns::servers():104`.

use std::path::{Component, Path};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};

use keys::pattern;

/// Lists of patterns, and whether there are any.
static PLACES: RwLock<Vec<String>> = RwLock::new(Vec::new());
static ARE_SET: AtomicBool = AtomicBool::new(false);

/// Chooses the places, each by a list of patterns.
pub fn set(lists: &[String]) {
    // A poisoned lock guards nothing that could be half done.
    *PLACES.write().unwrap_or_else(PoisonError::into_inner) = lists.to_vec();
    ARE_SET.store(!lists.is_empty(), Ordering::Relaxed);
    crate::logging::renew_filter();
}

/// Whether there are any.
pub fn are_set() -> bool {
    ARE_SET.load(Ordering::Relaxed)
}

/// What stands before a message from there, if the place is one of those.
pub fn chosen(file: &str, line: u32) -> Option<String> {
    if !are_set() {
        return None;
    }
    let place = format!("{}:{}():{line}", base_name(file), module(file));
    let lists = PLACES.read().unwrap_or_else(PoisonError::into_inner);
    let is_chosen = |list: &String| pattern::matches_list(list, &place) == Some(true);
    lists.iter().any(is_chosen).then_some(place)
}

fn base_name(file: &str) -> &str {
    file.rsplit('/').next().unwrap_or(file)
}

/// `crates/cli/src/ssh/dns.rs` is `cli::ssh::dns`.
fn module(file: &str) -> String {
    let words: Vec<&str> = Path::new(file)
        .components()
        .filter_map(|component| match component {
            Component::Normal(word) => word.to_str(),
            _ => None,
        })
        .collect();
    let source = words.iter().rposition(|word| *word == "src").unwrap_or(0);
    let (before, behind) = (words.get(..source), words.get(source + 1..));
    let crate_name = before.and_then(<[&str]>::last).copied();
    let behind = behind.unwrap_or_default().iter();
    let names = behind.map(|word| word.strip_suffix(".rs").unwrap_or(word));
    let names = names.filter(|name| !matches!(*name, "mod" | "lib" | "main"));
    crate_name.into_iter().chain(names).collect::<Vec<&str>>().join("::")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_have_names() {
        assert_eq!(module("crates/cli/src/ssh/dns/servers.rs"), "cli::ssh::dns::servers");
        assert_eq!(module("crates/cli/src/ssh/mod.rs"), "cli::ssh");
        assert_eq!(module("/r/index/mio-1.2.4/src/lib.rs"), "mio-1.2.4");
        assert_eq!(module("x.rs"), "");
        assert_eq!(base_name("crates/a/src/b.rs"), "b.rs");
    }

    #[test]
    fn places_are_chosen_by_lists() {
        assert_eq!(chosen("crates/cli/src/ssh/dns.rs", 7), None);
        set(&["*.c:*".to_owned(), "!mod.rs:*,*:cli::ssh*:*".to_owned()]);
        let chosen_here = chosen("crates/cli/src/ssh/dns.rs", 7);
        let others = [chosen("crates/cli/src/ssh/mod.rs", 7), chosen("crates/net/src/link.rs", 7)];
        set(&[]);
        assert_eq!(chosen_here.as_deref(), Some("dns.rs:cli::ssh::dns():7"));
        assert_eq!(others, [None, None]);
    }
}
