//! Reads the client's sources in their order and keeps the first value of each keyword.

mod lines;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::client::ClientConfig;
use crate::client_context::{
    ClientContext, ClientSources, CommandLineOption, ConfigFiles, system_folder,
};
use crate::error::{Error, Note, NoteLevel, visible};
use crate::files;
use crate::forward::{self, Direction};
use crate::origin::{Origin, Setting};
use crate::parse::Words;
use crate::tokens;
use crate::trace::{Outcome, Step};

/// How deep files may include each other.
const MAX_DEPTH: u32 = 16;

impl ClientConfig {
    /// Reads everything that says what to do for `context.host`.
    ///
    /// # Errors
    /// Every line that makes no sense, in OpenSSH's words; a file that was named and cannot be
    /// read; a user's file that others may write.
    pub fn load(sources: &ClientSources, context: &ClientContext<'_>) -> Result<Self, Error> {
        Self::read(sources, context, None).map(|(config, _)| config)
    }

    /// As [`ClientConfig::load`], and tells what became of every line.
    ///
    /// # Errors
    /// As [`ClientConfig::load`].
    pub fn load_traced(
        sources: &ClientSources,
        context: &ClientContext<'_>,
    ) -> Result<(Self, Vec<Step>), Error> {
        Self::read(sources, context, Some(Vec::new()))
    }

    fn read(
        sources: &ClientSources,
        context: &ClientContext<'_>,
        trace: Option<Vec<Step>>,
    ) -> Result<(Self, Vec<Step>), Error> {
        let mut loader = Loader {
            context,
            config: ClientConfig { original_host: context.host.to_owned(), ..Self::default() },
            scratch: ClientConfig::default(),
            host: context.host.to_owned(),
            last_pass: false,
            wants_last_pass: false,
            trace,
            why: String::new(),
        };
        for option in &sources.options {
            loader.option(option)?;
        }
        loader.files(&sources.files)?;
        if loader.resolve_host()? || loader.wants_last_pass {
            // The rest is read again for the name that came out; what is set stays.
            loader.last_pass = true;
            loader.config.host_name.value.clone_from(&loader.host);
            if !loader.config.host_name.is_set() {
                loader.config.host_name.origin = Origin::CommandLine;
            }
            loader.files(&sources.files)?;
        }
        let Loader { mut config, host, trace, .. } = loader;
        config.finish(&host, context)?;
        Ok((config, trace.unwrap_or_default()))
    }
}

/// The state of reading.
pub(crate) struct Loader<'a> {
    pub context: &'a ClientContext<'a>,
    pub config: ClientConfig,
    /// Takes the values of blocks that do not apply; they must make sense all the same.
    scratch: ClientConfig,
    /// The host as it is known so far.
    pub host: String,
    pub last_pass: bool,
    pub wants_last_pass: bool,
    /// What became of the lines, if anybody wants to know.
    trace: Option<Vec<Step>>,
    /// Why the last `Host` or `Match` did not apply.
    pub why: String,
}

/// A file being read.
#[derive(Clone, Copy)]
struct Reading {
    /// One of the user's: relative names start in `~/.ssh`.
    user: bool,
    /// Others must not be able to write it.
    check_permissions: bool,
    /// Included from a block that does not apply.
    never: bool,
    depth: u32,
}

impl Loader<'_> {
    /// One option of the command line.
    fn option(&mut self, option: &CommandLineOption) -> Result<(), Error> {
        let (direction, text) = match option {
            CommandLineOption::Option(text) => return self.option_line(text),
            CommandLineOption::User(user) => {
                if !self.config.user.is_set() {
                    self.config.user = Setting::new(user.clone(), Origin::CommandLine);
                    self.config.literal_user = true;
                }
                return Ok(());
            }
            CommandLineOption::LocalForward(text) => (Direction::Local, text),
            CommandLineOption::RemoteForward(text) => (Direction::Remote, text),
            CommandLineOption::DynamicForward(text) => (Direction::Dynamic, text),
        };
        let (list, word) = match direction {
            Direction::Local => (&mut self.config.local_forwards, "local"),
            Direction::Remote => (&mut self.config.remote_forwards, "remote"),
            Direction::Dynamic => (&mut self.config.dynamic_forwards, "dynamic"),
        };
        let forward = forward::parse(text, direction).ok_or_else(|| Error::Value {
            origin: Origin::CommandLine,
            message: format!("Bad {word} forwarding specification '{text}'"),
        })?;
        list.push(Setting::new(forward, Origin::CommandLine));
        Ok(())
    }

    fn option_line(&mut self, text: &str) -> Result<(), Error> {
        let reading = Reading { user: true, check_permissions: false, never: false, depth: 0 };
        let mut active = true;
        let problems = self.line(text, &Origin::CommandLine, &mut active, reading)?;
        if problems.is_empty() {
            return Ok(());
        }
        let problems = problems.into_iter().map(|problem| problem.showing(text)).collect();
        Err(Error::Bad { source_name: None, problems })
    }

    fn files(&mut self, files: &ConfigFiles) -> Result<(), Error> {
        let reading = Reading { user: true, check_permissions: false, never: false, depth: 0 };
        match files {
            ConfigFiles::None => Ok(()),
            ConfigFiles::File(path) => match self.file(path, reading)? {
                None => Ok(()),
                Some(source) => Err(Error::Open {
                    what: "Can't open user config file ",
                    path: path.clone(),
                    source,
                }),
            },
            ConfigFiles::Standard => {
                let user = self.context.local_user.home.join(".ssh/config");
                self.file(&user, Reading { check_permissions: true, ..reading })?;
                self.file(&system_folder().join("ssh_config"), Reading { user: false, ..reading })?;
                Ok(())
            }
        }
    }

    /// Reads one file; what kept it from being opened is no error yet.
    fn file(&mut self, path: &Path, reading: Reading) -> Result<Option<std::io::Error>, Error> {
        if reading.depth > MAX_DEPTH {
            return Err(Error::IncludeDepth);
        }
        let contents = match self.context.surroundings.files().read(path) {
            Ok(contents) => contents,
            Err(error) => return Ok(Some(error)),
        };
        if reading.check_permissions {
            let owner_is_bad = contents.owner != 0 && contents.owner != self.context.local_user.id;
            if owner_is_bad || contents.mode & 0o022 != 0 {
                return Err(Error::Permissions(path.to_owned()));
            }
        }
        if reading.depth > 0 {
            let origin = Origin::File { path: path.into(), line: 1 };
            let outcome = if reading.never { Outcome::OutOfScope } else { Outcome::Read };
            self.step(&origin, "Include", &path.to_string_lossy(), outcome);
        }
        let text = String::from_utf8_lossy(&contents.bytes);
        let name: Arc<Path> = path.into();
        let mut active = !reading.never;
        let mut problems = Vec::new();
        for (line, number) in text.split('\n').zip(1..) {
            let origin = Origin::File { path: Arc::clone(&name), line: number };
            let found = self.line(line, &origin, &mut active, reading)?;
            problems.extend(found.into_iter().map(|problem| problem.showing(line)));
        }
        if problems.is_empty() {
            return Ok(None);
        }
        Err(Error::Bad { source_name: Some(path.to_owned()), problems })
    }

    /// Remembers whether a `Host` or `Match` applies.
    fn selection(&mut self, origin: &Origin, keyword: &str, text: &str, applies: bool) {
        let why = std::mem::take(&mut self.why);
        if self.trace.is_none() {
            return;
        }
        let outcome = if applies { Outcome::Applies } else { Outcome::Skipped(why) };
        self.step(origin, keyword, text, outcome);
    }

    /// Whether anybody wants to know why.
    pub(crate) fn is_traced(&self) -> bool {
        self.trace.is_some()
    }

    fn note(&mut self, level: NoteLevel, origin: &Origin, message: String) {
        // The last pass reads the same lines again.
        if !self.last_pass {
            self.config.notes.push(Note {
                level,
                origin: origin.clone(),
                message: visible(&message),
            });
        }
    }

    /// `Include`. The outer result ends the program, the inner one is a bad line.
    fn include(
        &mut self,
        words: &mut Words<'_>,
        active: bool,
        reading: Reading,
    ) -> Result<Result<(), String>, Error> {
        let surroundings = self.context.surroundings;
        for word in words.drain() {
            if word.is_empty() {
                return Ok(Err("keyword include empty argument".to_owned()));
            }
            let home = &self.context.local_user.home;
            let values = self.values();
            let expanded = values
                .expand_with_environment(&word, &|name| surroundings.variable(name))
                .and_then(|path| tokens::tilde(&path, home, &|user| surroundings.home_of(user)));
            let Ok(path) = expanded else {
                return Ok(Err(format!("Invalid environment expansion {word}.")));
            };
            if word.starts_with('~') && !reading.user {
                return Ok(Err(format!("bad include path {word}.")));
            }
            let base: PathBuf =
                if reading.user { home.join(".ssh") } else { system_folder().to_owned() };
            let pattern = base.join(path);
            for file in files::glob(surroundings.files(), &pattern.to_string_lossy()) {
                // Whoever may write an included file says what ssh does, wherever it is.
                let inner = Reading {
                    check_permissions: true,
                    never: !active || reading.never,
                    depth: reading.depth + 1,
                    ..reading
                };
                if let Some(source) = self.file(&file, inner)?
                    && source.kind() != std::io::ErrorKind::NotFound
                {
                    return Err(Error::Open {
                        what: "Can't open user config file ",
                        path: file,
                        source,
                    });
                }
            }
        }
        Ok(Ok(()))
    }
}
