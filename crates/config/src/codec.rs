//! How the common kinds of values are read and printed.

mod values;

use std::marker::PhantomData;

use crate::keyword::{Alias, Keyword, Kind};
use crate::origin::{Origin, Setting};
use crate::parse::Words;
use crate::trace::Effective;
use crate::value::AlgorithmLists;

pub(crate) use self::values::{
    Count, FilePath, Flag, List, OptionalWord, PathOrNone, Pick, RestOfLine, Time, TimeOrNone,
    Word, WordOrNone, show_option,
};

/// A row of a table with the ways to reach its field.
#[derive(Clone, Copy)]
pub(crate) struct Row<C: 'static> {
    pub keyword: Keyword,
    pub read: fn(&mut C, &mut Words<'_>, &Scope<'_>) -> Result<(), String>,
    pub show: fn(&C, &mut Show<'_>),
    pub is_set: fn(&C) -> bool,
    pub take_over: fn(&mut C, &C),
    pub origins: fn(&C) -> Vec<Origin>,
}

impl<C> Row<C> {
    /// The row of a keyword or of an old name for it; capitals do not matter.
    pub fn find(rows: &'static [Self], aliases: &[Alias], keyword: &str) -> Option<&'static Self> {
        let name = aliases
            .iter()
            .find(|alias| alias.name.eq_ignore_ascii_case(keyword))
            .map_or(keyword, |alias| alias.keyword);
        rows.iter().find(|row| row.keyword.name.eq_ignore_ascii_case(name))
    }

    /// The keyword as it would be dumped.
    pub fn shown(&self, settings: &C, side: Side) -> String {
        let mut out = String::new();
        (self.show)(settings, &mut Show { side, name: self.keyword.name, out: &mut out });
        out
    }

    /// The values in force, each with what set it.
    pub fn effective(&'static self, settings: &C, side: Side) -> Vec<Effective> {
        let mut out = String::new();
        (self.show)(settings, &mut Show { side, name: "", out: &mut out });
        let origins = (self.origins)(settings);
        let several = out.lines().count() == origins.len();
        let lines = out.lines().enumerate();
        lines
            .map(|(index, line)| Effective {
                keyword: &self.keyword,
                value: line.trim_start().to_owned(),
                origin: origins.get(if several { index } else { 0 }).cloned().unwrap_or_default(),
            })
            .collect()
    }
}

/// Whose configuration it is; both sides spell some values differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Server,
}

/// What reading a value may need besides its words.
pub(crate) struct Scope<'a> {
    pub side: Side,
    pub origin: Origin,
    /// The keyword as written.
    pub keyword: &'a str,
    pub algorithms: &'a AlgorithmLists,
}

/// Where a dump goes.
pub(crate) struct Show<'a> {
    pub side: Side,
    pub name: &'a str,
    pub out: &'a mut String,
}

impl Show<'_> {
    /// Prints `keyword value`.
    pub fn line(&mut self, value: impl std::fmt::Display) {
        use std::fmt::Write;
        // Writing to a String does not fail.
        let _ = writeln!(self.out, "{} {value}", self.name);
    }
}

/// How the field of one keyword is kept.
pub(crate) trait Codec {
    type Field;
    const KIND: Kind;
    /// Whether every line counts, not only the first.
    const ADDS_UP: bool = true;
    fn read(
        field: &mut Self::Field,
        words: &mut Words<'_>,
        scope: &Scope<'_>,
    ) -> Result<(), String>;
    fn show(field: &Self::Field, show: &mut Show<'_>);
    fn is_set(field: &Self::Field) -> bool;
    /// What a `Match` block of the server does: its value replaces the global one.
    fn take_over(field: &mut Self::Field, from: &Self::Field);
    /// What set each value.
    fn origins(field: &Self::Field) -> Vec<Origin>;
    /// The words that can stand behind the keyword, where they are few.
    fn words() -> Vec<&'static str> {
        Vec::new()
    }
}

/// How one value is read and printed.
pub(crate) trait Value {
    type Target: Clone;
    const KIND: Kind;
    fn parse(words: &mut Words<'_>, scope: &Scope<'_>) -> Result<Self::Target, String>;
    fn show(value: &Self::Target, set: bool, show: &mut Show<'_>);
    /// The words that it can be, where they are few.
    fn words() -> Vec<&'static str> {
        Vec::new()
    }
}

/// A keyword whose first value wins.
pub(crate) struct One<V>(PhantomData<V>);

impl<V: Value> Codec for One<V> {
    type Field = Setting<V::Target>;
    const KIND: Kind = V::KIND;
    const ADDS_UP: bool = false;

    fn read(
        field: &mut Self::Field,
        words: &mut Words<'_>,
        scope: &Scope<'_>,
    ) -> Result<(), String> {
        // Read in any case: a second value may be without effect, but not nonsense.
        let value = V::parse(words, scope)?;
        if !field.is_set() {
            *field = Setting::new(value, scope.origin.clone());
        }
        Ok(())
    }

    fn show(field: &Self::Field, show: &mut Show<'_>) {
        V::show(&field.value, field.is_set(), show);
    }

    fn is_set(field: &Self::Field) -> bool {
        field.is_set()
    }

    fn take_over(field: &mut Self::Field, from: &Self::Field) {
        field.clone_from(from);
    }

    fn origins(field: &Self::Field) -> Vec<Origin> {
        vec![field.origin.clone()]
    }

    fn words() -> Vec<&'static str> {
        V::words()
    }
}

/// A keyword whose values add up, one for each line.
pub(crate) struct Many<V>(PhantomData<V>);

impl<V: Value> Codec for Many<V> {
    type Field = Vec<Setting<V::Target>>;
    const KIND: Kind = V::KIND;

    fn read(
        field: &mut Self::Field,
        words: &mut Words<'_>,
        scope: &Scope<'_>,
    ) -> Result<(), String> {
        field.push(Setting::new(V::parse(words, scope)?, scope.origin.clone()));
        Ok(())
    }

    fn show(field: &Self::Field, show: &mut Show<'_>) {
        for setting in field {
            V::show(&setting.value, setting.is_set(), show);
        }
    }

    fn is_set(field: &Self::Field) -> bool {
        !field.is_empty()
    }

    fn take_over(field: &mut Self::Field, from: &Self::Field) {
        field.clone_from(from);
    }

    fn origins(field: &Self::Field) -> Vec<Origin> {
        field.iter().map(|setting| setting.origin.clone()).collect()
    }
}

/// A keyword whose values add up, one for each line, and count once however often they are named.
pub(crate) struct Distinct<V>(PhantomData<V>);

impl<V: Value<Target: PartialEq>> Codec for Distinct<V> {
    type Field = Vec<Setting<V::Target>>;
    const KIND: Kind = V::KIND;

    fn read(
        field: &mut Self::Field,
        words: &mut Words<'_>,
        scope: &Scope<'_>,
    ) -> Result<(), String> {
        let value = V::parse(words, scope)?;
        if !field.iter().any(|known| known.value == value) {
            field.push(Setting::new(value, scope.origin.clone()));
        }
        Ok(())
    }

    fn show(field: &Self::Field, show: &mut Show<'_>) {
        Many::<V>::show(field, show);
    }

    fn is_set(field: &Self::Field) -> bool {
        !field.is_empty()
    }

    fn take_over(field: &mut Self::Field, from: &Self::Field) {
        field.clone_from(from);
    }

    fn origins(field: &Self::Field) -> Vec<Origin> {
        field.iter().map(|setting| setting.origin.clone()).collect()
    }
}

/// A keyword whose values add up, one for each word.
pub(crate) struct Each<V>(PhantomData<V>);

impl<V: Value> Codec for Each<V> {
    type Field = Vec<Setting<V::Target>>;
    const KIND: Kind = Kind::List;

    fn read(
        field: &mut Self::Field,
        words: &mut Words<'_>,
        scope: &Scope<'_>,
    ) -> Result<(), String> {
        loop {
            Many::<V>::read(field, words, scope)?;
            if words.len() == 0 {
                return Ok(());
            }
        }
    }

    fn show(field: &Self::Field, show: &mut Show<'_>) {
        Many::<V>::show(field, show);
    }

    fn is_set(field: &Self::Field) -> bool {
        !field.is_empty()
    }

    fn take_over(field: &mut Self::Field, from: &Self::Field) {
        field.clone_from(from);
    }

    fn origins(field: &Self::Field) -> Vec<Origin> {
        field.iter().map(|setting| setting.origin.clone()).collect()
    }
}

/// What OpenSSH says of a value that is not there.
pub(crate) fn missing_argument(scope: &Scope<'_>) -> String {
    match scope.side {
        Side::Client => "Missing argument.".to_owned(),
        Side::Server => format!("{} missing argument.", scope.keyword),
    }
}
