//! Who must stay away for a while, for what they did before (`PerSourcePenalties`).

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// What an address did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offence {
    /// A process of the connection crashed.
    Crash,
    /// Failed to authenticate.
    AuthenticationFailed,
    /// Tried an account that there is not.
    InvalidUser,
    /// Left without trying to authenticate.
    NoAuthentication,
    /// Did not get in in time.
    GraceExceeded,
    /// Was refused by the configuration.
    Refused,
}

impl Offence {
    /// As the log names it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Offence::Crash => "caused crash",
            Offence::AuthenticationFailed => "failed authentication",
            Offence::InvalidUser => "invalid user",
            Offence::NoAuthentication => "connections without attempting authentication",
            Offence::GraceExceeded => "exceeded LoginGraceTime",
            Offence::Refused => "connection prohibited by RefuseConnection",
        }
    }
}

/// What offences cost.
#[derive(Debug, Clone)]
pub(crate) struct Tariff {
    /// `PerSourcePenalties`.
    pub(crate) penalties: config::Penalties,
    /// `PerSourceNetBlockSize`: how many bits of an address tell sources apart.
    pub(crate) blocks: config::NetBlockSize,
}

impl Tariff {
    fn price(&self, offence: Offence) -> Duration {
        match offence {
            Offence::Crash => self.penalties.crash,
            Offence::AuthenticationFailed => self.penalties.authentication_failure,
            Offence::InvalidUser => self.penalties.invalid_user,
            Offence::NoAuthentication => self.penalties.no_authentication,
            Offence::GraceExceeded => self.penalties.grace_exceeded,
            Offence::Refused => self.penalties.refuse_connection,
        }
    }

    /// The source that an address belongs to.
    pub(crate) fn source(&self, address: IpAddr) -> IpAddr {
        match address {
            IpAddr::V4(v4) => {
                let mask =
                    u32::MAX.checked_shl(32 - u32::from(self.blocks.ipv4.min(32))).unwrap_or(0);
                IpAddr::V4((u32::from(v4) & mask).into())
            }
            IpAddr::V6(v6) => {
                let mask =
                    u128::MAX.checked_shl(128 - u32::from(self.blocks.ipv6.min(128))).unwrap_or(0);
                IpAddr::V6((u128::from(v6) & mask).into())
            }
        }
    }
}

#[derive(Debug)]
struct Penalty {
    ends: Instant,
    /// Has reached the minimum.
    active: bool,
    reason: Offence,
}

/// The addresses that have penalties; as many as the [`Tariff`] allows.
#[derive(Debug, Default)]
pub(crate) struct Penalties {
    v4: HashMap<IpAddr, Penalty>,
    v6: HashMap<IpAddr, Penalty>,
}

impl Penalties {
    /// Notes an offence. Returns the length of a penalty that begins with it.
    pub(crate) fn add(
        &mut self,
        tariff: &Tariff,
        address: IpAddr,
        offence: Offence,
        now: Instant,
    ) -> Option<Duration> {
        let price = tariff.price(offence);
        if !tariff.penalties.enabled || price.is_zero() {
            return None;
        }
        let source = tariff.source(address);
        let (table, most) = match source {
            IpAddr::V4(_) => (&mut self.v4, tariff.penalties.max_sources_ipv4 as usize),
            IpAddr::V6(_) => (&mut self.v6, tariff.penalties.max_sources_ipv6 as usize),
        };
        if table.len() >= most && !table.contains_key(&source) {
            table.retain(|_, penalty| penalty.ends > now);
            if table.len() >= most {
                let mildest = table.iter().min_by_key(|(_, penalty)| penalty.ends);
                let mildest = mildest.map(|(source, _)| *source)?;
                table.remove(&mildest);
            }
        }
        let penalty =
            table.entry(source).or_insert(Penalty { ends: now, active: false, reason: offence });
        if penalty.ends <= now {
            *penalty = Penalty { ends: now, active: false, reason: offence };
        }
        penalty.ends = (penalty.ends + price).min(now + tariff.penalties.maximum);
        penalty.reason = offence;
        let length = penalty.ends.duration_since(now);
        if penalty.active || length < tariff.penalties.minimum {
            return None;
        }
        penalty.active = true;
        Some(length)
    }

    /// Why an address may not come in now.
    pub(crate) fn refuses(
        &self,
        tariff: &Tariff,
        address: IpAddr,
        now: Instant,
    ) -> Option<&'static str> {
        if !tariff.penalties.enabled {
            return None;
        }
        let source = tariff.source(address);
        let (table, most, denies) = match source {
            IpAddr::V4(_) => (
                &self.v4,
                tariff.penalties.max_sources_ipv4 as usize,
                !tariff.penalties.overflow_permissive,
            ),
            IpAddr::V6(_) => (
                &self.v6,
                tariff.penalties.max_sources_ipv6 as usize,
                !tariff.penalties.overflow6_permissive,
            ),
        };
        match table.get(&source) {
            Some(penalty) if penalty.active && penalty.ends > now => Some(penalty.reason.name()),
            _ if denies && table.len() >= most => {
                let standing = table.values().filter(|penalty| penalty.ends > now).count();
                (standing >= most).then_some("too many penalised addresses")
            }
            _ => None,
        }
    }

    /// Forgets what is over.
    pub(crate) fn sweep(&mut self, now: Instant) {
        self.v4.retain(|_, penalty| penalty.ends > now);
        self.v6.retain(|_, penalty| penalty.ends > now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tariff() -> Tariff {
        let seconds = Duration::from_secs;
        Tariff {
            penalties: config::Penalties {
                enabled: true,
                crash: seconds(90),
                authentication_failure: seconds(5),
                invalid_user: seconds(5),
                no_authentication: seconds(1),
                grace_exceeded: seconds(10),
                refuse_connection: seconds(10),
                maximum: seconds(600),
                minimum: seconds(15),
                max_sources_ipv4: 2,
                max_sources_ipv6: 2,
                overflow_permissive: true,
                overflow6_permissive: false,
            },
            blocks: config::NetBlockSize { ipv4: 32, ipv6: 64 },
        }
    }

    #[test]
    fn offences_add_up_to_a_penalty_that_ends() {
        let (tariff, mut penalties, now) = (tariff(), Penalties::default(), Instant::now());
        let address: IpAddr = "192.0.2.1".parse().unwrap();
        for _ in 0..2 {
            assert_eq!(penalties.add(&tariff, address, Offence::AuthenticationFailed, now), None);
            assert_eq!(penalties.refuses(&tariff, address, now), None);
        }
        let begun = penalties.add(&tariff, address, Offence::AuthenticationFailed, now);
        assert_eq!(begun, Some(Duration::from_secs(15)));
        assert_eq!(penalties.refuses(&tariff, address, now), Some("failed authentication"));
        let later = now + Duration::from_secs(15);
        assert_eq!(penalties.refuses(&tariff, address, later), None);
        for _ in 0..20 {
            penalties.add(&tariff, address, Offence::Crash, now);
        }
        assert!(penalties.refuses(&tariff, address, now + Duration::from_secs(599)).is_some());
        assert!(penalties.refuses(&tariff, address, now + Duration::from_secs(600)).is_none());
    }

    #[test]
    fn the_table_does_not_grow_beyond_its_limit() {
        let (tariff, mut penalties, now) = (tariff(), Penalties::default(), Instant::now());
        for last in 1..=9u8 {
            penalties.add(&tariff, IpAddr::from([192, 0, 2, last]), Offence::Crash, now);
            let v6 = IpAddr::from([0x2001, 0xdb8, 0, u16::from(last), 0, 0, 0, 1]);
            penalties.add(&tariff, v6, Offence::Crash, now);
        }
        assert_eq!((penalties.v4.len(), penalties.v6.len()), (2, 2));
        // IPv4 lets strangers in; IPv6 was told to deny once it is full.
        assert_eq!(penalties.refuses(&tariff, IpAddr::from([198, 51, 100, 1]), now), None);
        assert!(penalties.refuses(&tariff, "2001:db8:ffff::".parse().unwrap(), now).is_some());
    }

    #[test]
    fn one_network_is_one_source() {
        let (tariff, mut penalties, now) = (tariff(), Penalties::default(), Instant::now());
        penalties.add(&tariff, "2001:db8::1".parse().unwrap(), Offence::Crash, now);
        assert!(penalties.refuses(&tariff, "2001:db8::2".parse().unwrap(), now).is_some());
        assert!(penalties.refuses(&tariff, "2001:db8:0:1::2".parse().unwrap(), now).is_none());
    }
}
