//! The lines of the file and of those it includes, read into directives and blocks.

use std::path::Path;
use std::sync::Arc;

use super::{Block, Directive, ServerConfig, find, winner};
use crate::client::ClientConfig;
use crate::codec::{Row, Scope, Side};
use crate::error::{Error, Note, NoteLevel, Problem, Vocabulary, visible};
use crate::files::{self, Files};
use crate::keyword::{Place, Support, Treatment};
use crate::matching;
use crate::origin::Origin;
use crate::parse::{self, Words};
use crate::server::{RETIRED, ServerSettings};
use crate::server_match::Condition;
use crate::trace::{Outcome, Step};
use crate::value::AlgorithmLists;

/// How deep files may include each other.
const MAX_DEPTH: u32 = 16;

/// The state of reading all files.
pub(super) struct Loader<'a> {
    pub(super) files: &'a dyn Files,
    pub(super) algorithms: &'a AlgorithmLists,
    pub(super) config: ServerConfig,
}

/// The state of reading one file.
#[derive(Clone)]
pub(super) struct Reading {
    /// What the including lines stand under.
    outer: Arc<Vec<Condition>>,
    /// That and the last `Match`.
    current: Arc<Vec<Condition>>,
    /// Where that `Match` is, and its criteria.
    place: (Origin, Arc<str>),
    depth: u32,
}

impl Reading {
    pub(super) fn start() -> Self {
        let place = (Origin::Default, Arc::from(""));
        Reading { outer: Arc::default(), current: Arc::default(), place, depth: 0 }
    }

    /// Whether lines hold for every connection: no `Match`, or only `Match all`.
    fn is_global(&self) -> bool {
        self.current.iter().all(|condition| matches!(condition, Condition::All))
    }
}

impl Loader<'_> {
    pub(super) fn file(
        &mut self,
        path: &Path,
        outer: &Reading,
    ) -> Result<Option<std::io::Error>, Error> {
        if outer.depth > MAX_DEPTH {
            return Err(Error::IncludeDepth);
        }
        let contents = match self.files.read(path) {
            Ok(contents) => contents,
            Err(error) => return Ok(Some(error)),
        };
        let text = String::from_utf8_lossy(&contents.bytes);
        let name: Arc<Path> = path.into();
        let mut reading = Reading { outer: Arc::clone(&outer.current), ..outer.clone() };
        let mut problems = Vec::new();
        for (line, number) in text.split('\n').zip(1..) {
            let origin = Origin::File { path: Arc::clone(&name), line: number };
            let found = self.line(line, &origin, &mut reading)?;
            problems.extend(found.into_iter().map(|problem| problem.showing(line)));
        }
        if problems.is_empty() {
            return Ok(None);
        }
        Err(Error::Bad { source_name: Some(path.to_owned()), problems })
    }

    /// Reads one line and says what is wrong with it.
    pub(super) fn line(
        &mut self,
        text: &str,
        origin: &Origin,
        reading: &mut Reading,
    ) -> Result<Vec<Problem>, Error> {
        let Some(line) = parse::line(text) else { return Ok(Vec::new()) };
        let keyword = line.keyword;
        let problem =
            |message: String| vec![Problem { origin: origin.clone(), message: visible(&message) }];
        let located = |message: String| problem(format!("{origin}: {message}"));
        let special = ["match", "include"].iter().any(|word| word.eq_ignore_ascii_case(keyword));
        let row = find(keyword);
        let no_argument = || located(format!("no argument after keyword \"{keyword}\""));
        if line.rest.is_empty() {
            return Ok(no_argument());
        }
        if row.is_none() && !special {
            return Ok(match (self.unknown(keyword, origin), Words::split(line.rest)) {
                (Some(message), _) => problem(message),
                (None, Err(why)) => located(why),
                (None, Ok(_)) => Vec::new(),
            });
        }
        let mut words = match Words::split(line.rest) {
            Ok(words) => words,
            Err(why) => return Ok(located(why)),
        };
        let result = if let Some(row) = row {
            self.value(row, &mut words, line.rest, keyword, origin, reading)
        } else if *origin == Origin::CommandLine {
            let message = format!("{keyword} directive not supported as a command-line option");
            return Ok(problem(message));
        } else if keyword.eq_ignore_ascii_case("include") {
            self.include(&mut words, reading)?
        } else {
            words.whole_line();
            match Condition::parse(line.rest, origin) {
                Ok(conditions) => {
                    let mut all = reading.outer.to_vec();
                    all.extend(conditions);
                    reading.current = Arc::new(all);
                    reading.place = (origin.clone(), line.rest.into());
                    Ok(())
                }
                Err(why) => return Ok(problem(why)),
            }
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
    fn unknown(&mut self, keyword: &str, origin: &Origin) -> Option<String> {
        let retired = RETIRED.iter().find(|word| word.name.eq_ignore_ascii_case(keyword));
        let Some(retired) = retired else {
            let meant = VOCABULARY.meant(keyword);
            return Some(match origin {
                Origin::File { path, line } => {
                    let path = path.display();
                    format!("{path}: line {line}: Bad configuration option: {keyword}{meant}")
                }
                _ => format!("command-line: line 0: Bad configuration option: {keyword}{meant}"),
            });
        };
        let (level, kind) = match retired.treatment {
            Treatment::Ignored => return None,
            Treatment::Deprecated => (NoteLevel::Error, "Deprecated"),
            Treatment::Unsupported => (NoteLevel::Error, "Unsupported"),
        };
        self.note(level, origin, format!("{origin}: {kind} option {keyword}"));
        None
    }

    fn note(&mut self, level: NoteLevel, origin: &Origin, message: String) {
        self.config.notes.push(Note { level, origin: origin.clone(), message: visible(&message) });
    }

    /// A keyword of the table.
    fn value(
        &mut self,
        row: &'static Row<ServerSettings>,
        words: &mut Words<'_>,
        rest: &str,
        keyword: &str,
        origin: &Origin,
        reading: &Reading,
    ) -> Result<(), String> {
        let global = reading.is_global();
        if row.keyword.place == Place::Global && !global {
            return Err(format!("Directive '{keyword}' is not allowed within a Match block"));
        }
        let scope = Scope {
            side: Side::Server,
            origin: origin.clone(),
            keyword,
            algorithms: self.algorithms,
        };
        // Alone first, to see what this line says by itself.
        let mut alone = ServerSettings::default();
        (row.read)(&mut alone, &mut words.clone(), &scope)?;
        self.check(row, &alone, keyword, origin)?;
        if !reading.current.is_empty() {
            let same = |block: &Block| Arc::ptr_eq(&block.conditions, &reading.current);
            if !self.config.blocks.last().is_some_and(same) {
                let conditions = Arc::clone(&reading.current);
                let (origin, text) = (reading.place.0.clone(), reading.place.1.to_string());
                self.config.blocks.push(Block { conditions, directives: Vec::new(), origin, text });
            }
            if let Some(block) = self.config.blocks.last_mut() {
                block.directives.push(Directive {
                    row,
                    keyword: keyword.to_owned(),
                    rest: rest.to_owned(),
                    origin: origin.clone(),
                });
            }
        }
        if global && let Some(winner) = winner(row, &self.config.settings) {
            self.config.outdone.push(Step {
                origin: origin.clone(),
                keyword: row.keyword.name.to_owned(),
                text: rest.to_owned(),
                outcome: Outcome::TooLate(winner),
                second_pass: false,
            });
        }
        let target = if global { &mut self.config.settings } else { &mut alone };
        (row.read)(target, words, &scope)
    }

    /// What a line says that this version does not do.
    fn check(
        &mut self,
        row: &Row<ServerSettings>,
        alone: &ServerSettings,
        keyword: &str,
        origin: &Origin,
    ) -> Result<(), String> {
        check_patterns(row, alone, keyword)?;
        if row.keyword.support == Support::Built {
            return Ok(());
        }
        if row.shown(alone, Side::Server) == row.shown(&ServerSettings::default(), Side::Server) {
            return Ok(());
        }
        match row.keyword.support {
            Support::Built => {}
            Support::Later => {
                let message = format!("{origin}: {keyword} has no effect in this version");
                self.note(NoteLevel::Verbose, origin, message);
            }
            Support::Security => {
                return Err(format!(
                    "unsupported option \"{keyword}\": this version does not have it, and the \
                     server would be less safe without"
                ));
            }
        }
        Ok(())
    }

    /// `Include`. The outer result ends the program, the inner one is a bad line.
    fn include(
        &mut self,
        words: &mut Words<'_>,
        reading: &Reading,
    ) -> Result<Result<(), String>, Error> {
        for word in words.drain() {
            if word.is_empty() {
                return Ok(Err("Include missing filename argument".to_owned()));
            }
            let pattern = Path::new("/etc/ssh").join(&word);
            for path in files::glob(self.files, &pattern.to_string_lossy()) {
                let inner = Reading { depth: reading.depth + 1, ..reading.clone() };
                if let Some(source) = self.file(&path, &inner)? {
                    return Err(Error::Open { what: "", path, source });
                }
            }
        }
        Ok(Ok(()))
    }
}

/// The words that can be meant by a word that nobody knows.
const VOCABULARY: Vocabulary = Vocabulary {
    file: "sshd_config",
    words: || {
        let rows = ServerSettings::ROWS.iter().map(|row| row.keyword.name);
        rows.chain(["Match", "Include"]).collect()
    },
    other_file: "ssh_config",
    other_words: || {
        let rows = ClientConfig::ROWS.iter().map(|row| row.keyword.name);
        rows.chain(["Host"]).collect()
    },
};

/// Forms that only some keywords have.
fn check_patterns(
    row: &Row<ServerSettings>,
    alone: &ServerSettings,
    keyword: &str,
) -> Result<(), String> {
    match row.keyword.name {
        "AllowUsers" | "DenyUsers" => {
            for entry in alone.allow_users.iter().chain(&alone.deny_users) {
                if matching::user_pattern(entry, "", "", "").is_err()
                    || entry.rsplit_once('@').is_some_and(|(_, host)| {
                        host.is_empty() || matching::address_list(host, "").is_err()
                    })
                {
                    return Err(format!("invalid {keyword} pattern: \"{}\"", entry.value));
                }
            }
        }
        "AuthorizedKeysCommand" | "AuthorizedPrincipalsCommand" => {
            let command = alone
                .authorized_keys_command
                .as_deref()
                .or(alone.authorized_principals_command.as_deref());
            if command.is_some_and(|command| !command.starts_with(['/', '"', '%'])) {
                return Err(format!("{keyword} must be an absolute path"));
            }
        }
        "PerSourcePenaltyExemptList" => {
            if let Some(list) = alone.per_source_penalty_exempt_list.as_deref()
                && matching::address_list(list, "").is_err()
            {
                return Err(format!("Invalid {keyword} list."));
            }
        }
        _ => {}
    }
    Ok(())
}
