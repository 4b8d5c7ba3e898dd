use super::{Options, Permit, Tunnel};
use crate::error::{Error, printable};
use crate::time::CivilTime;
use crate::{address, limits};

/// Reads a list of options. Names are taken in any case.
pub(super) fn parse(text: &str) -> Result<Options, Error> {
    let mut options = Options::default();
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(['=', ',']).unwrap_or(rest.len());
        let (name, behind) = rest.split_at(end);
        let name = name.to_ascii_lowercase();
        rest = if let Some(value) = behind.strip_prefix('=') {
            let (value, behind) = take_quoted(value)?;
            apply_value(&mut options, &name, value)?;
            behind
        } else {
            apply_flag(&mut options, &name)?;
            behind
        };
        if let Some(next) = rest.strip_prefix(',') {
            if next.is_empty() {
                return Err(bad("unexpected end-of-options"));
            }
            rest = next;
        } else if !rest.is_empty() {
            return Err(bad("a comma is missing between options"));
        }
    }
    Ok(options)
}

fn bad(reason: impl Into<String>) -> Error {
    Error::BadOptions(reason.into())
}

/// Takes `"..."`, in which `\"` is a quote.
fn take_quoted(text: &str) -> Result<(String, &str), Error> {
    let inner = text.strip_prefix('"').ok_or_else(|| bad("missing start quote"))?;
    let mut value = String::new();
    let mut characters = inner.char_indices().peekable();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return Ok((value, inner.get(at + 1..).unwrap_or_default())),
            '\\' if characters.next_if(|(_, next)| *next == '"').is_some() => value.push('"'),
            _ => value.push(c),
        }
    }
    Err(bad("missing end quote"))
}

fn apply_flag(options: &mut Options, name: &str) -> Result<(), Error> {
    let (plain, on) = match name.strip_prefix("no-") {
        Some(plain) => (plain, false),
        None => (name, true),
    };
    match plain {
        "cert-authority" if on => options.cert_authority = true,
        "restrict" if on => {
            options.restrict = true;
            options.agent_forwarding = false;
            options.port_forwarding = false;
            options.x11_forwarding = false;
            options.pty = false;
            options.user_rc = false;
        }
        "agent-forwarding" => options.agent_forwarding = on,
        "port-forwarding" => options.port_forwarding = on,
        "x11-forwarding" => options.x11_forwarding = on,
        "pty" => options.pty = on,
        "user-rc" => options.user_rc = on,
        "touch-required" => options.no_touch_required = !on,
        "verify-required" => options.verify_required = on,
        _ => return Err(bad(format!("unknown key option {:?}", printable(name.as_bytes())))),
    }
    Ok(())
}

fn apply_value(options: &mut Options, name: &str, value: String) -> Result<(), Error> {
    match name {
        "command" => set_once(&mut options.command, value, "command")?,
        "from" => {
            address::check_list(&value)
                .map_err(|error| bad(format!("invalid \"from\": {error}")))?;
            set_once(&mut options.from, value, "from")?;
        }
        "principals" => {
            let names: Vec<_> = value.split(',').map(|name| name.trim().to_owned()).collect();
            if names.iter().any(String::is_empty) {
                return Err(bad("an empty name in \"principals\""));
            }
            set_once(&mut options.principals, names, "principals")?;
        }
        "expiry-time" => {
            let time = CivilTime::parse(&value).map_err(|_| bad("invalid expires time"))?;
            if options.expiry_times.len() == limits::PERMITS {
                return Err(bad("too many expiry times"));
            }
            options.expiry_times.push(time);
        }
        "environment" => environment(options, &value)?,
        "permitopen" => permit(&mut options.permit_open, &value, false)?,
        "permitlisten" => permit(&mut options.permit_listen, &value, true)?,
        "tunnel" => {
            let tunnel = match value.as_str() {
                "any" => Tunnel::Any,
                unit => Tunnel::Unit(
                    unit.parse()
                        .ok()
                        .filter(|unit| *unit < 0x7fff_fffe)
                        .ok_or_else(|| bad("invalid tun device"))?,
                ),
            };
            options.tunnel = Some(tunnel);
        }
        _ => return Err(bad(format!("unknown key option {:?}", printable(name.as_bytes())))),
    }
    Ok(())
}

fn set_once<T>(option: &mut Option<T>, value: T, name: &str) -> Result<(), Error> {
    if option.is_some() {
        return Err(bad(format!("multiple {name:?} clauses")));
    }
    *option = Some(value);
    Ok(())
}

fn environment(options: &mut Options, value: &str) -> Result<(), Error> {
    let (name, value) = value.split_once('=').ok_or_else(|| bad("invalid environment string"))?;
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if name.is_empty() || !name.bytes().all(is_name) || value.contains('\0') {
        return Err(bad("invalid environment string"));
    }
    if options.environment.iter().any(|(known, _)| known == name) {
        return Ok(());
    }
    if options.environment.len() == limits::ENVIRONMENT {
        return Err(bad("too many environment strings"));
    }
    options.environment.push((name.to_owned(), value.to_owned()));
    Ok(())
}

fn permit(permits: &mut Vec<Permit>, value: &str, bare_port: bool) -> Result<(), Error> {
    if permits.len() == limits::PERMITS {
        return Err(bad("too many permission directives"));
    }
    let (host, port) = if let Some(rest) = value.strip_prefix('[') {
        let (host, rest) =
            rest.split_once(']').ok_or_else(|| bad("invalid permission hostname"))?;
        (host, rest.strip_prefix(':').ok_or_else(|| bad("invalid permission port"))?)
    } else {
        match value.split_once(':') {
            Some(parts) => parts,
            None if bare_port => ("*", value),
            None => return Err(bad("invalid permission port")),
        }
    };
    if host.is_empty() || host.len() > 1024 {
        return Err(bad("invalid permission hostname"));
    }
    let port = match port {
        "*" => None,
        // 0 is no port to connect to or to listen on.
        port => match port.parse() {
            Ok(port) if port > 0 => Some(port),
            _ => return Err(bad("invalid permission port")),
        },
    };
    permits.push(Permit { host: host.to_owned(), port });
    Ok(())
}
