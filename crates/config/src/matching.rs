//! Patterns, pattern lists and address lists.

use std::net::IpAddr;

/// Whether `text` fits a pattern of `*` and `?`.
///
/// Takes time in proportion to the product of both lengths at worst, never more.
pub fn pattern(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t, mut retry) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                p += 1;
                retry = Some((p, t));
            }
            Some(b'?') => (p, t) = (p + 1, t + 1),
            Some(byte) if text.get(t) == Some(byte) => (p, t) = (p + 1, t + 1),
            _ => match retry {
                // The last star takes one byte more.
                Some((after_star, taken)) => {
                    retry = Some((after_star, taken + 1));
                    (p, t) = (after_star, taken + 1);
                }
                None => return false,
            },
        }
    }
    pattern.get(p..).is_some_and(|rest| rest.iter().all(|byte| *byte == b'*'))
}

/// What a comma list of patterns says: nothing, or yes, or with `!` no. A no is final.
pub fn list(list: &str, text: &str, ignore_case: bool) -> Option<bool> {
    let lower = if ignore_case { text.to_ascii_lowercase() } else { text.to_owned() };
    let mut hit = None;
    for entry in list.split(',') {
        let (negated, entry) = match entry.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, entry),
        };
        let fits = if ignore_case {
            pattern(&entry.to_ascii_lowercase(), &lower)
        } else {
            pattern(entry, &lower)
        };
        match (fits, negated) {
            (true, true) => return Some(false),
            (true, false) => hit = Some(true),
            (false, _) => {}
        }
    }
    hit
}

/// Whether a list of host patterns takes a host. Host names have no case.
pub fn host_list(patterns: &str, host: &str) -> bool {
    list(patterns, host, true) == Some(true)
}

/// An address that is no address, or one with bits beyond its mask.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Invalid network address or mask: {0}")]
pub struct BadNetwork(pub String);

/// One `address/bits`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// Reads `address` or `address/bits`. Nothing if it does not look like one.
    ///
    /// # Errors
    /// [`BadNetwork`] when the mask is too long or the address has bits beyond it: then one of
    /// both is a mistake, and nobody can say which.
    pub fn parse(text: &str) -> Result<Option<Network>, BadNetwork> {
        let (address, mask) = match text.split_once('/') {
            Some((address, mask)) => (address, Some(mask)),
            None => (text, None),
        };
        let Ok(address) = address.parse::<IpAddr>() else { return Ok(None) };
        let width = if address.is_ipv4() { 32 } else { 128 };
        let bits = match mask {
            None => width,
            Some(mask) if mask.bytes().all(|byte| byte.is_ascii_digit()) => mask
                .parse::<u8>()
                .ok()
                .filter(|bits| *bits <= width)
                .ok_or_else(|| BadNetwork(text.to_owned()))?,
            Some(_) => return Err(BadNetwork(text.to_owned())),
        };
        let network = Network { address, bits };
        if masked(address, bits) != address {
            return Err(BadNetwork(text.to_owned()));
        }
        Ok(Some(network))
    }

    /// Whether an address lies in it. An IPv4 address in IPv6 form counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4() && masked(address, self.bits) == self.address
    }
}

/// The address with all but its leading bits cleared.
fn masked(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits.min(32))).unwrap_or(0);
            IpAddr::V4((v4.to_bits() & mask).into())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits.min(128))).unwrap_or(0);
            IpAddr::V6((v6.to_bits() & mask).into())
        }
    }
}

/// What a comma list of networks and patterns says of an address, like [`list`].
///
/// # Errors
/// [`BadNetwork`] for an entry that looks like a network and is none.
pub fn address_list(entries: &str, address: &str) -> Result<Option<bool>, BadNetwork> {
    let parsed = address.parse::<IpAddr>().ok();
    let mut hit = None;
    for entry in entries.split(',') {
        let (negated, entry) = match entry.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, entry),
        };
        if entry.is_empty() {
            return Err(BadNetwork(entries.to_owned()));
        }
        let fits = match Network::parse(entry)? {
            Some(network) => parsed.is_some_and(|address| network.contains(address)),
            None => list(entry, address, true) == Some(true),
        };
        match (fits, negated) {
            // Read on in any case, so that a bad entry is found wherever it is.
            (true, true) => hit = Some(false),
            (true, false) if hit != Some(false) => hit = Some(true),
            _ => {}
        }
    }
    Ok(hit)
}

/// Whether `user` or `user@host` of `AllowUsers` and the like fits.
///
/// The part after the `@` may be a host pattern or a network. `user` compares with capitals.
///
/// # Errors
/// [`BadNetwork`] for a network that is none.
pub fn user_pattern(
    entry: &str,
    user: &str,
    host: &str,
    address: &str,
) -> Result<bool, BadNetwork> {
    let Some((user_part, host_part)) = entry.rsplit_once('@') else {
        return Ok(pattern(entry, user));
    };
    if !pattern(user_part, user) {
        return Ok(false);
    }
    if let Some(fits) = address_list(host_part, address)? {
        return Ok(fits);
    }
    Ok(list(host_part, host, true) == Some(true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (text, fits) in [
            ("*", true),
            ("", false),
            ("a*c", true),
            ("a?c", true),
            ("?*?", true),
            ("abc", true),
            ("ab", false),
            ("abcd", false),
            ("*c*", true),
            ("*b", false),
            ("a**c", true),
            ("????", false),
            ("ABC", false),
        ] {
            assert_eq!(pattern(text, "abc"), fits, "{text}");
        }
        assert!(pattern("", "") && pattern("*", "") && !pattern("?", ""));
    }

    #[test]
    fn hostile_pattern_ends() {
        let stars = "*a".repeat(2000);
        assert!(!pattern(&stars, &"a".repeat(1999)));
    }

    #[test]
    fn lists() {
        assert_eq!(list("a,b*", "bx", false), Some(true));
        assert_eq!(list("a,b*,!bx", "bx", false), Some(false));
        assert_eq!(list("!bx", "c", false), None);
        assert!(host_list("*.Example.COM,!bad.*", "www.example.com"));
        assert!(!host_list("*.example.com,!bad.*", "bad.example.com"));
    }

    #[test]
    fn addresses() {
        let said = |list: &str, address: &str| address_list(list, address);
        assert_eq!(said("10.0.0.0/8", "10.1.2.3"), Ok(Some(true)));
        assert_eq!(said("10.0.0.0/8,!10.1.0.0/16", "10.1.2.3"), Ok(Some(false)));
        assert_eq!(said("!10.1.0.0/16,10.0.0.0/8", "10.1.2.3"), Ok(Some(false)));
        assert_eq!(said("10.0.0.0/8", "::ffff:10.1.2.3"), Ok(Some(true)));
        assert_eq!(said("192.168.*", "192.168.3.4"), Ok(Some(true)));
        assert_eq!(said("fe80::/10", "fe80::1"), Ok(Some(true)));
        assert_eq!(said("0.0.0.0/0", "1.2.3.4"), Ok(Some(true)));
        assert_eq!(said("0.0.0.0/0", "::1"), Ok(None));
        assert_eq!(said("::/0", "::1"), Ok(Some(true)));
        for bad in ["10.0.0.1/8", "10.0.0.0/33", "fe80::1/10", "10.0.0.0/x", "::/129", "10.0.0.0/"]
        {
            assert_eq!(said(bad, "10.0.0.1"), Err(BadNetwork(bad.to_owned())));
        }
    }

    #[test]
    fn users() {
        let fits = |entry: &str| user_pattern(entry, "ann", "h.example.org", "10.0.0.1");
        assert_eq!(fits("ann"), Ok(true));
        assert_eq!(fits("a*@*.example.org"), Ok(true));
        assert_eq!(fits("ann@10.0.0.0/8"), Ok(true));
        assert_eq!(fits("ann@11.0.0.0/8"), Ok(false));
        assert_eq!(fits("bob@10.0.0.0/8"), Ok(false));
        assert!(fits("ann@10.0.0.1/8").is_err());
    }
}
