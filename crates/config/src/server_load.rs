//! Reads sshd_config once; what holds for a connection is worked out later, without files.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::client::ClientConfig;
use crate::codec::{Row, Scope, Side};
use crate::error::{Error, Note, NoteLevel, Problem, Vocabulary, visible};
use crate::files::{self, Files};
use crate::keyword::{Place, Support, Treatment};
use crate::matching;
use crate::origin::Origin;
use crate::parse::{self, Words};
use crate::server::{ALIASES, RETIRED, ServerSettings};
use crate::server_match::{Condition, ConnectionInfo};
use crate::trace::{Outcome, Step};
use crate::value::AlgorithmLists;

/// How deep files may include each other.
const MAX_DEPTH: u32 = 16;

/// Where the server's configuration comes from.
#[derive(Debug, Clone, Default)]
pub struct ServerSources {
    /// `-o Keyword=value`; before the file, so they win.
    pub options: Vec<String>,
    /// The file; nothing for `-f none`.
    pub file: Option<PathBuf>,
}

/// A whole sshd_config: the global part and the `Match` blocks.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// What holds before anything is known about a connection.
    pub settings: ServerSettings,
    /// What to mention about lines that were accepted.
    pub notes: Vec<Note>,
    blocks: Vec<Block>,
    outdone: Vec<Step>,
    algorithms: AlgorithmLists,
}

/// The lines after one `Match`, in their order over all files.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    /// All must hold: the block's own and those of the blocks that included its file.
    conditions: Arc<Vec<Condition>>,
    /// Lines that were read once and made sense. Kept as text, for there may be thousands of
    /// blocks of which a connection meets a few.
    directives: Vec<Directive>,
    /// The last `Match` line.
    origin: Origin,
    /// Its criteria, as written.
    text: String,
}

/// One line of a block.
#[derive(Clone)]
struct Directive {
    row: &'static Row<ServerSettings>,
    keyword: String,
    rest: String,
    origin: Origin,
}

impl fmt::Debug for Directive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} {}", self.origin, self.keyword, self.rest)
    }
}

impl ServerConfig {
    /// Reads everything.
    ///
    /// # Errors
    /// Every line that makes no sense, in sshd's words; a keyword this version does not have and
    /// without which the server would be less safe; a file that cannot be read.
    pub fn load(
        sources: &ServerSources,
        files: &dyn Files,
        algorithms: &AlgorithmLists,
    ) -> Result<Self, Error> {
        let mut loader = Loader {
            files,
            algorithms,
            config: ServerConfig {
                settings: ServerSettings::default(),
                notes: Vec::new(),
                blocks: Vec::new(),
                outdone: Vec::new(),
                algorithms: algorithms.clone(),
            },
        };
        for option in &sources.options {
            let mut place = Reading::start();
            let problems = loader.line(option, &Origin::CommandLine, &mut place)?;
            if !problems.is_empty() {
                let problems =
                    problems.into_iter().map(|problem| problem.showing(option)).collect();
                return Err(Error::Bad { source_name: None, problems });
            }
        }
        if let Some(path) = &sources.file
            && let Some(source) = loader.file(path, &Reading::start())?
        {
            return Err(Error::Open { what: "", path: path.clone(), source });
        }
        let mut config = loader.config;
        config.settings.fill(algorithms);
        Ok(config)
    }

    /// What holds for one connection: of the `Match` blocks that fit, the first value of each
    /// keyword; else the global one.
    ///
    /// # Errors
    /// A criterion that cannot be judged, such as an address list with a bad mask.
    pub fn effective(&self, connection: &ConnectionInfo<'_>) -> Result<ServerSettings, Error> {
        self.work_out(connection, None)
    }

    /// As [`ServerConfig::effective`], and tells what became of every `Match` block and of the
    /// lines in it.
    ///
    /// # Errors
    /// As [`ServerConfig::effective`].
    pub fn effective_traced(
        &self,
        connection: &ConnectionInfo<'_>,
        tell: &mut dyn FnMut(Step),
    ) -> Result<ServerSettings, Error> {
        self.work_out(connection, Some(tell))
    }

    fn work_out(
        &self,
        connection: &ConnectionInfo<'_>,
        mut tell: Option<&mut dyn FnMut(Step)>,
    ) -> Result<ServerSettings, Error> {
        let mut settings = self.settings.clone();
        let mut matched = ServerSettings::default();
        for block in &self.blocks {
            let unfit = crate::server_match::first_unfit(&block.conditions, connection)?;
            let applies = unfit.is_none();
            if let Some(tell) = &mut tell {
                tell(block.step(unfit, connection));
            } else if !applies {
                continue;
            }
            for directive in &block.directives {
                if let Some(tell) = &mut tell {
                    tell(directive.step(match winner(directive.row, &matched) {
                        _ if !applies => Outcome::OutOfScope,
                        Some(winner) => Outcome::TooLate(winner),
                        None => Outcome::Taken,
                    }));
                }
                if !applies {
                    continue;
                }
                directive.apply(&mut matched, &self.algorithms).map_err(|message| {
                    Error::Value { origin: directive.origin.clone(), message }
                })?;
            }
        }
        for row in ServerSettings::ROWS {
            if row.keyword.place == Place::Anywhere && (row.is_set)(&matched) {
                (row.take_over)(&mut settings, &matched);
            }
        }
        Ok(settings)
    }

    /// The global lines that come too late: their keyword had been set.
    pub fn outdone(&self) -> &[Step] {
        &self.outdone
    }

    /// Whether anything depends on the connection.
    pub fn has_match_blocks(&self) -> bool {
        !self.blocks.is_empty()
    }
}

impl Block {
    /// Whether it applies, and if not, why.
    fn step(&self, unfit: Option<&Condition>, connection: &ConnectionInfo<'_>) -> Step {
        let outcome = match unfit {
            None => Outcome::Applies,
            Some(condition) => Outcome::Skipped(condition.unfit(connection)),
        };
        Step {
            origin: self.origin.clone(),
            keyword: "Match".to_owned(),
            text: self.text.clone(),
            outcome,
            second_pass: false,
        }
    }
}

impl Directive {
    fn step(&self, outcome: Outcome) -> Step {
        Step {
            origin: self.origin.clone(),
            keyword: self.row.keyword.name.to_owned(),
            text: self.rest.clone(),
            outcome,
            second_pass: false,
        }
    }

    fn apply(
        &self,
        settings: &mut ServerSettings,
        algorithms: &AlgorithmLists,
    ) -> Result<(), String> {
        let scope = Scope {
            side: Side::Server,
            origin: self.origin.clone(),
            keyword: &self.keyword,
            algorithms,
        };
        (self.row.read)(settings, &mut Words::split(&self.rest)?, &scope)
    }
}

/// The state of reading all files.
struct Loader<'a> {
    files: &'a dyn Files,
    algorithms: &'a AlgorithmLists,
    config: ServerConfig,
}

/// The state of reading one file.
#[derive(Clone)]
struct Reading {
    /// What the including lines stand under.
    outer: Arc<Vec<Condition>>,
    /// That and the last `Match`.
    current: Arc<Vec<Condition>>,
    /// Where that `Match` is, and its criteria.
    place: (Origin, Arc<str>),
    depth: u32,
}

impl Reading {
    fn start() -> Self {
        let place = (Origin::Default, Arc::from(""));
        Reading { outer: Arc::default(), current: Arc::default(), place, depth: 0 }
    }

    /// Whether lines hold for every connection: no `Match`, or only `Match all`.
    fn is_global(&self) -> bool {
        self.current.iter().all(|condition| matches!(condition, Condition::All))
    }
}

impl Loader<'_> {
    fn file(&mut self, path: &Path, outer: &Reading) -> Result<Option<std::io::Error>, Error> {
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
    fn line(
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

/// The line that has set a keyword whose first value counts.
fn winner(row: &Row<ServerSettings>, settings: &ServerSettings) -> Option<Origin> {
    let is_set = !row.keyword.adds_up && (row.is_set)(settings);
    (row.origins)(settings).into_iter().next().filter(|_| is_set)
}

/// The row of a keyword or of an old name for it.
fn find(keyword: &str) -> Option<&'static Row<ServerSettings>> {
    Row::find(ServerSettings::ROWS, ALIASES, keyword)
}
