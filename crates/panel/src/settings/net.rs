//! Networks as they are written: an address, or one with how many of its bits count.

use std::net::IpAddr;
use std::str::FromStr;

use serde::Deserialize;

/// A network, `10.0.0.0/8`, or a single address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Net {
    address: IpAddr,
    bits: u8,
}

impl Net {
    /// Whether the address is in it; IPv4 in IPv6's clothes is IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(address)) => {
                let rest = 32 - u32::from(self.bits);
                (u32::from(net) ^ u32::from(address)).checked_shr(rest).unwrap_or(0) == 0
            }
            (IpAddr::V6(net), IpAddr::V6(address)) => {
                let rest = 128 - u32::from(self.bits);
                (u128::from(net) ^ u128::from(address)).checked_shr(rest).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

impl FromStr for Net {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no address and no network like 10.0.0.0/8");
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            Some(bits) => bits.parse().ok().filter(|bits| *bits <= most).ok_or_else(wrong)?,
            None => most,
        };
        Ok(Self { address, bits })
    }
}

impl TryFrom<String> for Net {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::Net;

    #[test]
    fn addresses_in_networks() {
        let is_in = |net: &str, address: &str| {
            net.parse::<Net>().unwrap().contains(address.parse().unwrap())
        };
        assert!(is_in("10.0.0.0/8", "10.255.0.1") && !is_in("10.0.0.0/8", "11.0.0.1"));
        assert!(is_in("192.0.2.1", "192.0.2.1") && !is_in("192.0.2.1", "192.0.2.2"));
        assert!(is_in("0.0.0.0/0", "8.8.8.8") && !is_in("0.0.0.0/0", "::1"));
        assert!(is_in("10.0.0.0/8", "::ffff:10.1.1.1"));
        assert!(is_in("2001:db8::/32", "2001:db8:1::1") && !is_in("2001:db8::/32", "2001:db9::1"));
        for wrong in ["", "10.0.0.0/33", "10.0.0.0/", "host", "::/129", "10/8"] {
            assert!(wrong.parse::<Net>().is_err(), "{wrong}");
        }
    }
}
