//! Reads sshd_config once; what holds for a connection is worked out later, without files.

mod loader;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use self::loader::{Loader, Reading};
use crate::codec::{Row, Scope, Side};
use crate::error::{Error, Note};
use crate::files::Files;
use crate::keyword::Place;
use crate::origin::Origin;
use crate::parse::Words;
use crate::server::{ALIASES, ServerSettings};
use crate::server_match::{Condition, ConnectionInfo};
use crate::trace::{Outcome, Step};
use crate::value::AlgorithmLists;

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

/// The line that has set a keyword whose first value counts.
fn winner(row: &Row<ServerSettings>, settings: &ServerSettings) -> Option<Origin> {
    let is_set = !row.keyword.adds_up && (row.is_set)(settings);
    (row.origins)(settings).into_iter().next().filter(|_| is_set)
}

/// The row of a keyword or of an old name for it.
fn find(keyword: &str) -> Option<&'static Row<ServerSettings>> {
    Row::find(ServerSettings::ROWS, ALIASES, keyword)
}
