//! Lists of addresses, networks and host patterns: `from=` options,
//! `source-address` in certificates, and `Match Address`.

use std::net::IpAddr;

use crate::error::{Error, printable};
use crate::pattern;

/// An address with the number of bits that count.
struct Network {
    address: IpAddr,
    prefix: u32,
}

impl Network {
    /// `None` when `text` is something else, such as a host pattern.
    ///
    /// # Errors
    /// [`Error::BadAddress`] for a network with a bad length, or with bits
    /// set that do not count: such a line does not mean what it says.
    fn parse(text: &str) -> Result<Option<Self>, Error> {
        let bad = || Error::BadAddress(printable(text.as_bytes()));
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let Ok(address) = address.parse::<IpAddr>() else {
            return Ok(None);
        };
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => bits,
            Some(prefix) if prefix.bytes().all(|digit| digit.is_ascii_digit()) => {
                prefix.parse().map_err(|_| bad())?
            }
            Some(_) => return Err(bad()),
        };
        let network = Self { address, prefix };
        if prefix > bits || number(address) & !network.mask() != 0 {
            return Err(bad());
        }
        Ok(Some(network))
    }

    fn contains(&self, address: IpAddr) -> bool {
        self.address.is_ipv4() == address.is_ipv4()
            && (number(self.address) ^ number(address)) & self.mask() == 0
    }

    fn mask(&self) -> u128 {
        let bits = if self.address.is_ipv4() { 32 } else { 128 };
        u128::MAX.checked_shl(bits - self.prefix.min(bits)).unwrap_or(0)
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// Whether `address` is in a list of networks, as in `source-address`. There
/// is no negation and there are no patterns.
///
/// # Errors
/// [`Error::BadAddress`] when anything in the list is not a network.
pub fn matches_cidr_list(list: &str, address: IpAddr) -> Result<bool, Error> {
    let mut found = false;
    for entry in list.split(',') {
        let network =
            Network::parse(entry)?.ok_or_else(|| Error::BadAddress(printable(entry.as_bytes())))?;
        found |= network.contains(address.to_canonical());
    }
    Ok(found)
}

/// Holds `address` against networks and patterns over its text, with
/// negation. `Some(false)` is a hit with `!` in front, which outweighs every
/// other.
///
/// # Errors
/// [`Error::BadAddress`] when a network in the list is wrong.
pub fn matches_address_list(list: &str, address: IpAddr) -> Result<Option<bool>, Error> {
    let address = address.to_canonical();
    let text = address.to_string();
    let mut found = None;
    let mut negated_hit = false;
    // To the end in any case, so that what is wrong is always noticed.
    for entry in list.split(',') {
        let (negated, entry) = match entry.strip_prefix('!') {
            Some(entry) => (true, entry),
            None => (false, entry),
        };
        if entry.is_empty() {
            return Err(Error::BadAddress(String::new()));
        }
        let hit = match Network::parse(entry)? {
            Some(network) => network.contains(address),
            None => pattern::matches(entry, &text),
        };
        if hit {
            negated_hit |= negated;
            found = Some(true);
        }
    }
    Ok(if negated_hit { Some(false) } else { found })
}

/// Whether a peer matches a `from=` list by its address or, where known, by
/// its name; a negated hit of either is final.
///
/// # Errors
/// [`Error::BadAddress`] when a network in the list is wrong.
pub fn matches_host_and_address(
    list: &str,
    host: Option<&str>,
    address: IpAddr,
) -> Result<bool, Error> {
    let by_address = matches_address_list(list, address)?;
    let by_host = host.and_then(|host| pattern::matches_host_list(list, host));
    if by_address == Some(false) || by_host == Some(false) {
        return Ok(false);
    }
    Ok(by_address.is_some() || by_host.is_some())
}

/// Whether a `from=` list makes sense.
///
/// # Errors
/// [`Error::BadAddress`] when a network in the list is wrong.
pub fn check_list(list: &str) -> Result<(), Error> {
    matches_address_list(list, IpAddr::from([0, 0, 0, 0])).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn networks() {
        let list = "10.0.0.0/8,::1,2001:db8::/32";
        for (address, expected) in [
            ("10.255.0.1", true),
            ("11.0.0.1", false),
            ("::1", true),
            ("::2", false),
            ("2001:db8:1::1", true),
            ("::ffff:10.0.0.1", true),
        ] {
            assert_eq!(matches_cidr_list(list, ip(address)).unwrap(), expected, "{address}");
        }
        assert!(matches_cidr_list("0.0.0.0/0", ip("1.2.3.4")).unwrap());
        assert!(!matches_cidr_list("0.0.0.0/0", ip("::1")).unwrap());
        assert!(matches_cidr_list("::/0", ip("::1")).unwrap());
        for bad in ["10.0.0.1/8", "10.0.0.0/33", "*", "", "10.0.0.0/", "10.0.0.0/+8", "!10.0.0.0/8"]
        {
            assert!(matches_cidr_list(bad, ip("10.0.0.1")).is_err(), "{bad}");
        }
    }

    #[test]
    fn lists_of_hosts_and_addresses() {
        let matches = |list: &str, host: Option<&str>, address: &str| {
            matches_host_and_address(list, host, ip(address)).unwrap()
        };
        assert!(matches("*.example.org", Some("a.EXAMPLE.org"), "1.2.3.4"));
        assert!(!matches("*.example.org", None, "1.2.3.4"));
        assert!(matches("192.168.?.*", None, "192.168.1.1"));
        assert!(!matches("!10.0.0.1,10.0.0.0/8", None, "10.0.0.1"));
        assert!(matches("!10.0.0.1,10.0.0.0/8", None, "10.0.0.2"));
        assert!(!matches("10.0.0.0/8,!bad.example.org", Some("bad.example.org"), "10.0.0.1"));
        assert!(check_list("10.0.0.1/8").is_err());
        assert!(check_list("a,,b").is_err());
        assert!(check_list("a,!b,10.0.0.0/8").is_ok());
    }
}
