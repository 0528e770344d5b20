//! How many connections one address has open at the edge, so that nobody takes all places from everybody else.
//!
//! Counted is whoever holds the socket. A proxy that is trusted (`trust.proxies`) brings the connections of many people, and has
//! any number. The bound is that of the configuration in use, so a changed one holds for the next connection.

use std::{
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use ipnet::IpNet;
use levqor_wire::One;
use tokio::{sync::OwnedSemaphorePermit, time::Instant};
use tracing::{debug, warn};

use crate::{edge::Edge, metrics::Count};

/// Between two warnings: whoever is refused can make no flood of them.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// The connections of all listeners together.
#[derive(Debug, Default)]
pub struct Crowd {
    open: levqor_wire::Crowd,
    /// When a refusal was last told loudly.
    told: Mutex<Option<Instant>>,
}

/// The place of one connection among all, and among those of its address; free again when this is dropped.
#[derive(Debug)]
pub struct Seat {
    _place: OwnedSemaphorePermit,
    _one: One,
}

impl Seat {
    pub fn new(place: OwnedSemaphorePermit, one: One) -> Self {
        Self { _place: place, _one: one }
    }
}

impl Crowd {
    /// None: the address has as many as it may, which is counted and told.
    pub fn enter(&self, edge: &Edge, peer: IpAddr) -> Option<One> {
        let live = edge.live();
        if live.config.trusts(peer) {
            return Some(One::uncounted());
        }
        let max = live.config.limits.connections_per_address;
        let one = self.open.enter(peer, max);
        if one.is_none() {
            edge.stats.count(Count::ConnectionsRefused);
            self.tell(peer, max);
        }
        one
    }

    fn tell(&self, peer: IpAddr, max: usize) {
        let network = masked(peer);
        let now = Instant::now();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_some_and(|then| now.duration_since(then) < TOLD_EVERY) {
            debug!("a connection from {network} is one too many of its address and was closed");
            return;
        }
        *told = Some(now);
        drop(told);
        warn!(
            "connections from {network} are closed, since one address there has {max} open (limits.connections_per_address); if it is a proxy of yours, name it in trust.proxies"
        );
    }
}

/// What logs show: enough to find a proxy by, too little to know a person by.
fn masked(address: IpAddr) -> String {
    let address = address.to_canonical();
    let bits = if address.is_ipv4() { 24 } else { 48 };
    IpNet::new(address, bits).map_or_else(|_| "somewhere".to_owned(), |network| network.trunc().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_show_networks() {
        for (address, network) in [
            ("192.0.2.77", "192.0.2.0/24"),
            ("::ffff:192.0.2.77", "192.0.2.0/24"),
            ("2001:db8:1:2::3", "2001:db8:1::/48"),
        ] {
            assert_eq!(masked(address.parse().unwrap()), network);
        }
    }
}
