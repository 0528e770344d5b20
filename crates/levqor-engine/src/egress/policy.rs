//! What workflows may reach, as an operator says it.

use std::{fmt, net::IpAddr, str::FromStr, time::Duration};

/// A network in CIDR notation, such as `10.1.0.0/16` or a single address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    pub address: IpAddr,
    pub prefix: u8,
}

impl Network {
    /// Whether `address` lies in this network. An IPv6 address that carries an IPv4 one is in no IPv4 network:
    /// callers unwrap it first.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let shift = 32 - u32::from(self.prefix.min(32));
                let differs = u32::from(network) ^ u32::from(address);
                differs.checked_shr(shift).unwrap_or(0) == 0
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let shift = 128 - u32::from(self.prefix.min(128));
                let differs = u128::from(network) ^ u128::from(address);
                differs.checked_shr(shift).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let shown: String = text.chars().take(64).collect();
        let (address, prefix) = match text.trim().split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text.trim(), None),
        };
        let address: IpAddr = address.parse().map_err(|_| {
            format!(
                "{shown:?} is not a network: before the slash stands an IP address; \
                 write it like 10.1.0.0/16, fd00::/8 or 192.168.1.20"
            )
        })?;
        let widest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => widest,
            Some(digits) => digits
                .parse::<u8>()
                .ok()
                .filter(|prefix| *prefix <= widest && digits.bytes().all(|byte| byte.is_ascii_digit()))
                .ok_or_else(|| {
                    format!(
                        "{shown:?} is not a network: after the slash stands the prefix length; \
                         use a number from 0 to {widest}"
                    )
                })?,
        };
        let network = Network { address, prefix };
        let base = network.base();
        if base != address {
            return Err(format!(
                "{shown:?} is not a network: the address has bits beyond its prefix; \
                 write {base}/{prefix} for the network or {address} for the one address"
            ));
        }
        Ok(network)
    }
}

impl Network {
    /// The first address of the network that this address is in.
    fn base(&self) -> IpAddr {
        match self.address {
            IpAddr::V4(address) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0);
                IpAddr::V4((u32::from(address) & mask).into())
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix)).unwrap_or(0);
                IpAddr::V6((u128::from(address) & mask).into())
            }
        }
    }
}

/// What workflows may reach, and how much one call may take.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Networks that may be reached besides the public internet.
    pub allow: Vec<Network>,
    pub connect_timeout: Duration,
    /// From sending to the last byte.
    pub timeout: Duration,
    pub response_bytes_max: usize,
    pub redirects_max: usize,
    /// Address prefixes to replace before sending, such as `https://api.example.com` by `http://127.0.0.1:9000`: for
    /// trying a workflow against a stand-in. Empty on servers.
    pub rewrites: Vec<(String, String)>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            allow: Vec::new(),
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(30),
            response_bytes_max: levqor_model::limits::PAYLOAD_BYTES_MAX,
            redirects_max: 10,
            rewrites: Vec::new(),
        }
    }
}

impl Policy {
    /// The address after the first rewrite that fits.
    pub(super) fn rewritten<'a>(&self, uri: &'a str) -> std::borrow::Cow<'a, str> {
        for (from, to) in &self.rewrites {
            if let Some(rest) = uri.strip_prefix(from.as_str()) {
                return format!("{to}{rest}").into();
            }
        }
        uri.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_read_and_shown() {
        for (text, shown) in [
            ("10.1.0.0/16", "10.1.0.0/16"),
            (" 192.168.1.20 ", "192.168.1.20/32"),
            ("fd00::/8", "fd00::/8"),
            ("::1", "::1/128"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("::/0", "::/0"),
        ] {
            assert_eq!(text.parse::<Network>().map(|network| network.to_string()), Ok(shown.to_owned()));
        }
    }

    #[test]
    fn what_is_not_a_network_says_what_to_write() {
        for (text, hint) in [
            ("", "10.1.0.0/16"),
            ("localhost", "IP address"),
            ("10.0.0.0/33", "from 0 to 32"),
            ("10.0.0.0/", "from 0 to 32"),
            ("10.0.0.0/+8", "from 0 to 32"),
            ("fd00::/129", "from 0 to 128"),
            ("10.1.2.3/16", "write 10.1.0.0/16 for the network or 10.1.2.3 for the one address"),
            ("fd00::1/8", "write fd00::/8"),
        ] {
            let message = text.parse::<Network>().expect_err(text);
            assert!(message.contains(hint) && message.contains(&format!("{text:?}")), "{text}: {message}");
        }
    }

    #[test]
    fn a_network_contains_its_addresses_only() {
        for (network, address, inside) in [
            ("10.1.0.0/16", "10.1.255.255", true),
            ("10.1.0.0/16", "10.2.0.0", false),
            ("0.0.0.0/0", "8.8.8.8", true),
            ("0.0.0.0/0", "::1", false),
            ("::/0", "2606:4700::1", true),
            ("127.0.0.1", "127.0.0.1", true),
            ("127.0.0.1", "127.0.0.2", false),
            ("fd00::/8", "fdff::1", true),
            ("fd00::/8", "fc00::1", false),
        ] {
            let network: Network = network.parse().unwrap();
            assert_eq!(network.contains(address.parse().unwrap()), inside, "{network} {address}");
        }
    }

    #[test]
    fn the_first_fitting_rewrite_replaces_the_prefix() {
        let policy = Policy {
            rewrites: vec![
                ("https://api.example.com".into(), "http://127.0.0.1:9000/api".into()),
                ("https://".into(), "http://127.0.0.1:9001/".into()),
            ],
            ..Policy::default()
        };
        assert_eq!(policy.rewritten("https://api.example.com/x"), "http://127.0.0.1:9000/api/x");
        assert_eq!(policy.rewritten("https://other.example/x"), "http://127.0.0.1:9001/other.example/x");
        assert_eq!(policy.rewritten("http://other.example/x"), "http://other.example/x");
    }
}
