//! How many connections one address has open at this node; proxies that are trusted have the connections of many people.

use std::net::IpAddr;

use levqor_wire::One;

use super::{GatewaySettings, Networks};

/// Counts the connections of a listener.
#[derive(Debug)]
pub(crate) struct Crowd {
    open: levqor_wire::Crowd,
    max: usize,
    trusted: Networks,
}

impl Crowd {
    pub(crate) fn new(settings: &GatewaySettings) -> Self {
        Self {
            open: levqor_wire::Crowd::default(),
            max: settings.connections_per_address,
            trusted: settings.trusted_proxies.clone(),
        }
    }

    /// None: as many as may be are open.
    pub(crate) fn enter(&self, peer: IpAddr) -> Option<One> {
        if self.trusted.contains(peer) {
            return Some(One::uncounted());
        }
        self.open.enter(peer, self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_so_many_and_a_proxy_any_number() {
        let settings = GatewaySettings {
            connections_per_address: 2,
            trusted_proxies: "10.0.0.0/8".parse().unwrap(),
            ..GatewaySettings::default()
        };
        let crowd = Crowd::new(&settings);
        let enter = |text: &str| crowd.enter(text.parse().unwrap());
        let (first, second) = (enter("2001:db8::1"), enter("2001:db8::2"));
        assert!(first.is_some() && second.is_some());
        assert!(enter("2001:db8::3").is_none(), "one /64 is one address");
        let many: Vec<_> = (0..9).map(|_| enter("::ffff:10.1.2.3").unwrap()).collect();
        drop((many, first, second));
        assert_eq!(crowd.open.networks(), 0, "nobody is remembered who is gone");
    }
}
