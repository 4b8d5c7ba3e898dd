//! `ssh_config` and `sshd_config`: one entry for each row of the tables.

use config::{Alias, ClientConfig, Effective, Keyword, Kind, Place, ServerSettings, Support};

use super::mdoc::{Mdoc, argument, references};

/// How files are written, for both.
const SYNTAX: &[&str] = &[
    "A file has one keyword on each line, followed by its arguments. Capitals do not matter in keywords, and one equals \
     sign may stand between a keyword and its arguments. Arguments with spaces stand in single or double quotes. Lines \
     that begin with a number sign, and the rest of a line behind one, are comments.",
    "Times are sums of numbers with units: seconds without a unit or with s, m for minutes, h for hours, d for days, w \
     for weeks. Lists of algorithms may begin with a plus sign to be added to the default, with a minus sign to be taken \
     from it, or with a caret to be put in front of it; their members may be patterns.",
    "In patterns an asterisk stands for any text and a question mark for one character. An exclamation mark before a \
     pattern of a list turns it round: what it fits is left out, whatever the others say.",
];

/// `ssh_config(5)`.
pub fn client() -> String {
    let mut page = Mdoc::new("ssh_config", 5, "configuration of the SSH client");
    page.section("DESCRIPTION");
    page.paragraphs(&[
        "The client reads its command line, then the file ~/.ssh/config, then /etc/ssh/ssh_config. Of each keyword the \
         first value counts, so that what is special comes first and what is general last. Neither file needs to exist; \
         nobody but its owner may be able to write the user's.",
    ]);
    page.request(".Pp");
    page.paragraphs(SYNTAX);
    page.section("SELECTION");
    page.list("Cm", &[
        ("Host", "The lines below, up to the next Host or Match, count if one of these patterns fits the host as it was \
                  named, and none that begins with an exclamation mark does."),
        ("Match", "The lines below count if all these criteria hold: all, canonical, final, exec command, localnetwork \
                   networks, host patterns, originalhost patterns, tagged patterns, command patterns, user patterns, \
                   localuser patterns, version patterns, sessiontype patterns. An exclamation mark before a criterion \
                   turns it round. The words canonical and final hold only when the files are read a second time, for \
                   the name that the host turned out to have."),
        ("Include", "Files to read at this place; they may be patterns. Relative names start in ~/.ssh for the user's \
                     file and in /etc/ssh for the system's. Tokens, environment variables and a tilde are replaced."),
    ]);
    page.section("KEYWORDS");
    let defaults = ClientConfig::default().effective();
    entries(&mut page, ClientConfig::keywords(), &defaults, ClientConfig::aliases());
    page.section("FORWARDED AGENT");
    page.paragraphs(&[
        "A server that has the agent can use every key in it for as long as the connection lasts. With ForwardAgentKeys it \
         sees only the keys that are named, by files (the private or the public key, or a certificate) or fingerprints as \
         ssh-add -l prints them, and can sign with these alone; it cannot add or remove keys or lock the agent. \
         Limits that the agent itself keeps to (ssh-add -h, ssh-add -c) count as before. The keyword does not \
         turn forwarding on. Over a connection that another process shares with this one (ControlPath) no agent is \
         forwarded then, for that process decides what its agent shows. OpenSSH does not know this keyword: a file that \
         it reads, too, needs IgnoreUnknown ForwardAgentKeys before it.",
    ]);
    page.section("SILENCE");
    page.paragraphs(&[
        "Where somebody sits at a terminal and no file or option names ServerAliveInterval, the client finds out by \
         itself whether the server is still there. It asks after 100 seconds of silence where something on the way is \
         known to forget idle connections: when the own address is private and the server's is not, or behind a proxy. \
         When a connection was lost after it had been idle, that time is remembered for the host, and from then on half of \
         it is enough silence for a question. Wherever it is, it asks 5 seconds after something was typed that nothing \
         came back for. When a question is not answered for 10 seconds it says so on the terminal, and again when \
         the server answers. It never ends the connection for that; with ServerAliveInterval it does. An interval of 0 \
         turns all of this off.",
        "Some networks lose packets with a mark (IPQoS). When nothing arrives that is sent with one, the client takes \
         the mark off the connection, which then goes on, and sends none to this host for 7 days. With -v it says so.",
    ]);
    page.section("TOKENS");
    page.text(
        "In many values these are replaced: %% by a percent sign, %h by the name of the host, %n by the name as it was \
         typed, %p by the port, %r by the remote user, %u by the local one, %i by their number, %d by their home \
         folder, %l by the name of this machine, %L by its first part, %k by the name for the host key, %j by the jump \
         host, and %C by a hash of %l%h%p%r%j.",
    );
    finish(&mut page, &[("keyway", 1), ("ssh", 1), ("sshd_config", 5)]);
    page.into_text()
}

/// `sshd_config(5)`.
pub fn server() -> String {
    let mut page = Mdoc::new("sshd_config", 5, "configuration of the SSH server");
    page.section("DESCRIPTION");
    page.paragraphs(&[
        "The server reads /etc/ssh/sshd_config or the file that -f names. Of each keyword the first value counts; a \
         value below a Match that applies to a connection replaces it. A file with a mistake keeps the server from \
         starting, and a running one from reloading.",
    ]);
    page.request(".Pp");
    page.paragraphs(SYNTAX);
    page.section("SELECTION");
    page.list("Cm", &[
        ("Match", "The lines below, up to the next Match, count for connections that all these criteria fit: All, \
                   Invalid-User, User patterns, Group patterns, Host patterns, Address networks, LocalAddress networks, \
                   LocalPort port, RDomain patterns, Version patterns."),
        ("Include", "Files to read at this place; they may be patterns. Relative names start in /etc/ssh."),
    ]);
    page.section("KEYWORDS");
    let defaults = ServerSettings::default().effective_values();
    entries(&mut page, ServerSettings::keywords(), &defaults, ServerSettings::aliases());
    page.section("TOKENS");
    page.text(
        "In the names of files and in commands these are replaced: %% by a percent sign, %u by the user's name, %U by \
         their number, %h by their home folder. Commands that look keys up know %t, the key's type, %k, the key, and %f, \
         its fingerprint, and for certificates %T, %K, %F, %i and %s.",
    );
    finish(&mut page, &[("keyway", 1), ("sshd", 8), ("ssh_config", 5)]);
    page.into_text()
}

fn entries(
    page: &mut Mdoc,
    keywords: impl Iterator<Item = &'static Keyword>,
    defaults: &[Effective],
    aliases: &[Alias],
) {
    let mut keywords: Vec<_> = keywords.collect();
    keywords.sort_by_key(|keyword| keyword.name.to_ascii_lowercase());
    page.request(".Bl -tag -width Ds");
    for keyword in keywords {
        page.request(&format!(".It Cm {} Ar {}", keyword.name, argument(kind(keyword.kind))));
        page.text(&sentence(keyword));
        let words = (keyword.words)();
        if keyword.kind == Kind::Choice && !words.is_empty() {
            page.text(&format!("It is one of: {}.", words.join(", ")));
        }
        let values: Vec<&str> = defaults
            .iter()
            .filter(|one| one.keyword.name == keyword.name && !one.value.is_empty())
            .map(|one| one.value.as_str())
            .collect();
        if !values.is_empty() {
            page.text(&format!("The default is {}.", values.join(", ")));
        }
        if keyword.adds_up {
            page.text("Every line counts, not only the first.");
        }
        if let Some(text) = remark(keyword) {
            page.text(text);
        }
        for alias in aliases.iter().filter(|alias| alias.keyword == keyword.name) {
            page.text(&format!("An old name is {}.", alias.name));
        }
    }
    page.request(".El");
}

fn finish(page: &mut Mdoc, see: &[(&str, u8)]) {
    page.section("SEE ALSO");
    references(page, see);
}

/// The summary as a sentence.
pub fn sentence(keyword: &Keyword) -> String {
    let mut characters = keyword.summary.chars();
    match characters.next() {
        Some(first) => format!("{}{}.", first.to_uppercase(), characters.as_str()),
        None => String::new(),
    }
}

fn remark(keyword: &Keyword) -> Option<&'static str> {
    match (keyword.support, keyword.place) {
        (Support::Later, _) => Some("This version takes the line and does nothing about it."),
        (Support::Security, _) => Some("This version refuses any other value than the default."),
        (Support::Built, Place::Global) => Some("It cannot stand below a Match."),
        (Support::Built, Place::Anywhere) => None,
    }
}

/// What the argument is called.
fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Flag => "yes|no",
        Kind::Choice => "word",
        Kind::Number => "number",
        Kind::Time => "time",
        Kind::Word => "value",
        Kind::Line => "command",
        Kind::Path => "path",
        Kind::List => "values ...",
        Kind::Algorithms => "algorithms",
        Kind::Special => "value ...",
    }
}
