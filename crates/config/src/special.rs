//! How values with a form of their own are read and printed; those of the client or of both.

use std::path::PathBuf;
use std::time::Duration;

use crate::algorithms;
use crate::choice::Choice;
use crate::codec::{Scope, Show, Side, Value, missing_argument, quoted};
use crate::forward;
use crate::keyword::Kind;
use crate::parse::{self, Words};
use crate::value::{
    AddKeysToAgent, AgentSocket, ChannelTimeout, Connect, ControlPersist, FingerprintHash, Forward,
    ForwardAgent, HostPort, IpQos, Jump, LogLevel, Permit, PermittedCname, RekeyLimit,
    SyslogFacility, TunnelUnit, YesNoAsk,
};

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
        show.line(value.word());
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

/// The client's `Port`.
pub(crate) struct PortNumber;

impl Value for PortNumber {
    type Target = u16;
    const KIND: Kind = Kind::Number;

    fn parse(words: &mut Words<'_>, _scope: &Scope<'_>) -> Result<u16, String> {
        let word = words.need("Missing argument.")?;
        match parse::port(&word) {
            Some(port) if port > 0 => Ok(port),
            _ => Err(format!("Bad port '{word}'.")),
        }
    }

    fn show(value: &u16, _set: bool, show: &mut Show<'_>) {
        show.line(value);
    }
}

/// Names with commas, printed only when somebody set them.
pub(crate) struct NameList;

impl Value for NameList {
    type Target = Vec<String>;
    const KIND: Kind = Kind::List;

    fn parse(words: &mut Words<'_>, scope: &Scope<'_>) -> Result<Vec<String>, String> {
        let word = words.need(&missing_argument(scope))?;
        Ok(word.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect())
    }

    fn show(value: &Vec<String>, set: bool, show: &mut Show<'_>) {
        if set {
            show.line(value.join(","));
        }
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
            let paths: Vec<String> =
                value.iter().map(|path| quoted(&path.to_string_lossy())).collect();
            show.line(paths.join(" "));
        } else if set {
            show.line("none");
        }
    }
}

/// `ObscureKeystrokeTiming`.
pub(crate) struct Keystrokes;

impl Keystrokes {
    const DEFAULT: Duration = Duration::from_millis(20);
}

impl Value for Keystrokes {
    type Target = Option<Duration>;
    const KIND: Kind = Kind::Special;

    fn parse(words: &mut Words<'_>, _scope: &Scope<'_>) -> Result<Option<Duration>, String> {
        let word = words.need("missing argument.")?;
        match word.to_ascii_lowercase().as_str() {
            "yes" | "true" => return Ok(Some(Self::DEFAULT)),
            "no" | "false" => return Ok(None),
            _ => {}
        }
        let Some(interval) = word.strip_prefix("interval:") else {
            return Err(format!("unsupported argument \"{word}\""));
        };
        match parse::number(interval, 1, 1000) {
            Ok(milliseconds) => Ok(Some(Duration::from_millis(milliseconds.unsigned_abs()))),
            Err(why) => Err(format!("integer value {why}.")),
        }
    }

    fn show(value: &Option<Duration>, _set: bool, show: &mut Show<'_>) {
        match value {
            None => show.line("no"),
            Some(Self::DEFAULT) => show.line("yes"),
            Some(interval) => show.line(format_args!("interval:{}", interval.as_millis())),
        }
    }
}

/// The name after `$`, or a complaint. `${NAME}/path` is not such a name.
fn environment_name(word: &str) -> Result<Option<String>, String> {
    match word.strip_prefix('$') {
        Some(name) if !name.starts_with('{') => {
            let valid = !name.is_empty()
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            if valid { Ok(Some(name.to_owned())) } else { Err(word.to_owned()) }
        }
        _ => Ok(None),
    }
}

/// `IdentityAgent`.
pub(crate) struct Agent;

impl Value for Agent {
    type Target = AgentSocket;
    const KIND: Kind = Kind::Special;

    fn parse(words: &mut Words<'_>, _scope: &Scope<'_>) -> Result<AgentSocket, String> {
        let word = words.need("Missing argument.")?;
        if word.eq_ignore_ascii_case("none") {
            return Ok(AgentSocket::None);
        }
        if word == "SSH_AUTH_SOCK" {
            return Ok(AgentSocket::Standard);
        }
        let name =
            environment_name(&word).map_err(|word| format!("Invalid environment name {word}."))?;
        Ok(name.map_or_else(|| AgentSocket::Path(word.into()), AgentSocket::Environment))
    }

    fn show(value: &AgentSocket, set: bool, show: &mut Show<'_>) {
        match value {
            AgentSocket::None => show.line("none"),
            AgentSocket::Path(path) => show.line(path.display()),
            AgentSocket::Environment(name) => show.line(format_args!("${name}")),
            AgentSocket::Standard if set => show.line("SSH_AUTH_SOCK"),
            AgentSocket::Standard => {}
        }
    }
}

/// `ForwardAgent`.
pub(crate) struct AgentForward;

impl Value for AgentForward {
    type Target = ForwardAgent;
    const KIND: Kind = Kind::Special;

    fn parse(words: &mut Words<'_>, _scope: &Scope<'_>) -> Result<ForwardAgent, String> {
        let word = words.need("missing argument.")?;
        match word.to_ascii_lowercase().as_str() {
            "yes" | "true" => return Ok(ForwardAgent::Yes),
            "no" | "false" => return Ok(ForwardAgent::No),
            _ => {}
        }
        let name =
            environment_name(&word).map_err(|word| format!("Invalid environment name {word}."))?;
        Ok(name.map_or_else(|| ForwardAgent::Path(word.into()), ForwardAgent::Environment))
    }

    fn show(value: &ForwardAgent, _set: bool, show: &mut Show<'_>) {
        match value {
            ForwardAgent::No => show.line("no"),
            ForwardAgent::Yes => show.line("yes"),
            ForwardAgent::Path(path) => show.line(path.display()),
            ForwardAgent::Environment(name) => show.line(format_args!("${name}")),
        }
    }
}

/// `AddKeysToAgent`: `yes`, `no`, `ask`, `confirm [time]` or a time.
pub(crate) struct AddKeys;

impl Value for AddKeys {
    type Target = AddKeysToAgent;
    const KIND: Kind = Kind::Special;

    fn parse(words: &mut Words<'_>, _scope: &Scope<'_>) -> Result<AddKeysToAgent, String> {
        let word = words.need("missing argument.")?;
        let mut value = AddKeysToAgent::default();
        if word.eq_ignore_ascii_case("confirm") {
            (value.add, value.confirm) = (YesNoAsk::Yes, true);
            if let Some(time) = words.next() {
                let time = parse::time(&time).ok_or("invalid time value.")?;
                value.lifetime = (!time.is_zero()).then_some(time);
            }
        } else if let Some(add) = YesNoAsk::from_word(&word) {
            value.add = add;
        } else if let Some(time) = parse::time(&word) {
            value.add = YesNoAsk::Yes;
            value.lifetime = (!time.is_zero()).then_some(time);
        } else {
            return Err(format!("unsupported option \"{word}\"."));
        }
        Ok(value)
    }

    fn show(value: &AddKeysToAgent, _set: bool, show: &mut Show<'_>) {
        match (value.lifetime, value.confirm) {
            (Some(time), true) => show.line(format_args!("confirm {}", time.as_secs())),
            (Some(time), false) => show.line(time.as_secs()),
            (None, true) => show.line("confirm"),
            (None, false) => show.line(value.add.word()),
        }
    }
}

/// `ControlPersist`.
pub(crate) struct Persist;

impl Value for Persist {
    type Target = ControlPersist;
    const KIND: Kind = Kind::Special;

    fn parse(words: &mut Words<'_>, _scope: &Scope<'_>) -> Result<ControlPersist, String> {
        let word = words.need("Missing ControlPersist argument.")?;
        Ok(match word.as_str() {
            "no" | "false" => ControlPersist::No,
            "yes" | "true" => ControlPersist::Forever,
            _ => match parse::time(&word).ok_or("Bad ControlPersist argument.")? {
                Duration::ZERO => ControlPersist::Forever,
                time => ControlPersist::For(time),
            },
        })
    }

    fn show(value: &ControlPersist, _set: bool, show: &mut Show<'_>) {
        match value {
            ControlPersist::No => show.line("no"),
            ControlPersist::Forever => show.line("yes"),
            ControlPersist::For(time) => show.line(time.as_secs()),
        }
    }
}

/// `EscapeChar`: a character, `^` and a letter, or `none`.
pub(crate) struct Escape;

impl Value for Escape {
    type Target = Option<u8>;
    const KIND: Kind = Kind::Special;

    fn parse(words: &mut Words<'_>, _scope: &Scope<'_>) -> Result<Option<u8>, String> {
        let word = words.need("Missing argument.")?;
        match word.as_bytes() {
            b"none" => Ok(None),
            [one] => Ok(Some(*one)),
            [b'^', letter @ 64..128] => Ok(Some(letter & 31)),
            _ => Err("Bad escape character.".to_owned()),
        }
    }

    fn show(value: &Option<u8>, _set: bool, show: &mut Show<'_>) {
        match value {
            None => show.line("none"),
            Some(byte @ 0..32) => show.line(format_args!("^{}", char::from(byte + 64))),
            Some(byte) => show.line(char::from(*byte)),
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

/// `TunnelDevice`: `local[:remote]`.
pub(crate) struct TunnelUnits;

impl Value for TunnelUnits {
    type Target = (TunnelUnit, TunnelUnit);
    const KIND: Kind = Kind::Special;

    fn parse(
        words: &mut Words<'_>,
        _scope: &Scope<'_>,
    ) -> Result<(TunnelUnit, TunnelUnit), String> {
        let word = words.need("Missing argument.")?;
        let unit = |text: &str| match text {
            "any" => Ok(None),
            _ => text.parse().map(Some).map_err(|_| "Bad tun device.".to_owned()),
        };
        match word.split_once(':') {
            Some((local, remote)) => Ok((unit(local)?, unit(remote)?)),
            None => Ok((unit(&word)?, None)),
        }
    }

    fn show(value: &(TunnelUnit, TunnelUnit), _set: bool, show: &mut Show<'_>) {
        let word = |unit: TunnelUnit| unit.map_or_else(|| "any".to_owned(), |n| n.to_string());
        show.line(format_args!("{}:{}", word(value.0), word(value.1)));
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
                (!kind.is_empty()).then(|| ChannelTimeout { kind: kind.to_owned(), timeout })
            })
            .collect::<Option<_>>()
            .ok_or_else(|| format!("invalid channel timeout {}", words.whole_line()))
    }

    fn show(value: &Vec<ChannelTimeout>, set: bool, show: &mut Show<'_>) {
        if !value.is_empty() {
            let list: Vec<String> =
                value.iter().map(|t| format!("{}={}", t.kind, t.timeout.as_secs())).collect();
            show.line(list.join(" "));
        } else if set || show.side == Side::Client {
            show.line("none");
        }
    }
}

/// `CanonicalizePermittedCNAMEs`: `from:to` words or `none`.
pub(crate) struct CanonicalNames;

impl Value for CanonicalNames {
    type Target = Vec<PermittedCname>;
    const KIND: Kind = Kind::Special;

    fn parse(words: &mut Words<'_>, scope: &Scope<'_>) -> Result<Vec<PermittedCname>, String> {
        let list = crate::codec::List::parse(words, scope)?;
        list.into_iter()
            .map(|word| match word.split_once(':') {
                Some((source, target)) if !target.is_empty() => {
                    Ok(PermittedCname { source: source.to_owned(), target: target.to_owned() })
                }
                None if word == "*" => {
                    Ok(PermittedCname { source: word.clone(), target: word.clone() })
                }
                _ => Err(format!("Invalid permitted CNAME \"{word}\"")),
            })
            .collect()
    }

    fn show(value: &Vec<PermittedCname>, _set: bool, show: &mut Show<'_>) {
        let list: Vec<String> =
            value.iter().map(|rule| format!("{}:{}", rule.source, rule.target)).collect();
        show.line(if list.is_empty() { "none".to_owned() } else { list.join(" ") });
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
        show.line(quoted(&format!("{}={}", value.0, value.1)));
    }
}

/// The client's `PermitRemoteOpen`: `host:port` words, `any` or `none`.
pub(crate) struct RemoteOpen;

impl Value for RemoteOpen {
    type Target = Permit;
    const KIND: Kind = Kind::Special;

    fn parse(words: &mut Words<'_>, scope: &Scope<'_>) -> Result<Permit, String> {
        let keyword = scope.keyword;
        let list: Vec<String> = words.drain().collect();
        match list.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            [] | [""] => return Err(format!("missing {keyword} specification")),
            ["any"] => return Ok(Permit::Any),
            ["none"] => return Ok(Permit::None),
            _ => {}
        }
        let entry = |word: &String| {
            let (host, port) = host_and_port(word).unwrap_or_else(|| (word.clone(), String::new()));
            if host.is_empty() {
                return Err(format!("missing host in {keyword}"));
            }
            let port =
                permitted_port(&port).ok_or_else(|| format!("bad port number in {keyword}"))?;
            Ok(HostPort { host: Some(host), port })
        };
        list.iter().map(entry).collect::<Result<_, _>>().map(Permit::Only)
    }

    fn show(value: &Permit, _set: bool, show: &mut Show<'_>) {
        show_permit(value, show);
    }
}

/// `host:port`, `[address]:port`.
pub(crate) fn host_and_port(word: &str) -> Option<(String, String)> {
    if let Some(inner) = word.strip_prefix('[') {
        let (host, rest) = inner.split_once(']')?;
        return Some((host.to_owned(), rest.strip_prefix(':')?.to_owned()));
    }
    let (host, port) = word.split_once(':')?;
    Some((host.to_owned(), port.to_owned()))
}

/// A port or `*`; nothing inside for `*`.
pub(crate) fn permitted_port(text: &str) -> Option<Option<u16>> {
    match text {
        "*" => Some(None),
        _ => parse::port(text).filter(|port| *port > 0).map(Some),
    }
}

/// Prints a list of allowed targets on one line.
pub(crate) fn show_permit(value: &Permit, show: &mut Show<'_>) {
    let list = match value {
        Permit::Any => return show.line("any"),
        Permit::None => return show.line("none"),
        Permit::Only(list) => list,
    };
    let words: Vec<String> = list
        .iter()
        .map(|entry| {
            let port = entry.port.map_or_else(|| "*".to_owned(), |port| port.to_string());
            match &entry.host {
                Some(host) if host.contains(':') => format!("[{host}]:{port}"),
                Some(host) => format!("{host}:{port}"),
                None => format!("*:{port}"),
            }
        })
        .collect();
    show.line(words.join(" "));
}

/// `LocalForward`, `RemoteForward` and `DynamicForward`.
pub(crate) struct ForwardLine<const DIRECTION: u8>;

impl ForwardLine<0> {
    pub const LOCAL: u8 = 0;
    pub const REMOTE: u8 = 1;
    pub const DYNAMIC: u8 = 2;
}

impl<const DIRECTION: u8> Value for ForwardLine<DIRECTION> {
    type Target = Forward;
    const KIND: Kind = Kind::Special;

    fn parse(words: &mut Words<'_>, _scope: &Scope<'_>) -> Result<Forward, String> {
        let direction = match DIRECTION {
            0 => forward::Direction::Local,
            1 => forward::Direction::Remote,
            _ => forward::Direction::Dynamic,
        };
        let mut text = words.need("Missing argument.")?;
        if direction != forward::Direction::Dynamic {
            match words.next() {
                Some(target) if target == forward::REMOTE_SOCKS => {}
                Some(target) if !target.is_empty() => {
                    text.push(':');
                    text.push_str(&target);
                }
                // A remote listener without a target is a SOCKS server here.
                _ if direction == forward::Direction::Remote => {}
                // One word with everything, as on the command line.
                _ if forward::parse(&text, direction).is_some() => {}
                _ => return Err("Missing target argument.".to_owned()),
            }
        }
        forward::parse(&text, direction).ok_or_else(|| "Bad forwarding specification.".to_owned())
    }

    fn show(value: &Forward, _set: bool, show: &mut Show<'_>) {
        let text = forward::show(value);
        if DIRECTION == 1 && value.connect == Connect::Dynamic {
            show.line(format_args!("{text} {}", forward::REMOTE_SOCKS));
        } else {
            show.line(text);
        }
    }
}

/// `ProxyJump`: hosts with commas, or `none`.
pub(crate) struct JumpList;

impl Value for JumpList {
    type Target = Vec<Jump>;
    const KIND: Kind = Kind::Special;

    fn parse(words: &mut Words<'_>, _scope: &Scope<'_>) -> Result<Vec<Jump>, String> {
        let text = words.whole_line();
        if text.is_empty() {
            return Err("Missing argument.".to_owned());
        }
        if text.eq_ignore_ascii_case("none") {
            return Ok(Vec::new());
        }
        forward::parse_jumps(text).ok_or_else(|| format!("Invalid ProxyJump \"{text}\""))
    }

    fn show(value: &Vec<Jump>, _set: bool, show: &mut Show<'_>) {
        if !value.is_empty() {
            show.line(forward::show_jumps(value));
        }
    }
}
