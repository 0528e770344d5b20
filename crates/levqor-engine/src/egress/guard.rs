//! The guard in front of every connection: names are resolved here, and refused addresses are left out.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use super::{address::refusal, policy::Network};

/// An address that workflows may not reach.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{host} is {address}, {why}; an operator may allow it with [egress] allow = [\"{address}\"] or LEVQOR_EGRESS_ALLOW={address}"
)]
pub(super) struct Refused {
    pub(super) host: String,
    pub(super) address: IpAddr,
    pub(super) why: &'static str,
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
