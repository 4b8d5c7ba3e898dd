//! How values with a form of their own are read and printed; those of the server alone.

mod limits;

use crate::codec::{Codec, Scope, Show, Value, missing_argument};
use crate::keyword::Kind;
use crate::origin::{Origin, Setting};
use crate::parse::{self, Words};
use crate::special::{host_and_port, permitted_port, show_permit};
use crate::value::{
    HostPort, ListenAddress, Method, MethodList, Permit, PermitUserEnvironment, PubkeyAuthOptions,
    Subsystem,
};

pub(crate) use self::limits::{BlockSize, Penalise, Startups, StartupsOrNone};

/// A word that is printed only if it is there.
pub(crate) struct QuietWord;

impl Value for QuietWord {
    type Target = Option<String>;
    const KIND: Kind = Kind::Word;

    fn parse(words: &mut Words<'_>, scope: &Scope<'_>) -> Result<Option<String>, String> {
        crate::codec::WordOrNone::parse(words, scope)
    }

    fn show(value: &Option<String>, _set: bool, show: &mut Show<'_>) {
        if let Some(value) = value {
            show.line(value);
        }
    }
}

/// One `Port`.
pub(crate) struct Ports;

impl Value for Ports {
    type Target = u16;
    const KIND: Kind = Kind::Number;

    fn parse(words: &mut Words<'_>, _scope: &Scope<'_>) -> Result<u16, String> {
        let word = words.need("missing port number.")?;
        match parse::port(&word) {
            Some(port) if port > 0 => Ok(port),
            _ => Err("Badly formatted port number.".to_owned()),
        }
    }

    fn show(value: &u16, _set: bool, show: &mut Show<'_>) {
        show.line(value);
    }
}

/// `ListenAddress host[:port] [rdomain name]`.
pub(crate) struct Listening;

impl Value for Listening {
    type Target = ListenAddress;
    const KIND: Kind = Kind::Special;

    fn parse(words: &mut Words<'_>, _scope: &Scope<'_>) -> Result<ListenAddress, String> {
        let word = words.need("missing address")?;
        let colons = word.bytes().filter(|byte| *byte == b':').count();
        let bare = !word.starts_with('[') && colons != 1;
        let (host, port) = if bare {
            if colons > 0 && word.parse::<std::net::Ipv6Addr>().is_err() {
                return Err("bad address:port usage".to_owned());
            }
            (word.clone(), None)
        } else if let Some(host) = word.strip_prefix('[').and_then(|w| w.strip_suffix(']')) {
            (host.to_owned(), None)
        } else {
            let (host, port) = host_and_port(&word).ok_or("bad address:port usage")?;
            let port = parse::port(&port).filter(|port| *port > 0).ok_or("bad port number")?;
            (host, Some(port))
        };
        let routing_domain = match words.next() {
            None => None,
            Some(word) if word == "rdomain" => Some(words.need("bad ListenAddress syntax")?),
            Some(_) => return Err("bad ListenAddress syntax".to_owned()),
        };
        Ok(ListenAddress { host: (host != "*").then_some(host), port, routing_domain })
    }

    fn show(value: &ListenAddress, _set: bool, show: &mut Show<'_>) {
        let host = value.host.as_deref().unwrap_or("*");
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let port = value.port.map(|port| format!(":{port}")).unwrap_or_default();
        let domain = value
            .routing_domain
            .as_ref()
            .map(|name| format!(" rdomain {name}"))
            .unwrap_or_default();
        show.line(format_args!("{host}{port}{domain}"));
    }
}

/// `PermitOpen` and `PermitListen`.
pub(crate) struct Open<const WHAT: u8>;

impl Open<0> {
    pub const CONNECT: u8 = 0;
    pub const LISTEN: u8 = 1;
}

impl<const WHAT: u8> Value for Open<WHAT> {
    type Target = Permit;
    const KIND: Kind = Kind::Special;

    fn parse(words: &mut Words<'_>, scope: &Scope<'_>) -> Result<Permit, String> {
        let list: Vec<String> = words.drain().collect();
        match list.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            [] | [""] => return Err(missing_argument(scope)),
            ["any"] => return Ok(Permit::Any),
            ["none"] => return Ok(Permit::None),
            _ => {}
        }
        list.iter().map(|word| Self::entry(word, scope)).collect::<Result<_, _>>().map(Permit::Only)
    }

    fn show(value: &Permit, _set: bool, show: &mut Show<'_>) {
        show_permit(value, show);
    }
}

impl<const WHAT: u8> Open<WHAT> {
    fn entry(word: &str, scope: &Scope<'_>) -> Result<HostPort, String> {
        let bad_port = || format!("{} bad port number", scope.keyword);
        let (host, port) = match host_and_port(word) {
            // A listener may be named by its port alone.
            None if WHAT == 1 => (None, word.to_owned()),
            None => return Err(bad_port()),
            Some((host, port)) if !host.is_empty() => (Some(host), port),
            Some(_) => return Err(format!("{} missing host", scope.keyword)),
        };
        Ok(HostPort { host, port: permitted_port(&port).map_err(|()| bad_port())? })
    }
}

/// `AuthenticationMethods`: lists of methods, or `any`.
pub(crate) struct Methods;

impl Methods {
    const NAMES: [&'static str; 6] =
        ["none", "publickey", "password", "keyboard-interactive", "hostbased", "gssapi-with-mic"];

    fn list(word: &str) -> Option<MethodList> {
        word.split(',')
            .map(|part| {
                let (name, device) = match part.split_once(':') {
                    Some((name, device)) => (name, Some(device.to_owned())),
                    None => (part, None),
                };
                Self::NAMES.contains(&name).then(|| Method { name: name.to_owned(), device })
            })
            .collect()
    }
}

impl Value for Methods {
    type Target = Vec<MethodList>;
    const KIND: Kind = Kind::Special;

    fn parse(words: &mut Words<'_>, scope: &Scope<'_>) -> Result<Vec<MethodList>, String> {
        let list: Vec<String> = words.drain().collect();
        if let [only] = list.as_slice()
            && only == "any"
        {
            return Ok(Vec::new());
        }
        if list.iter().any(|word| word == "any") {
            return Err(format!("\"any\" must appear alone in {}", scope.keyword));
        }
        if list.is_empty() {
            return Err(format!("no {} specified", scope.keyword));
        }
        list.iter()
            .map(|word| Self::list(word))
            .collect::<Option<_>>()
            .ok_or_else(|| format!("invalid {} method list.", scope.keyword))
    }

    fn show(value: &Vec<MethodList>, _set: bool, show: &mut Show<'_>) {
        if value.is_empty() {
            show.line("any");
            return;
        }
        let method = |method: &Method| match &method.device {
            Some(device) => format!("{}:{device}", method.name),
            None => method.name.clone(),
        };
        let lists: Vec<String> = value
            .iter()
            .map(|list| list.iter().map(method).collect::<Vec<_>>().join(","))
            .collect();
        show.line(lists.join(" "));
    }
}

/// A word as a shell takes it back; version 9.2 lost the quotes here, later ones keep them.
fn quoted(word: &str) -> String {
    if !word.is_empty() && !word.starts_with('#') && !word.contains([' ', '\t', '"', '\'']) {
        return word.to_owned();
    }
    format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\""))
}

/// `Subsystem name command...`. A `Match` block replaces subsystems by name.
pub(crate) struct SubsystemLine;

impl Codec for SubsystemLine {
    type Field = Vec<Setting<Subsystem>>;
    const KIND: Kind = Kind::Special;

    fn read(
        field: &mut Self::Field,
        words: &mut Words<'_>,
        scope: &Scope<'_>,
    ) -> Result<(), String> {
        let name = words.need(&missing_argument(scope))?;
        let first = words.need("Missing subsystem command.")?;
        let mut command = first;
        for word in words.drain() {
            command.push(' ');
            command.push_str(&quoted(&word));
        }
        if !field.iter().any(|known| known.name == name) {
            field.push(Setting::new(Subsystem { name, command }, scope.origin.clone()));
        }
        Ok(())
    }

    fn show(field: &Self::Field, show: &mut Show<'_>) {
        for subsystem in field {
            show.line(format_args!("{} {}", subsystem.name, subsystem.command));
        }
    }

    fn is_set(field: &Self::Field) -> bool {
        !field.is_empty()
    }

    fn origins(field: &Self::Field) -> Vec<Origin> {
        field.iter().map(|setting| setting.origin.clone()).collect()
    }

    fn take_over(field: &mut Self::Field, from: &Self::Field) {
        for subsystem in from {
            match field.iter_mut().find(|known| known.name == subsystem.name) {
                Some(known) => known.clone_from(subsystem),
                None => field.push(subsystem.clone()),
            }
        }
    }
}

/// `PermitUserEnvironment`: yes, no, or a pattern list.
pub(crate) struct UserEnvironment;

impl Value for UserEnvironment {
    type Target = PermitUserEnvironment;
    const KIND: Kind = Kind::Special;

    fn parse(words: &mut Words<'_>, scope: &Scope<'_>) -> Result<PermitUserEnvironment, String> {
        let word = words.need(&missing_argument(scope))?;
        Ok(match word.as_str() {
            "yes" => PermitUserEnvironment::Yes,
            "no" => PermitUserEnvironment::No,
            _ => PermitUserEnvironment::Matching(word),
        })
    }

    fn show(value: &PermitUserEnvironment, _set: bool, show: &mut Show<'_>) {
        match value {
            PermitUserEnvironment::No => show.line("no"),
            PermitUserEnvironment::Yes => show.line("yes"),
            PermitUserEnvironment::Matching(list) => show.line(list),
        }
    }
}

/// `PubkeyAuthOptions`: `none`, `touch-required`, `verify-required`.
pub(crate) struct AuthOptions;

impl Value for AuthOptions {
    type Target = PubkeyAuthOptions;
    const KIND: Kind = Kind::Special;

    fn parse(words: &mut Words<'_>, scope: &Scope<'_>) -> Result<PubkeyAuthOptions, String> {
        let mut value = PubkeyAuthOptions::default();
        for word in words.drain() {
            match word.to_ascii_lowercase().as_str() {
                "none" => {}
                "touch-required" => value.touch_required = true,
                "verify-required" => value.verify_required = true,
                _ => return Err(format!("unsupported {} option {word}", scope.keyword)),
            }
        }
        Ok(value)
    }

    fn show(value: &PubkeyAuthOptions, _set: bool, show: &mut Show<'_>) {
        let mut words = Vec::new();
        if value.touch_required {
            words.push("touch-required");
        }
        if value.verify_required {
            words.push("verify-required");
        }
        show.line(if words.is_empty() { "none".to_owned() } else { words.join(" ") });
    }
}
