//! Limits on connections and what is done about those who reach them.

use std::time::Duration;

use crate::codec::{Scope, Show, Value, missing_argument};
use crate::keyword::Kind;
use crate::parse::{self, Words};
use crate::value::{MaxStartups, NetBlockSize, Penalties};

/// `MaxStartups start[:rate:full]`.
pub(crate) struct Startups;

impl Value for Startups {
    type Target = MaxStartups;
    const KIND: Kind = Kind::Special;

    fn parse(words: &mut Words<'_>, scope: &Scope<'_>) -> Result<MaxStartups, String> {
        let word = words.need(&missing_argument(scope))?;
        let numbers: Option<Vec<u32>> = word.split(':').map(|part| part.parse().ok()).collect();
        match numbers.as_deref() {
            Some(&[full]) if full >= 1 => Ok(MaxStartups { start: full, rate: 30, full }),
            Some(&[start, rate, full])
                if start >= 1 && start <= full && (1..=100).contains(&rate) =>
            {
                Ok(MaxStartups { start, rate, full })
            }
            _ => Err(format!("Invalid {} spec.", scope.keyword)),
        }
    }

    fn show(value: &MaxStartups, _set: bool, show: &mut Show<'_>) {
        show.line(format_args!("{}:{}:{}", value.start, value.rate, value.full));
    }
}

/// A number or `none`.
pub(crate) struct StartupsOrNone;

impl Value for StartupsOrNone {
    type Target = Option<u32>;
    const KIND: Kind = Kind::Number;

    fn parse(words: &mut Words<'_>, scope: &Scope<'_>) -> Result<Option<u32>, String> {
        let word = words.next().unwrap_or_default();
        if word == "none" {
            return Ok(None);
        }
        parse::number(&word, 0, i64::from(i32::MAX))
            .map(|value| u32::try_from(value).ok())
            .map_err(|why| format!("{} integer value {why}.", scope.keyword))
    }

    fn show(value: &Option<u32>, _set: bool, show: &mut Show<'_>) {
        match value {
            Some(value) => show.line(value),
            None => show.line("none"),
        }
    }
}

/// `PerSourceNetBlockSize ipv4[:ipv6]`.
pub(crate) struct BlockSize;

impl Value for BlockSize {
    type Target = NetBlockSize;
    const KIND: Kind = Kind::Special;

    fn parse(words: &mut Words<'_>, scope: &Scope<'_>) -> Result<NetBlockSize, String> {
        let word = words.need(&missing_argument(scope))?;
        let bits = |text: &str, most: i64| {
            parse::number(text, 0, most)
                .map(|bits| u8::try_from(bits).unwrap_or(u8::MAX))
                .map_err(|_| format!("Invalid {} spec.", scope.keyword))
        };
        match word.split_once(':') {
            Some((ipv4, ipv6)) => {
                Ok(NetBlockSize { ipv4: bits(ipv4, 32)?, ipv6: bits(ipv6, 128)? })
            }
            None => Ok(NetBlockSize { ipv4: bits(&word, 32)?, ipv6: 128 }),
        }
    }

    fn show(value: &NetBlockSize, _set: bool, show: &mut Show<'_>) {
        show.line(format_args!("{}:{}", value.ipv4, value.ipv6));
    }
}

impl Default for Penalties {
    fn default() -> Self {
        Penalties {
            enabled: true,
            crash: Duration::from_secs(90),
            authentication_failure: Duration::from_secs(5),
            invalid_user: Duration::from_secs(5),
            refuse_connection: Duration::from_secs(10),
            no_authentication: Duration::from_secs(1),
            grace_exceeded: Duration::from_secs(10),
            maximum: Duration::from_secs(600),
            minimum: Duration::from_secs(15),
            max_sources_ipv4: 65536,
            max_sources_ipv6: 65536,
            overflow_permissive: true,
            overflow6_permissive: true,
        }
    }
}

/// `PerSourcePenalties`: `yes`, `no`, or `kind:time` words.
pub(crate) struct Penalise;

impl Penalise {
    fn word(value: &mut Penalties, word: &str) -> Option<()> {
        let Some((kind, amount)) = word.split_once(':') else {
            match word {
                "yes" => value.enabled = true,
                "no" => value.enabled = false,
                _ => return None,
            }
            return Some(());
        };
        let overflow = |text| match text {
            "permissive" => Some(true),
            "deny-all" => Some(false),
            _ => None,
        };
        let sources = |text: &str| text.parse().ok().filter(|n: &u32| (1..=1 << 30).contains(n));
        match kind {
            "overflow" => value.overflow_permissive = overflow(amount)?,
            "overflow6" => value.overflow6_permissive = overflow(amount)?,
            "max-sources4" => value.max_sources_ipv4 = sources(amount)?,
            "max-sources6" => value.max_sources_ipv6 = sources(amount)?,
            _ => *Self::duration(value, kind)? = parse::time(amount)?,
        }
        Some(())
    }

    fn duration<'a>(value: &'a mut Penalties, kind: &str) -> Option<&'a mut Duration> {
        Some(match kind {
            "crash" => &mut value.crash,
            "authfail" => &mut value.authentication_failure,
            "invaliduser" => &mut value.invalid_user,
            "refuseconnection" => &mut value.refuse_connection,
            "noauth" => &mut value.no_authentication,
            "grace-exceeded" => &mut value.grace_exceeded,
            "max" => &mut value.maximum,
            "min" => &mut value.minimum,
            _ => return None,
        })
    }
}

impl Value for Penalise {
    type Target = Penalties;
    const KIND: Kind = Kind::Special;

    fn parse(words: &mut Words<'_>, scope: &Scope<'_>) -> Result<Penalties, String> {
        let mut value = Penalties::default();
        let mut count = 0;
        for word in words.drain() {
            count += 1;
            Self::word(&mut value, &word)
                .ok_or_else(|| format!("unsupported {} option {word}", scope.keyword))?;
        }
        if count == 0 {
            return Err(missing_argument(scope));
        }
        Ok(value)
    }

    fn show(value: &Penalties, _set: bool, show: &mut Show<'_>) {
        if !value.enabled {
            show.line("no");
            return;
        }
        let overflow = |permissive| if permissive { "permissive" } else { "deny-all" };
        show.line(format_args!(
            "crash:{} authfail:{} noauth:{} invaliduser:{} refuseconnection:{} \
             grace-exceeded:{} max:{} min:{} max-sources4:{} max-sources6:{} overflow:{} \
             overflow6:{}",
            value.crash.as_secs(),
            value.authentication_failure.as_secs(),
            value.no_authentication.as_secs(),
            value.invalid_user.as_secs(),
            value.refuse_connection.as_secs(),
            value.grace_exceeded.as_secs(),
            value.maximum.as_secs(),
            value.minimum.as_secs(),
            value.max_sources_ipv4,
            value.max_sources_ipv6,
            overflow(value.overflow_permissive),
            overflow(value.overflow6_permissive),
        ));
    }
}
