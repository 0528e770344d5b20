//! Networks as an operator writes them.

use std::{fmt, net::IpAddr, str::FromStr};

use ipnet::IpNet;

/// A list of networks; empty: nobody is in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Networks(Vec<IpNet>);

/// A text that is no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a network")]
pub struct NotANetwork(String);

impl Networks {
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// Networks separated by commas; an address alone is a network of one.
impl FromStr for Networks {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        text.split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(|part| {
                let alone = part.parse::<IpAddr>().map(|address| IpNet::from(address.to_canonical()));
                part.parse::<IpNet>().or(alone).map_err(|_| NotANetwork(part.chars().take(64).collect()))
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl fmt::Display for Networks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, network) in self.0.iter().enumerate() {
            if place > 0 {
                f.write_str(",")?;
            }
            write!(f, "{network}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_read_as_they_are_written() {
        let networks: Networks = " 10.0.0.0/8 , 192.0.2.7,2001:db8::/32,".parse().unwrap();
        assert_eq!(networks.to_string(), "10.0.0.0/8,192.0.2.7/32,2001:db8::/32");
        let rows = [
            ("10.200.3.4", true),
            ("::ffff:10.1.1.1", true),
            ("192.0.2.7", true),
            ("192.0.2.8", false),
            ("2001:db8:1::1", true),
            ("2001:db9::1", false),
        ];
        for (address, inside) in rows {
            assert_eq!(networks.contains(address.parse().unwrap()), inside, "{address}");
        }
        assert!(!Networks::default().contains("127.0.0.1".parse().unwrap()));
        for text in ["10.0.0.0/33", "proxy.example", "10.0.0.1;10.0.0.2"] {
            assert_eq!(text.parse::<Networks>(), Err(NotANetwork(text.to_owned())));
        }
    }
}
