//! The guard in front of every connection: names are resolved here, and refused addresses are left out.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use super::{address::refusal, policy::Network};

/// An address that workflows may not reach.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{}", self.what(), self.remedy())]
pub(super) struct Refused {
    pub(super) host: String,
    pub(super) address: IpAddr,
    pub(super) why: &'static str,
}

impl Refused {
    fn what(&self) -> String {
        let Self { host, address, why } = self;
        // An address is not explained by itself.
        match host.trim_matches(['[', ']']).parse::<IpAddr>() {
            Ok(written) if written == *address => format!("{address} is {why}"),
            _ => format!("{host} is {address}, {why}"),
        }
    }

    fn remedy(&self) -> String {
        let address = self.address;
        let to_many = address.is_multicast() || address == IpAddr::V4(Ipv4Addr::BROADCAST);
        if to_many {
            return "; nothing there answers calls".to_owned();
        }
        format!(
            "; an operator may allow it with [egress] allow = [\"{address}\"] or LEVQOR_EGRESS_ALLOW={address}"
        )
    }
}

#[derive(Debug, Clone)]
pub(super) struct Guard {
    allow: Arc<[Network]>,
}

impl Guard {
    pub(super) fn new(allow: &[Network]) -> Self {
        Self { allow: allow.into() }
    }

    /// Checks a host that is an address, in whatever spelling; the URL parser has already read it. Names pass: they are checked when
    /// they are resolved.
    pub(super) fn check(&self, url: &Url) -> Result<(), Refused> {
        let address = match url.host() {
            Some(Host::Ipv4(address)) => IpAddr::V4(address),
            Some(Host::Ipv6(address)) => IpAddr::V6(address),
            Some(Host::Domain(_)) | None => return Ok(()),
        };
        match refusal(address, &self.allow) {
            None => Ok(()),
            Some(why) => Err(Refused { host: url.host_str().unwrap_or_default().to_owned(), address, why }),
        }
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let allow = self.allow.clone();
        Box::pin(async move {
            let mut first_refused = None;
            let mut allowed: Vec<SocketAddr> = Vec::new();
            // Port 0 stands for the URL's own.
            for address in tokio::net::lookup_host((name.as_str(), 0)).await? {
                match refusal(address.ip(), &allow) {
                    None => allowed.push(address),
                    Some(why) => {
                        first_refused.get_or_insert_with(|| Refused {
                            host: name.as_str().to_owned(),
                            address: address.ip(),
                            why,
                        });
                    }
                }
            }
            match first_refused {
                Some(refused) if allowed.is_empty() => Err(refused.into()),
                _ => Ok(Box::new(allowed.into_iter()) as Addrs),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_each_thing_once_and_only_remedies_that_help() {
        let allow = |address: &str| {
            format!(
                "; an operator may allow it with [egress] allow = [\"{address}\"] or LEVQOR_EGRESS_ALLOW={address}"
            )
        };
        let rows = [
            ("http://127.0.0.1/", format!("127.0.0.1 is a loopback address{}", allow("127.0.0.1"))),
            ("http://[::1]/", format!("::1 is a loopback address{}", allow("::1"))),
            ("http://224.0.0.1/", "224.0.0.1 is a multicast address; nothing there answers calls".to_owned()),
            (
                "http://255.255.255.255/",
                "255.255.255.255 is a reserved address; nothing there answers calls".to_owned(),
            ),
        ];
        for (url, text) in rows {
            let refused = Guard::new(&[]).check(&url.parse().unwrap()).unwrap_err();
            assert_eq!(refused.to_string(), text);
        }
        let named = Refused {
            host: "db.internal".to_owned(),
            address: "10.0.0.7".parse().unwrap(),
            why: "a private address",
        };
        let text = format!("db.internal is 10.0.0.7, a private address{}", allow("10.0.0.7"));
        assert_eq!(named.to_string(), text);
    }
}
