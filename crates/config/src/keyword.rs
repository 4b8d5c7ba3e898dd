//! The shape of the keyword tables: one row for each keyword.

/// What a keyword's argument looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `yes` or `no`.
    Flag,
    /// One of a few words.
    Choice,
    /// A number.
    Number,
    /// A time, `N[s|m|h|d|w]...`.
    Time,
    /// One word.
    Word,
    /// The rest of the line.
    Line,
    /// A path.
    Path,
    /// Several words.
    List,
    /// An algorithm list with `+`, `-` and `^`.
    Algorithms,
    /// Something with a form of its own.
    Special,
}

/// Whether this version does what a keyword says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// It does.
    Built,
    /// OpenSSH knows it and we do not do it; the line is accepted with a note.
    Later,
    /// The same, but going on without it would be less safe: an error.
    Security,
}

/// Where a keyword of the server may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Everywhere.
    Anywhere,
    /// Not in a `Match` block.
    Global,
}

/// One row: what is to be known about a keyword.
#[derive(Debug, Clone, Copy)]
pub struct Keyword {
    /// Its name in its usual spelling; capitals do not matter.
    pub name: &'static str,
    /// What its argument looks like.
    pub kind: Kind,
    /// Whether it works.
    pub support: Support,
    /// Where it may stand.
    pub place: Place,
    /// Whether every line counts, not only the first.
    pub adds_up: bool,
    /// What it is for.
    pub summary: &'static str,
    /// The words that can stand behind it, where they are few.
    pub words: fn() -> Vec<&'static str>,
}

/// Another name for a keyword.
#[derive(Debug, Clone, Copy)]
pub struct Alias {
    /// The old name.
    pub name: &'static str,
    /// The name to use.
    pub keyword: &'static str,
}

/// A word that once meant something.
#[derive(Debug, Clone, Copy)]
pub struct Retired {
    /// The word.
    pub name: &'static str,
    /// How OpenSSH treats it.
    pub treatment: Treatment,
}

/// What happens to a [`Retired`] word. None of them stops a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Treatment {
    /// Silence.
    Ignored,
    /// A note with `-v`.
    Deprecated,
    /// A line on the screen.
    Unsupported,
}

/// Builds a settings struct and its table from one list of rows.
macro_rules! keywords {
    (
        $(#[$meta:meta])*
        pub struct $name:ident {
            $( $(#[$extra_meta:meta])* $extra_visibility:vis $extra:ident : $extra_type:ty, )*
        }
        $(
            $word:literal $place:ident $support:ident $summary:literal
            $field:ident : $type:ty = $codec:ty, $default:expr;
        )*
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone)]
        pub struct $name {
            $( $(#[$extra_meta])* $extra_visibility $extra: $extra_type, )*
            $(
                #[doc = concat!("`", $word, "`: ", $summary)]
                pub $field: $type,
            )*
        }

        impl Default for $name {
            fn default() -> Self {
                $name {
                    $( $extra: Default::default(), )*
                    $( $field: <$type>::from($default), )*
                }
            }
        }

        impl $name {
            /// The table, in the order of the dump.
            pub(crate) const ROWS: &'static [$crate::codec::Row<$name>] = &[ $(
                $crate::codec::Row {
                    keyword: $crate::keyword::Keyword {
                        name: $word,
                        kind: <$codec as $crate::codec::Codec>::KIND,
                        support: $crate::keyword::Support::$support,
                        place: $crate::keyword::Place::$place,
                        adds_up: <$codec as $crate::codec::Codec>::ADDS_UP,
                        summary: $summary,
                        words: <$codec as $crate::codec::Codec>::words,
                    },
                    read: |settings, words, scope| {
                        <$codec as $crate::codec::Codec>::read(&mut settings.$field, words, scope)
                    },
                    show: |settings, show| {
                        <$codec as $crate::codec::Codec>::show(&settings.$field, show);
                    },
                    is_set: |settings| {
                        <$codec as $crate::codec::Codec>::is_set(&settings.$field)
                    },
                    origins: |settings| {
                        <$codec as $crate::codec::Codec>::origins(&settings.$field)
                    },
                    take_over: |settings, from| {
                        <$codec as $crate::codec::Codec>::take_over(
                            &mut settings.$field,
                            &from.$field,
                        );
                    },
                },
            )* ];

            /// What is to be known about every keyword, in the order of the dump.
            pub fn keywords() -> impl Iterator<Item = &'static $crate::keyword::Keyword> {
                Self::ROWS.iter().map(|row| &row.keyword)
            }
        }
    };
}
pub(crate) use keywords;
