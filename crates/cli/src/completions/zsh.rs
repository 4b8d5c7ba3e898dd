//! Completions for zsh.

use std::fmt::Write as _;

use super::{Offer, behind, first_sentence, first_words, function, keywords, operand, pages, told};
use crate::manual::Page;

/// What all tools share.
const COMMON: &str = r#"
# Completions for Keyway's tools, made by: keyway completions zsh

_keyway_hosts() {
    local -a names
    names=(${(f)"$(command keyway completions --hosts 2>/dev/null)"})
    compset -P '*@'
    compadd -a names
}

_keyway_option() { # client|server
    if compset -P '*='; then
        local keyword=${IPREFIX##* }
        compadd -- $(_keyway_$1_values ${keyword%=})
    else
        compadd -S = -- $(_keyway_$1_keywords)
    fi
}
"#;

/// The whole script.
pub fn script() -> String {
    let tools: Vec<&str> = pages().map(|page| page.name).collect();
    let mut text = format!("#compdef keyway {}\n{COMMON}", tools.join(" "));
    for (side, server) in [("client", false), ("server", true)] {
        let all = keywords(server);
        let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
        // Writing to a string cannot fail.
        let _ =
            writeln!(text, "\n_keyway_{side}_keywords() {{ print -r -- {}; }}", names.join(" "));
        let _ = writeln!(text, "\n_keyway_{side}_values() {{\n    case $1 in");
        for (name, words) in all.iter().filter(|(_, words)| !words.is_empty()) {
            let _ = writeln!(text, "        {name}) print -r -- {} ;;", words.join(" "));
        }
        text.push_str("    esac\n}\n");
    }
    for page in pages() {
        tool(&mut text, page);
    }
    let _ = writeln!(
        text,
        "\n_keyway_itself() {{\n    local -a first\n    first=({})\n    if (( CURRENT == 2 )); then\n        compadd -a first\n        return\n    fi\n    shift words\n    (( CURRENT-- ))",
        first_words().join(" ")
    );
    text.push_str("    case $words[1] in\n");
    for page in pages() {
        let _ = writeln!(text, "        {}) {} ;;", page.name, function(page.name));
    }
    text.push_str("        explain|doctor) _keyway_ssh ;;\n        completions) compadd bash zsh fish ;;\n        *) _files ;;\n    esac\n}\n\n");
    text.push_str("case $service in\n");
    for page in pages() {
        let _ = writeln!(text, "    {}) {} \"$@\" ;;", page.name, function(page.name));
    }
    text.push_str("    *) _keyway_itself \"$@\" ;;\nesac\n");
    text
}

fn tool(text: &mut String, page: &'static Page) {
    let _ = writeln!(text, "\n{}() {{\n    _arguments -s -S \\", function(page.name));
    for flag in told(page) {
        let told = escaped(first_sentence(flag.text));
        let letter = flag.letter;
        let spec = match flag.value {
            None => format!("*-{letter}[{told}]"),
            Some(value) => format!("*-{letter}+[{told}]:{value}:{}", action(&behind(page, flag))),
        };
        let _ = writeln!(text, "        '{}' \\", spec.replace('\'', "'\\''"));
    }
    let _ = writeln!(text, "        '*:argument:{}'\n}}", action(&operand(page)));
}

fn action(offer: &Offer) -> String {
    match offer {
        Offer::Nothing => " ".to_owned(),
        Offer::Files => "_files".to_owned(),
        Offer::Hosts => "_keyway_hosts".to_owned(),
        Offer::Users => "_users".to_owned(),
        Offer::ClientOption => "{_keyway_option client}".to_owned(),
        Offer::ServerOption => "{_keyway_option server}".to_owned(),
        Offer::Words(words) => format!("({})", words.join(" ")),
    }
}

/// Text inside the brackets of a specification.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('[', "\\[").replace(']', "\\]").replace(':', "\\:")
}
