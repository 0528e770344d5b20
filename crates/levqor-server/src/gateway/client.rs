//! The address at the other end of the socket.

use std::{
    convert::Infallible,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use axum::extract::{ConnectInfo, FromRequestParts};
use http::{Extensions, request::Parts};

/// Where the connection comes from. Headers such as `X-Forwarded-For` are not asked: anybody can write them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientAddress(pub IpAddr);

impl ClientAddress {
    pub(crate) fn of(extensions: &Extensions) -> Self {
        // Without a socket (in-process calls) the caller is this machine.
        let address = extensions
            .get::<ConnectInfo<SocketAddr>>()
            .map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |ConnectInfo(address)| address.ip());
        ClientAddress(address.to_canonical())
    }

    /// What limits count by: one household has a whole IPv6 /64 to take addresses from.
    pub fn network(self) -> IpAddr {
        match self.0 {
            IpAddr::V4(_) => self.0,
            IpAddr::V6(address) => {
                let kept = address.to_bits() & !u128::from(u64::MAX);
                IpAddr::V6(Ipv6Addr::from_bits(kept))
            }
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for ClientAddress {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.extensions))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_count_by_network() {
        let rows = [
            ("192.0.2.7", "192.0.2.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
        ];
        for (address, network) in rows {
            let mut extensions = Extensions::new();
            extensions.insert(ConnectInfo(SocketAddr::new(address.parse().unwrap(), 1)));
            assert_eq!(ClientAddress::of(&extensions).network(), network.parse::<IpAddr>().unwrap());
        }
    }
}
