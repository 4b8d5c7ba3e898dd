//! `-O` for certificates: what they allow and demand.

use std::net::IpAddr;

use keys::address;

use super::Failure;

/// Critical options or extensions: name, and data that a certificate carries.
type Fields = Vec<(String, Vec<u8>)>;

/// What is allowed unless it is taken away.
const PERMITS: &[&str] = &[
    "permit-X11-forwarding",
    "permit-agent-forwarding",
    "permit-port-forwarding",
    "permit-pty",
    "permit-user-rc",
];

/// Reads all `-O`, in order: the critical options and the extensions.
pub fn parse(options: &[String], for_host: bool) -> Result<(Fields, Fields), Failure> {
    let mut permits: Vec<&str> = if for_host { Vec::new() } else { PERMITS.to_vec() };
    let (mut no_touch, mut verify) = (false, false);
    let (mut command, mut source) = (None, None);
    let (mut critical, mut extensions) = (Fields::new(), Fields::new());
    for option in options {
        let lower = option.to_ascii_lowercase();
        match lower.as_str() {
            "clear" => {
                permits.clear();
                (no_touch, verify) = (false, false);
            }
            "touch-required" => no_touch = false,
            "no-touch-required" => no_touch = true,
            "verify-required" => verify = true,
            "no-verify-required" => verify = false,
            _ => {
                if let Some(permit) = permit(&lower) {
                    permits.retain(|known| *known != permit);
                    if !lower.starts_with("no-") {
                        permits.push(permit);
                    }
                } else if lower.starts_with("force-command=") {
                    once(&mut command, value(option), "force-command")?;
                } else if lower.starts_with("source-address=") {
                    let list = value(option);
                    once(&mut source, list, "source-address")?;
                    // Which address is asked about does not matter.
                    address::matches_cidr_list(list, IpAddr::from([0, 0, 0, 0]))
                        .map_err(|_| "Invalid source-address list")?;
                } else if lower.starts_with("extension:") {
                    extensions.push(own(option));
                } else if lower.starts_with("critical:") {
                    critical.push(own(option));
                } else {
                    return Err(format!("Unsupported certificate option \"{option}\"").into());
                }
            }
        }
    }
    let named = [("force-command", command), ("source-address", source)];
    critical.extend(
        named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), string(value?)))),
    );
    if verify {
        critical.push(("verify-required".to_owned(), Vec::new()));
    }
    extensions.extend(permits.iter().map(|name| ((*name).to_owned(), Vec::new())));
    if no_touch {
        extensions.push(("no-touch-required".to_owned(), Vec::new()));
    }
    Ok((critical, extensions))
}

fn permit(lower: &str) -> Option<&'static str> {
    let wanted = match lower.strip_prefix("no-") {
        Some(rest) => format!("permit-{rest}"),
        None => lower.to_owned(),
    };
    PERMITS.iter().copied().find(|name| name.eq_ignore_ascii_case(&wanted))
}

fn value(option: &str) -> &str {
    option.split_once('=').map_or("", |(_, value)| value)
}

fn once<'a>(slot: &mut Option<&'a str>, value: &'a str, name: &str) -> Result<(), Failure> {
    if value.is_empty() {
        return Err(format!("Empty {name} option").into());
    }
    if slot.is_some() {
        return Err(format!("{name} already specified").into());
    }
    *slot = Some(value);
    Ok(())
}

/// `extension:NAME[=VALUE]`
fn own(option: &str) -> (String, Vec<u8>) {
    let (_, rest) = option.split_once(':').unwrap_or(("", option));
    match rest.split_once('=') {
        Some((name, value)) => (name.to_owned(), string(value)),
        None => (rest.to_owned(), Vec::new()),
    }
}

/// A value is a string inside the data. PROTOCOL.certkeys.
fn string(value: &str) -> Vec<u8> {
    let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
    [&length.to_be_bytes(), value.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(options: &[&str], for_host: bool) -> Result<(Vec<String>, Vec<String>), Failure> {
        let options: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
        let names = |fields: Fields| fields.into_iter().map(|(name, _)| name).collect();
        parse(&options, for_host).map(|(critical, more)| (names(critical), names(more)))
    }

    #[test]
    fn what_is_allowed() {
        assert_eq!(names(&[], true), Ok((vec![], vec![])));
        assert_eq!(names(&[], false).map(|(_, more)| more.len()), Ok(5));
        let (_, more) = names(&["clear", "permit-PTY", "no-touch-required"], false).unwrap();
        assert_eq!(more, ["permit-pty", "no-touch-required"]);
        let (_, more) = names(&["no-x11-forwarding"], false).unwrap();
        assert!(!more.contains(&"permit-X11-forwarding".to_owned()) && more.len() == 4);
        let (critical, _) =
            names(&["force-command=x=y", "critical:a=b", "verify-required"], true).unwrap();
        assert_eq!(critical, ["a", "force-command", "verify-required"]);
    }

    #[test]
    fn what_is_not() {
        for bad in [
            &["bogus"][..],
            &["force-command="],
            &["force-command=a", "force-command=b"],
            &["source-address=10.0.0.1/8"],
            &["source-address=*"],
        ] {
            assert!(names(bad, false).is_err(), "{bad:?}");
        }
    }
}
