//! `keyway completions SHELL`: what a shell offers behind a tool's name, from the tables of options.

mod bash;
mod fish;
mod hosts;
mod zsh;

use std::ffi::OsString;
use std::process::ExitCode;

use config::{ClientConfig, Keyword, ServerSettings};

use crate::manual::{self, Flag, Page};
use crate::tools;

/// `keyway completions`, with the words behind.
pub fn main(words: &[OsString]) -> ExitCode {
    let text = match words {
        [word] => match word.to_str() {
            Some("bash") => bash::script(),
            Some("zsh") => zsh::script(),
            Some("fish") => fish::script(),
            // What the scripts ask when they are used.
            Some("--hosts") => hosts::names().join("\n") + "\n",
            _ => return usage(),
        },
        _ => return usage(),
    };
    crate::sys::default_sigpipe();
    print!("{text}");
    ExitCode::SUCCESS
}

fn usage() -> ExitCode {
    eprintln!(
        "usage: keyway completions bash|zsh|fish\n\n\
         bash: source <(keyway completions bash), or put it where bash-completion looks\n\
         zsh:  save it as _keyway in a folder of $fpath\n\
         fish: save it as keyway.fish in ~/.config/fish/completions"
    );
    ExitCode::from(2)
}

/// What may stand in a place.
enum Offer {
    /// Nothing that could be known.
    Nothing,
    /// Files.
    Files,
    /// Hosts, perhaps with a user before them.
    Hosts,
    /// Users of this machine.
    Users,
    /// `Keyword=value` of ssh_config.
    ClientOption,
    /// `Keyword=value` of sshd_config.
    ServerOption,
    /// One of these.
    Words(Vec<&'static str>),
}

/// The tools that there are, with their pages.
fn pages() -> impl Iterator<Item = &'static Page> {
    tools::TOOLS.iter().filter_map(|tool| manual::page(tool.name))
}

/// The options that are told.
fn told(page: &'static Page) -> impl Iterator<Item = &'static Flag> {
    page.flags.iter().filter(|flag| !flag.text.is_empty())
}

/// What may stand behind an option.
fn behind(page: &Page, flag: &Flag) -> Offer {
    match (page.name, flag.letter, flag.value.unwrap_or_default()) {
        ("ssh" | "ssh-copy-id", 'o', _) => Offer::ClientOption,
        ("sshd", 'o', _) => Offer::ServerOption,
        ("ssh", 'Q', _) => Offer::Words(crate::ssh::query_names()),
        ("ssh", 'O', _) => Offer::Words(vec![
            "check", "conninfo", "channels", "forward", "cancel", "proxy", "exit", "stop",
        ]),
        ("ssh", 'c', _) => {
            Offer::Words(crypto::tables::CIPHERS.iter().map(|row| row.algorithm.name).collect())
        }
        ("ssh", 'm', _) => {
            Offer::Words(crypto::tables::MACS.iter().map(|row| row.algorithm.name).collect())
        }
        ("ssh-keygen", 't', _) => {
            Offer::Words(vec!["ed25519", "ecdsa", "rsa", "ed25519-sk", "ecdsa-sk"])
        }
        ("ssh-keygen", 'Y', _) => Offer::Words(vec![
            "sign",
            "verify",
            "check-novalidate",
            "find-principals",
            "match-principals",
        ]),
        ("ssh-keygen", 'm', _) => Offer::Words(vec!["RFC4716", "PKCS8", "PEM"]),
        ("ssh-keygen", 'M', _) => Offer::Words(vec!["generate", "screen"]),
        ("ssh-keyscan", 't', _) => Offer::Words(vec!["ed25519", "ecdsa", "rsa"]),
        (_, _, "destination" | "host") => Offer::Hosts,
        (_, _, "user") => Offer::Users,
        (_, _, "hash") => Offer::Words(vec!["sha256", "md5"]),
        (
            _,
            _,
            "identity_file" | "config_file" | "log_file" | "file" | "path" | "socket" | "library"
            | "known_hosts" | "ca_key" | "certificate_file" | "host_key_file" | "folder"
            | "provider",
        ) => Offer::Files,
        _ => Offer::Nothing,
    }
}

/// What may stand where no option does.
fn operand(page: &Page) -> Offer {
    match page.name {
        "ssh" | "ssh-copy-id" | "ssh-keyscan" => Offer::Hosts,
        "ssh-add" | "ssh-keygen" | "puttygen" => Offer::Files,
        _ => Offer::Nothing,
    }
}

/// The keywords of both sides, with the words behind each where they are few.
fn keywords(server: bool) -> Vec<(&'static str, Vec<&'static str>)> {
    let row = |keyword: &'static Keyword| (keyword.name, (keyword.words)());
    if server {
        ServerSettings::keywords().map(row).collect()
    } else {
        ClientConfig::keywords().map(row).collect()
    }
}

/// The first words of `keyway` itself.
fn first_words() -> Vec<&'static str> {
    let own = manual::page("keyway").into_iter().flat_map(|page| page.words);
    tools::TOOLS.iter().map(|tool| tool.name).chain(own.map(|(word, _)| *word)).collect()
}

/// The first sentence of a text, for one line.
fn first_sentence(text: &str) -> &str {
    text.split_once(". ").map_or(text, |(first, _)| first).trim_end_matches('.')
}

/// A name as part of a shell function's.
fn function(name: &str) -> String {
    format!("_keyway_{}", name.replace('-', "_"))
}
