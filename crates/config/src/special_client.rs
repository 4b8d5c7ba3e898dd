//! How values with a form of their own are read and printed; those of the client alone.

use std::time::Duration;

use crate::codec::{Scope, Show, Value, missing_argument};
use crate::forward;
use crate::keyword::Kind;
use crate::parse::{self, Words};
use crate::special::{host_and_port, permitted_port, show_permit};
use crate::value::{
    Connect, ControlPersist, Forward, HostPort, Jump, Permit, PermittedCname, TunnelUnit,
};

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
            // As vis(3) does: white space in octal digits, other controls with a caret.
            Some(byte @ (9 | 10 | 32)) => show.line(format_args!("\\{byte:03o}")),
            Some(byte @ 0..32) => show.line(format_args!("\\^{}", char::from(byte + 64))),
            Some(127) => show.line("\\^?"),
            Some(byte) => show.line(char::from(*byte)),
        }
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
                permitted_port(&port).map_err(|()| format!("bad port number in {keyword}"))?;
            Ok(HostPort { host: Some(host), port })
        };
        list.iter().map(entry).collect::<Result<_, _>>().map(Permit::Only)
    }

    fn show(value: &Permit, _set: bool, show: &mut Show<'_>) {
        show_permit(value, show);
    }
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
