//! How values with a form of their own are read and printed; those of both sides.

mod permit;

use std::path::PathBuf;
use std::time::Duration;

use crate::algorithms;
use crate::choice::Choice;
use crate::codec::{Scope, Show, Side, Value, missing_argument};
use crate::keyword::Kind;
use crate::parse::{self, Words};
use crate::value::{ChannelTimeout, FingerprintHash, IpQos, LogLevel, RekeyLimit, SyslogFacility};

pub(crate) use self::permit::{host_and_port, permitted_port, show_permit};

/// The classes of algorithm names, for the parameter of [`Algorithms`].
pub(crate) struct Class;

impl Class {
    pub const CIPHERS: u8 = 0;
    pub const MACS: u8 = 1;
    pub const KEY_EXCHANGES: u8 = 2;
    pub const KEYS: u8 = 3;
    pub const CA_SIGNATURES: u8 = 4;
}

/// An algorithm list, resolved against the defaults as it is read.
pub(crate) struct Algorithms<const CLASS: u8>;

impl<const CLASS: u8> Value for Algorithms<CLASS> {
    type Target = Vec<String>;
    const KIND: Kind = Kind::Algorithms;

    fn parse(words: &mut Words<'_>, scope: &Scope<'_>) -> Result<Vec<String>, String> {
        let text = words.need(&missing_argument(scope))?;
        let lists = scope.algorithms;
        let (set, what) = match CLASS {
            Class::CIPHERS => (&lists.ciphers, "SSH2 cipher spec"),
            Class::MACS if scope.side == Side::Client => (&lists.macs, "SSH2 MAC spec"),
            Class::MACS => (&lists.macs, "SSH2 mac spec"),
            Class::KEY_EXCHANGES => (&lists.key_exchanges, "SSH2 KexAlgorithms"),
            Class::KEYS => (&lists.keys, "key types"),
            _ => (&lists.ca_signatures, "key types"),
        };
        algorithms::resolve(&text, set).ok_or_else(|| format!("Bad {what} '{text}'."))
    }

    fn show(value: &Vec<String>, _set: bool, show: &mut Show<'_>) {
        if !value.is_empty() {
            show.line(value.join(","));
        }
    }
}

/// `VersionAddendum`: the rest of the line.
pub(crate) struct Addendum;

impl Value for Addendum {
    type Target = Option<String>;
    const KIND: Kind = Kind::Line;

    fn parse(words: &mut Words<'_>, scope: &Scope<'_>) -> Result<Option<String>, String> {
        let line = words.whole_line();
        if line.is_empty() {
            return Err(missing_argument(scope));
        }
        // It becomes a part of a line of the protocol (RFC 4253 §4.2).
        if line.bytes().any(|byte| !(b' '..=b'~').contains(&byte)) {
            return Err("Invalid argument".to_owned());
        }
        Ok((!line.eq_ignore_ascii_case("none")).then(|| line.to_owned()))
    }

    fn show(value: &Option<String>, _set: bool, show: &mut Show<'_>) {
        crate::codec::show_option(value.as_deref(), show);
    }
}

/// `FingerprintHash`.
pub(crate) struct Hash;

impl Value for Hash {
    type Target = FingerprintHash;
    const KIND: Kind = Kind::Choice;

    fn parse(words: &mut Words<'_>, scope: &Scope<'_>) -> Result<FingerprintHash, String> {
        let word = words.need(&missing_argument(scope))?;
        FingerprintHash::from_word(&word).ok_or_else(|| match scope.side {
            Side::Client => format!("Invalid hash algorithm \"{word}\"."),
            Side::Server => format!("Invalid {} algorithm \"{word}\".", scope.keyword),
        })
    }

    fn show(value: &FingerprintHash, _set: bool, show: &mut Show<'_>) {
        show.line(value.word());
    }
}

/// `LogLevel`.
pub(crate) struct Level;

impl Value for Level {
    type Target = LogLevel;
    const KIND: Kind = Kind::Choice;

    fn parse(words: &mut Words<'_>, _scope: &Scope<'_>) -> Result<LogLevel, String> {
        let word = words.next().unwrap_or_else(|| "<NONE>".to_owned());
        LogLevel::from_word(&word).ok_or_else(|| format!("unsupported log level '{word}'"))
    }

    fn show(value: &LogLevel, _set: bool, show: &mut Show<'_>) {
        // An old word, and still the one that is printed.
        show.line(if *value == LogLevel::Quiet { "SILENT" } else { value.word() });
    }

    fn words() -> Vec<&'static str> {
        crate::choice::usual_words::<LogLevel>()
    }
}

/// `SyslogFacility`.
pub(crate) struct Facility;

impl Value for Facility {
    type Target = SyslogFacility;
    const KIND: Kind = Kind::Choice;

    fn parse(words: &mut Words<'_>, _scope: &Scope<'_>) -> Result<SyslogFacility, String> {
        let word = words.next().unwrap_or_else(|| "<NONE>".to_owned());
        SyslogFacility::from_word(&word).ok_or_else(|| format!("unsupported log facility '{word}'"))
    }

    fn show(value: &SyslogFacility, _set: bool, show: &mut Show<'_>) {
        show.line(value.word());
    }
}

/// Several paths on one line; `none` must stand alone.
pub(crate) struct PathList;

impl Value for PathList {
    type Target = Vec<PathBuf>;
    const KIND: Kind = Kind::Path;

    fn parse(words: &mut Words<'_>, scope: &Scope<'_>) -> Result<Vec<PathBuf>, String> {
        let list = crate::codec::List::parse(words, scope)?;
        Ok(list.into_iter().map(PathBuf::from).collect())
    }

    fn show(value: &Vec<PathBuf>, set: bool, show: &mut Show<'_>) {
        if !value.is_empty() {
            let paths: Vec<String> = value.iter().map(|path| path.display().to_string()).collect();
            show.line(paths.join(" "));
        } else if set {
            show.line("none");
        }
    }
}

/// The names of traffic classes (RFC 2474, RFC 2597, RFC 3246, RFC 8622, RFC 1349).
const TRAFFIC_CLASSES: &[(&str, u8)] = &[
    ("af11", 0x28),
    ("af12", 0x30),
    ("af13", 0x38),
    ("af21", 0x48),
    ("af22", 0x50),
    ("af23", 0x58),
    ("af31", 0x68),
    ("af32", 0x70),
    ("af33", 0x78),
    ("af41", 0x88),
    ("af42", 0x90),
    ("af43", 0x98),
    ("cs0", 0x00),
    ("cs1", 0x20),
    ("cs2", 0x40),
    ("cs3", 0x60),
    ("cs4", 0x80),
    ("cs5", 0xa0),
    ("cs6", 0xc0),
    ("cs7", 0xe0),
    ("ef", 0xb8),
    ("le", 0x04),
    ("lowdelay", 0x10),
    ("throughput", 0x08),
    ("reliability", 0x04),
];

/// `IPQoS`: one class for all, or one with and one without a terminal.
pub(crate) struct Qos;

impl Qos {
    fn class(word: &str) -> Result<Option<u8>, String> {
        if word.eq_ignore_ascii_case("none") {
            return Ok(None);
        }
        let named = TRAFFIC_CLASSES.iter().find(|(name, _)| name.eq_ignore_ascii_case(word));
        if let Some((_, value)) = named {
            return Ok(Some(*value));
        }
        let number = match word.strip_prefix("0x") {
            Some(digits) => u8::from_str_radix(digits, 16),
            None => word.parse(),
        };
        number.map(Some).map_err(|_| word.to_owned())
    }

    fn word(class: Option<u8>) -> String {
        let Some(class) = class else { return "none".to_owned() };
        match TRAFFIC_CLASSES.iter().find(|(_, value)| *value == class) {
            Some((name, _)) => (*name).to_owned(),
            None => format!("0x{class:02x}"),
        }
    }
}

impl Value for Qos {
    type Target = IpQos;
    const KIND: Kind = Kind::Special;

    fn parse(words: &mut Words<'_>, scope: &Scope<'_>) -> Result<IpQos, String> {
        let bad = |word: String| match scope.side {
            Side::Client => format!("Bad IPQoS value: {word}"),
            Side::Server => format!("Bad {} value: {word}", scope.keyword),
        };
        let first = words.need(&bad("(null)".to_owned()))?;
        let interactive = Self::class(&first).map_err(bad)?;
        let bulk = match words.next() {
            Some(second) => Self::class(&second).map_err(bad)?,
            None => interactive,
        };
        Ok(IpQos { interactive, bulk })
    }

    fn show(value: &IpQos, _set: bool, show: &mut Show<'_>) {
        show.line(format_args!("{} {}", Self::word(value.interactive), Self::word(value.bulk)));
    }
}

/// `RekeyLimit`: bytes or `default`, then a time or `none`.
pub(crate) struct Rekey;

impl Value for Rekey {
    type Target = RekeyLimit;
    const KIND: Kind = Kind::Special;

    fn parse(words: &mut Words<'_>, scope: &Scope<'_>) -> Result<RekeyLimit, String> {
        let word = words.need(&missing_argument(scope))?;
        let mut limit = RekeyLimit::default();
        if word != "default" {
            let bytes = parse::scaled(&word).map_err(|why| match scope.side {
                Side::Client => format!("Bad number '{word}': {why}"),
                Side::Server => format!("Bad {} number '{word}': {why}", scope.keyword),
            })?;
            if (1..16).contains(&bytes) {
                return Err("RekeyLimit too small".to_owned());
            }
            limit.bytes = (bytes > 0).then_some(bytes);
        }
        match words.next() {
            None => {}
            Some(word) if word == "none" => {}
            Some(word) => {
                let time = parse::time(&word).ok_or("invalid time value.")?;
                limit.interval = (!time.is_zero()).then_some(time);
            }
        }
        Ok(limit)
    }

    fn show(value: &RekeyLimit, _set: bool, show: &mut Show<'_>) {
        let seconds = value.interval.unwrap_or_default().as_secs();
        show.line(format_args!("{} {seconds}", value.bytes.unwrap_or(0)));
    }
}

/// `StreamLocalBindMask`.
pub(crate) struct Mask;

impl Value for Mask {
    type Target = u32;
    const KIND: Kind = Kind::Number;

    fn parse(words: &mut Words<'_>, scope: &Scope<'_>) -> Result<u32, String> {
        let word = words.need(&match scope.side {
            Side::Client => "Missing StreamLocalBindMask argument.".to_owned(),
            Side::Server => format!("missing {} argument.", scope.keyword),
        })?;
        u32::from_str_radix(&word, 8).ok().filter(|mask| *mask <= 0o777).ok_or_else(|| match scope
            .side
        {
            Side::Client => "Bad mask.".to_owned(),
            Side::Server => format!("Invalid {}.", scope.keyword),
        })
    }

    fn show(value: &u32, _set: bool, show: &mut Show<'_>) {
        show.line(format_args!("0{value:o}"));
    }
}

/// `ChannelTimeout`: `kind=time` words or `none`.
pub(crate) struct ChannelTimeouts;

impl Value for ChannelTimeouts {
    type Target = Vec<ChannelTimeout>;
    const KIND: Kind = Kind::Special;

    fn parse(words: &mut Words<'_>, scope: &Scope<'_>) -> Result<Vec<ChannelTimeout>, String> {
        let list = crate::codec::List::parse(words, scope)?;
        list.into_iter()
            .map(|word| {
                let (kind, time) = word.split_once('=')?;
                let timeout = if time == "none" { Duration::ZERO } else { parse::time(time)? };
                let written = time.to_owned();
                (!kind.is_empty()).then(|| ChannelTimeout {
                    kind: kind.to_owned(),
                    timeout,
                    written,
                })
            })
            .collect::<Option<_>>()
            .ok_or_else(|| format!("invalid channel timeout {}", words.whole_line()))
    }

    fn show(value: &Vec<ChannelTimeout>, set: bool, show: &mut Show<'_>) {
        if !value.is_empty() {
            let list: Vec<String> =
                value.iter().map(|t| format!("{}={}", t.kind, t.written)).collect();
            show.line(list.join(" "));
        } else if set || show.side == Side::Client {
            show.line("none");
        }
    }
}

/// One name or pattern of `SendEnv` and `AcceptEnv`.
pub(crate) struct Variable;

impl Value for Variable {
    type Target = String;
    const KIND: Kind = Kind::List;

    fn parse(words: &mut Words<'_>, _scope: &Scope<'_>) -> Result<String, String> {
        let word = words.need("Invalid environment name.")?;
        if word.contains('=') { Err("Invalid environment name.".to_owned()) } else { Ok(word) }
    }

    fn show(value: &String, _set: bool, show: &mut Show<'_>) {
        show.line(value);
    }
}

/// One `NAME=value` of `SetEnv`.
pub(crate) struct SetEnvironment;

impl Value for SetEnvironment {
    type Target = (String, String);
    const KIND: Kind = Kind::Special;

    fn parse(words: &mut Words<'_>, scope: &Scope<'_>) -> Result<(String, String), String> {
        let word = words.need(&format!("no argument after keyword \"{}\"", scope.keyword))?;
        match word.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
            _ if scope.side == Side::Client => Err("Invalid SetEnv.".to_owned()),
            _ => Err("Invalid environment.".to_owned()),
        }
    }

    fn show(value: &(String, String), _set: bool, show: &mut Show<'_>) {
        show.line(format_args!("{}={}", value.0, value.1));
    }
}
