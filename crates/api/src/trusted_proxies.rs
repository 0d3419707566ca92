//! The proxies whose word on a request's client is taken.

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

/// Addresses and networks, perhaps none.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Vec<IpNet>);

/// A text between the commas that names no network.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is neither an address nor a network\n\
     hint: for example 10.0.0.0/8, fd00::/8 or 192.0.2.7, with commas between them"
)]
pub struct InvalidProxy(String);

impl TrustedProxies {
    /// Whether nobody is trusted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

impl FromStr for TrustedProxies {
    type Err = InvalidProxy;

    /// Reads `10.0.0.0/8,192.0.2.7`; white space around a part doesn't count, nor does an empty part.
    fn from_str(text: &str) -> Result<Self, InvalidProxy> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        parts.map(network).collect::<Result<_, _>>().map(Self)
    }
}

fn network(part: &str) -> Result<IpNet, InvalidProxy> {
    match part.parse::<IpAddr>() {
        Ok(address) => Ok(address.to_canonical().into()),
        Err(_) => part.parse().map_err(|_| InvalidProxy(part.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_contains_its_addresses_and_no_others() {
        let proxies: TrustedProxies = "10.0.0.0/8, 192.0.2.7,fd00::/8,".parse().expect("networks");
        for (address, want) in [
            ("10.255.0.1", true),
            ("11.0.0.1", false),
            ("192.0.2.7", true),
            ("192.0.2.8", false),
            ("fd12::1", true),
            ("fe80::1", false),
        ] {
            assert_eq!(proxies.contains(address.parse().expect("an address")), want, "{address}");
        }
        assert!("".parse::<TrustedProxies>().expect("nobody").is_empty());
    }

    #[test]
    fn what_is_no_network_is_named() {
        for text in ["localhost", "10.0.0.0/33", "10.0.0.0/8 192.0.2.7", "10.0.0.1:80", "[::1]", "*"] {
            assert_eq!(text.parse::<TrustedProxies>().unwrap_err(), InvalidProxy(text.to_owned()));
        }
    }
}
