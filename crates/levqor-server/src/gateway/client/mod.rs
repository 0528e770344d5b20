//! Who is at the other end, as far as it shows: address, country, fingerprint.
//!
//! Made once a request, at its beginning; everything that counts, logs or decides by address takes it from here.

mod fingerprint;
mod forwarded;
mod networks;

use std::{
    convert::Infallible,
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use axum::extract::{ConnectInfo, FromRequestParts};
use http::{Extensions, HeaderMap, HeaderName, request::Parts};
use levqor_engine::Keyring;
use levqor_model::{Timestamp, audit::masked_address};

pub use fingerprint::ClientFingerprint;
pub use forwarded::ForwardedHeader;
pub use networks::{Networks, NotANetwork};

use super::GatewaySettings;

/// The caller as it shows. An extractor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    pub address: ClientAddress,
    /// A hint, from a header of a trusted proxy.
    pub country: Option<Country>,
    pub fingerprint: ClientFingerprint,
}

/// Where the request comes from: the other end of the socket, or whom trusted proxies name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientAddress(pub IpAddr);

/// Two capital letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Country([u8; 2]);

impl Country {
    fn parse(text: &[u8]) -> Option<Self> {
        let letters: [u8; 2] = text.try_into().ok()?;
        letters.iter().all(u8::is_ascii_uppercase).then_some(Self(letters))
    }

    pub fn as_str(&self) -> &str {
        // Two ASCII letters are text.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Client {
    /// By the socket, and by headers when its peer is trusted.
    pub(super) fn of(
        extensions: &Extensions,
        headers: &HeaderMap,
        settings: &GatewaySettings,
        keyring: &Keyring,
        now: Timestamp,
    ) -> Self {
        let peer = peer(extensions);
        let trusted = &settings.trusted_proxies;
        let address = forwarded::client_address(peer, headers, trusted, settings.forwarded_header);
        let country = settings.country_header.as_ref().filter(|_| trusted.contains(peer));
        Self {
            address: ClientAddress(address),
            country: country.and_then(|name| named_once(headers, name)),
            fingerprint: ClientFingerprint::of(headers, keyring, now),
        }
    }
}

/// Said twice, it is said by two.
fn named_once(headers: &HeaderMap, name: &HeaderName) -> Option<Country> {
    let mut values = headers.get_all(name).iter();
    let country = Country::parse(values.next()?.as_bytes());
    country.filter(|_| values.next().is_none())
}

fn peer(extensions: &Extensions) -> IpAddr {
    // Without a socket (in-process calls) the caller is this machine.
    let address = extensions
        .get::<ConnectInfo<SocketAddr>>()
        .map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |ConnectInfo(address)| address.ip());
    address.to_canonical()
}

impl ClientAddress {
    pub(crate) fn of(extensions: &Extensions) -> Self {
        extensions.get::<Client>().map_or_else(|| ClientAddress(peer(extensions)), |client| client.address)
    }

    /// What limits count by: one household has a whole IPv6 /64 to take addresses from.
    pub fn network(self) -> IpAddr {
        levqor_wire::network(self.0)
    }

    /// What logs show: enough to see a pattern, too little to know a person by.
    pub fn masked(self) -> String {
        masked_address(self.0)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for ClientAddress {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.extensions))
    }
}

impl FromRequestParts<crate::App> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &crate::App) -> Result<Self, Infallible> {
        // Without the gateway around it, a handler finds the same.
        let made = || {
            let settings = &app.settings.gateway;
            Self::of(&parts.extensions, &parts.headers, settings, &app.keyring, app.now())
        };
        Ok(parts.extensions.get::<Client>().copied().unwrap_or_else(made))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_count_by_network_and_logs_show_less() {
        let rows = [
            ("192.0.2.7", "192.0.2.7", "192.0.2.0/24"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::", "2001:db8:1::/48"),
            ("::ffff:192.0.2.7", "192.0.2.7", "192.0.2.0/24"),
        ];
        for (address, network, masked) in rows {
            let mut extensions = Extensions::new();
            extensions.insert(ConnectInfo(SocketAddr::new(address.parse().unwrap(), 1)));
            let found = ClientAddress::of(&extensions);
            assert_eq!(found.network(), network.parse::<IpAddr>().unwrap());
            assert_eq!(found.masked(), masked);
        }
    }

    #[test]
    fn a_country_is_two_letters_said_once() {
        let name = HeaderName::from_static("x-levqor-country");
        let rows: &[(&[&str], Option<&str>)] = &[
            (&["DE"], Some("DE")),
            (&["de"], None),
            (&["DEU"], None),
            (&[""], None),
            (&["DE", "FR"], None),
            (&[], None),
        ];
        for (values, expected) in rows {
            let mut headers = HeaderMap::new();
            for value in *values {
                headers.append(&name, value.parse().unwrap());
            }
            assert_eq!(named_once(&headers, &name).as_ref().map(Country::as_str), *expected, "{values:?}");
        }
    }
}
