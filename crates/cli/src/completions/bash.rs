//! Completions for bash, from version 3.2 on.

use std::fmt::Write as _;

use super::{Offer, behind, first_words, function, keywords, operand, pages, told};
use crate::manual::Page;

/// What all tools share. `$1` is what has been typed of the word.
const COMMON: &str = r#"# Completions for Keyway's tools, made by: keyway completions bash

_keyway_reply() { # word choices...
    local word=$1 choice
    shift
    COMPREPLY=()
    for choice in "$@"; do
        case $choice in "$word"*) COMPREPLY+=("$choice") ;; esac
    done
}

_keyway_files() {
    COMPREPLY=()
    local name
    while IFS= read -r name; do COMPREPLY+=("$name"); done < <(compgen -f -- "$1")
    compopt -o filenames 2>/dev/null
}

_keyway_hosts() {
    local user= word=$1
    # Where @ does not end a word, the user is part of it.
    case $word in *@*) user=${word%@*}@ word=${word##*@} ;; esac
    local names
    names=$(command keyway completions --hosts 2>/dev/null)
    _keyway_reply "$user$word" $(printf '%s\n' $names | sed "s|^|$user|")
}

_keyway_option() { # client|server word: Keyword=value, whether or not = ends a word
    local typed=$3 keyword
    case $typed in
        *=*)
            keyword=${typed%%=*}
            _keyway_reply "${typed#*=}" $("_keyway_$1_values" "$keyword")
            # What stands before the last = is there already, or is not.
            case $2 in
                *=?*)
                    local i
                    for i in "${!COMPREPLY[@]}"; do COMPREPLY[i]=$keyword=${COMPREPLY[i]}; done ;;
            esac ;;
        *)
            _keyway_reply "$2" $("_keyway_$1_keywords")
            compopt -o nospace 2>/dev/null
            local i
            for i in "${!COMPREPLY[@]}"; do COMPREPLY[i]=${COMPREPLY[i]}=; done ;;
    esac
}

# Sets: cur, what is typed of the word; typed, the same up to the last space; prev, the word before that.
_keyway_words() {
    local line=${COMP_LINE:0:COMP_POINT}
    cur=${COMP_WORDS[COMP_CWORD]}
    case $cur in "=" | "@" | ":") cur= ;; esac
    typed=${line##*[[:space:]]}
    line=${line%"$typed"}
    line=${line%"${line##*[![:space:]]}"}
    prev=${line##*[[:space:]]}
}
"#;

/// The whole script.
pub fn script() -> String {
    let mut text = COMMON.to_owned();
    for (side, server) in [("client", false), ("server", true)] {
        let all = keywords(server);
        let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "\n_keyway_{side}_keywords() {{ echo {}; }}", names.join(" "));
        let _ = writeln!(text, "\n_keyway_{side}_values() {{\n    case $1 in");
        for (name, words) in all.iter().filter(|(_, words)| !words.is_empty()) {
            let _ = writeln!(text, "        {name}) echo {} ;;", words.join(" "));
        }
        text.push_str("    esac\n}\n");
    }
    for page in pages() {
        tool(&mut text, page);
    }
    keyway(&mut text);
    text
}

fn tool(text: &mut String, page: &'static Page) {
    let name = function(page.name);
    let _ = writeln!(
        text,
        "\n{name}() {{\n    local cur typed prev\n    _keyway_words\n    case $prev in"
    );
    for flag in told(page).filter(|flag| flag.value.is_some()) {
        let _ =
            writeln!(text, "        -*{}) {}; return ;;", flag.letter, call(&behind(page, flag)));
    }
    let letters: Vec<String> = told(page).map(|flag| format!("-{}", flag.letter)).collect();
    let _ = writeln!(
        text,
        "    esac\n    case $typed in\n        -*) _keyway_reply \"$typed\" {} ;;\n        *) {} ;;\n    esac",
        letters.join(" "),
        call(&operand(page)),
    );
    if !page.words.is_empty() {
        let words: Vec<&str> = page.words.iter().map(|(word, _)| *word).collect();
        let _ = writeln!(
            text,
            "    if [ \"$prev\" = {} ]; then\n        for word in {}; do\n            \
             case $word in \"$cur\"*) COMPREPLY+=(\"$word\") ;; esac\n        done\n    fi",
            page.name,
            words.join(" "),
        );
    }
    let _ = writeln!(text, "}}\ncomplete -F {name} {}", page.name);
}

/// `keyway` completes its own words, and behind a tool's name what the tool takes.
fn keyway(text: &mut String) {
    text.push_str("\n_keyway() {\n    local cur typed prev\n    _keyway_words\n    case ${COMP_WORDS[1]} in\n");
    for page in pages() {
        let _ = writeln!(
            text,
            "        {}) [ \"$COMP_CWORD\" -gt 1 ] && {{ {}; return; }} ;;",
            page.name,
            function(page.name)
        );
    }
    text.push_str(
        "        explain|doctor) [ \"$COMP_CWORD\" -gt 1 ] && { _keyway_ssh; return; } ;;\n",
    );
    text.push_str("        completions) _keyway_reply \"$cur\" bash zsh fish; return ;;\n");
    text.push_str("        links|man) _keyway_files \"$cur\"; return ;;\n    esac\n");
    let _ = writeln!(
        text,
        "    _keyway_reply \"$cur\" {}\n}}\ncomplete -F _keyway keyway",
        first_words().join(" ")
    );
}

fn call(offer: &Offer) -> String {
    match offer {
        Offer::Nothing => "COMPREPLY=()".to_owned(),
        Offer::Files => "_keyway_files \"$cur\"".to_owned(),
        Offer::Hosts => "_keyway_hosts \"$cur\"".to_owned(),
        Offer::Users => "COMPREPLY=($(compgen -u -- \"$cur\"))".to_owned(),
        Offer::ClientOption => "_keyway_option client \"$cur\" \"$typed\"".to_owned(),
        Offer::ServerOption => "_keyway_option server \"$cur\" \"$typed\"".to_owned(),
        Offer::Words(words) => format!("_keyway_reply \"$typed\" {}", words.join(" ")),
    }
}
