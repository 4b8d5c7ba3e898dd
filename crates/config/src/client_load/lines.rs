//! One line: what it says, and whether it counts.

use super::{Loader, Reading};
use crate::client::{ALIASES, ClientConfig, RETIRED};
use crate::codec::{Row, Scope, Side};
use crate::error::{Error, NoteLevel, Problem, Vocabulary, visible};
use crate::keyword::{Support, Treatment};
use crate::matching;
use crate::origin::Origin;
use crate::parse::{self, Words};
use crate::server::ServerSettings;
use crate::trace::{Outcome, Step};

impl Loader<'_> {
    /// Reads one line and says what is wrong with it.
    pub(super) fn line(
        &mut self,
        text: &str,
        origin: &Origin,
        active: &mut bool,
        reading: Reading,
    ) -> Result<Vec<Problem>, Error> {
        let Some(line) = parse::line(text) else { return Ok(Vec::new()) };
        let keyword = line.keyword.to_ascii_lowercase();
        let problem =
            |message: String| vec![Problem { origin: origin.clone(), message: visible(&message) }];
        let located = |message: String| problem(format!("{origin}: {message}"));
        let special = matches!(keyword.as_str(), "host" | "match" | "include" | "ignoreunknown");
        let row = find(&keyword);
        let no_argument = || located(format!("no argument after keyword \"{keyword}\""));
        if line.rest.is_empty() {
            return Ok(no_argument());
        }
        if row.is_none() && !special {
            let message = self.unknown(&keyword, line.keyword, origin);
            return Ok(match (message, Words::split(line.rest)) {
                (Some(message), _) => problem(message),
                (None, Err(why)) => located(why),
                (None, Ok(_)) => Vec::new(),
            });
        }
        let mut words = match Words::split(line.rest) {
            Ok(words) => words,
            Err(why) => return Ok(located(why)),
        };
        if *origin == Origin::CommandLine
            && let Some(name) = ["Host", "Match", "Include"]
                .into_iter()
                .find(|name| name.eq_ignore_ascii_case(&keyword))
        {
            let message = format!("{name} directive not supported as a command-line option");
            return Ok(problem(message));
        }
        let result = match keyword.as_str() {
            "host" => {
                let result = self.host_line(&mut words, &keyword, active, reading);
                self.selection(origin, "Host", line.rest, *active);
                result
            }
            "match" => {
                match self.match_line(line.rest, origin, reading.never) {
                    Ok(applies) => {
                        *active = applies;
                        self.selection(origin, "Match", line.rest, applies);
                    }
                    Err(why) => {
                        let prefix = why.map(|why| format!("{why}\n")).unwrap_or_default();
                        return Ok(problem(format!("{prefix}{origin}: Bad Match condition")));
                    }
                }
                return Ok(Vec::new());
            }
            "include" => {
                return match self.include(&mut words, *active, reading)? {
                    Ok(()) => Ok(Vec::new()),
                    Err(why) => Ok(located(why)),
                };
            }
            _ => self.value(row, &mut words, &keyword, *active, origin, line.rest),
        };
        if let Err(why) = result {
            return Ok(located(why));
        }
        if words.len() > 0 {
            return Ok(located(format!("keyword {keyword} extra arguments at end of line")));
        }
        Ok(Vec::new())
    }

    /// A word that is in no table of living keywords.
    fn unknown(&mut self, keyword: &str, written: &str, origin: &Origin) -> Option<String> {
        if let Some(retired) = RETIRED.iter().find(|word| word.name.eq_ignore_ascii_case(keyword)) {
            let (level, kind) = match retired.treatment {
                Treatment::Ignored => return None,
                Treatment::Deprecated => (NoteLevel::Verbose, "Deprecated"),
                Treatment::Unsupported => (NoteLevel::Error, "Unsupported"),
            };
            self.note(level, origin, format!("{origin}: {kind} option \"{keyword}\""));
            return None;
        }
        let ignored = self.config.ignore_unknown.value.as_deref();
        if ignored.is_some_and(|patterns| matching::list(patterns, keyword, true) == Some(true)) {
            let message = format!("{origin}: Ignored unknown option \"{written}\"");
            self.note(NoteLevel::Verbose, origin, message);
            return None;
        }
        let meant = VOCABULARY.meant(written);
        Some(match origin {
            Origin::File { path, line } => {
                let path = path.display();
                format!("{path}: line {line}: Bad configuration option: {keyword}{meant}")
            }
            _ => format!("command-line: line 0: Bad configuration option: {keyword}{meant}"),
        })
    }

    /// Remembers what became of a line.
    pub(super) fn step(&mut self, origin: &Origin, keyword: &str, text: &str, outcome: Outcome) {
        let second_pass = self.last_pass;
        if let Some(trace) = &mut self.trace {
            trace.push(Step {
                origin: origin.clone(),
                keyword: keyword.to_owned(),
                text: text.to_owned(),
                outcome,
                second_pass,
            });
        }
    }

    /// A keyword of the table.
    pub(super) fn value(
        &mut self,
        row: Option<&Row<ClientConfig>>,
        words: &mut Words<'_>,
        keyword: &str,
        active: bool,
        origin: &Origin,
        written: &str,
    ) -> Result<(), String> {
        let Some(row) = row else { return Ok(()) };
        let scope = Scope {
            side: Side::Client,
            origin: origin.clone(),
            keyword,
            algorithms: self.context.algorithms,
        };
        // Of a command and a list of jump hosts, the first that is named wins.
        let outdone = match row.keyword.name {
            "ProxyCommand" => !self.config.proxy_jump.is_empty(),
            "ProxyJump" => self.config.proxy_command.is_set(),
            _ => false,
        };
        // What adds up word by word must not be added by the second pass again.
        let again = self.last_pass
            && match row.keyword.name {
                "SendEnv" => self.config.send_env.iter().any(|one| one.origin == *origin),
                "SetEnv" => self.config.set_env.iter().any(|one| one.origin == *origin),
                _ => false,
            };
        let was_set = (row.is_set)(&self.config);
        if self.is_traced() {
            let outcome = if !active {
                Outcome::OutOfScope
            } else if outdone {
                Outcome::TooLate(self.proxy_origin())
            } else if was_set && !row.keyword.adds_up {
                let winner = (row.origins)(&self.config).into_iter().next().unwrap_or_default();
                // The line that won is read again by the second pass.
                if winner == *origin { Outcome::Taken } else { Outcome::TooLate(winner) }
            } else {
                Outcome::Taken
            };
            self.step(origin, row.keyword.name, written, outcome);
        }
        if !active || outdone || again {
            self.scratch = ClientConfig::default();
            return (row.read)(&mut self.scratch, words, &scope);
        }
        (row.read)(&mut self.config, words, &scope)?;
        let harmless = was_set
            || row.shown(&self.config, Side::Client)
                == row.shown(&ClientConfig::default(), Side::Client);
        let name = row.keyword.name;
        match row.keyword.support {
            _ if harmless => {}
            Support::Built => {}
            Support::Later => {
                let message = format!("{origin}: {name} has no effect in this version");
                self.note(NoteLevel::Verbose, origin, message);
            }
            Support::Security => self.config.refused.push(Problem {
                origin: origin.clone(),
                message: format!(
                    "{origin}: unsupported option \"{name}\": this version does not have it, and \
                     connecting would be less safe without"
                ),
            }),
        }
        Ok(())
    }

    /// What set the way to the server.
    fn proxy_origin(&self) -> Origin {
        let jump = &self.config.proxy_jump;
        if jump.is_set() { jump.origin.clone() } else { self.config.proxy_command.origin.clone() }
    }

    /// `Host`: one of the patterns, and none that is negated.
    fn host_line(
        &mut self,
        words: &mut Words<'_>,
        keyword: &str,
        active: &mut bool,
        reading: Reading,
    ) -> Result<(), String> {
        *active = false;
        let (mut hit, mut refused) = (false, None);
        for word in words.drain() {
            if word.is_empty() {
                return Err(format!("keyword {keyword} empty argument"));
            }
            let (negated, pattern) = match word.strip_prefix('!') {
                Some(pattern) => (true, pattern),
                None => (false, word.as_str()),
            };
            if matching::pattern(pattern, &self.host) {
                if negated { refused = Some(word) } else { hit = true }
            }
        }
        *active = hit && refused.is_none() && !reading.never;
        if self.is_traced() {
            self.why = match refused {
                _ if reading.never => "the block that includes this file does not apply".to_owned(),
                Some(pattern) => format!("{pattern} excludes {}", self.host),
                None => format!("no pattern fits {}", self.host),
            };
        }
        Ok(())
    }
}

/// The words that can be meant by a word that nobody knows.
const VOCABULARY: Vocabulary = Vocabulary {
    file: "ssh_config",
    words: || {
        let rows = ClientConfig::ROWS.iter().map(|row| row.keyword.name);
        rows.chain(["Host", "Match", "Include"]).collect()
    },
    other_file: "sshd_config",
    other_words: || ServerSettings::ROWS.iter().map(|row| row.keyword.name).collect(),
};

/// The row of a keyword or of an old name for it.
fn find(keyword: &str) -> Option<&'static Row<ClientConfig>> {
    Row::find(ClientConfig::ROWS, ALIASES, keyword)
}
