//! The common kinds of values.

use std::marker::PhantomData;
use std::path::PathBuf;
use std::time::Duration;

use super::{Scope, Show, Side, Value, missing_argument};
use crate::choice::Choice;
use crate::keyword::Kind;
use crate::parse::{self, Words};

/// `yes` or `no`; the client also takes `true` and `false`.
pub(crate) struct Flag;

impl Value for Flag {
    type Target = bool;
    const KIND: Kind = Kind::Flag;

    fn parse(words: &mut Words<'_>, scope: &Scope<'_>) -> Result<bool, String> {
        let word = words.need("missing argument.")?;
        match word.to_ascii_lowercase().as_str() {
            "yes" => Ok(true),
            "no" => Ok(false),
            "true" if scope.side == Side::Client => Ok(true),
            "false" if scope.side == Side::Client => Ok(false),
            _ => Err(unsupported(&word, &Self::words())),
        }
    }

    fn show(value: &bool, _set: bool, show: &mut Show<'_>) {
        show.line(if *value { "yes" } else { "no" });
    }

    fn words() -> Vec<&'static str> {
        vec!["yes", "no"]
    }
}

/// One of a few words.
pub(crate) struct Pick<T>(PhantomData<T>);

impl<T: Choice> Value for Pick<T> {
    type Target = T;
    const KIND: Kind = Kind::Choice;

    fn parse(words: &mut Words<'_>, _scope: &Scope<'_>) -> Result<T, String> {
        let word = words.need("missing argument.")?;
        T::from_word(&word).ok_or_else(|| unsupported(&word, &Self::words()))
    }

    fn show(value: &T, _set: bool, show: &mut Show<'_>) {
        show.line(value.word());
    }

    fn words() -> Vec<&'static str> {
        crate::choice::usual_words::<T>()
    }
}

/// A number from 0 up.
pub(crate) struct Count;

impl Value for Count {
    type Target = u32;
    const KIND: Kind = Kind::Number;

    fn parse(words: &mut Words<'_>, scope: &Scope<'_>) -> Result<u32, String> {
        let word = words.next().unwrap_or_default();
        let value =
            parse::number(&word, 0, i64::from(i32::MAX)).map_err(|why| match scope.side {
                Side::Client => format!("integer value {why}."),
                Side::Server => format!("{} integer value {why}.", scope.keyword),
            })?;
        // The bounds were just checked.
        Ok(u32::try_from(value).unwrap_or(u32::MAX))
    }

    fn show(value: &u32, _set: bool, show: &mut Show<'_>) {
        show.line(value);
    }
}

/// A time; `none` is zero.
pub(crate) struct Time;

impl Value for Time {
    type Target = Duration;
    const KIND: Kind = Kind::Time;

    fn parse(words: &mut Words<'_>, scope: &Scope<'_>) -> Result<Duration, String> {
        Ok(TimeOrNone::parse(words, scope)?.unwrap_or_default())
    }

    fn show(value: &Duration, _set: bool, show: &mut Show<'_>) {
        show.line(value.as_secs());
    }
}

/// A time or `none`.
pub(crate) struct TimeOrNone;

impl Value for TimeOrNone {
    type Target = Option<Duration>;
    const KIND: Kind = Kind::Time;

    fn parse(words: &mut Words<'_>, _scope: &Scope<'_>) -> Result<Option<Duration>, String> {
        let word = words.need("missing time value.")?;
        if word == "none" {
            return Ok(None);
        }
        parse::time(&word).map(Some).ok_or_else(|| "invalid time value.".to_owned())
    }

    fn show(value: &Option<Duration>, _set: bool, show: &mut Show<'_>) {
        match value {
            Some(value) => show.line(value.as_secs()),
            None => show.line("none"),
        }
    }
}

/// One word that is always there.
pub(crate) struct Word;

impl Value for Word {
    type Target = String;
    const KIND: Kind = Kind::Word;

    fn parse(words: &mut Words<'_>, scope: &Scope<'_>) -> Result<String, String> {
        words.need(&missing_argument(scope))
    }

    fn show(value: &String, _set: bool, show: &mut Show<'_>) {
        show.line(value);
    }
}

/// One word, or nothing as long as nobody gave one.
pub(crate) struct OptionalWord;

impl Value for OptionalWord {
    type Target = Option<String>;
    const KIND: Kind = Kind::Word;

    fn parse(words: &mut Words<'_>, scope: &Scope<'_>) -> Result<Option<String>, String> {
        Word::parse(words, scope).map(Some)
    }

    fn show(value: &Option<String>, _set: bool, show: &mut Show<'_>) {
        show_option(value.as_deref(), show);
    }
}

/// One word; `none` is no value.
pub(crate) struct WordOrNone;

impl Value for WordOrNone {
    type Target = Option<String>;
    const KIND: Kind = Kind::Word;

    fn parse(words: &mut Words<'_>, scope: &Scope<'_>) -> Result<Option<String>, String> {
        let word = words.need(&missing_argument(scope))?;
        Ok((!word.eq_ignore_ascii_case("none")).then_some(word))
    }

    fn show(value: &Option<String>, _set: bool, show: &mut Show<'_>) {
        show_option(value.as_deref(), show);
    }
}

/// The rest of the line as written; `none` is no value.
pub(crate) struct RestOfLine;

impl Value for RestOfLine {
    type Target = Option<String>;
    const KIND: Kind = Kind::Line;

    fn parse(words: &mut Words<'_>, scope: &Scope<'_>) -> Result<Option<String>, String> {
        let line = words.whole_line();
        if line.is_empty() {
            return Err(missing_argument(scope));
        }
        Ok((!line.eq_ignore_ascii_case("none")).then(|| line.to_owned()))
    }

    fn show(value: &Option<String>, _set: bool, show: &mut Show<'_>) {
        show_option(value.as_deref(), show);
    }
}

/// A path; `none` is no value.
pub(crate) struct PathOrNone;

impl Value for PathOrNone {
    type Target = Option<PathBuf>;
    const KIND: Kind = Kind::Path;

    fn parse(words: &mut Words<'_>, scope: &Scope<'_>) -> Result<Option<PathBuf>, String> {
        let word = match scope.side {
            Side::Client => words.need("Missing argument.")?,
            Side::Server => words.need("missing file name.")?,
        };
        Ok((!word.eq_ignore_ascii_case("none")).then(|| PathBuf::from(word)))
    }

    fn show(value: &Option<PathBuf>, _set: bool, show: &mut Show<'_>) {
        show_option(value.as_ref().map(|path| path.display().to_string()).as_deref(), show);
    }
}

/// A path that is always there.
pub(crate) struct FilePath;

impl Value for FilePath {
    type Target = PathBuf;
    const KIND: Kind = Kind::Path;

    fn parse(words: &mut Words<'_>, scope: &Scope<'_>) -> Result<PathBuf, String> {
        match scope.side {
            Side::Client => words.need("Missing argument.").map(PathBuf::from),
            Side::Server => words.need("missing file name.").map(PathBuf::from),
        }
    }

    fn show(value: &PathBuf, _set: bool, show: &mut Show<'_>) {
        show.line(value.display());
    }
}

/// Several words of one line; the first such line wins. `none` must stand alone.
pub(crate) struct List;

impl Value for List {
    type Target = Vec<String>;
    const KIND: Kind = Kind::List;

    fn parse(words: &mut Words<'_>, scope: &Scope<'_>) -> Result<Vec<String>, String> {
        let list: Vec<String> = words.drain().collect();
        if list.is_empty() {
            return Err(format!("no argument after keyword \"{}\"", scope.keyword));
        }
        if list.iter().any(String::is_empty) {
            return Err(format!("keyword {} empty argument", scope.keyword));
        }
        if !list.iter().any(|word| word.eq_ignore_ascii_case("none")) {
            return Ok(list);
        }
        if list.len() > 1 {
            let keyword = scope.keyword;
            return Err(format!("keyword {keyword} \"none\" argument must appear alone."));
        }
        Ok(Vec::new())
    }

    fn show(value: &Vec<String>, set: bool, show: &mut Show<'_>) {
        if !value.is_empty() {
            show.line(value.join(" "));
        } else if set || show.side == Side::Client {
            show.line("none");
        }
    }
}

/// What OpenSSH says of a word that is none of those, and on a further line which there are.
fn unsupported(word: &str, words: &[&str]) -> String {
    format!("unsupported option \"{word}\".\n    it is one of: {}", words.join(", "))
}

/// The server prints `none` where the client prints nothing.
pub(crate) fn show_option(value: Option<&str>, show: &mut Show<'_>) {
    match value {
        Some(value) => show.line(value),
        None if show.side == Side::Server => show.line("none"),
        None => {}
    }
}
