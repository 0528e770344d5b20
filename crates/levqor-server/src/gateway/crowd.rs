//! How many connections one address has open.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use super::{ClientAddress, GatewaySettings, Networks};

/// Open connections by network.
type Open = Arc<Mutex<HashMap<IpAddr, usize>>>;

/// Counts the connections of a listener. It holds no more addresses than there are connections.
#[derive(Debug)]
pub(crate) struct Crowd {
    open: Open,
    max: usize,
    /// Proxies have the connections of many people.
    trusted: Networks,
}

/// One connection; when it is dropped, there is one less.
#[derive(Debug)]
pub(crate) struct One {
    /// None: it is not counted.
    of: Option<(IpAddr, Open)>,
}

impl Crowd {
    pub(crate) fn new(settings: &GatewaySettings) -> Self {
        Self {
            open: Arc::default(),
            max: settings.connections_per_address,
            trusted: settings.trusted_proxies.clone(),
        }
    }

    /// None: as many as may be are open.
    pub(crate) fn enter(&self, peer: IpAddr) -> Option<One> {
        if self.trusted.contains(peer) {
            return Some(One { of: None });
        }
        let network = ClientAddress(peer.to_canonical()).network();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(network).or_default();
        if *count >= self.max {
            return None;
        }
        *count += 1;
        Some(One { of: Some((network, Arc::clone(&self.open))) })
    }
}

impl Drop for One {
    fn drop(&mut self) {
        let Some((network, open)) = &self.of else { return };
        let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(network) {
            *count -= 1;
            if *count == 0 {
                open.remove(network);
            }
        }
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
        assert!(enter("2001:db8:0:1::1").is_some());
        drop(first);
        assert!(enter("2001:db8::3").is_some());
        assert!(enter("192.0.2.1").is_some());
        let many: Vec<_> = (0..9).map(|_| enter("::ffff:10.1.2.3").unwrap()).collect();
        drop((many, second));
        assert!(crowd.open.lock().unwrap().is_empty(), "nobody is remembered who is gone");
    }
}
