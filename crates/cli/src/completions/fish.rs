//! Completions for fish.

use std::fmt::Write as _;

use super::{Offer, behind, first_sentence, first_words, keywords, operand, pages, told};

/// What all tools share.
const COMMON: &str = "\
# Completions for Keyway's tools, made by: keyway completions fish

function __keyway_hosts
    set -l user (commandline -ct | string match -r '^.*@')
    for name in (command keyway completions --hosts 2>/dev/null)
        echo $user$name
    end
end
";

/// The whole script.
pub fn script() -> String {
    let mut text = COMMON.to_owned();
    for (side, server) in [("client", false), ("server", true)] {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "\nfunction __keyway_{side}_options");
        for (name, words) in keywords(server) {
            if words.is_empty() {
                let _ = writeln!(text, "    echo {name}=");
            }
            for word in words {
                let _ = writeln!(text, "    echo {name}={word}");
            }
        }
        text.push_str("end\n");
    }
    for page in pages() {
        let name = page.name;
        // What fish itself knows of the tool is about another one.
        let _ = writeln!(text, "\ncomplete -c {name} -e");
        for flag in told(page) {
            let letter = flag.letter;
            let told = quoted(first_sentence(flag.text));
            let takes = match flag.value {
                None => String::new(),
                Some(_) => match choices(&behind(page, flag)) {
                    Some(choices) => format!(" -x -a {choices}"),
                    None => " -r".to_owned(),
                },
            };
            let _ = writeln!(text, "complete -c {name} -s {letter} -d {told}{takes}");
        }
        match operand(page) {
            Offer::Files => {}
            offer => {
                let _ = match choices(&offer) {
                    Some(choices) => writeln!(text, "complete -c {name} -f -a {choices}"),
                    None => writeln!(text, "complete -c {name} -f"),
                };
            }
        }
        for (word, what) in page.words {
            let what = quoted(first_sentence(what));
            let _ = writeln!(
                text,
                "complete -c {name} -n __fish_is_first_token -f -a {word} -d {what}"
            );
        }
    }
    let _ = writeln!(
        text,
        "\ncomplete -c keyway -n __fish_is_first_token -f -a {}",
        quoted(&first_words().join(" "))
    );
    for page in pages() {
        let name = page.name;
        let _ = writeln!(
            text,
            "complete -c keyway -n '__fish_seen_subcommand_from {name}' -f -a \
             '(complete -C \"{name} \"(commandline -ct))'"
        );
    }
    let _ = writeln!(
        text,
        "complete -c keyway -n '__fish_seen_subcommand_from completions' -f -a 'bash zsh fish'"
    );
    text
}

fn choices(offer: &Offer) -> Option<String> {
    Some(match offer {
        Offer::Files => return None,
        Offer::Nothing => "''".to_owned(),
        Offer::Hosts => "'(__keyway_hosts)'".to_owned(),
        Offer::Users => "'(__fish_complete_users)'".to_owned(),
        Offer::ClientOption => "'(__keyway_client_options)'".to_owned(),
        Offer::ServerOption => "'(__keyway_server_options)'".to_owned(),
        Offer::Words(words) => quoted(&words.join(" ")),
    })
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}
